//! Local time: which hour, which day, and whether it is a busy one.
//!
//! The offsets from UTC are arguments, so this file knows no time zone. A day
//! begins at local midnight; where the offset changes a day has 23 or 25 hours.

use serde::{Deserialize, Serialize};

use crate::time::{Nanos, Timestamp};

/// Nanoseconds of an hour.
const HOUR: i64 = 3_600_000_000_000;
/// Nanoseconds of a minute.
const MINUTE: i64 = 60_000_000_000;

/// A part of every day in local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoursOfDay {
    /// The first minute of the day that belongs to it.
    pub from_minute: u16,
    /// The first minute after it; 1440 for midnight.
    pub to_minute: u16,
}

/// The busy hours where nobody declared others: 09–12 and 19–23.
pub const BUSY_HOURS: [HoursOfDay; 2] = [
    HoursOfDay {
        from_minute: 9 * 60,
        to_minute: 12 * 60,
    },
    HoursOfDay {
        from_minute: 19 * 60,
        to_minute: 23 * 60,
    },
];

/// How far local time is ahead of UTC, from when on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    first: Nanos,
    /// In order of time.
    changes: Vec<(Timestamp, Nanos)>,
}

impl Calendar {
    /// A zone that is always as far ahead of UTC.
    pub fn fixed(ahead: Nanos) -> Self {
        Self::changing(ahead, Vec::new())
    }

    /// A zone that is `first` ahead of UTC until the first of `changes`, each of which says since when it is how far ahead.
    pub fn changing(first: Nanos, mut changes: Vec<(Timestamp, Nanos)>) -> Self {
        changes.sort_unstable();
        Self { first, changes }
    }

    fn local(&self, at: Timestamp) -> i64 {
        let before = self.changes.partition_point(|&(since, _)| since <= at);
        let ahead = before
            .checked_sub(1)
            .map_or(self.first, |last| self.changes[last].1);
        (at + ahead).0
    }

    /// The number of the local hour, counted from 1970; 24 of them are a day.
    pub fn hour(&self, at: Timestamp) -> i64 {
        self.local(at).div_euclid(HOUR)
    }

    /// Whether an instant lies in one of these parts of the day.
    pub fn is_within(&self, at: Timestamp, hours: &[HoursOfDay]) -> bool {
        let minute = self.local(at).div_euclid(MINUTE).rem_euclid(24 * 60);
        hours
            .iter()
            .any(|part| (i64::from(part.from_minute)..i64::from(part.to_minute)).contains(&minute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHANGHAI: Nanos = Nanos(8 * HOUR);

    #[test]
    fn a_local_day_begins_at_local_midnight_and_busy_hours_are_local() {
        let calendar = Calendar::fixed(SHANGHAI);
        // (hours since 1970 in UTC, local day, busy)
        for (utc, day, busy) in [
            (15, 0, false),
            (16, 1, false),
            (17, 1, false),
            (25, 1, true),
            (27, 1, true),
            (28, 1, false),
            (35, 1, true),
            (39, 1, false),
            (40, 2, false),
        ] {
            let at = Timestamp(utc * HOUR);
            assert_eq!(calendar.hour(at).div_euclid(24), day, "{utc} h");
            assert_eq!(calendar.is_within(at, &BUSY_HOURS), busy, "{utc} h");
        }
    }

    #[test]
    fn where_the_clocks_go_forward_an_hour_is_missing() {
        let change = Timestamp(100 * HOUR);
        let calendar = Calendar::changing(Nanos(HOUR), vec![(change, Nanos(2 * HOUR))]);
        assert_eq!(calendar.hour(change - Nanos(1)), 100);
        assert_eq!(calendar.hour(change), 102);
    }
}
