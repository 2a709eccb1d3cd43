//! Periods under every profile: numbers by hand, and a month whose truth is known.

use super::testing::{MINUTE, NOVEMBER, judged, shanghai, slow, us, vague, window};
use super::*;
use crate::distribution::Bounds;

mod known_truth;

fn profile(id: &str) -> &'static PeriodProfile {
    PeriodProfile::named(id).expect("it is built in")
}

/// A month of minutes, each as `kind` says; `None` is a gap.
fn month(kind: impl Fn(i64) -> Option<PeriodWindow>) -> Vec<PeriodWindow> {
    (0..30 * 1_440).filter_map(kind).collect()
}

fn works(from: i64, to: i64, declared_at: i64) -> Works {
    Works {
        id: "mw".into(),
        start: NOVEMBER + MINUTE.times(from),
        end: NOVEMBER + MINUTE.times(to),
        declared_at: NOVEMBER + MINUTE.times(declared_at),
        by: "noc".into(),
        reason: "fibre cut-over".into(),
    }
}

#[track_caller]
fn code(compliance: &Compliance, state: State, why: Option<&str>) {
    assert_eq!(
        (compliance.state, compliance.why.map(Why::code)),
        (state, why),
        "{:?}",
        compliance.deciding().share
    );
}

#[test]
fn a_month_of_minutes_gives_the_share_that_is_counted_by_hand() {
    // Every 50th minute is slow, every 100th vague, every 200th missing: of 43 200 minutes 864 − 432, 432 − 216 and 216.
    let windows = month(|k| match k {
        k if k % 200 == 0 => None,
        k if k % 100 == 0 => Some(vague(k)),
        k if k % 50 == 0 => Some(slow(k)),
        k => Some(window(k)),
    });
    let told = judged(30 * 1_440, &windows, &[], profile("plan-2026"));
    let tally = told.counted.tally;
    assert_eq!(
        (tally.met, tally.missed, tally.undecided, tally.gap),
        (42_336, 432, 216, 216)
    );
    let share = told.counted.share.expect("windows count");
    assert_eq!((share.lo, share.hi), (0.98, 0.99));
    code(&told, State::Met, None);
    assert_eq!(told.counted.days.len(), 30);
    assert_eq!(told.counted.days[0].tally.windows(), 1_440);
    // Seven busy hours a day.
    assert_eq!(told.counted.busy.expect("apart").windows(), 30 * 7 * 60);
    code(
        &judged(30 * 1_440, &windows, &[], profile("sla")),
        State::Undecided,
        Some("straddles"),
    );
}

#[test]
fn a_gap_is_not_bad_and_not_good() {
    let none = judged(1_440, &[], &[], profile("plan-2026"));
    code(&none, State::Undecided, Some("no-data"));
    let share = none.counted.share.expect("windows count");
    assert_eq!((share.lo, share.hi), (0.0, 1.0));
    // 11 % missing: the rest is good, and yet it is not enough for the profile.
    let most: Vec<PeriodWindow> = (0..1_440).filter(|k| k % 9 != 0).map(window).collect();
    let told = judged(1_440, &most, &[], profile("plan-2026"));
    code(&told, State::Undecided, Some("coverage"));
    // A packet sent of which nothing was heard is no gap, and no miss either.
    let silent: Vec<PeriodWindow> = (0..1_440)
        .map(|k| PeriodWindow {
            received: 0,
            sufficient: false,
            p95: None,
            p99: None,
            mean: None,
            min: None,
            within: 0,
            ..window(k)
        })
        .collect();
    let told = judged(1_440, &silent, &[], profile("plan-2026"));
    assert_eq!(
        (told.counted.tally.undecided, told.counted.tally.gap),
        (1_440, 0)
    );
    code(&told, State::Undecided, Some("coverage"));
}

#[test]
fn the_busy_hours_stand_by_themselves() {
    let calendar = shanghai();
    // Of a day 60 busy minutes are slow: 4.2 % of all, and 14.3 % of the busy ones.
    let windows = month(|k| {
        let nine = (9 * 60..10 * 60).contains(&(k % 1_440));
        Some(if nine { slow(k) } else { window(k) })
    });
    assert!(calendar.is_within(NOVEMBER + MINUTE.times(9 * 60), &BUSY_HOURS));
    let told = judged(30 * 1_440, &windows, &[], profile("plan-2026"));
    assert_eq!(told.counted.share.expect("counted").state, State::Met);
    assert_eq!(told.counted.busy_share.expect("apart").state, State::Missed);
    code(&told, State::Missed, None);
    // The contract does not look at them apart, and 95.8 % are no 99 %.
    code(
        &judged(30 * 1_440, &windows, &[], profile("sla")),
        State::Missed,
        None,
    );
}

#[test]
fn other_days_must_stand_on_the_same_side_where_the_profile_says_so() {
    // 4.6 % of the hours are all slow: met by the counts, and not at 95 % confidence.
    let windows = month(|k| {
        Some(if (k / 60) % 22 == 0 {
            slow(k)
        } else {
            window(k)
        })
    });
    let told = judged(30 * 1_440, &windows, &[], profile("plan-2026"));
    let share = told.counted.share.expect("counted");
    assert_eq!(share.state, State::Met);
    assert!(share.confidence.expect("720 hours").0 < 0.95, "{share:?}");
    code(&told, State::Undecided, Some("confidence"));
}

#[test]
fn a_period_shorter_than_its_rule_says_so() {
    let day: Vec<PeriodWindow> = (0..1_440).map(window).collect();
    code(
        &judged(1_440, &day, &[], profile("plan-2026")),
        State::Met,
        None,
    );
    // Until 14:00 there are three busy hours.
    code(
        &judged(14 * 60, &day, &[], profile("plan-2026")),
        State::Undecided,
        Some("too-short"),
    );
    code(
        &judged(2 * 1_440, &day, &[], profile("miit-interconnect")),
        State::Undecided,
        Some("too-short"),
    );
}

#[test]
fn unavailable_time_is_left_out_and_told_beside() {
    // An outage of a day: a loss of half the packets, which is late under p95 and unavailable under Y.1540.
    let outage = |k: i64| PeriodWindow {
        received: 300,
        lost: 300,
        within: 300,
        p95: us(i64::MAX / 1_000, i64::MAX / 1_000).map(|_| Bounds {
            at_least: Nanos::MAX,
            at_most: Nanos::MAX,
        }),
        ..window(k)
    };
    let windows = month(|k| Some(if k / 1_440 == 3 { outage(k) } else { window(k) }));
    let told = judged(30 * 1_440, &windows, &[], profile("plan-2026"));
    code(&told, State::Met, None);
    let counted = &told.counted;
    assert_eq!(counted.tally.unavailable, 1_440);
    assert_eq!(counted.available.unavailable, 1_440);
    assert_eq!(counted.available.longest_unavailable, 1_440);
    assert_eq!(counted.available.share(), Some((29.0 / 30.0, 29.0 / 30.0)));
    // The acceptance rule knows no excuse; its p99 was kept as quiet here, so its own miss is planted.
    let severe = month(|k| {
        Some(if k == 7 {
            PeriodWindow {
                p99: us(1_501, 1_600),
                ..window(k)
            }
        } else {
            window(k)
        })
    });
    code(
        &judged(1_440, &severe, &[], profile("acceptance")),
        State::Missed,
        None,
    );
    // Out of available time from the begin to the end: nothing is left to judge, and that is said.
    let dark: Vec<PeriodWindow> = (0..1_440).map(outage).collect();
    code(
        &judged(1_440, &dark, &[], profile("plan-2026")),
        State::Undecided,
        Some("no-available-time"),
    );
}

#[test]
fn maintenance_excuses_only_when_announced_before_and_both_results_are_told() {
    // 480 slow minutes in the night of a day, a third.
    let windows: Vec<PeriodWindow> = (0..1_440)
        .map(|k| if k < 480 { slow(k) } else { window(k) })
        .collect();
    let (sla, plan) = (profile("sla"), profile("plan-2026"));
    let announced = judged(1_440, &windows, &[works(0, 480, -1)], sla);
    code(&announced, State::Met, None);
    assert_eq!(announced.counted.state, State::Missed);
    let excused = announced.excused.as_ref().expect("announced in time");
    assert_eq!((excused.tally.excluded, excused.tally.met), (480, 960));
    // The plan counts everything, and yet tells the other number.
    let counted = judged(1_440, &windows, &[works(0, 480, -1)], plan);
    code(&counted, State::Missed, None);
    assert_eq!(counted.excused.as_ref().map(|o| o.state), Some(State::Met));
    // Announced a minute after it had begun: told, and without effect.
    let late = judged(1_440, &windows, &[works(0, 480, 1)], sla);
    code(&late, State::Missed, None);
    assert_eq!((late.works.len(), late.works[0].retroactive), (1, true));
    assert_eq!(late.excused, None);
    // Maintenance of another month does not touch this one.
    let other = judged(1_440, &windows, &[works(-300, 0, -400)], sla);
    assert_eq!((other.works.len(), other.excused), (0, None));
}

#[test]
fn a_window_that_is_kept_twice_counts_once_and_one_off_the_grid_not_at_all() {
    let mut windows: Vec<PeriodWindow> = (0..1_440).flat_map(|k| [window(k), window(k)]).collect();
    windows.insert(
        1,
        PeriodWindow {
            start: NOVEMBER + Nanos::from_secs(1),
            ..window(0)
        },
    );
    windows.sort_by_key(|window| window.start);
    let tally = judged(1_440, &windows, &[], profile("plan-2026"))
        .counted
        .tally;
    assert_eq!((tally.met, tally.windows()), (1_440, 1_440));
}

#[test]
fn a_month_in_local_time_begins_and_ends_at_local_midnight() {
    // The last minute of October and the first of December are slow, and belong to others.
    let mut windows = month(|k| Some(window(k)));
    windows.insert(0, slow(-1));
    windows.push(slow(30 * 1_440));
    let told = judged(30 * 1_440, &windows, &[], profile("plan-2026"));
    assert_eq!(told.counted.tally.missed, 0);
    assert_eq!(told.counted.days.len(), 30);
    assert_eq!(told.counted.days[29].tally.windows(), 1_440);
}

#[test]
fn three_days_in_a_row_are_three_days_in_a_row() {
    let days = |slow_days: &[i64]| {
        let windows = month(|k| {
            Some(if slow_days.contains(&(k / 1_440)) {
                slow(k)
            } else {
                window(k)
            })
        });
        judged(30 * 1_440, &windows, &[], profile("miit-interconnect"))
    };
    code(&days(&[3, 4, 6, 7]), State::Met, None);
    code(&days(&[3, 4, 5]), State::Missed, None);
    let run = days(&[3, 4, 5, 7])
        .counted
        .run
        .expect("the rule is about it");
    assert_eq!((run.certain, run.possible), (3, 3));
    // A day of which nothing is known may be the third.
    let windows = month(|k| match k / 1_440 {
        3 | 4 => Some(slow(k)),
        5 => None,
        _ => Some(window(k)),
    });
    code(
        &judged(30 * 1_440, &windows, &[], profile("miit-interconnect")),
        State::Undecided,
        Some("straddles"),
    );
}

#[test]
fn a_mean_over_a_month_is_no_narrower_than_its_clocks() {
    let windows = month(|k| Some(vague(k)));
    let told = judged(30 * 1_440, &windows, &[], profile("caict"));
    let mean = told.counted.mean.expect("measured");
    assert_eq!(
        (mean.lo, mean.hi),
        (Nanos::from_micros(900), Nanos::from_micros(1_100))
    );
    code(&told, State::Undecided, Some("straddles"));
    let good = month(|k| Some(window(k)));
    code(
        &judged(30 * 1_440, &good, &[], profile("caict")),
        State::Met,
        None,
    );
    // The weight is the packets': 600 at 800 and 300 at 1 100 are 900.
    let uneven = [
        window(0),
        PeriodWindow {
            received: 300,
            sent: 300,
            mean: us(1_100, 1_100),
            ..window(1)
        },
    ];
    let mean = judged(2, &uneven, &[], profile("caict")).counted.mean;
    assert_eq!(mean.expect("measured").lo, Nanos::from_micros(900));
}

#[test]
fn the_mean_can_hide_what_the_share_of_minutes_shows() {
    // A mean of 0.9 ms, and a fifth of the minutes above 1 ms.
    let windows = month(|k| Some(if k % 5 == 0 { slow(k) } else { window(k) }));
    code(
        &judged(30 * 1_440, &windows, &[], profile("caict")),
        State::Met,
        None,
    );
    code(
        &judged(30 * 1_440, &windows, &[], profile("plan-2026")),
        State::Missed,
        None,
    );
}

#[test]
fn a_lost_packet_is_late_for_one_profile_and_no_delay_for_another_and_an_omitted_test_fails() {
    // 6 % lost in this direction, all others in time.
    let lossy = |k: i64| PeriodWindow {
        received: 564,
        lost: 36,
        within: 564,
        ..window(k)
    };
    let windows = month(|k| Some(lossy(k)));
    let told = |id, windows: &[PeriodWindow]| judged(30 * 1_440, windows, &[], profile(id));
    code(&told("mef", &windows), State::Met, None);
    code(&told("fcc-caf", &windows), State::Missed, None);
    // Six hours of the evening, all quiet, one minute in ten not tested.
    let omitted = month(|k| (k % 10 != 0).then(|| window(k)));
    code(&told("fcc-caf", &omitted), State::Missed, None);
    let share = told("fcc-caf", &omitted)
        .counted
        .packet_share
        .expect("packets");
    assert_eq!((share.lo, share.packets), (0.9, 30 * 360 * 600));
    code(&told("mef", &omitted), State::Met, None);
    code(&told("fcc-caf", &[]), State::Missed, None);
}

#[test]
fn what_an_older_store_did_not_keep_is_named() {
    let old: Vec<PeriodWindow> = (0..1_440)
        .map(|k| PeriodWindow {
            mean: None,
            min: None,
            ..window(k)
        })
        .collect();
    let told = judged(1_440, &old, &[], profile("y1541"));
    code(&told, State::Undecided, Some("not-kept"));
    let why = told.why.expect("undecided");
    assert_eq!(
        why.sentence(crate::words::Lang::En),
        "the mean was not kept for 1440 of the windows (an older store)"
    );
    code(
        &judged(1_440, &old, &[], profile("caict")),
        State::Undecided,
        Some("not-kept"),
    );
    code(
        &judged(1_440, &old, &[], profile("plan-2026")),
        State::Met,
        None,
    );
}

#[test]
fn windows_of_another_length_show_their_share_and_no_verdict() {
    let day: Vec<PeriodWindow> = (0..1_440).map(window).collect();
    let told = judge_period(
        &Period {
            start: NOVEMBER,
            end: NOVEMBER + MINUTE.times(1_440),
            length: Nanos::from_secs(10),
            origin: Timestamp(0),
            windows: &day,
            calendar: &shanghai(),
            busy_hours: &BUSY_HOURS,
            works: &[],
        },
        profile("plan-2026"),
    );
    code(&told, State::Undecided, Some("window-length"));
    assert_eq!(told.counted.tally.met, 1_440);
    assert_eq!(told.counted.tally.gap, 5 * 1_440);
}

#[test]
fn every_reason_has_a_sentence_in_both_languages() {
    use crate::words::Lang;
    for why in [
        Why::NoData,
        Why::NoAvailableTime,
        Why::Coverage {
            measured: 0.5,
            required: 0.9,
        },
        Why::Straddles,
        Why::Confidence,
        Why::few_hours(),
        Why::TooShort {
            needed: 3,
            unit: Unit::Days,
        },
        Why::Severe { windows: 1 },
        Why::NotKept {
            statistic: Statistic::Min,
            windows: 9,
        },
        Why::WindowLength {
            judged: Nanos::from_secs(10),
            wanted: MINUTE,
        },
        Why::TargetChanged,
    ] {
        assert!(why.sentence(Lang::En).is_ascii(), "{why:?}");
        assert!(!why.sentence(Lang::Zh).is_ascii(), "{why:?}");
    }
}
