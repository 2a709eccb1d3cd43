//! What the judged packets are a sample of, in words.

use owl_measure::verdict::{Population, Ranked};
use owl_measure::words::Lang;

/// What a quantile speaks of.
pub(super) fn population(population: Population, lang: Lang) -> &'static str {
    match population {
        Population::Packets => lang.pick("of the packets sent", "就所发送的报文而言"),
        Population::Path => lang.pick(
            "of the path, of which the packets are a sample (97.5 % confidence)",
            "就路径而言，报文为其样本（置信度 97.5 %）",
        ),
    }
}

/// Between which packets the path's quantile lies.
pub(super) fn ranked(ranked: Ranked, lang: Lang) -> String {
    let (lower, of, effective) = (ranked.ranks.lower, ranked.of, ranked.effective);
    match ranked.ranks.upper {
        Some(upper) => lang.pick(
            format!("between packets {lower} and {upper} of {of}, the fastest first; they tell as much as {effective} independent ones"),
            format!("位于由快到慢的第 {lower} 与第 {upper} 个报文之间（共 {of} 个，相当于 {effective} 个独立报文）"),
        ),
        None => lang.pick(
            format!("no faster than packet {lower} of {of}, the fastest first; they tell as much as {effective} independent ones, too few for a bound from above"),
            format!("不快于由快到慢的第 {lower} 个报文（共 {of} 个，相当于 {effective} 个独立报文，不足以给出上界）"),
        ),
    }
}
