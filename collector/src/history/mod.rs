//! The past of paths: what is kept of it, for how long, and how it is read.
//!
//! Reports are kept as they came for some days. Summaries of five minutes and
//! of an hour (tiers) are made of them once they have settled, and what judges
//! read of them is kept as long as verdicts are. The latest windows of all
//! paths are also held in memory.

mod answer;
mod clerk;
pub(crate) mod inputs;
mod keeping;
mod latest;
mod packed;
mod question;
pub(crate) mod row;
mod series;
pub(crate) mod step;
#[cfg(test)]
mod tests;
mod walk;

pub use answer::{Ends, HistoryAnswer, HistoryPercentile, HistoryPoint, HistorySources};
pub(crate) use clerk::Clerk;
pub(crate) use keeping::Keeping;
pub(crate) use latest::{Latest, LatestOf, Noted};
pub(crate) use question::answer;
pub use question::{HistoryError, HistoryQuestion, read_history};
