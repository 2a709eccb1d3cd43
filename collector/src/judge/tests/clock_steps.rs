//! The collector's own clock steps. Verdicts do not rest on it, so they come out the same; only when they come changes.

use super::*;
use crate::store::HistoryQuery;

const HOUR: i64 = 3_600;
const YEARS: i64 = 10 * 366 * 24 * HOUR;

/// All verdicts on windows that end by `end_s`, but for when they were given, as the store has them.
fn verdicts(court: &Court, end_s: i64) -> Vec<String> {
    let query = HistoryQuery {
        path: None,
        since: Timestamp(i64::MIN),
        after: None,
        limit: 1_000_000,
    };
    let mut verdicts: Vec<String> = court
        .judge
        .reader
        .history(query)
        .unwrap()
        .into_iter()
        .filter(|judgement| {
            (Timestamp(0)..Timestamp(end_s * SECOND)).contains(&judgement.window_start)
        })
        .map(|judgement| {
            let judged_at = Timestamp(0);
            // Why a path was not measured is told as it was known at that moment.
            let why = None;
            serde_json::to_string(&Judgement {
                judged_at,
                why,
                ..judgement
            })
            .unwrap()
        })
        .collect();
    verdicts.sort_unstable();
    verdicts
}

/// Four windows of reports, and one in which nobody reports, while the clock is off by `step_s` for two rounds.
fn through(step_s: i64) -> Vec<String> {
    let mut court = court(0);
    let paths = [OUT, BACK, OTHER];
    let receive = |court: &mut Court, start_s: i64| {
        for path in paths {
            court.receive(path, start_s, QUIET, start_s + 11);
        }
    };
    receive(&mut court, 0);
    court.round(14);
    receive(&mut court, 10);
    court.round(24 + step_s);
    court.round(25 + step_s);
    receive(&mut court, 20);
    court.round(34);
    receive(&mut court, 30);
    court.round(44);
    court.round(54);
    court.stands(OUT, 40, State::Undecided, Some(Reason::NoData));
    assert_eq!(
        court.judge.dockets[0].next,
        Timestamp(50 * SECOND),
        "it goes on with the next window"
    );
    verdicts(&court, 50)
}

#[test]
fn verdicts_are_the_same_whatever_step_the_collectors_clock_makes_and_takes_back() {
    let undisturbed = through(0);
    let paths = Topology::yancheng().paths().len();
    assert_eq!(undisturbed.len(), 5 * paths);
    for step_s in [-YEARS, -HOUR, -60, 60, HOUR, YEARS] {
        let got = through(step_s);
        let differ = undisturbed.iter().zip(&got).find(|(a, b)| a != b);
        assert_eq!(differ, None, "a step of {step_s} s");
        assert_eq!(got.len(), undisturbed.len(), "a step of {step_s} s");
    }
}
