//! A histogram of spans that can be put together with any other, in any order.
//!
//! A [`Histogram`] has its own base, so the cells of two of them do not fit
//! each other. A spread knows of each span the same thing, between which two
//! edges it lies, and counts lower and upper edges in cells that lie within each
//! other whatever the base is ([`cell`](super::cell)). What is put
//! together is therefore one and the same, octet for octet, in whatever order
//! and by whatever steps that was done.
//!
//! **What it costs.** An edge moves outwards to the edge of its cell: by less
//! than 0.3 µs and a 63rd of what the span is above the smallest one, once,
//! however often spreads are put together. The smallest span, the largest and
//! the sum stay exact.

use super::SpreadError;
use super::cell::{self, Cells};
use super::merger::Merger;
use crate::distribution::Distribution;
use crate::histogram::Histogram;
use crate::time::Nanos;

/// The spans of one or more intervals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spread {
    pub(super) count: u64,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) sum: i128,
    /// (cell, lower edges in it, upper edges in it), as `cell` writes them.
    pub(super) cells: Box<[u8]>,
}

impl Spread {
    /// Of all the given histograms together.
    pub fn of<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Self {
        let mut merger = Merger::default();
        for histogram in histograms {
            merger.add_histogram(histogram);
        }
        merger.finish()
    }

    /// From its parts, as they come from a store.
    ///
    /// # Errors
    /// When nobody can have counted that.
    pub fn from_parts(
        (min, max): (Nanos, Nanos),
        sum: i128,
        cells: Box<[u8]>,
    ) -> Result<Self, SpreadError> {
        let (count, ends) = Cells::check(&cells)?;
        let Some(ends) = ends else {
            return Ok(Self::default());
        };
        let base = cell::base_of(min.0);
        if min > max || ends != (cell::cell_of(min.0, base), cell::cell_of(max.0, base)) {
            return Err(SpreadError::Extremes);
        }
        Ok(Self {
            count,
            min: min.0,
            max: max.0,
            sum,
            cells,
        })
    }

    /// How many spans there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest and the largest span, exactly; `None` without spans.
    pub fn extremes(&self) -> Option<(Nanos, Nanos)> {
        (self.count > 0).then_some((Nanos(self.min), Nanos(self.max)))
    }

    /// The sum of all spans, in nanoseconds.
    pub fn sum(&self) -> i128 {
        self.sum
    }

    /// The cells as they are kept: the octets of [`from_parts`](Self::from_parts).
    pub fn octets(&self) -> &[u8] {
        &self.cells
    }

    /// Adds the spans of another one.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            self.clone_from(other);
            return;
        }
        let mut merger = Merger::default();
        merger.add(self);
        merger.add(other);
        *self = merger.finish();
    }
}

impl From<&Spread> for Distribution {
    fn from(spread: &Spread) -> Self {
        let mut merger = Merger::default();
        merger.add(spread);
        let mut distribution = Self::default();
        merger.tell(&mut distribution);
        distribution
    }
}

impl From<&Distribution> for Spread {
    /// Of what is known of the spans of one or more histograms: the same as of the histograms themselves, but for the sum,
    /// which is as exact as a double is.
    fn from(distribution: &Distribution) -> Self {
        let mut merger = Merger::default();
        merger.add_distribution(distribution);
        merger.finish()
    }
}
