//! A histogram of signed spans that a clock offset cannot blunt.
//!
//! Values are held relative to an exact base, the first value of the interval,
//! in two log-linear halves of two significant digits (256 exact nanoseconds,
//! then 128 cells an octave: at most 0.8 % of the distance from the base). An
//! offset of 200 ms between two clocks therefore costs no resolution.

use crate::time::Nanos;

/// Cells of width one before the octaves begin; what `hdrhistogram` makes of two significant digits.
const EXACT: u64 = 256;
/// Cells an octave after that.
const PER_OCTAVE: u64 = 128;
/// The highest cell: the octave that ends at `i64::MAX`.
const LAST_CELL: u32 = cell_of(i64::MAX as u64);

/// The cell that holds a distance.
const fn cell_of(distance: u64) -> u32 {
    if distance < EXACT {
        return distance as u32;
    }
    let shift = distance.ilog2() - PER_OCTAVE.ilog2();
    // The octave of `shift` begins right after the one before it; 128 of its 256 sub-steps are new.
    shift * PER_OCTAVE as u32 + (distance >> shift) as u32
}

/// The smallest and the largest distance of a cell.
const fn edges_of(cell: u32) -> (u64, u64) {
    if (cell as u64) < EXACT {
        return (cell as u64, cell as u64);
    }
    let shift = cell / PER_OCTAVE as u32 - 1;
    let step = cell as u64 - shift as u64 * PER_OCTAVE;
    let low = step << shift;
    (low, low + ((1 << shift) - 1))
}

/// Records the spans of one interval.
///
/// Only cells that are not empty take room, 8 octets each: no more than there are spans, and no more than 14,848 ever.
#[derive(Debug, Clone)]
pub struct HistogramRecorder {
    base: Nanos,
    min: Nanos,
    max: Nanos,
    sum: Nanos,
    at_or_above: Half,
    below: Half,
}

/// The cells on one side of the base that are not empty, in order, and how often each was hit.
#[derive(Debug, Clone, Default)]
struct Half(Vec<(u32, u32)>);

impl Half {
    fn record(&mut self, distance: u64) {
        let cell = cell_of(distance);
        match self.0.binary_search_by_key(&cell, |&(cell, _)| cell) {
            Ok(place) => self.0[place].1 = self.0[place].1.saturating_add(1),
            Err(place) => {
                // Doubling would keep up to twice the room, in every histogram of every session.
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact((self.0.len() / 4).max(4));
                }
                self.0.insert(place, (cell, 1));
            }
        }
    }

    fn cells(&self) -> impl DoubleEndedIterator<Item = (u32, u64)> + '_ {
        self.0.iter().map(|&(cell, count)| (cell, u64::from(count)))
    }
}

impl Default for HistogramRecorder {
    fn default() -> Self {
        Self {
            base: Nanos::ZERO,
            min: Nanos::MAX,
            max: Nanos::MIN,
            sum: Nanos::ZERO,
            at_or_above: Half::default(),
            below: Half::default(),
        }
    }
}

impl HistogramRecorder {
    /// Counts one span.
    pub fn record(&mut self, value: Nanos) {
        if self.at_or_above.0.is_empty() {
            self.base = value;
        }
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
        let distance = value - self.base;
        if distance >= Nanos::ZERO {
            self.at_or_above.record(distance.0.unsigned_abs());
        } else {
            // Saturated, the most negative span has the largest magnitude that there is a cell for.
            self.below.record(distance.abs().0.unsigned_abs());
        }
    }

    /// What has been recorded, without the room that was kept for more.
    pub fn finish(&self) -> Histogram {
        let below = self.below.cells().rev();
        let below = below.map(|(cell, count)| (Cell::Below(cell), count));
        let above = self.at_or_above.cells();
        let above = above.map(|(cell, count)| (Cell::AtOrAbove(cell), count));
        Histogram {
            base: self.base,
            min: self.min,
            max: self.max,
            sum: self.sum,
            cells: below.chain(above).collect(),
        }
    }
}

/// A cell, counted outwards from the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Smaller than the base.
    Below(u32),
    /// The base, or larger.
    AtOrAbove(u32),
}

/// The spans of one interval: the cells that are not empty, from the smallest span to the largest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    base: Nanos,
    min: Nanos,
    max: Nanos,
    sum: Nanos,
    cells: Vec<(Cell, u64)>,
}

/// A histogram that nobody can have recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    /// A cell beyond `i64::MAX` nanoseconds, a cell twice, or cells out of order.
    #[error("cannot read a histogram: its cells are out of order or out of range")]
    Cells,
    /// An extreme outside the outermost cells.
    #[error("cannot read a histogram: its minimum or maximum is outside its cells")]
    Extremes,
}

/// The smallest and the largest span that a cell can hold, seen from `base`.
fn span_of(base: Nanos, cell: Cell) -> (Nanos, Nanos) {
    let signed = |distance: u64| Nanos(i64::try_from(distance).unwrap_or(i64::MAX));
    match cell {
        Cell::AtOrAbove(cell) => {
            let (near, far) = edges_of(cell);
            (base + signed(near), base + signed(far))
        }
        Cell::Below(cell) => {
            let (near, far) = edges_of(cell);
            (base - signed(far), base - signed(near))
        }
    }
}

impl Histogram {
    /// From its parts, as they come from the wire.
    ///
    /// # Errors
    /// When the cells are not in order of their spans or the extremes contradict them.
    pub fn from_parts(
        base: Nanos,
        (min, max): (Nanos, Nanos),
        sum: Nanos,
        cells: Vec<(Cell, u64)>,
    ) -> Result<Self, HistogramError> {
        let key = |cell: Cell| match cell {
            Cell::Below(cell) => -i64::from(cell),
            Cell::AtOrAbove(cell) => i64::from(cell) + 1,
        };
        let in_range = |cell: Cell| match cell {
            Cell::Below(cell) => (1..=LAST_CELL).contains(&cell),
            Cell::AtOrAbove(cell) => cell <= LAST_CELL,
        };
        let ordered = cells.windows(2).all(|pair| key(pair[0].0) < key(pair[1].0));
        if !ordered
            || !cells
                .iter()
                .all(|&(cell, count)| in_range(cell) && count > 0)
        {
            return Err(HistogramError::Cells);
        }
        if let (Some(first), Some(last)) = (cells.first(), cells.last()) {
            let (first, last) = (span_of(base, first.0), span_of(base, last.0));
            if !(first.0..=first.1).contains(&min) || !(last.0..=last.1).contains(&max) {
                return Err(HistogramError::Extremes);
            }
        }
        Ok(Self {
            base,
            min,
            max,
            sum,
            cells,
        })
    }

    /// The exact base from which the cells are counted.
    pub fn base(&self) -> Nanos {
        self.base
    }

    /// The smallest and the largest span, exactly; `None` when nothing was recorded.
    pub fn extremes(&self) -> Option<(Nanos, Nanos)> {
        (!self.cells.is_empty()).then_some((self.min, self.max))
    }

    /// The sum of all spans, saturating.
    pub fn sum(&self) -> Nanos {
        self.sum
    }

    /// How many spans were recorded.
    pub fn count(&self) -> u64 {
        self.cells
            .iter()
            .fold(0, |sum, &(_, count)| sum.saturating_add(count))
    }

    /// The cells that are not empty, smallest span first.
    pub fn cells(&self) -> &[(Cell, u64)] {
        &self.cells
    }

    /// The cells as (smallest possible span, largest possible span, count), within the exact extremes.
    pub fn spans(&self) -> impl Iterator<Item = (Nanos, Nanos, u64)> + '_ {
        self.cells.iter().map(|&(cell, count)| {
            let (low, high) = span_of(self.base, cell);
            (low.max(self.min), high.min(self.max), count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram as Hdr;

    #[test]
    fn our_cells_are_those_of_hdrhistogram() {
        let hdr = Hdr::<u32>::new(2).unwrap();
        let mut value = 1_u64;
        while value < i64::MAX as u64 / 2 {
            for v in [value - 1, value, value + 1, value + value / 3] {
                let (low, high) = edges_of(cell_of(v));
                assert_eq!(
                    (low, high),
                    (hdr.lowest_equivalent(v), hdr.highest_equivalent(v)),
                    "{v}"
                );
            }
            value *= 2;
        }
    }

    #[test]
    fn every_value_lies_in_its_cell_and_an_offset_costs_no_resolution() {
        for offset in [0_i64, 200_000_000, -3_000_000_000] {
            let mut recorder = HistogramRecorder::default();
            let values: Vec<i64> = (0..2_000)
                .map(|k| offset + (k * 7_919 % 400_000) - 150_000)
                .collect();
            for &value in &values {
                recorder.record(Nanos(value));
            }
            let histogram = recorder.finish();
            assert_eq!(histogram.count(), 2_000);
            assert_eq!(
                histogram.extremes(),
                Some((
                    Nanos(*values.iter().min().unwrap()),
                    Nanos(*values.iter().max().unwrap())
                ))
            );
            for (low, high, _) in histogram.spans() {
                assert!(
                    high - low <= Nanos(400_000 / 128),
                    "cell {low}..{high} is too wide at offset {offset}"
                );
            }
            let held: u64 = histogram
                .spans()
                .map(|(low, high, count)| {
                    let inside = values
                        .iter()
                        .filter(|&&v| (low..=high).contains(&Nanos(v)))
                        .count() as u64;
                    assert_eq!(inside, count, "{low}..{high}");
                    count
                })
                .sum();
            assert_eq!(held, 2_000);
        }
    }

    #[test]
    fn extremes_of_the_number_line_are_recorded_without_a_panic() {
        let mut recorder = HistogramRecorder::default();
        for value in [i64::MAX, i64::MIN, 0, i64::MIN + 1] {
            recorder.record(Nanos(value));
        }
        assert_eq!(recorder.finish().count(), 4);
    }

    #[test]
    fn parts_that_nobody_can_have_recorded_are_refused() {
        let refused = |cells: Vec<(Cell, u64)>, min: i64, max: i64| {
            Histogram::from_parts(Nanos(0), (Nanos(min), Nanos(max)), Nanos(0), cells).unwrap_err()
        };
        assert_eq!(
            refused(vec![(Cell::AtOrAbove(5), 1), (Cell::AtOrAbove(5), 1)], 5, 5),
            HistogramError::Cells
        );
        assert_eq!(
            refused(vec![(Cell::AtOrAbove(5), 0)], 5, 5),
            HistogramError::Cells
        );
        assert_eq!(
            refused(vec![(Cell::Below(0), 1)], 0, 0),
            HistogramError::Cells
        );
        assert_eq!(
            refused(vec![(Cell::AtOrAbove(u32::MAX), 1)], 5, 5),
            HistogramError::Cells
        );
        assert_eq!(
            refused(vec![(Cell::AtOrAbove(5), 1)], 4, 5),
            HistogramError::Extremes
        );
    }
}
