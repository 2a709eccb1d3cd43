//! What is kept of a path for longer than its reports: summaries that can be
//! put together again.
//!
//! A [`TierSummary`] holds the counts and spreads of any number of intervals of
//! one session. Putting two of them together gives the same as summarising all
//! their intervals at once, so minutes make hours and hours make months without
//! a further loss. What it says of a delay, [`TierSummary::evidence`], is never
//! more than the reports would say.

mod cell;
mod convert;
mod evidence;
mod gatherer;
mod merger;
pub mod recent;
mod spread;
mod summary;
mod wire;

pub use evidence::Told;
pub use gatherer::Gatherer;
pub use merger::Merger;
pub use recent::{Recent, Room};
pub use spread::Spread;
pub use summary::{Believed, ClaimTally, Generations, TierDirection, TierSummary, WithinTally};

/// A summary that nobody can have made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TierError {
    /// No protobuf of tier.proto.
    #[error("cannot read a summary")]
    Protobuf(#[from] prost::DecodeError),
    /// Something is there that cannot be.
    #[error("cannot read a summary: {0}")]
    Impossible(&'static str),
    /// A spread that nobody can have counted.
    #[error("cannot read a summary")]
    Spread(#[from] SpreadError),
}

/// A spread that nobody can have counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpreadError {
    /// A cell that there is not, an empty one, or a number in another form than the shortest.
    #[error("cannot read a spread: its cells are not as they are written")]
    Cells,
    /// Upper edges before lower ones, or more of the ones than of the others.
    #[error("cannot read a spread: its edges do not belong to spans")]
    Counts,
    /// A smallest or largest span outside the outermost cells.
    #[error("cannot read a spread: its smallest or largest span is outside its cells")]
    Extremes,
}

#[cfg(test)]
pub(crate) mod tests;
