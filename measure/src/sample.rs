//! One test packet that came back, with its four timestamps.
//!
//! T1 sent, T2 received by the session-reflector, T3 sent back, T4 received
//! again (RFC 8762). T1 and T4 are read on the session-sender's clock, T2 and
//! T3 on the session-reflector's; nothing here corrects them.

use crate::time::{Nanos, Timestamp};

/// Where a timestamp was taken; the nearer to the wire, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StampSource {
    /// By the network interface.
    Hardware,
    /// By the kernel: before the driver on transmit, after it on receipt.
    Kernel,
    /// By this process around its system call: the last resort.
    User,
}

/// A timestamp and where it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The instant, on the clock of the host that took it.
    pub at: Timestamp,
    /// Where it was taken.
    pub source: StampSource,
}

/// The way of a packet: from the session-sender or back to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// T1 → T2
    Forward,
    /// T3 → T4
    Backward,
}

/// What the session-reflector says of its own clock (the Error Estimate of RFC 8762, section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerClock {
    /// Synchronised to UTC, and off by no more than this, it says.
    Within(Nanos),
    /// Not synchronised: it makes no claim.
    NoClaim,
}

/// What became of the DSCP of a packet on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DscpFate {
    /// Nobody told with which it arrived.
    #[default]
    Untold,
    /// It arrived with the one that it was sent with.
    Kept,
    /// It arrived with another.
    Remarked,
}

/// How a packet arrived: what the network did to its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Header {
    /// TTL or hop limit on arrival; 0 when it was not told.
    pub ttl: u8,
    /// Its DSCP (RFC 2474).
    pub dscp: DscpFate,
    /// A router marked it as having met congestion (ECN codepoint CE, RFC 3168).
    pub congestion: bool,
}

/// One test packet that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The session-sender's sequence number.
    pub sequence: u32,
    /// T1 as it was written into the packet; it decides to which interval the packet belongs.
    pub origin: Timestamp,
    /// T1, the best stamp there is.
    pub sent_at: Stamp,
    /// T2, as told by the session-reflector.
    pub reflector_received_at: Timestamp,
    /// T3, as told by the session-reflector.
    pub reflector_sent_at: Timestamp,
    /// Where T3 was taken, as far as it is known: by the process, unless the reflector told better.
    pub t3: StampSource,
    /// T4.
    pub received_at: Stamp,
    /// How the packet reached the session-reflector.
    pub forward_header: Header,
    /// How the reply came back.
    pub backward_header: Header,
    /// What the session-reflector claims of its clock.
    pub peer_clock: PeerClock,
}

impl Sample {
    /// T2 − T1: the forward one-way delay plus the difference of the two clocks; may be negative.
    pub fn forward(&self) -> Nanos {
        self.reflector_received_at - self.sent_at.at
    }

    /// T4 − T3: the backward one-way delay minus the difference of the two clocks; may be negative.
    pub fn backward(&self) -> Nanos {
        self.received_at.at - self.reflector_sent_at
    }

    /// The raw one-way difference of one direction.
    pub fn raw(&self, direction: Direction) -> Nanos {
        match direction {
            Direction::Forward => self.forward(),
            Direction::Backward => self.backward(),
        }
    }

    /// The header of the packet or of its reply, on arrival.
    pub fn header(&self, direction: Direction) -> Header {
        match direction {
            Direction::Forward => self.forward_header,
            Direction::Backward => self.backward_header,
        }
    }

    /// (T4 − T1) − (T3 − T2): the round-trip delay without the reflector's residence. Needs no clock agreement.
    ///
    /// Software stamps are early on transmit and late on receipt, so this is never below the true value.
    pub fn round_trip(&self) -> Nanos {
        (self.received_at.at - self.sent_at.at)
            - (self.reflector_sent_at - self.reflector_received_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_difference_cancels_in_the_round_trip_and_stays_signed_in_each_direction() {
        let at = |ns| Stamp {
            at: Timestamp(ns),
            source: StampSource::Kernel,
        };
        // True delays 300 forward and 200 back, residence 50, reflector's clock 1000 behind.
        let sample = Sample {
            sequence: 0,
            origin: Timestamp(0),
            sent_at: at(0),
            reflector_received_at: Timestamp(300 - 1000),
            reflector_sent_at: Timestamp(350 - 1000),
            t3: StampSource::Kernel,
            received_at: at(550),
            forward_header: Header::default(),
            backward_header: Header::default(),
            peer_clock: PeerClock::NoClaim,
        };
        assert_eq!(sample.forward(), Nanos(-700));
        assert_eq!(sample.backward(), Nanos(1200));
        assert_eq!(sample.round_trip(), Nanos(500));
    }
}
