//! TimeTicks (RFC 2578, section 7.1.8): hundredths of a second, modulo 2³².

use crate::time::Nanos;

/// A reading of sysUpTime, or of what is told in it: hundredths of a second since the agent started, modulo 2³².
///
/// It wraps after 497.1 days, and a smaller reading than the last is therefore no restart yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub u32);

impl Ticks {
    /// How long one tick is.
    pub const LENGTH: Nanos = Nanos(10_000_000);

    /// What has passed since an earlier reading, when `about` is the time that passed by another clock: of all whole
    /// wraps, the one that comes nearest to it.
    pub fn since(self, earlier: Self, about: Nanos) -> Nanos {
        const WRAP: i64 = 1 << 32;
        let passed = i64::from(self.0.wrapping_sub(earlier.0));
        let missing = about.0 / Self::LENGTH.0 - passed;
        let wraps = (missing + WRAP / 2).div_euclid(WRAP).max(0);
        Self::LENGTH.times(wraps.saturating_mul(WRAP).saturating_add(passed))
    }

    /// The time since the agent started, when it has not wrapped since.
    pub fn since_start(self) -> Nanos {
        Self::LENGTH.times(i64::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(earlier: u32, later: u32, about_s: i64, ticks: i64) {
        let passed = Ticks(later).since(Ticks(earlier), Nanos::from_secs(about_s));
        assert_eq!(passed, Ticks::LENGTH.times(ticks));
    }

    #[test]
    fn the_other_clock_tells_how_often_the_ticks_have_wrapped() {
        check(100, 1_100, 10, 1_000);
        check(u32::MAX - 499, 500, 10, 1_000);
        check(100, 1_100, 42_949_683, (1 << 32) + 1_000);
        check(1_000, 0, 10, (1 << 32) - 1_000); // no wrap explains it: for the caller to judge
    }
}
