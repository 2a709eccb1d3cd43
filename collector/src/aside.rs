//! Reports that were refused, kept with the reason, and looked at once more when somebody asks.
//!
//! A refused report has used up its number and is acknowledged: the probe can
//! do nothing about it. Who mends the reason, in the topology for instance, may
//! have all of them looked at again; those that are in order then are stored
//! and judged like reports that come late.

use owl_measure::time::Timestamp;
use owl_measure::words::Lang;
use serde::Serialize;

use crate::store::{self, Place, Reader, StoreError};

/// Why a report is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its octets are no report.
    Unreadable,
    /// The topology has no such path.
    UnknownPath,
    /// The probe's plan gives it no such session.
    Unplanned,
    /// Its interval is longer than any.
    TooLong,
    /// It is older than what is kept.
    TooOld,
    /// Its interval ends in the future.
    Future,
}

impl Refusal {
    const ALL: [Self; 6] = [
        Self::Unreadable,
        Self::UnknownPath,
        Self::Unplanned,
        Self::TooLong,
        Self::TooOld,
        Self::Future,
    ];

    /// Its name for machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::UnknownPath => "unknown_path",
            Self::Unplanned => "unplanned",
            Self::TooLong => "too_long",
            Self::TooOld => "too_old",
            Self::Future => "future",
        }
    }

    /// For people, with what mends it.
    pub fn said(self, lang: Lang) -> &'static str {
        match self {
            Self::Unreadable => lang.pick(
                "its octets are no report: a newer probe, or a fault of its disk",
                "字节不是报告：探针较新，或其磁盘有误",
            ),
            Self::UnknownPath => lang.pick(
                "the topology has no such path: add it, restart, take",
                "拓扑中没有该路径：补上后重启，再执行 take",
            ),
            Self::Unplanned => lang.pick(
                "the plan gives the probe no such session: mend the topology, restart, take",
                "计划没有给探针这个会话：修正拓扑后重启，再执行 take",
            ),
            Self::TooLong => lang.pick("its interval is longer than an hour", "区间长于一小时"),
            Self::TooOld => lang.pick("older than `keep`", "早于 `keep` 的保存期"),
            Self::Future => lang.pick(
                "it is of the future: check the clocks, then take",
                "时间在未来：检查时钟，再执行 take",
            ),
        }
    }

    /// The one of a name.
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }
}

/// A report that is kept aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Who sent it.
    pub probe: String,
    /// Of which spool.
    pub epoch: u64,
    /// Under which number.
    pub sequence: u64,
    /// When it came.
    pub received_at_ns: Timestamp,
    /// The name of the [`Refusal`].
    pub reason: String,
    /// How large it is.
    pub octets: u64,
}

/// What is kept aside in a store, the newest first, ten thousand at most; nothing where no collector ever ran.
///
/// # Errors
/// When the store cannot be read.
pub fn list(store: &Place) -> Result<Vec<Kept>, StoreError> {
    if let Place::Sqlite(file) = store
        && !file.exists()
    {
        return Ok(Vec::new());
    }
    Reader::beside(store)?.aside()
}

/// Has all of them looked at once more, by the collector that runs or by the next one that does; how many there are.
///
/// # Errors
/// When the store cannot be written to.
pub fn ask(store: &Place) -> Result<u64, StoreError> {
    store::ask_aside(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_name_of_its_own_and_words_in_both_languages() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::of(refusal.code()), Some(refusal));
            assert_ne!(refusal.said(Lang::En), refusal.said(Lang::Zh));
        }
    }
}
