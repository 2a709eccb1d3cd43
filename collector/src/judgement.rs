//! A verdict with what was known when it was made.
//!
//! What a page, the API and the metrics tell of a window comes from here, so
//! they cannot disagree. It is kept as JSON, one row a path and window.

use owl_measure::delay::OneWayDelay;
use owl_measure::distribution::Bounds;
use owl_measure::hindrance::Hindrance;
use owl_measure::implied::ImpliedRoute;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{Quantile, Reason, Statistics, Verdict};
use owl_measure::words::Lang;
use serde::{Deserialize, Serialize};

use crate::flow::FlowResult;
use crate::way::Way;

/// Windows after which a judgement is too old to be shown as the present one.
const CURRENT_WINDOWS: i64 = 3;

/// The verdict on one path in one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judgement {
    /// The path, `FROM~TO`.
    pub(crate) path: String,
    /// The statistical profile by which it was judged.
    pub(crate) profile: String,
    /// The quantile that was held against the target.
    pub(crate) quantile: Quantile,
    /// When the window began.
    #[serde(rename = "window_start_ns")]
    pub(crate) window_start: Timestamp,
    /// How long it is.
    #[serde(rename = "window_ns")]
    pub(crate) window: Nanos,
    /// When the judge spoke; a window is judged again when reports come late.
    #[serde(rename = "judged_at_ns")]
    pub(crate) judged_at: Timestamp,
    /// The verdict itself.
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
    /// Why nothing was measured, when nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<NoDataWhy>,
    /// The median, the 95th and the 99th percentile; empty when nothing was measured.
    pub(crate) percentiles: Vec<Percentile>,
    /// How delay varied, and what losses and overtaken packets looked like, each way; empty when nothing was measured, and
    /// in judgements of older stores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ways: Vec<Way>,
    /// Its flows one by one, when there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) flows: Vec<FlowResult>,
    /// How far the difference of the two clocks may be off, as they claim; `None` when one of them claims nothing.
    #[serde(
        rename = "clock_error_bound_ns",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) clock_error_bound: Option<Nanos>,
    /// Three standard deviations of what is random in it, both clocks together; `None` when nothing is known to be, and in
    /// judgements of older stores.
    #[serde(
        default,
        rename = "clock_random_ns",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) clock_random: Option<Nanos>,
    /// Whose packets were judged; `None` when there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seat: Option<Seat>,
    /// The length of route that the fastest packets imply; `None` without a packet, when the coordinates are wrong, and in
    /// judgements of older stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) implied: Option<ImpliedRoute>,
    /// Packets known to be lost in the judged direction.
    pub(crate) lost: u64,
    /// Packets that never came back, nobody knows which way they were lost; judgements of older stores do not say.
    #[serde(default)]
    pub(crate) lost_unknown: u64,
    /// Packets that never came back since the measuring host dropped their replies itself, at most: taken out of the
    /// losses of the way back. Judgements of older stores do not say.
    #[serde(default)]
    pub(crate) own_loss: u64,
    /// Packets that came back after the loss threshold.
    pub(crate) late: u64,
    /// What rules for a period ask besides; `None` when there were no packets, and in judgements of older stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) statistics: Option<Statistics>,
    /// SHA-256 of the rulebook that it was made by; judgements of older stores kept none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<String>,
    /// The reports of the judged session; `None` when there were none, and in judgements of older stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inputs: Option<Inputs>,
}

/// Reports that a judgement was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    /// How many.
    pub(crate) reports: u64,
    /// SHA-256 of all of them with their numbers, in hexadecimal.
    pub(crate) sha256: String,
}

/// From which end a path was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Seat {
    /// By the session of the path itself, forward.
    Own,
    /// By the session of the opposite path, backward, because the own one did not report.
    Opposite,
}

/// One percentile over the packets sent, in one window; 9223372036854775807 ns (the largest `i64`) stands for a
/// delay without bound, which is the delay of a lost packet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentile {
    /// Which one.
    pub(crate) quantile: Quantile,
    /// The interval of its one-way delay, with the clocks' claims where they stand; `None` when the round trip was
    /// faster than light, so that the coordinates are wrong and nothing follows from them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) one_way: Option<OneWayDelay>,
    /// Between which its round-trip delay lies.
    pub(crate) round_trip: Span,
    /// Between which its raw one-way difference lies: two uncorrected clocks, no delay.
    pub(crate) raw: Span,
}

/// Two ends of an interval that needs no clock claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    /// No smaller than this.
    #[serde(rename = "lo_ns")]
    pub(crate) lo: Nanos,
    /// No larger than this.
    #[serde(rename = "hi_ns")]
    pub(crate) hi: Nanos,
}

impl From<OneWayDelay> for Span {
    fn from(delay: OneWayDelay) -> Self {
        Self {
            lo: delay.lo,
            hi: delay.hi,
        }
    }
}

impl From<Option<Bounds>> for Span {
    /// A rank that is not among the packets that came back is a lost packet.
    fn from(bounds: Option<Bounds>) -> Self {
        bounds.map_or(
            Self {
                lo: Nanos::MAX,
                hi: Nanos::MAX,
            },
            |bounds| Self {
                lo: bounds.at_least,
                hi: bounds.at_most,
            },
        )
    }
}

/// Why a window holds no measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(crate) enum NoDataWhy {
    /// The probe has never called.
    NotStarted {
        /// Which one.
        probe: String,
    },
    /// The probe has called before, and reports nothing now.
    ProbeSilent {
        /// Which one.
        probe: String,
        /// Up to when it has reported.
        #[serde(rename = "since_ns")]
        since: Timestamp,
    },
    /// The probe reports other paths, but not this one: it may follow an older plan.
    NotReported {
        /// Which one.
        probe: String,
    },
    /// The probe's reports reach over the end of the window, so they tell of neither window alone.
    Straddling {
        /// Which one.
        probe: String,
    },
    /// The session was up and sent nothing.
    NothingSent {
        /// The probe that should have sent.
        probe: String,
    },
    /// The far end, or the way to it, has refused the session before its first packet.
    Hindered {
        /// The probe that should have sent.
        probe: String,
        /// Whom it asked.
        server: String,
        /// What hindered it.
        #[serde(flatten)]
        hindrance: Hindrance,
    },
    /// Packets were sent, and none came back; nobody knows which way they were lost.
    NoReplies {
        /// How many.
        sent: u64,
    },
}

impl NoDataWhy {
    /// One sentence for a person; `time` writes an instant.
    pub(crate) fn sentence(&self, lang: Lang, time: impl Fn(Timestamp) -> String) -> String {
        match self {
            Self::NotStarted { probe } => lang.pick(
                format!("the probe {probe} has never called"),
                format!("探针 {probe} 从未上报"),
            ),
            Self::ProbeSilent { probe, since } => {
                let since = time(*since);
                lang.pick(
                    format!("the probe {probe} has reported nothing after {since}"),
                    format!("探针 {probe} 自 {since} 起无上报"),
                )
            }
            Self::NotReported { probe } => lang.pick(
                format!(
                    "the probe {probe} reports other paths but not this one; its plan may be old"
                ),
                format!("探针 {probe} 上报了其他路径，但没有这一条；其计划可能是旧的"),
            ),
            Self::Straddling { probe } => lang.pick(
                format!("the reports of {probe} reach over the end of the window; intervals and windows are not aligned"),
                format!("探针 {probe} 的上报跨越窗口边界\u{ff0c}上报周期与判定窗口未对齐"),
            ),
            Self::NothingSent { probe } => lang.pick(
                format!("the probe {probe} sent no packets"),
                format!("探针 {probe} 没有发送报文"),
            ),
            Self::Hindered {
                probe,
                server,
                hindrance,
            } => hindrance.sentence(probe, server, lang),
            Self::NoReplies { sent } => lang.pick(
                format!("{sent} packets sent, no reply"),
                format!("已发送 {sent} 个报文，无一返回"),
            ),
        }
    }
}

impl Judgement {
    /// When the window ended.
    pub(crate) fn window_end(&self) -> Timestamp {
        self.window_start + self.window
    }

    /// Whether it differs from another one in nothing but when it was given.
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        let then = Self {
            judged_at: self.judged_at,
            ..other.clone()
        };
        *self == then
    }

    /// Whether this still tells of the present: no more than three windows and the judge's patience have passed.
    pub(crate) fn is_current(&self, now: Timestamp, grace: Nanos) -> bool {
        now - self.window_end() <= self.window.times(CURRENT_WINDOWS) + grace
    }

    /// Whether the round trip was faster than light there and back: then no clock but a coordinate is wrong.
    pub(crate) fn coordinates_are_wrong(&self) -> bool {
        self.verdict.coordinates_are_wrong()
    }

    /// Why it is undecided, as one sentence for a person; `time` writes an instant. `None` when it is decided.
    pub(crate) fn detail(&self, lang: Lang, time: impl Fn(Timestamp) -> String) -> Option<String> {
        if let Some(why) = &self.why {
            return Some(why.sentence(lang, time));
        }
        if self.verdict.reason == Some(Reason::Samples) && self.may_be_one_of_unknown_fate() {
            let (unknown, sent) = (self.lost_unknown, self.verdict.sent);
            return Some(lang.pick(
                format!("{unknown} of {sent} packets are of unknown fate"),
                format!("{sent} 个报文中有 {unknown} 个去向不明"),
            ));
        }
        self.verdict.reason_sentence(lang).map(str::to_owned)
    }

    /// Whether the judged percentile may be the delay of a packet of which nobody knows which way it was lost.
    fn may_be_one_of_unknown_fate(&self) -> bool {
        let verdict = &self.verdict;
        let upper = match verdict.ranked {
            Some(ranked) => ranked.ranks.upper,
            None => {
                let of = [verdict.received, self.lost, self.lost_unknown];
                let of = of.into_iter().fold(0, u64::saturating_add);
                Some(self.quantile.rank(of))
            }
        };
        self.lost_unknown > 0 && upper.is_some_and(|rank| rank > verdict.received)
    }

    /// One of its percentiles.
    pub(crate) fn percentile(&self, quantile: Quantile) -> Option<&Percentile> {
        self.percentiles
            .iter()
            .find(|percentile| percentile.quantile == quantile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::verdict::Population;

    #[test]
    fn packets_of_unknown_fate_are_told_from_too_few_packets() {
        for (received, unknown, expected) in [
            (90, 10, "10 of 100 packets are of unknown fate"),
            (98, 2, "too few packets came back"),
            (20, 0, "too few packets came back"),
        ] {
            let text = format!(
                r#"{{"path":"a~b","profile":"lab","quantile":0.95,"window_start_ns":0,"window_ns":10000000000,
                "judged_at_ns":13000000000,"state":"undecided","reason":"samples","target_ns":1000000,"sent":100,
                "received":{received},"percentiles":[],"lost":0,"lost_unknown":{unknown},"late":0}}"#
            );
            let judgement: Judgement = serde_json::from_str(&text).unwrap();
            let said = judgement.detail(Lang::En, |_| String::new());
            assert_eq!(said.as_deref(), Some(expected), "{received} {unknown}");
        }
    }

    #[test]
    fn a_judgement_of_an_older_store_is_read() {
        let old = r#"{"path":"a~b","profile":"lab","quantile":0.95,"window_start_ns":0,"window_ns":10000000000,
            "judged_at_ns":13000000000,"state":"met","class":"B","target_ns":1000000,"sent":100,"received":100,"percentiles":[
            {"quantile":0.95,"one_way":{"lo_ns":1,"hi_ns":20,"basis":"proved"},"round_trip":{"lo_ns":20,"hi_ns":20},
            "raw":{"lo_ns":10,"hi_ns":10}}],"lost":0,"late":0}"#;
        let read: Judgement = serde_json::from_str(old).unwrap();
        assert_eq!(read.lost_unknown, 0);
        assert_eq!(
            (read.verdict.population, read.verdict.ranked),
            (Population::Packets, None)
        );
        assert_eq!(read.percentiles[0].one_way.unwrap().hi, Nanos(20));
    }
}
