//! One thing over time: when it is told, and when it is told to be over.
//!
//! It is told once it has been seen for long enough, and told to be over once
//! it has been gone for long enough. What comes again within the hour flaps:
//! each time it has to be gone for twice as long, up to an hour, so that who is
//! called out for it is called once.

use owl_measure::time::{Nanos, Timestamp};

use super::condition::Condition;

/// What comes again within this flaps; and the longest that something has to be gone.
const FLAPPING: Nanos = Nanos::from_secs(3_600);
/// The least that is doubled, also of what is over at once otherwise.
const DOUBLED_MIN: Nanos = Nanos::from_secs(60);
/// Doublings that are counted: a minute 6 times doubled is more than an hour.
const DOUBLINGS_MAX: u32 = 6;

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// Seen since then, for too short a time to be told.
    Seen { at: Timestamp },
    /// Told. Gone since `gone`, for too short a time to be over.
    Told { gone: Option<Timestamp> },
    /// Over since then, and remembered in case it comes again.
    Over { at: Timestamp },
}

/// A condition, and what came of it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    stage: Stage,
    /// When it was told to be over the last time.
    ended: Option<Timestamp>,
    /// How often it came again within the hour.
    pub(super) returns: u32,
    /// As it was seen last.
    pub(super) condition: Condition,
}

impl Track {
    pub(super) fn begun(condition: Condition, now: Timestamp) -> Self {
        let mut track = Self {
            stage: Stage::Seen { at: now },
            ended: None,
            returns: 0,
            condition,
        };
        track.ripen(now);
        track
    }

    /// As a collector left it that told of it.
    pub(super) fn told(condition: Condition, returns: u32) -> Self {
        Self {
            stage: Stage::Told { gone: None },
            ended: None,
            returns,
            condition,
        }
    }

    /// Whether it is told.
    pub(super) fn is_told(&self) -> bool {
        matches!(self.stage, Stage::Told { .. })
    }

    /// Whether it is told, or seen for too short a time.
    pub(super) fn is_bad(&self) -> bool {
        !matches!(self.stage, Stage::Over { .. })
    }

    fn ripen(&mut self, now: Timestamp) {
        let Stage::Seen { at } = self.stage else {
            return;
        };
        let patience = self.condition.kind.patience(self.condition.window);
        if now - at >= patience.begins {
            let again = self.ended.is_some_and(|ended| now - ended < FLAPPING);
            self.returns = if again {
                (self.returns + 1).min(DOUBLINGS_MAX)
            } else {
                0
            };
            self.stage = Stage::Told { gone: None };
        }
    }

    /// It is seen.
    pub(super) fn shows(&mut self, condition: Condition, now: Timestamp) {
        let since = self.condition.since;
        let begins_anew = matches!(self.stage, Stage::Over { .. });
        if begins_anew {
            self.stage = Stage::Seen { at: now };
        }
        self.condition = condition;
        if !begins_anew {
            self.condition.since = since;
        }
        if let Stage::Told { gone } = &mut self.stage {
            *gone = None;
        }
        self.ripen(now);
    }

    /// It is not seen, by who could see it. Returns whether it is still worth remembering.
    pub(super) fn lacks(&mut self, now: Timestamp) -> bool {
        match &mut self.stage {
            Stage::Seen { .. } => match self.ended {
                Some(at) => {
                    self.stage = Stage::Over { at };
                    true
                }
                None => false,
            },
            Stage::Told { gone } => {
                let since = *gone.get_or_insert(now);
                if now - since >= self.gone_for() {
                    self.stage = Stage::Over { at: now };
                    self.ended = Some(now);
                }
                true
            }
            Stage::Over { at } => now - *at < FLAPPING,
        }
    }

    /// For how long it has to be gone.
    fn gone_for(&self) -> Nanos {
        let ends = self.condition.kind.patience(self.condition.window).ends;
        match self.returns {
            0 => ends,
            returns => ends.max(DOUBLED_MIN).times(1 << returns).min(FLAPPING),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::kind::Kind;
    use crate::alert::subject::{Of, Subject};

    const TICK: i64 = 10;

    /// Ten-second windows: `x` shows it, `.` does not. Of the result: `T` told, `-` not.
    #[track_caller]
    fn check(kind: Kind, windows: &str, expected: &str) {
        let mut track: Option<Track> = None;
        let got: String = (0..)
            .zip(windows.chars())
            .map(|(k, seen)| {
                let now = Timestamp(0) + Nanos::from_secs(k * TICK);
                let condition = Condition {
                    window: Nanos::from_secs(TICK),
                    ..Condition::plain(kind, Subject::new(Of::Path, "a~b"), now)
                };
                match (&mut track, seen) {
                    (Some(track), 'x') => track.shows(condition, now),
                    (None, 'x') => track = Some(Track::begun(condition, now)),
                    (Some(known), _) => {
                        if !known.lacks(now) {
                            track = None;
                        }
                    }
                    (None, _) => {}
                }
                if track.as_ref().is_some_and(Track::is_told) {
                    'T'
                } else {
                    '-'
                }
            })
            .collect();
        assert_eq!(got, expected, "{kind:?} {windows}");
    }

    #[test]
    fn what_lasts_for_three_windows_is_told_and_what_is_gone_for_three_is_over() {
        check(Kind::TargetMissed, "xx.xx.xx.xx.", "------------");
        check(Kind::TargetMissed, "xxx.x..x...x", "--TTTTTTTT--");
        check(Kind::NoData, "xxxxx.....", "--TTTTT---");
    }

    #[test]
    fn undecided_is_told_after_thirty_windows() {
        let windows = "x".repeat(31);
        check(Kind::Undecided, &windows, &("-".repeat(29) + "TT"));
    }

    #[test]
    fn what_was_looked_into_before_is_told_and_over_at_once() {
        check(Kind::ClockWrong, ".xx..", "-TT--");
    }

    #[test]
    fn what_comes_again_within_the_hour_has_to_be_gone_for_twice_as_long_each_time() {
        // A finding is over at once; after its first return it has to be gone for two minutes.
        check(
            Kind::ClockWrong,
            "x.x............x.............",
            "T-TTTTTTTTTTTTTTTTTTTTTTTTTT-",
        );
        check(Kind::ClockWrong, "x.x.............", "T-TTTTTTTTTTTTT-");
        let quiet = ".".repeat(362);
        check(
            Kind::ClockWrong,
            &format!("x{quiet}x.."),
            &format!("T{}T--", "-".repeat(362)),
        );
    }
}
