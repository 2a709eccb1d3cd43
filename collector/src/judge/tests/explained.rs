//! Verdicts explained from the store that the judge filled, and from one that somebody changed since.

use std::collections::BTreeSet;

use owl_measure::delay::Basis;
use rusqlite::Connection;

use super::*;
use crate::explain::{At, ExplainError, Explained, Question, Recomputed, explain};
use crate::testing::disturbed;

/// The far clock is three milliseconds ahead.
const LIE: Link = Link {
    ahead: 3_000_000,
    ..QUIET
};

impl Court {
    fn explain_at(&self, path: &str, at_s: i64) -> Result<Explained, ExplainError> {
        let question = Question {
            path: path.to_owned(),
            at: At::Instant(Timestamp(at_s * SECOND)),
            profile: None,
        };
        explain(self.directory.path(), &question)
    }

    #[track_caller]
    fn explain(&self, path: &str, at_s: i64) -> Explained {
        self.explain_at(path, at_s).expect("an explanation")
    }

    /// Does to the store what nobody should.
    fn change(&self, sql: &str) {
        let file = self.directory.path().join("owl.sqlite");
        let connection = Connection::open(file).unwrap();
        assert!(connection.execute(sql, ()).unwrap() > 0, "{sql}");
    }

    /// Makes the verdicts what they were before they were kept compressed.
    fn unpack_verdicts(&self) {
        let file = self.directory.path().join("owl.sqlite");
        let connection = Connection::open(file).unwrap();
        let mut packed = connection
            .prepare("SELECT rowid, packed FROM verdict WHERE packed IS NOT NULL")
            .unwrap();
        let rows: Vec<(i64, Vec<u8>)> = packed
            .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(!rows.is_empty());
        for (row, packed) in rows {
            let text = crate::store::unpack_verdict(&packed).unwrap();
            let sql = "UPDATE verdict SET body = ?2, packed = NULL WHERE rowid = ?1";
            connection.execute(sql, (row, text)).unwrap();
        }
    }

    fn verdicts(&self) -> Vec<Judgement> {
        let all = crate::store::HistoryQuery {
            path: None,
            since: Timestamp(i64::MIN),
            after: None,
            limit: 10_000,
        };
        self.judge.reader.history(all).unwrap()
    }
}

/// A court that has judged [`OUT`] in its first window.
fn judged() -> Court {
    let mut court = court(0);
    court.receive(OUT, 0, QUIET, 11);
    court.round(13);
    court
}

#[track_caller]
fn says(told: &Explained, recomputed: Recomputed, parts: &[&str]) {
    let text = told.text(Lang::En);
    assert_eq!(told.recomputed(), recomputed, "{text}");
    for part in parts {
        assert!(text.contains(part), "no \"{part}\" in\n{text}");
    }
    assert_ne!(told.text(Lang::Zh), text);
    let data = serde_json::to_string(told).unwrap();
    assert_eq!(serde_json::from_str::<Explained>(&data).unwrap(), *told);
}

#[test]
fn verdicts_of_every_reason_and_basis_are_recomputed_octet_for_octet() {
    let mut court = court(0);
    // As long there as back, so that nothing seems to be a clock's doing.
    let near = Link {
        forward: 990_000,
        backward: 990_000,
        ahead: 0,
    };
    let far = Link {
        forward: 1_700_000,
        ..QUIET
    };
    let light = Link {
        forward: 10,
        backward: 10,
        ahead: 0,
    };
    for (window, link) in (0_i64..).zip([QUIET, near, far, LIE]) {
        court.receive(OUT, window * 10, link, window * 10 + 11);
        let other = if window == 1 { near } else { QUIET };
        court.receive(OTHER, window * 10, other, window * 10 + 11);
    }
    let farthest = Topology::yancheng()
        .paths()
        .into_iter()
        .max_by_key(|path| path.floor_forward)
        .unwrap();
    court.receive(&farthest.id, 40, light, 51);
    court.deliver((40..50).map(|s| disturbed(OTHER, s)).collect(), 51);
    // Half of what was planned; and then all of it, of which nobody heard again.
    court.deliver((40..45).map(|s| report_of(OUT, s, QUIET)).collect(), 51);
    court.deliver((50..60).map(|s| unanswered(OUT, s)).collect(), 61);
    // Most is lost, nobody knows where.
    let mut mixed: Vec<Report> = (60..64).map(|s| report_of(OUT, s, QUIET)).collect();
    mixed.extend((64..70).map(|s| unanswered(OUT, s)));
    court.deliver(mixed, 71);
    court.round(73);
    let verdicts = court.verdicts();
    let (mut reasons, mut bases, mut seats) = <(BTreeSet<_>, BTreeSet<_>, BTreeSet<_>)>::default();
    for judgement in &verdicts {
        let at_s = judgement.window_start.0 / SECOND;
        let told = court.explain(&judgement.path, at_s + 9);
        says(
            &told,
            Recomputed::Identical,
            &[judgement.verdict.state.code()],
        );
        reasons.extend(judgement.verdict.reason.map(Reason::code));
        bases.extend(judgement.verdict.basis().map(|basis| match basis {
            Basis::Proved => "proved",
            Basis::Claimed => "claimed",
            Basis::Assumed => "assumed",
        }));
        seats.insert(judgement.seat == Some(Seat::Opposite));
    }
    assert_eq!(reasons, BTreeSet::from(Reason::ALL.map(Reason::code)));
    assert_eq!(bases, BTreeSet::from(["claimed", "proved"]));
    assert_eq!(seats.len(), 2, "by the own and by the opposite session");
}

#[test]
fn an_explanation_holds_the_reports_the_formula_with_its_numbers_and_what_binds() {
    let court = judged();
    says(
        &court.explain(OUT, 0),
        Recomputed::Identical,
        &[
            "target 1000.000 µs for class intra-city",
            "no. 1 of yannan-ct (epoch 0000000000000001)",
            "received 1970-01-01 08:00:11 +08:00",
            "within 10.000 µs of UTC (declared)",
            "⌈0.95 × 100⌉ = 95",
            "q_p95(m) − θ_lo = ",
            "← binds",
            "≤ target 1000.000 µs: met",
            "identical, octet for octet",
        ],
    );
    says(
        &court.explain(BACK, 0),
        Recomputed::Identical,
        &["of the opposite session, backward"],
    );
    says(
        &court.explain(OTHER, 0),
        Recomputed::Identical,
        &["why nothing was measured is told as it was stored"],
    );
}

#[test]
fn a_changed_report_and_a_missing_one_are_found_and_a_broken_one_is_named() {
    let court = judged();
    let slower = report_of(OUT, 4, LIE).encode();
    court.change_report(5, Some(&slower));
    says(
        &court.explain(OUT, 0),
        Recomputed::Differs,
        &[
            "state: stored \"met\", recomputed ",
            "are not the ones that were judged",
        ],
    );
    court.change_report(5, None);
    says(
        &court.explain(OUT, 0),
        Recomputed::Differs,
        &[
            "inputs.reports: stored 10, recomputed 9",
            "holds another number of reports",
        ],
    );
    // The sixth is the fifth that is left.
    court.change_report(5, Some(&[0xff]));
    let error = court.explain_at(OUT, 0).unwrap_err();
    assert!(error.is_damage());
    let said = error.to_string();
    assert!(said.contains("report 6 of yannan-ct"), "{said}");
}

#[test]
fn a_changed_verdict_is_found_and_so_is_a_changed_or_missing_rulebook() {
    let court = judged();
    court.unpack_verdicts();
    court.change(&format!(
        "UPDATE verdict SET body = replace(body, '\"sent\":100', '\"sent\":101') WHERE path = '{OUT}'"
    ));
    says(
        &court.explain(OUT, 0),
        Recomputed::Differs,
        &[
            "sent: stored 101, recomputed 100",
            "so the stored verdict was changed",
        ],
    );
    court.change(&format!(
        "UPDATE verdict SET state = 'missed' WHERE path = '{BACK}'"
    ));
    says(
        &court.explain(BACK, 0),
        Recomputed::Differs,
        &["column state: stored \"missed\""],
    );
    for (sql, said) in [
        (
            "UPDATE rulebook SET body = replace(body, '1000000,', '2000000,')",
            "damaged",
        ),
        ("DELETE FROM rulebook", "missing"),
    ] {
        court.change(sql);
        if said == "damaged" {
            let local = Question {
                path: OUT.to_owned(),
                at: "2026-11-23T08:00:00".parse().unwrap(),
                profile: None,
            };
            let error = explain(court.directory.path(), &local).unwrap_err();
            assert!(error.is_damage(), "whose time it is, nobody knows: {error}");
        }
        let error = court.explain_at(OUT, 0).unwrap_err();
        assert!(
            error.is_damage() && error.to_string().contains(said),
            "{error}"
        );
    }
}

#[test]
fn a_new_topology_changes_nothing_of_what_is_told_of_an_old_verdict() {
    let mut court = judged();
    let mut topology = Topology::yancheng();
    for class in &mut topology.classes {
        class.target = Nanos::from_millis(2);
    }
    let live = Arc::new(Live::new(&topology, Some(&Profile::lab())));
    let windowing = Windowing::of(&live, Timestamp(0));
    let (store, since) = (court.judge.store.clone(), Timestamp(10 * SECOND));
    court.judge = Judge::new(
        store,
        &topology,
        live,
        windowing,
        Nanos::from_secs(3),
        since,
    )
    .unwrap();
    court.receive(OUT, 10, QUIET, 21);
    court.round(23);
    for (at_s, target) in [
        (0, "target 1000.000 µs for"),
        (10, "target 2000.000 µs for"),
    ] {
        says(&court.explain(OUT, at_s), Recomputed::Identical, &[target]);
    }
    // One a topology, and none a verdict.
    let file = court.directory.path().join("owl.sqlite");
    let count: i64 = Connection::open(file)
        .unwrap()
        .query_row("SELECT count(*) FROM rulebook", (), |row| row.get(0))
        .unwrap();
    assert_eq!(count, 2);
}

#[test]
fn a_verdict_that_kept_no_rules_is_told_and_not_recomputed() {
    let court = judged();
    court.unpack_verdicts();
    court.change(&format!(
        "UPDATE verdict SET body = json_remove(body, '$.rule', '$.inputs') WHERE path = '{OUT}'"
    ));
    says(
        &court.explain(OUT, 0),
        Recomputed::Impossible,
        &["not possible", "no. 1 of yannan-ct"],
    );
}

#[test]
fn late_reports_are_announced_until_the_window_is_judged_again() {
    let mut court = judged();
    court.receive(BACK, 0, QUIET, 14);
    says(
        &court.explain(BACK, 0),
        Recomputed::Differs,
        &["it will be judged again"],
    );
    court.round(15);
    let told = court.explain(BACK, 0);
    says(&told, Recomputed::Identical, &["of the path's own session"]);
    assert!(!told.text(Lang::En).contains("judged again"));
}

#[test]
fn where_there_is_nothing_to_explain_it_is_said_what_there_is() {
    let court = judged();
    let error = court.explain_at("yannan-ct~nowhere", 0).unwrap_err();
    assert!(matches!(error, ExplainError::NoPath { .. }), "{error}");
    let hint = error.hint(Lang::En).unwrap();
    assert!(hint.contains("yannan-ct~binhaigang-ct"), "{hint}");
    let error = court.explain_at(OUT, 10).unwrap_err();
    assert!(matches!(error, ExplainError::NoWindow { .. }), "{error}");
    let hint = error.hint(Lang::En).unwrap();
    assert!(hint.contains("1970-01-01 08:00:00 +08:00 + 10 s"), "{hint}");
    let question = Question {
        path: OUT.into(),
        at: At::Instant(Timestamp(0)),
        profile: Some("sla".into()),
    };
    let error = explain(court.directory.path(), &question).unwrap_err();
    assert!(error.to_string().contains("was judged by lab"), "{error}");
    assert!(!error.is_damage());
}

#[test]
fn a_store_that_nobody_holds_is_read_without_writing_beside_it() {
    let court = judged();
    let Court {
        judge,
        writer,
        directory,
        ..
    } = court;
    drop(judge);
    writer.join();
    let question = Question {
        path: OUT.into(),
        at: At::Instant(Timestamp(0)),
        profile: None,
    };
    let told = explain(directory.path(), &question).unwrap();
    assert_eq!(told.recomputed(), Recomputed::Identical);
    let mut files: Vec<String> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    files.sort_unstable();
    assert_eq!(files, ["lock", "owl.sqlite"]);
}

#[test]
fn what_a_verdict_was_made_from_goes_after_the_verdict() {
    let court = judged();
    // More old verdicts than one order removes, the oldest of them that of the reports.
    court.change(
        "WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 6000)
         INSERT INTO verdict SELECT 'x~' || n, 'lab', -n, 1, 'met', 0, '{}', NULL FROM k",
    );
    let before = Timestamp(100 * SECOND);
    court.change("DELETE FROM untiered");
    let retain = || court.judge.store.write_blocking(Work::Retain { before });
    let rows = || {
        let file = court.directory.path().join("owl.sqlite");
        Connection::open(file)
            .unwrap()
            .query_row(
                "SELECT (SELECT count(*) FROM verdict), (SELECT coalesce(sum(reports), 0) FROM batch), (SELECT count(*) FROM rulebook)",
                (),
                |row| Ok::<(i64, i64, i64), _>((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap()
    };
    retain().unwrap();
    let (verdicts, reports, rulebooks) = rows();
    assert!(verdicts > 1_000, "{verdicts}");
    assert_eq!((reports, rulebooks), (10, 1));
    while retain().unwrap() > 0 {}
    assert_eq!(rows(), (0, 0, 0));
}
