//! A table, cut into slices that are asked for without waiting for each other.
//!
//! The rows of a table are known from discovery, so a slice begins where it begins and not where the last one ended. What an
//! answer leaves out, because it was full or was lost, is a gap that is asked for again.

use std::collections::VecDeque;
use std::ops::Range;

/// What surrounds the rows of an answer: headers, community, sysUpTime. SNMPv3 has more, and learns it as larger rows.
const AROUND_OCTETS: usize = 60;
/// A cell whose size nobody knows yet: a name of 17 octets, a counter of nine, and what is around both.
const CELL_OCTETS: usize = 28;

/// How many rows an answer holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capacity {
    octets_max: usize,
    rows_max: usize,
    row_octets: usize,
}

impl Capacity {
    /// Of answers of so many octets and rows at most, with so many columns.
    pub(super) fn new(octets_max: u32, rows_max: u32, columns: usize) -> Self {
        Self {
            octets_max: octets_max as usize,
            rows_max: rows_max.max(1) as usize,
            row_octets: (CELL_OCTETS * columns).max(1),
        }
    }

    /// Rows to ask for.
    pub(super) fn rows(&self) -> usize {
        let fit = self.octets_max.saturating_sub(AROUND_OCTETS) / self.row_octets;
        fit.clamp(1, self.rows_max)
    }

    /// An answer of so many octets held so many whole rows of those asked for.
    pub(super) fn learn(&mut self, octets: usize, rows: usize, asked: usize) {
        if rows == 0 {
            self.octets_max = AROUND_OCTETS + self.row_octets * (asked / 2).max(1);
            return;
        }
        if asked < self.rows() {
            // A small answer tells more of what is around the rows than of them.
            return;
        }
        let row_octets = octets.saturating_sub(AROUND_OCTETS).div_ceil(rows).max(1);
        if rows < asked {
            // The next cell did not fit, and a part of a row may have come for nothing.
            self.octets_max = self.octets_max.min(octets);
            if self.rows() < asked {
                return;
            }
        }
        self.row_octets = row_octets;
    }
}

/// The rows that are still to be asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Sweep {
    next: usize,
    end: usize,
    gaps: VecDeque<Range<usize>>,
}

impl Sweep {
    /// All rows of a table.
    pub(super) fn of(rows: usize) -> Self {
        Self {
            next: 0,
            end: rows,
            gaps: VecDeque::new(),
        }
    }

    /// The next slice of at most so many rows: gaps first, since others wait for the table to be whole.
    pub(super) fn take(&mut self, rows: usize) -> Option<Range<usize>> {
        let rows = rows.max(1);
        if let Some(gap) = self.gaps.pop_front() {
            let cut = gap.end.min(gap.start + rows);
            if cut < gap.end {
                self.gaps.push_front(cut..gap.end);
            }
            return Some(gap.start..cut);
        }
        if self.next >= self.end {
            return None;
        }
        let slice = self.next..self.end.min(self.next + rows);
        self.next = slice.end;
        Some(slice)
    }

    /// These rows are to be asked for again. There are never more gaps than slices were taken.
    pub(super) fn put_back(&mut self, rows: Range<usize>) {
        if !rows.is_empty() {
            self.gaps.push_back(rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_asked_for_whatever_answers_leave_out() {
        let mut sweep = Sweep::of(1_000);
        let mut seen = vec![0; 1_000];
        let mut asked = 0;
        while let Some(slice) = sweep.take(7) {
            asked += 1;
            // Each third answer is lost, each fifth has only two rows.
            let held = match asked {
                k if k % 3 == 0 => 0,
                k if k % 5 == 0 => 2,
                _ => 7,
            };
            let held = slice.start..slice.end.min(slice.start + held);
            held.clone().for_each(|row| seen[row] += 1);
            sweep.put_back(held.end..slice.end);
        }
        assert!(seen.iter().all(|&times| times == 1));
    }

    #[test]
    fn as_many_rows_are_asked_for_as_an_answer_holds() {
        let mut capacity = Capacity::new(1_472, 64, 7);
        assert_eq!(capacity.rows(), 7);
        capacity.learn(60 + 7 * 170, 7, 7);
        assert_eq!(capacity.rows(), 8);
        // The agent's own limit is smaller: five rows and a part of the sixth came.
        capacity.learn(60 + 5 * 170 + 120, 5, 8);
        assert_eq!(capacity.rows(), 5);
        capacity.learn(60 + 5 * 168, 5, 5);
        assert_eq!(capacity.rows(), 5);
        capacity.learn(60 + 100, 1, 1);
        assert_eq!(capacity.rows(), 5);
        // One answer was too big for the agent.
        capacity.learn(60, 0, 5);
        assert_eq!(capacity.rows(), 2);
        let mut two_columns = Capacity::new(1_472, 64, 2);
        assert_eq!(two_columns.rows(), 25);
        two_columns.learn(60 + 25 * 50, 25, 25);
        assert_eq!(two_columns.rows(), 28);
        assert_eq!(Capacity::new(65_000, 8, 7).rows(), 8);
    }
}
