//! The time between two readings, by two clocks.
//!
//! The agent read its counter somewhere within the request, so the collector's
//! clock is uncertain by half of both round trips. The agent's clock stands in
//! the same answer but has ticks of 10 ms. Where both are known the truth lies
//! in both intervals, so the surer one decides by itself; where they exclude
//! each other, something happened, or one of them is wrong.

use super::evidence::Doubt;
use super::{CounterSample, Ticks, Unknown};
use crate::time::{Nanos, Timestamp};

/// How fast or slow the collector's clock may run, in millionths: a quartz at its worst.
pub const COLLECTOR_CLOCK_PPM: i64 = 100;
/// The same of an agent's clock that was never seen to be worse: what a kernel lets its time daemon add (Linux: MAXFREQ).
pub const AGENT_CLOCK_PPM: i64 = 500;
/// An agent's clock that is wrong by more than a hundredth measures nothing; it stepped, or its agent did.
pub const AGENT_CLOCK_BROKEN_PPM: i64 = 10_000;
/// A wrap of sysUpTime and a restart look alike when the two clocks are compared more coarsely than this share of the
/// time between the readings.
const COINCIDENCE_PPM: i64 = 50_000;

/// A part of a span in millionths, rounded up.
fn share(span: Nanos, ppm: i64) -> Nanos {
    let parts = i128::from(span.0.unsigned_abs()) * i128::from(ppm);
    Nanos(i64::try_from(parts / 1_000_000 + 1).unwrap_or(i64::MAX))
}

/// How much time passed between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed {
    /// No less than this; not above zero when even the order of the two is not certain.
    pub at_least: Nanos,
    /// No more than this.
    pub at_most: Nanos,
}

impl Elapsed {
    /// Half-way between the two bounds.
    pub fn middle(self) -> Nanos {
        Nanos(self.at_least.0 + (self.at_most.0 - self.at_least.0) / 2)
    }

    fn around(span: Nanos, error: Nanos) -> Self {
        Self {
            at_least: span - error,
            at_most: span + error,
        }
    }

    /// What both allow; where they exclude each other, all that either allows.
    fn and(self, other: Self) -> Self {
        let both = Self {
            at_least: self.at_least.max(other.at_least),
            at_most: self.at_most.min(other.at_most),
        };
        if both.at_least <= both.at_most {
            both
        } else {
            Self {
                at_least: self.at_least.min(other.at_least),
                at_most: self.at_most.max(other.at_most),
            }
        }
    }
}

/// Two samples of one series that both have a time, the earlier one first.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    /// By the collector.
    span: Nanos,
    /// How far that may be off.
    error: Nanos,
    /// Both readings of sysUpTime.
    up: Option<(Ticks, Ticks)>,
}

impl Clocks {
    fn of(previous: &CounterSample, next: &CounterSample) -> Option<Self> {
        let (Timestamp(from), Timestamp(to)) = (previous.at?, next.at?);
        let span = Nanos(to.saturating_sub(from));
        Some(Self {
            span,
            error: previous.within + next.within + share(span, COLLECTOR_CLOCK_PPM),
            up: previous.up.zip(next.up),
        })
    }

    fn by_collector(&self) -> Elapsed {
        Elapsed::around(self.span, self.error)
    }

    fn by_agent(&self, (earlier, later): (Ticks, Ticks), agent_ppm: i64) -> Elapsed {
        let passed = later.since(earlier, self.span);
        // The share is of the true time, which is longer than `passed` when the clock is slow.
        let true_at_most = passed + share(passed, AGENT_CLOCK_BROKEN_PPM * 2) + Ticks::LENGTH;
        Elapsed::around(passed, Ticks::LENGTH + share(true_at_most, agent_ppm))
    }
}

/// The time between two readings, when the agent's clock is wrong by no more than `agent_ppm` millionths. `None` when one
/// of them has no time.
///
/// Whether the agent's clock ran through must be known before ([`restart`]).
pub(super) fn elapsed(
    previous: &CounterSample,
    next: &CounterSample,
    agent_ppm: i64,
) -> Option<Elapsed> {
    let clocks = Clocks::of(previous, next)?;
    let by_collector = clocks.by_collector();
    Some(match clocks.up {
        Some(up) => by_collector.and(clocks.by_agent(up, agent_ppm)),
        None => by_collector,
    })
}

/// The time between two readings by the collector's clock alone, whatever the agent did. `None` when one of them has no
/// time.
pub(super) fn by_collector(previous: &CounterSample, next: &CounterSample) -> Option<Elapsed> {
    Some(Clocks::of(previous, next)?.by_collector())
}

/// How far the agent's clock may be wrong, in millionths, as a pair without a restart shows: at least, and at most.
pub(super) fn agent_clock(previous: &CounterSample, next: &CounterSample) -> Option<(i64, i64)> {
    let clocks = Clocks::of(previous, next)?;
    let (earlier, later) = clocks.up?;
    let apart = (later.since(earlier, clocks.span) - clocks.span).abs();
    let error = clocks.error + Ticks::LENGTH;
    // Of the shortest time that it can have been.
    let span = i128::from((clocks.span - error).0.max(1));
    let ppm = |part: Nanos| i64::try_from(i128::from(part.0.max(0)) * 1_000_000 / span + 1);
    Some((
        ppm(apart - error).unwrap_or(i64::MAX),
        ppm(apart + error).unwrap_or(i64::MAX),
    ))
}

/// Whether the agent restarted between two readings, by its sysUpTime and the collector's clock.
///
/// An agent that restarts in between has been up for less than the time in between. So a longer sysUpTime excludes it,
/// and a shorter one is either a restart or, when it fits modulo 2³², a wrap.
pub(super) fn restart(previous: &CounterSample, next: &CounterSample) -> Doubt {
    let Some((clocks, up)) = Clocks::of(previous, next).and_then(|c| c.up.map(|up| (c, up))) else {
        return Doubt::Untold;
    };
    let passed = up.1.since(up.0, clocks.span);
    let apart = (passed - clocks.span).abs();
    let allowed = clocks.error + Ticks::LENGTH + share(clocks.span, AGENT_CLOCK_PPM);
    let began_in_between = up.1.since_start() <= clocks.span + allowed;
    if apart <= allowed {
        // Up for no longer than the time in between, and yet in step: an agent that had just begun, and may have done so
        // twice, or a wrap. A restart just when sysUpTime wraps would be in step by chance only, unless the clocks are
        // compared coarsely.
        let coarse =
            allowed > share(clocks.span, COINCIDENCE_PPM) && allowed > Ticks::LENGTH.times(10);
        let just_begun = up.0.since_start() <= allowed.times(2);
        if began_in_between && (coarse || just_begun) {
            return Doubt::Open;
        }
        return Doubt::Excluded;
    }
    if began_in_between {
        return Doubt::Found(Unknown::Restart);
    }
    if apart <= allowed + share(clocks.span, AGENT_CLOCK_BROKEN_PPM) {
        Doubt::Excluded
    } else {
        Doubt::Found(Unknown::ClocksDisagree)
    }
}
