//! The Error Estimate (RFC 8762, section 4.1.1, after RFC 4656): what a host
//! claims of its own clock, in two octets.
//!
//! Bit 15 S: synchronised to UTC by an external source. Bit 14 Z: format of the
//! timestamps. Bits 13–8 Scale, 7–0 Multiplier: the error is
//! Multiplier · 2^Scale · 2⁻³² s.

use owl_measure::sample::PeerClock;
use owl_measure::time::Nanos;

const SYNCHRONISED: u16 = 1 << 15;
const PTP_FORMAT: u16 = 1 << 14;

/// How the timestamps beside an Error Estimate are written (the Z bit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// The 64-bit NTP format.
    Ntp,
    /// The truncated PTPv2 format (RFC 8186).
    Ptp,
}

/// An Error Estimate as it stands in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorEstimate(pub u16);

impl ErrorEstimate {
    /// No claim: not synchronised, and the largest error there is. The Multiplier must not be 0 (RFC 4656, 4.1.2).
    pub const NO_CLAIM: Self = Self(0x3FFF);

    /// Claims to be within `bound` of UTC, rounded up by less than 0.8 %; `None` claims nothing.
    pub fn claim(bound: Option<Nanos>) -> Self {
        let Some(bound) = bound else {
            return Self::NO_CLAIM;
        };
        let mut multiplier =
            ((u128::from(bound.0.max(0) as u64) << 32).div_ceil(1_000_000_000)).max(1);
        let mut scale = 0_u16;
        while multiplier > 255 {
            multiplier = multiplier.div_ceil(2);
            scale += 1;
        }
        Self(SYNCHRONISED | (scale << 8) | multiplier as u16)
    }

    /// What it says of the clock.
    pub fn clock(self) -> PeerClock {
        if self.0 & SYNCHRONISED == 0 || self.0 & 0xFF == 0 {
            return PeerClock::NoClaim;
        }
        let units = u128::from(self.0 & 0xFF) << ((self.0 >> 8) & 0x3F);
        let ns = (units * 1_000_000_000).div_ceil(1 << 32);
        PeerClock::Within(Nanos(i64::try_from(ns).unwrap_or(i64::MAX)))
    }

    /// The same claim beside timestamps of another format.
    pub fn with_format(self, format: TimestampFormat) -> Self {
        match format {
            TimestampFormat::Ntp => Self(self.0 & !PTP_FORMAT),
            TimestampFormat::Ptp => Self(self.0 | PTP_FORMAT),
        }
    }

    /// How the timestamps beside it are written.
    pub fn format(self) -> TimestampFormat {
        if self.0 & PTP_FORMAT == 0 {
            TimestampFormat::Ntp
        } else {
            TimestampFormat::Ptp
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_microseconds_are_scale_10_multiplier_210() {
        assert_eq!(
            ErrorEstimate::claim(Some(Nanos(50_000))),
            ErrorEstimate(SYNCHRONISED | 10 << 8 | 210)
        );
    }

    #[test]
    fn a_claim_is_never_narrower_than_the_bound_and_hardly_wider() {
        for bound in
            (0..63).flat_map(|bit| [(1_i64 << bit) - 1, 1 << bit, (1 << bit) + (1 << bit) / 3])
        {
            match ErrorEstimate::claim(Some(Nanos(bound))).clock() {
                PeerClock::Within(Nanos(read)) => {
                    assert!(read >= bound, "{bound} became {read}");
                    assert!(
                        read as f64 <= bound as f64 * 1.008 + 1.0,
                        "{bound} became {read}"
                    );
                }
                PeerClock::NoClaim => panic!("{bound} is a claim"),
            }
        }
    }

    #[test]
    fn an_unsynchronised_clock_and_a_zero_multiplier_claim_nothing() {
        for bits in [ErrorEstimate::NO_CLAIM.0, 0x0001, 0x8000, 0x8A00] {
            assert_eq!(
                ErrorEstimate(bits).clock(),
                PeerClock::NoClaim,
                "{bits:#06x}"
            );
        }
        assert_eq!(ErrorEstimate(0xC001).format(), TimestampFormat::Ptp);
        let ptp = ErrorEstimate(0x8A01).with_format(TimestampFormat::Ptp);
        assert_eq!((ptp.0, ptp.format()), (0xCA01, TimestampFormat::Ptp));
        assert_eq!(ptp.with_format(TimestampFormat::Ntp).0, 0x8A01);
        assert!(matches!(
            ErrorEstimate(u16::MAX).clock(),
            PeerClock::Within(Nanos(i64::MAX))
        ));
    }
}
