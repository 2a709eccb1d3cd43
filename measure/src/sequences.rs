//! Sets of sequence numbers, kept as ranges.
//!
//! What a spool still has to send and what a collector still waits for are
//! long runs with few holes, so a set of a million numbers is a handful of
//! ranges. How many there may be, whoever keeps a set decides.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A set of numbers. Its ranges neither overlap nor touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sequences {
    /// First → last.
    ranges: BTreeMap<u64, u64>,
}

impl Sequences {
    /// Adds all numbers of a range; one that ends before it begins has none.
    pub fn insert(&mut self, range: RangeInclusive<u64>) {
        let (mut first, mut last) = range.into_inner();
        if first > last {
            return;
        }
        let touching = self.ranges.range(..=last.saturating_add(1)).rev();
        let touching: Vec<(u64, u64)> = touching
            .take_while(|(_, end)| end.saturating_add(1) >= first)
            .map(|(&begin, &end)| (begin, end))
            .collect();
        for (begin, end) in touching {
            self.ranges.remove(&begin);
            (first, last) = (first.min(begin), last.max(end));
        }
        self.ranges.insert(first, last);
    }

    /// Takes all numbers of a range out; tells those that were there.
    pub fn remove(&mut self, range: RangeInclusive<u64>) -> Self {
        let mut removed = Self::default();
        let (first, last) = range.clone().into_inner();
        for cut in self.within(range).collect::<Vec<_>>() {
            let (begin, end) = cut.clone().into_inner();
            // The range that the cut lies in begins at or before it.
            let Some((&whole_first, &whole_last)) = self.ranges.range(..=begin).next_back() else {
                continue;
            };
            self.ranges.remove(&whole_first);
            if whole_first < first {
                self.ranges.insert(whole_first, first - 1);
            }
            if whole_last > last {
                self.ranges.insert(last + 1, whole_last);
            }
            removed.ranges.insert(begin, end);
        }
        removed
    }

    /// What of a range is in the set, in order.
    pub fn within(&self, range: RangeInclusive<u64>) -> impl Iterator<Item = RangeInclusive<u64>> {
        let (first, last) = range.into_inner();
        // The one before may reach into the range.
        let before = self.ranges.range(..first).next_back();
        let inside = self.ranges.range(first.min(last)..=last);
        let all = before.into_iter().chain(inside);
        all.filter(move |&(&begin, &end)| end >= first && begin <= last)
            .map(move |(&begin, &end)| begin.max(first)..=end.min(last))
    }

    /// Whether a number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        self.within(number..=number).next().is_some()
    }

    /// Its ranges, in order.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = RangeInclusive<u64>> {
        self.ranges.iter().map(|(&first, &last)| first..=last)
    }

    /// How many ranges there are.
    pub fn range_count(&self) -> usize {
        self.ranges.len()
    }

    /// How many numbers there are; `u64::MAX` when there are more.
    pub fn count(&self) -> u64 {
        let counts = self.ranges.iter().map(|(first, last)| last - first);
        counts.fold(0_u64, |sum, count| {
            sum.saturating_add(count).saturating_add(1)
        })
    }

    /// Whether it holds no number.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl FromIterator<RangeInclusive<u64>> for Sequences {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u64>>>(ranges: I) -> Self {
        let mut set = Self::default();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[track_caller]
    fn check(set: &Sequences, expected: &[RangeInclusive<u64>]) {
        assert_eq!(set.ranges().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn ranges_that_touch_become_one_and_a_hole_makes_two() {
        let mut set = Sequences::default();
        for range in [5..=6, 1..=1, 9..=9, 7..=8, 4..=4] {
            set.insert(range);
        }
        check(&set, &[1..=1, 4..=9]);
        assert_eq!((set.count(), set.range_count()), (7, 2));
        let removed = set.remove(1..=6);
        check(&removed, &[1..=1, 4..=6]);
        check(&set, &[7..=9]);
        let removed = set.remove(8..=8);
        check(&removed, &[8..=8]);
        check(&set, &[7..=7, 9..=9]);
        assert!(set.contains(9) && !set.contains(8));
        assert!(set.remove(u64::MAX..=u64::MAX).is_empty());
    }

    #[test]
    fn the_last_number_there_is_does_not_overflow() {
        let mut set: Sequences = [0..=u64::MAX - 1].into_iter().collect();
        set.insert(u64::MAX..=u64::MAX);
        check(&set, &[0..=u64::MAX]);
        assert_eq!(set.count(), u64::MAX);
        set.remove(0..=u64::MAX);
        assert!(set.is_empty());
        #[expect(clippy::reversed_empty_ranges, reason = "that is what is tried")]
        set.insert(7..=3);
        assert!(set.is_empty());
    }

    #[test]
    fn it_is_what_a_plain_set_is() {
        // A linear congruential generator: any sequence of operations will do (Knuth, volume 2, section 3.3.4).
        let mut state = 1_u64;
        let mut draw = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let (mut set, mut plain) = (Sequences::default(), BTreeSet::new());
        for _ in 0..2_000 {
            let first = draw(60);
            let range = first..=first + draw(9);
            if draw(2) == 0 {
                set.insert(range.clone());
                plain.extend(range);
            } else {
                let removed = set.remove(range.clone());
                let expected: Vec<u64> = range.filter(|number| plain.remove(number)).collect();
                assert_eq!(removed.ranges().flatten().collect::<Vec<_>>(), expected);
            }
            assert_eq!(set.ranges().flatten().collect::<BTreeSet<_>>(), plain);
            assert_eq!(set.count(), plain.len() as u64);
            let touching = set.ranges().zip(set.ranges().skip(1));
            assert!(touching.into_iter().all(|(a, b)| a.end() + 1 < *b.start()));
        }
    }
}
