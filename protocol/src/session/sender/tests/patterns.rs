//! Loss periods and reordering against what the links really did.

use super::*;
use owl_measure::lengths::Lengths;
use owl_measure::patterns::Patterns;

const BURSTS: Link = Link {
    loss_ppm: 2_000,
    burst_ppm: 10_000,
    burst_packets: 6,
    ..QUIET
};
/// A packet that is held back is overtaken by up to eight others, and no two arrive together.
const HOLDING: Link = Link {
    reorder_ppm: 60_000,
    reorder_hold_ns: 85 * MS as u64,
    queueing_mean_ns: 0,
    ..QUIET
};

/// Nothing is late, however long it was held back.
fn patient(seed: u64, packets: u64) -> World {
    let mut world = world(seed, packets);
    world.sender.timeout = Nanos::from_secs(1);
    world
}

/// Runs of consecutive numbers, counted by length, and the distances between numbers.
fn runs(lost: &[u32]) -> (Lengths, Lengths) {
    let mut lost = lost.to_vec();
    lost.sort_unstable();
    let (mut periods, mut distances) = (Lengths::default(), Lengths::default());
    for run in lost.chunk_by(|a, b| a + 1 == *b) {
        periods.record(run.len() as u64);
    }
    for pair in lost.windows(2) {
        distances.record(u64::from(pair[1] - pair[0]));
    }
    (periods, distances)
}

/// Extents and n of RFC 4737, as they are defined, on everything that arrived.
fn overtaken(arrivals: &[u32]) -> (Lengths, Lengths) {
    let (mut extents, mut degrees) = (Lengths::default(), Lengths::default());
    for (i, number) in arrivals.iter().enumerate() {
        let larger = |j: &usize| arrivals[*j] > *number;
        let Some(earliest) = (0..i).find(larger) else {
            continue;
        };
        extents.record((i - earliest) as u64);
        match (0..i).rev().take_while(larger).count() {
            0 => {}
            n => degrees.record(n as u64),
        }
    }
    (extents, degrees)
}

fn all(summary: &Summary) -> Patterns {
    let mut all = summary.forward.patterns;
    all.merge(&summary.backward.patterns);
    all.merge(&summary.somewhere);
    all
}

#[test]
fn loss_periods_and_distances_of_one_direction_are_those_of_its_link() {
    for seed in 0..40 {
        for (forward, backward) in [(BURSTS, QUIET), (QUIET, BURSTS)] {
            let run = simulate(World {
                forward,
                backward,
                ..world(seed, 1_000)
            });
            let (there, back) = (run.summary.forward.patterns, run.summary.backward.patterns);
            let (here, elsewhere) = if forward == BURSTS {
                (there, back)
            } else {
                (back, there)
            };
            let (periods, distances) = runs(&run.lost);
            assert!(periods.longest() >= 6, "seed {seed}");
            assert!(elsewhere.is_empty(), "seed {seed}");
            // Behind the last reply nothing tells a direction.
            if run.summary.lost_somewhere() == 0 {
                assert_eq!(here.loss_periods, periods, "seed {seed}");
                assert_eq!(here.loss_distances, distances, "seed {seed}");
            }
            assert_eq!(all(&run.summary).loss_periods, periods, "seed {seed}");
        }
    }
}

#[test]
fn every_loss_is_in_one_period_whichever_way_it_was_lost() {
    for seed in 0..40 {
        let run = simulate(World {
            forward: BURSTS,
            backward: BURSTS,
            ..world(seed, 2_000)
        });
        let told = all(&run.summary);
        assert_eq!(told.loss_periods.sum(), run.summary.lost, "seed {seed}");
        assert_eq!(told.loss_periods, runs(&run.lost).0, "seed {seed}");
        for direction in [&run.summary.forward, &run.summary.backward] {
            assert!(
                direction.patterns.loss_periods.sum() <= direction.lost,
                "seed {seed}: a period that went missing each way has no direction"
            );
        }
    }
}

#[test]
fn extents_and_n_are_those_of_the_link_that_holds_packets_back() {
    for seed in 0..40 {
        let forward = simulate(World {
            forward: HOLDING,
            ..patient(seed, 1_000)
        });
        let (extents, degrees) = overtaken(&forward.reached);
        assert!(
            extents.count() > 30 && extents.longest() >= 5,
            "seed {seed}"
        );
        let there = forward.summary.forward.patterns;
        assert_eq!(
            (there.extents, there.n_reordering),
            (extents, degrees),
            "seed {seed}"
        );
        assert_eq!(
            forward.summary.forward.reordered,
            extents.count(),
            "seed {seed}"
        );
        assert_eq!(there.late_offsets.count(), extents.count(), "seed {seed}");
        assert!(there.latest() > Nanos::from_millis(1), "seed {seed}");
        assert!(forward.summary.backward.patterns.is_empty(), "seed {seed}");

        let backward = simulate(World {
            backward: HOLDING,
            ..patient(seed, 1_000)
        });
        let (extents, degrees) = overtaken(&backward.returned);
        let back = backward.summary.backward.patterns;
        assert_eq!(
            (back.extents, back.n_reordering),
            (extents, degrees),
            "seed {seed}"
        );
        assert!(backward.summary.forward.patterns.is_empty(), "seed {seed}");
    }
}

#[test]
fn with_losses_and_overtaking_both_ways_extents_are_never_too_many() {
    let bad = Link {
        burst_ppm: 2_000,
        burst_packets: 5,
        loss_ppm: 10_000,
        ..HOLDING
    };
    for seed in 0..40 {
        let run = simulate(World {
            forward: bad,
            backward: bad,
            ..patient(seed, 1_000)
        });
        let there = run.summary.forward.patterns.extents;
        let (truth, _) = overtaken(&run.reached);
        assert!(
            there.count() <= truth.count() && there.sum() <= truth.sum(),
            "seed {seed}"
        );
        assert!(
            there.count() * 2 >= truth.count(),
            "seed {seed}: {there:?} of {truth:?}"
        );
        let (truth, _) = overtaken(&run.returned);
        let back = run.summary.backward.patterns.extents;
        assert_eq!(
            back, truth,
            "seed {seed}: what came back is seen as it came"
        );
    }
}

#[test]
fn a_reflector_that_copies_numbers_tells_no_direction() {
    let mut reflector = ReflectorConfig::open(64, 7);
    reflector.state = State::Stateless;
    let run = simulate(World {
        forward: Link { ..HOLDING },
        backward: BURSTS,
        sender: config(1_000, Reflector::Stranger),
        reflector,
        ..world(5, 1_000)
    });
    let summary = &run.summary;
    assert!(summary.forward.patterns.is_empty() && summary.backward.patterns.is_empty());
    assert_eq!(summary.forward.reordered + summary.backward.reordered, 0);
    assert!(summary.somewhere.extents.count() > 20, "{summary:?}");
    assert_eq!(summary.somewhere.loss_periods, runs(&run.lost).0);
}
