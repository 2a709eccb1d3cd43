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

/// Spans that are being put together: 27 KB, whatever they are; 81 KB once there are more than [`PACKED_MAX`] of them.
#[derive(Debug, Clone)]
pub struct Merger {
    /// Lower and upper edges of each cell, as [`pack`] puts them.
    packed: Box<[u64; CELLS]>,
    /// Spans in `packed`: [`PACKED_MAX`] at most, so that no half of a counter runs over.
    held: u64,
    /// What did not fit in there any more: lower and upper edges of each cell.
    carried: Option<Box<[[u64; 2]; CELLS]>>,
    /// The first cell that was used, and the one behind the last.
    used: (usize, usize),
    total: Total,
}

/// Spans that half a counter can count.
const PACKED_MAX: u64 = u32::MAX as u64;

/// Two counts as one number, which are added up in one go.
fn pack(lower: u64, upper: u64) -> u64 {
    lower << 32 | upper
}

fn unpack(packed: u64) -> [u64; 2] {
    [packed >> 32, packed & PACKED_MAX]
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
            packed: Box::new([0; CELLS]),
            held: 0,
            carried: None,
            used: UNUSED,
            total: Total::default(),
        }
    }
}

impl Merger {
    /// Takes everything out again.
    pub fn clear(&mut self) {
        let (from, to) = std::mem::replace(&mut self.used, UNUSED);
        if let Some(used) = self.packed.get_mut(from..to) {
            used.fill(0);
        }
        self.carried = None;
        self.held = 0;
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
        if from == to && self.carried.is_none() {
            let packed = &mut self.packed;
            let used = cells.each(|cell, lower, upper| {
                packed[usize::from(cell)] += pack(lower, upper);
            });
            self.used = (self.used.0.min(used.start), self.used.1.max(used.end));
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
        self.held = self.held.saturating_add(count);
        let moves = from != to && self.used != UNUSED;
        if self.carried.is_none() && self.held > PACKED_MAX {
            self.carry();
        }
        if moves {
            let before: Vec<(u16, u64, u64)> = self.cells().collect();
            let (from, to) = (from, self.total.base);
            let (first, last) = std::mem::replace(&mut self.used, UNUSED);
            self.packed[first..last].fill(0);
            if let Some(carried) = &mut self.carried {
                carried[first..last].fill([0; 2]);
            }
            for (cell, lower, upper) in before {
                self.count_edges(cell::rebased(cell, from, to), lower, upper);
            }
        }
    }

    /// Counts in whole numbers from now on.
    fn carry(&mut self) {
        let mut carried = Box::new([[0; 2]; CELLS]);
        for (whole, packed) in carried.iter_mut().zip(&mut *self.packed) {
            *whole = unpack(std::mem::take(packed));
        }
        self.carried = Some(carried);
    }

    #[inline]
    fn count_edges(&mut self, cell: u16, lower: u64, upper: u64) {
        let place = usize::from(cell);
        match &mut self.carried {
            None => self.packed[place] += pack(lower, upper),
            Some(carried) => {
                let edges = &mut carried[place];
                edges[0] = edges[0].saturating_add(lower);
                edges[1] = edges[1].saturating_add(upper);
            }
        }
        self.used = (self.used.0.min(place), self.used.1.max(place + 1));
    }

    /// The cells that hold an edge: (cell, lower edges in it, upper edges in it).
    fn cells(&self) -> impl Iterator<Item = (u16, u64, u64)> + '_ {
        let (from, to) = self.used;
        let packed = self.packed.get(from..to).unwrap_or_default();
        let carried = self
            .carried
            .as_ref()
            .and_then(|carried| carried.get(from..to));
        let counts = packed
            .iter()
            .enumerate()
            .map(move |(k, &packed)| carried.map_or_else(|| unpack(packed), |carried| carried[k]));
        (from as u16..)
            .zip(counts)
            .filter(|(_, edges)| *edges != [0; 2])
            .map(|(cell, [lower, upper])| (cell, lower, upper))
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
        let Total {
            base,
            count,
            min,
            max,
            sum,
        } = self.total;
        if count == 0 {
            return distribution.clear();
        }
        let (from, to) = self.used;
        let mut filling = distribution.fill(to - from);
        for (cells, begin, width) in cell::of_one_width(from..to, base) {
            let mut low = begin;
            let mut push = |[lower, upper]: [u64; 2]| {
                let high = low.saturating_add(width - 1);
                filling.push((Nanos(low), lower), (Nanos(high), upper));
                low = low.saturating_add(width);
            };
            match &self.carried {
                None => self.packed[cells].iter().for_each(|&it| push(unpack(it))),
                Some(carried) => carried[cells].iter().for_each(|&it| push(it)),
            }
        }
        filling.finish();
        distribution.summed((Nanos(min), Nanos(max)), sum as f64);
    }
}
