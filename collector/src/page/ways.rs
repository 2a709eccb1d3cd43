//! Hops, delay variation, loss periods and reordering of a window, in words.
//! And when hop counts changed.

use maud::{Markup, html};
use owl_measure::verdict::Quantile;
use owl_measure::words::Lang;

use super::Frame;
use super::say::at_most;
use crate::store::HopChange;
use crate::way::{Way, WayName};

/// When the hop count changed, as a list; nothing when it never did. A change is evidence of another route.
pub(super) fn hop_changes(frame: &Frame<'_>, changes: &[HopChange]) -> Markup {
    let lang = frame.lang;
    html! {
        @if !changes.is_empty() {
            h2 { (lang.pick("Other routes", "路由变化")) }
            ul {
                @for change in changes {
                    li { time { (frame.zone.instant(change.at)) } " — " (sentence(change, lang)) }
                }
            }
        }
    }
}

fn sentence(change: &HopChange, lang: Lang) -> String {
    let (way, before, after) = (name(change.direction, lang), change.before, change.after);
    let flow = match change.flow {
        0 => String::new(),
        flow => lang.pick(format!(", flow {flow}"), format!("，流 {flow}")),
    };
    lang.pick(
        format!("{way}{flow}: the hop count changed from {before} to {after}"),
        format!("{way}{flow}：跳数由 {before} 变为 {after}"),
    )
}

fn name(way: WayName, lang: Lang) -> &'static str {
    match way {
        WayName::Forward => lang.pick("this way", "本方向"),
        WayName::Backward => lang.pick("back", "反方向"),
        WayName::Unknown => lang.pick("somewhere", "方向不明"),
    }
}

/// What there is to say, each with its heading; nothing on what did not happen.
pub(super) fn ways(ways: &[Way], lang: Lang) -> Vec<(&'static str, String)> {
    let told = |say: &dyn Fn(&Way) -> Option<String>| {
        let each: Vec<String> = ways
            .iter()
            .filter_map(|way| Some(format!("{} {}", name(way.direction, lang), say(way)?)))
            .collect();
        each.join(lang.pick("; ", "；"))
    };
    let variation = told(&|way| {
        let variation = way.variation(Quantile::P95)?;
        let pdv = at_most(variation.pdv?.hi);
        Some(match variation.ipdv {
            Some(ipdv) => format!("PDV ≤ {pdv}, IPDV ≤ {}", at_most(ipdv.hi)),
            None => format!("PDV ≤ {pdv}"),
        })
    });
    let losses = told(&|way| {
        let (periods, longest) = (way.loss_periods, way.longest_loss_period);
        (periods > 0).then(|| {
            lang.pick(
                format!("{periods}, the longest of {longest} packets"),
                format!("{periods} 次，最长 {longest} 个报文"),
            )
        })
    });
    let reordering = told(&|way| {
        let (reordered, extent, three) = (way.reordered, way.largest_extent, way.three_reordered);
        let late = at_most(way.late_offset_max);
        (reordered > 0).then(|| {
            lang.pick(
                format!("{reordered} packets, extent up to {extent}, late by up to {late}, {three} of them 3-reordered"),
                format!("{reordered} 个报文，乱序幅度最大 {extent}，最多晚到 {late}，其中 3-乱序 {three} 个"),
            )
        })
    });
    let hops = told(&|way| {
        let (fewest, most) = way.hops?;
        Some(if fewest == most {
            most.to_string()
        } else {
            format!("{fewest} … {most}")
        })
    });
    let remarked = told(&|way| {
        let (remarked, met) = (way.remarked, way.congestion);
        (remarked > 0 || met > 0).then(|| {
            lang.pick(
                format!("{remarked} packets with another DSCP, {met} met congestion"),
                format!("{remarked} 个报文 DSCP 被改写，{met} 个遇到拥塞"),
            )
        })
    });
    [
        (lang.pick("Hops", "跳数"), hops),
        (lang.pick("Remarked", "改写"), remarked),
        (lang.pick("Delay variation, p95", "时延变化 p95"), variation),
        (lang.pick("Loss periods", "连续丢包"), losses),
        (lang.pick("Overtaken", "乱序"), reordering),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::time::{Nanos, Timestamp};

    const QUIET: Way = Way {
        direction: WayName::Forward,
        variations: Vec::new(),
        loss_periods: 0,
        longest_loss_period: 0,
        reordered: 0,
        largest_extent: 0,
        late_offset_max: Nanos::ZERO,
        three_reordered: 0,
        duplicated: 0,
        hops: None,
        remarked: 0,
        congestion: 0,
    };

    #[test]
    fn a_change_of_the_hop_count_is_a_sentence() {
        let change = |flow| HopChange {
            flow,
            direction: WayName::Forward,
            at: Timestamp(0),
            before: 5,
            after: 7,
        };
        let said = [0, 3].map(|flow| sentence(&change(flow), Lang::En));
        assert_eq!(said[0], "this way: the hop count changed from 5 to 7");
        assert_eq!(
            said[1],
            "this way, flow 3: the hop count changed from 5 to 7"
        );
    }

    #[test]
    fn only_what_happened_is_told() {
        assert_eq!(ways(&[QUIET], Lang::En), []);
        let lossy = Way {
            direction: WayName::Unknown,
            loss_periods: 2,
            longest_loss_period: 7,
            ..QUIET
        };
        let overtaken = Way {
            reordered: 3,
            largest_extent: 5,
            late_offset_max: Nanos(300_000),
            three_reordered: 1,
            ..QUIET
        };
        let said = ways(&[overtaken, lossy], Lang::En);
        assert_eq!(
            said,
            [
                (
                    "Loss periods",
                    "somewhere 2, the longest of 7 packets".to_owned()
                ),
                (
                    "Overtaken",
                    "this way 3 packets, extent up to 5, late by up to 0.300 ms, 1 of them 3-reordered".to_owned()
                ),
            ]
        );
    }
}
