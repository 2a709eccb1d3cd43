//! Sums of bins, for a person and for a program.

use owl_measure::counter::percentile95::{Direction, IntervalRate, Percentile95, Rank};
use owl_measure::words::Lang;
use serde_json::{Value, json};

use super::file::Bins;
use super::sums::{Carried, Sums};
use crate::command::links::per_second::unit;
use crate::terminal::{Side, Table};

/// Ports that are named when the topology does not have them; `--json` has all of them.
const NAMED: usize = 5;

pub(super) fn json(bins: &Bins, sums: &Sums) -> String {
    let rate = |rate: &IntervalRate| json!({ "bps": rate.bps, "at_least_bps": rate.at_least, "at_most_bps": rate.at_most });
    let percentile = |(rank, direction, told): &(Rank, Direction, Percentile95)| {
        json!({
            "rank": match rank { Rank::Nearest => "nearest", Rank::Interpolated => "interpolated" },
            "direction": match direction {
                Direction::LargerPercentile => "larger_percentile",
                Direction::LargerOfInterval => "larger_of_interval",
            },
            "bps": told.bps,
            "at_least_bps": told.at_least,
            "at_most_bps": told.at_most,
            "coverage": told.coverage,
        })
    };
    let carried = |one: &Carried| {
        let way = |way: usize| {
            let way = &one.ways[way];
            json!({ "octets": way.octets.to_string(), "mean": way.mean.as_ref().map(rate) })
        };
        json!({
            "name": one.name,
            "coverage": one.coverage,
            "forward": way(0),
            "backward": way(1),
            "percentile95": one.percentiles.iter().map(percentile).collect::<Vec<Value>>(),
        })
    };
    let told = json!({
        "start_ns": bins.start,
        "bin_ns": bins.length,
        "bins": bins.count,
        "ports": bins.ports.len(),
        "undeclared_ports": sums.undeclared,
        "impossible_bins": sums.impossible,
        "links": sums.links.iter().map(carried).collect::<Vec<Value>>(),
        "indicators": sums.indicators.iter().map(carried).collect::<Vec<Value>>(),
    });
    format!("{told}\n")
}

pub(super) fn text(bins: &Bins, sums: &Sums, lang: Lang) -> String {
    let mut table = Table::new(&[
        (lang.pick("link or indicator", "链路或指标"), Side::Left),
        (lang.pick("covered", "覆盖率"), Side::Right),
        (lang.pick("mean forward", "正向均值"), Side::Right),
        (lang.pick("mean backward", "反向均值"), Side::Right),
        (lang.pick("p95 nearest rank", "p95 最近秩"), Side::Right),
        (lang.pick("p95 interpolated", "p95 插值"), Side::Right),
    ]);
    for one in sums.links.iter().chain(&sums.indicators) {
        let mean = |way: usize| {
            let mean = one.ways[way].mean.as_ref();
            mean.map_or_else(none, |mean| {
                between(mean.bps, mean.at_least, mean.at_most, lang)
            })
        };
        let percentile = |wanted: Rank| {
            let found = one.percentiles.iter().find(|(rank, direction, _)| {
                *rank == wanted && *direction == Direction::LargerPercentile
            });
            found.map_or_else(none, |(.., told)| {
                between(told.bps, told.at_least, told.at_most, lang)
            })
        };
        table.row([
            one.name.clone(),
            format!("{:.1} %", one.coverage * 100.0),
            mean(0),
            mean(1),
            percentile(Rank::Nearest),
            percentile(Rank::Interpolated),
        ]);
    }
    let (count, length, ports) = (bins.count, bins.length, bins.ports.len());
    let mut text = lang.pick(
        format!("{count} bins of {length}, {ports} ports; the larger percentile of both directions\n{table}"),
        format!("{count} 个区间，每个 {length}，{ports} 个端口；取两个方向中较大的百分位\n{table}"),
    );
    if sums.impossible > 0 {
        let impossible = sums.impossible;
        text.push_str(&lang.pick(
            format!("{impossible} bins hold more than their port can carry and count as unknown\n"),
            format!("{impossible} 个区间超过端口可承载的流量，按未知处理\n"),
        ));
    }
    if !sums.undeclared.is_empty() {
        let (count, first) = (sums.undeclared.len(), sums.undeclared.iter().take(NAMED));
        let first = first.map(String::as_str).collect::<Vec<_>>().join(", ");
        text.push_str(&lang.pick(
            format!("{count} ports are not in the topology and are left out: {first}\n"),
            format!("{count} 个端口不在拓扑中、未计入：{first}\n"),
        ));
    }
    text
}

fn none() -> String {
    "–".to_owned()
}

/// A rate with its bounds, in one unit.
fn between(bps: f64, least: f64, most: f64, lang: Lang) -> String {
    let (scale, name) = unit(bps);
    let [seen, least, most] = [bps, least, most].map(|bps| bps / scale);
    if least == most {
        return format!("{seen:.3} {name}");
    }
    lang.pick(
        format!("{seen:.3} {name} ({least:.3} to {most:.3})"),
        format!("{seen:.3} {name}（{least:.3} 至 {most:.3}）"),
    )
}
