use owl_sim::{Clock, Crossing, Link};

use super::*;
use crate::clock::{BoundBasis, ClockSource, ClockState, ClockStatus};
use crate::delay::Floors;
use crate::distribution::Distribution;
use crate::reordering::Reordered;
use crate::report::Report;
use crate::sample::{Direction, PeerClock, StampSource};
use crate::summary::Recorder;
use crate::summary::tests::{loss, sample};
use crate::time::{Nanos, Timestamp};
use crate::verdict::window::Claims;
use crate::verdict::{Quantile, SessionWindow};

const US: fn(i64) -> Nanos = Nanos::from_micros;

/// What is measured on, and with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) seed: u64,
    /// 10 s each, of 100 packets.
    pub(super) intervals: i64,
    pub(super) queueing_us: u64,
    pub(super) loss_ppm: u32,
    /// Of the far clock; both claim a bound of so much.
    pub(super) offset_us: i64,
    pub(super) skew_ppb: i64,
    pub(super) bound_us: i64,
    pub(super) stamps: StampSource,
}

pub(super) const PLAIN: Case = Case {
    seed: 1,
    intervals: 30,
    queueing_us: 40,
    loss_ppm: 0,
    offset_us: 0,
    skew_ppb: 0,
    bound_us: 20,
    stamps: StampSource::Kernel,
};

/// The reports of a simulated path of 700 µs each way, and the true delays forward, infinite for lost packets.
pub(super) fn measured(case: &Case) -> (Vec<Report>, Vec<Nanos>) {
    let link = Link {
        propagation_ns: 700_000,
        queueing_mean_ns: case.queueing_us * 1_000,
        loss_ppm: case.loss_ppm,
        ..Link::default()
    };
    let far = Clock {
        offset_ns: case.offset_us * 1_000,
        skew_ppb: case.skew_ppb,
    };
    let (mut there, mut back) = (link.seeded(case.seed), link.seeded(case.seed + 1_000));
    let length = Nanos::from_secs(10);
    let mut recorder = Recorder::new(
        length,
        Timestamp(0),
        [1, 4].map(Nanos::from_millis).to_vec(),
    );
    let (mut reports, mut truth) = (Vec::new(), Vec::new());
    for k in 0..case.intervals * 100 {
        let sequence = u32::try_from(k).unwrap();
        let sent_at = k * 100_000_000;
        recorder.sent(Timestamp(sent_at), Nanos::ZERO);
        let Crossing::Arrives { at_ns } = there.cross(sent_at) else {
            truth.push(Nanos::MAX);
            recorder.lost(&loss(sequence, sent_at, Some(Direction::Forward)));
            continue;
        };
        truth.push(Nanos(at_ns - sent_at));
        let Crossing::Arrives { at_ns: back_at } = back.cross(at_ns) else {
            recorder.lost(&loss(sequence, sent_at, None));
            continue;
        };
        let forward = far.read(at_ns) - sent_at;
        let backward = back_at - far.read(at_ns);
        let mut sample = sample(sequence, sent_at, forward, backward);
        (sample.sent_at.source, sample.received_at.source, sample.t3) =
            (case.stamps, case.stamps, case.stamps);
        sample.peer_clock = PeerClock::Within(US(case.bound_us));
        recorder.received(&sample, Reordered::default());
    }
    while let Some(summary) = recorder.close(Timestamp(i64::MAX)) {
        reports.push(Report {
            path: "a~b".into(),
            generation: "c0ffee".into(),
            flow: 0,
            packet_interval: Nanos::from_millis(100),
            clock: ClockState {
                as_of: summary.start,
                source: ClockSource::Ptp,
                status: ClockStatus::Synchronised,
                bound: Some((US(case.bound_us), BoundBasis::Declared)),
                transmit_stamp_error: US(5),
                receive_stamp_error: US(5),
                ..ClockState::default()
            },
            summary,
        });
    }
    reports.sort_by_key(|report| report.summary.start);
    (reports, truth)
}

fn cases() -> impl Iterator<Item = Case> {
    (0..24).map(|seed: u64| Case {
        seed,
        queueing_us: [0, 3, 40, 900][seed as usize % 4],
        loss_ppm: [0, 0, 20_000][seed as usize % 3],
        offset_us: [0, 15, -200_000, 7][seed as usize / 3 % 4],
        skew_ppb: [0, 50, -30_000][seed as usize % 3],
        bound_us: [20, 200_500, 1][seed as usize / 2 % 3],
        stamps: [StampSource::Kernel, StampSource::Hardware][seed as usize / 5 % 2],
        ..PLAIN
    })
}

#[test]
fn summaries_put_together_in_any_order_and_by_any_steps_are_those_made_at_once() {
    for case in cases() {
        let (mut reports, _) = measured(&case);
        reports[3].clock.steps = 1;
        reports[4].clock.bound = None;
        reports[5].generation = "decaf".into();
        let whole = TierSummary::of(&reports).unwrap();
        let part = |of: &[Report]| TierSummary::of(of).unwrap();
        for cut in [1, 7, 29] {
            let (a, rest) = reports.split_at(cut);
            let (b, c) = (&rest[..rest.len() / 2], &rest[rest.len() / 2..]);
            let mut parts: Vec<TierSummary> = [a, b, c]
                .into_iter()
                .filter(|part| !part.is_empty())
                .map(part)
                .collect();
            for _ in 0..parts.len() {
                parts.rotate_left(1);
                let mut left = parts[0].clone();
                parts[1..].iter().for_each(|more| left.merge(more));
                assert_eq!(left, whole, "{case:?}");
                let mut right = parts[parts.len() - 1].clone();
                for more in parts[..parts.len() - 1].iter().rev() {
                    let mut sum = more.clone();
                    sum.merge(&right);
                    right = sum;
                }
                assert_eq!(right, whole, "{case:?}");
                let mut gatherer = Gatherer::default();
                gatherer.add_report(&reports[7]);
                gatherer.clear();
                parts.iter().for_each(|part| gatherer.add(part));
                let again = gatherer.finish().unwrap();
                assert_eq!(again, whole, "{case:?}");
                assert_eq!(again.encode(), whole.encode(), "{case:?}");
            }
        }
    }
}

#[test]
fn a_rank_lies_between_wider_edges_than_in_the_reports_and_no_wider_than_promised() {
    for case in cases() {
        let (reports, _) = measured(&case);
        let tier = TierSummary::of(&reports).unwrap();
        let check = |spread: &Spread, exact: Distribution| {
            let told = Distribution::from(spread);
            assert_eq!(
                (told.count(), told.min(), told.max()),
                (exact.count(), exact.min(), exact.max())
            );
            assert_eq!(told.mean(), exact.mean(), "{case:?}");
            let min = exact.min().unwrap();
            for rank in 1..=exact.count() {
                let (told, exact) = (told.at_rank(rank).unwrap(), exact.at_rank(rank).unwrap());
                let costs = |edge: Nanos| Nanos(300 + (edge - min).0 / 63);
                assert!(
                    told.at_least <= exact.at_least
                        && exact.at_least - told.at_least < costs(exact.at_least),
                    "{case:?} rank {rank}: {told:?} for {exact:?}"
                );
                assert!(
                    exact.at_most <= told.at_most
                        && told.at_most - exact.at_most < costs(exact.at_most),
                    "{case:?} rank {rank}: {told:?} for {exact:?}"
                );
            }
        };
        let summaries = || reports.iter().map(|report| &report.summary);
        check(
            &tier.forward.raw,
            Distribution::of(summaries().map(|s| &s.forward.raw)),
        );
        check(
            &tier.backward.raw,
            Distribution::of(summaries().map(|s| &s.backward.raw)),
        );
        check(
            &tier.round_trip,
            Distribution::of(summaries().map(|s| &s.round_trip)),
        );
        let merged = Distribution::of(summaries().map(|s| &s.forward.raw));
        let spread = Spread::from(&merged);
        assert_eq!(
            spread.octets(),
            tier.forward.raw.octets(),
            "by way of a distribution"
        );
    }
}

#[test]
fn a_summary_never_says_more_of_a_delay_than_its_reports_and_what_it_says_is_true() {
    let floors = Floors {
        forward: US(600),
        backward: US(650),
    };
    let span = Nanos::from_secs(300);
    let mut claimed = 0;
    for case in cases() {
        let (reports, mut truth) = measured(&case);
        truth.sort_unstable();
        let tier = TierSummary::of(&reports).unwrap();
        let window = SessionWindow::of(&reports).unwrap();
        for (direction, floors) in [
            (Direction::Forward, floors),
            (
                Direction::Backward,
                Floors {
                    forward: floors.backward,
                    backward: floors.forward,
                },
            ),
        ] {
            let told = tier.told(direction);
            let tier = tier.evidence(direction, span, floors, &told);
            let exact = window.evidence(direction, span, floors, Claims::Stand);
            assert_eq!(tier.planned, exact.planned);
            assert_eq!(tier.claim, exact.claim, "{case:?}");
            assert_eq!(
                (tier.stamp_error, tier.hardware_stamps),
                (exact.stamp_error, exact.hardware_stamps)
            );
            for ppm in [500_000, 950_000, 990_000, 999_000] {
                let quantile = Quantile::from_ppm(ppm).unwrap();
                let (told, exact) = (
                    tier.known(quantile).unwrap(),
                    exact.known(quantile).unwrap(),
                );
                assert!(
                    told.lo <= exact.lo && exact.hi <= told.hi,
                    "{case:?} {quantile}: {told:?} for {exact:?}"
                );
                let honest = case.offset_us.abs() <= case.bound_us * 2 && case.skew_ppb.abs() <= 50;
                if direction == Direction::Forward && honest {
                    let truth = truth[quantile.rank(truth.len() as u64) as usize - 1];
                    assert!(
                        told.lo <= truth && truth <= told.hi,
                        "{case:?} {quantile}: {truth} in {told:?}"
                    );
                    claimed += usize::from(told.basis == crate::delay::Basis::Claimed);
                }
            }
        }
    }
    assert!(claimed > 0, "some of them must have used the clocks");
}

#[test]
fn a_claim_that_one_interval_does_not_make_or_one_audit_does_not_use_is_not_used() {
    let (reports, _) = measured(&PLAIN);
    let believed = TierSummary::of(&reports).unwrap();
    assert!(believed.clocks().is_some());
    let mut silent = reports.clone();
    silent[9].clock.bound = None;
    assert_eq!(TierSummary::of(&silent).unwrap().clocks(), None);
    let p95 = |summary: &TierSummary| {
        let told = summary.told(Direction::Forward);
        let evidence = summary.evidence(
            Direction::Forward,
            Nanos::from_secs(300),
            Floors::default(),
            &told,
        );
        evidence.known(Quantile::P95).unwrap()
    };
    let mut withdrawn = believed.clone();
    withdrawn.believed.withdrawn = 1;
    assert!(p95(&withdrawn).hi > p95(&believed).hi);
    assert_eq!(p95(&withdrawn).basis, crate::delay::Basis::Proved);
}

#[test]
fn what_is_kept_is_what_is_read_and_broken_octets_are_refused_without_a_panic() {
    let (mut reports, _) = measured(&cases().nth(11).unwrap());
    reports[5].generation = "decaf".into();
    for summary in [
        TierSummary::of(&reports).unwrap(),
        TierSummary::of(&reports[..1]).unwrap(),
    ] {
        let octets = summary.encode();
        assert_eq!(TierSummary::decode(&octets), Ok(summary.clone()));
        for end in 0..octets.len() {
            assert_ne!(
                TierSummary::decode(&octets[..end]),
                Ok(summary.clone()),
                "{end} octets"
            );
        }
        for at in 0..octets.len() {
            for flip in [1_u8, 0x80, 0xFF] {
                let mut broken = octets.clone();
                broken[at] ^= flip;
                if let Ok(read) = TierSummary::decode(&broken) {
                    let told = read.told(Direction::Forward);
                    let evidence =
                        read.evidence(Direction::Forward, Nanos(1), Floors::default(), &told);
                    let _ = evidence.known(Quantile::P99);
                    let mut sum = summary.clone();
                    sum.merge(&read);
                }
            }
        }
    }
}

#[test]
fn a_target_that_was_not_counted_all_the_time_says_of_how_many_it_tells() {
    let (mut reports, _) = measured(&PLAIN);
    reports[0].summary.forward.within.remove(1);
    let within = TierSummary::of(&reports).unwrap().forward.within;
    let of: Vec<(i64, u64)> = within
        .iter()
        .map(|tally| (tally.target.0, tally.of))
        .collect();
    assert_eq!(of, [(1_000_000, 3_000), (4_000_000, 2_900)]);
    let many = (0..200).map(|target| crate::summary::Within {
        target: Nanos(target),
        count: 1,
    });
    reports[0].summary.forward.within = many.collect();
    let summary = TierSummary::of(&reports).unwrap();
    assert_eq!(summary.forward.within.len(), 64);
    assert_eq!(TierSummary::decode(&summary.encode()), Ok(summary));
}

#[test]
fn the_octets_are_those_that_older_stores_hold() {
    let (reports, _) = measured(&Case {
        intervals: 2,
        queueing_us: 2,
        ..PLAIN
    });
    let summary = TierSummary::of(&reports).unwrap();
    let hex: String = summary
        .encode()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    assert_eq!(hex, include_str!("golden.hex").trim_end());
}

#[test]
fn every_tag_is_the_one_of_the_proto_file() {
    let of_proto: Vec<(String, u32)> = include_str!("tier.proto")
        .lines()
        .filter_map(|line| {
            let (field, tag) = line
                .split("//")
                .next()?
                .trim()
                .strip_suffix(';')?
                .split_once(" = ")?;
            Some((
                field.split_whitespace().last()?.to_owned(),
                tag.parse().ok()?,
            ))
        })
        .collect();
    let lines: Vec<&str> = include_str!("wire.rs").lines().map(str::trim).collect();
    let of_rust: Vec<(String, u32)> = lines
        .windows(2)
        .filter_map(|pair| {
            let tag = pair[0].split("tag = \"").nth(1)?.split('"').next()?;
            let name = pair[1].strip_prefix("pub(super) ")?.split(':').next()?;
            Some((name.to_owned(), tag.parse().ok()?))
        })
        .collect();
    assert_eq!(of_rust, of_proto);
}
