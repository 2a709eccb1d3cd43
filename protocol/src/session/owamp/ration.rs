//! How much a Server sends for others: the load of all sessions that it was
//! asked to send, together.
//!
//! A measurement must not disturb what it measures, so a session that would
//! exceed the ration is refused when it is asked for, never slowed down later.

use owl_measure::time::Nanos;

use crate::wire::owamp::{Accept, RequestSession, Slot, TestPacket};

/// Octets of the headers of IPv6 and UDP, the longer of the two families.
const HEADER_OCTETS: u64 = 48;

/// What may be sent, and what has been promised.
#[derive(Debug)]
pub struct SendRation {
    bits_per_second_max: u64,
    promised: u64,
}

/// The share of one session, to be given back.
#[derive(Debug, PartialEq, Eq)]
pub struct Share(u64);

impl SendRation {
    /// So many bits per second of IP packets, averaged over the schedule of each session.
    pub fn new(bits_per_second_max: u64) -> Self {
        Self {
            bits_per_second_max,
            promised: 0,
        }
    }

    /// Promises a session its load.
    ///
    /// # Errors
    /// [`Accept::PermanentLimit`] for more than the whole ration, [`Accept::TemporaryLimit`] while others have it.
    pub fn promise(&mut self, request: &RequestSession) -> Result<Share, Accept> {
        let load = load(request);
        if load > self.bits_per_second_max {
            return Err(Accept::PermanentLimit);
        }
        if self.promised.saturating_add(load) > self.bits_per_second_max {
            return Err(Accept::TemporaryLimit);
        }
        self.promised += load;
        Ok(Share(load))
    }

    /// The session is over.
    pub fn give_back(&mut self, share: Share) {
        self.promised = self.promised.saturating_sub(share.0);
    }
}

/// Bits per second of a schedule on average, rounded up; without any gap there is no end to it.
fn load(request: &RequestSession) -> u64 {
    let gaps: Nanos = request
        .schedule
        .iter()
        .map(|slot| match slot {
            Slot::Exponential(gap) | Slot::Fixed(gap) => gap.to_nanos(),
        })
        .sum();
    let octets =
        u64::from(request.preamble.padding_octets) + TestPacket::OCTETS as u64 + HEADER_OCTETS;
    let bits = u128::from(octets) * 8 * request.schedule.len() as u128;
    match u128::try_from(gaps.0) {
        Ok(gaps @ 1..) => u64::try_from((bits * 1_000_000_000).div_ceil(gaps)).unwrap_or(u64::MAX),
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::owamp::tests::request;
    use crate::wire::owamp::Interval;

    fn session(padding_octets: u32, gaps: &[u64]) -> RequestSession {
        let mut request = request();
        request.preamble.padding_octets = padding_octets;
        request.schedule = gaps.iter().map(|&gap| Slot::Fixed(Interval(gap))).collect();
        request
    }

    #[test]
    fn the_load_is_that_of_ip_packets_over_the_whole_schedule() {
        let second = 1 << 32;
        assert_eq!(load(&session(0, &[second])), 62 * 8);
        assert_eq!(load(&session(938, &[second, 3 * second])), 4_000);
        assert_eq!(load(&session(0, &[0])), u64::MAX);
        assert_eq!(load(&session(0, &[])), u64::MAX);
        assert_eq!(load(&session(u32::MAX, &[1])), u64::MAX);
    }

    #[test]
    fn what_would_exceed_the_ration_is_refused_for_ever_or_for_now() {
        let mut ration = SendRation::new(1_000);
        let small = session(0, &[1 << 32]);
        let large = session(100, &[1 << 32]);
        assert_eq!(ration.promise(&large), Err(Accept::PermanentLimit));
        let first = ration.promise(&small).unwrap();
        let second = ration.promise(&small).unwrap();
        assert_eq!(ration.promise(&small), Err(Accept::TemporaryLimit));
        ration.give_back(first);
        assert!(ration.promise(&small).is_ok());
        ration.give_back(second);
    }
}
