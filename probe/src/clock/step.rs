//! Steps of the clock, seen from CLOCK_MONOTONIC_RAW, which nobody steers.
//!
//! The kernel slews by 500 ppm at most. Where the clock moved faster against
//! the raw one than that, somebody set it, or the machine was suspended.

use owl_measure::time::{Monotonic, Nanos, Timestamp};

use super::assessment::drifted;

/// The fastest that the kernel slews.
const SLEW_PPB: u32 = 500_000;
/// Less than this is no step, however exact the readings seem.
const LEAST: Nanos = Nanos::from_micros(20);

/// Both clocks at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BothClocks {
    /// CLOCK_REALTIME.
    pub(crate) real: Timestamp,
    /// CLOCK_MONOTONIC_RAW.
    pub(crate) raw: Monotonic,
    /// How far apart the two readings may lie.
    pub(crate) within: Nanos,
}

/// Watches for steps.
#[derive(Debug, Default)]
pub(super) struct StepWatch {
    last: Option<BothClocks>,
}

impl StepWatch {
    /// Takes a reading; by how much the clock stepped since the last one, if it did.
    pub(super) fn note(&mut self, now: BothClocks) -> Option<Nanos> {
        let last = self.last.replace(now)?;
        let elapsed = now.raw - last.raw;
        let moved = (now.real - last.real) - elapsed;
        let allowed = drifted(SLEW_PPB, elapsed) + now.within + last.within + LEAST;
        (moved.abs() > allowed).then_some(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> Nanos = Nanos::from_millis;

    #[test]
    fn a_step_is_seen_and_a_slew_is_not() {
        for (elapsed, moved, within, expected) in [
            (MS(100), Nanos::ZERO, Nanos(500), None),
            (MS(100), Nanos(49_000), Nanos(500), None),
            (MS(100), Nanos(-49_000), Nanos(500), None),
            (MS(100), Nanos(72_000), Nanos(500), Some(Nanos(72_000))),
            (MS(100), Nanos(-500_000), Nanos(500), Some(Nanos(-500_000))),
            (MS(100), Nanos(-500_000), MS(1), None),
            (MS(1_000), Nanos(490_000), Nanos(500), None),
            (MS(1_000), MS(1), Nanos(500), Some(MS(1))),
            (
                MS(100),
                Nanos::from_secs(37),
                Nanos(500),
                Some(Nanos::from_secs(37)),
            ),
            (
                MS(100),
                Nanos::from_secs(-1),
                Nanos(500),
                Some(Nanos::from_secs(-1)),
            ),
        ] {
            let mut watch = StepWatch::default();
            let first = BothClocks {
                real: Timestamp(1_795_453_440_000_000_000),
                raw: Monotonic(5),
                within: Nanos(500),
            };
            assert_eq!(
                watch.note(first),
                None,
                "the first reading compares to none"
            );
            let second = BothClocks {
                real: first.real + elapsed + moved,
                raw: first.raw + elapsed,
                within,
            };
            assert_eq!(watch.note(second), expected, "{elapsed} {moved}");
            assert_eq!(watch.note(second), None, "it is told once");
        }
    }
}
