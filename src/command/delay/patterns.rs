//! What losses and overtaken packets looked like, for a person and for a program.

use owl_measure::lengths::{BUCKETS, Lengths};
use owl_measure::patterns::Patterns;
use owl_measure::words::Lang;
use serde_json::{Value, json};

use super::findings::Findings;

/// One line on loss periods and one on overtaken packets, when there were any.
pub(super) fn lines(found: &Findings, lang: Lang) -> Vec<String> {
    let places = [
        (lang.pick("forward", "前向"), &found.ways[0].patterns),
        (lang.pick("backward", "反向"), &found.ways[1].patterns),
        (lang.pick("unknown which way", "方向未知"), &found.somewhere),
    ];
    let told = |say: fn(&Patterns, Lang) -> Option<String>| {
        let each: Vec<String> = places
            .iter()
            .filter_map(|(name, patterns)| Some(format!("{name} {}", say(patterns, lang)?)))
            .collect();
        (!each.is_empty()).then(|| each.join(lang.pick("; ", "；")))
    };
    let periods = told(periods)
        .map(|told| lang.pick(format!("loss periods: {told}"), format!("连续丢包：{told}")));
    let overtaken = told(overtaken)
        .map(|told| lang.pick(format!("overtaken: {told}"), format!("乱序：{told}")));
    [periods, overtaken].into_iter().flatten().collect()
}

fn periods(patterns: &Patterns, lang: Lang) -> Option<String> {
    let periods = &patterns.loss_periods;
    let (count, longest) = (periods.count(), periods.longest());
    (count > 0).then(|| {
        let mean = periods.sum() as f64 / count as f64;
        lang.pick(
            format!("{count} of {mean:.1} packets on average, the longest of {longest}"),
            format!("{count} 次，平均 {mean:.1} 个报文，最长 {longest} 个"),
        )
    })
}

fn overtaken(patterns: &Patterns, lang: Lang) -> Option<String> {
    let extents = &patterns.extents;
    let (count, longest) = (extents.count(), extents.longest());
    (count > 0).then(|| {
        let (three, late) = (patterns.n_reordering.longer_than(2), patterns.latest());
        lang.pick(
            format!("{count} by an extent of up to {longest} packets and {late}, {three} of them 3-reordered"),
            format!("{count} 个，幅度最大 {longest} 个报文、{late}，其中 3-乱序 {three} 个"),
        )
    })
}

/// All of it.
pub(super) fn json(patterns: &Patterns) -> Value {
    json!({
        "reordering_extent": lengths(&patterns.extents),
        "n_reordering": lengths(&patterns.n_reordering),
        "late_offset_100us": lengths(&patterns.late_offsets),
        "loss_period": lengths(&patterns.loss_periods),
        "loss_distance": lengths(&patterns.loss_distances),
    })
}

/// Buckets by the longest length in each; the last one has no end.
fn lengths(lengths: &Lengths) -> Value {
    let counts = lengths.counts();
    let buckets: Vec<Value> = (0..BUCKETS)
        .filter(|&bucket| counts[bucket] > 0)
        .map(|bucket| json!({ "up_to": Lengths::edge(bucket), "count": counts[bucket] }))
        .collect();
    json!({
        "count": lengths.count(),
        "sum": lengths.sum(),
        "longest": lengths.longest(),
        "buckets": buckets,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::delay::findings::tests::HONEST;
    use owl_measure::reordering::Overtaken;
    use owl_measure::time::Nanos;

    #[test]
    fn what_happened_is_one_line_each_and_what_did_not_is_none() {
        let mut found = HONEST.findings();
        assert_eq!(lines(&found, Lang::En), Vec::<String>::new());
        for length in [1, 1, 6] {
            found.ways[1].patterns.loss_periods.record(length);
        }
        found.somewhere.loss_periods.record(2);
        for extent in [3, 9] {
            let n = extent - 2;
            let late = Nanos::from_micros(extent.into());
            let overtaken = Overtaken { extent, n, late };
            found.ways[0].patterns.overtaken(overtaken);
        }
        let expected = [
            "loss periods: backward 3 of 2.7 packets on average, the longest of 6; \
             unknown which way 1 of 2.0 packets on average, the longest of 2",
            "overtaken: forward 2 by an extent of up to 9 packets and 100.000 µs, 1 of them 3-reordered",
        ];
        assert_eq!(lines(&found, Lang::En), expected);
        assert_eq!(lines(&found, Lang::Zh).len(), 2);
        let json = json(&found.ways[1].patterns);
        let buckets = json!([{ "up_to": 1, "count": 2 }, { "up_to": 8, "count": 1 }]);
        assert_eq!(json["loss_period"]["buckets"], buckets);
        assert_eq!(json["loss_period"]["sum"], 8);
    }
}
