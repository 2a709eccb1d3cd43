//! How long what is kept.

use owl_measure::time::{Nanos, Timestamp};

use super::step::Step;
use crate::store::{Change, Work};

/// How long what is kept. Reports go once they are moved, which the clerk decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping {
    /// Verdicts, and what they were judged from.
    pub(crate) verdicts: Nanos,
    /// Summaries of five minutes.
    pub(crate) five_minutes: Nanos,
    /// Summaries of an hour.
    pub(crate) hours: Nanos,
}

impl Keeping {
    /// What is to be ordered at `now`, each until nothing goes any more.
    pub(crate) fn due(self, now: Timestamp) -> [Box<dyn Fn() -> Work + Send + Sync>; 2] {
        let before = now - self.verdicts;
        let tiers = [
            (Step::FiveMinutes, now - self.five_minutes),
            (Step::Hour, now - self.hours),
        ];
        [
            Box::new(move || Work::Retain { before }),
            Box::new(move || Work::Tiers(Change::Retain(tiers.to_vec()))),
        ]
    }
}
