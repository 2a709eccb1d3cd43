use std::collections::BTreeSet;

use owl_sim::{Crossing, Link};

use super::*;
use crate::distribution::Distribution;
use crate::histogram::HistogramRecorder;
use crate::verdict::{Correlation, explain};

const US: fn(i64) -> Nanos = Nanos::from_micros;

/// 600 packets over a simulated path of 700 µs each way, and what is told of them.
#[derive(Clone, Copy)]
struct Case {
    seed: u64,
    loss_ppm: u32,
    /// Losses are known to be of this direction.
    known: bool,
    sent: u64,
    /// What the far clock is ahead.
    theta: i64,
    floor: i64,
    claim: Option<i64>,
    withdrawn: bool,
    stamp_error: Option<i64>,
    hardware: bool,
    /// What the mesh proves of the clocks, either way.
    mesh: Option<i64>,
    target: i64,
}

const PLAIN: Case = Case {
    seed: 1,
    loss_ppm: 0,
    known: true,
    sent: 600,
    theta: 0,
    floor: 350,
    claim: Some(20),
    withdrawn: false,
    stamp_error: Some(5),
    hardware: false,
    mesh: None,
    target: 1_000,
};

fn explained(case: &Case) -> Explanation {
    let link = Link {
        propagation_ns: 700_000,
        queueing_mean_ns: 20_000,
        loss_ppm: case.loss_ppm,
        ..Link::default()
    };
    let (mut there, mut back) = (link.seeded(case.seed), link.seeded(case.seed + 1_000));
    let mut raw = HistogramRecorder::default();
    let mut round_trip = HistogramRecorder::default();
    let (mut received, mut opposite_min) = (0, None);
    for sent_at in (0..case.sent).map(|k| k as i64 * 100_000_000) {
        let Crossing::Arrives { at_ns } = there.cross(sent_at) else {
            continue;
        };
        let Crossing::Arrives { at_ns: back_at } = back.cross(at_ns) else {
            continue;
        };
        received += 1;
        let backward = Nanos(back_at - at_ns) - US(case.theta);
        opposite_min = Some(opposite_min.unwrap_or(backward).min(backward));
        raw.record(Nanos(at_ns - sent_at) + US(case.theta));
        round_trip.record(Nanos(back_at - sent_at));
    }
    let [raw, round_trip] = [raw, round_trip].map(|r| Distribution::of(&[r.finish()]));
    let evidence = Evidence {
        planned: 600,
        sent: case.sent,
        lost: if case.known { case.sent - received } else { 0 },
        raw: &raw,
        opposite_min,
        round_trip: &round_trip,
        floors: Floors {
            forward: US(case.floor),
            backward: US(case.floor),
        },
        claim: match case.claim {
            _ if case.withdrawn => Claim::Withdrawn,
            Some(bound) => Claim::Clocks(ClockDifference::within(US(bound), US(bound))),
            None => Claim::None,
        },
        stamp_error: case.stamp_error.map(US),
        hardware_stamps: case.hardware,
        random: Nanos::ZERO,
        mesh: MeshBounds {
            proved: case
                .mesh
                .map(|bound| ClockDifference::within(US(bound), US(0))),
            claimed: None,
            moving: Nanos::ZERO,
        },
        correlation: Correlation::default(),
    };
    explain(&evidence, US(case.target), &Profile::plan_2026())
}

/// Does the sums again as a reader of the explanation would.
fn reckoned_again(told: &Explanation, case: &Case) {
    let counts = told.counts;
    if let Some(ranked) = told.verdict.ranked {
        let rank = (ranked.of * 95).div_ceil(100);
        assert_eq!((ranked.ranks.lower, ranked.ranks.upper), (rank, Some(rank)));
        assert_eq!(ranked.of, counts.received + counts.lost + counts.unknown);
    }
    for step in &told.steps {
        for term in step.lower.iter().chain(&step.upper) {
            let again = match *term {
                Term::Light { .. } => US(case.floor),
                Term::RoundTrip {
                    round_trip: Nanos::MAX,
                    ..
                }
                | Term::Lost => Nanos::MAX,
                Term::RoundTrip {
                    round_trip, floor, ..
                } => round_trip - floor,
                Term::RawLow {
                    raw,
                    theta,
                    stamp_error,
                    ..
                } => raw - theta - stamp_error,
                Term::RawHigh { raw, theta, .. } => raw - theta,
            };
            assert_eq!(again, term.value(), "{term:?}");
        }
        let (lo, hi) = (
            step.lower[step.binding_lower().unwrap()].value(),
            step.upper[step.binding_upper().unwrap()].value(),
        );
        match step.delay {
            Some(delay) => assert_eq!((delay.lo, delay.hi, delay.basis), (lo, hi, step.basis)),
            None => assert!(lo > hi, "{step:?}"),
        }
    }
    let last = told.steps.iter().rev().find_map(|step| step.delay);
    assert_eq!(told.verdict.delay, last);
    let side = last.and_then(|delay| crate::verdict::side(delay, US(case.target)));
    match told.ground {
        Ground::Side => assert_eq!(Some(told.verdict.state), side),
        Ground::NoClaim | Ground::Withdrawn | Ground::Straddles => assert_eq!(side, None),
        _ => assert_eq!(told.verdict.state, State::Undecided),
    }
}

fn name(ground: Ground) -> String {
    // `Side`, `Coverage { … }`
    let text = format!("{ground:?}");
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[track_caller]
fn check(case: Case, ground: &str, reason: Option<Reason>, basis: Option<Basis>) {
    for seed in 0..20 {
        let case = Case { seed, ..case };
        let told = explained(&case);
        assert_eq!(
            (
                name(told.ground).as_str(),
                told.verdict.reason,
                told.verdict.basis()
            ),
            (ground, reason, basis),
            "seed {seed}: {told:?}"
        );
        reckoned_again(&told, &case);
    }
}

#[test]
fn whoever_reckons_an_explanation_again_comes_to_its_verdict_for_every_ground() {
    use Basis::{Claimed, Proved};
    use Reason::{Clock, Contradiction, Coverage, NoData, Samples};
    let dead = Case {
        loss_ppm: 1_000_000,
        ..PLAIN
    };
    let table = [
        (
            Case {
                target: 1_200,
                ..PLAIN
            },
            "Side",
            None,
            Some(Proved),
        ),
        (
            Case {
                target: 300,
                ..PLAIN
            },
            "Side",
            None,
            Some(Proved),
        ),
        (dead, "Side", None, Some(Proved)),
        (PLAIN, "Side", None, Some(Claimed)),
        (
            Case {
                target: 650,
                ..PLAIN
            },
            "Side",
            None,
            Some(Claimed),
        ),
        (
            Case {
                hardware: true,
                ..PLAIN
            },
            "Side",
            None,
            Some(Claimed),
        ),
        (
            Case {
                known: false,
                ..dead
            },
            "NothingMeasured",
            Some(NoData),
            None,
        ),
        (
            Case { sent: 0, ..PLAIN },
            "NothingMeasured",
            Some(NoData),
            None,
        ),
        (
            Case {
                floor: 720,
                ..PLAIN
            },
            "FasterThanLight",
            Some(Contradiction),
            None,
        ),
        (
            Case { sent: 500, ..PLAIN },
            "Coverage",
            Some(Coverage),
            Some(Proved),
        ),
        (
            Case {
                loss_ppm: 700_000,
                known: false,
                ..PLAIN
            },
            "Samples",
            Some(Samples),
            Some(Proved),
        ),
        (
            Case {
                claim: None,
                ..PLAIN
            },
            "NoClaim",
            Some(Clock),
            Some(Proved),
        ),
        (
            Case {
                claim: None,
                loss_ppm: 50_000,
                known: false,
                ..PLAIN
            },
            "NoClaim",
            Some(Samples),
            Some(Proved),
        ),
        (
            Case {
                withdrawn: true,
                ..PLAIN
            },
            "Withdrawn",
            Some(Contradiction),
            Some(Proved),
        ),
        (
            Case {
                theta: 3_000,
                ..PLAIN
            },
            "FasterThanLightByClocks",
            Some(Contradiction),
            Some(Proved),
        ),
        (
            Case {
                theta: -3_000,
                ..PLAIN
            },
            "FasterThanLightByClocks",
            Some(Contradiction),
            Some(Proved),
        ),
        (
            Case {
                claim: Some(130),
                ..PLAIN
            },
            "TooWide",
            Some(Clock),
            Some(Claimed),
        ),
        (
            Case {
                target: 770,
                ..PLAIN
            },
            "Straddles",
            Some(Clock),
            Some(Claimed),
        ),
        (
            Case {
                target: 770,
                stamp_error: None,
                ..PLAIN
            },
            "Straddles",
            Some(Clock),
            Some(Claimed),
        ),
        (
            Case {
                claim: None,
                mesh: Some(20),
                ..PLAIN
            },
            "Side",
            None,
            Some(Proved),
        ),
        (
            Case {
                claim: None,
                mesh: Some(20),
                hardware: true,
                target: 650,
                ..PLAIN
            },
            "Side",
            None,
            Some(Proved),
        ),
        (
            Case {
                claim: None,
                mesh: Some(20),
                target: 650,
                ..PLAIN
            },
            "NoClaim",
            Some(Clock),
            Some(Proved),
        ),
        // A mesh that proves what the round trip excludes narrows nothing.
        (
            Case {
                claim: None,
                mesh: Some(20),
                theta: 3_000,
                hardware: true,
                ..PLAIN
            },
            "NoClaim",
            Some(Clock),
            Some(Proved),
        ),
    ];
    let shown: BTreeSet<&str> = table.iter().map(|(_, ground, ..)| *ground).collect();
    for (case, ground, reason, basis) in table {
        check(case, ground, reason, basis);
    }
    assert_eq!(
        shown.len(),
        10,
        "all but those of claims that exclude each other, which have tests of their own"
    );
}

/// Each packet by itself keeps the claims, and their percentile does not: 96 round trips are quick and 96 raw
/// differences are slow, which no single packet shows.
#[test]
fn claims_that_leave_no_interval_say_so_with_the_terms_that_cross() {
    let many = |us: i64| {
        let mut recorder = HistogramRecorder::default();
        (0..600).for_each(|_| recorder.record(US(us)));
        Distribution::of(&[recorder.finish()])
    };
    let (raw, round_trip) = (many(1_500), many(1_400));
    let evidence = Evidence {
        planned: 600,
        sent: 600,
        lost: 0,
        raw: &raw,
        opposite_min: Some(US(400)),
        round_trip: &round_trip,
        floors: Floors {
            forward: US(350),
            backward: US(350),
        },
        claim: Claim::Clocks(ClockDifference::within(US(20), US(20))),
        stamp_error: Some(US(5)),
        hardware_stamps: false,
        random: Nanos::ZERO,
        mesh: MeshBounds::default(),
        correlation: Correlation::default(),
    };
    let told = explain(&evidence, US(1_000), &Profile::plan_2026());
    assert_eq!(
        (told.ground, told.verdict.reason),
        (Ground::Empty, Some(Reason::Contradiction))
    );
    let crossed = told.steps.last().unwrap();
    assert_eq!((crossed.basis, crossed.delay), (Basis::Claimed, None));
    assert!(crossed.lower[1].value() > crossed.upper[0].value());
    assert_eq!(
        told.verdict.basis(),
        Some(Basis::Proved),
        "the proof stands without the claims"
    );
    let excluded = Evidence {
        mesh: MeshBounds {
            proved: None,
            claimed: Some(ClockDifference {
                at_least: US(50),
                at_most: US(60),
            }),
            moving: Nanos::ZERO,
        },
        ..evidence
    };
    let told = explain(&excluded, US(1_000), &Profile::plan_2026());
    let clocks = ClockDifference {
        at_least: US(50),
        at_most: US(40),
    };
    assert_eq!(
        (told.ground, told.verdict.reason),
        (
            Ground::ClaimsExclude { clocks },
            Some(Reason::Contradiction)
        )
    );
}
