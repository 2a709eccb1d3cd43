use super::*;
use crate::clock::{BoundBasis, ClockSource, ClockState, ClockStatus};
use crate::reordering::Reordered;
use crate::summary::tests::sample;
use crate::summary::{Recorder, StampCounts};
use crate::time::Timestamp;
use crate::verdict::{Reason, State};

const MS: i64 = 1_000_000;

/// Ten seconds of 10 packets a second over a path of these true delays, the far clock `theta` ahead.
pub(in crate::verdict) fn reports(forward: i64, backward: i64, theta: i64) -> Vec<Report> {
    let mut recorder = Recorder::new(Nanos::from_secs(2), Timestamp(0), vec![]);
    for k in 0..100_u32 {
        let origin = i64::from(k) * 100 * MS;
        recorder.sent(Timestamp(origin), Nanos::ZERO);
        recorder.received(
            &sample(k, origin, forward + theta, backward - theta),
            Reordered::default(),
        );
    }
    std::iter::from_fn(|| recorder.close(Timestamp(i64::MAX)))
        .map(|summary| Report {
            path: "a~b".into(),
            flow: 0,
            generation: String::new(),
            packet_interval: Nanos(100 * MS),
            clock: ClockState {
                as_of: summary.start,
                source: ClockSource::Gnss,
                status: ClockStatus::Synchronised,
                bound: Some((Nanos(10_000), BoundBasis::Declared)),
                transmit_stamp_error: Nanos(5_000),
                receive_stamp_error: Nanos(5_000),
                ..ClockState::default()
            },
            summary,
        })
        .collect()
}

fn floors(ns: i64) -> Floors {
    Floors {
        forward: Nanos(ns),
        backward: Nanos(ns),
    }
}

#[test]
fn the_reports_of_a_window_are_judged_as_one_and_each_direction_on_its_own() {
    let reports = reports(900_000, 1_300_000, 0);
    assert_eq!(reports.len(), 5);
    let window = SessionWindow::of(&reports).unwrap();
    assert_eq!(window.sent(), 100);
    let verdict = |own: Option<&SessionWindow>, opposite: Option<&SessionWindow>| {
        judge_path(
            own.map(|own| (own, Claims::Stand)),
            opposite.map(|opposite| (opposite, Claims::Stand)),
            floors(300_000),
            Nanos(MS),
            &Profile::lab(),
        )
    };
    assert_eq!(verdict(Some(&window), None).state, State::Met);
    // The backward direction misses, and the kernel's T3 lets the opposite session tell; a T3 without a bound does not.
    assert_eq!(verdict(None, Some(&window)).state, State::Missed);
    let mut uncorrected = reports.clone();
    for report in &mut uncorrected {
        report.summary.reflector_stamps = StampCounts::default();
    }
    let uncorrected = SessionWindow::of(&uncorrected);
    assert_eq!(
        verdict(None, uncorrected.as_ref()).reason,
        Some(Reason::Clock)
    );
    assert_eq!(verdict(None, None).reason, Some(Reason::NoData));
    let half = SessionWindow::of(&reports[..2]).unwrap();
    assert_eq!(verdict(Some(&half), None).reason, Some(Reason::Coverage));
}

/// Hundred packets at 10 a second, of which flow k sends every fourth; flow 3 takes `longer`.
fn spread(longer: i64) -> Vec<Report> {
    let mut recorders =
        [0, 1, 2, 3].map(|_| Recorder::new(Nanos::from_secs(10), Timestamp(0), vec![]));
    for k in 0..100_u32 {
        let (origin, flow) = (i64::from(k) * 100 * MS, k as usize % 4);
        let forward = 600_000 + i64::from(k) * 500 + if flow == 3 { longer } else { 0 };
        recorders[flow].sent(Timestamp(origin), Nanos::ZERO);
        let sample = sample(k / 4, origin, forward, 700_000);
        recorders[flow].received(&sample, Reordered::default());
    }
    let like = reports(900_000, 900_000, 0).swap_remove(0);
    (0..)
        .zip(recorders)
        .map(|(flow, mut recorder)| Report {
            flow,
            summary: recorder.close(Timestamp(i64::MAX)).unwrap(),
            ..like.clone()
        })
        .collect()
}

#[test]
fn flows_are_judged_as_one_path_packet_by_packet() {
    let verdict = |reports: &[Report]| {
        let window = SessionWindow::of(reports).unwrap();
        judge_path(
            Some((&window, Claims::Stand)),
            None,
            floors(300_000),
            Nanos(MS),
            &Profile::lab(),
        )
    };
    let even = spread(0);
    assert_eq!(verdict(&even).state, State::Met);
    let window = SessionWindow::of(&even).unwrap();
    assert_eq!((window.sent(), window.round_trip().count()), (100, 100));
    for rank in 1..=100 {
        let truth = Nanos(600_000 + (rank - 1) * 500);
        let bounds = window.raw(Direction::Forward).at_rank(rank as u64).unwrap();
        assert!(
            bounds.at_least <= truth && truth <= bounds.at_most,
            "rank {rank}"
        );
    }
    // A quarter of the packets is more than the five in a hundred that may miss.
    let uneven = spread(1_200_000);
    assert_eq!(verdict(&uneven).state, State::Missed);
    let flows = SessionWindow::of(&uneven).unwrap().flows().to_vec();
    let forward = |flow: &FlowWindow| flow.way(Direction::Forward).takes_other_route();
    let told: Vec<u32> = flows
        .iter()
        .filter(|f| forward(f))
        .map(|f| f.flow)
        .collect();
    assert_eq!((flows.len(), told), (4, vec![3]));
    // A flow that does not report is missing from the plan, so nobody takes the others for the whole.
    assert_eq!(verdict(&even[..3]).reason, Some(Reason::Coverage));
    assert!(SessionWindow::of(&even[..1]).unwrap().flows().is_empty());
}

#[test]
fn an_interval_in_which_the_clock_stepped_has_packets_and_no_delays() {
    let steps = |n: usize| {
        let mut reports = reports(900_000, 900_000, 0);
        for report in &mut reports[..n] {
            report.clock.steps = 1;
            report.clock.status = ClockStatus::Disrupted;
        }
        let window = SessionWindow::of(&reports).unwrap();
        assert_eq!(window.sent(), 100);
        let evidence = (
            window.round_trip().count(),
            window.raw(Direction::Forward).count(),
        );
        (evidence, window.clocks().is_some())
    };
    assert_eq!(steps(0), ((100, 100), true));
    assert_eq!(steps(1), ((80, 80), false));
    assert_eq!(steps(5), ((0, 0), false));
}

#[test]
fn what_the_own_host_dropped_is_not_blamed_on_the_way_back() {
    let mut reports = reports(900_000, 900_000, 0);
    for report in &mut reports {
        report.summary.lost = 5;
        report.summary.backward.lost = 5;
    }
    let lost = |own_loss: [u64; 5]| {
        let mut reports = reports.clone();
        for (report, own_loss) in reports.iter_mut().zip(own_loss) {
            report.summary.own_loss = own_loss;
        }
        let window = SessionWindow::of(&reports).unwrap();
        (
            window.lost(Direction::Forward),
            window.lost(Direction::Backward),
            window.own_loss(),
        )
    };
    assert_eq!(lost([0; 5]), (0, 25, 0));
    assert_eq!(lost([2, 0, 0, 0, 0]), (0, 23, 2));
    assert_eq!(lost([0, 9, 0, 0, 0]), (0, 20, 5), "each interval by itself");
}

#[test]
fn one_contradiction_withdraws_the_claims_of_both_probes_and_nobody_elses() {
    let lying = SessionWindow::of(&reports(900_000, 900_000, 3 * MS)).unwrap();
    let honest = SessionWindow::of(&reports(900_000, 900_000, 4_000)).unwrap();
    let session = |from, to, window| SessionOf {
        from,
        to,
        window,
        floors: floors(300_000),
    };
    let span = Span {
        start: Timestamp(0),
        length: Nanos::from_secs(10),
    };
    let findings = hear(
        span,
        &[session("a", "liar", &lying), session("c", "d", &honest)],
    );
    let withdrawn = ["a", "c", "d", "liar"].map(|probe| !findings.stands(probe));
    assert_eq!(withdrawn, [true, false, false, true]);
    let verdict = judge_path(
        Some((&lying, Heard::of(&findings, "a", "liar"))),
        None,
        floors(300_000),
        Nanos(MS),
        &Profile::lab(),
    );
    assert_eq!(verdict.reason, Some(Reason::Contradiction));
}

#[test]
fn a_place_that_one_path_disproves_gives_no_floor_to_another() {
    let near = SessionWindow::of(&reports(900_000, 900_000, 0)).unwrap();
    let session = |from, to, floor| SessionOf {
        from,
        to,
        window: &near,
        floors: floors(floor),
    };
    let span = Span {
        start: Timestamp(0),
        length: Nanos::from_secs(10),
    };
    let sessions = [
        session("a", "moved", 1_000_000),
        session("b", "moved", 950_000),
        session("moved", "c", 890_000),
        session("a", "c", 300_000),
    ];
    let findings = hear(span, &sessions);
    assert_eq!(findings.misplaced, ["moved".to_owned()].into());
    let verdict = |from, to, floor| {
        judge_path(
            Some((&near, Heard::of(&findings, from, to))),
            None,
            floors(floor),
            Nanos(850_000),
            &Profile::lab(),
        )
    };
    let own = verdict("a", "moved", 1_000_000);
    assert_eq!((own.reason, own.delay), (Some(Reason::Contradiction), None));
    // By the wrong floor the delay would be 0.89 ms at least; the clocks know better than nothing.
    let other = verdict("moved", "c", 890_000);
    assert_eq!(other.state, State::Missed);
    assert!(other.delay.unwrap().lo < Nanos(890_000), "{other:?}");
    assert_eq!(
        verdict("a", "c", 300_000).delay.unwrap().basis,
        crate::delay::Basis::Claimed
    );
}

#[test]
fn of_a_mesh_only_the_one_that_all_others_contradict_loses_its_claim() {
    let lying = SessionWindow::of(&reports(900_000, 900_000, 3 * MS)).unwrap();
    let honest = SessionWindow::of(&reports(900_000, 900_000, 4_000)).unwrap();
    let session = |from, to, window| SessionOf {
        from,
        to,
        window,
        floors: floors(300_000),
    };
    let sessions = [
        session("a", "liar", &lying),
        session("b", "liar", &lying),
        session("a", "b", &honest),
        session("c", "liar", &lying),
        session("b", "c", &honest),
    ];
    let span = Span {
        start: Timestamp(0),
        length: Nanos::from_secs(10),
    };
    let findings = hear(span, &sessions);
    let stands = ["a", "b", "c", "liar"].map(|probe| findings.stands(probe));
    assert_eq!(stands, [true, true, true, false], "{findings:?}");
    let verdict = |from, to, window, target| {
        judge_path(
            Some((window, Heard::of(&findings, from, to))),
            None,
            floors(300_000),
            Nanos(target),
            &Profile::lab(),
        )
    };
    let between_honest = verdict("a", "b", &honest, MS);
    assert_eq!(between_honest.state, State::Met);
    // The round trip allows 1.5 ms; the honest claims bound the liar's clock to 0.6 ms either way.
    assert_eq!(
        verdict("a", "liar", &lying, MS).reason,
        Some(Reason::Contradiction)
    );
    let minutes = Span {
        length: Nanos::from_secs(120),
        ..span
    };
    let over_minutes = hear(minutes, &sessions);
    assert!(!over_minutes.stands("liar"));
    assert_eq!(
        over_minutes.bounds("a", "b"),
        MeshBounds::default(),
        "no quartz is taken to keep its rate for two minutes"
    );
    let mut backwards = sessions;
    backwards.reverse();
    let again = hear(span, &backwards);
    assert_eq!(again.bounds("a", "liar"), findings.bounds("a", "liar"));
    assert_eq!(again.probes, findings.probes);
}
