//! Which reports of a spool are here, which are still to come, and which never will.
//!
//! Every number is one of these: stored (or kept aside), missing, or lost by
//! name. What is new is told from what came before by these numbers alone, so
//! they are committed with the reports that change them.

use std::ops::RangeInclusive;

use owl_measure::report::Loss;
use owl_measure::sequences::Sequences;

/// Ranges of missing numbers of one spool. At the bound the oldest is given up, by the name of [`Lost::Crowded`].
pub(crate) const MISSING_MAX: usize = 64;

/// Why a number will never come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The probe said so.
    Told(Loss),
    /// The probe is of a version that cannot be asked.
    Unasked,
    /// There were too many holes to wait for.
    Crowded,
}

impl Lost {
    /// Every name that there is, for labels.
    pub(crate) const CODES: [&str; 6] = [
        "full", "damaged", "released", "unknown", "unasked", "crowded",
    ];

    /// Its name for labels and machines.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Told(loss) => loss.code(),
            Self::Unasked => "unasked",
            Self::Crowded => "crowded",
        }
    }
}

/// The numbers of one spool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Numbering {
    /// The highest number that came.
    pub(crate) highest: u64,
    /// Of the numbers up to that: those that are still to come.
    pub(crate) missing: Sequences,
}

impl Numbering {
    /// How many came or were given up: it grows with every number, so who sees the same count has missed nothing.
    pub(crate) fn taken(&self) -> u64 {
        self.highest.saturating_sub(self.missing.count())
    }

    /// Takes numbers that came; tells which of them are new.
    pub(crate) fn take(&mut self, came: RangeInclusive<u64>) -> Sequences {
        let mut new = self.missing.remove(came.clone());
        let (first, last) = came.into_inner();
        if last > self.highest {
            let next = self.highest.saturating_add(1);
            self.missing.insert(next..=first.saturating_sub(1));
            new.insert(first.max(next)..=last);
            self.highest = last;
        }
        new
    }

    /// Gives numbers up; tells which of them were missing.
    pub(crate) fn close(&mut self, lost: RangeInclusive<u64>) -> Sequences {
        self.missing.remove(lost)
    }

    /// Gives up the oldest ranges above the bound; tells which.
    pub(crate) fn bound(&mut self) -> Sequences {
        let above = self.missing.range_count().saturating_sub(MISSING_MAX);
        let oldest: Vec<_> = self.missing.ranges().take(above).collect();
        for range in &oldest {
            self.missing.remove(range.clone());
        }
        oldest.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn set(ranges: &[RangeInclusive<u64>]) -> Sequences {
        ranges.iter().cloned().collect()
    }

    #[test]
    fn what_comes_is_new_once_and_what_was_jumped_over_is_missing() {
        let mut numbering = Numbering::default();
        let mut check = |came, new: &[RangeInclusive<u64>], missing: &[_]| {
            assert_eq!(numbering.take(came), set(new));
            assert_eq!(numbering.missing, set(missing));
        };
        check(1..=3, &[1..=3], &[]);
        check(2..=5, &[4..=5], &[]);
        check(9..=9, &[9..=9], &[6..=8]);
        check(7..=7, &[7..=7], &[6..=6, 8..=8]);
        check(5..=10, &[6..=6, 8..=8, 10..=10], &[]);
        check(1..=10, &[], &[]);
    }

    #[test]
    fn what_is_given_up_is_not_new_when_it_comes_after_all() {
        let mut numbering = Numbering::default();
        numbering.take(10..=10);
        assert_eq!(numbering.close(1..=20), set(&[1..=9]));
        assert_eq!(numbering.close(1..=20), set(&[]));
        assert_eq!(numbering.take(5..=5), set(&[]));
    }

    #[test]
    fn holes_are_bounded_and_the_oldest_are_given_up() {
        let mut numbering = Numbering::default();
        for hole in 1..=MISSING_MAX as u64 + 2 {
            numbering.take(2 * hole..=2 * hole);
        }
        assert_eq!(numbering.bound(), set(&[1..=1, 3..=3]));
        assert_eq!(numbering.bound(), set(&[]));
        assert_eq!(numbering.missing.range_count(), MISSING_MAX);
    }

    #[test]
    fn whatever_the_order_and_however_often_each_number_is_new_once() {
        for seed in 1..200_u64 {
            let mut state = seed;
            let mut draw = |below: u64| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % below
            };
            let (mut numbering, mut here) = (Numbering::default(), BTreeSet::new());
            for _ in 0..60 {
                let first = 1 + draw(80);
                let came = first..=first + draw(6);
                let new: BTreeSet<u64> = numbering.take(came.clone()).ranges().flatten().collect();
                let expected: BTreeSet<u64> = came.filter(|number| here.insert(*number)).collect();
                assert_eq!(new, expected, "seed {seed}");
            }
            let absent = (1..=numbering.highest).filter(|number| !here.contains(number));
            let missing: Vec<u64> = numbering.missing.ranges().flatten().collect();
            assert_eq!(absent.collect::<Vec<_>>(), missing, "seed {seed}");
        }
    }
}
