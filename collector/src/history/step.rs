//! The lengths of time that summaries are kept of.

use owl_measure::time::{Nanos, Timestamp};

/// A length of time of which a summary is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    Hour,
}

/// Summaries in one row.
pub(crate) const ENTRIES: i64 = 72;

impl Step {
    /// How long it is.
    pub(crate) fn length(self) -> Nanos {
        match self {
            Self::FiveMinutes => Nanos::from_secs(300),
            Self::Hour => Nanos::from_secs(3_600),
        }
    }

    /// How much time one row tells of: six hours, or three days.
    pub(crate) fn row(self) -> Nanos {
        self.length().times(ENTRIES)
    }

    /// When the step began that holds an instant, in UTC.
    pub(crate) fn of(self, at: Timestamp) -> Timestamp {
        at.period_start(self.length(), Timestamp(0))
    }

    /// When the row begins that holds an instant.
    pub(crate) fn row_of(self, at: Timestamp) -> Timestamp {
        at.period_start(self.row(), Timestamp(0))
    }
}
