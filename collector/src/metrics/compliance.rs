//! The series of running periods: the day and the month of each path under the default profile, and no other.

use std::sync::LazyLock;

use owl_measure::verdict::State;
use owl_measure::verdict::period::Compliance;

use super::families::SeenPath;
use super::instant;
use super::labels::{Labels, NONE};
use super::sink::{Sink, Value};
use super::table as names;
use crate::live::Table;

/// The labels of one period.
struct Words {
    period: Labels,
    states: [Labels; 3],
    bounds: [Labels; 2],
    /// Of all hours, and of the busy ones.
    hours: [[Labels; 2]; 2],
}

impl Words {
    fn of(name: &str) -> Self {
        let period = Labels::of([("period", name)]);
        let bounds = |labels: &Labels| ["lower", "upper"].map(|bound| labels.and("bound", bound));
        Self {
            states: State::ALL.map(|state| period.and("state", state.code())),
            bounds: bounds(&period),
            hours: ["all", "busy"].map(|hours| bounds(&period.and("hours", hours))),
            period,
        }
    }
}

static PERIODS: LazyLock<[Words; 2]> = LazyLock::new(|| ["day", "month"].map(Words::of));

fn periods(path: SeenPath<'_>) -> impl Iterator<Item = (&'static Words, &Compliance)> {
    let running = path.running.into_iter();
    running.flat_map(|running| PERIODS.iter().zip([&running.day, &running.month]))
}

pub(super) fn state(path: SeenPath<'_>, sink: &mut dyn Sink) {
    for (words, period) in periods(path) {
        for (state, labels) in State::ALL.iter().zip(&words.states) {
            let is = Value::Flag(period.state == *state);
            sink.series(&path.live.labels.plain, labels, is);
        }
    }
}

pub(super) fn share(path: SeenPath<'_>, sink: &mut dyn Sink) {
    for (words, period) in periods(path) {
        let outcome = period.deciding();
        let shares = [outcome.share.as_ref(), outcome.busy_share.as_ref()];
        for (bounds, share) in words.hours.iter().zip(shares) {
            let Some(share) = share else { continue };
            for (bound, ratio) in bounds.iter().zip([share.lo, share.hi]) {
                sink.series(&path.live.labels.plain, bound, Value::Real(ratio));
            }
        }
    }
}

pub(super) fn coverage(path: SeenPath<'_>, sink: &mut dyn Sink) {
    for (words, period) in periods(path) {
        if let Some(coverage) = period.deciding().coverage {
            let coverage = Value::Real(coverage);
            sink.series(&path.live.labels.plain, &words.period, coverage);
        }
    }
}

pub(super) fn available(path: SeenPath<'_>, sink: &mut dyn Sink) {
    for (words, period) in periods(path) {
        let Some((lower, upper)) = period.deciding().available.share() else {
            continue;
        };
        for (bound, ratio) in words.bounds.iter().zip([lower, upper]) {
            sink.series(&path.live.labels.plain, bound, Value::Real(ratio));
        }
    }
}

pub(super) fn judged_at(table: &Table, sink: &mut dyn Sink) {
    if let Some(at) = table.running.at {
        sink.metric(&names::COMPLIANCE_AT);
        sink.series(&NONE, &NONE, Value::Real(instant(at)));
    }
}
