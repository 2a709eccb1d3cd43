//! The series of flows: at most as many as a path may have flows, and none of
//! paths with one.

use super::{Page, seconds, table};
use crate::flow::{FlowDirection, FlowResult};
use crate::judgement::Judgement;
use crate::live::LivePath;

/// Both directions with their labels.
fn ways(flow: &FlowResult) -> [(&'static str, &FlowDirection); 2] {
    [("forward", &flow.forward), ("backward", &flow.backward)]
}

pub(super) fn series(page: &mut Page, judged: &[(&LivePath, &Judgement)]) {
    let flows = || {
        judged.iter().flat_map(|(live, judgement)| {
            let path = &live.path;
            judgement.flows.iter().map(|flow| {
                let number = flow.flow.to_string();
                let labels = vec![path.id.clone(), path.class.to_string(), number];
                (labels, flow)
            })
        })
    };
    let with = |labels: &[String], more: &[&str]| {
        let mut labels = labels.to_vec();
        labels.extend(more.iter().map(|label| (*label).to_owned()));
        labels
    };
    page.series(
        table::PATH_FLOW_EXCESS,
        flows().flat_map(|(labels, flow)| {
            ways(flow).into_iter().flat_map(move |(direction, way)| {
                let labels = labels.clone();
                let median = way.excess_median;
                [
                    ("min", way.excess_min),
                    ("median_lower", median.map(|span| span.lo)),
                    ("median_upper", median.map(|span| span.hi)),
                ]
                .into_iter()
                .filter_map(move |(statistic, excess)| {
                    Some((with(&labels, &[direction, statistic]), seconds(excess?)))
                })
            })
        }),
    );
    page.series(
        table::PATH_FLOW_ELSEWHERE,
        flows().flat_map(|(labels, flow)| {
            ways(flow).map(|(direction, way)| {
                (
                    with(&labels, &[direction]),
                    f64::from(u8::from(way.elsewhere)),
                )
            })
        }),
    );
    page.series(
        table::PATH_FLOW_LOSS,
        flows().filter_map(|(labels, flow)| Some((labels, flow.loss_ratio()?))),
    );
}
