//! The 64-bit NTP timestamp (RFC 5905, section 6): seconds since 1900 and a
//! binary fraction of 2⁻³² s, about 0.23 ns, so every nanosecond survives the
//! way there and back. The seconds wrap in 2036 and are unfolded to the era
//! nearest to a reference.

use owl_measure::time::Timestamp;

/// From 1900-01-01 to 1970-01-01 in seconds (RFC 868).
const UNIX_EPOCH_S: i64 = 2_208_988_800;
/// One era: 2³² seconds.
const ERA_S: i64 = 1 << 32;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// An NTP timestamp as it stands in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NtpTimestamp(pub u64);

impl NtpTimestamp {
    /// Folds an instant into its era; the fraction is rounded to the nearest unit.
    pub fn from_timestamp(at: Timestamp) -> Self {
        let seconds = at.0.div_euclid(NANOS_PER_SECOND) + UNIX_EPOCH_S;
        let nanos = at.0.rem_euclid(NANOS_PER_SECOND) as u64;
        // At most 999 999 999 · 2³² / 10⁹ < 2³² − 4, so rounding never carries into the seconds.
        let fraction = ((nanos << 32) + NANOS_PER_SECOND as u64 / 2) / NANOS_PER_SECOND as u64;
        Self(((seconds.rem_euclid(ERA_S) as u64) << 32) | fraction)
    }

    /// The instant nearest to `reference` that looks like this, to the nearest nanosecond.
    pub fn to_timestamp(self, reference: Timestamp) -> Timestamp {
        let seconds_in_era = (self.0 >> 32) as i64;
        let fraction = self.0 & 0xFFFF_FFFF;
        let nanos = ((fraction * NANOS_PER_SECOND as u64 + (1 << 31)) >> 32) as i64;
        let reference_s = reference.0.div_euclid(NANOS_PER_SECOND) + UNIX_EPOCH_S;
        let behind_s = (reference_s - seconds_in_era + ERA_S / 2).div_euclid(ERA_S) * ERA_S;
        let seconds = seconds_in_era + behind_s - UNIX_EPOCH_S;
        Timestamp(
            seconds
                .saturating_mul(NANOS_PER_SECOND)
                .saturating_add(nanos),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nanosecond_survives_the_way_there_and_back() {
        let now = 1_795_441_000_000_000_000_i64;
        for k in 0..200_000_i64 {
            let at = Timestamp(now + k * 5_003 + k % 7);
            assert_eq!(
                NtpTimestamp::from_timestamp(at).to_timestamp(Timestamp(now)),
                at
            );
        }
        for nanos in [0, 1, 999_999_998, 999_999_999] {
            let at = Timestamp(now + nanos);
            assert_eq!(NtpTimestamp::from_timestamp(at).to_timestamp(at), at);
        }
    }

    #[test]
    fn the_wrap_of_2036_is_unfolded_to_the_nearest_era() {
        let wrap = Timestamp((ERA_S - UNIX_EPOCH_S) * NANOS_PER_SECOND);
        for offset in [-2_000_000_000, -1, 0, 1, 3_000_000_000] {
            let at = Timestamp(wrap.0 + offset);
            assert_eq!(NtpTimestamp::from_timestamp(at).to_timestamp(wrap), at);
        }
        assert_eq!(NtpTimestamp::from_timestamp(wrap).0, 0);
    }

    #[test]
    fn no_sixty_four_bits_overflow() {
        for bits in [0, u64::MAX, 1 << 63, 0xFFFF_FFFF] {
            for reference in [i64::MIN, 0, i64::MAX] {
                let _ = NtpTimestamp(bits).to_timestamp(Timestamp(reference));
            }
        }
    }
}
