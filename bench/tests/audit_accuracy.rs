//! The accuracy of the mesh audit on one run of each kind of trouble, held against the table beside this file.
//!
//! A change that moves a number must move it in the table too, where it can be seen: `OWL_WRITE_SNAPSHOT=1` writes it.
//! What must never move is asserted besides.

use std::fs;
use std::path::Path;

use owl_bench::audit::{LiveOutcome, Outcome, table};
use owl_sim::mesh::Kind;

#[test]
fn the_table_of_accuracy_is_as_it_was() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit_accuracy.txt");
    let now = table(&Kind::ALL, 1);
    if std::env::var_os("OWL_WRITE_SNAPSHOT").is_some() {
        fs::write(&path, &now).expect("the tests' folder can be written by who asks for it");
    }
    let before = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        now == before,
        "the accuracy changed; if that is meant, run again with OWL_WRITE_SNAPSHOT=1\nbefore:\n{before}\nnow:\n{now}"
    );
}

#[test]
fn no_verdict_is_false_no_honest_clock_is_called_faulty_and_no_provable_lie_is_missed() {
    for kind in Kind::ALL {
        let outcome = Outcome::of(kind, 1_000);
        let wrong = (
            outcome.false_proved,
            outcome.false_otherwise,
            outcome.honest_faulty,
            outcome.missed_liars,
        );
        assert_eq!(wrong, (0, 0, 0, 0), "{}: {outcome:?}", kind.name());
        assert_eq!(
            outcome.found_events,
            outcome.events,
            "{}: a step or drift was not found",
            kind.name()
        );
    }
}

#[test]
fn minute_by_minute_no_verdict_is_false_no_honest_clock_is_called_faulty_and_every_bound_holds() {
    for kind in Kind::ALL {
        let outcome = LiveOutcome::of(kind, 1_000);
        let wrong = (outcome.wrong, outcome.slandered);
        assert_eq!(wrong, ([0, 0], 0), "{}: {outcome:?}", kind.name());
        assert_eq!(outcome.held, outcome.bounds, "{}", kind.name());
    }
}
