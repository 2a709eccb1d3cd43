//! What is left of the past once reports have settled, and once they are gone.

use owl_measure::delay::Floors;

use super::*;
use crate::explain::{At, Explained, Question, Recomputed, explain};
use crate::history::{Clerk, HistoryAnswer, HistoryQuestion, answer};

const DAY: i64 = 86_400;
/// Windows of ten seconds that are judged: some at the begin of each of two spans of six hours.
const WINDOWS: [i64; 5] = [0, 10, 400, 3_700, 21_600];

/// A court that has judged [`WINDOWS`] of two paths.
fn judged() -> Court {
    let mut court = court(0);
    for start in WINDOWS {
        court.receive(OUT, start, QUIET, start + 11);
        court.receive(OTHER, start, QUIET, start + 11);
        // Far windows are re-opened by their reports, so that none between them is judged.
        court.judge.again(at(start + 13)).unwrap();
    }
    court
}

fn at(second: i64) -> Timestamp {
    Timestamp(second * SECOND)
}

impl Court {
    fn clerk(&self) -> Clerk {
        Clerk::new(
            self.judge.store.clone(),
            Arc::clone(&self.live),
            Nanos::from_secs(7 * DAY),
        )
        .unwrap()
    }

    /// All that a clerk has to do at an instant.
    fn attend(&self, now: Timestamp) {
        let mut clerk = self.clerk();
        while clerk.round(now).unwrap() {}
    }

    fn past(&self, path: &str, (from, to): (i64, i64), step: i64) -> HistoryAnswer {
        let question = HistoryQuestion {
            path: path.to_owned(),
            from: At::Instant(at(from)),
            to: At::Instant(at(to)),
            step: Some(Nanos::from_secs(step)),
            quantiles: vec![Quantile::P50, Quantile::P99],
        };
        let reader = self.judge.store.reader().unwrap();
        answer(
            &reader,
            &question,
            (at(from), at(to)),
            Floors::default(),
            "UTC",
        )
        .unwrap()
    }

    fn why(&self, second: i64) -> Explained {
        let question = Question {
            path: OUT.to_owned(),
            at: At::Instant(at(second)),
            profile: None,
        };
        explain(self.directory.path(), &question).unwrap()
    }

    fn stored_reports(&self) -> u64 {
        let reader = self.judge.store.reader().unwrap();
        reader
            .probe_rows()
            .unwrap()
            .iter()
            .map(|probe| probe.rows)
            .sum()
    }

    fn retain(&self, before: Timestamp) {
        while self
            .judge
            .store
            .write_blocking(Work::Retain { before })
            .unwrap()
            > 0
        {}
    }
}

/// The same points from other sources.
#[track_caller]
fn alike(one: &HistoryAnswer, two: &HistoryAnswer) {
    let told = |answer: &HistoryAnswer| {
        let mut points = answer.points.clone();
        points
            .iter_mut()
            .for_each(|point| point.from = Default::default());
        points
    };
    assert!(!one.points.is_empty());
    assert_eq!(told(one), told(two));
}

#[test]
fn tiers_tell_what_the_reports_told_and_are_read_instead_of_them() {
    let court = judged();
    let span = (0, 43_200);
    for step in [300, 3_600, 43_200] {
        let before = court.past(OUT, span, step);
        assert!(before.points.iter().all(|point| point.from.reports > 0));
        // Nothing has settled yet.
        court.attend(at(21_600));
        assert_eq!(court.past(OUT, span, step), before);
    }
    let before: Vec<_> = [300, 3_600, 43_200]
        .map(|step| court.past(OUT, span, step))
        .into();
    court.attend(at(2 * DAY));
    for (before, step) in before.iter().zip([300, 3_600, 43_200]) {
        let after = court.past(OUT, span, step);
        alike(before, &after);
        assert!(
            after.points.iter().all(|point| point.from.reports == 0),
            "{after:?}"
        );
        let hours: u64 = after.points.iter().map(|point| point.from.hours).sum();
        assert_eq!(hours, if step == 300 { 0 } else { 3 });
    }
    // The edges of a span that fits no tier are filled up with reports.
    let edges = court.past(OUT, (0, 810), 405).points;
    let told: Vec<_> = edges
        .iter()
        .map(|point| (point.sent, point.from.reports, point.from.five_minutes))
        .collect();
    assert_eq!(told, [(250, 5, 1), (50, 5, 0)]);
}

#[test]
fn a_clerk_that_is_killed_or_runs_twice_makes_nothing_double_and_a_late_report_makes_its_span_anew()
{
    let mut court = judged();
    court.attend(at(2 * DAY));
    let made = court.past(OUT, (0, 43_200), 300);
    court.attend(at(2 * DAY));
    assert_eq!(court.past(OUT, (0, 43_200), 300), made);
    court.receive(OUT, 20, QUIET, 2 * DAY);
    let late = court.past(OUT, (0, 43_200), 300);
    assert_eq!(
        late.points[0].sent,
        made.points[0].sent + 100,
        "at once, from reports"
    );
    assert!(late.points[0].from.reports > 0);
    court.attend(at(2 * DAY + 1));
    let anew = court.past(OUT, (0, 43_200), 300);
    alike(&late, &anew);
    assert_eq!(anew.points[0].from.five_minutes, 1);
}

#[test]
fn a_verdict_is_explained_octet_for_octet_when_its_reports_are_gone_and_says_so() {
    let mut court = judged();
    let now = at(9 * DAY);
    let before: Vec<_> = WINDOWS.map(|second| court.why(second)).into();
    let past = court.past(OUT, (0, 43_200), 10);
    court.attend(now);
    court.retain(now - Nanos::from_secs(396 * DAY));
    assert_eq!(court.stored_reports(), 0);
    for (second, before) in WINDOWS.into_iter().zip(before) {
        let told = court.why(second);
        assert_eq!(
            told.recomputed(),
            Recomputed::Identical,
            "{}",
            told.text(Lang::En)
        );
        assert!(
            told.text(Lang::En).contains("no longer kept"),
            "{}",
            told.text(Lang::En)
        );
        assert!(!before.text(Lang::En).contains("no longer kept"));
    }
    // Single intervals are still told.
    alike(&past, &court.past(OUT, (0, 43_200), 10));
    // A report of that time is taken, and changes no verdict.
    court.receive(OUT, 20, QUIET, 9 * DAY);
    court.judge.again(now).unwrap();
    assert_eq!(court.why(0).recomputed(), Recomputed::Identical);
    assert!(
        !court.judge.reader.is_open(at(30)).unwrap() || {
            court.attend(now);
            !court.judge.reader.is_open(at(30)).unwrap()
        }
    );
    // What was judged goes with its verdict.
    court.retain(now);
    let reader = court.judge.store.reader().unwrap();
    assert!(reader.inputs((at(0), at(43_200))).unwrap().is_empty());
}

#[test]
fn kept_inputs_that_somebody_changed_do_not_give_the_verdict() {
    let court = judged();
    let now = at(9 * DAY);
    court.attend(now);
    court.retain(now - Nanos::from_secs(396 * DAY));
    let file = court.directory.path().join("owl.sqlite");
    let connection = rusqlite::Connection::open(file).unwrap();
    // Those of the next minutes in the place of the first.
    connection
        .execute_batch(
            "DELETE FROM judged_input WHERE start_ns = 0;
             UPDATE judged_input SET start_ns = 0 WHERE start_ns = 360000000000;",
        )
        .unwrap();
    assert_eq!(court.why(0).recomputed(), Recomputed::Differs);
}

#[test]
fn the_latest_windows_of_all_paths_are_told_from_memory_and_read_again_after_a_start() {
    let court = judged();
    check_latest(&court);
    let Court {
        judge,
        writer,
        directory,
        ..
    } = court;
    drop(judge);
    writer.join();
    let next = seated(directory, WINDOWS[4] + 10, 1_000);
    next.judge.remember().unwrap();
    check_latest(&next);
}

#[track_caller]
fn check_latest(court: &Court) {
    let paths = [OUT, OTHER, BACK].map(|path| (path, Floors::default()));
    let told =
        court
            .live
            .latest()
            .percentiles(paths.into_iter(), Nanos::from_secs(10), &[Quantile::P50]);
    let of: Vec<&str> = told.iter().map(|path| path.path.as_str()).collect();
    // The way back is told by the opposite session.
    assert_eq!(of, [OUT, OTHER, BACK]);
}
