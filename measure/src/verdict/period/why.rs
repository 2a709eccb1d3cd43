//! Why a period cannot be judged.

use serde::{Deserialize, Serialize};

use super::bootstrap::HOURS_MIN;
use super::window::Statistic;
use crate::time::Nanos;
use crate::words::Lang;

/// Why a period is undecided under a profile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Why {
    /// Nothing of it was measured.
    NoData,
    /// All of it was out of available time.
    NoAvailableTime,
    /// Too little of it was measured.
    Coverage {
        /// The share of the windows that was.
        measured: f64,
        /// The share that the profile wants.
        required: f64,
    },
    /// The counts, or the interval, lie on both sides of what is required.
    Straddles,
    /// They lie on one side, and those of other days like these may lie on the other.
    Confidence,
    /// Too few hours, or days, for what the profile wants to know.
    TooShort {
        /// How many hours or days it needs at least.
        needed: usize,
        /// Which of the two.
        unit: Unit,
    },
    /// A window may have been severely above the target.
    Severe {
        /// How many may.
        windows: u64,
    },
    /// The statistic was not kept for all that was measured.
    NotKept {
        /// Which one.
        statistic: Statistic,
        /// In how many windows.
        windows: u64,
    },
    /// The path is judged in windows of another length than the profile speaks of.
    WindowLength {
        /// As it is judged.
        #[serde(rename = "judged_ns")]
        judged: Nanos,
        /// As the profile wants it.
        #[serde(rename = "wanted_ns")]
        wanted: Nanos,
    },
    /// The target changed within the period, and the rule holds one number of all of it against one target.
    TargetChanged,
}

/// What a length of time is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Hours.
    Hours,
    /// Days.
    Days,
}

impl Why {
    /// Too few hours for an interval.
    pub(super) fn few_hours() -> Self {
        Self::TooShort {
            needed: HOURS_MIN,
            unit: Unit::Hours,
        }
    }

    /// The code, as in metrics and JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoData => "no-data",
            Self::NoAvailableTime => "no-available-time",
            Self::Coverage { .. } => "coverage",
            Self::Straddles => "straddles",
            Self::Confidence => "confidence",
            Self::TooShort { .. } => "too-short",
            Self::Severe { .. } => "severe",
            Self::NotKept { .. } => "not-kept",
            Self::WindowLength { .. } => "window-length",
            Self::TargetChanged => "target-changed",
        }
    }

    /// One sentence for a person.
    pub fn sentence(self, lang: Lang) -> String {
        let percent = |share: f64| format!("{:.2} %", (share * 1e4).floor() / 1e2);
        match self {
            Self::NoData => lang.pick("nothing was measured", "没有测量数据").into(),
            Self::NoAvailableTime => lang
                .pick("the path was not available at any time", "路径在整个周期内均不可用")
                .into(),
            Self::Coverage { measured, required } => {
                let (measured, required) = (percent(measured), percent(required));
                lang.pick(
                    format!("only {measured} of the windows were measured well enough; the profile wants {required}"),
                    format!("仅 {measured} 的窗口测量充分，规则要求 {required}"),
                )
            }
            Self::Straddles => lang
                .pick(
                    "what is not known may lie on either side",
                    "未知部分可能落在任一侧",
                )
                .into(),
            Self::Confidence => lang
                .pick(
                    "this period stands on one side, other days like these may not (95 % interval by hours)",
                    "本周期落在一侧，但按小时重抽样的 95 % 区间跨越要求",
                )
                .into(),
            Self::TooShort { needed, unit: Unit::Hours } => lang.pick(
                format!("fewer than {needed} hours that count"),
                format!("计入的小时不足 {needed} 个"),
            ),
            Self::TooShort { needed, unit: Unit::Days } => lang.pick(
                format!("fewer than {needed} days"),
                format!("不足 {needed} 天"),
            ),
            Self::Severe { windows } => lang.pick(
                format!("{windows} windows may have been severely above the target"),
                format!("{windows} 个窗口可能严重超标"),
            ),
            Self::NotKept { statistic, windows } => {
                let name = statistic.code();
                lang.pick(
                    format!("the {name} was not kept for {windows} of the windows (an older store)"),
                    format!("{windows} 个窗口未保存 {name}（旧版存储）"),
                )
            }
            Self::WindowLength { judged, wanted } => lang.pick(
                format!("the path is judged in windows of {judged}, the profile speaks of {wanted}"),
                format!("本路径按 {judged} 的窗口判定，而规则针对 {wanted}"),
            ),
            Self::TargetChanged => lang
                .pick("the target changed within the period", "周期内目标发生变更")
                .into(),
        }
    }
}
