//! Whether a counter counts, or is copied from hardware now and then.
//!
//! Many network interfaces refresh their counters every tenth of a second or
//! so. Read a thousand times a second they show nothing, and then a step that
//! looks like a burst. A counter that changes in readings that follow each
//! other closely counts as it goes; one that never does, although its steps hold
//! several frames each, is a copy.

use super::Moment;
use crate::time::{Monotonic, Nanos};

/// Steps from which a copy is recognised.
const STEPS_MIN: u32 = 5;

/// How a counter comes by its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Too little passed to tell.
    Untold,
    /// It changed in two readings that followed each other: it counts as frames pass.
    Live,
    /// It is copied; no value is older than this, as far as was seen.
    Copied(Nanos),
}

/// Watches how a counter changes.
#[derive(Debug, Clone)]
pub struct RefreshWatch {
    /// Two readings that are this far apart are neighbours.
    close: Nanos,
    last: Option<(Moment, u64)>,
    /// When the counter was last seen to change, and whether the reading after that has come.
    changed: Option<Monotonic>,
    changed_last: bool,
    live: bool,
    steps: u32,
    frames: u64,
    /// The longest time between two steps, their own uncertainty included.
    longest: Nanos,
}

impl RefreshWatch {
    /// For readings that are meant to be this far apart.
    pub fn new(interval: Nanos) -> Self {
        Self {
            close: interval.times(3),
            last: None,
            changed: None,
            changed_last: false,
            live: false,
            steps: 0,
            frames: 0,
            longest: Nanos::ZERO,
        }
    }

    /// Takes the next reading of the octets, and of the frames beside them.
    pub fn push(&mut self, reading: Moment, frames: u64) {
        if let Some((last, frames_before)) = self.last {
            let changed = reading.octets != last.octets;
            if changed {
                // The step began behind the reading before.
                let since = self.changed.map(|since| reading.latest - since);
                let neighbours = since.is_some_and(|since| since <= self.close);
                self.live |= self.changed_last && neighbours;
                if let Some(since) = since {
                    self.longest = self.longest.max(since);
                    self.steps = self.steps.saturating_add(1);
                    self.frames = self
                        .frames
                        .saturating_add(frames.saturating_sub(frames_before));
                }
                self.changed = Some(last.earliest);
            }
            self.changed_last = changed;
        }
        self.last = Some((reading, frames));
    }

    /// The counter began anew: the last reading says nothing of the next.
    pub fn forget_reading(&mut self) {
        self.last = None;
        self.changed = None;
        self.changed_last = false;
    }

    /// What is known by now.
    pub fn told(&self) -> Refresh {
        // Single frames far from each other look the same whether they are counted or copied.
        let several = self.frames >= u64::from(self.steps) * 2;
        if self.live {
            Refresh::Live
        } else if self.steps >= STEPS_MIN && several {
            Refresh::Copied(self.longest)
        } else {
            Refresh::Untold
        }
    }
}
