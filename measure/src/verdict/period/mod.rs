//! A period: the windows of a day, a month or any other span, put together.
//!
//! A window that is not known may be either, so a share is an interval: with M
//! met, X missed, U undecided and G gaps of N windows it lies in
//! [M/N, (M+U+G)/N]. A period is met when the lower end reaches what is
//! required, missed when the upper end does not, and undecided between. What was
//! not measured is never bad and never good, a clock's error never shrinks by
//! averaging, and nothing is left out in silence: unavailable time and announced
//! maintenance are told beside, the latter with both results.
//!
//! All of it is a function of the kept windows; local time, the period and the
//! announced maintenance are arguments.

pub mod availability;
mod bootstrap;
pub mod calendar;
mod maintenance;
mod outcome;
mod profile;
mod tally;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod walk;
mod why;
mod window;

use serde::{Deserialize, Serialize};

pub use availability::AvailableTime;
pub use calendar::{BUSY_HOURS, Calendar, HoursOfDay};
pub use maintenance::{SeenWorks, Works};
pub use outcome::{Day, Ends, Outcome, PacketShare, Run};
pub use profile::{Hours, LostPacket, Maintenance, PeriodProfile, Rule, Untested, Words};
pub use tally::{Share, Tally};
pub use why::{Unit, Why};
pub use window::{PeriodWindow, Statistic};

use self::walk::Excusing;
use crate::time::{Nanos, Timestamp};
use crate::verdict::State;

/// Windows of a period at most: whoever asks about a longer one is to be refused, because nothing beyond is looked at. A
/// leap year of minutes fits.
pub const WINDOWS_MAX: usize = 600_000;

/// What is judged: the windows of one path in a span of time.
#[derive(Debug, Clone)]
pub struct Period<'a> {
    /// The first instant that belongs to it.
    pub start: Timestamp,
    /// The first instant after it; for a period that is not over, up to where windows have been judged.
    pub end: Timestamp,
    /// The length of a window.
    pub length: Nanos,
    /// From where windows are counted.
    pub origin: Timestamp,
    /// What is kept, in order of time; a window that is kept twice counts once.
    pub windows: &'a [PeriodWindow],
    /// Local time.
    pub calendar: &'a Calendar,
    /// The busy hours of the network.
    pub busy_hours: &'a [HoursOfDay],
    /// Maintenance of the path's links.
    pub works: &'a [Works],
}

impl Period<'_> {
    /// The windows that lie wholly in the period, whether anything is kept of them or not.
    fn starts(&self) -> impl Iterator<Item = Timestamp> + use<> {
        let before = self.start.period_start(self.length, self.origin);
        let first = if before < self.start {
            before + self.length
        } else {
            before
        };
        let (length, end) = (Nanos(self.length.0.max(1)), self.end);
        std::iter::successors(Some(first), move |start| Some(*start + length))
            .take_while(move |start| *start + length <= end)
            .take(WINDOWS_MAX)
    }
}

/// A period under one profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compliance {
    /// The id of the profile.
    pub profile: String,
    /// Whether its rule was kept: the outcome that the profile asks for, with announced maintenance or without.
    pub state: State,
    /// Why that cannot be told; only when undecided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Which of the two outcomes decides.
    pub maintenance: Maintenance,
    /// Everything counted.
    pub counted: Outcome,
    /// Without what announced maintenance excuses; `None` when there was none, and both are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excused: Option<Outcome>,
    /// The maintenance that touches the period, also what was announced too late to excuse anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub works: Vec<SeenWorks>,
}

impl Compliance {
    /// The outcome that decides.
    pub fn deciding(&self) -> &Outcome {
        match (self.maintenance, &self.excused) {
            (Maintenance::Excluded, Some(excused)) => excused,
            _ => &self.counted,
        }
    }
}

impl Compliance {
    /// Lets go of the days of both outcomes, which are most of what they take.
    pub fn forget_days(&mut self) {
        self.counted.days = Vec::new();
        if let Some(excused) = &mut self.excused {
            excused.days = Vec::new();
        }
    }
}

/// Judges a period under a profile.
pub fn judge_period(period: &Period<'_>, profile: &PeriodProfile) -> Compliance {
    let works: Vec<SeenWorks> = period
        .works
        .iter()
        .filter(|works| works.start < period.end && works.end > period.start)
        .map(|works| SeenWorks {
            retroactive: works.is_retroactive(),
            works: works.clone(),
        })
        .collect();
    let counted = Outcome::of(period, profile, Excusing::Nothing);
    let excused = works
        .iter()
        .any(|seen| !seen.retroactive)
        .then(|| Outcome::of(period, profile, Excusing::Announced));
    let mut compliance = Compliance {
        profile: profile.id.clone(),
        state: State::Undecided,
        why: None,
        maintenance: profile.maintenance,
        counted,
        excused,
        works,
    };
    let deciding = compliance.deciding();
    (compliance.state, compliance.why) = (deciding.state, deciding.why);
    compliance
}
