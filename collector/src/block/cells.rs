//! The cells of a histogram as symbols, and what they tell of its numbers.
//!
//! A symbol is the distance to the next cell, or how often the last one was hit
//! besides once: most are hit once. The extremes lie in the outermost cells and
//! the sum near the sum of the cells' middles, so only how far from there is kept.
//! The cells are those of `owl_measure::histogram`, two significant digits; this
//! copy of their arithmetic belongs to the format and changes only with its version.

/// Cells of width one, and cells an octave after that.
const EXACT: u64 = 256;
const PER_OCTAVE: u64 = 128;
/// No cell is higher: the octave that ends at `i64::MAX`.
const LAST_CELL: u64 = 7_295;
/// A cell is not hit more often in a histogram that can be kept as symbols.
const HITS_MAX: u64 = 1 << 40;

/// A symbol: the distance to a cell, or a number of further hits of the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    Gap(u64),
    Again(u64),
}

impl Symbol {
    /// As one number.
    pub(super) fn pack(self) -> u64 {
        match self {
            Self::Gap(gap) => gap << 1,
            Self::Again(hits) => hits << 1 | 1,
        }
    }

    /// From that number.
    pub(super) fn unpack(number: u64) -> Self {
        if number & 1 == 0 {
            Self::Gap(number >> 1)
        } else {
            Self::Again(number >> 1)
        }
    }
}

/// The smallest and the largest distance of a cell.
fn edges_of(cell: u64) -> (u64, u64) {
    if cell < EXACT {
        return (cell, cell);
    }
    let shift = cell / PER_OCTAVE - 1;
    let low = (cell - shift * PER_OCTAVE) << shift;
    (low, low + ((1 << shift) - 1))
}

/// One side of a histogram, looked at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Side {
    first: u64,
    last: u64,
    hits: u64,
    /// The sum of the distances, each in the middle of its cell.
    middles: u64,
}

/// What the cells of a histogram tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Between which offsets from the base the smallest span lies, and the largest.
    pub(super) min: (i64, i64),
    pub(super) max: (i64, i64),
    pub(super) hits: u64,
    /// The sum of the offsets, as far as cells tell it.
    offsets: u64,
}

impl Told {
    /// Of no cells at all.
    pub(super) const NOTHING: Self = Self {
        min: (0, 0),
        max: (0, 0),
        hits: 0,
        offsets: 0,
    };

    /// The sum of all spans above this base, as far as cells tell it.
    pub(super) fn sum(&self, base: i64) -> i64 {
        let bases = self.hits.wrapping_mul(base as u64);
        bases.wrapping_add(self.offsets) as i64
    }
}

/// What both sides tell; `None` when no histogram has them.
pub(super) fn told(
    above: impl Iterator<Item = Symbol>,
    below: impl Iterator<Item = Symbol>,
) -> Option<Told> {
    let signed = |(low, high): (u64, u64)| (low as i64, high as i64);
    let negative = |(low, high): (u64, u64)| (-(high as i64), -(low as i64));
    let (above, below) = (side(above, 0)?, side(below, 1)?);
    Some(match (above, below) {
        (None, None) => Told::NOTHING,
        (above, below) => {
            let (lowest, highest) = (
                below.map(|side| negative(edges_of(side.last))),
                above.map(|side| signed(edges_of(side.last))),
            );
            let nearest = |side: Side| edges_of(side.first);
            let (above, below) = (above.unwrap_or_default(), below.unwrap_or_default());
            Told {
                min: lowest.unwrap_or(signed(nearest(above))),
                max: highest.unwrap_or(negative(nearest(below))),
                hits: above.hits.wrapping_add(below.hits),
                offsets: above.middles.wrapping_sub(below.middles),
            }
        }
    })
}

/// `Some(None)` for a side without cells. `nearest` is the first cell that it may have.
fn side(symbols: impl Iterator<Item = Symbol>, nearest: u64) -> Option<Option<Side>> {
    let mut side: Option<Side> = None;
    let mut was_again = false;
    for symbol in symbols {
        match (symbol, &mut side) {
            (Symbol::Gap(gap), None) if (nearest..=LAST_CELL).contains(&gap) => {
                side = Some(Side {
                    first: gap,
                    last: gap,
                    hits: 1,
                    middles: middle(gap),
                });
            }
            (Symbol::Gap(gap @ 1..=LAST_CELL), Some(side)) if side.last + gap <= LAST_CELL => {
                side.last += gap;
                side.hits = side.hits.wrapping_add(1);
                side.middles = side.middles.wrapping_add(middle(side.last));
            }
            (Symbol::Again(hits @ 1..HITS_MAX), Some(side)) if !was_again => {
                side.hits = side.hits.wrapping_add(hits);
                let middles = middle(side.last).wrapping_mul(hits);
                side.middles = side.middles.wrapping_add(middles);
            }
            _ => return None,
        }
        was_again = matches!(symbol, Symbol::Again(_));
    }
    Some(side)
}

fn middle(cell: u64) -> u64 {
    let (low, high) = edges_of(cell);
    low + (high - low) / 2
}

/// The symbols of one side, from its lists, which are of one length.
pub(super) fn symbols(gaps: &[u64], counts: &[u64]) -> impl Iterator<Item = Symbol> {
    let cells = gaps.iter().zip(counts);
    cells.flat_map(|(&gap, &count)| {
        let again = (count != 1).then(|| Symbol::Again(count.wrapping_sub(1)));
        std::iter::once(Symbol::Gap(gap)).chain(again)
    })
}

/// Appends the gaps of symbols that a side was told of.
pub(super) fn gaps(symbols: &[u64], gaps: &mut Vec<u64>) {
    gaps.extend(
        symbols
            .iter()
            .filter_map(|&symbol| match Symbol::unpack(symbol) {
                Symbol::Gap(gap) => Some(gap),
                Symbol::Again(_) => None,
            }),
    );
}

/// Appends how often each of their cells was hit.
pub(super) fn counts(symbols: &[u64], counts: &mut Vec<u64>) {
    for &symbol in symbols {
        match (Symbol::unpack(symbol), counts.last_mut()) {
            (Symbol::Again(hits), Some(count)) => *count += hits,
            _ => counts.push(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::histogram::{Cell, HistogramRecorder};
    use owl_measure::time::Nanos;

    #[test]
    fn the_cells_are_those_of_the_recorder() {
        for shift in 0..63 {
            for distance in [
                1_i64 << shift,
                (1 << shift) + (1 << shift >> 1),
                (1 << shift) - 1,
            ] {
                let mut recorder = HistogramRecorder::default();
                recorder.record(Nanos::ZERO);
                recorder.record(Nanos(distance));
                let histogram = recorder.finish();
                let &(Cell::AtOrAbove(cell), _) = histogram.cells().last().unwrap() else {
                    panic!("{distance} is not below zero");
                };
                let (low, high) = edges_of(u64::from(cell));
                assert!((low..=high).contains(&(distance as u64)), "{distance}");
                assert!(u64::from(cell) <= LAST_CELL, "{cell}");
            }
        }
        assert_eq!(edges_of(LAST_CELL).1, i64::MAX as u64);
    }

    #[test]
    fn the_extremes_and_the_sum_lie_where_the_cells_say() {
        let mut recorder = HistogramRecorder::default();
        let spans = [7_000, 9_000, 9_000, 123_456, -44, 6_999, -8_000_000].map(|ns| ns + 700_000);
        for span in spans {
            recorder.record(Nanos(span));
        }
        let histogram = recorder.finish();
        let side = |pick: fn(Cell) -> Option<u32>| {
            let mut cells: Vec<(u32, u64)> = histogram
                .cells()
                .iter()
                .filter_map(|&(cell, count)| Some((pick(cell)?, count)))
                .collect();
            cells.sort_unstable();
            let mut last = 0;
            let (gaps, counts): (Vec<u64>, Vec<u64>) = cells
                .into_iter()
                .map(|(cell, count)| (u64::from(cell - std::mem::replace(&mut last, cell)), count))
                .unzip();
            let packed: Vec<u64> = symbols(&gaps, &counts).map(Symbol::pack).collect();
            let (mut same_gaps, mut same_counts) = (Vec::new(), Vec::new());
            super::gaps(&packed, &mut same_gaps);
            super::counts(&packed, &mut same_counts);
            assert_eq!((same_gaps, same_counts), (gaps, counts));
            packed.into_iter().map(Symbol::unpack)
        };
        let above = side(|cell| match cell {
            Cell::AtOrAbove(cell) => Some(cell),
            Cell::Below(_) => None,
        });
        let below = side(|cell| match cell {
            Cell::Below(cell) => Some(cell),
            Cell::AtOrAbove(_) => None,
        });
        let told = told(above, below).unwrap();
        let base = histogram.base();
        let (min, max) = histogram.extremes().unwrap();
        assert!(
            (told.min.0..=told.min.1).contains(&(min - base).0),
            "{told:?}"
        );
        assert!(
            (told.max.0..=told.max.1).contains(&(max - base).0),
            "{told:?}"
        );
        assert_eq!(told.hits, 7);
        let off = (told.sum(base.0) - histogram.sum().0).abs();
        assert!(off < 8_000_000 / 128, "{off}");
    }

    #[test]
    fn symbols_of_no_histogram_tell_nothing() {
        let (gap, again) = (Symbol::Gap, Symbol::Again);
        for (above, below) in [
            (vec![again(1)], vec![]),
            (vec![gap(1), gap(0)], vec![]),
            (vec![], vec![gap(0)]),
            (vec![gap(LAST_CELL), gap(1)], vec![]),
            (vec![gap(LAST_CELL + 1)], vec![]),
            (vec![gap(1), again(0)], vec![]),
            (vec![gap(1), again(u64::MAX)], vec![]),
            (vec![gap(1), again(1), again(1)], vec![]),
            (vec![gap(u64::MAX >> 1)], vec![]),
        ] {
            let said = format!("{above:?} {below:?}");
            assert_eq!(told(above.into_iter(), below.into_iter()), None, "{said}");
        }
    }
}
