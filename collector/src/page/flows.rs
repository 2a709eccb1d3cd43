//! The flows of a path beside each other.

use maud::{Markup, html};
use owl_measure::words::Lang;

use super::headings::headings;
use super::say::{at_most, ms};
use crate::flow::{FlowDirection, FlowResult};

/// A table of them, and a sentence on each that takes another route; nothing when the path has one flow.
pub(super) fn flows(flows: &[FlowResult], lang: Lang) -> Markup {
    html! {
        @if !flows.is_empty() {
            h2 { (lang.pick("Flows", "流")) }
            @for sentence in others(flows, lang) { p.state { (sentence) } }
            div.wide tabindex="0" role="region" aria-label=(lang.pick("Flows", "流")) {
                table {
                    caption { (lang.pick(
                        "Each flow has its own source port; how much longer it takes than the fastest one needs no clock",
                        "每条流使用不同的源端口；与最快的流相比的时延差不依赖时钟",
                    )) }
                    (headings(&[
                        lang.pick("Flow", "流"),
                        lang.pick("Hops", "跳数"),
                        lang.pick("Fastest packet", "最快报文"),
                        lang.pick("Median", "中位数"),
                        lang.pick("Fastest back", "反向最快"),
                        lang.pick("Sent", "发送"),
                        lang.pick("Received", "收到"),
                        lang.pick("Lost", "丢失"),
                    ]))
                    tbody {
                        @for flow in flows {
                            tr {
                                th scope="row" { (flow.flow) @if flow.forward.elsewhere { " ≠" } }
                                td.n { (hops(&flow.forward)) }
                                td.n { (fastest(&flow.forward)) }
                                td.n { (flow.forward.excess_median.map_or_else(|| "–".into(), |span| format!("≤ +{}", at_most(span.hi)))) }
                                td.n { (fastest(&flow.backward)) }
                                td.n { (flow.sent) }
                                td.n { (flow.received) }
                                td.n { (flow.lost) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn hops(way: &FlowDirection) -> String {
    match way.hops {
        None => "–".into(),
        Some((fewest, most)) if fewest == most => most.to_string(),
        Some((fewest, most)) => format!("{fewest} … {most}"),
    }
}

fn fastest(way: &FlowDirection) -> String {
    way.excess_min.map_or_else(
        || "–".into(),
        |excess| format!("{:+.3} ms", excess.as_millis_f64()),
    )
}

fn others(flows: &[FlowResult], lang: Lang) -> Vec<String> {
    let longer = |flow: &FlowResult, way: &FlowDirection, back: &str| {
        let (number, excess, hops) = (flow.flow, ms(way.excess_min?), hops(way));
        way.elsewhere.then(|| {
            lang.pick(
                format!("flow {number} is {excess} longer{back}, over {hops} hops: another route"),
                format!("流 {number}{back}长 {excess}，经 {hops} 跳：另一条路由"),
            )
        })
    };
    flows
        .iter()
        .flat_map(|flow| {
            [
                longer(flow, &flow.forward, ""),
                longer(flow, &flow.backward, lang.pick(" on the way back", "反向")),
            ]
        })
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::time::Nanos;

    #[test]
    fn the_flow_that_takes_another_route_is_named() {
        let way = |us, elsewhere| FlowDirection {
            excess_min: Some(Nanos::from_micros(us)),
            excess_median: None,
            elsewhere,
            hops: Some((5, 5)),
        };
        let flow = |number, forward, backward| FlowResult {
            flow: number,
            sent: 20,
            received: 20,
            lost: 0,
            late: 0,
            forward,
            backward,
        };
        let all = [
            flow(0, way(0, false), way(4, false)),
            flow(3, way(1_200, true), way(0, false)),
            flow(4, way(3, false), way(700, true)),
        ];
        assert_eq!(
            others(&all, Lang::En),
            [
                "flow 3 is 1.200 ms longer, over 5 hops: another route",
                "flow 4 is 0.700 ms longer on the way back, over 5 hops: another route"
            ]
        );
        let page = flows(&all, Lang::Zh).into_string();
        assert!(
            page.contains("+1.200 ms") && page.contains("流 3"),
            "{page}"
        );
        assert_eq!(flows(&[], Lang::En).into_string(), "");
    }
}
