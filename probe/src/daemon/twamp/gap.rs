//! The intervals in which sessions did not run: each is reported as one in which
//! nothing was sent, with the reason.

use owl_measure::hindrance::Hindrance;
use owl_measure::summary::Recorder;
use owl_measure::time::{Nanos, Timestamp};

use crate::daemon::keeper::Keeper;

/// Intervals that are reported at once: what a slow attempt to connect lasts, ten times. A host that slept longer has
/// nothing to say of the time before.
const AT_ONCE_MAX: i64 = 16;

/// For each session, the first interval that has not been reported since it stopped; `None` while it runs.
#[derive(Debug)]
pub(super) struct Gaps(Vec<Option<Timestamp>>);

impl Gaps {
    /// Sessions that have not begun.
    pub(super) fn of(keeper: &Keeper, now: Timestamp) -> Self {
        let all = 0..keeper.planned.len();
        let mut gaps = Self(all.clone().map(|_| None).collect());
        for session in all {
            gaps.begin(keeper, session, now);
        }
        gaps
    }

    /// A session has stopped, or does not begin. The interval that it was in is reported already, or told by nobody.
    pub(super) fn begin(&mut self, keeper: &Keeper, session: usize, now: Timestamp) {
        let running = now.period_start(interval(keeper, session), Timestamp(0));
        let next = running + interval(keeper, session);
        self.0[session].get_or_insert(next);
    }

    /// A session begins: what it sends is its own to report.
    pub(super) fn end(&mut self, session: usize) {
        self.0[session] = None;
    }

    /// Reports the intervals that have ended since, for this reason.
    pub(super) fn tell(&mut self, keeper: &Keeper, now: Timestamp, why: &[Option<Hindrance>]) {
        for (session, (gap, why)) in self.0.iter_mut().zip(why).enumerate() {
            let (Some(next), Some(why)) = (gap, why) else {
                continue;
            };
            let length = interval(keeper, session);
            let oldest = now + -length.times(AT_ONCE_MAX);
            if *next < oldest {
                *next = oldest.period_start(length, Timestamp(0));
            }
            while *next + length <= now {
                let targets = &keeper.planned[session].0.target_ns;
                let targets = targets.iter().map(|&ns| span(ns)).collect();
                let mut recorder = Recorder::new(length, Timestamp(0), targets);
                recorder.hindered(*next, *why);
                if let Some(summary) = recorder.close(Timestamp(i64::MAX)) {
                    keeper.report(session, summary);
                }
                *next = *next + length;
            }
        }
    }
}

/// The length of a session's intervals; a plan without one is not followed to the nanosecond.
fn interval(keeper: &Keeper, session: usize) -> Nanos {
    span(keeper.planned[session].0.report_interval_ns).max(Nanos::from_millis(1))
}

fn span(ns: u64) -> Nanos {
    Nanos(i64::try_from(ns).unwrap_or(i64::MAX))
}
