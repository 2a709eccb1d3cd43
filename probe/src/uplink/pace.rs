//! How fast reports of an outage are caught up with.

use std::time::{Duration, Instant};

/// A rate. What is sent is paid for by waiting afterwards, so one batch always goes, however large.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    octets_per_second: u64,
    /// When the next may go.
    next_at: Instant,
}

impl Pace {
    pub(super) fn of(octets_per_second: u64, now: Instant) -> Self {
        Self {
            octets_per_second,
            next_at: now,
        }
    }

    /// From when on the next batch may go.
    pub(super) fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Pays for octets that go now. Time that was not used is not saved up.
    pub(super) fn pay(&mut self, octets: usize, now: Instant) {
        let ns = (octets as u128 * 1_000_000_000).div_ceil(self.octets_per_second.into());
        let ns = u64::try_from(ns).unwrap_or(u64::MAX);
        self.next_at = self.next_at.max(now) + Duration::from_nanos(ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_carries_the_rate_and_a_pause_earns_nothing() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let mut pace = Pace::of(1_000_000, begun);
        for batch in 0..10 {
            assert_eq!(pace.next_at(), at(batch * 100));
            pace.pay(100_000, at(batch * 100));
        }
        pace.pay(500_000, at(60_000));
        assert_eq!(pace.next_at(), at(60_500));
    }
}
