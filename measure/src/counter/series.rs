//! A whole history of one counter.
//!
//! What a pair of samples leaves out, its neighbours tell: a sample without
//! sysUpTime between two that show one that ran through, and the age of the
//! agent's copies, which shows in values that repeat.

use super::increase::{increase, line};
use super::rate::MeanRate;
use super::{CacheAge, CounterSample, Evidence, Increase, Profile, Unknown, cache};
use crate::time::{Nanos, Timestamp};

/// Two consecutive samples of a history, and what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The earlier sample, as an index of what was given.
    pub from: usize,
    /// The later one.
    pub to: usize,
    /// What passed between them, or why that is not known.
    pub outcome: Result<Increase, Unknown>,
}

/// What a history says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Each pair of consecutive samples, in order of time: one pair less than there are samples.
    pub steps: Vec<Step>,
    /// How old the agent's values may be: as stated, or as learnt from values that repeat.
    pub cache: CacheAge,
}

/// Judges a history: what each pair of consecutive samples says, in order of time.
///
/// A sample without a time keeps its place behind the sample before it; samples of one time keep their order.
pub fn judge(samples: &[CounterSample], profile: &Profile) -> Judged {
    let order = order(samples);
    let sorted: Vec<&CounterSample> = order.iter().map(|&i| &samples[i]).collect();
    let evidence = Evidence::of_gaps(&sorted);
    let learnt = cache::learn(&sorted, &evidence, profile);
    let mut profile = *profile;
    profile.cache = CacheAge {
        at_least: learnt.at_least,
        at_most: learnt.at_most.max(profile.cache.at_most),
    };
    let mut steps: Vec<Step> = (0..evidence.len())
        .map(|gap| Step {
            from: order[gap],
            to: order[gap + 1],
            outcome: increase(sorted[gap], sorted[gap + 1], evidence[gap], &profile),
        })
        .collect();
    if profile.cache.at_most > Nanos::ZERO {
        allow_for_copies(&mut steps, &profile);
    }
    Judged {
        steps,
        cache: profile.cache,
    }
}

/// The samples in order of time.
fn order(samples: &[CounterSample]) -> Vec<usize> {
    let mut latest = Timestamp(i64::MIN);
    let mut keys: Vec<(Timestamp, usize)> = Vec::with_capacity(samples.len());
    for (index, sample) in samples.iter().enumerate() {
        latest = sample.at.unwrap_or(latest);
        keys.push((latest, index));
    }
    keys.sort_by_key(|&(at, _)| at);
    keys.into_iter().map(|(_, index)| index).collect()
}

/// Widens the rates of pairs that may have been answered from one copy.
///
/// As much as until the next step may have passed already, so that step is added: by then the copy is newer than the
/// pair. Downwards everything may have passed before.
fn allow_for_copies(steps: &mut [Step], profile: &Profile) {
    let age = profile.cache;
    let mut next_step: Option<u64> = None;
    for step in steps.iter_mut().rev() {
        let Ok(increase) = &mut step.outcome else {
            next_step = None;
            continue;
        };
        let shortest = increase.elapsed.at_least;
        if shortest <= age.at_most {
            increase.slowest = MeanRate {
                octets: 0,
                over: Nanos(1),
            };
            let ceiling = line(profile.ceiling_bps());
            let until_next = next_step.map(|next| MeanRate {
                octets: increase.octets.saturating_add(next),
                over: shortest.max(Nanos(1)),
            });
            // Two copies are at least a copy's life apart.
            let between_copies = MeanRate {
                octets: increase.octets,
                over: age.at_least.max(Nanos(1)),
            };
            let fastest = until_next.map_or(ceiling, |rate| larger(rate, between_copies));
            increase.fastest = smaller(fastest, ceiling);
        }
        if increase.octets > 0 {
            next_step = Some(increase.octets);
        }
    }
}

fn larger(a: MeanRate, b: MeanRate) -> MeanRate {
    if compare(a, b).is_ge() { a } else { b }
}

fn smaller(a: MeanRate, b: MeanRate) -> MeanRate {
    if compare(a, b).is_le() { a } else { b }
}

fn compare(a: MeanRate, b: MeanRate) -> std::cmp::Ordering {
    let cross =
        |x: MeanRate, y: MeanRate| u128::from(x.octets) * u128::from(y.over.0.unsigned_abs());
    cross(a, b).cmp(&cross(b, a))
}

#[cfg(test)]
mod tests;
