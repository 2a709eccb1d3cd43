//! What a probe says of its plan: which one it follows, and which one it does not and why.
//!
//! A plan is named by its generation, a number that grows. A probe never goes
//! back to an older one than it had, but for the one it had before, when it
//! cannot report under the newer.

use super::ReportError;
use crate::words::Lang;

/// Characters of [`TurnedDown::detail`] that are kept.
const DETAIL_MAX: usize = 200;

/// What a probe follows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanStanding {
    /// The generation that it follows; 0 for none.
    pub follows: u64,
    /// Whether it goes back by itself unless a report of this generation is acknowledged in time.
    pub on_trial: bool,
    /// The last plan that it did not take, or went back from.
    pub turned_down: Option<TurnedDown>,
}

/// A plan that is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnedDown {
    /// The generation that it said it has, believed or not; 0 when it said none.
    pub generation: u64,
    /// Why.
    pub fault: PlanFault,
    /// More of it, in the probe's words, one line of 200 characters at most; may be empty.
    pub detail: String,
}

impl TurnedDown {
    /// With a detail that fits.
    pub fn new(generation: u64, fault: PlanFault, detail: &str) -> Self {
        let detail = detail.chars().filter(|c| !c.is_control());
        Self {
            generation,
            fault,
            detail: detail.take(DETAIL_MAX).collect(),
        }
    }

    /// What was sent, when it can be meant.
    pub(super) fn checked(self) -> Result<Self, ReportError> {
        if self.detail.chars().count() > DETAIL_MAX || self.detail.contains(char::is_control) {
            return Err(ReportError::Impossible(
                "a detail that is longer than a line",
            ));
        }
        Ok(self)
    }

    /// For people: the reason, and the detail if there is one.
    pub fn said(&self, lang: Lang) -> String {
        let reason = self.fault.said(lang);
        if self.detail.is_empty() {
            reason.to_owned()
        } else {
            format!("{reason}{}{}", lang.pick(": ", "："), self.detail)
        }
    }
}

/// Why a plan is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlanFault {
    /// A reason that this version does not know.
    Unknown,
    /// It cannot be read.
    Unreadable,
    /// Nobody signed it.
    Unsigned,
    /// Who signed it has no certificate of an authority that the probe trusts.
    Foreign,
    /// The signature is not of these octets.
    Forged,
    /// It is for another probe.
    OtherProbe,
    /// It is of another topology than the one before.
    OtherTopology,
    /// It is older than one that the probe has had.
    Older,
    /// By the probe's clock it holds no longer, or not yet.
    NotValid,
    /// None of its sessions can be opened.
    Unopened,
    /// No report was acknowledged in time under it.
    Unreported,
    /// It cannot be kept on the disk.
    Unkept,
}

impl PlanFault {
    /// Every one, with its number on the wire and its name for labels and machines.
    pub const ALL: [(Self, u32, &str); 12] = [
        (Self::Unknown, 0, "unknown"),
        (Self::Unreadable, 1, "unreadable"),
        (Self::Unsigned, 2, "unsigned"),
        (Self::Foreign, 3, "foreign"),
        (Self::Forged, 4, "forged"),
        (Self::OtherProbe, 5, "other_probe"),
        (Self::OtherTopology, 6, "other_topology"),
        (Self::Older, 7, "older"),
        (Self::NotValid, 8, "not_valid"),
        (Self::Unopened, 9, "unopened"),
        (Self::Unreported, 10, "unreported"),
        (Self::Unkept, 11, "unkept"),
    ];

    /// Its number on the wire.
    pub fn number(self) -> u32 {
        let all = Self::ALL.into_iter();
        all.filter(|of| of.0 == self).map(|of| of.1).sum()
    }

    /// Its name for labels and machines.
    pub fn code(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|of| of.0 == self).map_or("unknown", |of| of.2)
    }

    /// The one with a number; one that this version does not know is unknown.
    pub fn of(number: u32) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|of| of.1 == number)
            .map_or(Self::Unknown, |of| of.0)
    }

    /// The one with a name for machines.
    pub fn named(code: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|of| of.2 == code).map_or(Self::Unknown, |of| of.0)
    }

    /// For people.
    pub fn said(self, lang: Lang) -> &'static str {
        match self {
            Self::Unknown => lang.pick("for an unknown reason", "原因未知"),
            Self::Unreadable => lang.pick("it cannot be read", "无法读取"),
            Self::Unsigned => lang.pick("it is not signed", "未签名"),
            Self::Foreign => lang.pick(
                "no authority that the probe trusts has certified who signed it",
                "签名者未经探针信任的机构认证",
            ),
            Self::Forged => lang.pick("its signature is not of this plan", "签名与计划不符"),
            Self::OtherProbe => lang.pick("it is for another probe", "是另一台探针的计划"),
            Self::OtherTopology => lang.pick(
                "it is of another topology than the one before",
                "与之前的计划不属于同一拓扑",
            ),
            Self::Older => lang.pick(
                "it is older than one that the probe has had",
                "比探针已有的计划旧",
            ),
            Self::NotValid => lang.pick(
                "by the probe's clock it does not hold now",
                "按探针的时钟，计划当前无效",
            ),
            Self::Unopened => lang.pick("no session of it can be opened", "其中没有会话能够打开"),
            Self::Unreported => lang.pick(
                "no report was acknowledged in time under it",
                "按该计划未能及时上报",
            ),
            Self::Unkept => lang.pick(
                "it cannot be kept on the probe's disk",
                "无法保存到探针的磁盘",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_number_and_a_name_of_its_own() {
        for (fault, number, name) in PlanFault::ALL {
            assert_eq!((PlanFault::of(number), fault.number()), (fault, number));
            assert_eq!((PlanFault::named(name), fault.code()), (fault, name));
        }
        assert_eq!(PlanFault::of(99), PlanFault::Unknown);
    }

    #[test]
    fn a_detail_is_one_short_line() {
        let long = format!("a\nb{}", "盐".repeat(500));
        let told = TurnedDown::new(7, PlanFault::Unopened, &long);
        assert_eq!(told.detail.chars().count(), DETAIL_MAX);
        assert!(told.detail.starts_with("ab盐"));
        assert_eq!(told.clone().checked(), Ok(told.clone()));
        let sent = TurnedDown {
            detail: long,
            ..told
        };
        assert!(sent.checked().is_err());
    }
}
