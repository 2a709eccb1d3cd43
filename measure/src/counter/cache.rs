//! How old the values are that an agent answers with.
//!
//! Many agents copy their hardware's counters every few seconds and answer with
//! the copy: asked more often, they give the same value again and then a step
//! for both intervals at once. The copy's age is learnt from that. A port that
//! was really idle for an interval looks the same, so what is learnt widens
//! intervals; it makes one unknown only where more time leaves room for one more
//! wrap or for a restart.
//!
//! A cache that is shorter than the distance of the samples leaves no value
//! twice. In even traffic it shows nevertheless: what one interval seems to
//! have too much the next has too little, and the sum never strays. In uneven
//! traffic nobody can see it; who knows its age states it.

use super::increase::octets_at;
use super::{CounterSample, Elapsed, Evidence, Profile, delta, elapsed};
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

/// How far a counter moved in a gap, and how long the gap was.
#[derive(Debug, Clone, Copy)]
struct Gap {
    elapsed: Elapsed,
    moved: bool,
    /// Octets, if they are certain.
    octets: Option<u64>,
}

/// Learns the age of an agent's copies from one counter, the samples being in order of time.
pub(super) fn learn(
    samples: &[&CounterSample],
    evidence: &[Evidence],
    profile: &Profile,
) -> CacheAge {
    let mut gaps = Vec::new();
    let mut last: Option<&CounterSample> = None;
    let mut spoilt = false;
    for (index, &sample) in samples.iter().enumerate() {
        spoilt |= index > 0 && evidence[index - 1].is_spoilt();
        let (Some(at), Some(_)) = (sample.at, sample.reading.octets()) else {
            continue; // the gap goes on to the next reading
        };
        if let Some(last) = last {
            if last
                .at
                .is_some_and(|last| Nanos(at.0.saturating_sub(last.0)) < GAP_MIN)
            {
                continue; // both may be between two frames
            }
            let seen = (!spoilt).then(|| gap(last, sample, evidence[index - 1].agent_ppm, profile));
            gaps.push(seen.flatten());
        }
        (last, spoilt) = (Some(sample), false);
    }
    let mut age = CacheAge::NONE;
    for stretch in gaps.split(Option::is_none) {
        let stretch: Vec<Gap> = stretch.iter().flatten().copied().collect();
        age = age.or(repeated(&stretch)).or(compensated(&stretch));
    }
    age
}

/// Each run of equal values beside a step is taken for one copy: it lived at least from the run's first sample to its last, and
/// at most from the sample before to the sample after.
fn repeated(stretch: &[Gap]) -> CacheAge {
    let mut age = CacheAge::NONE;
    let mut start = 0_usize;
    for run in stretch.chunk_by(|a, b| a.moved == b.moved) {
        let before = start.checked_sub(1).map(|before| stretch[before]);
        start += run.len();
        let after = stretch.get(start).copied();
        if run[0].moved || (before.is_none() && after.is_none()) {
            continue;
        }
        let at_least: Nanos = run.iter().map(|gap| gap.elapsed.at_least).sum();
        if at_least > CACHE_AGE_MAX {
            continue;
        }
        let longest = |gap: &Gap| gap.elapsed.at_most;
        // Where the series begins or ends with the run, its last gap stands for the one that is not seen.
        let unseen = run.iter().map(longest).max();
        let side = |gap: Option<Gap>| {
            let seen = gap.as_ref().map(longest);
            seen.or(unseen).unwrap_or(Nanos::ZERO)
        };
        let inside: Nanos = run.iter().map(longest).sum();
        age = age.or(CacheAge {
            at_least,
            at_most: side(before) + inside + side(after),
        });
    }
    age
}

/// In traffic that is even but for errors of the reading instants, each error is taken back by the next one.
///
/// Of each gap the time that its octets would have taken at the mean rate, less its own: the difference of the ages at its two
/// ends. If that is what they are, their running sum varies no more than they do (half as much, for random ages); if they are
/// traffic, it wanders off (n/6 times as much, for n of them that are independent).
fn compensated(stretch: &[Gap]) -> CacheAge {
    /// Fewer gaps cannot tell.
    const GAPS_MIN: usize = 15;
    /// Between a half and n/6: of random ages 93 % stay below, of independent traffic 8 % at 20 gaps and 1 % at 40.
    const WANDERS: f64 = 0.85;
    /// The largest difference seen is somewhat below the largest possible.
    const UNSEEN: f64 = 1.5;
    let time: f64 = stretch.iter().map(|g| g.elapsed.middle().0 as f64).sum();
    let passed: Option<Vec<u64>> = stretch.iter().map(|gap| gap.octets).collect();
    let passed = passed.unwrap_or_default();
    let octets: f64 = passed.iter().map(|&octets| octets as f64).sum();
    if passed.len() < GAPS_MIN || octets <= 0.0 {
        return CacheAge::NONE;
    }
    let errors = || {
        let gaps = stretch.iter().zip(&passed);
        gaps.map(|(gap, &passed)| passed as f64 * time / octets - gap.elapsed.middle().0 as f64)
    };
    let explained = |(gap, error): (&Gap, f64)| {
        error.abs() <= (gap.elapsed.at_most - gap.elapsed.at_least).0 as f64 / 2.0
    };
    if stretch.iter().zip(errors()).all(explained) {
        return CacheAge::NONE;
    }
    let sums = errors().scan(0.0, |sum, error| {
        *sum += error;
        Some(*sum)
    });
    if variance(sums) > WANDERS * variance(errors()) {
        return CacheAge::NONE;
    }
    let largest = errors().fold(0.0, |largest: f64, error| largest.max(error.abs()));
    // A float beyond an i64 becomes the largest one.
    let at_most = Nanos((largest * UNSEEN) as i64).min(CACHE_AGE_MAX);
    CacheAge::stated(at_most)
}

fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    squares / count - (sum / count) * (sum / count)
}

/// `None` where the two samples say nothing of the counter.
fn gap(
    previous: &CounterSample,
    next: &CounterSample,
    agent_ppm: i64,
    profile: &Profile,
) -> Option<Gap> {
    if previous.port != next.port {
        return None;
    }
    let (from, to) = previous.reading.octets().zip(next.reading.octets())?;
    let elapsed = elapsed::elapsed(previous, next, agent_ppm)?;
    let most = octets_at(profile.ceiling_bps(), elapsed.at_most);
    Some(Gap {
        elapsed,
        moved: from != to,
        octets: delta::increase(from, to, profile, most).ok(),
    })
}
