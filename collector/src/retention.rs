//! How far retention believes the clock.
//!
//! What is removed is gone, so a clock that steps ahead by years must not
//! decide alone. The probes' reports are dated by other clocks: a day beyond the
//! newest of them is always believed. Beyond that, what is believed goes ahead
//! at most twice as fast as the hours that retention waits between two rounds,
//! which leaves time to set the clock right, and still comes up with it when no
//! probe reports any more.

use owl_measure::time::{Nanos, Timestamp};

/// How far beyond the newest report the clock is believed at once.
const BEYOND_REPORTS: Nanos = Nanos::from_secs(86_400);

/// The instant from which retention counts back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Believed {
    at: Option<Timestamp>,
}

impl Believed {
    pub(crate) const NOTHING: Self = Self { at: None };

    /// The instant to count back from in a round that begins `since` after the one before, when the clock says `clock` and
    /// the newest report ends at `newest`. In the first round, and without any report, that is the clock's.
    pub(crate) fn round(
        &mut self,
        clock: Timestamp,
        newest: Option<Timestamp>,
        since: Nanos,
    ) -> Timestamp {
        let by_reports = newest.map(|newest| newest + BEYOND_REPORTS);
        let by_patience = self.at.map(|at| at + since + since);
        let at = match by_reports.max(by_patience) {
            Some(limit) => clock.min(limit),
            None => clock,
        };
        self.at = Some(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_S: i64 = 3_600;
    const YEAR_S: i64 = 365 * 24 * HOUR_S;

    fn s(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    /// Rounds an hour apart: the clock and the newest report (seconds), and what is to be believed.
    #[track_caller]
    fn check(rounds: &[(i64, Option<i64>, i64)]) {
        let mut believed = Believed::NOTHING;
        for &(clock, newest, expected) in rounds {
            let got = believed.round(s(clock), newest.map(s), Nanos::from_secs(HOUR_S));
            assert_eq!(got, s(expected), "{clock} {newest:?}");
        }
    }

    #[test]
    fn a_clock_that_reports_bear_out_is_believed() {
        let now = 50 * YEAR_S;
        check(&[
            (now, Some(now - 10), now),
            (now + HOUR_S, Some(now + HOUR_S - 10), now + HOUR_S),
        ]);
    }

    #[test]
    fn a_step_ahead_of_the_reports_by_years_removes_an_hour_more_than_is_due_each_hour() {
        let (now, ahead) = (50 * YEAR_S, 10 * YEAR_S);
        check(&[
            (now, Some(now - 10), now),
            // Reports that such a collector would let in do not come; the newest stays.
            (now + ahead, Some(now - 10), now - 10 + 24 * HOUR_S),
            (now + ahead, Some(now - 10), now - 10 + 26 * HOUR_S),
            (now + 2 * HOUR_S, Some(now + 2 * HOUR_S), now + 2 * HOUR_S),
        ]);
    }

    #[test]
    fn a_step_back_removes_nothing_that_was_not_due_before() {
        let now = 50 * YEAR_S;
        check(&[
            (now, Some(now), now),
            (now - HOUR_S, Some(now), now - HOUR_S),
            (now - 10 * YEAR_S, Some(now), now - 10 * YEAR_S),
            (now + HOUR_S, Some(now), now + HOUR_S),
        ]);
    }

    #[test]
    fn a_clock_that_begins_in_1970_is_believed_when_it_is_set_and_probes_report() {
        let now = 50 * YEAR_S;
        check(&[(60, None, 60), (now, Some(now - 10), now)]);
    }

    #[test]
    fn without_any_probe_the_clock_is_come_up_with() {
        let now = 50 * YEAR_S;
        let last = now - 30 * HOUR_S;
        check(&[
            (now, Some(last), now - 6 * HOUR_S),
            (now + HOUR_S, Some(last), now - 4 * HOUR_S),
            (now + 2 * HOUR_S, Some(last), now - 2 * HOUR_S),
        ]);
    }
}
