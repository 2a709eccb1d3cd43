//! Windows of an hour, a day or a period, by how they stand.

use serde::{Deserialize, Serialize};

use crate::verdict::State;

/// How many windows stand how.
///
/// Sums of tallies are tallies: minutes make hours, hours days, days the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Met for certain.
    pub met: u64,
    /// Missed for certain.
    pub missed: u64,
    /// Measured, and it cannot be told; [`Self::insufficient`] is part of it.
    pub undecided: u64,
    /// Not measured: that is no bad mark, and no good one.
    pub gap: u64,
    /// Of the undecided: too few packets were sent or came back.
    pub insufficient: u64,
    /// Left out because they were not in available time.
    pub unavailable: u64,
    /// Left out because maintenance was announced before it began.
    pub excluded: u64,
    /// Severely missed for certain.
    pub severe: u64,
    /// Of the other windows that count, those that may have been severely missed.
    pub severe_possible: u64,
}

impl Tally {
    /// Windows that count: N = M + X + U + G.
    pub fn windows(&self) -> u64 {
        self.met + self.missed + self.undecided + self.gap
    }

    /// The share of the windows, those out of available time included, that were measured well enough to be judged; `None`
    /// when there are none.
    pub fn coverage(&self) -> Option<f64> {
        let all = self.windows() + self.unavailable;
        (all > 0).then(|| (all - self.gap - self.insufficient) as f64 / all as f64)
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        let Self {
            met,
            missed,
            undecided,
            gap,
            insufficient,
            unavailable,
            excluded,
            severe,
            severe_possible,
        } = other;
        self.met += met;
        self.missed += missed;
        self.undecided += undecided;
        self.gap += gap;
        self.insufficient += insufficient;
        self.unavailable += unavailable;
        self.excluded += excluded;
        self.severe += severe;
        self.severe_possible += severe_possible;
    }
}

/// The share of windows that met the target: [M/N, (M+U+G)/N], since whatever is not known may be either.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// M/N.
    pub lo: f64,
    /// (M+U+G)/N.
    pub hi: f64,
    /// R, which must be reached.
    pub required: f64,
    /// How it stands, by the counts alone.
    pub state: State,
    /// The 95 % interval for other days like these: the bootstrap's lower end for `lo` and its upper end for `hi`. `None`
    /// when there are too few hours for one.
    pub confidence: Option<(f64, f64)>,
}

impl Share {
    /// Of a tally, `required` in millionths; `None` when no window counts.
    pub(super) fn of(
        tally: &Tally,
        required_ppm: u64,
        confidence: Option<(f64, f64)>,
    ) -> Option<Self> {
        let all = tally.windows();
        let (met, at_most) = (tally.met, all - tally.missed);
        let reached = |count: u64| {
            u128::from(count) * 1_000_000 >= u128::from(all) * u128::from(required_ppm)
        };
        (all > 0).then(|| Self {
            lo: met as f64 / all as f64,
            hi: at_most as f64 / all as f64,
            required: required_ppm as f64 / 1e6,
            state: if reached(met) {
                State::Met
            } else if reached(at_most) {
                State::Undecided
            } else {
                State::Missed
            },
            confidence,
        })
    }

    /// Whether the interval for other days lies on the same side of what is required as the counts do.
    pub fn is_confident(&self) -> bool {
        match (self.state, self.confidence) {
            (State::Met, Some((lo, _))) => lo >= self.required,
            (State::Missed, Some((_, hi))) => hi < self.required,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(counts: [u64; 4], required_ppm: u64, ends: (f64, f64), state: State) {
        let [met, missed, undecided, gap] = counts;
        let tally = Tally {
            met,
            missed,
            undecided,
            gap,
            ..Tally::default()
        };
        let share = Share::of(&tally, required_ppm, None).expect("there are windows");
        assert_eq!(
            ((share.lo, share.hi), share.state),
            (ends, state),
            "{counts:?}"
        );
    }

    #[test]
    fn the_share_lies_between_what_is_met_and_what_is_not_missed() {
        use State::{Met, Missed, Undecided};
        check([95, 5, 0, 0], 950_000, (0.95, 0.95), Met);
        check([94, 5, 1, 0], 950_000, (0.94, 0.95), Undecided);
        check([94, 5, 0, 1], 950_000, (0.94, 0.95), Undecided);
        check([94, 6, 0, 0], 950_000, (0.94, 0.94), Missed);
        check([0, 0, 10, 0], 950_000, (0.0, 1.0), Undecided);
        check([0, 0, 0, 10], 950_000, (0.0, 1.0), Undecided);
        // Exactly, however 0.999 rounds in binary.
        check([999, 1, 0, 0], 999_000, (0.999, 0.999), Met);
        check([1_000, 0, 0, 0], 1_000_000, (1.0, 1.0), Met);
        check([999, 0, 0, 1], 1_000_000, (0.999, 1.0), Undecided);
    }

    #[test]
    fn no_windows_have_no_share_and_no_coverage() {
        let none = Tally {
            excluded: 7,
            ..Tally::default()
        };
        assert_eq!(Share::of(&none, 950_000, None), None);
        assert_eq!(none.coverage(), None);
    }

    #[test]
    fn coverage_counts_what_could_have_been_judged() {
        let tally = Tally {
            met: 80,
            undecided: 10,
            insufficient: 5,
            gap: 5,
            unavailable: 5,
            ..Tally::default()
        };
        assert_eq!(tally.coverage(), Some(0.9));
    }
}
