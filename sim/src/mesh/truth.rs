//! What is true of a run, and what one could know who knows the asymmetries' bounds.

use super::{TrueClock, TruePath};

/// What is true of one direction between two probes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PathTruth {
    /// The true delays of the packets that crossed it, `None` for a lost one, in the order of sending.
    pub delays_ns: Vec<Option<i64>>,
    /// The path itself.
    pub path: TruePath,
}

impl PathTruth {
    /// The p95 of the delays over all packets (rank ⌈0.95 n⌉); `None` when that packet was lost or nothing was sent.
    pub fn p95_ns(&self) -> Option<i64> {
        let mut delays: Vec<i64> = self
            .delays_ns
            .iter()
            .map(|delay| delay.unwrap_or(i64::MAX))
            .collect();
        delays.sort_unstable();
        let rank = (delays.len() * 95).div_ceil(100);
        let delay = *delays.get(rank.checked_sub(1)?)?;
        (delay != i64::MAX).then_some(delay)
    }
}

/// What is true of a run.
#[derive(Debug, Clone)]
pub struct Truth {
    /// When the run began and ended, in nanoseconds of true time; sessions begin within one packet interval of the start.
    pub span_ns: (i64, i64),
    /// The true errors of the clocks.
    pub clocks: Vec<TrueClock>,
    /// The first moment at which a probe's claim is broken: its true error is larger than it says.
    pub broken_since_ns: Vec<Option<i64>>,
    /// Whether a probe claims anything at all, at any time.
    pub claims: Vec<bool>,
    /// The trouble's own moment, where it has one: a step, the begin of a drift, a route change.
    pub event_ns: Option<i64>,
    /// The probe that the trouble is about, where it is about one.
    pub troubled: Option<usize>,
    /// From → to.
    pub paths: Vec<Vec<PathTruth>>,
    /// How much longer one direction of from ↔ to may be than the other, by the scenario's own rules.
    pub asymmetry_bound_ns: Vec<Vec<f64>>,
    /// The claims' largest bound of each probe, `None` when it ever claims nothing.
    pub bound_ns: Vec<Option<i64>>,
    /// How much a stamp of this mesh may be off, for both ends together.
    pub stamp_error_ns: f64,
}

impl Truth {
    /// A probe's claim is broken at some time of the run.
    pub fn lies(&self, probe: usize) -> bool {
        self.broken_since_ns[probe].is_some()
    }

    /// How far the difference of two clocks is known to one who knows who is honest, and the bounds of asymmetry.
    fn oracle_width_ns(&self, from: usize, to: usize) -> f64 {
        let claims = match (self.bound_ns[from], self.bound_ns[to]) {
            (Some(a), Some(b)) if !self.lies(from) && !self.lies(to) => (a + b) as f64,
            _ => f64::INFINITY,
        };
        claims.min(self.asymmetry_bound_ns[from][to] / 2.0) + self.stamp_error_ns
    }

    /// Whether that one would leave from → to undecided against a target.
    pub fn oracle_is_undecided(&self, from: usize, to: usize, target_ns: i64) -> bool {
        self.paths[from][to]
            .p95_ns()
            .is_some_and(|p95| ((p95 - target_ns) as f64).abs() < self.oracle_width_ns(from, to))
    }
}
