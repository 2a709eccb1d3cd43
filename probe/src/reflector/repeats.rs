//! Replies that are sent more than once, at the distance that their session-sender
//! wants (RFC 10052, section 3): off unless an operator allows it, and only for
//! requests whose HMAC was right.

use std::net::IpAddr;

use owl_measure::time::Monotonic;
use owl_protocol::session::reflector::Reply;

/// Replies of one thread that wait for being sent again, 9,000 octets each at most. At the bound a reply goes once, and its
/// session-sender sees that the others are missing.
const WAITING_MAX: usize = 64;

/// A reply that is to be sent again.
#[derive(Debug)]
pub(super) struct Repeat {
    /// When.
    pub(super) due: Monotonic,
    /// Over which of the thread's sockets.
    pub(super) socket: usize,
    pub(super) reply: Reply,
    /// It, as it was sent.
    pub(super) datagram: Vec<u8>,
    /// The local address that it comes from.
    pub(super) from: Option<IpAddr>,
}

/// Replies that wait for being sent again.
#[derive(Debug, Default)]
pub(super) struct Repeats(Vec<Repeat>);

impl Repeats {
    /// One more; whether there is room for it.
    pub(super) fn push(&mut self, repeat: Repeat) -> bool {
        let fits = self.0.len() < WAITING_MAX;
        if fits {
            self.0.push(repeat);
        }
        fits
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Monotonic> {
        self.0.iter().map(|repeat| repeat.due).min()
    }

    /// One that is due, the first of them first.
    pub(super) fn pop_due(&mut self, now: Monotonic) -> Option<Repeat> {
        let due = self.0.iter().enumerate();
        let (first, _) = due
            .filter(|(_, repeat)| repeat.due <= now)
            .min_by_key(|(_, repeat)| repeat.due)?;
        Some(self.0.swap_remove(first))
    }
}
