//! What several tests of periods need: windows of a known path.

use super::{BUSY_HOURS, Calendar, Compliance, Period, PeriodProfile, PeriodWindow, Works};
use crate::distribution::Bounds;
use crate::time::{Nanos, Timestamp};

pub(super) const MINUTE: Nanos = Nanos::from_secs(60);
/// Midnight of 1 November 2026 in Shanghai.
pub(super) const NOVEMBER: Timestamp = Timestamp(1_793_462_400_000_000_000);

pub(super) fn shanghai() -> Calendar {
    Calendar::fixed(Nanos::from_secs(8 * 3_600))
}

/// An interval of so many microseconds.
pub(super) fn us(lo: i64, hi: i64) -> Option<Bounds> {
    Some(Bounds {
        at_least: Nanos::from_micros(lo),
        at_most: Nanos::from_micros(hi),
    })
}

/// The minute `k` of the month: 600 packets, everything between 800 and 850 µs, the target 1 ms.
pub(super) fn window(k: i64) -> PeriodWindow {
    PeriodWindow {
        start: NOVEMBER + MINUTE.times(k),
        target: Nanos::from_millis(1),
        planned: 600,
        sent: 600,
        received: 600,
        lost: 0,
        sufficient: true,
        p95: us(800, 850),
        p99: us(800, 850),
        mean: us(800, 850),
        min: us(800, 850),
        within: 600,
        beyond: 0,
    }
}

/// The minute `k`, all of it above the target.
pub(super) fn slow(k: i64) -> PeriodWindow {
    PeriodWindow {
        p95: us(1_100, 1_150),
        p99: us(1_100, 1_150),
        mean: us(1_100, 1_150),
        min: us(1_100, 1_150),
        within: 0,
        beyond: 600,
        ..window(k)
    }
}

/// The minute `k`, of which the clocks do not tell on which side it is.
pub(super) fn vague(k: i64) -> PeriodWindow {
    PeriodWindow {
        p95: us(900, 1_100),
        p99: us(900, 1_100),
        mean: us(900, 1_100),
        min: us(900, 1_100),
        within: 0,
        beyond: 0,
        ..window(k)
    }
}

/// Judges so many minutes from the begin of November on.
pub(super) fn judged(
    minutes: i64,
    windows: &[PeriodWindow],
    works: &[Works],
    profile: &PeriodProfile,
) -> Compliance {
    super::judge_period(
        &Period {
            start: NOVEMBER,
            end: NOVEMBER + MINUTE.times(minutes),
            length: MINUTE,
            origin: Timestamp(0),
            windows,
            calendar: &shanghai(),
            busy_hours: &BUSY_HOURS,
            works,
        },
        profile,
    )
}
