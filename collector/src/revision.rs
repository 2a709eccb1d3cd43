//! A verdict that was given anew, because reports came late: from what to what, and why.

use owl_measure::delay::OneWayDelay;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{Reason, State};
use owl_measure::words::Lang;
use serde::{Deserialize, Serialize};

use crate::judgement::Judgement;

/// Why a verdict was given anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Why {
    /// Reports on the path itself came after the window had been judged.
    LateReports,
    /// Late reports on other paths changed what is known of its clocks, or a new plan its floors and its target.
    Mesh,
}

impl Why {
    /// For a person.
    pub(crate) fn sentence(self, lang: Lang) -> &'static str {
        match self {
            Self::LateReports => lang.pick(
                "reports on it came after it had been judged",
                "判定之后又收到其上报",
            ),
            Self::Mesh => lang.pick(
                "reports on other paths came late and changed what is known of its clocks",
                "其他路径的迟到上报改变了对其时钟的认识",
            ),
        }
    }
}

/// What a verdict said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Met, missed or undecided.
    pub(crate) state: State,
    /// Why undecided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    /// The interval of the judged quantile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delay: Option<OneWayDelay>,
    /// Packets sent.
    pub(crate) sent: u64,
    /// When it was given.
    #[serde(rename = "judged_at_ns")]
    pub(crate) judged_at: Timestamp,
}

/// One verdict in the place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revision {
    /// The path, `FROM~TO`.
    pub(crate) path: String,
    /// The profile by which it is judged.
    pub(crate) profile: String,
    /// When the window began.
    #[serde(rename = "window_start_ns")]
    pub(crate) window_start: Timestamp,
    /// How long it is.
    #[serde(rename = "window_ns")]
    pub(crate) window: Nanos,
    /// Why it was judged anew.
    pub(crate) why: Why,
    /// What was said before.
    pub(crate) before: Said,
    /// What is said since.
    pub(crate) after: Said,
}

impl Said {
    fn of(judgement: &Judgement) -> Self {
        let verdict = &judgement.verdict;
        Self {
            state: verdict.state,
            reason: verdict.reason,
            delay: verdict.delay,
            sent: verdict.sent,
            judged_at: judgement.judged_at,
        }
    }
}

impl Revision {
    /// Of the later one of two verdicts on one window; `None` when they say the same.
    pub(crate) fn between(before: &Judgement, after: &Judgement) -> Option<Self> {
        if before.verdict == after.verdict {
            return None;
        }
        let measured = |judgement: &Judgement| {
            let verdict = &judgement.verdict;
            (
                verdict.sent,
                verdict.received,
                judgement.lost,
                judgement.lost_unknown,
                judgement.seat,
            )
        };
        Some(Self {
            path: after.path.clone(),
            profile: after.profile.clone(),
            window_start: after.window_start,
            window: after.window,
            why: if measured(before) == measured(after) {
                Why::Mesh
            } else {
                Why::LateReports
            },
            before: Said::of(before),
            after: Said::of(after),
        })
    }
}
