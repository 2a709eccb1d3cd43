//! Faults of whole seconds: a clock on another time scale, or on the wrong side of a leap second.

use crate::time::Nanos;

/// Differences between time scales since 2017, and the leap second itself, in seconds: TAI − UTC 37, GPS − UTC 18,
/// BDT − UTC 4, TAI − GPS 19, TAI − BDT 33, GPS − BDT 14. 27 is no difference of today's scales; it is on the list of
/// faults to look for all the same.
const DIFFERENCES_S: [u8; 8] = [1, 4, 14, 18, 19, 27, 33, 37];
/// How near an offset must be to one of them.
const NEAR: Nanos = Nanos::from_millis(10);

/// The difference of time scales, in seconds, that an offset of either sign is near to; `None` for any other offset.
pub fn whole_seconds(offset: Nanos) -> Option<u8> {
    DIFFERENCES_S
        .into_iter()
        .find(|&seconds| (offset.abs() - Nanos::from_secs(seconds.into())).abs() <= NEAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_near_a_difference_of_time_scales_are_recognised() {
        for (ms, expected) in [
            (0, None),
            (9, None),
            (991, Some(1)),
            (989, None),
            (1_010, Some(1)),
            (1_011, None),
            (2_000, None),
            (4_000, Some(4)),
            (14_003, Some(14)),
            (-18_000, Some(18)),
            (19_000, Some(19)),
            (27_000, Some(27)),
            (-33_009, Some(33)),
            (36_995, Some(37)),
            (38_000, None),
        ] {
            assert_eq!(whole_seconds(Nanos::from_millis(ms)), expected, "{ms} ms");
        }
        assert_eq!(whole_seconds(Nanos::MIN), None);
    }
}
