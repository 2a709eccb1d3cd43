use std::sync::mpsc;

use owl_measure::hindrance::Hindrance;
use owl_measure::report::Report;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{Conditional, EvidenceClass, Profile, Quantile, Reason, State};
use owl_measure::words::Lang;
use owl_topology::Topology;

use super::*;
use crate::judgement::Seat;
use crate::live::Caller;
use crate::metrics::Own;
use crate::store::{Admitted, Arrival, WriterThread};
use crate::testing::{Link, QUIET, SECOND, hindered, report_of, unanswered};

const OUT: &str = "yannan-ct~supercomputing-ct";
const BACK: &str = "supercomputing-ct~yannan-ct";
const OTHER: &str = "yannan-ct~binhaigang-ct";

mod clock_steps;
mod explained;
mod findings;
mod past;
mod releases;

struct Court {
    judge: Judge,
    live: Arc<Live>,
    sequence: u64,
    writer: WriterThread,
    directory: tempfile::TempDir,
}

/// A judge that has been there since `watching_since_s`, with windows of ten seconds and three of grace.
fn court(watching_since_s: i64) -> Court {
    seated(tempfile::tempdir().unwrap(), watching_since_s, 1)
}

/// The same, over what a directory holds.
fn seated(directory: tempfile::TempDir, watching_since_s: i64, sequence: u64) -> Court {
    let live = Arc::new(Live::new(&Topology::yancheng(), Some(&Profile::lab())));
    let windowing = Windowing::of(&live, Timestamp(0));
    let (store, writer) = Store::open(
        directory.path(),
        windowing.clone(),
        &live,
        &Arc::new(Own::new()),
    )
    .unwrap();
    let since = Timestamp(watching_since_s * SECOND);
    let judge = Judge::new(
        store,
        &Topology::yancheng(),
        Arc::clone(&live),
        windowing,
        Nanos::from_secs(3),
        since,
    )
    .unwrap();
    Court {
        judge,
        live,
        sequence,
        writer,
        directory,
    }
}

impl Court {
    /// Another collector takes the place of this one, with nothing but the store.
    fn restart(&mut self) {
        let next = self.judge.dockets[0].next;
        let since_s = (next - Timestamp(0)).0 / SECOND;
        let nowhere = tempfile::tempdir().unwrap();
        let Self {
            judge,
            sequence,
            writer,
            directory,
            ..
        } = std::mem::replace(self, seated(nowhere, since_s, 1));
        drop(judge);
        writer.join();
        *self = seated(directory, since_s, sequence);
    }

    /// Reports on ten seconds of `path`, received at `received_s`.
    fn receive(&mut self, path: &str, start_s: i64, link: Link, received_s: i64) {
        let seconds = start_s..start_s + 10;
        let reports = seconds.map(|second| report_of(path, second, link));
        self.deliver(reports.collect(), received_s);
    }

    /// Reports of one path, received at `received_s`.
    fn deliver(&mut self, reports: Vec<Report>, received_s: i64) {
        let probe = reports[0].path.split('~').next().unwrap().to_owned();
        let reports: Vec<_> = reports
            .into_iter()
            .map(|report| {
                Ok(Admitted {
                    body: report.encode(),
                    report: report.into(),
                })
            })
            .collect();
        let first_sequence = self.sequence;
        self.sequence += reports.len() as u64;
        let received_at = Timestamp(received_s * SECOND);
        let caller = Caller {
            epoch: 1,
            software: "t".into(),
            simulated: false,
            called_at: received_at,
        };
        self.judge
            .store
            .write_blocking(Work::Call {
                probe: probe.clone(),
                caller,
            })
            .unwrap();
        self.judge
            .store
            .write_blocking(Work::Arrival(Arc::new(Arrival {
                probe,
                epoch: 1,
                first_sequence,
                received_at,
                can_be_asked: false,
                reports,
            })))
            .unwrap();
    }

    /// Does to a stored report what nobody should: another stands in its place, or none.
    fn change_report(&self, sequence: i64, octets: Option<&[u8]>) {
        let file = self.directory.path().join("owl.sqlite");
        let connection = rusqlite::Connection::open(file).unwrap();
        let its_batch = "first_sequence <= ?1 AND first_sequence + 10 > ?1";
        let (first, body): (i64, Vec<u8>) = connection
            .query_row(
                &format!("SELECT first_sequence, body FROM batch WHERE {its_batch}"),
                [sequence],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        let which = usize::try_from(sequence - first).unwrap();
        let body = crate::store::batches::changed(&body, which, octets);
        let sql = format!("UPDATE batch SET body = ?2 WHERE {its_batch}");
        assert_eq!(connection.execute(&sql, (sequence, body)).unwrap(), 1);
    }

    fn round(&mut self, now_s: i64) {
        self.judge.round(Timestamp(now_s * SECOND)).unwrap();
    }

    fn latest(&self, path: &str) -> Option<Judgement> {
        self.live.read().path(path).unwrap().latest.clone()
    }

    #[track_caller]
    fn stands(&self, path: &str, start_s: i64, state: State, reason: Option<Reason>) -> Judgement {
        let judgement = self.latest(path).expect("a verdict");
        let got = (
            judgement.window_start,
            judgement.verdict.state,
            judgement.verdict.reason,
        );
        assert_eq!(
            got,
            (Timestamp(start_s * SECOND), state, reason),
            "{judgement:?}"
        );
        judgement
    }
}

#[test]
fn a_damaged_report_stops_no_other_verdict() {
    let mut court = court(0);
    for path in [OUT, OTHER] {
        court.receive(path, 0, QUIET, 11);
    }
    court.change_report(1, Some(&[0xff]));
    court.round(14);
    assert_eq!(court.judge.dockets[0].next, Timestamp(10 * SECOND));
    court.stands(OTHER, 0, State::Met, None);
    let without = court.latest(OUT).expect("a verdict");
    assert_eq!(without.inputs.expect("reports").reports, 9);
}

#[test]
fn a_window_is_judged_once_its_end_and_the_grace_have_passed() {
    let mut court = court(0);
    court.receive(OUT, 0, QUIET, 11);
    court.round(12);
    assert_eq!(court.latest(OUT), None);
    court.round(13);
    let judgement = court.stands(OUT, 0, State::Met, None);
    assert_eq!(
        (
            judgement.verdict.sent,
            judgement.verdict.received,
            judgement.seat
        ),
        (100, 100, Some(Seat::Own))
    );
    assert_eq!(judgement.clock_error_bound, Some(Nanos(20_000)));
    let p95 = judgement.percentile(Quantile::P95).unwrap();
    assert!(
        p95.one_way
            .is_some_and(|delay| delay.lo <= Nanos(700_000) && Nanos(700_000) <= delay.hi),
        "{p95:?}"
    );
    assert!(
        p95.round_trip.lo <= Nanos(1_500_000) && Nanos(1_500_000) <= p95.round_trip.hi,
        "{p95:?}"
    );
}

#[test]
fn the_way_back_is_judged_from_the_far_session_when_its_own_is_missing() {
    let mut court = court(0);
    court.receive(
        OUT,
        0,
        Link {
            backward: 1_500_000,
            ..QUIET
        },
        11,
    );
    court.round(13);
    assert_eq!(
        court.stands(BACK, 0, State::Missed, None).seat,
        Some(Seat::Opposite)
    );
    court.receive(
        BACK,
        0,
        Link {
            forward: 1_500_000,
            ..QUIET
        },
        14,
    );
    court.round(15);
    assert_eq!(
        court.stands(BACK, 0, State::Missed, None).seat,
        Some(Seat::Own)
    );
}

#[test]
fn nothing_measured_is_a_verdict_with_its_reason_and_no_bad_mark() {
    let mut court = court(0);
    court.receive(OUT, 0, QUIET, 11);
    court.round(13);
    let why = |court: &Court, path, start_s| {
        court
            .stands(path, start_s, State::Undecided, Some(Reason::NoData))
            .why
    };
    let of = || "yannan-ct".to_owned();
    assert_eq!(
        why(&court, OTHER, 0),
        Some(NoDataWhy::NotReported { probe: of() })
    );
    let never = NoDataWhy::NotStarted {
        probe: "binhaigang-ct".into(),
    };
    assert_eq!(why(&court, "binhaigang-ct~yannan-ct", 0), Some(never));
    court.round(23);
    let silent = NoDataWhy::ProbeSilent {
        probe: of(),
        since: Timestamp(10 * SECOND),
    };
    assert_eq!(why(&court, OTHER, 10), Some(silent));
}

#[test]
fn a_session_that_its_server_refuses_is_not_measured_and_says_so() {
    let mut court = court(0);
    let refused = Hindrance::Refused { accept: 3 };
    court.deliver(
        vec![hindered(OUT, 8, refused), hindered(OUT, 9, refused)],
        11,
    );
    court.round(13);
    let judgement = court.stands(OUT, 0, State::Undecided, Some(Reason::NoData));
    let said = judgement.detail(Lang::En, |_| String::new()).unwrap();
    assert!(said.contains("Accept 3"), "{said}");
    let stored = serde_json::to_string(&judgement).unwrap();
    assert_eq!(
        serde_json::from_str::<Judgement>(&stored).unwrap(),
        judgement
    );
}

#[test]
fn a_dead_far_end_loses_every_packet_nobody_knows_where() {
    let mut court = court(0);
    court.deliver((0..10).map(|second| unanswered(OUT, second)).collect(), 11);
    court.round(13);
    let judgement = court.stands(OUT, 0, State::Undecided, Some(Reason::NoData));
    let counts = [
        judgement.verdict.sent,
        judgement.verdict.received,
        judgement.lost,
        judgement.lost_unknown,
    ];
    assert_eq!(counts, [100, 0, 0, 100]);
    assert_eq!(judgement.why, Some(NoDataWhy::NoReplies { sent: 100 }));
}

#[test]
fn what_the_probe_dropped_itself_stands_beside_what_was_lost() {
    let mut court = court(0);
    let mut reports: Vec<_> = (0..10).map(|second| unanswered(OUT, second)).collect();
    reports[4].summary.own_loss = 3;
    reports[5].summary.own_loss = 30;
    court.deliver(reports, 11);
    court.round(13);
    let judgement = court.stands(OUT, 0, State::Undecided, Some(Reason::NoData));
    assert_eq!((judgement.own_loss, judgement.lost_unknown), (13, 100));
    let table = court.live.read();
    assert_eq!(table.path(OUT).unwrap().totals.own_loss, 13);
}

#[test]
fn a_round_trip_faster_than_light_proves_wrong_coordinates_and_no_interval() {
    let mut court = court(0);
    let link = Link {
        forward: 10,
        backward: 10,
        ahead: 0,
    };
    let farthest = Topology::yancheng()
        .paths()
        .into_iter()
        .max_by_key(|path| path.floor_forward)
        .unwrap();
    court.receive(&farthest.id, 0, link, 11);
    court.round(13);
    let judgement = court.stands(
        &farthest.id,
        0,
        State::Undecided,
        Some(Reason::Contradiction),
    );
    assert!(judgement.coordinates_are_wrong(), "{judgement:?}");
    assert_eq!(judgement.percentiles.len(), 3);
    for percentile in &judgement.percentiles {
        assert_eq!(percentile.one_way, None);
        assert!(percentile.round_trip.lo <= Nanos(20), "{percentile:?}");
    }
}

#[test]
fn reports_that_reach_over_the_end_of_a_window_say_so() {
    let mut court = court(0);
    let mut report = report_of(OUT, 9, QUIET);
    report.summary.length = Nanos::from_secs(5);
    let reports = vec![Ok(Admitted {
        body: report.encode(),
        report: report.into(),
    })];
    let (probe, received_at) = ("yannan-ct".to_owned(), Timestamp(14 * SECOND));
    let arrival = Arrival {
        probe,
        epoch: 1,
        first_sequence: 1,
        received_at,
        can_be_asked: false,
        reports,
    };
    court
        .judge
        .store
        .write_blocking(Work::Arrival(arrival.into()))
        .unwrap();
    court.round(14);
    let why = court
        .stands(OUT, 0, State::Undecided, Some(Reason::NoData))
        .why;
    assert_eq!(
        why,
        Some(NoDataWhy::Straddling {
            probe: "yannan-ct".into()
        })
    );
}

#[test]
fn late_reports_bring_a_window_before_the_judge_again() {
    let mut court = court(0);
    court.round(13);
    court.stands(OUT, 0, State::Undecided, Some(Reason::NoData));
    court.receive(OUT, 0, QUIET, 14);
    court.round(14);
    court.stands(OUT, 0, State::Met, None);
    court.stands(OTHER, 0, State::Undecided, Some(Reason::NoData));
}

#[test]
fn a_window_that_nobody_watched_is_judged_only_from_what_arrives() {
    let mut court = court(95);
    court.receive(OUT, 0, QUIET, 96);
    court.round(104);
    court.stands(OUT, 0, State::Met, None);
    assert_eq!(
        court.latest(OTHER),
        None,
        "the collector was not there to hear it"
    );
    court.round(113);
    court.stands(OTHER, 100, State::Undecided, Some(Reason::NoData));
}

#[test]
fn a_clock_that_lies_is_believed_on_none_of_its_probes_paths() {
    let mut court = court(0);
    court.receive(
        OUT,
        0,
        Link {
            ahead: 3_000_000,
            ..QUIET
        },
        11,
    );
    court.round(13);
    court.stands(OUT, 0, State::Undecided, Some(Reason::Contradiction));
}

#[test]
fn a_clock_that_jumps_ahead_by_years_costs_one_round() {
    let mut court = court(0);
    court.round(10 * 366 * 86_400);
    court.round(10 * 366 * 86_400 + 10);
    assert!(court.judge.dockets[0].next >= Timestamp(10 * 366 * 86_400 * SECOND));
}

#[test]
fn the_judge_ends_when_it_is_no_longer_wanted() {
    let court = court(0);
    let (stop, stopped) = mpsc::channel();
    let Court { judge, writer, .. } = court;
    let thread = std::thread::spawn(move || judge.run(&stopped));
    drop(stop);
    thread.join().unwrap();
    writer.join();
}

#[test]
fn what_both_probes_report_of_their_clocks_enters_the_interval_of_both_ways() {
    let mut court = court(0);
    for (path, random) in [(OUT, 3_000), (BACK, 4_000)] {
        let seconds = (0..10).map(|second| {
            let mut report = report_of(path, second, QUIET);
            report.clock.random = Nanos(random);
            report
        });
        court.deliver(seconds.collect(), 11);
    }
    court.round(13);
    for path in [OUT, BACK] {
        let judgement = court.stands(path, 0, State::Met, None);
        // Three times √(3² + 4²) µs beside the 20 µs of both bounds.
        assert_eq!(judgement.clock_random, Some(Nanos(15_000)), "{path}");
        assert_eq!(judgement.clock_error_bound, Some(Nanos(35_000)), "{path}");
    }
}

#[test]
fn a_path_that_nobodys_clock_decides_says_how_asymmetric_it_may_be() {
    let mut court = court(0);
    let seconds = (0..10).map(|second| {
        let mut report = report_of(OUT, second, QUIET);
        report.clock.bound = None;
        report
    });
    court.deliver(seconds.collect(), 11);
    court.round(13);
    let judgement = court.stands(OUT, 0, State::Undecided, Some(Reason::Clock));
    let leaning = judgement.verdict.leaning.expect("packets bound the clocks");
    // 700 µs there and 800 back: 750 by symmetry, and 250 less than the target is a third of what is open.
    assert_eq!(
        (leaning.label, leaning.class),
        (Conditional::ConditionalPass, Some(EvidenceClass::D))
    );
    assert!(
        (leaning.estimate - Nanos(750_000)).abs() < Nanos(8_000),
        "{leaning:?}"
    );
    let a_star = leaning.a_star_ppm.expect("symmetry decides");
    assert!((300_000..400_000).contains(&a_star), "{leaning:?}");
    let told = leaning.sentence(Lang::En);
    assert!(told.contains("met for any asymmetry up to 3"), "{told}");
}
