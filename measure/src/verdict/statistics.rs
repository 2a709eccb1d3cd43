//! What a window keeps for rules that hold another statistic than its own quantile against the target.
//!
//! Percentiles, mean and minimum of the one-way delay as intervals that are fit
//! for a verdict, and the packets that are on one side of the target for
//! certain. In a percentile a lost packet is infinitely late; mean and minimum
//! are of the packets whose delay is known, because a lost one has none.
//! A clock's error is common to all packets, so it widens a mean by as much as
//! a single delay.

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::profile::{Profile, Quantile};
use crate::delay::{Basis, ClockDifference, OneWayDelay};
use crate::distribution::{Bounds, Distribution};
use crate::time::Nanos;

/// One direction of one window, beyond its quantiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Packets that the plan wanted sent.
    pub planned: u64,
    /// As many packets were sent and came back as the window's own rule wants; if not, no statistic of it is judged.
    pub sufficient: bool,
    /// The 95th percentile, of the packets sent or of the path as the window's rule has it. Here and below the clocks'
    /// claims are used only where they stand and are at most a quarter of the target wide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<OneWayDelay>,
    /// The 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<OneWayDelay>,
    /// Between which the mean of the delays lies; `None` without packets, and when the coordinates are wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<OneWayDelay>,
    /// Between which the smallest of the delays lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<OneWayDelay>,
    /// Packets whose delay is at most the target, for certain.
    pub within: u64,
    /// Packets that arrived later than the target allows, for certain; lost ones are not among them.
    pub beyond: u64,
}

impl Statistics {
    /// From the same evidence as the verdict, held against the same target.
    pub fn of(evidence: &Evidence<'_>, target: Nanos, profile: &Profile) -> Self {
        let (raw, round_trip) = (evidence.raw, evidence.round_trip);
        let both_floors = evidence.floors.forward + evidence.floors.backward;
        let possible = round_trip.min().is_none_or(|min| min >= both_floors);
        let clocks = admitted(evidence, target).filter(|_| possible);
        let covered = u128::from(evidence.sent) * 1_000_000
            >= u128::from(evidence.planned) * u128::from(profile.min_coverage_ppm);
        let statistic = |pick: fn(&Distribution) -> Option<Bounds>| {
            (possible && raw.count() > 0)
                .then(|| interval(evidence, pick, clocks))
                .flatten()
        };
        let (within, beyond) = if possible {
            sides(evidence, target, clocks)
        } else {
            (0, 0)
        };
        Self {
            planned: evidence.planned,
            sufficient: possible && covered && raw.count() >= profile.min_samples,
            p95: percentile(evidence, Quantile::P95, profile, clocks),
            p99: percentile(evidence, Quantile::P99, profile, clocks),
            mean: statistic(Distribution::mean_within),
            min: statistic(|distribution| {
                let min = distribution.min()?;
                Some(Bounds {
                    at_least: min,
                    at_most: min,
                })
            }),
            within,
            beyond,
        }
    }
}

/// What is believed of the clocks, when nothing contradicts it and it is narrow enough for evidence of class C.
fn admitted(evidence: &Evidence<'_>, target: Nanos) -> Option<ClockDifference> {
    let stamps = evidence.stamp_error.unwrap_or(Nanos::ZERO);
    evidence
        .believed_clocks()
        .filter(|&clocks| !evidence.contradicts(clocks))
        .filter(|clocks| (clocks.uncertainty() + stamps).times(4) <= target)
}

/// The interval of a percentile, of the packets sent or of the path as the profile has it; `None` of nothing, and when the
/// round trip was faster than light.
fn percentile(
    evidence: &Evidence<'_>,
    quantile: Quantile,
    profile: &Profile,
    clocks: Option<ClockDifference>,
) -> Option<OneWayDelay> {
    if evidence.raw.count() == 0 && evidence.lost == 0 {
        return None;
    }
    let ranks = evidence.judged_ranks(&Profile {
        quantile,
        ..profile.clone()
    });
    let proved = evidence.proved_by_mesh(ranks, evidence.proved(ranks)?);
    let claimed = clocks.and_then(|clocks| evidence.claimed(ranks, proved, clocks));
    Some(claimed.unwrap_or(proved))
}

/// The interval of a statistic that grows with each packet's delay.
///
/// Of such a statistic, the bound of every packet is a bound: from above the round trip less the light floor of the way
/// back, or the raw difference less the least clock difference; from below light, or the raw difference less the largest.
fn interval(
    evidence: &Evidence<'_>,
    pick: fn(&Distribution) -> Option<Bounds>,
    clocks: Option<ClockDifference>,
) -> Option<OneWayDelay> {
    // Only when they are of the same packets.
    let round_trip = (evidence.round_trip.count() == evidence.raw.count())
        .then(|| pick(evidence.round_trip))
        .flatten()
        .map_or(Nanos::MAX, |bounds| bounds.at_most);
    let by_light = OneWayDelay::proved(round_trip, evidence.floors);
    let Some(raw) = pick(evidence.raw) else {
        return Some(by_light);
    };
    let hard = evidence.hard_stamp_error();
    let by_mesh = evidence
        .mesh
        .proved
        .and_then(|mesh| by_light.narrowed_on(Basis::Proved, raw, mesh, hard));
    let proved = by_mesh.unwrap_or(by_light);
    let claimed = clocks.and_then(|clocks| proved.narrowed(raw, clocks, evidence.stamp_error));
    Some(claimed.unwrap_or(proved))
}

/// The packets that are on one side of the target for certain: at most it, and above it.
fn sides(evidence: &Evidence<'_>, target: Nanos, clocks: Option<ClockDifference>) -> (u64, u64) {
    let known = evidence.raw.count();
    let each = [
        (evidence.mesh.proved, evidence.hard_stamp_error()),
        (clocks, evidence.stamp_error),
    ];
    let within = each
        .iter()
        .filter_map(|(clocks, _)| {
            let least = (*clocks)?.at_least;
            Some(evidence.raw.surely_at_most(target + least))
        })
        .chain([evidence
            .round_trip
            .surely_at_most(target + evidence.floors.backward)])
        .max()
        .unwrap_or(0)
        .min(known);
    let by_clocks = each.iter().filter_map(|(clocks, stamps)| {
        let largest = (*clocks)?.at_most + (*stamps)?;
        Some(evidence.raw.surely_above(target + largest))
    });
    let beyond = if evidence.floors.forward > target {
        known
    } else {
        by_clocks.max().unwrap_or(0)
    };
    (within, beyond.min(known - within))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::live::MeshBounds;
    use crate::delay::Floors;
    use crate::histogram::HistogramRecorder;
    use crate::verdict::{Claim, Correlation, Population, State, judge, side};

    const US: fn(i64) -> Nanos = Nanos::from_micros;

    fn distribution(values: impl Iterator<Item = i64>) -> Distribution {
        let mut recorder = HistogramRecorder::default();
        values.for_each(|ns| recorder.record(Nanos(ns)));
        Distribution::of(&[recorder.finish()])
    }

    /// 600 packets of 600 µs + k µs and 700 µs back, seen by clocks that claim `bound` each and are off by `theta`.
    fn with_evidence<T>(
        theta: i64,
        bound: Option<i64>,
        tell: impl FnOnce(&Evidence<'_>) -> T,
    ) -> T {
        let raw = distribution((0..600).map(|k| 600_000 + k * 1_000 + theta * 1_000));
        let round_trip = distribution((0..600).map(|k| 1_300_000 + k * 1_000));
        tell(&Evidence {
            planned: 600,
            sent: 600,
            lost: 0,
            raw: &raw,
            opposite_min: Some(US(700 - theta)),
            round_trip: &round_trip,
            floors: Floors {
                forward: US(350),
                backward: US(350),
            },
            claim: bound.map_or(Claim::None, |bound| {
                Claim::Clocks(ClockDifference::within(US(bound), US(bound)))
            }),
            mesh: MeshBounds::default(),
            stamp_error: Some(US(5)),
            hardware_stamps: false,
            random: Nanos::ZERO,
            correlation: Correlation::default(),
        })
    }

    fn statistics(theta: i64, bound: Option<i64>, target: i64) -> Statistics {
        with_evidence(theta, bound, |evidence| {
            Statistics::of(evidence, US(target), &Profile::plan_2026())
        })
    }

    #[test]
    fn mean_and_minimum_hold_the_truth_and_a_mean_is_no_narrower_than_its_clocks() {
        // Truth: the minimum is 600 µs, the mean 899.5 µs.
        for theta in [-40, 0, 25, 40] {
            let told = statistics(theta, Some(20), 1_000);
            for (interval, truth) in [(told.min, 600_000), (told.mean, 899_500)] {
                let interval = interval.expect("measured");
                assert!(
                    interval.lo.0 <= truth && truth <= interval.hi.0,
                    "theta {theta}: {interval:?}"
                );
                // Twice the sum of both bounds, and the stamps.
                let width = interval.hi - interval.lo;
                assert!(width >= US(80), "theta {theta}: {interval:?}");
                assert!(width <= US(86), "theta {theta}: {interval:?}");
            }
        }
    }

    #[test]
    fn without_admitted_clocks_only_light_and_the_round_trip_speak() {
        for (bound, admitted) in [(None, false), (Some(124), false), (Some(122), true)] {
            let told = statistics(0, bound, 1_000);
            let mean = told.mean.expect("measured");
            assert_eq!(mean.basis == Basis::Claimed, admitted, "bound {bound:?}");
            if !admitted {
                assert_eq!(mean.lo, US(350));
                // 1 599.5 µs of mean round trip less 350 µs.
                assert!((mean.hi - Nanos(1_249_500)).abs() <= Nanos(3), "{mean:?}");
            }
        }
    }

    #[test]
    fn packets_on_a_side_of_the_target_are_never_too_many() {
        for theta in [-40, 0, 40] {
            for target in (500..1_400).step_by(50) {
                let told = statistics(theta, Some(20), target);
                let truth = (0..600).filter(|k| 600 + k <= target).count() as u64;
                assert!(
                    told.within <= truth && told.beyond <= 600 - truth,
                    "theta {theta} target {target}: {told:?}"
                );
                assert!(
                    told.within + told.beyond >= 500,
                    "theta {theta} target {target}: {told:?}"
                );
            }
        }
    }

    #[test]
    fn the_verdict_its_percentile_and_the_packets_within_never_contradict_each_other() {
        for target in (500..1_400).step_by(25) {
            for bound in [None, Some(20), Some(60), Some(300)] {
                let populations = [Population::Packets, Population::Path];
                for population in populations {
                    with_evidence(0, bound, |evidence| {
                        let profile = Profile {
                            population,
                            ..Profile::plan_2026()
                        };
                        let told = Statistics::of(evidence, US(target), &profile);
                        let state = judge(evidence, US(target), &profile).state;
                        let p95 = told.p95.expect("measured");
                        assert_eq!(
                            side(p95, US(target)).unwrap_or(State::Undecided),
                            state,
                            "{target} {bound:?} {population:?}: {p95:?}"
                        );
                        if population == Population::Path {
                            return;
                        }
                        let rank = Quantile::P95.rank(600);
                        assert!(
                            told.within < rank || state == State::Met,
                            "{target} {bound:?}: {told:?}"
                        );
                        assert!(
                            told.beyond <= 600 - rank || state == State::Missed,
                            "{target} {bound:?}: {told:?}"
                        );
                    });
                }
            }
        }
    }
}
