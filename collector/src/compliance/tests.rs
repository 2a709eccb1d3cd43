//! From judged windows in a store to answers, as the page and the command get them.

use std::sync::Arc;

use owl_measure::delay::{Basis, OneWayDelay};
use owl_measure::verdict::period::Why;
use owl_measure::verdict::{EvidenceClass, Profile, Quantile, State, Statistics, Verdict};
use rusqlite::Connection;

use super::*;
use crate::judgement::{Judgement, Percentile, Span as Ends};
use crate::live::Live;
use crate::metrics::Own;
use crate::rulebook::Rulebook;
use crate::store::{Store, Windowing, Work, WriterThread};

const PATH: &str = "yannan-ct~binhaigang-ct";
const MINUTE: Nanos = Nanos::from_secs(60);
/// Midnight of 16 June 2025 in Shanghai.
const DAY: Timestamp = Timestamp(1_750_003_200_000_000_000);

/// The judgement on the minute `k` of the day, all of whose packets take so long.
fn judgement(k: i64, delay_us: i64) -> Judgement {
    let target = Nanos::from_millis(1);
    let delay = OneWayDelay {
        lo: Nanos::from_micros(delay_us - 10),
        hi: Nanos::from_micros(delay_us),
        basis: Basis::Proved,
    };
    let met = delay.hi <= target;
    let percentile = |quantile| Percentile {
        quantile,
        one_way: Some(delay),
        round_trip: Ends::from(delay),
        raw: Ends::from(delay),
    };
    Judgement {
        path: PATH.into(),
        profile: "plan-2026".into(),
        quantile: Quantile::P95,
        window_start: DAY + MINUTE.times(k),
        window: MINUTE,
        judged_at: DAY,
        verdict: Verdict {
            state: if met { State::Met } else { State::Missed },
            reason: None,
            class: Some(EvidenceClass::B),
            delay: Some(delay),
            received: 600,
            ..Verdict::no_data(target, 600)
        },
        why: None,
        percentiles: [Quantile::P50, Quantile::P95, Quantile::P99]
            .map(percentile)
            .to_vec(),
        ways: Vec::new(),
        flows: Vec::new(),
        clock_error_bound: None,
        clock_random: None,
        implied: None,
        seat: None,
        lost: 0,
        lost_unknown: 0,
        own_loss: 0,
        late: 0,
        statistics: Some(Statistics {
            planned: 600,
            sufficient: true,
            p95: Some(delay),
            p99: Some(delay),
            mean: Some(delay),
            min: Some(delay),
            within: if met { 600 } else { 0 },
            beyond: if met { 0 } else { 600 },
        }),
        rule: None,
        inputs: None,
    }
}

/// A store with its collector's writer.
struct Bench {
    store: Store,
    _writer: WriterThread,
    directory: tempfile::TempDir,
}

fn open(directory: tempfile::TempDir) -> Bench {
    let topology = Topology::yancheng();
    let live = Arc::new(Live::new(&topology, None));
    let windowing = Windowing::of(&live, Timestamp(0));
    let (store, writer) =
        Store::open(directory.path(), windowing, &live, &Arc::new(Own::new())).unwrap();
    Bench {
        store,
        _writer: writer,
        directory,
    }
}

impl Bench {
    fn new() -> Self {
        open(tempfile::tempdir().unwrap())
    }

    fn judge(&self, judgements: Vec<Judgement>) {
        let work = Work::Verdicts {
            judgements,
            book: Arc::new(Rulebook::of(&Topology::yancheng(), [])),
            seen: None,
            audited: None,
        };
        self.store.write_blocking(work).unwrap();
    }

    fn ask(&self, paths: &[&str], profiles: AskedProfiles) -> ComplianceAnswer {
        let asked = Asked {
            period: Some("2025-06-16".into()),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            profiles,
        };
        self.answer(&asked, DAY + MINUTE.times(2_000))
    }

    fn answer(&self, asked: &Asked, now: Timestamp) -> ComplianceAnswer {
        let topology = Topology::yancheng();
        let zone = TimeZone::get(&topology.timezone).unwrap();
        let scene = Scene {
            topology: &topology,
            zone: &zone,
            now,
            grace: Nanos::from_secs(3),
        };
        let resolved = asked.resolve(&scene, topology.paths()).unwrap();
        resolved
            .answer(&self.store.reader().unwrap(), &scene)
            .unwrap()
    }
}

/// Answers for the tests of pages: all paths under each profile, and one path under all of them, on a mixed day.
pub(crate) fn answers() -> (Vec<ComplianceAnswer>, Vec<ComplianceAnswer>) {
    let bench = Bench::new();
    bench.judge(mixed());
    let all = PeriodProfile::all()
        .iter()
        .map(|profile| bench.ask(&[], AskedProfiles::One(profile.id.clone())))
        .collect();
    (all, vec![bench.ask(&[PATH], AskedProfiles::All)])
}

/// Answers of a store in which nothing was ever measured.
pub(crate) fn unmeasured() -> Vec<ComplianceAnswer> {
    let bench = Bench::new();
    PeriodProfile::all()
        .iter()
        .map(|profile| bench.ask(&[], AskedProfiles::One(profile.id.clone())))
        .collect()
}

/// A day with good and bad minutes, an outage, and a gap of an hour.
fn mixed() -> Vec<Judgement> {
    (60..1_440)
        .map(|k| match k {
            600..620 => Judgement {
                lost: 400,
                verdict: Verdict {
                    received: 200,
                    ..judgement(k, 900).verdict
                },
                ..judgement(k, 900)
            },
            _ => judgement(k, if k % 7 == 0 { 1_600 } else { 900 }),
        })
        .collect()
}

#[test]
fn a_window_that_is_judged_again_counts_once_and_as_it_was_judged_last() {
    let bench = Bench::new();
    bench.judge((0..1_440).map(|k| judgement(k, 900)).collect());
    let tally = |bench: &Bench| {
        let answer = bench.ask(&[PATH], AskedProfiles::Default);
        answer.paths[0].results[0].counted.tally
    };
    assert_eq!((tally(&bench).met, tally(&bench).windows()), (1_440, 1_440));
    // Ten of them again, out of order and twice, now missed.
    let again = || (100..110).rev().map(|k| judgement(k, 1_100)).collect();
    bench.judge(again());
    bench.judge(again());
    let told = tally(&bench);
    assert_eq!((told.met, told.missed, told.windows()), (1_430, 10, 1_440));
}

#[test]
fn the_same_day_stands_differently_under_each_rule_side_by_side() {
    let bench = Bench::new();
    bench.judge(mixed());
    let answer = bench.ask(&[PATH], AskedProfiles::All);
    let states: Vec<(&str, State)> = answer.paths[0]
        .results
        .iter()
        .map(|result| (result.profile.as_str(), result.state))
        .collect();
    let expected = [
        ("plan-2026", State::Missed),
        ("acceptance", State::Missed),
        ("sla", State::Missed),
        ("y1541", State::Missed),
        // One day is no three in a row.
        ("miit-interconnect", State::Undecided),
        // The mean hides a seventh of the minutes.
        ("caict", State::Met),
        ("mef", State::Missed),
        ("fcc-caf", State::Missed),
    ];
    assert_eq!(states, expected);
    let plan = &answer.paths[0].results[0].counted;
    assert_eq!((plan.tally.unavailable, plan.tally.gap), (20, 60));
}

#[test]
fn an_answer_is_read_back_from_its_json_as_it_was() {
    let (all, one) = answers();
    for answer in all.iter().chain(&one) {
        let written = serde_json::to_string(answer).unwrap();
        let read: ComplianceAnswer = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), written);
    }
}

#[test]
fn a_store_of_an_older_version_is_read_from_its_verdicts_also_within_an_hour() {
    let bench = Bench::new();
    let older = |k: i64| Judgement {
        statistics: None,
        ..judgement(k, 900)
    };
    bench.judge((0..90).map(older).collect());
    // As the version before left it: verdicts, and no hours.
    let file = bench.directory.path().join("owl.sqlite");
    Connection::open(&file)
        .unwrap()
        .execute_batch("DELETE FROM hour")
        .unwrap();
    let told = |bench: &Bench| {
        let answer = bench.ask(&[PATH], AskedProfiles::Default);
        answer.paths[0].results[0].counted.tally.met
    };
    assert_eq!(told(&bench), 90);
    // The next minute comes within the second hour, whose row must not forget the thirty before.
    bench.judge(vec![judgement(90, 900)]);
    assert_eq!(told(&bench), 91);
}

#[test]
fn a_running_period_ends_where_windows_have_been_judged() {
    let bench = Bench::new();
    bench.judge((0..100).map(|k| judgement(k, 900)).collect());
    let asked = Asked {
        period: Some("2025-06-16".into()),
        paths: vec![PATH.into()],
        profiles: AskedProfiles::Default,
    };
    // The hundredth minute has ended three seconds ago and is not judged yet; the ninety-ninth is.
    let answer = bench.answer(&asked, DAY + MINUTE.times(101) + Nanos::from_secs(3));
    let tally = answer.paths[0].results[0].counted.tally;
    assert_eq!((tally.met, tally.gap), (100, 0));
    assert!(answer.until < answer.end);
}

#[test]
fn hours_outlive_their_verdicts_by_a_year() {
    let bench = Bench::new();
    bench.judge((0..60).map(|k| judgement(k, 900)).collect());
    let retain = |before| {
        let again = || bench.store.write_blocking(Work::Retain { before }).unwrap() > 0;
        while again() {}
    };
    let told = || {
        let answer = bench.ask(&[PATH], AskedProfiles::Default);
        answer.paths[0].results[0].counted.tally.met
    };
    retain(DAY + Nanos::from_secs(86_400));
    assert_eq!(told(), 60);
    retain(DAY + Nanos::from_secs(366 * 86_400));
    assert_eq!(told(), 0);
}

#[test]
fn the_store_is_read_beside_its_collector_and_after_it() {
    let bench = Bench::new();
    bench.judge((0..1_440).map(|k| judgement(k, 900)).collect());
    let topology = Topology::yancheng();
    let asked = Asked {
        period: Some("2025-06-16".into()),
        paths: vec![PATH.into()],
        profiles: AskedProfiles::Default,
    };
    let answer = read_compliance(bench.directory.path(), &topology, &asked).unwrap();
    assert_eq!(answer.paths[0].results[0].counted.tally.met, 1_440);
    let nowhere = tempfile::tempdir().unwrap();
    let none = read_compliance(nowhere.path(), &topology, &asked);
    assert!(matches!(none, Err(ComplianceError::NoStore { .. })));
}

#[test]
fn windows_of_another_length_are_not_taken_for_minutes() {
    let bench = Bench::new();
    bench.judge((0..60).map(|k| judgement(k, 900)).collect());
    let mut paths = Topology::yancheng().paths();
    let path = paths
        .iter_mut()
        .find(|path| path.id == PATH)
        .expect("the topology has it");
    path.profile = Profile::lab();
    let topology = Topology::yancheng();
    let zone = TimeZone::get(&topology.timezone).unwrap();
    let span = Span::read("2025-06-16", &zone, DAY + MINUTE).unwrap();
    let judging = Judging {
        topology: &topology,
        zone: &zone,
        span: &span,
        announced: &[],
        judged_until: DAY + MINUTE.times(60),
    };
    let reader = bench.store.reader().unwrap();
    let profiles = [PeriodProfile::default_profile().clone()];
    let told = judging.path(&reader, path, &profiles).unwrap();
    assert_eq!(told.results[0].counted.tally.met, 0);
    assert!(matches!(
        told.results[0].why,
        Some(Why::WindowLength { .. })
    ));
}
