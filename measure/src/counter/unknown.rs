//! Why nothing can be said of the traffic between two readings.

use crate::words::Lang;

/// A reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unknown {
    /// One of the two readings is missing.
    NoAnswer,
    /// A value is larger than its counter can show.
    OutOfRange,
    /// When one of the two was read is not known.
    NoTime,
    /// Both were read at one instant.
    Duplicate,
    /// The row belongs to another port now.
    Renumbered,
    /// The agent restarted.
    Restart,
    /// The agent may have restarted, and nothing excludes it.
    RestartNotExcluded,
    /// The counter began anew while its agent went on.
    Discontinuity,
    /// The counter may have begun anew, and nothing excludes it.
    DiscontinuityNotExcluded,
    /// A bin of fifteen minutes ended, and what it held at its end is not known.
    NewBin,
    /// The agent's clock and the collector's tell different times.
    ClocksDisagree,
    /// The counter fell, and no wrap of it fits into the time.
    CounterFell,
    /// More than the link can carry in the time.
    AboveLineRate,
    /// The counter may have wrapped more often than the readings show.
    AmbiguousWrap,
    /// The two were read so close together that their distance is not known.
    TooClose,
}

impl Unknown {
    /// Every reason, in the order in which they are looked for.
    pub const ALL: [Self; 15] = [
        Self::NoAnswer,
        Self::OutOfRange,
        Self::NoTime,
        Self::Duplicate,
        Self::Renumbered,
        Self::Restart,
        Self::RestartNotExcluded,
        Self::Discontinuity,
        Self::DiscontinuityNotExcluded,
        Self::NewBin,
        Self::ClocksDisagree,
        Self::CounterFell,
        Self::AboveLineRate,
        Self::AmbiguousWrap,
        Self::TooClose,
    ];

    /// For machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoAnswer => "no-answer",
            Self::OutOfRange => "out-of-range",
            Self::NoTime => "no-time",
            Self::Duplicate => "duplicate",
            Self::Renumbered => "renumbered",
            Self::Restart => "restart",
            Self::RestartNotExcluded => "restart-not-excluded",
            Self::Discontinuity => "discontinuity",
            Self::DiscontinuityNotExcluded => "discontinuity-not-excluded",
            Self::NewBin => "new-bin",
            Self::ClocksDisagree => "clocks-disagree",
            Self::CounterFell => "counter-fell",
            Self::AboveLineRate => "above-line-rate",
            Self::AmbiguousWrap => "ambiguous-wrap",
            Self::TooClose => "too-close",
        }
    }

    /// For people.
    pub fn sentence(self, lang: Lang) -> &'static str {
        match self {
            Self::NoAnswer => lang.pick("a reading is missing", "缺少一次读数"),
            Self::OutOfRange => lang.pick(
                "a value is larger than the counter can show",
                "读数超出计数器位宽",
            ),
            Self::NoTime => lang.pick("the time of a reading is missing", "缺少读数时刻"),
            Self::Duplicate => lang.pick("both were read at one instant", "两次读数为同一时刻"),
            Self::Renumbered => lang.pick(
                "the row belongs to another port now",
                "接口重新编号，该行已属另一端口",
            ),
            Self::Restart => lang.pick("the agent restarted", "设备代理已重启"),
            Self::RestartNotExcluded => {
                lang.pick("the agent may have restarted", "无法排除设备代理重启")
            }
            Self::Discontinuity => lang.pick("the counter began anew", "计数器已重新计数"),
            Self::DiscontinuityNotExcluded => {
                lang.pick("the counter may have begun anew", "无法排除计数器重新计数")
            }
            Self::NewBin => lang.pick("a 15-minute bin ended", "15 分钟统计周期已切换"),
            Self::ClocksDisagree => lang.pick(
                "the agent's clock and the collector's disagree",
                "设备时钟与采集器时钟不一致",
            ),
            Self::CounterFell => lang.pick(
                "the counter fell, and no wrap explains it",
                "计数器回退，且无法用回绕解释",
            ),
            Self::AboveLineRate => {
                lang.pick("more than the link can carry", "超过链路可承载的速率")
            }
            Self::AmbiguousWrap => lang.pick(
                "the counter may have wrapped more than once",
                "计数器可能多次回绕",
            ),
            Self::TooClose => lang.pick(
                "read too close together for a rate",
                "两次读数间隔过短，无法给出速率",
            ),
        }
    }
}
