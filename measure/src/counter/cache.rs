//! How old the values are that an agent answers with.
//!
//! Many agents copy their hardware's counters every few seconds and answer with
//! the copy: asked more often, they give the same value again and then a step
//! for both intervals at once. The copy's age is learnt from that. A port that
//! was really idle for an interval looks the same, so what is learnt widens
//! intervals and never makes one unknown.
//!
//! A cache that is shorter than the distance of the samples leaves no value
//! twice and is not seen here; who knows its age states it.

use super::evidence::Doubt;
use super::{CounterSample, Elapsed, Evidence, Reading, elapsed};
use crate::time::Nanos;

/// A value that stays for longer is that of an idle port: no agent is known to answer with older ones.
pub const CACHE_AGE_MAX: Nanos = Nanos::from_secs(300);
/// Two readings closer than this may both be between two frames.
const GAP_MIN: Nanos = Nanos::from_millis(50);

/// How old the values of an agent may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheAge {
    /// A copy lives at least so long, if there are copies.
    pub at_least: Nanos,
    /// No value is older.
    pub at_most: Nanos,
}

impl CacheAge {
    /// The counter is read when it is asked for.
    pub const NONE: Self = Self {
        at_least: Nanos::ZERO,
        at_most: Nanos::ZERO,
    };

    /// Stated by who knows the agent: no value is older.
    pub fn stated(at_most: Nanos) -> Self {
        Self {
            at_least: Nanos::ZERO,
            at_most,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            at_least: self.at_least.max(other.at_least),
            at_most: self.at_most.max(other.at_most),
        }
    }
}

/// Whether a counter moved in a gap, and how long the gap was.
#[derive(Debug, Clone, Copy)]
struct Gap {
    elapsed: Elapsed,
    moved: bool,
}

/// Learns the age of an agent's copies from one counter, the samples being in order of time.
///
/// Each run of equal values beside a step is taken for one copy: it lived at least from the run's first sample to its last, and
/// at most from the sample before to the sample after.
pub(super) fn learn(samples: &[&CounterSample], evidence: &[Evidence]) -> CacheAge {
    let gaps: Vec<Option<Gap>> = samples
        .windows(2)
        .zip(evidence)
        .map(|(pair, evidence)| gap(pair[0], pair[1], *evidence))
        .collect();
    let mut age = CacheAge::NONE;
    for stretch in gaps.split(Option::is_none) {
        let stretch: Vec<Gap> = stretch.iter().flatten().copied().collect();
        let mut start = 0_usize;
        for run in stretch.chunk_by(|a, b| a.moved == b.moved) {
            let before = start.checked_sub(1).map(|before| stretch[before]);
            start += run.len();
            let after = stretch.get(start).copied();
            if run[0].moved || (before.is_none() && after.is_none()) {
                continue;
            }
            let at_least: Nanos = run.iter().map(|gap| gap.elapsed.at_least).sum();
            if at_least < GAP_MIN || at_least > CACHE_AGE_MAX {
                continue;
            }
            let longest = |gap: &Gap| gap.elapsed.at_most;
            // Where the series begins or ends with the run, its last gap stands for the one that is not seen.
            let unseen = run.iter().map(longest).max();
            let side =
                |gap: Option<Gap>| gap.as_ref().map(longest).or(unseen).unwrap_or(Nanos::ZERO);
            let inside: Nanos = run.iter().map(longest).sum();
            age = age.or(CacheAge {
                at_least,
                at_most: side(before) + inside + side(after),
            });
        }
    }
    age
}

/// `None` where the two samples say nothing of the counter.
fn gap(previous: &CounterSample, next: &CounterSample, evidence: Evidence) -> Option<Gap> {
    let spoilt = |doubt| matches!(doubt, Doubt::Found(_));
    if spoilt(evidence.restart) || spoilt(evidence.discontinuity) || previous.port != next.port {
        return None;
    }
    match (previous.reading, next.reading) {
        (Reading::Octets(from), Reading::Octets(to)) => Some(Gap {
            elapsed: elapsed::elapsed(previous, next, evidence.agent_ppm)?,
            moved: from != to,
        }),
        _ => None,
    }
}
