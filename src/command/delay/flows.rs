//! Packets spread over several flows, each from a source port of its own: what
//! each sends, and how they compare.

use owl_measure::distribution::Bounds;
use owl_measure::report::FLOWS_MAX;
use owl_measure::time::{Monotonic, Nanos};
use owl_measure::verdict::flow::{FlowWay, FlowWindow};
use owl_measure::words::Lang;
use owl_protocol::session::Schedule;
use serde_json::{Value, json};

use super::numbers;
use crate::terminal::{Side, Table};

/// Every packet of ours leaves with this TTL or hop limit, and every reply of our reflectors.
const TTL: u8 = 255;

/// Into how many flows packets may be spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(super) struct Flows {
    /// Spread the packets over so many flows, each from a source port of its own, and compare them: equal-cost paths show
    ///
    /// Over IPv6 each flow has a flow label of its own, too, unless the sysctl net.ipv6.auto_flowlabels is off (`owl doctor` tells).
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=i64::from(FLOWS_MAX)))]
    pub(super) flows: u32,
}

/// What the send times of all flows together are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending {
    pub(super) interval: Nanos,
    pub(super) start: Monotonic,
    pub(super) packets: u64,
    /// Of exponentially distributed gaps; equal ones without.
    pub(super) seed: Option<u64>,
}

impl Flows {
    /// Whether there is more than one.
    pub(super) fn are_many(self) -> bool {
        self.flows > 1
    }

    /// What each flow sends: its schedule, and how many packets. A flow with nothing to send is left out.
    pub(super) fn each(self, sending: Sending) -> impl Iterator<Item = (Schedule, u64)> {
        let flows = u64::from(self.flows);
        let gap = sending.interval.times(self.flows.into());
        (0..flows)
            .map(move |k| {
                let schedule = match sending.seed {
                    // Poisson streams put together are one of their rates added up.
                    Some(seed) => Schedule::poisson(gap, sending.start, seed ^ k),
                    None => {
                        let offset = sending.interval.times(k.cast_signed());
                        Schedule::periodic(gap, sending.start + offset)
                    }
                };
                let packets = sending.packets / flows + u64::from(k < sending.packets % flows);
                (schedule, packets)
            })
            .filter(|&(_, packets)| packets > 0)
    }

    /// The number of a packet among those of all flows, and back.
    pub(super) fn overall(self, flow: usize, sequence: u32) -> u32 {
        sequence.wrapping_mul(self.flows).wrapping_add(flow as u32)
    }

    pub(super) fn flow_of(self, overall: u32) -> u32 {
        overall % self.flows
    }
}

fn hops(way: &FlowWay) -> String {
    match way.headers.ttl {
        None => "-".to_owned(),
        Some((low, high)) if low == high => (TTL - low).to_string(),
        Some((low, high)) => format!("{} … {}", TTL - high, TTL - low),
    }
}

fn longer(way: &FlowWay) -> [String; 2] {
    let plus = |span: Nanos| format!("{}{span}", if span < Nanos::ZERO { "" } else { "+" });
    let dash = || "-".to_owned();
    let median = way
        .excess_median
        .map(|Bounds { at_most, .. }| plus(at_most));
    [
        way.excess_min.map_or_else(dash, plus),
        median.unwrap_or_else(dash),
    ]
}

/// The flows beside each other, and a sentence on each that takes another route.
pub(super) fn text(flows: &[FlowWindow], ports: &[u16], lang: Lang) -> String {
    let right = |name| (name, Side::Right);
    let mut table = Table::new(&[
        (lang.pick("flow", "流"), Side::Left),
        right(lang.pick("source port", "源端口")),
        right(lang.pick("hops", "跳数")),
        right(lang.pick("fastest", "最快")),
        right(lang.pick("p50 at most", "p50 不大于")),
        right(lang.pick("back: hops", "反向跳数")),
        right(lang.pick("fastest", "最快")),
        right(lang.pick("p50 at most", "p50 不大于")),
        right(lang.pick("sent", "发送")),
        right(lang.pick("lost", "丢失")),
    ]);
    let mut sentences = String::new();
    for flow in flows {
        let [there, back] = &flow.ways;
        let ([min, median], [back_min, back_median]) = (longer(there), longer(back));
        let port = ports.get(flow.flow as usize);
        table.row([
            flow.flow.to_string(),
            port.map_or_else(|| "-".to_owned(), ToString::to_string),
            hops(there),
            min.clone(),
            median,
            hops(back),
            back_min.clone(),
            back_median,
            flow.sent.to_string(),
            flow.lost.to_string(),
        ]);
        for (way, excess, name) in [
            (there, min, lang.pick("forward", "前向")),
            (back, back_min, lang.pick("backward", "反向")),
        ] {
            if way.takes_other_route() {
                let hops = hops(way);
                sentences.push_str(&lang.pick(
                    format!(
                        "flow {} takes {excess} {name}, over {hops} hops: another route\n",
                        flow.flow
                    ),
                    format!(
                        "流 {} {name}时延 {excess}，经 {hops} 跳：另一条路由\n",
                        flow.flow
                    ),
                ));
            }
        }
    }
    let heading = lang.pick(
        "flows, beside the fastest one each way (no clock is in it):",
        "各流与每个方向最快的流相比（与时钟无关）：",
    );
    format!("{heading}\n{table}\n{sentences}")
}

/// All of it for a program.
pub(super) fn json(flows: &[FlowWindow], ports: &[u16]) -> Value {
    let way = |way: &FlowWay| {
        json!({
            "excess_min_ns": way.excess_min,
            "excess_median": numbers::bounds(way.excess_median),
            "other_route": way.takes_other_route(),
            "ttl": way.headers.ttl.map(|(min, max)| json!({ "min": min, "max": max })),
        })
    };
    let each = flows.iter().map(|flow| {
        json!({
            "flow": flow.flow,
            "source_port": ports.get(flow.flow as usize),
            "sent": flow.sent,
            "received": flow.received,
            "late": flow.late,
            "lost": flow.lost,
            "forward": way(&flow.ways[0]),
            "backward": way(&flow.ways[1]),
        })
    });
    Value::Array(each.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr as _;

    #[test]
    fn flows_share_the_interval_and_the_packets() {
        let sending = Sending {
            interval: Nanos::from_millis(10),
            start: Monotonic(0),
            packets: 10,
            seed: None,
        };
        let mut sent = Vec::new();
        for (mut schedule, packets) in (Flows { flows: 4 }).each(sending) {
            for _ in 0..packets {
                let at = schedule.next();
                schedule.take(at).unwrap();
                sent.push(at);
            }
        }
        sent.sort_unstable();
        let expected: Vec<Monotonic> = (0..10).map(|k| Monotonic(k * 10_000_000)).collect();
        assert_eq!(sent, expected);
        let few = Sending {
            packets: 3,
            ..sending
        };
        assert_eq!((Flows { flows: 32 }).each(few).count(), 3);
    }

    #[test]
    fn packets_are_numbered_in_the_order_of_sending() {
        let flows = Flows { flows: 3 };
        let numbers: Vec<u32> = (0..2)
            .flat_map(|sequence| (0..3).map(move |flow| flows.overall(flow, sequence)))
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
        assert_eq!(flows.flow_of(5), 2);
        assert_eq!((Flows { flows: 1 }).overall(0, u32::MAX), u32::MAX);
    }

    #[test]
    fn a_flow_of_another_route_is_named_in_a_table_that_fits() {
        let way = |us, longer| FlowWay {
            excess_min: Some(Nanos::from_micros(us)),
            longer,
            ..FlowWay::default()
        };
        let flow = |flow, there| FlowWindow {
            flow,
            sent: 25,
            received: 25,
            ways: [there, way(0, false)],
            ..FlowWindow::default()
        };
        let flows = [flow(0, way(0, false)), flow(3, way(1_200, true))];
        let ports = [40_000, 40_001, 40_002, 40_003];
        let said = text(&flows, &ports, Lang::En);
        let sentence = "flow 3 takes +1.200 ms forward, over - hops: another route";
        assert!(said.contains(sentence) && said.contains("40003"), "{said}");
        for line in text(&flows, &ports, Lang::Zh).lines() {
            assert!(line.width() <= 120, "{line}");
        }
        let json = json(&flows, &ports);
        assert_eq!(json[1]["forward"]["other_route"], true);
        assert_eq!(json[1]["source_port"], 40_003);
    }
}
