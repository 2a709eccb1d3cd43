//! What a ptp4l's answers are judged to be worth, trap by trap.

use super::*;
use crate::clock::ptp4l::wire::Answer;
use crate::clock::ptp4l::wire::tests::{
    CURRENT_FROZEN, TIME_STATUS_37, TIME_STATUS_FROZEN, answer,
};
use crate::clock::settings::Budget;

const US: fn(i64) -> Nanos = Nanos::from_micros;
const START: i64 = 1_795_453_440_000_000_000;

fn trust() -> Trust {
    Trust {
        drift_ppb: 1_000,
        ..Trust::default()
    }
}

/// Answers of a host that got its last sync `age` ago; the clock that steps and the one that does not both began
/// with the run.
fn answers(at: Nanos, age: Nanos) -> Answers {
    let now = Timestamp(START) + at;
    Answers {
        now: (now, Monotonic(at.0)),
        status: TimeStatus {
            offset: US(2),
            ingress: now - age,
            grandmaster_present: true,
        },
        current: CurrentDataSet {
            steps_removed: 1,
            offset: US(2),
            mean_path_delay: US(500),
        },
        parent: ParentDataSet {
            clock_class: 6,
            clock_accuracy: 0x21,
            identity: [7; 8],
        },
        properties: TimeProperties {
            time_traceable: true,
            ptp_timescale: true,
            utc_offset_s: 37,
        },
        port: PortDataSet {
            port: 1,
            state: SLAVE,
            log_sync_interval: 0,
            delay_mechanism: END_TO_END,
        },
        port_properties: PortProperties {
            software: true,
            interface: "eth0".into(),
        },
        stats: None,
        frequency_ppb: Some(-12_000),
        interface_to_system: None,
    }
}

fn offset(answers: &mut Answers, offset: Nanos) {
    answers.status.offset = offset;
    answers.current.offset = offset;
}

fn judged(change: impl FnOnce(&mut Answers)) -> Assessment {
    let mut one = answers(Nanos::ZERO, US(10));
    change(&mut one);
    Judge::default().judge(&one, &trust())
}

#[test]
fn the_bound_is_the_offset_and_the_delay_less_the_floor_and_the_grandmasters() {
    let mut judge = Judge::default();
    let floor = Trust {
        link_floor: US(300),
        ..trust()
    };
    let assessment = judge.judge(&answers(Nanos::ZERO, US(10)), &floor);
    assert_eq!(assessment.status, ClockStatus::Synchronised);
    assert_eq!(assessment.bound(), Some(US(2 + 500 - 300) + Nanos(100)));
    assert_eq!(assessment.basis, BoundBasis::Measured);
    assert_eq!(assessment.correction, Nanos::ZERO);
}

#[test]
fn a_frozen_ptp4l_is_found_within_three_sync_intervals_though_every_field_looks_well() {
    let second = Nanos::from_secs(1);
    for state in [SLAVE, UNCALIBRATED] {
        let mut judge = Judge::default();
        let mut first = answers(Nanos::ZERO, US(10));
        first.port.state = state;
        assert_eq!(
            judge.judge(&first, &trust()).status,
            ClockStatus::Synchronised
        );
        // Offset, delay and "present" stand as they stood.
        for (seconds, status) in [
            (2, ClockStatus::Synchronised),
            (3, ClockStatus::Holdover),
            (599, ClockStatus::Holdover),
            (601, ClockStatus::Free),
        ] {
            let mut frozen = answers(second.times(seconds), second.times(seconds) + US(10));
            frozen.port.state = state;
            let assessment = judge.judge(&frozen, &trust());
            assert_eq!(assessment.status, status, "after {seconds} s");
        }
    }
}

#[test]
fn a_frozen_ptp4l_as_it_was_captured_is_in_holdover_and_its_bound_grows() {
    let mut judge = Judge::default();
    judge.judge(&answers(Nanos::ZERO, US(10)), &trust());
    let mut frozen = answers(Nanos::from_secs(5), Nanos::ZERO);
    if let (Answer::TimeStatus(status), Answer::Current(current)) =
        (answer(TIME_STATUS_FROZEN), answer(CURRENT_FROZEN))
    {
        (frozen.status, frozen.current) = (status, current);
    }
    assert!(frozen.status.grandmaster_present);
    frozen.port.state = 4;
    let assessment = judge.judge(&frozen, &trust());
    assert_eq!(assessment.status, ClockStatus::Holdover);
    let drift = assessment
        .parts
        .iter()
        .find(|part| part.kind == PartKind::Drift);
    assert_eq!(drift.map(|part| part.size), Some(US(5) + Nanos(1)));
    assert!(
        assessment
            .findings
            .contains(&Finding::PortState { state: 4 })
    );
}

#[test]
fn an_interface_clock_on_another_time_scale_is_fresh_while_its_ingress_time_moves() {
    let mut judge = Judge::default();
    let at = |second: i64, ingress: i64| {
        let mut answers = answers(Nanos::from_secs(second), Nanos::ZERO);
        answers.status.ingress = Timestamp(START + (37 + ingress) * 1_000_000_000);
        answers.port_properties.software = false;
        answers.interface_to_system = Some((Nanos(40 - 37_000_000_000), Nanos(10)));
        answers
    };
    let mut status = |answers| judge.judge(&answers, &trust()).status;
    assert_eq!(status(at(0, 0)), ClockStatus::Synchronised);
    assert_eq!(status(at(1, 1)), ClockStatus::Synchronised);
    assert_eq!(status(at(2, 1)), ClockStatus::Synchronised);
    assert_eq!(status(at(4, 1)), ClockStatus::Holdover);
}

#[test]
fn an_interface_clock_that_is_not_read_bounds_no_system_clock() {
    let assessment = judged(|answers| answers.port_properties.software = false);
    assert!(matches!(
        assessment.findings[..],
        [Finding::InterfaceClockUnread { .. }]
    ));
    assert!(!assessment.claims());
    let read = judged(|answers| {
        answers.port_properties.software = false;
        answers.interface_to_system = Some((Nanos(-40 - 37_000_000_000), Nanos(10)));
    });
    assert_eq!(read.bound(), Some(US(502) + Nanos(100 + 50)));
    let not_brought_to_utc = judged(|answers| {
        answers.port_properties.software = false;
        answers.interface_to_system = Some((Nanos(40), Nanos(10)));
    });
    assert_eq!(
        not_brought_to_utc.findings,
        [Finding::WholeSeconds { seconds: 37 }]
    );
}

#[test]
fn the_worst_offset_of_the_ring_counts_and_not_the_last() {
    let mut judge = Judge::default();
    let mut outlier = answers(Nanos::ZERO, US(10));
    offset(&mut outlier, Nanos::from_millis(-12));
    judge.judge(&outlier, &trust());
    let after = |seconds| answers(Nanos::from_secs(seconds), US(10));
    let with = judge.judge(&after(1), &trust()).bound().unwrap();
    assert!(with > Nanos::from_millis(12));
    let forgotten = judge.judge(&after(21), &trust()).bound().unwrap();
    assert!(forgotten < Nanos::from_millis(1), "{forgotten}");
}

#[test]
fn a_clock_that_is_only_compared_has_a_correction_that_one_slow_packet_does_not_move() {
    let mut judge = Judge::default();
    let mut last = None;
    for (k, slow) in [0, 0, 12_000, 0, 0].into_iter().enumerate() {
        let mut one = answers(US(62_500).times(k as i64), US(10));
        one.port.state = UNCALIBRATED;
        one.port.log_sync_interval = -4;
        // The clock is 1 ms ahead; 300 µs there and 700 µs back look like 800 µs.
        offset(&mut one, US(800 + slow));
        last = Some(judge.judge(&one, &trust()));
    }
    let assessment = last.unwrap();
    assert_eq!(assessment.correction, US(-800));
    let half = assessment.bound().unwrap() - US(800);
    assert!(
        (half - US(500)).abs() < US(1),
        "the true error of 1 ms is within 800 µs ± {half}"
    );
    assert!(assessment.findings.contains(&Finding::Audited));
}

#[test]
fn a_clock_whose_servo_is_settling_is_not_taken_for_one_that_is_left_alone() {
    for (frequencies, audited) in [
        ([Some(5), Some(5), Some(5)], true),
        ([Some(5), Some(900), Some(-300)], false),
        ([None, None, None], false),
    ] {
        let mut judge = Judge::default();
        let mut last = None;
        for (k, frequency_ppb) in frequencies.into_iter().enumerate() {
            let k = k as i64;
            let mut one = answers(Nanos::from_secs(k), US(10));
            one.port.state = UNCALIBRATED;
            one.frequency_ppb = frequency_ppb;
            // The servo brings it in by 400 µs a second.
            offset(&mut one, US(1_000 - 400 * k));
            last = Some(judge.judge(&one, &trust()));
        }
        let assessment = last.unwrap();
        assert_eq!(assessment.correction != Nanos::ZERO, audited);
        assert_eq!(assessment.findings.contains(&Finding::Audited), audited);
        // The largest offset of the ring stands in the bound where the clock moved.
        assert!(audited || assessment.bound().unwrap() >= US(1_500));
    }
}

#[test]
fn asymmetry_lies_within_the_bound() {
    // 1 ms more one way: the offset is wrong by half of it, and every field looks well.
    let assessment = judged(|answers| {
        offset(answers, US(500));
        answers.current.mean_path_delay = US(600);
    });
    assert!(assessment.bound().unwrap() >= US(500));
}

#[test]
fn boundary_clocks_need_a_budget_and_a_budget_needs_its_path_and_its_grandmaster() {
    let steps = |n| move |answers: &mut Answers| answers.current.steps_removed = n;
    assert_eq!(
        judged(steps(4)).findings,
        [Finding::BoundaryClocks { steps_removed: 4 }]
    );
    let engineered = Trust {
        budget: Some(Budget {
            bound: Nanos(1_100),
            steps_removed: 4,
        }),
        ..trust()
    };
    type Change = fn(&mut Answers);
    let cases: [(Change, bool); 5] = [
        (|_| {}, true),
        (|answers| answers.parent.clock_class = 7, true),
        (|answers| answers.parent.clock_class = 135, false),
        (|answers| answers.properties.time_traceable = false, false),
        (|answers| answers.current.steps_removed = 5, false),
    ];
    for (change, claims) in cases {
        let mut one = answers(Nanos::ZERO, US(10));
        one.current.steps_removed = 4;
        offset(&mut one, Nanos(30));
        change(&mut one);
        let assessment = Judge::default().judge(&one, &engineered);
        assert_eq!(assessment.claims(), claims, "{assessment:?}");
        if claims {
            assert_eq!(assessment.basis, BoundBasis::Engineered);
            assert_eq!(assessment.bound(), Some(Nanos(1_130)));
        }
    }
}

#[test]
fn a_grandmaster_that_does_not_vouch_for_itself_must_be_declared() {
    type Change = fn(&mut Answers);
    let changes: [Change; 3] = [
        |answers| answers.parent.clock_accuracy = 0xfe,
        |answers| answers.parent.clock_class = 248,
        |answers| answers.properties.time_traceable = false,
    ];
    for change in changes {
        let refused = judged(change);
        assert!(matches!(
            refused.findings[..],
            [Finding::GrandmasterUnknown { .. }]
        ));
        let declared = Trust {
            grandmaster_bound: Some(Nanos(500)),
            ..trust()
        };
        let mut one = answers(Nanos::ZERO, US(10));
        change(&mut one);
        let assessment = Judge::default().judge(&one, &declared);
        assert_eq!(assessment.bound(), Some(US(502) + Nanos(500)));
        assert_eq!(assessment.basis, BoundBasis::Declared);
    }
}

#[test]
fn a_mean_path_delay_that_stands_still_is_found_though_syncs_come() {
    let mut judge = Judge::default();
    for (second, answered, status) in [
        (0, 5, ClockStatus::Synchronised),
        (1, 6, ClockStatus::Synchronised),
        (21, 6, ClockStatus::Synchronised),
        (22, 6, ClockStatus::Holdover),
        (23, 7, ClockStatus::Synchronised),
    ] {
        let mut one = answers(Nanos::from_secs(second), US(10));
        one.stats = Some(PortStats {
            syncs: second as u64,
            delay_responses: answered,
        });
        assert_eq!(judge.judge(&one, &trust()).status, status, "{second} s");
    }
}

#[test]
fn a_push_counts_as_a_sync_that_was_asked_for() {
    let mut judge = Judge::default();
    let first = answers(Nanos::ZERO, US(10));
    judge.judge(&first, &trust());
    let pushed = TimeStatus {
        offset: Nanos::from_millis(3),
        ingress: first.status.ingress + Nanos::from_millis(500),
        grandmaster_present: true,
    };
    judge.pushed(pushed, Monotonic(Nanos::from_secs(1).0));
    judge.pushed(pushed, Monotonic(Nanos::from_secs(1).0));
    assert_eq!(judge.ring.len(), 2);
    let assessment = judge.judge(&answers(Nanos::from_secs(1), US(10)), &trust());
    assert!(assessment.bound().unwrap() > Nanos::from_millis(3));
}

#[test]
fn thirty_seven_seconds_as_they_were_captured_claim_nothing() {
    let Answer::TimeStatus(captured) = answer(TIME_STATUS_37) else {
        panic!("a time status was captured");
    };
    let assessment = judged(|answers| offset(answers, captured.offset));
    assert_eq!(assessment.findings, [Finding::WholeSeconds { seconds: 37 }]);
}

#[test]
fn a_port_that_never_followed_claims_nothing() {
    let assessment = judged(|answers| {
        answers.port.state = 4;
        answers.status.ingress = Timestamp(0);
    });
    assert_eq!(assessment.findings, [Finding::PortState { state: 4 }]);
}

#[test]
fn another_grandmaster_begins_a_new_ring() {
    let mut judge = Judge::default();
    let mut first = answers(Nanos::ZERO, US(10));
    offset(&mut first, Nanos::from_millis(5));
    judge.judge(&first, &trust());
    let mut second = answers(Nanos::from_secs(1), US(10));
    second.parent.identity = [8; 8];
    assert!(judge.judge(&second, &trust()).bound().unwrap() < Nanos::from_millis(1));
}

#[test]
fn clock_accuracies_are_those_of_the_table() {
    for (code, ns) in [
        (0x1f, None),
        (0x20, Some(25)),
        (0x23, Some(1_000)),
        (0x25, Some(10_000)),
        (0x2f, Some(1_000_000_000)),
        (0x31, None),
        (0xfe, None),
    ] {
        assert_eq!(accuracy(code), ns.map(Nanos), "{code:#x}");
    }
}
