//! The table of accuracy.

use std::fmt::Write as _;

use owl_sim::mesh::Kind;

use super::Outcome;

/// Audits `seeds` runs of each kind and writes one row for each kind, and one for all.
pub fn table(kinds: &[Kind], seeds: u64) -> String {
    let mut text = String::from(
        "kind                              proved claimed assumed undecided (oracle) (plan) false:proved other  covered  rms µs  \
         liars found provable missed  honest: faulty suspect  found after\n",
    );
    let mut all = Outcome::default();
    for &kind in kinds {
        let mut outcome = Outcome::default();
        for seed in 0..seeds {
            outcome += Outcome::of(kind, seed);
        }
        row(&mut text, kind.name(), &outcome);
        all += outcome;
    }
    row(&mut text, "all", &all);
    text
}

fn row(text: &mut String, name: &str, outcome: &Outcome) {
    let share = |count: u32, of: u32| 100.0 * f64::from(count) / f64::from(of.max(1));
    let [proved, claimed, assumed] = outcome.decided.map(|count| share(count, outcome.verdicts));
    let _ = writeln!(
        text,
        "{name:33} {proved:5.1}% {claimed:6.1}% {assumed:6.1}% {:8.2}% {:7.2}% {:5.2}% {:12} {:5} {:7.2}% {:7.3} {:6} {:5} {:8} {:6} {:15} {:7}  {}",
        share(outcome.undecided, outcome.verdicts),
        share(outcome.oracle_undecided, outcome.verdicts),
        share(outcome.plan_undecided, outcome.plan_verdicts),
        outcome.false_proved,
        outcome.false_otherwise,
        share(outcome.covered, outcome.intervals),
        outcome.offset_rms_us(),
        outcome.liars,
        outcome.found_liars,
        outcome.provable_liars,
        outcome.missed_liars,
        outcome.honest_faulty,
        outcome.honest_suspect,
        event(outcome),
    );
}

/// How many steps or drifts were found, and after how long at the latest.
fn event(outcome: &Outcome) -> String {
    if outcome.events == 0 {
        return "–".to_owned();
    }
    format!(
        "{}/{} ≤ {:.1} s",
        outcome.found_events, outcome.events, outcome.slowest_s
    )
}
