//! Packets, ranks and terms of an interval, with their numbers put into the formulas.

use owl_measure::delay::{Basis, ClockDifference};
use owl_measure::time::Nanos;
use owl_measure::verdict::explanation::{Clocks, Counts, Step, Term};
use owl_measure::verdict::{Explanation, Population, Quantile, Ranked};
use owl_measure::words::Lang;

use super::text::{percentile, us};
use crate::judgement::Judgement;

/// The number alone, for sums; a negative one in brackets.
fn bare(span: Nanos) -> String {
    let text = us(span);
    let number = text.trim_end_matches(" µs");
    if span < Nanos::ZERO {
        format!("({number})")
    } else {
        number.to_owned()
    }
}

/// What became of the packets, and which of them is judged.
pub(super) fn packets(told: &Explanation, judgement: &Judgement, lang: Lang) -> Vec<String> {
    let Counts {
        planned,
        sent,
        received,
        lost,
        unknown,
        quantile,
    } = told.counts;
    let mut lines = vec![lang.pick(
        format!("{planned} planned, {sent} sent, {received} back, {lost} lost this way for certain, {unknown} of unknown fate"),
        format!("计划 {planned}，发送 {sent}，返回 {received}，确知本方向丢失 {lost}，去向不明 {unknown}"),
    )];
    if let Some(ranked) = told.verdict.ranked {
        lines.extend(ranks(ranked, told.verdict.population, quantile, lang));
        if unknown > 0 {
            let (rank, low) = (
                ranked.ranks.lower,
                ranked.ranks.lower.saturating_sub(unknown),
            );
            lines.push(lang.pick(
                format!("from below those of unknown fate may be the fastest: rank {rank} − {unknown} = {low} of those that came back"),
                format!("求下限时去向不明者视为最快：取返回报文中秩 {rank} − {unknown} = {low}"),
            ));
        }
    }
    let late = judgement.late;
    if late > 0 {
        lines.push(lang.pick(
            format!(
                "{late} came back after the loss threshold and count among those of unknown fate"
            ),
            format!("{late} 个在丢失门限之后返回，计入去向不明"),
        ));
    }
    lines
}

/// Between which ranks the quantile lies, and why.
fn ranks(ranked: Ranked, population: Population, quantile: Quantile, lang: Lang) -> Vec<String> {
    let (p, n) = (quantile.as_f64(), ranked.of);
    let lower = ranked.ranks.lower;
    match population {
        Population::Packets => vec![lang.pick(
            format!("the judged packet is that of rank ⌈{p} × {n}⌉ = {lower}, the fastest being 1"),
            format!("被判定的报文秩为 ⌈{p} × {n}⌉ = {lower}（最快者为 1）"),
        )],
        Population::Path => {
            let upper = ranked
                .ranks
                .upper
                .map_or_else(|| "–".to_owned(), |upper| upper.to_string());
            let effective = ranked.effective;
            vec![lang.pick(
                format!(
                    "the path's {quantile} lies between ranks {lower} and {upper} of {n} packets, which tell as much as \
                     {effective} independent ones (binomial, 97.5 % one-sided)"
                ),
                format!(
                    "路径的 {quantile} 介于 {n} 个报文的第 {lower} 与第 {upper} 名之间，其信息量相当于 {effective} 个独立报文（二项分布，单侧 97.5 %）"
                ),
            )]
        }
    }
}

/// One interval: what it knows of the clocks, its terms, and which of them binds.
pub(super) fn lines(step: &Step, told: &Explanation, lang: Lang) -> Vec<String> {
    let quantile = percentile(told.counts.quantile);
    let mut lines = Vec::new();
    if let Some(clocks) = step.clocks {
        lines.push(theta(clocks, step.basis, lang));
        if step.basis == Basis::Claimed {
            lines.extend(theta_from(&told.clocks, lang));
        }
    }
    if step.basis == Basis::Claimed && told.stamp_error.is_none() {
        lines.push(
            lang.pick(
                "e has no bound: a stamp was taken in user space, so the raw differences say nothing from below",
                "e 无界：有时间戳取自用户态，原始差值不能给出下限",
            )
            .to_owned(),
        );
    }
    for (name, terms, binding) in [
        ("lo", &step.lower, step.binding_lower()),
        ("hi", &step.upper, step.binding_upper()),
    ] {
        for (k, &term) in terms.iter().enumerate() {
            let binds = if binding == Some(k) {
                lang.pick("   ← binds", "   ← 起决定作用")
            } else {
                ""
            };
            lines.push(format!("{name}  {}{binds}", formula(term, &quantile, lang)));
        }
    }
    lines.push(match step.delay {
        Some(delay) => format!("{} ≤ d_{quantile} ≤ {}", us(delay.lo), us(delay.hi)),
        None if step.basis == Basis::Proved => lang.pick(
            "the lower end is above the upper one, so a clock did what no clock does: not used"
                .to_owned(),
            "下限高于上限，说明有时钟行为异常：不采用".to_owned(),
        ),
        None => lang.pick(
            "the lower end is above the upper one: there is no such delay".to_owned(),
            "下限高于上限：不存在这样的时延".to_owned(),
        ),
    });
    lines
}

/// Where the claimed θ comes from: the two clocks' own claims, and the mesh's.
fn theta_from(clocks: &Clocks, lang: Lang) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(own) = clocks.own {
        let (lo, hi, random) = (us(own.at_least), us(own.at_most), us(clocks.random));
        lines.push(lang.pick(
            format!("θ by their own claims: {lo} … {hi} (bounds added, and three times what is random, {random})"),
            format!("依两端自身声明：θ 介于 {lo} … {hi}（误差界相加，另加三倍随机部分 {random}）"),
        ));
    }
    if let Some(mesh) = clocks.mesh_claimed {
        let (lo, hi) = (us(mesh.at_least), us(mesh.at_most));
        lines.push(lang.pick(
            format!("θ by the claims that stand anywhere in the mesh and its packets: {lo} … {hi}"),
            format!("依全网仍成立的声明与报文：θ 介于 {lo} … {hi}"),
        ));
    }
    lines
}

fn theta(clocks: ClockDifference, basis: Basis, lang: Lang) -> String {
    let (lo, hi) = (us(clocks.at_least), us(clocks.at_most));
    let from = match basis {
        Basis::Proved => lang.pick(
            "−D_ji … D_ij of the mesh: from the packets of all pairs and light, without any claim",
            "即全网的 −D_ji … D_ij：由全网报文与光速得出，不依赖任何时钟声明",
        ),
        Basis::Claimed => lang.pick(
            "from the clocks' claims that stand",
            "由仍然成立的时钟声明得出",
        ),
        Basis::Assumed => lang.pick(
            "as far as no more than a share is asymmetric",
            "假定不对称份额有限",
        ),
    };
    lang.pick(
        format!("θ, the far clock less the near one, lies in {lo} … {hi}, {from}"),
        format!("θ（远端时钟减近端时钟）介于 {lo} … {hi}，{from}"),
    )
}

fn formula(term: Term, quantile: &str, lang: Lang) -> String {
    match term {
        Term::Light { value } => format!("F_ij = {}", us(value)),
        Term::Lost => lang
            .pick("the packet of that rank is lost: ∞", "该秩的报文已丢失：∞")
            .to_owned(),
        Term::RoundTrip {
            round_trip: Nanos::MAX,
            ..
        } => lang.pick(
            format!("q_{quantile}(RTT) − F_ji = ∞: that packet never came back"),
            format!("q_{quantile}(RTT) − F_ji = ∞：该报文未返回"),
        ),
        Term::RoundTrip {
            round_trip,
            floor,
            value,
        } => format!(
            "q_{quantile}(RTT) − F_ji = {} − {} = {}",
            bare(round_trip),
            bare(floor),
            us(value)
        ),
        Term::RawLow {
            raw,
            theta,
            stamp_error,
            value,
        } => format!(
            "q_{quantile}(m) − θ_hi − e = {} − {} − {} = {}",
            bare(raw),
            bare(theta),
            bare(stamp_error),
            us(value)
        ),
        Term::RawHigh { raw, theta, value } => format!(
            "q_{quantile}(m) − θ_lo = {} − {} = {}",
            bare(raw),
            bare(theta),
            us(value)
        ),
    }
}
