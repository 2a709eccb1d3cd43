//! One window of a mesh: what the packets alone prove and suggest of its clocks.
//!
//! Clock i is wrong by x_i(q) = X_i + s_i·q + r_i(q) at q from the window's
//! centre, with |r_i(q)| ≤ κ_i + ρ·|q|/2. Every packet from i to j bounds
//! X_j − X_i from above, because it was not faster than light:
//!
//! `U_ij = min_k(m_k − (s_j − s_i)·q_k + ρ·|q_k|) − F_ij + κ_i + κ_j`.
//!
//! No claim of any clock is used here.

use super::envelope::{MarginLine, Point, largest_margin, lower_hull};
use super::matrix::DifferenceBounds;
use super::offsets::{Difference, consensus, median};

/// How much the rate of two clocks may change within half a window, besides what the packets show: 100 parts per
/// billion. Quartz without an oven changes by less in half a minute; whatever is more shows in the blocks and is added.
const RESIDUAL_RATE: f64 = 100e-9;
/// How fast the fastest clock may run that still counts as one; its own share of a delay is a doubt about the delay.
const FASTEST: f64 = 50e-6;
/// A clock that leaves its line by more than this within a window stepped; nothing is proved through it there.
const STEPPED_NS: f64 = 50_000.0;
/// Parts of a window in which the envelope is looked at again.
const BLOCKS: usize = 6;
/// What makes a deviation of the absolute median the standard deviation of a normal distribution.
const NORMAL: f64 = 1.4826;
/// The least noise of a floor: stamps are whole nanoseconds, and no two interfaces agree to less than some.
const LEAST_NOISE_NS: f64 = 5.0;

/// What two probes saw of each other in a window, in the order of time.
#[derive(Debug, Clone)]
pub struct PairPoints {
    /// The one.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// Raw one-way differences a → b.
    pub forward: Vec<Point>,
    /// Raw one-way differences b → a.
    pub backward: Vec<Point>,
    /// The light floors of a → b and b → a in nanoseconds.
    pub floors: [f64; 2],
}

/// What a pair's packets say of the difference of its clocks, x_b − x_a.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairLine {
    /// The one.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// The symmetric guess.
    pub line: MarginLine,
    /// How far the guess may be off because no packet met an empty path, one standard deviation.
    pub noise: f64,
    /// Upper bounds on X_b − X_a and X_a − X_b.
    pub upper: [f64; 2],
    /// The floor of the round trip less both light floors: all that may be asymmetric.
    pub slack: f64,
}

/// One window of a mesh.
#[derive(Debug, Clone)]
pub struct Window {
    /// What each pair says, as far as both directions were seen.
    pub pairs: Vec<PairLine>,
    /// The symmetric guess of each clock's error at the centre, against the mean of all; `None` without packets.
    pub offsets: Vec<Option<f64>>,
    /// How fast each clock runs against the mean.
    pub slopes: Vec<f64>,
    /// How far each clock leaves its line, and how little that line itself is known at the ends of the window: κ.
    pub wander: Vec<f64>,
    /// The clock stepped in this window.
    pub stepped: Vec<bool>,
    /// What is proved of the differences, closed; the last node is UTC, of which nothing is known here. `None` when
    /// the packets contradict each other: some clock did what no clock does.
    pub proved: Option<DifferenceBounds>,
}

/// The smallest values of a direction along a slope.
struct Floor {
    lowest: [f64; 3],
    bound: f64,
    blocks: [f64; BLOCKS],
}

impl Window {
    /// Looks at a window of `length` nanoseconds of a mesh of `count` probes.
    pub fn of(count: usize, length: f64, pairs: &[PairPoints]) -> Self {
        let hulls: Vec<_> = pairs
            .iter()
            .map(|pair| {
                let forward = lower_hull(&pair.forward);
                let backward = lower_hull(&pair.backward);
                largest_margin(&forward, &backward)
            })
            .collect();
        let slopes: Vec<f64> = {
            let seen = pairs.iter().zip(&hulls).filter_map(|(pair, line)| {
                Some(Difference {
                    from: pair.a,
                    to: pair.b,
                    value: line.as_ref()?.slope,
                    noise: 1e-9,
                })
            });
            let known = consensus(count, &seen.collect::<Vec<_>>());
            known.into_iter().map(Option::unwrap_or_default).collect()
        };
        let mut lines = Vec::with_capacity(pairs.len());
        let mut blocks = vec![[const { Vec::new() }; BLOCKS]; count];
        for (pair, seen) in pairs.iter().zip(&hulls) {
            if seen.is_none() {
                continue;
            }
            let slope = slopes[pair.b] - slopes[pair.a];
            let forward = Floor::of(&pair.forward, slope, length);
            let backward = Floor::of(&pair.backward, -slope, length);
            let both = forward.blocks.iter().zip(&backward.blocks).enumerate();
            for (k, (above, below)) in both {
                let above = above - forward.lowest[0];
                let below = below - backward.lowest[0];
                if above.is_finite() && below.is_finite() {
                    blocks[pair.b][k].push((above - below) / 2.0);
                    blocks[pair.a][k].push((below - above) / 2.0);
                }
            }
            lines.push(forward.against(&backward, pair, slope));
        }
        let offsets = consensus(
            count,
            &lines
                .iter()
                .map(|pair| Difference {
                    from: pair.a,
                    to: pair.b,
                    value: pair.line.offset,
                    noise: pair.noise,
                })
                .collect::<Vec<_>>(),
        );
        let moved: Vec<f64> = blocks.into_iter().map(wander).collect();
        let tilt = tilt(count, &lines);
        let wander = moved
            .iter()
            .zip(tilt)
            .map(|(moved, tilt)| moved + tilt)
            .collect();
        let mut window = Self {
            stepped: moved.iter().map(|&by| by > STEPPED_NS).collect(),
            pairs: lines,
            offsets,
            slopes,
            wander,
            proved: None,
        };
        window.proved = window.bounds(|pair| pair.upper).closed().ok();
        window
    }

    /// Takes note that a clock stepped here, which the rest of the run shows better than this window.
    pub(crate) fn note_step(&mut self, clock: usize) {
        if !self.stepped[clock] {
            self.stepped[clock] = true;
            self.proved = self.bounds(|pair| pair.upper).closed().ok();
        }
    }

    /// The statements of all pairs by a rule that gives the upper bounds on X_b − X_a and X_a − X_b; none through a
    /// clock that stepped. Room for UTC as the last node.
    pub fn bounds(&self, rule: impl Fn(&PairLine) -> [f64; 2]) -> DifferenceBounds {
        let mut bounds = DifferenceBounds::unbounded(self.offsets.len() + 1);
        for pair in &self.pairs {
            if self.stepped[pair.a] || self.stepped[pair.b] {
                continue;
            }
            let doubt = self.wander[pair.a] + self.wander[pair.b];
            let [ahead, behind] = rule(pair);
            bounds.state(pair.a, pair.b, ahead + doubt);
            bounds.state(pair.b, pair.a, behind + doubt);
        }
        bounds
    }

    /// The node of UTC.
    pub fn utc(&self) -> usize {
        self.offsets.len()
    }

    /// What closed bounds say of x_to − x_from at `at` nanoseconds from the centre: at least, at most.
    pub fn difference(
        &self,
        bounds: &DifferenceBounds,
        from: usize,
        to: usize,
        at: f64,
    ) -> (f64, f64) {
        if self.stepped[from] || self.stepped[to] {
            return (f64::NEG_INFINITY, f64::INFINITY);
        }
        let line = (self.slopes[to] - self.slopes[from]) * at;
        let doubt = self.wander[from] + self.wander[to] + RESIDUAL_RATE * at.abs();
        (
            line - bounds.at_most(to, from) - doubt,
            line + bounds.at_most(from, to) + doubt,
        )
    }
}

impl Floor {
    fn of(points: &[Point], slope: f64, length: f64) -> Self {
        let mut floor = Self {
            lowest: [f64::INFINITY; 3],
            bound: f64::INFINITY,
            blocks: [f64::INFINITY; BLOCKS],
        };
        let per_block = BLOCKS as f64 / length;
        for point in points {
            let above = point.raw - slope * point.at;
            floor.bound = floor.bound.min(above + RESIDUAL_RATE * point.at.abs());
            let block = ((point.at * per_block + BLOCKS as f64 / 2.0) as usize).min(BLOCKS - 1);
            floor.blocks[block] = floor.blocks[block].min(above);
            if above < floor.lowest[2] {
                floor.lowest[2] = above;
                floor.lowest.sort_unstable_by(f64::total_cmp);
            }
        }
        floor
    }

    fn against(&self, backward: &Self, pair: &PairPoints, slope: f64) -> PairLine {
        let (above, below) = (self.lowest[0], backward.lowest[0]);
        let margin = above + below;
        // How far the third-lowest lies above the lowest is how far the lowest may lie above the floor.
        let gap = |floor: &Self| {
            let third = floor.lowest[2];
            if third.is_finite() {
                third - floor.lowest[0]
            } else {
                margin.abs()
            }
        };
        let doubt = FASTEST * margin.abs();
        PairLine {
            a: pair.a,
            b: pair.b,
            line: MarginLine {
                offset: (above - below) / 2.0,
                slope,
                margin,
            },
            noise: (gap(self) + gap(backward)) / 4.0 + LEAST_NOISE_NS,
            upper: [
                self.bound - pair.floors[0] + doubt,
                backward.bound - pair.floors[1] + doubt,
            ],
            slack: (margin - pair.floors[0] - pair.floors[1]).max(0.0),
        }
    }
}

/// How far a clock leaves its line, from what its pairs say of it in each block of the window.
///
/// Pairs disagree by their queues, a clock moves all of its pairs: the middle of them, as far as it is more than their
/// disagreement explains, is the clock's. Half as much again is added, because blocks only sample.
fn wander(blocks: [Vec<f64>; BLOCKS]) -> f64 {
    let mut largest: f64 = 0.0;
    for pairs in blocks {
        let count = pairs.len() as f64;
        let Some(middle) = median(pairs.clone()) else {
            continue;
        };
        let disagreement = if pairs.len() < 3 {
            0.0
        } else {
            let spread = median(pairs.iter().map(|pair| (pair - middle).abs()).collect());
            // 1.25/√n standard deviations: the error of a median of n.
            2.5 * NORMAL * spread.unwrap_or_default() / count.sqrt()
        };
        largest = largest.max(middle.abs() - disagreement);
    }
    1.5 * largest
}

/// How far the line of each clock may be off at the ends of the window: its slope is no better known than the floors
/// that it rests on, and the pairs of a clock are so many tries.
fn tilt(count: usize, lines: &[PairLine]) -> Vec<f64> {
    let mut noises = vec![Vec::new(); count];
    for pair in lines {
        noises[pair.a].push(pair.noise);
        noises[pair.b].push(pair.noise);
    }
    noises
        .into_iter()
        .map(|noises| {
            let tries = (noises.len().max(1) as f64).sqrt();
            // Two floors make a slope, each with twice the noise of their mean; three standard deviations.
            median(noises).unwrap_or_default() * 6.0 / tries
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: f64 = 60e9;
    const COUNT: usize = 5;

    /// Five clocks, all pairs, a packet a second, queues by a fixed pattern; the error of a clock as told.
    fn window(error: impl Fn(usize, f64) -> f64) -> Window {
        let mut pairs = Vec::new();
        for a in 0..COUNT {
            for b in a + 1..COUNT {
                let way = |from: usize, to: usize| {
                    (0..60)
                        .map(|k| {
                            let at = f64::from(k - 30) * 1e9;
                            let mixed = (k as usize * 37 + from * 11 + to * 5) % 10;
                            let queue = [0.0, 9e3, 400.0, 60e3, 2e3, 0.0, 7e3, 150.0, 0.0, 31e3];
                            let theta = error(to, at) - error(from, at);
                            Point {
                                at,
                                raw: 700e3 + queue[mixed] + theta,
                            }
                        })
                        .collect()
                };
                pairs.push(PairPoints {
                    a,
                    b,
                    forward: way(a, b),
                    backward: way(b, a),
                    floors: [300e3; 2],
                });
            }
        }
        Window::of(COUNT, MINUTE, &pairs)
    }

    #[track_caller]
    fn truth_lies_within(window: &Window, error: impl Fn(usize, f64) -> f64) {
        let proved = window.proved.as_ref().unwrap();
        for at in [-29e9, -10e9, 0.0, 3e9, 29e9] {
            for from in 0..COUNT {
                for to in 0..COUNT {
                    let truth = error(to, at) - error(from, at);
                    let (low, high) = window.difference(proved, from, to, at);
                    assert!(
                        low <= truth && truth <= high,
                        "{from} {to} {at}: {truth} not in {low}..{high}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_proved_holds_for_offsets_skews_and_wander() {
        let steady = |clock: usize, at: f64| (clock as f64 - 2.0) * (3e7 + 4e-6 * at);
        let slewed = |clock: usize, at: f64| (at / 1e9 * 0.1 + clock as f64).sin() * 3e3;
        truth_lies_within(&window(steady), steady);
        truth_lies_within(&window(slewed), slewed);
    }

    #[test]
    fn the_symmetric_guess_is_good_to_the_queues() {
        let error = |clock: usize, _: f64| (clock as f64 - 2.0) * 1e6;
        for (clock, found) in window(error).offsets.iter().enumerate() {
            assert!(
                (found.unwrap() - error(clock, 0.0)).abs() < 100.0,
                "{clock}: {found:?}"
            );
        }
    }

    #[test]
    fn nothing_is_proved_through_a_clock_that_stepped() {
        let stepping = |clock: usize, at: f64| {
            if clock == 3 && at > 4e9 { 500e3 } else { 0.0 }
        };
        let window = window(stepping);
        assert_eq!(window.stepped, [false, false, false, true, false]);
        truth_lies_within(&window, stepping);
        let proved = window.proved.as_ref().unwrap();
        assert!(window.difference(proved, 0, 1, 0.0).1 < 410e3);
        assert_eq!(window.difference(proved, 0, 3, 0.0).1, f64::INFINITY);
    }

    #[test]
    fn few_packets_in_a_short_time_prove_little() {
        let pair = |a, b, queue: f64| PairPoints {
            a,
            b,
            forward: vec![
                Point {
                    at: -5e8,
                    raw: 700e3,
                },
                Point {
                    at: 5e8,
                    raw: 700e3 + queue,
                },
            ],
            backward: vec![
                Point {
                    at: -5e8,
                    raw: 700e3 + queue,
                },
                Point {
                    at: 5e8,
                    raw: 700e3,
                },
            ],
            floors: [690e3; 2],
        };
        let pairs = [pair(0, 1, 90e3), pair(0, 2, 80e3), pair(1, 2, 0.0)];
        let window = Window::of(3, 1e9, &pairs);
        let proved = window.proved.as_ref().unwrap();
        for at in [-5e8, 0.0, 5e8] {
            for (from, to) in [(0, 1), (1, 2), (2, 0)] {
                let (low, high) = window.difference(proved, from, to, at);
                assert!(low <= 0.0 && 0.0 <= high, "{from} {to} {at}: {low}..{high}");
            }
        }
    }

    #[test]
    fn an_empty_window_proves_nothing() {
        let window = Window::of(2, MINUTE, &[]);
        assert_eq!(window.offsets, [None, None]);
        assert_eq!(window.proved.unwrap().at_most(0, 1), f64::INFINITY);
    }
}
