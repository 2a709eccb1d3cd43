//! What is wrong at this moment, as series.

use owl_measure::time::Nanos;

use super::{Page, table};
use crate::finding::Finding;

pub(super) fn series(page: &mut Page, open: &[Finding]) {
    let labels = |finding: &Finding| {
        vec![
            finding.last.subject.clone(),
            finding.last.kind.code().to_owned(),
        ]
    };
    let of_clocks = || open.iter().filter(|found| found.last.kind.is_of_a_clock());
    page.series(
        table::CLOCK_FINDING,
        of_clocks().map(|finding| (labels(finding), 1.0)),
    );
    page.series(
        table::CLOCK_FINDING_OFFSET,
        of_clocks().filter_map(|finding| Some((labels(finding), finding.last.size?.as_secs_f64()))),
    );
    page.series(
        table::CLOCK_FINDING_BOUND,
        of_clocks().flat_map(|finding| {
            let ends = finding
                .last
                .within
                .map(|(least, most)| [("lower", least), ("upper", most)]);
            ends.into_iter()
                .flatten()
                .map(|(bound, ns): (&str, Nanos)| {
                    let mut labels = labels(finding);
                    labels.push(bound.to_owned());
                    (labels, ns.as_secs_f64())
                })
        }),
    );
    page.series(
        table::PLACE_FINDING,
        open.iter()
            .filter(|found| !found.last.kind.is_of_a_clock())
            .map(|finding| (labels(finding), 1.0)),
    );
}
