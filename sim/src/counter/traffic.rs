//! A stream of octets.

use crate::random::Random;

/// Octets that pass a link: a rate that changes at random instants.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// (from when, octets before it, rate from then on in b/s), ascending.
    pieces: Vec<(i64, u64, u64)>,
}

/// What sort of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// Anything up to the link's speed.
    Any,
    /// Always the link's speed.
    Full,
    /// Little, or nothing.
    Idle,
}

impl Traffic {
    pub(super) fn random(random: &mut Random, speed_bps: u64, end_ns: i64, load: Load) -> Self {
        let mut pieces = Vec::new();
        let (mut at, mut octets) = (0_i64, 0_u64);
        // Some links are steady for minutes, others change within seconds.
        let steady_ns = random.between(0.2e9, 200e9) as u64;
        while at < end_ns {
            let share = match load {
                Load::Full => 1.0,
                Load::Idle if random.happens(600_000) => 0.0,
                Load::Idle => 1e-6 * random.between(0.0, 1.0),
                Load::Any => random.between(0.0, 1.0).powi(2),
            };
            let bps = (speed_bps as f64 * share) as u64;
            pieces.push((at, octets, bps));
            let length = random.exponential_ns(steady_ns).max(1_000_000) as i64;
            octets += passed(bps, length);
            at += length;
        }
        Self { pieces }
    }

    /// Bursts at the link's speed of 20 µs to 20 ms, between pauses with little traffic: what a mean over a second hides.
    pub fn bursts(seed: u64, speed_bps: u64, end_ns: i64) -> Self {
        let mut random = Random::seeded(seed);
        let mut pieces = Vec::new();
        let (mut at, mut octets, mut busy) = (0_i64, 0_u64, false);
        while at < end_ns {
            let (bps, mean_ns) = match busy {
                true => (speed_bps, 20e3 * 1e3_f64.powf(random.between(0.0, 1.0))),
                false => (speed_bps / 100, random.between(1e6, 60e6)),
            };
            let length = random
                .exponential_ns(mean_ns as u64)
                .clamp(1_000, 20_000_000) as i64;
            pieces.push((at, octets, bps));
            octets += passed(bps, length);
            at += length;
            busy = !busy;
        }
        Self { pieces }
    }

    /// Traffic about a share of the link's speed, in thousandths, that changes every half minute or so.
    pub fn about(seed: u64, speed_bps: u64, end_ns: i64, thousandths: u64) -> Self {
        let mut random = Random::seeded(seed);
        let mut pieces = Vec::new();
        let (mut at, mut octets) = (0_i64, 0_u64);
        while at < end_ns {
            let share = thousandths as f64 / 1e3 * random.between(0.7, 1.3);
            let bps = (speed_bps as f64 * share.min(1.0)) as u64;
            let length = (random.between(10e9, 50e9) as i64).min(end_ns - at);
            pieces.push((at, octets, bps));
            octets += passed(bps, length);
            at += length;
        }
        Self { pieces }
    }

    /// Its pieces until an instant: how long each is, in nanoseconds, and its rate in b/s.
    pub fn pieces(&self, end_ns: i64) -> Vec<(u64, u64)> {
        let ends = self.pieces.iter().skip(1).map(|&(from, ..)| from);
        let pieces = self.pieces.iter().zip(ends.chain([end_ns]));
        let length = |from: i64, to: i64| u64::try_from(to.min(end_ns) - from).unwrap_or(0);
        pieces
            .map(|(&(from, _, bps), to)| (length(from, to), bps))
            .collect()
    }

    /// The most octets in any window of this length that begins at or after one instant and ends at or before another.
    pub fn largest_window(&self, window_ns: i64, from_ns: i64, until_ns: i64) -> u64 {
        // Between two changes of the rate at either end the octets in a window change evenly, so the largest is at a change.
        let changes = self
            .pieces
            .iter()
            .flat_map(|&(at, ..)| [at, at - window_ns]);
        let starts = changes.chain([from_ns, until_ns - window_ns]);
        let starts = starts.filter(|&at| at >= from_ns && at + window_ns <= until_ns);
        let octets = |at| {
            self.octets_until(at + window_ns)
                .saturating_sub(self.octets_until(at))
        };
        starts.map(octets).max().unwrap_or(0)
    }

    /// How many octets have passed up to an instant.
    pub fn octets_until(&self, at_ns: i64) -> u64 {
        let next = self.pieces.partition_point(|&(from, ..)| from <= at_ns);
        let Some(&(from, octets, bps)) = next.checked_sub(1).map(|i| &self.pieces[i]) else {
            return 0;
        };
        octets + passed(bps, at_ns - from)
    }
}

/// Whole octets.
fn passed(bps: u64, span_ns: i64) -> u64 {
    let bits = u128::from(bps) * u128::from(span_ns.max(0).unsigned_abs());
    u64::try_from(bits / 8_000_000_000).unwrap_or(u64::MAX)
}
