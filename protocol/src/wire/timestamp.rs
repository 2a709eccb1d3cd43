//! Timestamps as they stand in packets, 64 bits each.
//!
//! The NTP format (RFC 5905, section 6): seconds since 1900 of UTC and a binary
//! fraction of 2⁻³² s, about 0.23 ns, so every nanosecond survives the way
//! there and back; the seconds wrap in 2036. The truncated PTPv2 format
//! (RFC 8186, section 2.1; RFC 8877, section 4.3): seconds since 1970 of TAI and
//! nanoseconds; the seconds wrap in 2106. Either is unfolded to the era nearest
//! to a reference. TAI is ahead of UTC by whole seconds, which whoever knows
//! the clock tells: a timestamp does not.

use owl_measure::time::{Nanos, Timestamp};

use super::TimestampFormat;

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
        let seconds = unfold(seconds_in_era, reference_s) - UNIX_EPOCH_S;
        Timestamp(
            seconds
                .saturating_mul(NANOS_PER_SECOND)
                .saturating_add(nanos),
        )
    }
}

/// A timestamp in the truncated PTPv2 format as it stands in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PtpTimestamp(pub u64);

impl PtpTimestamp {
    /// Folds an instant into its era, on the time scale TAI.
    pub fn from_timestamp(at: Timestamp, tai: TaiOffset) -> Self {
        let tai_ns = at.0.saturating_add(tai.nanos().0);
        let seconds = tai_ns.div_euclid(NANOS_PER_SECOND).rem_euclid(ERA_S);
        let nanos = tai_ns.rem_euclid(NANOS_PER_SECOND);
        Self(((seconds as u64) << 32) | nanos as u64)
    }

    /// The instant nearest to `reference` that looks like this. Nanoseconds beyond a second, which no PTP clock writes,
    /// are carried.
    pub fn to_timestamp(self, tai: TaiOffset, reference: Timestamp) -> Timestamp {
        let seconds_in_era = (self.0 >> 32) as i64;
        let nanos = (self.0 & 0xFFFF_FFFF) as i64;
        let reference_s = (reference + tai.nanos()).0.div_euclid(NANOS_PER_SECOND);
        let seconds = unfold(seconds_in_era, reference_s);
        let tai_ns = Timestamp(
            seconds
                .saturating_mul(NANOS_PER_SECOND)
                .saturating_add(nanos),
        );
        tai_ns - tai.nanos()
    }
}

/// By how many whole seconds TAI is ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaiOffset(i32);

impl TaiOffset {
    /// Since 2017-01-01 (IERS Bulletin C 52), and as long as no leap second is announced.
    pub const SINCE_2017: Self = Self(37);

    /// So many seconds.
    pub const fn of(seconds: i32) -> Self {
        Self(seconds)
    }

    /// As the kernel tells it. It says 0 until a time daemon has told it: then the offset since 2017 is meant.
    pub fn from_kernel(seconds: i32) -> Self {
        if seconds == 0 {
            Self::SINCE_2017
        } else {
            Self(seconds)
        }
    }

    fn nanos(self) -> Nanos {
        Nanos::from_secs(i64::from(self.0))
    }
}

/// Sixty-four bits of a test packet that are a timestamp; the Z bit of the Error Estimate beside them tells the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WireTimestamp(pub u64);

impl WireTimestamp {
    /// Writes an instant in a format.
    pub fn write(at: Timestamp, format: TimestampFormat, tai: TaiOffset) -> Self {
        match format {
            TimestampFormat::Ntp => Self(NtpTimestamp::from_timestamp(at).0),
            TimestampFormat::Ptp => Self(PtpTimestamp::from_timestamp(at, tai).0),
        }
    }

    /// The instant nearest to `reference` that is written so in a format.
    pub fn read(self, format: TimestampFormat, tai: TaiOffset, reference: Timestamp) -> Timestamp {
        match format {
            TimestampFormat::Ntp => NtpTimestamp(self.0).to_timestamp(reference),
            TimestampFormat::Ptp => PtpTimestamp(self.0).to_timestamp(tai, reference),
        }
    }
}

impl From<NtpTimestamp> for WireTimestamp {
    fn from(ntp: NtpTimestamp) -> Self {
        Self(ntp.0)
    }
}

/// The count of seconds that is nearest to `reference_s` and folds into these.
fn unfold(seconds_in_era: i64, reference_s: i64) -> i64 {
    let eras = (reference_s - seconds_in_era + ERA_S / 2).div_euclid(ERA_S);
    seconds_in_era + eras * ERA_S
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
                for tai in [TaiOffset(i32::MIN), TaiOffset(37), TaiOffset(i32::MAX)] {
                    let _ = PtpTimestamp(bits).to_timestamp(tai, Timestamp(reference));
                    let _ = PtpTimestamp::from_timestamp(Timestamp(reference), tai);
                }
            }
        }
    }

    #[test]
    fn ptp_timestamps_count_tai_and_survive_the_way_there_and_back() {
        // 2026-11-23T15:00:00Z is 1 795 446 000 s of Unix time, and 37 s more of TAI.
        let at = Timestamp(1_795_446_000_000_000_007);
        let written = PtpTimestamp::from_timestamp(at, TaiOffset::SINCE_2017);
        assert_eq!(written.0, (1_795_446_037 << 32) | 7);
        assert_eq!(written.to_timestamp(TaiOffset::SINCE_2017, at), at);
        assert_eq!(
            written.to_timestamp(TaiOffset(36), at),
            at + Nanos::from_secs(1),
            "who does not know the leap seconds is off by them"
        );
        let wrap = Timestamp(ERA_S * NANOS_PER_SECOND);
        for offset in [-40_000_000_000, -37_000_000_000, -1, 0, 1, 3_000_000_000] {
            let at = Timestamp(wrap.0 + offset);
            let written = PtpTimestamp::from_timestamp(at, TaiOffset::SINCE_2017);
            assert_eq!(written.to_timestamp(TaiOffset::SINCE_2017, wrap), at);
        }
        assert_eq!(TaiOffset::from_kernel(0), TaiOffset::SINCE_2017);
        assert_eq!(TaiOffset::from_kernel(38), TaiOffset(38));
    }

    #[test]
    fn the_z_bit_decides_how_sixty_four_bits_are_read() {
        let at = Timestamp(1_795_446_000_123_456_789);
        for format in [TimestampFormat::Ntp, TimestampFormat::Ptp] {
            let written = WireTimestamp::write(at, format, TaiOffset::SINCE_2017);
            assert_eq!(written.read(format, TaiOffset::SINCE_2017, at), at);
        }
        assert_eq!(
            WireTimestamp::from(NtpTimestamp::from_timestamp(at)),
            WireTimestamp::write(at, TimestampFormat::Ntp, TaiOffset::SINCE_2017)
        );
    }
}
