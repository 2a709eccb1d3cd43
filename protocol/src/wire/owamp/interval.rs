//! A span of time as the control messages write it: 32 bits of seconds and a
//! binary fraction of 32 bits, like a timestamp but counted from nothing
//! (RFC 4656, section 3.5).

use owl_measure::time::Nanos;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A span of time in units of 2⁻³² s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Interval(pub u64);

impl Interval {
    /// To the nearest unit; less than nothing becomes nothing, more than there is room for the longest.
    pub fn from_nanos(span: Nanos) -> Self {
        let nanos = u128::from(span.0.max(0) as u64);
        let units = ((nanos << 32) + NANOS_PER_SECOND / 2) / NANOS_PER_SECOND;
        Self(u64::try_from(units).unwrap_or(u64::MAX))
    }

    /// To the nearest nanosecond; 2³² s are 4.3 · 10¹⁸ ns, so every span fits.
    pub fn to_nanos(self) -> Nanos {
        let nanos = (u128::from(self.0) * NANOS_PER_SECOND + (1 << 31)) >> 32;
        Nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nanosecond_survives_the_way_there_and_back() {
        for ns in (0..100_000).chain([1_999_999_999, 2_000_000_000, 900_000_000_000]) {
            assert_eq!(Interval::from_nanos(Nanos(ns)).to_nanos(), Nanos(ns));
        }
        assert_eq!(
            Interval::from_nanos(Nanos::from_millis(2_500)),
            Interval(0x0000_0002_8000_0000)
        );
        assert_eq!(Interval::from_nanos(Nanos(-1)), Interval(0));
    }

    #[test]
    fn no_sixty_four_bits_overflow() {
        assert_eq!(
            Interval(u64::MAX).to_nanos(),
            Nanos(4_294_967_296_000_000_000)
        );
        assert_eq!(Interval::from_nanos(Nanos::MAX), Interval(u64::MAX));
    }
}
