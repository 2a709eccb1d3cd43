//! Packets that leave in one system call: `sendmmsg`.
//!
//! The buffers are made once. A packet is built where it lies until it is sent.

use std::mem::zeroed;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use socket2::SockAddr;

use super::bundle::{Bundles, Messages};
use super::{BATCH, Bundling, ControlBuffer, Sent, mark, stamp_queueing};

/// Which transmit stamps a packet gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransmitStamps {
    /// That of its departure.
    Departure,
    /// That of its coming to the queueing discipline too, where the kernel gives one: a second message on the error queue.
    Queueing,
}

/// Room for [`BATCH`] packets that wait to be sent.
pub(in crate::net) struct Outgoing {
    octets: Box<[u8]>,
    /// Room of one packet.
    room: usize,
    names: Box<[libc::sockaddr_storage]>,
    controls: Box<[ControlBuffer]>,
    slices: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    waiting: usize,
    bundles: Bundles,
}

// SAFETY: the pointers in it point to its own boxed parts, which move with it from thread to thread without changing place.
unsafe impl Send for Outgoing {}

impl Outgoing {
    /// For packets of at most so many octets.
    pub(in crate::net) fn new(room: usize) -> Self {
        // SAFETY: all-zero is a valid sockaddr_storage, iovec and mmsghdr: plain integers and null pointers.
        let (name, slice, header) = unsafe {
            (
                zeroed::<libc::sockaddr_storage>(),
                zeroed::<libc::iovec>(),
                zeroed::<libc::mmsghdr>(),
            )
        };
        Self {
            octets: vec![0; BATCH * room].into_boxed_slice(),
            room,
            names: vec![name; BATCH].into_boxed_slice(),
            controls: (0..BATCH).map(|_| ControlBuffer::empty()).collect(),
            slices: vec![slice; BATCH].into_boxed_slice(),
            headers: vec![header; BATCH].into_boxed_slice(),
            waiting: 0,
            bundles: Bundles::new(),
        }
    }

    /// How large a packet may be.
    pub(in crate::net) fn room(&self) -> usize {
        self.room
    }

    /// How many wait.
    pub(in crate::net) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Where the next packet is to be written; `None` when as many wait as leave in one call.
    pub(in crate::net) fn next(&mut self) -> Option<&mut [u8]> {
        self.octets.chunks_exact_mut(self.room).nth(self.waiting)
    }

    /// Lets the packet that was written last wait for [`Outgoing::send`]. Without effect when there was no room for it.
    pub(in crate::net) fn push(
        &mut self,
        octets: usize,
        to: SocketAddr,
        class: Option<u8>,
        stamps: TransmitStamps,
    ) {
        let k = self.waiting;
        let Some(packet) = self.octets.chunks_exact_mut(self.room).nth(k) else {
            return;
        };
        let to = SockAddr::from(to);
        // SAFETY: a sockaddr_storage is what SockAddr points to, whole and initialised.
        self.names[k] = unsafe { *to.as_ptr().cast::<libc::sockaddr_storage>() };
        self.slices[k] = libc::iovec {
            iov_base: packet.as_mut_ptr().cast(),
            iov_len: octets.min(packet.len()),
        };
        let header = &mut self.headers[k].msg_hdr;
        header.msg_name = (&raw mut self.names[k]).cast();
        header.msg_namelen = to.len();
        header.msg_iov = &raw mut self.slices[k];
        header.msg_iovlen = 1;
        header.msg_control = std::ptr::null_mut();
        header.msg_controllen = 0;
        let control = &mut self.controls[k];
        let mut used = 0;
        if let Some(class) = class {
            let ipv6 = libc::c_int::from(self.names[k].ss_family) == libc::AF_INET6;
            used = mark(header, control, used, ipv6, class);
        }
        if stamps == TransmitStamps::Queueing {
            stamp_queueing(header, control, used);
        }
        self.waiting += 1;
    }

    /// The packet that waits at this position; `None` when none does.
    pub(in crate::net) fn packet(&self, k: usize) -> Option<&[u8]> {
        let octets = self.slices[..self.waiting].get(k)?.iov_len;
        self.octets.chunks_exact(self.room).nth(k)?.get(..octets)
    }

    /// Makes those that wait ready to be sent.
    pub(in crate::net) fn arrange(&mut self, bundling: Bundling) {
        let messages = Messages {
            headers: &self.headers,
            names: &self.names,
            controls: &mut self.controls,
        };
        self.bundles.arrange(messages, 0..self.waiting, bundling);
    }

    /// Sends what was arranged, from where it stopped. `each` is told the position of every packet and the number of its
    /// send, counted by `sends`; `None` for one that the kernel refused.
    pub(in crate::net) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        bundling: &mut Bundling,
        sends: &mut u32,
        each: impl FnMut(usize, Option<u32>),
    ) -> Sent {
        let messages = Messages {
            headers: &self.headers,
            names: &self.names,
            controls: &mut self.controls,
        };
        self.bundles.send(socket, messages, bundling, sends, each)
    }

    /// Packets that left with others in one send, so far.
    pub(in crate::net) fn bundled(&self) -> u64 {
        self.bundles.bundled()
    }

    /// Makes room again.
    pub(in crate::net) fn clear(&mut self) {
        self.waiting = 0;
    }
}
