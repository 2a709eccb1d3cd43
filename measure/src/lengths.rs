//! Counts of lengths in a few buckets: of loss periods, loss distances and
//! reordering extents.
//!
//! Each bucket is twice as wide as the one before: 1, 2, 3–4, 5–8, up to an open
//! one above 16 384. So counts of different intervals add up, bucket by bucket,
//! and whatever happens takes no more room.

/// How many buckets there are.
pub const BUCKETS: usize = 16;

/// Lengths of at least one, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lengths {
    counts: [u64; BUCKETS],
    longest: u64,
    sum: u64,
}

/// Counts that nobody can have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot read counts of lengths: more than {BUCKETS} buckets")]
pub struct TooManyBuckets;

impl Lengths {
    /// From its parts, as they come from the wire: the counts of the first buckets (those left out are zero), the
    /// longest length, the sum of all.
    ///
    /// # Errors
    /// When there are more counts than buckets.
    pub fn from_parts(counts: &[u64], longest: u64, sum: u64) -> Result<Self, TooManyBuckets> {
        let mut all = [0; BUCKETS];
        all.get_mut(..counts.len())
            .ok_or(TooManyBuckets)?
            .copy_from_slice(counts);
        Ok(Self {
            counts: all,
            longest,
            sum,
        })
    }

    /// The longest length in a bucket; `None` for the last one, which is open.
    pub fn edge(bucket: usize) -> Option<u64> {
        (bucket + 1 < BUCKETS).then(|| 1 << bucket)
    }

    /// Counts one length.
    pub fn record(&mut self, length: u64) {
        let bucket = length
            .saturating_sub(1)
            .checked_ilog2()
            .map_or(0, |octave| octave as usize + 1);
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.longest = self.longest.max(length);
        self.sum = self.sum.saturating_add(length);
    }

    /// Adds what was counted elsewhere; the order does not matter.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.longest = self.longest.max(other.longest);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many lengths fell into each bucket.
    pub fn counts(&self) -> &[u64; BUCKETS] {
        &self.counts
    }

    /// How many lengths were counted.
    pub fn count(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The longest of them, exactly; 0 when there is none.
    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// All of them added up, exactly.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many are longer than a bucket's edge: exact for 1, 2, 4, 8 and so on; for a length between two edges the ones
    /// above the next edge are counted.
    pub fn longer_than(&self, length: u64) -> u64 {
        let longer = (0..BUCKETS).filter(|&bucket| match bucket.checked_sub(1) {
            None => length == 0,
            Some(before) => Self::edge(before).is_some_and(|edge| edge >= length),
        });
        longer.fold(0, |sum, bucket| sum.saturating_add(self.counts[bucket]))
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|&count| count == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lengths: impl IntoIterator<Item = u64>) -> Lengths {
        let mut counted = Lengths::default();
        lengths
            .into_iter()
            .for_each(|length| counted.record(length));
        counted
    }

    #[test]
    fn a_length_falls_into_the_first_bucket_whose_edge_it_does_not_pass() {
        for (length, bucket) in [
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (8, 3),
            (9, 4),
            (16_384, 14),
            (16_385, 15),
            (u64::MAX, 15),
        ] {
            let counted = of([length]);
            assert_eq!(counted.counts()[bucket], 1, "{length}");
            assert!(Lengths::edge(bucket).is_none_or(|edge| length <= edge));
            assert_eq!((counted.longest(), counted.sum()), (length, length));
        }
    }

    #[test]
    fn more_than_an_edge_is_counted_exactly() {
        let counted = of(1..=100);
        for edge in [1, 2, 4, 8, 16, 32, 64] {
            assert_eq!(counted.longer_than(edge), 100 - edge, "{edge}");
        }
        assert_eq!(counted.longer_than(0), 100);
        assert_eq!(counted.longer_than(1 << 40), 0);
    }

    #[test]
    fn counts_made_apart_and_put_together_in_any_order_are_those_made_at_once() {
        let values: Vec<u64> = (1..3_000).map(|k| k * k % 40_009 + 1).collect();
        let whole = of(values.iter().copied());
        for cut in [0, 1, 700, 2_998] {
            let (a, rest) = values.split_at(cut);
            let (b, c) = rest.split_at(rest.len() / 2);
            let [a, b, c] = [a, b, c].map(|part| of(part.iter().copied()));
            let put = |first: Lengths, then: [Lengths; 2]| {
                then.iter().fold(first, |mut sum, more| {
                    sum.merge(more);
                    sum
                })
            };
            assert_eq!(put(a, [b, c]), whole);
            assert_eq!(put(c, [a, b]), whole);
            assert_eq!(
                put(a, [put(b, [c, Lengths::default()]), Lengths::default()]),
                whole
            );
        }
    }

    #[test]
    fn what_nobody_can_have_counted_is_refused() {
        assert_eq!(Lengths::from_parts(&[1; 17], 1, 1), Err(TooManyBuckets));
        let counted = of([1, 5, 70_000]);
        let parts = Lengths::from_parts(counted.counts(), counted.longest(), counted.sum());
        assert_eq!(parts, Ok(counted));
    }
}
