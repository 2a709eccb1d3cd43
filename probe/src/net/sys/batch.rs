//! Many messages in one system call: `recvmmsg`, and replies by `sendmmsg`.
//!
//! A batch owns its buffers for good, so nothing is allocated for a packet. A
//! reply is built where its request lies and goes back to the address that the
//! kernel wrote there, which is never converted.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use socket2::SockAddr;

use super::bundle::{Bundles, Messages};
use super::{
    Bundling, Control, ControlBuffer, Queue, Sent, local_address, mark, read_control,
    socket_address,
};

/// Messages in a batch. More gain nothing: the call is a small part of 32 packets' work already.
pub(crate) const BATCH: usize = 32;
/// Room for one datagram: more than an Ethernet jumbo frame carries. What is longer is cut, as UDP does.
const DATAGRAM_OCTETS: usize = 9_216;

/// Room for [`BATCH`] messages, with what the kernel says of each.
pub(in crate::net) struct Batch {
    octets: Box<[u8]>,
    names: Box<[libc::sockaddr_storage]>,
    controls: Box<[ControlBuffer]>,
    slices: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    received: usize,
    /// Positions of the messages that are to go back, in the order of sending.
    outgoing: Vec<usize>,
    bundles: Bundles,
}

impl Batch {
    pub(in crate::net) fn new() -> Self {
        // SAFETY: all-zero is a valid sockaddr_storage, iovec and mmsghdr: plain integers and null pointers.
        let (name, slice, header) = unsafe {
            (
                zeroed::<libc::sockaddr_storage>(),
                zeroed::<libc::iovec>(),
                zeroed::<libc::mmsghdr>(),
            )
        };
        Self {
            octets: vec![0; BATCH * DATAGRAM_OCTETS].into_boxed_slice(),
            names: vec![name; BATCH].into_boxed_slice(),
            controls: (0..BATCH).map(|_| ControlBuffer::empty()).collect(),
            slices: vec![slice; BATCH].into_boxed_slice(),
            headers: vec![header; BATCH].into_boxed_slice(),
            received: 0,
            outgoing: Vec::with_capacity(BATCH),
            bundles: Bundles::new(),
        }
    }

    /// Reads as many messages as there are, up to the batch, without waiting.
    pub(in crate::net) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        queue: Queue,
    ) -> io::Result<usize> {
        self.outgoing.clear();
        self.received = 0;
        for k in 0..BATCH {
            let octets = &mut self.octets[k * DATAGRAM_OCTETS..(k + 1) * DATAGRAM_OCTETS];
            self.slices[k] = libc::iovec {
                iov_base: octets.as_mut_ptr().cast(),
                iov_len: octets.len(),
            };
            let header = &mut self.headers[k].msg_hdr;
            // A stamp has no octets and comes from nowhere (SOF_TIMESTAMPING_OPT_TSONLY); asking for neither costs less.
            let (name, name_octets, slices) = match queue {
                Queue::Data => (
                    (&raw mut self.names[k]).cast(),
                    size_of::<libc::sockaddr_storage>() as libc::socklen_t,
                    1,
                ),
                Queue::Error => (std::ptr::null_mut(), 0, 0),
            };
            header.msg_name = name;
            header.msg_namelen = name_octets;
            header.msg_iov = &raw mut self.slices[k];
            header.msg_iovlen = slices;
            header.msg_control = self.controls[k].0.as_mut_ptr().cast();
            header.msg_controllen = self.controls[k].0.len() as _;
            header.msg_flags = 0;
            self.headers[k].msg_len = 0;
        }
        let flags = libc::MSG_DONTWAIT | queue.flag();
        // SAFETY: every pointer of the headers was set above to a part of this batch, of the stated length, and nothing of it
        // moves: the parts are boxed. The descriptor is borrowed.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                flags,
                std::ptr::null_mut(),
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock {
                Ok(0)
            } else {
                Err(error)
            };
        }
        self.received = count as usize;
        Ok(self.received)
    }

    /// One received message.
    pub(in crate::net) fn datagram(&self, k: usize) -> &[u8] {
        let octets = (self.headers[..self.received][k].msg_len as usize).min(DATAGRAM_OCTETS);
        &self.octets[k * DATAGRAM_OCTETS..][..octets]
    }

    /// The room in which one received message lies.
    pub(in crate::net) fn room(&mut self, k: usize) -> &mut [u8] {
        &mut self.octets[k * DATAGRAM_OCTETS..(k + 1) * DATAGRAM_OCTETS]
    }

    /// Where a received message came from.
    pub(in crate::net) fn source(&self, k: usize) -> Option<SocketAddr> {
        socket_address(
            &self.names[k],
            self.headers[..self.received][k].msg_hdr.msg_namelen,
        )
    }

    /// What the kernel says of a received message.
    pub(in crate::net) fn control(&self, k: usize) -> Control {
        read_control(&self.headers[..self.received][k].msg_hdr)
    }

    /// Marks the room of a received message as a reply of so many octets: to where it came from unless `to` says
    /// otherwise, from a given local address, over a given interface, with a traffic class.
    pub(in crate::net) fn reply(
        &mut self,
        k: usize,
        octets: usize,
        to: Option<SocketAddr>,
        from: Option<IpAddr>,
        interface: Option<u32>,
        class: Option<u8>,
    ) {
        let header = &mut self.headers[..self.received][k].msg_hdr;
        if let Some(to) = to {
            let to = SockAddr::from(to);
            // SAFETY: a sockaddr_storage is what SockAddr points to, whole and initialised.
            self.names[k] = unsafe { *to.as_ptr().cast::<libc::sockaddr_storage>() };
            header.msg_namelen = to.len();
        }
        self.slices[k].iov_len = octets.min(DATAGRAM_OCTETS);
        header.msg_control = std::ptr::null_mut();
        header.msg_controllen = 0;
        header.msg_flags = 0;
        let mut used = 0;
        let ipv6 = libc::c_int::from(self.names[k].ss_family) == libc::AF_INET6;
        if from.is_some() || interface.is_some() {
            let any = if ipv6 {
                IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            } else {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            };
            let (from, interface) = (from.unwrap_or(any), interface.unwrap_or(0));
            used = local_address(header, &mut self.controls[k], used, from, interface);
        }
        if let Some(class) = class {
            mark(header, &mut self.controls[k], used, ipv6, class);
        }
        self.outgoing.push(k);
    }

    /// Makes what was marked ready to be sent; messages behind the last of it can still be read and marked.
    pub(in crate::net) fn arrange(&mut self, bundling: Bundling) {
        let messages = Messages {
            headers: &self.headers,
            names: &self.names,
            controls: &mut self.controls,
        };
        let positions = self.outgoing.drain(..);
        self.bundles.arrange(messages, positions, bundling);
    }

    /// Sends what was arranged, from where it stopped. `each` is told the position of every reply and the number of its
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
}
