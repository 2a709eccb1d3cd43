//! Clocks that change while they are watched: steps and drifts, found as early as the packets allow.
//!
//! Every second the last twenty are looked at anew. A clock that steps moves
//! all of its differences at once: packets of the one direction fall below the
//! floor that they had, those of the other rise, and the round trip stays. A
//! path that changes moves its round trip, and only its own difference. A clock
//! that drifts changes its rate against all others.

use std::collections::VecDeque;

use super::crossing::Ways;
use super::envelope::{MarginLine, Point, largest_margin, lower_hull};
use super::offsets::{Difference, consensus, median};

const SECOND: f64 = 1e9;
/// The span from which a pair's line is taken.
const BASE: f64 = 20.0 * SECOND;
/// The span behind it in which a step must show.
const AHEAD: f64 = 4.0 * SECOND;
/// Between two looks, unless the run is so long and the mesh so large that it would take hours.
const TICK: f64 = SECOND;
/// So many times a pair is looked at; where that is not enough for every second, it is done less often.
const PAIR_LOOKS_MAX: f64 = 1e8;
/// A smaller step is not looked for; clocks are slewed by as much.
const LEAST_STEP_NS: f64 = 10_000.0;
/// A smaller change of rate is not called a drift: one part per million. A disciplined clock changes its rate, too.
const LEAST_DRIFT: f64 = 1e-6;
/// So many standard deviations of what all clocks show must a change exceed.
const SIGMAS: f64 = 6.0;
/// What makes a deviation of the absolute median the standard deviation of a normal distribution.
const NORMAL: f64 = 1.4826;
/// So many looks must there have been before a rate can be said to have changed.
const HISTORY: usize = 20;
/// So many looks in a row must agree that it did.
const LOOKS: u32 = 5;
/// So many looks are remembered, five minutes; the oldest makes room.
const HISTORY_MAX: usize = 300;
/// A move must exceed the noise of the floors that it is told from by this factor.
const NOISES: f64 = 3.0;

/// What a clock did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Movement {
    /// It jumped by so many nanoseconds.
    Step(f64),
    /// Its rate changed by this, a pure number.
    Drift(f64),
}

/// A change of one clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change {
    pub(crate) clock: usize,
    pub(crate) movement: Movement,
    /// When it began, as far as the packets tell: nanoseconds on the common time line.
    pub(crate) since: f64,
    /// When it could be told from the packets up to then.
    pub(crate) found: f64,
}

/// One pair with the packets of both directions in the order of time.
struct Pair {
    a: usize,
    b: usize,
    ways: [Vec<Point>; 2],
}

/// A pair's line, and how far the floors that it rests on may be from the true ones.
struct Floor {
    line: MarginLine,
    noise: f64,
}

/// What one look told of the rates: when, and each clock's against the middle of all.
struct Look {
    at: f64,
    rates: Vec<Option<f64>>,
}

impl Change {
    /// Whether a clock that did this before the run ended may still be within `bound` of UTC.
    pub(crate) fn fits(&self, bound: f64, length: f64) -> bool {
        match self.movement {
            Movement::Step(by) => by.abs() <= bound,
            Movement::Drift(rate) => rate.abs() * (length - self.since) <= bound,
        }
    }

    /// Whether the clock stepped in a span of the time line, as far as the packets tell when.
    pub(crate) fn steps_within(&self, from: f64, to: f64) -> bool {
        matches!(self.movement, Movement::Step(_)) && self.since - TICK < to && self.found >= from
    }
}

/// The first change of each clock that showed one. A `disciplined` clock must not run at another rate than the others; of
/// a free one only a change is news.
pub(crate) fn changes(disciplined: &[bool], ways: &Ways, length: f64) -> Vec<Change> {
    let count = disciplined.len();
    let pairs = pairs(ways);
    let tick = TICK.max(length * pairs.len() as f64 / PAIR_LOOKS_MAX);
    let mut steps: Vec<Option<Change>> = vec![None; count];
    let mut looks = Vec::new();
    let mut at = BASE;
    while at + AHEAD <= length + tick {
        let lines: Vec<Option<Floor>> = pairs.iter().map(|pair| pair.floor(at)).collect();
        looks.push(Look {
            at,
            rates: rates(count, &pairs, &lines),
        });
        for change in stepped(count, &pairs, &lines, at) {
            // The same step shows in the looks that follow; so does its end in the span of the line.
            if steps[change.clock].is_none_or(|known| change.found > known.found + BASE + AHEAD) {
                steps[change.clock].get_or_insert(change);
            }
        }
        at += tick;
    }
    let mut found: Vec<Change> = steps.iter().copied().flatten().collect();
    found.extend(drifted(disciplined, &looks, &steps));
    found.sort_by(|a, b| a.found.total_cmp(&b.found));
    let mut seen = vec![false; count];
    found.retain(|change| !std::mem::replace(&mut seen[change.clock], true));
    found
}

fn pairs(ways: &Ways) -> Vec<Pair> {
    ways.iter()
        .filter(|((a, b), _)| a < b)
        .filter_map(|(&(a, b), forward)| {
            let points = |way: &super::crossing::Way| {
                let mut points: Vec<Point> = way
                    .crossings()
                    .map(|crossing| Point {
                        at: crossing.at,
                        raw: crossing.raw,
                    })
                    .collect();
                points.sort_unstable_by(|a, b| a.at.total_cmp(&b.at));
                points
            };
            let backward = ways.get(&(b, a))?;
            Some(Pair {
                a,
                b,
                ways: [points(forward), points(backward)],
            })
        })
        .collect()
}

/// The points of a span, seen from a moment.
fn within(points: &[Point], from: f64, to: f64, seen_from: f64) -> impl Iterator<Item = Point> {
    let first = points.partition_point(|point| point.at < from);
    let last = points.partition_point(|point| point.at < to);
    points[first..last.max(first)]
        .iter()
        .map(move |point| Point {
            at: point.at - seen_from,
            raw: point.raw,
        })
}

impl Pair {
    /// The line of the span that ends at a moment, told of that moment; `None` when too few packets came.
    fn floor(&self, at: f64) -> Option<Floor> {
        let [forward, backward] =
            [0, 1].map(|way| within(&self.ways[way], at - BASE, at, at).collect::<Vec<Point>>());
        if forward.len() < 3 || backward.len() < 3 {
            return None;
        }
        let line = largest_margin(&lower_hull(&forward), &lower_hull(&backward))?;
        // How far the third-lowest lies above the lowest is how far the lowest may lie above the floor.
        let gap = |points: &[Point], slope: f64| {
            let mut above: Vec<f64> = points
                .iter()
                .map(|point| point.raw - slope * point.at)
                .collect();
            above.sort_unstable_by(f64::total_cmp);
            above[2] - above[0]
        };
        Some(Floor {
            noise: gap(&forward, line.slope).max(gap(&backward, -line.slope)),
            line,
        })
    }

    /// By how much the clock of `b` moved against that of `a` right after a moment, at the least; `None` without packets.
    ///
    /// No queue makes a packet faster, so what falls below the line on one way by more than it rises on the other is the
    /// clocks' doing.
    fn moved(&self, floor: &Floor, at: f64) -> Option<f64> {
        let line = &floor.line;
        let lowest = |way: usize, slope: f64| {
            within(&self.ways[way], at, at + AHEAD, at)
                .map(|point| point.raw - slope * point.at)
                .fold(None, |lowest: Option<f64>, raw| {
                    Some(lowest.map_or(raw, |lowest| lowest.min(raw)))
                })
        };
        let above = lowest(0, line.slope)? - (line.margin / 2.0 + line.offset);
        let below = lowest(1, -line.slope)? - (line.margin / 2.0 - line.offset);
        let (shift, queues) = ((above - below) / 2.0, (above + below) / 2.0);
        let sure = shift.abs() - queues.max(0.0) - NOISES * floor.noise;
        Some(shift.signum() * sure.max(0.0))
    }
}

fn rates(count: usize, pairs: &[Pair], lines: &[Option<Floor>]) -> Vec<Option<f64>> {
    let slopes: Vec<Difference> = pairs
        .iter()
        .zip(lines)
        .filter_map(|(pair, line)| {
            Some(Difference {
                from: pair.a,
                to: pair.b,
                value: line.as_ref()?.line.slope,
                noise: 1e-9,
            })
        })
        .collect();
    let rates = consensus(count, &slopes);
    let middle = median(rates.iter().copied().flatten().collect()).unwrap_or_default();
    rates
        .into_iter()
        .map(|rate| rate.map(|rate| rate - middle))
        .collect()
}

/// Clocks of which most pairs say that they moved the same way.
fn stepped(count: usize, pairs: &[Pair], lines: &[Option<Floor>], at: f64) -> Vec<Change> {
    let mut votes = vec![Vec::new(); count];
    for (pair, line) in pairs.iter().zip(lines) {
        if let Some(moved) = line.as_ref().and_then(|floor| pair.moved(floor, at)) {
            votes[pair.b].push(moved);
            votes[pair.a].push(-moved);
        }
    }
    let mut changes = Vec::new();
    for (clock, votes) in votes.into_iter().enumerate() {
        for sign in [1.0, -1.0] {
            let moved: Vec<f64> = votes
                .iter()
                .map(|vote| sign * vote)
                .filter(|&vote| vote > LEAST_STEP_NS)
                .collect();
            // Three of five: one pair alone is the path's doing, unless the clock has no other.
            if moved.is_empty() || moved.len() * 5 < votes.len() * 3 {
                continue;
            }
            if let Some(size) = median(moved) {
                changes.push(Change {
                    clock,
                    movement: Movement::Step(sign * size),
                    since: at,
                    found: at + AHEAD,
                });
            }
        }
    }
    changes
}

/// Clocks whose rate left what it had been, in [`LOOKS`] looks one after the other.
fn drifted(disciplined: &[bool], looks: &[Look], steps: &[Option<Change>]) -> Vec<Change> {
    let disturbed = |clock: usize, at: f64| {
        steps[clock].is_some_and(|step| step.since - TICK <= at && at <= step.found + BASE)
    };
    let spread = {
        let mut differences = Vec::new();
        for (early, late) in looks.iter().zip(looks.iter().skip((BASE / TICK) as usize)) {
            let both = early.rates.iter().zip(&late.rates);
            differences.extend(both.filter_map(|(early, late)| Some(((*late)? - (*early)?).abs())));
        }
        NORMAL * median(differences).unwrap_or_default()
    };
    let threshold = LEAST_DRIFT.max(SIGMAS * spread);
    (0..disciplined.len())
        .filter_map(|clock| {
            let mut history = VecDeque::new();
            let mut pending: Vec<(f64, f64)> = Vec::new();
            let mut consecutive = 0;
            for look in looks {
                let Some(rate) = look.rates[clock].filter(|_| !disturbed(clock, look.at)) else {
                    consecutive = 0;
                    continue;
                };
                // Only looks that share no packet with this one are its past.
                let past = pending.partition_point(|&(at, _)| at <= look.at - BASE);
                history.extend(pending.drain(..past).map(|(_, rate)| rate));
                history.drain(..history.len().saturating_sub(HISTORY_MAX));
                pending.push((look.at, rate));
                let usual = if disciplined[clock] {
                    0.0
                } else if history.len() < HISTORY {
                    continue;
                } else {
                    median(history.iter().copied().collect())?
                };
                let changed = rate - usual;
                if changed.abs() <= threshold {
                    consecutive = 0;
                    continue;
                }
                consecutive += 1;
                if consecutive >= LOOKS {
                    return Some(Change {
                        clock,
                        movement: Movement::Drift(changed),
                        since: look.at - BASE,
                        found: look.at,
                    });
                }
            }
            None
        })
        .collect()
}
