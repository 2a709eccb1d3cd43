//! What is wrong at this moment, as series.

use super::labels::{Labels, NONE};
use super::sink::{Sink, Value};
use super::table as names;
use crate::finding::Finding;

pub(super) fn series(sink: &mut dyn Sink, open: &[Finding]) {
    let of_clocks = || open.iter().filter(|found| found.last.kind.is_of_a_clock());
    let clock = |finding: &Finding| {
        let values = [finding.last.subject.as_str(), finding.last.kind.code()];
        Labels::named(names::CLOCK_FINDING.labels, values)
    };
    sink.metric(&names::CLOCK_FINDING);
    for finding in of_clocks() {
        sink.series(&clock(finding), &NONE, Value::Flag(true));
    }
    sink.metric(&names::CLOCK_FINDING_OFFSET);
    for finding in of_clocks() {
        if let Some(size) = finding.last.size {
            sink.series(&clock(finding), &NONE, Value::Real(size.as_secs_f64()));
        }
    }
    sink.metric(&names::CLOCK_FINDING_BOUND);
    for finding in of_clocks() {
        let Some((least, most)) = finding.last.within else {
            continue;
        };
        for (end, offset) in super::judged::BOUNDS.iter().zip([least, most]) {
            sink.series(&clock(finding), end, Value::Real(offset.as_secs_f64()));
        }
    }
    sink.metric(&names::PLACE_FINDING);
    for finding in open.iter().filter(|found| !found.last.kind.is_of_a_clock()) {
        let values = [finding.last.subject.as_str(), finding.last.kind.code()];
        let labels = Labels::named(names::PLACE_FINDING.labels, values);
        sink.series(&labels, &NONE, Value::Flag(true));
    }
}
