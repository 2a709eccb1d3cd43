//! The verdict on a whole run of raw samples, with what a mesh audit knows of the clocks.
//!
//! Every packet has an interval of its own, from the bounds of its window at
//! its moment; the interval of the percentile is the same rank among the lower
//! and among the upper ends, which holds however the errors of the packets
//! depend on each other, because order statistics are monotone.

use std::borrow::Cow;

use crate::clock::audit::{Audit, AuditedWindow, WINDOW};
use crate::clock::crossing::{Crossing, Fate};
use crate::clock::dial::SHARES;
use crate::clock::matrix::DifferenceBounds;
use crate::delay::{Basis, ClockDifference, Floors, OneWayDelay};
use crate::distribution::Bounds;
use crate::time::{Nanos, Timestamp};
use crate::verdict::{Quantile, State, side};

/// A target for the p95 from one probe to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunTarget {
    /// The probe that sends.
    pub from: usize,
    /// The probe that receives.
    pub to: usize,
    /// The p95 of the one-way delay shall be at most this.
    pub target: Nanos,
}

/// The verdict on a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunVerdict {
    /// What was judged.
    pub of: RunTarget,
    /// Whether the target was kept.
    pub state: State,
    /// Where the p95 of all packets lies, and on what that rests; `None` when nothing was measured.
    pub delay: Option<OneWayDelay>,
    /// The largest share of the slack that may be asymmetric without the verdict falling; 1 for a verdict that does not
    /// depend on that, `None` when there is no verdict.
    pub a_star: Option<f64>,
    /// Since when each window by itself says the same, on the sending probe's clock; the begin of the run when none does.
    pub since: Timestamp,
}

/// The bounds of each window under one basis; `None` where the window has none.
struct Knowledge<'a> {
    basis: Basis,
    bounds: Vec<Option<Cow<'a, DifferenceBounds>>>,
}

/// Judges the p95 of a run against each target, in the same order.
///
/// What needs no clock claim is tried first, then the claims that passed the audit, then the assumption that only a share
/// of each slack is asymmetric, from the largest share down.
pub fn judge_run(audit: &Audit, targets: &[RunTarget]) -> Vec<RunVerdict> {
    let proved = Knowledge::of(audit, Basis::Proved, |window| {
        window.window.proved.as_ref().map(Cow::Borrowed)
    });
    let claimed = Knowledge::of(audit, Basis::Claimed, |window| {
        window.claimed.as_ref().map(Cow::Borrowed)
    });
    let mut verdicts: Vec<RunVerdict> = targets
        .iter()
        .map(|&of| {
            let undecided = RunVerdict {
                of,
                state: State::Undecided,
                delay: None,
                a_star: None,
                since: audit.line.local(of.from, 0.0),
            };
            let mut verdict = undecided;
            for knowledge in [&proved, &claimed] {
                verdict.consider(audit, knowledge, 1.0);
            }
            verdict
        })
        .collect();
    for &share in SHARES.iter().rev().filter(|share| **share < 1.0) {
        if verdicts
            .iter()
            .all(|verdict| verdict.state != State::Undecided)
        {
            break;
        }
        let assumed = Knowledge::of(audit, Basis::Assumed, |window| {
            window
                .assumed(share, &audit.line, &audit.believed)
                .map(Cow::Owned)
        });
        for verdict in &mut verdicts {
            verdict.consider(audit, &assumed, share);
        }
    }
    verdicts
}

impl RunVerdict {
    /// What the interval rests on, when there is one.
    pub fn basis(&self) -> Option<Basis> {
        self.delay.map(|delay| delay.basis)
    }

    /// Decides, if nothing better did and this can. An interval that rests on assumptions is kept only with its verdict.
    fn consider(&mut self, audit: &Audit, knowledge: &Knowledge<'_>, share: f64) {
        if self.state != State::Undecided {
            return;
        }
        let everything = (f64::NEG_INFINITY, f64::INFINITY);
        let Some(delay) = p95(audit, self.of, knowledge, everything) else {
            return;
        };
        let decided = side(delay, self.of.target);
        let narrower = self
            .delay
            .is_none_or(|known| known.lo < delay.lo || delay.hi < known.hi);
        if decided.is_some() || (knowledge.basis != Basis::Assumed && narrower) {
            self.delay = Some(delay);
        }
        if let Some(state) = decided {
            self.state = state;
            self.a_star = Some(share);
            self.since = since(audit, self.of, knowledge, state);
        }
    }
}

impl<'a> Knowledge<'a> {
    fn of(
        audit: &'a Audit,
        basis: Basis,
        bounds: impl Fn(&'a AuditedWindow) -> Option<Cow<'a, DifferenceBounds>>,
    ) -> Self {
        Self {
            basis,
            bounds: audit
                .windows
                .iter()
                .map(|window| bounds(window.as_ref()?))
                .collect(),
        }
    }

    /// What is known of one packet's delay.
    fn of_packet(&self, audit: &Audit, of: RunTarget, crossing: &Crossing) -> OneWayDelay {
        let floors = Floors {
            forward: audit.floors[of.from][of.to],
            backward: audit.floors[of.to][of.from],
        };
        // A round trip faster than light is none: the clock that timed it stepped meanwhile.
        let possible = |round_trip: &Nanos| *round_trip >= floors.forward + floors.backward;
        let round_trip = crossing.round_trip.filter(possible).unwrap_or(Nanos::MAX);
        let alone = OneWayDelay::proved(round_trip, floors);
        let k = ((crossing.at / WINDOW.0 as f64) as usize).min(self.bounds.len() - 1);
        let Some(window) = &audit.windows[k] else {
            return alone;
        };
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        if let Some(bounds) = &self.bounds[k] {
            let at = crossing.at - window.centre;
            (low, high) = window.window.difference(bounds, of.from, of.to, at);
        }
        if self.basis != Basis::Proved
            && let Some(sum) = window.claim_of(of.from, of.to, &audit.believed)
        {
            let base = (audit.line.base(of.to) - audit.line.base(of.from)) as f64;
            low = low.max(-sum - base);
            high = high.min(sum - base);
        }
        // One nanosecond more than rounding outwards, for the sums of floats behind it.
        let clocks = ClockDifference {
            at_least: Nanos(low.floor() as i64) - Nanos(1),
            at_most: Nanos(high.ceil() as i64) + Nanos(1),
        };
        let stamp_error =
            (audit.stamps.hard || self.basis != Basis::Proved).then_some(audit.stamps.both);
        let raw = Nanos(crossing.raw as i64);
        let raw = Bounds {
            at_least: raw,
            at_most: raw,
        };
        alone
            .narrowed_on(self.basis, raw, clocks, stamp_error)
            .unwrap_or(alone)
    }
}

/// The interval of the p95 of the packets within a span of the time line; `None` when there are none.
///
/// Where both probes asked, the answers to the one are a second sample of the same direction: the interval holds both.
fn p95(
    audit: &Audit,
    of: RunTarget,
    knowledge: &Knowledge<'_>,
    span: (f64, f64),
) -> Option<OneWayDelay> {
    let way = audit.ways.get(&(of.from, of.to))?;
    let floor = audit.floors[of.from][of.to];
    [&way.asked, &way.answered]
        .into_iter()
        .filter_map(|fates| {
            let mut ends: Vec<(Nanos, Nanos)> = Vec::with_capacity(fates.len());
            for fate in fates
                .iter()
                .filter(|fate| (span.0..span.1).contains(&fate.at()))
            {
                ends.push(match fate {
                    Fate::Crossed(crossing) => {
                        let delay = knowledge.of_packet(audit, of, crossing);
                        (delay.lo, delay.hi)
                    }
                    Fate::Lost(_) => (Nanos::MAX, Nanos::MAX),
                    Fate::Unknown(_) => (floor, Nanos::MAX),
                });
            }
            let known = fates.iter().any(|fate| !matches!(fate, Fate::Unknown(_)));
            let rank = Quantile::P95.rank(ends.len() as u64) as usize;
            let (mut low, mut high): (Vec<Nanos>, Vec<Nanos>) = ends.into_iter().unzip();
            low.sort_unstable();
            high.sort_unstable();
            let place = rank.checked_sub(1).filter(|_| known)?;
            Some(OneWayDelay {
                lo: low[place],
                hi: high[place],
                basis: knowledge.basis,
            })
        })
        .reduce(|one, other| OneWayDelay {
            lo: one.lo.min(other.lo),
            hi: one.hi.max(other.hi),
            basis: one.basis,
        })
}

/// The begin of the last windows that all say the same by themselves, or do not contradict it.
fn since(audit: &Audit, of: RunTarget, knowledge: &Knowledge<'_>, state: State) -> Timestamp {
    let length = WINDOW.0 as f64;
    let mut first = 0;
    for k in (0..audit.windows.len()).rev() {
        let span = (k as f64 * length, (k + 1) as f64 * length);
        let said = p95(audit, of, knowledge, span).and_then(|delay| side(delay, of.target));
        if said.is_some_and(|said| said != state) {
            first = (k + 1) % audit.windows.len();
            break;
        }
    }
    audit.line.local(of.from, first as f64 * length)
}
