use owl_measure::time::Nanos;

use super::*;

const LENGTH: Nanos = Nanos::from_secs(60);

fn at(window: i64) -> Timestamp {
    Timestamp(0) + LENGTH.times(window)
}

fn window(number: i64, shown: &[Kind]) -> AuditedWindow {
    let symptom = |&kind: &Kind| Symptom {
        kind,
        subject: "a".into(),
        size: Some(Nanos(number)),
        within: None,
        evidence: vec![],
        alternatives: vec![],
    };
    AuditedWindow {
        start: at(number),
        length: LENGTH,
        seen: ["a", "b"].map(str::to_owned).into(),
        symptoms: shown.iter().map(symptom).collect(),
    }
}

/// Windows in a row, `x` for one that shows it, `-` for one that does not, `?` for one that did not see the probe.
fn ledger(kind: Kind, windows: &str) -> Ledger {
    let mut ledger = Ledger::default();
    for (number, what) in (0..).zip(windows.chars()) {
        ledger.note(of(kind, number, what));
        ledger.settle();
    }
    ledger
}

fn of(kind: Kind, number: i64, what: char) -> AuditedWindow {
    let kinds = [kind];
    let shown = window(number, if what == 'x' { &kinds } else { &[] });
    AuditedWindow {
        seen: if what == '?' {
            ["b".to_owned()].into()
        } else {
            shown.seen.clone()
        },
        ..shown
    }
}

/// Begin, end of what was last seen, and whether it is open, of every finding.
fn told(ledger: &Ledger) -> Vec<(i64, i64, bool)> {
    let number = |at: Timestamp| (at - Timestamp(0)).0 / LENGTH.0;
    ledger
        .told
        .values()
        .map(|found| (number(found.since), number(found.seen_until), found.open))
        .collect()
}

#[track_caller]
fn check(kind: Kind, windows: &str, expected: &[(i64, i64, bool)]) {
    assert_eq!(told(&ledger(kind, windows)), expected, "{windows}");
}

#[test]
fn what_is_proved_opens_at_once_and_closes_after_five_windows_without() {
    check(Kind::ClockWrong, "--x", &[(2, 3, true)]);
    check(Kind::ClockWrong, "--xx----", &[(2, 4, true)]);
    check(Kind::ClockWrong, "--xx----x----", &[(2, 9, true)]);
    check(Kind::ClockWrong, "--xx-----", &[(2, 4, false)]);
    check(Kind::ClockWrong, "x-----x", &[(0, 1, false), (6, 7, true)]);
}

#[test]
fn a_suspicion_needs_three_windows_of_five() {
    check(Kind::ClockOrAccess, "-x-x", &[]);
    check(Kind::ClockOrAccess, "-x-x-x", &[(1, 6, true)]);
    check(Kind::ClockOrAccess, "x----x----x", &[]);
}

#[test]
fn a_window_that_did_not_see_the_probe_says_nothing_of_it() {
    check(Kind::Drift, "x??????????", &[(0, 1, true)]);
    check(Kind::Drift, "x--??--", &[(0, 1, true)]);
    check(Kind::Drift, "x--??---", &[(0, 1, false)]);
}

#[test]
fn a_window_that_comes_again_changes_what_was_told_of_all_that_followed() {
    let mut ledger = ledger(Kind::ClockWrong, "-x-----x");
    assert_eq!(told(&ledger), [(1, 2, false), (7, 8, true)]);
    let changes = ledger.note(of(Kind::ClockWrong, 4, 'x'));
    assert_eq!(told(&ledger), [(1, 8, true)]);
    assert_eq!(
        (changes.told.len(), changes.withdrawn.len()),
        (1, 1),
        "the first one is longer, and the second one was none"
    );
    ledger.settle();
    let changes = ledger.note(of(Kind::ClockWrong, 1, '-'));
    assert_eq!(told(&ledger), [(4, 8, true)]);
    assert_eq!((changes.told.len(), changes.withdrawn.len()), (1, 1));
    let not_stored = ledger.note(of(Kind::ClockWrong, 1, '-'));
    assert_eq!(not_stored, changes, "it is told until it is stored");
    ledger.settle();
    assert_eq!(
        ledger.note(of(Kind::ClockWrong, 1, '-')),
        Changes::default()
    );
}

#[test]
fn after_a_restart_it_goes_on_as_it_was() {
    for windows in ["x", "x--", "-xx--", "x-----x", "--"] {
        let before = ledger(Kind::ClockWrong, windows);
        let kept = before.windows.values().cloned().collect();
        let mut after = Ledger::restored(kept, before.told.values().cloned());
        assert_eq!(told(&after), told(&before), "{windows}");
        // The windows are gone, the open finding is not.
        let mut poor = Ledger::restored(vec![], before.open());
        for number in 10..20 {
            after.note(window(number, &[]));
            poor.note(window(number, &[]));
        }
        assert!(after.open().is_empty() && poor.open().is_empty());
    }
}

#[test]
fn the_oldest_window_makes_room_and_its_finding_stays_as_it_is() {
    let mut ledger = ledger(Kind::ClockWrong, "x");
    let bound = i64::try_from(WINDOWS_MAX).unwrap();
    for number in 1..bound + 10 {
        let shown: &[Kind] = if number < 4 { &[Kind::ClockWrong] } else { &[] };
        let changes = ledger.note(window(number, shown));
        ledger.settle();
        assert!(changes.withdrawn.is_empty(), "{number}: {changes:?}");
    }
    assert_eq!(ledger.windows.len(), WINDOWS_MAX);
    assert_eq!(told(&ledger), []);
    let late = ledger.note(window(0, &[Kind::ClockWrong]));
    assert_eq!(late, Changes::default(), "it is too late for that one");
}
