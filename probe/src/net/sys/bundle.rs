//! Packets that leave as one: UDP segmentation offload (`UDP_SEGMENT`).
//!
//! Packets that wait together, are as long as each other and go the same way
//! are handed to the kernel as one, and the interface, or the kernel just before
//! it, cuts them apart. The way through the kernel is then paid once. So is the
//! transmit stamp: the kernel stamps the first of them, under one number, and it
//! stands for all. The others leave right behind it, the last one as much later
//! as the others before it take on the wire, which is why a bundle is small.
//!
//! Nothing waits for a bundle: only what is to leave in one system call anyway
//! is bundled.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::{BATCH, ControlBuffer, put_control, set_option};

/// Packets of a bundle, and their payload, at most. On a wire of 10 Gb/s sixteen packets of 64 octets take 1.7 µs, of
/// 1 Gb/s 17 µs, headers and gaps included: by so much may the last of them leave after the stamp of all, less than a
/// kernel stamp is allowed to be early anyway.
pub(super) const BUNDLE_PACKETS: usize = 16;
const BUNDLE_OCTETS: usize = 1_024;

/// Whether packets of a socket leave in bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) enum Bundling {
    Possible,
    /// The kernel does not know bundles, or has refused one of which it then took the packets one by one.
    Refused,
}

/// How far a batch has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// All of it has been handed over.
    All,
    /// A send was refused: the kernel may or may not have used a number for it. What is left can still be sent.
    Stopped,
}

/// Messages that were made ready, by their positions.
pub(super) struct Messages<'a> {
    pub(super) headers: &'a [libc::mmsghdr],
    pub(super) names: &'a [libc::sockaddr_storage],
    pub(super) controls: &'a mut [ControlBuffer],
}

impl Bundling {
    /// What the kernel says of it before the first send. One that does not know the option (before Linux 4.18) would send a
    /// bundle as one long datagram.
    pub(in crate::net) fn of(socket: BorrowedFd<'_>) -> Self {
        // No bundles unless a send asks for one.
        match set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0) {
            Ok(()) => Self::Possible,
            Err(_) => Self::Refused,
        }
    }
}

impl Messages<'_> {
    fn octets(&self, k: usize) -> usize {
        // SAFETY: every message that is sent has one slice, which lives as long as the batch that lent its headers.
        unsafe { (*self.headers[k].msg_hdr.msg_iov).iov_len }
    }

    fn name(&self, k: usize) -> &[u8] {
        let octets = self.headers[k].msg_hdr.msg_namelen as usize;
        let octets = octets.min(size_of::<libc::sockaddr_storage>());
        // SAFETY: a sockaddr_storage is plain octets, all of them initialised, and no more of them than it has are viewed.
        unsafe { std::slice::from_raw_parts((&raw const self.names[k]).cast(), octets) }
    }

    fn control(&self, k: usize) -> &[u8] {
        let octets: usize = self.headers[k].msg_hdr.msg_controllen as _;
        self.controls[k].0.get(..octets).unwrap_or_default()
    }

    /// Whether they go the same way and are as long as each other.
    fn alike(&self, one: usize, other: usize) -> bool {
        self.octets(one) == self.octets(other)
            && self.name(one) == self.name(other)
            && self.control(one) == self.control(other)
    }
}

/// What leaves in one send.
#[derive(Debug, Clone, Copy)]
struct Bundle {
    /// Where its packets stand in the order of leaving.
    begin: usize,
    end: usize,
}

/// The sends of one batch, made of its messages.
pub(super) struct Bundles {
    /// Positions of the messages in the order of leaving, those of one send side by side.
    order: Vec<usize>,
    bundles: Vec<Bundle>,
    slices: Box<[libc::iovec]>,
    sends: Box<[libc::mmsghdr]>,
    /// The first of the sends that has not been handed over.
    next: usize,
    /// Packets that left with others, so far.
    bundled: u64,
    /// A bundle was refused; whether its first packet is taken alone tells whose fault that was.
    suspected: bool,
}

impl Bundles {
    pub(super) fn new() -> Self {
        // SAFETY: all-zero is a valid iovec and mmsghdr: plain integers and null pointers.
        let (slice, send) = unsafe { (zeroed::<libc::iovec>(), zeroed::<libc::mmsghdr>()) };
        Self {
            order: Vec::with_capacity(BATCH),
            bundles: Vec::with_capacity(BATCH),
            slices: vec![slice; BATCH].into_boxed_slice(),
            sends: vec![send; BATCH].into_boxed_slice(),
            next: 0,
            bundled: 0,
            suspected: false,
        }
    }

    /// Packets that left with others in one send, so far.
    pub(super) fn bundled(&self) -> u64 {
        self.bundled
    }

    /// Puts messages in the order of leaving: the first of a bundle where it stood, the others of the bundle behind it.
    pub(super) fn arrange(
        &mut self,
        mut messages: Messages<'_>,
        positions: impl Iterator<Item = usize>,
        bundling: Bundling,
    ) {
        self.order.clear();
        self.bundles.clear();
        self.next = 0;
        self.suspected = false;
        for k in positions.take(BATCH) {
            let joined = match bundling {
                Bundling::Possible => self.bundle_for(k, &messages),
                Bundling::Refused => None,
            };
            match joined {
                Some(joined) => {
                    self.order.insert(self.bundles[joined].end, k);
                    self.bundles[joined].end += 1;
                    for later in &mut self.bundles[joined + 1..] {
                        later.begin += 1;
                        later.end += 1;
                    }
                }
                None => {
                    let begin = self.order.len();
                    self.order.push(k);
                    self.bundles.push(Bundle {
                        begin,
                        end: begin + 1,
                    });
                }
            }
        }
        self.lay_out(&mut messages);
    }

    /// The last bundle of its kind, when there is room in it. A batch is small, so they are simply looked through.
    fn bundle_for(&self, k: usize, messages: &Messages<'_>) -> Option<usize> {
        let mut bundles = self.bundles.iter().enumerate().rev();
        let (found, bundle) =
            bundles.find(|(_, bundle)| messages.alike(self.order[bundle.begin], k))?;
        let packets = bundle.end - bundle.begin + 1;
        let fits = packets <= BUNDLE_PACKETS && packets * messages.octets(k) <= BUNDLE_OCTETS;
        (fits && messages.octets(k) > 0).then_some(found)
    }

    /// Writes what the kernel reads.
    fn lay_out(&mut self, messages: &mut Messages<'_>) {
        for (number, bundle) in self.bundles.iter().enumerate() {
            let positions = &self.order[bundle.begin..bundle.end];
            let first = positions[0];
            for (slice, &k) in self.slices[bundle.begin..].iter_mut().zip(positions) {
                // SAFETY: as in `octets`.
                *slice = unsafe { *messages.headers[k].msg_hdr.msg_iov };
            }
            let octets = messages.octets(first);
            let send = &mut self.sends[number];
            *send = messages.headers[first];
            send.msg_hdr.msg_iov = &raw mut self.slices[bundle.begin];
            send.msg_hdr.msg_iovlen = positions.len() as _;
            if let Ok(octets) = u16::try_from(octets)
                && positions.len() > 1
            {
                let used: usize = send.msg_hdr.msg_controllen as _;
                put_control(
                    &mut send.msg_hdr,
                    &mut messages.controls[first],
                    used,
                    libc::SOL_UDP,
                    libc::UDP_SEGMENT,
                    octets,
                );
            }
        }
    }

    /// Hands over what was arranged, from where it stopped. `each` is told the position of every packet and the number
    /// of its send, counted by `sends`; `None` for a packet that was refused.
    pub(super) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        messages: Messages<'_>,
        bundling: &mut Bundling,
        sends: &mut u32,
        mut each: impl FnMut(usize, Option<u32>),
    ) -> Sent {
        while self.next < self.bundles.len() {
            let rest = &mut self.sends[self.next..self.bundles.len()];
            // SAFETY: these headers point to parts of the batch as its owner and `lay_out` set them, and nothing of it moves:
            // the parts are boxed. sendmmsg only reads those parts and writes the lengths into the headers.
            let taken = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as libc::c_uint,
                    libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                )
            };
            if taken <= 0 {
                self.refused(io::Error::last_os_error(), messages, each);
                return Sent::Stopped;
            }
            if std::mem::take(&mut self.suspected) {
                *bundling = Bundling::Refused;
            }
            for bundle in &self.bundles[self.next..][..taken as usize] {
                if bundle.end - bundle.begin > 1 {
                    self.bundled += (bundle.end - bundle.begin) as u64;
                }
                for &k in &self.order[bundle.begin..bundle.end] {
                    each(k, Some(*sends));
                }
                *sends = sends.wrapping_add(1);
            }
            self.next += taken as usize;
        }
        Sent::All
    }

    /// The first of the rest was refused; the others are not its fault. A bundle that may have been refused for being one
    /// is taken apart, and what is left of the batch with it.
    fn refused(
        &mut self,
        error: io::Error,
        mut messages: Messages<'_>,
        mut each: impl FnMut(usize, Option<u32>),
    ) {
        let Bundle { begin, end } = self.bundles[self.next];
        if end - begin > 1 && is_of_bundles(&error) {
            self.order.drain(..begin);
            self.bundles.clear();
            let singly = (0..self.order.len()).map(|k| Bundle {
                begin: k,
                end: k + 1,
            });
            self.bundles.extend(singly);
            self.next = 0;
            self.suspected = true;
            self.lay_out(&mut messages);
            return;
        }
        self.suspected = false;
        for &k in &self.order[begin..end] {
            each(k, None);
        }
        self.next += 1;
    }
}

/// What a kernel says that cannot cut packets apart (Linux, `udp_send_skb`).
fn is_of_bundles(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EIO))
}
