//! Verdicts in words: one wording for every page.

use owl_measure::delay::Basis;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{EvidenceClass, Reason, State, Verdict};
use owl_measure::words::Lang;
use owl_topology::PathClass;

use super::Frame;
use crate::judgement::{Judgement, Seat};
use crate::live::LivePath;

/// What a cell says of a path: a state, or that nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The verdict of the latest window, with a measurement behind it.
    Judged(State),
    /// Nothing was measured, and that is no bad mark.
    NotMeasured,
}

impl Standing {
    pub(super) const ALL: [Self; 4] = [
        Self::Judged(State::Met),
        Self::Judged(State::Missed),
        Self::Judged(State::Undecided),
        Self::NotMeasured,
    ];

    /// Of a path's judgement, as long as it tells of the present.
    pub(super) fn of(judgement: Option<&Judgement>) -> Self {
        match judgement {
            Some(judgement) if judgement.verdict.reason != Some(Reason::NoData) => {
                Self::Judged(judgement.verdict.state)
            }
            _ => Self::NotMeasured,
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Judged(state) => state.sign(),
            Self::NotMeasured => "○",
        }
    }

    pub(super) fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::Judged(state) => state.word(lang),
            Self::NotMeasured => Reason::NoData.sentence(lang),
        }
    }

    /// The class in the style sheet.
    pub(super) fn style(self) -> &'static str {
        match self {
            Self::Judged(state) => state.code(),
            Self::NotMeasured => "unmeasured",
        }
    }
}

/// Milliseconds with three digits; no end of an interval.
pub(super) fn ms(span: Nanos) -> String {
    format!("{:.3} ms", span.as_millis_f64())
}

/// What is at least so much: milliseconds with three digits, so that a column of them can be compared; `∞` for a lost packet.
pub(super) fn at_least(span: Nanos) -> String {
    if span == Nanos::MAX {
        "∞".into()
    } else {
        format!("{} ms", span.millis_down())
    }
}

/// What is at most so much, in the same form.
pub(super) fn at_most(span: Nanos) -> String {
    if span == Nanos::MAX {
        "∞".into()
    } else {
        format!("{} ms", span.millis_up())
    }
}

/// Between the one and the other.
pub(super) fn between(lo: Nanos, hi: Nanos) -> String {
    format!("{} … {}", lo.millis_down(), at_most(hi))
}

/// What a verdict's interval says, as short as it can be: the end of it that decides, or both.
pub(super) fn bound(verdict: &Verdict) -> Option<String> {
    let delay = verdict.delay?;
    Some(match verdict.state {
        State::Met => format!("≤ {}", at_most(delay.hi)),
        State::Missed if delay.lo == Nanos::MAX => "∞".into(),
        State::Missed => format!("≥ {}", at_least(delay.lo)),
        State::Undecided => between(delay.lo, delay.hi),
    })
}

/// A target as a person says it: `1 ms`.
pub(super) fn target(span: Nanos) -> String {
    format!("{} ms", span.as_millis_f64())
}

/// The name of a path class; the three goals of the city's plan have words, any other has its id.
pub(super) fn class_name(class: &PathClass, lang: Lang) -> String {
    match class.id.as_str() {
        "intra-city" => lang.pick("Inside the city", "市内算力节点之间").into(),
        "to-shanghai-core" => lang.pick("To Shanghai's core", "至上海核心节点").into(),
        "to-yrd-key-city" => lang
            .pick("To the Delta's key cities", "至长三角重点城市")
            .into(),
        id => id.into(),
    }
}

impl Frame<'_> {
    /// The path's judgement, as long as it tells of the present.
    pub(super) fn current<'a>(&self, live: &'a LivePath) -> Option<&'a Judgement> {
        live.latest
            .as_ref()
            .filter(|latest| latest.is_current(self.now, self.grace))
    }

    pub(super) fn site(&self, id: &owl_topology::SiteId) -> String {
        self.topology.site(id).map_or_else(
            || id.to_string(),
            |site| site.name.pick(self.lang).to_owned(),
        )
    }

    pub(super) fn carrier(&self, id: &owl_topology::CarrierId) -> String {
        self.topology.carrier(id).map_or_else(
            || id.to_string(),
            |carrier| carrier.name.pick(self.lang).to_owned(),
        )
    }

    /// One sentence on a path's verdict, without its state's name in front.
    pub(super) fn sentence(&self, judgement: Option<&Judgement>) -> String {
        let lang = self.lang;
        let Some(judgement) = judgement else {
            return self.unjudged();
        };
        let verdict = &judgement.verdict;
        let percent = |fraction: f64| format!("{} %", (fraction * 1e6).round() / 1e4);
        let (share, rest) = (
            percent(judgement.quantile.as_f64()),
            percent(1.0 - judgement.quantile.as_f64()),
        );
        let goal = target(verdict.target);
        match (verdict.state, verdict.delay) {
            (State::Met, Some(delay)) => {
                let hi = at_most(delay.hi);
                lang.pick(
                    format!("{share} of the packets take at most {hi}; the target is {goal}"),
                    format!("{share} 的报文单向时延不超过 {hi}，目标 {goal}"),
                )
            }
            (State::Missed, Some(delay)) if delay.lo == Nanos::MAX => lang.pick(
                format!(
                    "more than {rest} of the packets are lost; the target is {goal} for {share}"
                ),
                format!("超过 {rest} 的报文丢失，目标为 {share} 的报文不超过 {goal}"),
            ),
            (State::Missed, Some(delay)) => {
                let lo = at_least(delay.lo);
                lang.pick(
                    format!("more than {rest} of the packets take {lo} or longer; the target is {goal} for {share}"),
                    format!("超过 {rest} 的报文单向时延达到 {lo} 或更长，目标为 {share} 的报文不超过 {goal}"),
                )
            }
            _ => self.undecided(judgement),
        }
    }

    fn undecided(&self, judgement: &Judgement) -> String {
        let lang = self.lang;
        let reason = judgement
            .detail(lang, |at: Timestamp| self.zone.instant(at))
            .unwrap_or_default();
        match judgement.verdict.delay {
            None => reason,
            Some(delay) => {
                let (lo, hi, goal) = (
                    at_least(delay.lo),
                    at_most(delay.hi),
                    target(judgement.verdict.target),
                );
                lang.pick(
                    format!("{reason}: between {lo} and {hi}, target {goal}"),
                    format!("{reason}：介于 {lo} 与 {hi} 之间，目标 {goal}"),
                )
            }
        }
    }

    fn unjudged(&self) -> String {
        let since = self.zone.instant(self.started_at);
        self.lang.pick(
            format!("no window has been judged lately; the collector runs since {since}"),
            format!("近期没有已判定的窗口；采集器自 {since} 起运行"),
        )
    }
}

/// What a class of evidence means.
pub(super) fn evidence(class: EvidenceClass, lang: Lang) -> &'static str {
    match class {
        EvidenceClass::A => lang.pick(
            "one-way, hardware stamps, uncertainty at most a tenth of the target",
            "单向测量，硬件时间戳，不确定度不超过目标的十分之一",
        ),
        EvidenceClass::B => lang.pick(
            "proved without any clock: round trip, speed of light and loss",
            "不依赖任何时钟的证明：往返时延、光速与丢包",
        ),
        EvidenceClass::C => lang.pick(
            "one-way with the clocks' claims, uncertainty at most a quarter of the target",
            "依据时钟声明的单向测量，不确定度不超过目标的四分之一",
        ),
        EvidenceClass::D => lang.pick(
            "estimated from the round trip; it never passes a target",
            "由往返时延估计，不得据此判为达标",
        ),
    }
}

/// What the interval rests on.
pub(super) fn basis(basis: Basis, lang: Lang) -> &'static str {
    match basis {
        Basis::Proved => lang.pick(
            "proved: round trip and light alone",
            "已证明：仅依据往返时延与光速",
        ),
        Basis::Claimed => lang.pick(
            "claimed: the clocks' own error bounds",
            "依据声明：时钟自身的误差界",
        ),
        Basis::Assumed => lang.pick(
            "assumed: no more than a stated share of the path is asymmetric",
            "依据假设：路径不对称不超过所述比例",
        ),
    }
}

/// What keeps the interval of a judgement from being narrower.
pub(super) fn limits(judgement: &Judgement, lang: Lang) -> String {
    let verdict = &judgement.verdict;
    let clock = judgement
        .clock_error_bound
        .map(|bound| match judgement.clock_random {
            Some(random) => lang.pick(
                format!("±{bound} ({random} of it three standard deviations)"),
                format!("±{bound}（其中 {random} 为三倍标准差）"),
            ),
            None => format!("±{bound}"),
        });
    let mut said = match (verdict.basis(), clock) {
        (None, _) if judgement.coordinates_are_wrong() => lang
            .pick(
                "The round trip is faster than light allows, so the coordinates of a site are wrong and no interval follows.",
                "往返时延小于光速所允许的下限，说明站点坐标有误，无法给出区间。",
            )
            .to_owned(),
        (None, _) => lang.pick("Nothing was measured.", "没有测量数据。").to_owned(),
        (Some(_), Some(clock)) if verdict.reason == Some(Reason::Contradiction) => lang.pick(
            format!("The clocks claim {clock}, and a measurement of this path or of another of its probes contradicts that: only round trip and light can tell."),
            format!("时钟声明为 {clock}，但本路径或其探针的另一条路径的测量与之矛盾：只能依据往返时延与光速。"),
        ),
        (Some(Basis::Claimed), Some(clock)) => lang.pick(
            format!("The two clocks may differ by {clock}, as they claim; that and the stamps make the interval this wide."),
            format!("按时钟声明，两端时钟之差可达 {clock}；区间宽度由此及时间戳误差决定。"),
        ),
        (Some(Basis::Assumed), Some(clock)) => lang.pick(
            format!("The clocks claim {clock}, which is not believed here; the interval assumes how asymmetric the path may be."),
            format!("时钟声明为 {clock}，此处未予采信；区间依据对路径不对称程度的假设。"),
        ),
        (Some(Basis::Proved), Some(clock)) => lang.pick(
            format!("No clock was needed or believed here; the clocks claim {clock}."),
            format!("此处无需或不采信时钟；时钟声明为 {clock}。"),
        ),
        (Some(_), None) => lang
            .pick("A clock claims nothing, so only round trip and light can tell.", "有时钟未作声明，只能依据往返时延与光速。")
            .to_owned(),
    };
    if judgement.seat == Some(Seat::Opposite) {
        said.push_str(lang.pick(
            " Measured from the far end, whose stamps on the way back have no bound from below.",
            "由对端测量，其回程时间戳没有下界。",
        ));
    }
    said
}
