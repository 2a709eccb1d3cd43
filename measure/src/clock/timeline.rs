//! One time line for all probes, rough but common.
//!
//! Clocks may be seconds apart; before anything is sorted into windows, each
//! clock's rough error is taken off. It need only be good to milliseconds: a
//! packet at the wrong place on the line is wrong by the skew times that.

use std::collections::VecDeque;

use super::mesh::Mesh;
use crate::time::{Nanos, Timestamp};

/// A clock's rough error against the first clock of its part of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct RoughClock {
    /// In whole nanoseconds: it is taken off every raw difference, so that what remains is small.
    pub(crate) base: i64,
    skew: f64,
}

/// The common time line: nanoseconds since the first packet.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    clocks: Vec<RoughClock>,
    /// On the first clock's own time.
    origin: i64,
    length: f64,
}

/// What a pair says of its two clocks at one moment.
#[derive(Clone, Copy)]
struct Glimpse {
    at: i64,
    difference: i64,
    round_trip: i64,
}

/// Faster than this no oscillator is wrong; a larger slope is a step.
const STEEPEST: f64 = 2e-4;

impl Timeline {
    /// Of clocks whose rough errors are known, in nanoseconds: a line without begin and length.
    pub(super) fn of_bases(bases: &[i64]) -> Self {
        let clock = |&base: &i64| RoughClock { base, skew: 0.0 };
        Self {
            clocks: bases.iter().map(clock).collect(),
            origin: 0,
            length: 0.0,
        }
    }

    pub(crate) fn of(mesh: &Mesh) -> Self {
        let origin = mesh
            .sessions
            .iter()
            .flat_map(|session| session.exchanges.first())
            .map(|exchange| exchange.t1.0)
            .min()
            .unwrap_or(0);
        let mut line = Self {
            clocks: rough_clocks(mesh, origin),
            origin,
            length: 0.0,
        };
        let sent = || {
            mesh.sessions.iter().flat_map(|session| {
                session
                    .exchanges
                    .iter()
                    .map(|exchange| (session.from, exchange.t1))
            })
        };
        let first = sent()
            .map(|(probe, t1)| line.at(probe, t1))
            .fold(f64::INFINITY, f64::min);
        if first.is_finite() {
            line.origin = line.origin.saturating_add(first.floor() as i64);
        }
        line.length = sent()
            .map(|(probe, t1)| line.at(probe, t1))
            .fold(0.0, f64::max);
        line
    }

    /// Where a probe's own time lies on the common line.
    pub(crate) fn at(&self, probe: usize, local: Timestamp) -> f64 {
        let clock = self.clocks[probe];
        let since = (local - Timestamp(self.origin)) - Nanos(clock.base);
        since.0 as f64 * (1.0 - clock.skew)
    }

    /// The probe's own time at a place on the common line.
    pub(crate) fn local(&self, probe: usize, at: f64) -> Timestamp {
        let clock = self.clocks[probe];
        Timestamp(self.origin) + Nanos(clock.base) + Nanos((at * (1.0 + clock.skew)) as i64)
    }

    /// What is taken off the raw differences of from → to.
    pub(crate) fn base(&self, probe: usize) -> i64 {
        self.clocks[probe].base
    }

    /// From the first packet sent to the last.
    pub(crate) fn length(&self) -> f64 {
        self.length
    }
}

/// The fastest exchange of a third of a session met the least queueing: it is the nearest to the truth.
fn glimpses(session: &super::mesh::Session) -> Option<(Glimpse, Glimpse)> {
    let fastest = |exchanges: &[super::mesh::Exchange]| {
        exchanges
            .iter()
            .filter_map(|exchange| {
                let there = exchange.t2? - exchange.t1;
                let back = exchange.t4? - exchange.t3?;
                Some(Glimpse {
                    at: exchange.t1.0,
                    difference: there.0 / 2 - back.0 / 2,
                    round_trip: exchange.round_trip()?.0,
                })
            })
            .min_by_key(|glimpse| glimpse.round_trip)
    };
    let third = session.exchanges.len().div_ceil(3);
    let begin = fastest(&session.exchanges[..third]);
    let end = fastest(&session.exchanges[session.exchanges.len() - third..]);
    Some((begin.or(end)?, end.or(begin)?))
}

/// From neighbour to neighbour, breadth first, so that errors add up over as few pairs as can be.
fn rough_clocks(mesh: &Mesh, origin: i64) -> Vec<RoughClock> {
    let mut neighbours = vec![Vec::new(); mesh.probes.len()];
    for session in &mesh.sessions {
        if let Some((begin, end)) = glimpses(session) {
            let lasted = end.at.saturating_sub(begin.at);
            let slope = if lasted > 0 {
                end.difference.saturating_sub(begin.difference) as f64 / lasted as f64
            } else {
                0.0
            };
            let slope = if slope.abs() < STEEPEST { slope } else { 0.0 };
            neighbours[session.from].push((session.to, 1, begin, slope));
            neighbours[session.to].push((session.from, -1, begin, slope));
        }
    }
    let mut clocks: Vec<Option<RoughClock>> = vec![None; mesh.probes.len()];
    for root in 0..mesh.probes.len() {
        if clocks[root].is_some() {
            continue;
        }
        clocks[root] = Some(RoughClock::default());
        let mut queue = VecDeque::from([root]);
        while let Some(near) = queue.pop_front() {
            let Some(from) = clocks[near] else { continue };
            for &(far, sign, glimpse, slope) in &neighbours[near] {
                if clocks[far].is_some() {
                    continue;
                }
                let at_origin = (glimpse.at.saturating_sub(origin)) as f64 * slope;
                let difference = glimpse.difference.saturating_sub(at_origin as i64);
                clocks[far] = Some(RoughClock {
                    base: from.base.saturating_add(difference.saturating_mul(sign)),
                    skew: from.skew + sign as f64 * slope,
                });
                queue.push_back(far);
            }
        }
    }
    clocks.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::mesh::{Exchange, MeshProbe, Session, StampErrors};

    /// Clock 1 is `offset` ahead and runs `ppm` fast; clock 2 sees only clock 1 and agrees with clock 0.
    fn mesh(offset: i64, ppm: i64) -> Mesh {
        let reads = |clock: usize, at: i64| {
            Timestamp(if clock == 1 {
                at + offset + at / 1_000_000 * ppm
            } else {
                at
            })
        };
        let session = |from: usize, to: usize| Session {
            from,
            to,
            exchanges: (0..300)
                .map(|k| {
                    let at = k * 2_000_000_000;
                    Exchange {
                        t1: reads(from, at),
                        t2: Some(reads(to, at + 900_000)),
                        t3: Some(reads(to, at + 950_000)),
                        t4: Some(reads(from, at + 1_850_000)),
                    }
                })
                .collect(),
        };
        Mesh {
            probes: vec![MeshProbe::default(); 4],
            sessions: vec![session(0, 1), session(1, 2)],
            floors: vec![vec![Nanos::ZERO; 4]; 4],
            stamps: StampErrors::SOFTWARE,
        }
    }

    #[test]
    fn every_clock_says_the_same_time_to_milliseconds_however_wrong_it_is() {
        for (offset, ppm) in [
            (0, 0),
            (200_000_000, 8),
            (-37_000_000_000, -50),
            (1 << 60, 0),
        ] {
            let mesh = mesh(offset, ppm);
            let line = Timeline::of(&mesh);
            for second in [0, 300, 598] {
                let at = second * 1_000_000_000;
                for probe in 0..3 {
                    let own = if probe == 1 {
                        at + offset + at / 1_000_000 * ppm
                    } else {
                        at
                    };
                    let common = line.at(probe, Timestamp(own));
                    assert!(
                        (common - at as f64).abs() < 3e6,
                        "{offset} {ppm} {probe}: {common}"
                    );
                    let back = line.local(probe, common) - Timestamp(own);
                    assert!(back.abs() < Nanos::from_millis(3), "{back}");
                }
            }
            assert!((line.length() - 598e9).abs() < 3e6);
        }
    }
}
