//! Clocks that moved within one window by more than they claim.
//!
//! If two clocks stay within their bounds, their difference stays within twice
//! the sum of the bounds, so it cannot move by more than that. No queue makes
//! packets faster: what falls on the one way by as much as it rises on the
//! other, while the round trip stays, is the clocks' doing.

use super::envelope::Point;
use super::suspicion::ProbeKind;
use super::window::{PairPoints, Window};

/// Parts of a window; what lies before one of them is held against what lies behind it, because the move is within it.
const PARTS: usize = 12;
/// A clock with fewer pairs than this may seem to have left its line because of one path's queues.
const PAIRS: usize = 3;
/// A smaller move than this beyond what the claims allow is not looked for.
const LEAST_NS: f64 = 10_000.0;
/// A move must exceed the noise of the floors that it is told from by this factor.
const NOISES: f64 = 3.0;
/// So many parts hold packets enough for a floor.
const FLOOR_PARTS: usize = 2;
/// If this share of a move happens within three floors, it is a step; a steady drift needs six for all of it.
const STEP_SHARE: f64 = 0.7;

/// One clock's move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moved {
    pub(super) clock: usize,
    /// A step, or a drift.
    pub(super) kind: ProbeKind,
}

/// How one pair's difference, x_b − x_a, moved.
struct Move {
    by: f64,
    at_once: bool,
}

/// Clocks of which most pairs with another claiming clock say that they moved the same way, by more than both claims
/// allow; `length` is the window's, in nanoseconds.
pub(super) fn moved(pairs: &[PairPoints], claims: &[Option<f64>], length: f64) -> Vec<Moved> {
    let mut votes: Vec<Vec<Option<Move>>> = claims.iter().map(|_| Vec::new()).collect();
    for pair in pairs {
        let (Some(one), Some(other)) = (claims[pair.a], claims[pair.b]) else {
            continue;
        };
        let allowed = 2.0 * (one + other) + LEAST_NS;
        let seen = largest(pair, length).filter(|seen| seen.by.abs() > allowed);
        votes[pair.a].push(seen.as_ref().map(|seen| Move {
            by: -seen.by,
            at_once: seen.at_once,
        }));
        votes[pair.b].push(seen);
    }
    votes
        .into_iter()
        .enumerate()
        .filter_map(|(clock, votes)| {
            // Three of five: one pair alone is the other clock's doing, unless the clock has no other pair.
            let all = votes.len();
            let same_way = |sign: f64| {
                let moves = votes.iter().flatten().filter(|seen| seen.by * sign > 0.0);
                let at_once = moves.clone().filter(|seen| seen.at_once).count();
                let count = moves.count();
                (count > 0 && count * 5 >= all * 3).then_some(Moved {
                    clock,
                    kind: if at_once * 2 > count {
                        ProbeKind::Step
                    } else {
                        ProbeKind::Drift
                    },
                })
            };
            same_way(1.0).or_else(|| same_way(-1.0))
        })
        .collect()
}

/// Clocks that leave their line by more than they claim, as at least three pairs and most of them agree: a step so near to
/// an end of the window that hardly a packet lies behind it. What queues alone can do is taken off each pair: where there are
/// few packets, each of them may have waited.
pub(super) fn astray(
    window: &Window,
    pairs: &[PairPoints],
    claims: &[Option<f64>],
    length: f64,
) -> Vec<Moved> {
    claims
        .iter()
        .enumerate()
        .filter_map(|(clock, claim)| {
            let allowed = 2.0 * (*claim)? + LEAST_NS;
            if !window.stepped[clock] || window.wander[clock] <= allowed {
                return None;
            }
            let slopes = &window.slopes;
            let votes: Vec<f64> = pairs
                .iter()
                .filter_map(|pair| match clock {
                    _ if clock == pair.b => Some((pair, 1.0)),
                    _ if clock == pair.a => Some((pair, -1.0)),
                    _ => None,
                })
                .filter_map(|(pair, sign)| {
                    Some(sign * jump(pair, slopes[pair.b] - slopes[pair.a], length)?)
                })
                .collect();
            let same_way = |sign: f64| {
                let agree = votes.iter().filter(|&&by| by * sign > allowed).count();
                agree >= PAIRS && agree * 5 >= votes.len() * 3
            };
            (same_way(1.0) || same_way(-1.0)).then_some(Moved {
                clock,
                kind: ProbeKind::Step,
            })
        })
        .collect()
}

/// The largest jump of x_b − x_a between two parts of the window, each of at least one packet either way, less what queues
/// alone can do: a queue moves one way and so the round trip, a clock moves both ways and not the round trip.
fn jump(pair: &PairPoints, slope: f64, length: f64) -> Option<f64> {
    let [forward, backward] = [(&pair.forward, slope), (&pair.backward, -slope)]
        .map(|(points, slope)| Floors::along(points, slope, length));
    let floors: Vec<(f64, f64)> = (0..PARTS)
        .map(|part| (forward.parts[part][0], backward.parts[part][0]))
        .filter(|(out, home)| out.is_finite() && home.is_finite())
        .collect();
    let jumps = floors.iter().enumerate().flat_map(|(later, after)| {
        floors[..later].iter().map(move |before| {
            let (out, home) = (after.0 - before.0, after.1 - before.1);
            let (shift, queues) = ((out - home) / 2.0, (out + home) / 2.0);
            shift.signum() * (shift.abs() - queues.abs()).max(0.0)
        })
    });
    jumps.max_by(|one, other| one.abs().total_cmp(&other.abs()))
}

/// The largest sure move of a pair over one of the parts of the window.
fn largest(pair: &PairPoints, length: f64) -> Option<Move> {
    let [forward, backward] =
        [&pair.forward, &pair.backward].map(|points| Floors::of(points, length));
    let best = (1..PARTS - 1)
        .filter_map(|part| {
            let (before_out, after_out) = (forward.over(0, part)?, forward.over(part + 1, PARTS)?);
            let (before_home, after_home) =
                (backward.over(0, part)?, backward.over(part + 1, PARTS)?);
            let (out, home) = (
                after_out.lowest - before_out.lowest,
                after_home.lowest - before_home.lowest,
            );
            let noise = [before_out, after_out, before_home, after_home]
                .iter()
                .fold(0.0_f64, |noise, floor| noise.max(floor.noise));
            let (shift, queues) = ((out - home) / 2.0, (out + home) / 2.0);
            let sure = shift.abs() - queues.abs() - NOISES * noise;
            (sure > 0.0).then_some(shift.signum() * sure)
        })
        .max_by(|one, other| one.abs().total_cmp(&other.abs()))?;
    let guesses: Vec<f64> = (0..PARTS)
        .step_by(FLOOR_PARTS)
        .filter_map(|part| {
            let (out, home) = (
                forward.over(part, part + FLOOR_PARTS)?,
                backward.over(part, part + FLOOR_PARTS)?,
            );
            Some((out.lowest - home.lowest) / 2.0)
        })
        .collect();
    // A floor that holds the step shows half of it, hence the next but one.
    let jump = guesses
        .windows(3)
        .map(|three| (three[2] - three[0]).abs())
        .fold(0.0, f64::max);
    let (first, last) = (guesses.first()?, guesses.last()?);
    Some(Move {
        by: best,
        at_once: jump >= STEP_SHARE * (last - first).abs(),
    })
}

/// The three lowest raw differences of each part of one way, ascending; infinite where there are fewer.
struct Floors {
    parts: [[f64; 3]; PARTS],
}

/// Takes a value into the three lowest.
fn lower(lowest: &mut [f64; 3], raw: f64) {
    if raw < lowest[2] {
        lowest[2] = raw;
        lowest.sort_unstable_by(f64::total_cmp);
    }
}

#[derive(Clone, Copy)]
struct Floor {
    lowest: f64,
    /// How far the middle one of the three lowest lies above the lowest.
    noise: f64,
}

impl Floors {
    fn of(points: &[Point], length: f64) -> Self {
        Self::along(points, 0.0, length)
    }

    /// Of what lies above a slope.
    fn along(points: &[Point], slope: f64, length: f64) -> Self {
        let mut parts = [[f64::INFINITY; 3]; PARTS];
        for point in points {
            let place = (point.at / length + 0.5) * PARTS as f64;
            let part = &mut parts[(place.max(0.0) as usize).min(PARTS - 1)];
            lower(part, point.raw - slope * point.at);
        }
        Self { parts }
    }

    /// The floor of some parts; `None` where there are fewer than three packets.
    fn over(&self, from: usize, to: usize) -> Option<Floor> {
        let mut lowest = [f64::INFINITY; 3];
        for &raw in self.parts[from..to].iter().flatten() {
            lower(&mut lowest, raw);
        }
        lowest[2].is_finite().then_some(Floor {
            lowest: lowest[0],
            noise: lowest[1] - lowest[0],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: f64 = 60e9;

    /// Four clocks, all pairs, a packet a second; the errors of clock 2 and what every packet of 0 → 1 takes longer.
    fn pairs(error: fn(f64) -> f64, longer: fn(f64) -> f64) -> Vec<PairPoints> {
        let mut pairs = Vec::new();
        for a in 0..4 {
            for b in a + 1..4 {
                let way = |sign: f64| {
                    (-30..30)
                        .map(|k| {
                            let at = (f64::from(k) + 0.5) * 1e9;
                            let of = |clock| if clock == 2 { error(at) } else { 0.0 };
                            let queue = f64::from((k * 7_i32).rem_euclid(5)) * 3e3;
                            let route = if (a, b) == (0, 1) && sign > 0.0 {
                                longer(at)
                            } else {
                                0.0
                            };
                            Point {
                                at,
                                raw: 700e3 + queue + route + sign * (of(b) - of(a)),
                            }
                        })
                        .collect()
                };
                pairs.push(PairPoints {
                    a,
                    b,
                    forward: way(1.0),
                    backward: way(-1.0),
                    floors: [300e3; 2],
                });
            }
        }
        pairs
    }

    #[track_caller]
    fn check(error: fn(f64) -> f64, longer: fn(f64) -> f64, kind: Option<ProbeKind>) {
        let found = moved(&pairs(error, longer), &[Some(1_000.0); 4], MINUTE);
        let expected: Vec<Moved> = kind
            .map(|kind| Moved { clock: 2, kind })
            .into_iter()
            .collect();
        assert_eq!(found, expected);
    }

    fn none(_: f64) -> f64 {
        0.0
    }

    #[test]
    fn a_step_and_a_drift_are_the_clocks_and_a_longer_route_is_not() {
        check(
            |at| if at > 12e9 { 500e3 } else { 0.0 },
            none,
            Some(ProbeKind::Step),
        );
        check(|at| at * -1.5e-6, none, Some(ProbeKind::Drift));
        check(none, |at| if at > 0.0 { 400e3 } else { 0.0 }, None);
        check(none, none, None);
    }

    #[test]
    fn a_move_that_the_claims_allow_is_none() {
        let slow = pairs(|at| at * 0.2e-6, none);
        assert_eq!(moved(&slow, &[Some(1_000.0); 4], MINUTE), []);
        let stepping = pairs(|at| if at > 0.0 { 500e3 } else { 0.0 }, none);
        assert_eq!(moved(&stepping, &[Some(200_000.0); 4], MINUTE), []);
        assert_eq!(moved(&stepping, &[None; 4], MINUTE), []);
    }

    #[test]
    fn a_late_step_is_a_step_and_packets_that_waited_where_there_are_few_are_none() {
        let told = |error: fn(f64) -> f64, waited: fn(usize, f64, f64) -> f64, from: f64| {
            let mut pairs = pairs(error, none);
            for (k, pair) in pairs.iter_mut().enumerate() {
                for (points, sign) in [(&mut pair.forward, 1.0), (&mut pair.backward, -1.0)] {
                    points.retain(|point| point.at > from);
                    for point in points {
                        point.raw += waited(k, point.at, sign);
                    }
                }
            }
            let window = Window::of(4, MINUTE, &pairs);
            assert!(window.stepped[2], "{:?}", window.wander);
            astray(&window, &pairs, &[Some(1_000.0); 4], MINUTE)
        };
        let late = |at| if at > 28e9 { 500e3 } else { 0.0 };
        let step = Moved {
            clock: 2,
            kind: ProbeKind::Step,
        };
        assert_eq!(told(late, |_, _, _| 0.0, -30e9), [step]);
        // The session begins in the midst of the window, and the first packets towards clock 2 wait.
        let waited = |pair: usize, at: f64, sign: f64| {
            let towards = match pair {
                1 | 3 => sign > 0.0,
                5 => sign < 0.0,
                _ => false,
            };
            if towards && at < 20e9 { 400e3 } else { 0.0 }
        };
        assert_eq!(told(none, waited, 19e9), []);
    }
}
