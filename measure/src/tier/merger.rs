//! Puts spreads together.
//!
//! One counter a cell, so that adding a spread is a walk over its octets. Whoever
//! puts many together keeps one of these and clears it, which touches only the
//! cells that were used.

use super::cell::{self, CELLS, Cells, Writer};
use super::spread::Spread;
use crate::distribution::{Distribution, Edges};
use crate::histogram::Histogram;
use crate::time::Nanos;

/// Spans that are being put together: 54 KB, whatever they are.
#[derive(Debug, Clone)]
pub struct Merger {
    /// Lower and upper edges of each cell.
    edges: Box<[[u64; 2]; CELLS]>,
    /// The first cell that was used, and the one behind the last.
    used: (usize, usize),
    total: Total,
}

/// What is known of all spans but their cells.
#[derive(Debug, Clone, Copy)]
struct Total {
    base: i64,
    count: u64,
    min: i64,
    max: i64,
    sum: i128,
}

impl Default for Total {
    fn default() -> Self {
        Self {
            base: i64::MAX,
            count: 0,
            min: i64::MAX,
            max: i64::MIN,
            sum: 0,
        }
    }
}

const UNUSED: (usize, usize) = (CELLS, 0);

impl Default for Merger {
    fn default() -> Self {
        Self {
            edges: Box::new([[0; 2]; CELLS]),
            used: UNUSED,
            total: Total::default(),
        }
    }
}

impl Merger {
    /// Takes everything out again.
    pub fn clear(&mut self) {
        let (from, to) = std::mem::replace(&mut self.used, UNUSED);
        if let Some(used) = self.edges.get_mut(from..to) {
            used.fill([0; 2]);
        }
        self.total = Total::default();
    }

    /// How many spans were added.
    pub fn count(&self) -> u64 {
        self.total.count
    }

    /// Adds all spans of a spread.
    pub fn add(&mut self, spread: &Spread) {
        if spread.count == 0 {
            return;
        }
        self.extend((spread.min, spread.max), spread.count, spread.sum);
        let (from, to) = (cell::base_of(spread.min), self.total.base);
        let cells = Cells::of(&spread.cells);
        if from == to {
            // In order, so the first and the last one tell which are used.
            let (mut first, mut last) = (CELLS, 0);
            let edges = &mut self.edges;
            cells.each(|cell, lower, upper| {
                let place = usize::from(cell);
                let edges = &mut edges[place];
                edges[0] = edges[0].saturating_add(lower);
                edges[1] = edges[1].saturating_add(upper);
                (first, last) = (first.min(place), place + 1);
            });
            self.used = (self.used.0.min(first), self.used.1.max(last));
        } else {
            cells.for_each(|(cell, lower, upper)| {
                self.count_edges(cell::rebased(cell, from, to), lower, upper);
            });
        }
    }

    /// Adds all spans of a histogram.
    pub fn add_histogram(&mut self, histogram: &Histogram) {
        let Some((min, max)) = histogram.extremes() else {
            return;
        };
        self.extend((min.0, max.0), histogram.count(), histogram.sum().0.into());
        for (low, high, count) in histogram.spans() {
            self.count_edges(cell::cell_of(low.0, self.total.base), count, 0);
            self.count_edges(cell::cell_of(high.0, self.total.base), 0, count);
        }
    }

    /// Adds all spans of a distribution; their sum is as exact as a double is.
    pub fn add_distribution(&mut self, distribution: &Distribution) {
        let (Some(min), Some(max)) = (distribution.min(), distribution.max()) else {
            return;
        };
        let sum = distribution.sum() as i128;
        self.extend((min.0, max.0), distribution.count(), sum);
        let base = self.total.base;
        let Edges { lower, upper } = distribution.edges();
        lower.for_each(|(edge, count)| self.count_edges(cell::cell_of(edge.0, base), count, 0));
        upper.for_each(|(edge, count)| self.count_edges(cell::cell_of(edge.0, base), 0, count));
    }

    /// What is known of so many more spans; the base moves down to the smallest of them, and what is there with it.
    fn extend(&mut self, (min, max): (i64, i64), count: u64, sum: i128) {
        let total = &mut self.total;
        let (from, to) = (total.base, total.base.min(cell::base_of(min)));
        total.base = to;
        total.min = total.min.min(min);
        total.max = total.max.max(max);
        total.count = total.count.saturating_add(count);
        total.sum = total.sum.saturating_add(sum);
        if from != to && self.used != UNUSED {
            let before = std::mem::replace(&mut self.used, UNUSED);
            let cells: Vec<[u64; 2]> = self.edges[before.0..before.1].to_vec();
            self.edges[before.0..before.1].fill([0; 2]);
            for (cell, [lower, upper]) in (before.0 as u16..).zip(cells) {
                if lower > 0 || upper > 0 {
                    self.count_edges(cell::rebased(cell, from, to), lower, upper);
                }
            }
        }
    }

    #[inline]
    fn count_edges(&mut self, cell: u16, lower: u64, upper: u64) {
        let place = usize::from(cell);
        let edges = &mut self.edges[place];
        edges[0] = edges[0].saturating_add(lower);
        edges[1] = edges[1].saturating_add(upper);
        self.used = (self.used.0.min(place), self.used.1.max(place + 1));
    }

    /// The cells that hold an edge: (cell, lower edges in it, upper edges in it).
    fn cells(&self) -> impl Iterator<Item = (u16, u64, u64)> + '_ {
        let (from, to) = self.used;
        let used = self.edges.get(from..to).unwrap_or_default();
        (from as u16..)
            .zip(used)
            .filter(|(_, edges)| **edges != [0; 2])
            .map(|(cell, &[lower, upper])| (cell, lower, upper))
    }

    /// All that was added, as one spread.
    pub fn finish(&self) -> Spread {
        if self.total.count == 0 {
            return Spread::default();
        }
        let mut writer = Writer::default();
        for (cell, lower, upper) in self.cells() {
            writer.push(cell, lower, upper);
        }
        let Total {
            count,
            min,
            max,
            sum,
            ..
        } = self.total;
        Spread {
            count,
            min,
            max,
            sum,
            cells: writer.finish(),
        }
    }

    /// Makes a distribution tell of all that was added, and of nothing else; its room is used again.
    pub fn tell(&self, distribution: &mut Distribution) {
        distribution.clear();
        let Total {
            base,
            count,
            min,
            max,
            sum,
        } = self.total;
        if count == 0 {
            return;
        }
        for (cell, lower, upper) in self.cells() {
            let (low, high) = cell::edges_of(cell, base);
            distribution.push((Nanos(low.max(min)), lower), (Nanos(high.min(max)), upper));
        }
        distribution.summed((Nanos(min), Nanos(max)), sum as f64);
    }
}
