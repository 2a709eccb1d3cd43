//! Delay variation, loss periods and reordering of a window, in words.

use owl_measure::verdict::Quantile;
use owl_measure::words::Lang;

use super::say::ms;
use crate::way::{Way, WayName};

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
        let pdv = ms(variation.pdv?.hi);
        Some(match variation.ipdv {
            Some(ipdv) => format!("PDV ≤ {pdv}, IPDV ≤ {}", ms(ipdv.hi)),
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
        (reordered > 0).then(|| {
            lang.pick(
                format!("{reordered} packets, extent up to {extent}, {three} of them 3-reordered"),
                format!("{reordered} 个报文，乱序幅度最大 {extent}，其中 3-乱序 {three} 个"),
            )
        })
    });
    [
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

    const QUIET: Way = Way {
        direction: WayName::Forward,
        variations: Vec::new(),
        loss_periods: 0,
        longest_loss_period: 0,
        reordered: 0,
        largest_extent: 0,
        three_reordered: 0,
        duplicated: 0,
    };

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
                    "this way 3 packets, extent up to 5, 1 of them 3-reordered".to_owned()
                ),
            ]
        );
    }
}
