//! The cells of a [`Spread`](super::Spread), and their octets.
//!
//! A cell is a span of 2^k nanoseconds that begins at a multiple of 2^k, so of
//! any two cells one lies within the other or they share nothing. k grows with
//! the distance from a base: cells are 256 ns wide up to 32.8 µs above it, and
//! from there 64 an octave. When the base moves down, the cell of a span is the
//! same or one that holds it whole, and which one depends on that base alone.

use std::ops::Range;

use super::SpreadError;

/// The narrowest cells are 2^8 ns wide.
const FLOOR: u32 = 8;
/// Cells an octave; also how many cells of its own width a cell is away from the base at least, unless it is of the narrowest.
const PER_OCTAVE: u64 = 64;
/// Cells of fewer bits than this are less than an hour wide.
const NEAR: u32 = 41;
/// Bases are multiples of 2^14 ns: the smallest spans of neighbouring intervals have nearly always the same one then, and
/// nothing need be moved to put them together.
const BASE: u32 = 14;
/// Cells that there are: the widest are of 2^59 ns, for spans 2^64 ns above the base.
pub(super) const CELLS: usize = (64 * (60 - FLOOR as usize)) + 64;
/// In the octet of the counts: they do not fit, and follow as two varints.
const LARGE: u8 = 0xFF;
/// The least octet whose upper half is 15.
const LARGE_HALF: u8 = 0xF0;
/// Counts below this fit into half an octet.
const SMALL: u64 = 15;

/// The base of spans of which this is the smallest.
pub(super) fn base_of(min: i64) -> i64 {
    min >> BASE << BASE
}

/// How many cells of 2^k ns lie between the base and the one that begins at `begin`, which is not below the base.
fn away(begin: i64, base: i64, level: u32) -> u64 {
    // The difference of two signed numbers in order always fits an unsigned one.
    (begin >> level).wrapping_sub(base >> level).cast_unsigned()
}

/// The number of the cell at this level that holds a span.
fn number(span: i64, base: i64, level: u32) -> u16 {
    let place = u64::from(level - FLOOR) * PER_OCTAVE + away(span, base, level);
    place as u16 // at most CELLS
}

/// The cell that holds a span, which is not below the base.
pub(super) fn cell_of(span: i64, base: i64) -> u16 {
    widen(span, base, FLOOR)
}

/// The cell that holds a span, of this level or a wider one.
fn widen(begin: i64, base: i64, from: u32) -> u16 {
    // At this level the base is 64 to 128 cells away, or it is the narrowest that is asked for; one step is all that is left.
    let distance = away(begin, base, 0).max(1);
    let mut level = distance
        .ilog2()
        .saturating_sub(PER_OCTAVE.ilog2())
        .max(from);
    while away(begin, base, level + 1) >= PER_OCTAVE {
        level += 1;
    }
    number(begin, base, level)
}

/// The level of a cell, and how many of its width it is away from the base.
fn level_of(cell: u16) -> (u32, u64) {
    let octave = (u64::from(cell) / PER_OCTAVE).saturating_sub(1);
    (FLOOR + octave as u32, u64::from(cell) - octave * PER_OCTAVE)
}

/// The smallest and the largest span of a cell, in nanoseconds.
pub(super) fn edges_of(cell: u16, base: i64) -> (i64, i64) {
    let (level, away) = level_of(cell);
    let width = 1_i64 << level;
    // Nearly every span is far from the ends of the numbers that there are.
    if level < NEAR && base.unsigned_abs() < 1 << 61 {
        let begin = ((base >> level) + away as i64) << level;
        return (begin, begin + (width - 1));
    }
    let begin = ((i128::from(base >> level) + i128::from(away)) << level)
        .clamp(i64::MIN.into(), i64::MAX.into());
    let end = (begin + i128::from(width) - 1).min(i64::MAX.into());
    (begin as i64, end as i64) // both clamped
}

/// Ranges of cells of one width, one after the other: which they are, where the first of them begins, and how wide they are.
/// Where the numbers that there are end, each cell is a range by itself.
pub(super) fn of_one_width(
    cells: Range<usize>,
    base: i64,
) -> impl Iterator<Item = (Range<usize>, i64, i64)> {
    let per = PER_OCTAVE as usize;
    let mut from = cells.start;
    std::iter::from_fn(move || {
        let first = u16::try_from(from).ok().filter(|_| from < cells.end)?;
        let (low, high) = edges_of(first, base);
        let is_near = level_of(first).0 < NEAR && base.unsigned_abs() < 1 << 61;
        let to = if is_near {
            cells.end.min((from / per + 1) * per)
        } else {
            from + 1
        };
        let width = high.saturating_sub(low).saturating_add(1);
        Some((std::mem::replace(&mut from, to)..to, low, width))
    })
}

/// The cell that holds a whole cell of another base, which is not below this one.
pub(super) fn rebased(cell: u16, from: i64, base: i64) -> u16 {
    widen(edges_of(cell, from).0, base, level_of(cell).0)
}

/// Writes cells in their order, each with the number of spans whose lower and whose upper edge lies in it.
#[derive(Debug, Default)]
pub(super) struct Writer {
    octets: Vec<u8>,
    next: u16,
}

impl Writer {
    pub(super) fn push(&mut self, cell: u16, lower: u64, upper: u64) {
        varint(&mut self.octets, u64::from(cell - self.next));
        self.next = cell + 1;
        if lower < SMALL && upper < SMALL {
            self.octets.push((lower << 4 | upper) as u8);
        } else {
            self.octets.push(LARGE);
            varint(&mut self.octets, lower);
            varint(&mut self.octets, upper);
        }
    }

    pub(super) fn finish(self) -> Box<[u8]> {
        self.octets.into_boxed_slice()
    }
}

fn varint(octets: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        octets.push(value as u8 | 0x80);
        value >>= 7;
    }
    octets.push(value as u8);
}

/// The cells of octets that were written here or checked: (cell, lower, upper). It ends at whatever nobody can have written.
#[derive(Debug, Clone)]
pub(super) struct Cells<'a> {
    octets: &'a [u8],
    next: u64,
}

impl<'a> Cells<'a> {
    pub(super) fn of(octets: &'a [u8]) -> Self {
        Self { octets, next: 0 }
    }

    #[inline]
    fn varint(&mut self) -> Option<u64> {
        let (&first, rest) = self.octets.split_first()?;
        self.octets = rest;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        self.long_varint(first)
    }

    /// The rest of a number of several octets; one that is written too long is none.
    fn long_varint(&mut self, first: u8) -> Option<u64> {
        let mut value = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let (&octet, rest) = self.octets.split_first()?;
            self.octets = rest;
            let bits = u64::from(octet & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if octet < 0x80 {
                return (octet > 0).then_some(value);
            }
        }
        None
    }

    /// Reads all of them, and refuses what nobody can have written. Gives how many spans there are, and the first and the
    /// last cell, `None` of no spans.
    pub(super) fn check(octets: &'a [u8]) -> Result<(u64, Option<(u16, u16)>), SpreadError> {
        let mut cells = Self::of(octets);
        let (mut below, mut above) = (0_u64, 0_u64);
        let mut first = None;
        while !cells.octets.is_empty() {
            let (cell, lower, upper) = cells.next().ok_or(SpreadError::Cells)?;
            if lower == 0 && upper == 0 {
                return Err(SpreadError::Cells);
            }
            first.get_or_insert(cell);
            below = below.saturating_add(lower);
            above = above.saturating_add(upper);
            // Every span has its lower edge before its upper one.
            if above > below {
                return Err(SpreadError::Counts);
            }
        }
        if below != above {
            return Err(SpreadError::Counts);
        }
        // The last one is before the next.
        Ok((below, first.map(|first| (first, (cells.next - 1) as u16))))
    }
}

impl Cells<'_> {
    /// Each cell in turn, and from the first of them to behind the last. Nearly all of them are two octets, of which four
    /// are looked at in one go, or four, of which two are.
    #[inline]
    pub(super) fn each(mut self, mut each: impl FnMut(u16, u64, u64)) -> Range<usize> {
        /// The highest bit of each gap, of four cells.
        const LONG_GAPS: u64 = 0x0080_0080_0080_0080;
        /// The highest bit of the counts of four cells.
        const COUNTS: u64 = 0x8000_8000_8000_8000;
        /// Of two cells with counts of an octet each: what is the same in all such, and the mark of large counts.
        const TWO_LARGE: [u64; 2] = [0x8080_FF80_8080_FF80, 0x0000_FF00_0000_FF00];
        /// The widest that four gaps of one octet reach.
        const REACH: u64 = 4 * 0x80;
        let mut first = None;
        loop {
            while let Some((four, rest)) = self.octets.split_first_chunk::<8>() {
                let four = u64::from_le_bytes(*four);
                // All four bits of the upper half are set where it is 15.
                let large = four & four << 1 & four << 2 & four << 3 & COUNTS;
                if self.next + REACH > CELLS as u64 {
                    break;
                }
                if four & TWO_LARGE[0] == TWO_LARGE[1] {
                    first.get_or_insert(self.next + (four & 0xFF));
                    for two in [four, four >> 32] {
                        let cell = self.next + (two & 0xFF);
                        each(cell as u16, two >> 16 & 0xFF, two >> 24 & 0xFF);
                        self.next = cell + 1;
                    }
                    self.octets = rest;
                    continue;
                }
                if four & LONG_GAPS | large != 0 {
                    break;
                }
                first.get_or_insert(self.next + (four & 0xFF));
                let mut four = four;
                for _ in 0..4 {
                    let cell = self.next + (four & 0xFF);
                    each(cell as u16, four >> 12 & 0x0F, four >> 8 & 0x0F);
                    self.next = cell + 1;
                    four >>= 16;
                }
                self.octets = rest;
            }
            let Some((cell, lower, upper)) = self.next() else {
                let end = self.next as usize;
                return first.map_or(end, |first| first as usize)..end;
            };
            first.get_or_insert(cell.into());
            each(cell, lower, upper);
        }
    }
}

impl Iterator for Cells<'_> {
    type Item = (u16, u64, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // Nearly all of them have these two forms, which are taken without ado.
        let (gap, lower, upper, rest) = match self.octets {
            [gap @ 0..=0x7F, counts @ 0..LARGE_HALF, rest @ ..] if counts & 0x0F != 0x0F => {
                (u64::from(*gap), counts >> 4, counts & 0x0F, rest)
            }
            // One way to write it only, so that what is equal has equal octets.
            [
                gap @ 0..=0x7F,
                LARGE,
                lower @ 0..=0x7F,
                upper @ 0..=0x7F,
                rest @ ..,
            ] if *lower >= SMALL as u8 || *upper >= SMALL as u8 => {
                (u64::from(*gap), *lower, *upper, rest)
            }
            _ => return self.next_of_any_form(),
        };
        let cell = self.next + gap;
        if cell >= CELLS as u64 {
            return None;
        }
        (self.octets, self.next) = (rest, cell + 1);
        Some((cell as u16, lower.into(), upper.into()))
    }
}

impl Cells<'_> {
    fn next_of_any_form(&mut self) -> Option<(u16, u64, u64)> {
        let cell = self.next.checked_add(self.varint()?)?;
        if cell >= CELLS as u64 {
            return None;
        }
        self.next = cell + 1;
        let (&counts, rest) = self.octets.split_first()?;
        self.octets = rest;
        let (lower, upper) = if counts == LARGE {
            let (lower, upper) = (self.varint()?, self.varint()?);
            if lower < SMALL && upper < SMALL {
                return None;
            }
            (lower, upper)
        } else {
            // A half of 15 is never written.
            if counts >= LARGE_HALF || counts & 0x0F == 0x0F {
                return None;
            }
            (u64::from(counts >> 4), u64::from(counts & 0x0F))
        };
        Some((cell as u16, lower, upper))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans of every size, on both sides of cells' edges.
    fn spans() -> impl Iterator<Item = i64> {
        let powers = (0..63).flat_map(|k| {
            let power = 1_i64 << k;
            [power - 1, power, power + power / 3, power + power / 2 + 1]
        });
        powers.chain([i64::MAX - 1, i64::MAX])
    }

    #[test]
    fn every_span_lies_in_its_cell_which_is_no_wider_than_promised() {
        for base in [0, -200_000_000 >> BASE << BASE, i64::MIN] {
            let mut last = 0;
            for above in spans() {
                let Some(span) = base.checked_add(above) else {
                    continue;
                };
                let cell = cell_of(span, base);
                let (low, high) = edges_of(cell, base);
                assert!(low <= span && span <= high, "{above} above {base}");
                let width = i128::from(high) - i128::from(low) + 1;
                let distance = i128::from(low) - i128::from(base);
                assert!(
                    width == 256 || width * 63 < distance,
                    "{above} above {base}: {width} ns at {distance}"
                );
                assert!(usize::from(cell) < CELLS);
                assert!(cell >= last, "cells are in the order of spans");
                last = cell;
            }
        }
        assert!(usize::from(cell_of(i64::MAX, i64::MIN)) < CELLS);
    }

    #[test]
    fn a_lower_base_widens_a_cell_and_the_way_down_does_not_matter() {
        let bases = [3_000_000, 1_000_000, 0, -70_000_000, i64::MIN].map(base_of);
        for above in (0..5_000_000).step_by(8_191).chain([1 << 40, 1 << 61]) {
            let span = bases[0] + above;
            let mut cell = cell_of(span, bases[0]);
            for pair in bases.windows(2) {
                cell = rebased(cell, pair[0], pair[1]);
                assert_eq!(cell, cell_of(span, pair[1]), "{span} from {}", pair[1]);
            }
        }
    }

    #[test]
    fn cells_are_read_as_they_were_written_and_nothing_else_is() {
        let cells = [
            (0, 1, 0),
            (1, 0, 1),
            (300, 14, 14),
            (301, 15, 2),
            (3_000, 70_000, 70_013),
        ];
        let mut writer = Writer::default();
        for (cell, lower, upper) in cells {
            writer.push(cell, lower, upper);
        }
        let octets = writer.finish();
        assert_eq!(Cells::of(&octets).collect::<Vec<_>>(), cells);
        assert_eq!(Cells::check(&octets), Ok((70_030, Some((0, 3_000)))));
        for end in 1..octets.len() {
            let cut = Cells::check(&octets[..end]);
            assert_ne!(cut.map(|(count, _)| count), Ok(70_030), "{end} octets");
        }
        for (octets, error) in [
            (&[0_u8, 0x00][..], SpreadError::Cells), // an empty cell
            (&[0, 0x01], SpreadError::Counts),       // an upper edge without a lower one
            (&[0, 0x10], SpreadError::Counts),
            (&[0x80, 0, 0x11], SpreadError::Cells), // a number written too long
            (&[0, LARGE, 1, 1], SpreadError::Cells), // counts written too long
            (&[0xFF, 0x7F, 0x11], SpreadError::Cells), // a cell that there is not
        ] {
            assert_eq!(Cells::check(octets), Err(error), "{octets:?}");
        }
    }
}
