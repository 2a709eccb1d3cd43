use super::*;
use crate::counter::{Marks, Reading, Ticks, Width};

/// t in ms, sysUpTime in ticks, ifCounterDiscontinuityTime in ticks, value. Round trips of 4 ms.
type Row = (i64, Option<u32>, Option<u32>, Option<u64>);

fn samples(rows: &[Row]) -> Vec<CounterSample> {
    rows.iter()
        .map(|&(t_ms, up, disc, value)| CounterSample {
            at: Some(Timestamp(t_ms * 1_000_000)),
            within: Nanos::from_millis(2),
            up: up.map(Ticks),
            marks: Marks {
                discontinuity: disc.map(Ticks),
                ..Marks::default()
            },
            port: None,
            reading: value.map_or(Reading::Missing, Reading::Octets),
        })
        .collect()
}

/// Octets, or why there are none, on a link of 1 Gb/s.
#[track_caller]
fn check(width: Width, rows: &[Row], expected: &[Result<u64, Unknown>]) {
    let steps = judge(&samples(rows), &Profile::new(width, Some(1_000_000_000))).steps;
    let told: Vec<_> = steps
        .iter()
        .map(|step| step.outcome.map(|increase| increase.octets))
        .collect();
    assert_eq!(told, expected);
}

const MB: u64 = 1_000_000;

#[test]
fn what_the_counter_says_is_believed_as_far_as_its_agent_ran_on() {
    use Unknown::{AboveLineRate, ClocksDisagree, CounterFell, Discontinuity, Restart};
    let b64 = |second: Row, expected| {
        let first = (0, Some(100_000), Some(7), Some(50 * MB));
        check(Width::Bits64, &[first, second], &[expected]);
    };
    b64((10_000, Some(101_000), Some(7), Some(51 * MB)), Ok(MB));
    // The agent restarted, and its counter is beyond the last one all the same.
    b64((10_000, Some(500), Some(7), Some(90 * MB)), Err(Restart));
    b64((10_000, Some(500), Some(7), Some(MB)), Err(Restart));
    b64(
        (10_000, Some(101_000), Some(100_500), Some(51 * MB)),
        Err(Discontinuity),
    );
    b64(
        (10_000, Some(101_000), Some(7), Some(49 * MB)),
        Err(CounterFell),
    );
    b64(
        (10_000, Some(101_000), Some(7), Some(1_400 * MB)),
        Err(AboveLineRate),
    );
    // Ten seconds on the one clock and a hundred on the other, or none at all, and no restart.
    b64(
        (10_000, Some(110_000), Some(7), Some(51 * MB)),
        Err(ClocksDisagree),
    );
    b64(
        (10_000, Some(100_000), Some(7), Some(50 * MB)),
        Err(ClocksDisagree),
    );
    b64(
        (0, Some(100_000), Some(7), Some(50 * MB)),
        Err(Unknown::Duplicate),
    );
    b64(
        (10_000, Some(101_000), Some(7), None),
        Err(Unknown::NoAnswer),
    );
}

#[test]
fn whatever_marks_a_new_beginning_ends_what_can_be_known() {
    let pair = |marks: [Marks; 2], ports: [Option<u64>; 2]| {
        let sample = |k: usize| CounterSample {
            marks: marks[k],
            port: ports[k],
            ..CounterSample::new(
                Timestamp(k as i64 * 10_000_000_000),
                Nanos::from_millis(2),
                (k as u64 + 1) * MB,
            )
        };
        let (a, b) = (sample(0), sample(1));
        let profile = Profile::new(Width::Bits64, Some(1_000_000_000));
        let told = increase(&a, &b, Evidence::between(&a, &b), &profile);
        told.map(|increase| increase.octets)
    };
    let boots = |boots| Marks {
        boots: Some(boots),
        ..Marks::default()
    };
    let cleared = |ns| Marks {
        last_clear_ns: Some(ns),
        ..boots(1)
    };
    let bin = |bin| Marks {
        bin: Some(bin),
        ..boots(1)
    };
    let check = |a, b, expected| assert_eq!(pair([a, b], [None; 2]), expected);
    check(boots(1), boots(1), Ok(MB));
    check(boots(1), boots(2), Err(Unknown::Restart));
    check(cleared(5), cleared(5), Ok(MB));
    check(cleared(5), cleared(6), Err(Unknown::Discontinuity));
    check(bin(7), bin(7), Ok(MB));
    check(bin(7), bin(8), Err(Unknown::NewBin));
    check(bin(7), boots(1), Err(Unknown::DiscontinuityNotExcluded));
    assert_eq!(
        pair([boots(1); 2], [Some(1), Some(2)]),
        Err(Unknown::Renumbered)
    );
    assert_eq!(pair([boots(1); 2], [Some(1), Some(1)]), Ok(MB));
}

#[test]
fn a_wrap_of_the_up_time_is_no_restart_and_a_restart_is_no_wrap() {
    let last = u32::MAX - 499;
    let rows = |up| {
        [
            (0, Some(last), None, Some(MB)),
            (10_000, Some(up), None, Some(2 * MB)),
        ]
    };
    check(Width::Bits64, &rows(500), &[Ok(MB)]);
    check(Width::Bits64, &rows(300), &[Err(Unknown::Restart)]);
    // Up for less time than between the samples, with more ticks than before.
    let young = [
        (0, Some(500), None, Some(MB)),
        (60_000, Some(1_000), None, Some(2 * MB)),
    ];
    check(Width::Bits64, &young, &[Err(Unknown::Restart)]);
}

#[test]
fn a_counter_of_32_bits_wraps_once_or_is_unknown() {
    let rows = |seconds: i64, from, to| {
        let up = Some(100_000 + 100 * seconds as u32);
        [
            (0, Some(100_000), None, Some(from)),
            (1_000 * seconds, up, None, Some(to)),
        ]
    };
    check(Width::Bits32, &rows(10, (1 << 32) - MB, MB), &[Ok(2 * MB)]);
    check(
        Width::Bits32,
        &rows(40, MB, 2 * MB),
        &[Err(Unknown::AmbiguousWrap)],
    );
    check(
        Width::Bits32,
        &rows(10, 2 * MB, MB),
        &[Err(Unknown::CounterFell)],
    );
    check(
        Width::Bits32,
        &rows(10, 2 * MB, 1 << 32),
        &[Err(Unknown::OutOfRange)],
    );
}

#[test]
fn an_agent_that_may_have_begun_twice_does_not_tell_how_long_it_has_counted() {
    // Ten seconds, or up to twenty, since nobody says how long the answers took; five seconds by sysUpTime if it ran through.
    let told = |last: u64| {
        let mut samples = samples(&[
            (0, Some(300), Some(0), Some(150 * MB)),
            (10_000, Some(800), Some(0), Some(last)),
        ]);
        for sample in &mut samples {
            sample.within = Nanos::from_secs(5);
        }
        let steps = judge(&samples, &Profile::new(Width::Bits64, Some(1_000_000_000))).steps;
        steps[0].outcome.map(|increase| increase.octets)
    };
    assert_eq!(told(640 * MB), Err(Unknown::RestartNotExcluded));
    assert_eq!(told(600 * MB), Err(Unknown::RestartNotExcluded));
}

#[test]
fn neighbours_tell_what_a_sample_leaves_out() {
    use Unknown::{Discontinuity, DiscontinuityNotExcluded, Restart, RestartNotExcluded};
    let row = |k: u32, up: Option<u32>, disc: Option<u32>| {
        (i64::from(k) * 10_000, up, disc, Some(u64::from(k + 1) * MB))
    };
    let up = |k: u32| Some(100_000 + 1_000 * k);
    check(
        Width::Bits64,
        &[row(0, up(0), None), row(1, None, None), row(2, up(2), None)],
        &[Ok(MB); 2],
    );
    check(
        Width::Bits64,
        &[
            row(0, up(0), None),
            row(1, None, None),
            row(2, Some(900), None),
        ],
        &[Err(Restart); 2],
    );
    check(
        Width::Bits64,
        &[
            row(0, up(0), Some(1)),
            row(1, up(1), None),
            row(2, up(2), Some(101_500)),
            row(3, up(3), None),
        ],
        &[
            Err(Discontinuity),
            Err(Discontinuity),
            Err(DiscontinuityNotExcluded),
        ],
    );
    // Nobody tells: a counter that could have come from zero in the time may have.
    check(
        Width::Bits64,
        &[row(0, None, None), row(1, None, None)],
        &[Err(RestartNotExcluded)],
    );
    let far = 1_000_000 * MB;
    let rows = [
        (0, None, None, Some(far)),
        (10_000, None, None, Some(far + MB)),
    ];
    check(Width::Bits64, &rows, &[Ok(MB)]);
}

#[test]
fn the_order_of_time_counts_and_not_that_of_arrival() {
    let row = |k: i64| {
        (
            k * 10_000,
            Some(100_000 + 1_000 * k as u32),
            None,
            Some(k as u64 * k as u64 * MB),
        )
    };
    check(
        Width::Bits64,
        &[row(3), row(1), row(2)],
        &[Ok(3 * MB), Ok(5 * MB)],
    );
    let steps = judge(
        &samples(&[row(3), row(1), row(2)]),
        &Profile::new(Width::Bits64, None),
    )
    .steps;
    assert_eq!(
        steps.iter().map(|s| (s.from, s.to)).collect::<Vec<_>>(),
        [(1, 2), (2, 0)]
    );
    assert_eq!(judge(&[], &Profile::new(Width::Bits64, None)).steps, []);
}

#[test]
fn a_rate_is_as_sure_as_the_surer_clock() {
    let rate = |within: Nanos, up: Option<u32>| {
        let mut pair = samples(&[
            (0, up.map(|_| 100_000), None, Some(1_000_000 * MB)),
            (10_000, up, None, Some(1_000_010 * MB)),
        ]);
        for sample in &mut pair {
            sample.within = within;
        }
        let steps = judge(&pair, &Profile::new(Width::Bits64, Some(1_000_000_000))).steps;
        steps[0].outcome.unwrap().rate()
    };
    let ms = Nanos::from_millis;
    let (near, far, both) = (
        rate(ms(2), None),
        rate(ms(500), None),
        rate(ms(500), Some(101_000)),
    );
    assert_eq!([near.bps, far.bps, both.bps], [8e6; 3]);
    // ±5 ms of 10 s; ±1 s; ±10 ms and what the agent's clock may be wrong by.
    assert!((3_900.0..4_100.0).contains(&near.u_bps), "{near:?}");
    assert!((8e5..9e5).contains(&far.u_bps), "{far:?}");
    assert!(both.u_bps < far.u_bps / 5.0, "{both:?}");
}

#[test]
fn an_agent_that_answers_with_copies_is_found_by_what_repeats() {
    let row = |k: u32, value| {
        (
            i64::from(k) * 10_000,
            Some(100_000 + 1_000 * k),
            None,
            Some(value),
        )
    };
    let profile = Profile::new(Width::Bits64, Some(1_000_000_000));
    // 400 Mb/s, copied every twenty seconds: nothing, and then a gigabyte.
    let far = 100_000 * MB;
    let rows = [
        row(0, far),
        row(1, far + 500 * MB),
        row(2, far + 500 * MB),
        row(3, far + 1_500 * MB),
        row(4, far + 1_500 * MB),
    ];
    let steps = judge(&samples(&rows), &profile).steps;
    for step in &steps {
        let rate = step.outcome.unwrap().rate();
        assert!(rate.at_least() <= 4e8 && 4e8 <= rate.at_most(), "{step:?}");
        assert!(rate.bps <= 1.001e9, "{rate:?}");
    }
    // A port that never moves is idle, and nothing but that is seen.
    let idle = judge(&samples(&[row(0, far), row(1, far), row(2, far)]), &profile).steps;
    let rate = idle[1].outcome.unwrap().rate();
    assert_eq!((rate.bps, rate.u_bps), (0.0, 0.0));
}

#[test]
fn what_fails_next_to_a_missing_speed_is_only_what_needs_one() {
    let rows = samples(&[
        (0, Some(100_000), None, Some(MB)),
        (10_000, Some(101_000), None, Some(2 * MB)),
    ]);
    // ifSpeed shows 2^32 - 1 when it cannot show the speed.
    for speed in [None, Some(0), Some(u64::from(u32::MAX))] {
        let told = |width| {
            judge(&rows, &Profile::new(width, speed)).steps[0]
                .outcome
                .map(|i| i.octets)
        };
        assert_eq!(told(Width::Bits64), Ok(MB));
        assert_eq!(told(Width::Bits32), Err(Unknown::AmbiguousWrap));
    }
}

#[test]
fn copies_that_live_shorter_than_the_interval_show_in_even_traffic() {
    let profile = Profile::new(Width::Bits64, Some(1_000_000_000));
    for (life_ms, phase_ms) in [(3_000, 0), (3_000, 1_700), (7_300, 400), (900, 0)] {
        let rows: Vec<Row> = (0..40_i64)
            .map(|k| {
                let t_ms = k * 10_000 + k * 7_919 % 600;
                let read_ms = t_ms - (t_ms - phase_ms).rem_euclid(life_ms);
                let up = Some(100_000 + (t_ms / 10) as u32);
                (t_ms, up, None, Some((1_000_000 + read_ms) as u64 * 50_000))
            })
            .collect();
        let judged = judge(&samples(&rows), &profile);
        for step in &judged.steps {
            let rate = step.outcome.unwrap().rate();
            assert!(
                rate.at_least() <= 4e8 && 4e8 <= rate.at_most(),
                "{life_ms}: {rate:?} {:?}",
                judged.cache
            );
        }
        assert!(judged.cache.at_most < Nanos::from_millis(2 * life_ms));
    }
}
