//! The series of flows: at most as many as a path may have flows, and none of
//! paths with one.

use super::families::SeenPath;
use super::labels::Labels;
use super::seconds;
use super::sink::{Sink, Value};
use crate::flow::{FlowDirection, FlowResult};

fn flows(path: SeenPath<'_>) -> &[FlowResult] {
    path.judgement
        .map_or(&[], |judgement| judgement.flows.as_slice())
}

fn labels(flow: &FlowResult) -> Labels {
    Labels::of([("flow", flow.flow.to_string().as_str())])
}

/// Both directions with their labels.
fn ways(flow: &FlowResult) -> [(Labels, &FlowDirection); 2] {
    let labels = labels(flow);
    [("forward", &flow.forward), ("backward", &flow.backward)]
        .map(|(direction, way)| (labels.and("direction", direction), way))
}

pub(super) fn excess(path: SeenPath<'_>, sink: &mut dyn Sink) {
    for (labels, way) in flows(path).iter().flat_map(ways) {
        let median = way.excess_median;
        for (statistic, excess) in [
            ("min", way.excess_min),
            ("median_lower", median.map(|span| span.lo)),
            ("median_upper", median.map(|span| span.hi)),
        ] {
            let Some(excess) = excess else { continue };
            let labels = labels.and("statistic", statistic);
            sink.series(
                &path.live.labels.plain,
                &labels,
                Value::Real(seconds(excess)),
            );
        }
    }
}

pub(super) fn elsewhere(path: SeenPath<'_>, sink: &mut dyn Sink) {
    for (labels, way) in flows(path).iter().flat_map(ways) {
        sink.series(&path.live.labels.plain, &labels, Value::Flag(way.elsewhere));
    }
}

pub(super) fn loss(path: SeenPath<'_>, sink: &mut dyn Sink) {
    for flow in flows(path) {
        if let Some(ratio) = flow.loss_ratio() {
            sink.series(&path.live.labels.plain, &labels(flow), Value::Real(ratio));
        }
    }
}
