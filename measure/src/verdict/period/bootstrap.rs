//! A 95 % interval for a share of windows, by drawing whole hours.
//!
//! Minutes that follow each other are alike, so drawing single minutes would
//! make the interval too narrow; an hour is drawn with all of its minutes (block
//! bootstrap). What cannot be told, the clock's error among it, is never drawn
//! away: each replicate keeps both ends of its share, the interval takes the
//! lower end of the lower shares and the upper end of the upper ones.
//! The same hours give the same interval on every machine.

use super::tally::Tally;

/// Replicates; the 2.5 % ends are the 25th from each side.
const REPLICATES: usize = 1_000;
/// The rank of those ends, counted from 1.
const RANK: usize = 25;
/// Fewer hours say nothing at 95 %: even if all lay on one side, by a sign test that would happen by chance in
/// 2·2⁻⁵ = 6.3 % of the cases with five, and in 3.1 % with six.
pub(super) const HOURS_MIN: usize = 6;
/// Where every draw begins. Any other number would do as well; that it never changes is the point.
const SEED: u64 = 0x6f77_6c20_2d20_3935;

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Draw(u64);

impl Draw {
    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        // The high half of the product: less biased than a remainder, and without a division.
        ((u128::from(x) * n as u128) >> 64) as usize
    }
}

/// What an hour brings to a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    met: u64,
    at_most: u64,
    windows: u64,
}

/// The interval of the share over these hours; `None` when fewer than [`HOURS_MIN`] of them hold windows that count.
pub(super) fn interval<'a>(hours: impl Iterator<Item = &'a Tally>) -> Option<(f64, f64)> {
    let blocks: Vec<Block> = hours
        .map(|tally| Block {
            met: tally.met,
            at_most: tally.windows() - tally.missed,
            windows: tally.windows(),
        })
        .filter(|block| block.windows > 0)
        .collect();
    if blocks.len() < HOURS_MIN {
        return None;
    }
    let share = |count: u64, windows: u64| count as f64 / windows as f64;
    // Most months of most paths: every draw of hours that are all alike is the same.
    if let [first, rest @ ..] = blocks.as_slice()
        && rest.iter().all(|block| block == first)
    {
        return Some((
            share(first.met, first.windows),
            share(first.at_most, first.windows),
        ));
    }
    let mut draw = Draw(SEED);
    let (mut low, mut high) = (
        Vec::with_capacity(REPLICATES),
        Vec::with_capacity(REPLICATES),
    );
    for _ in 0..REPLICATES {
        let (mut met, mut at_most, mut windows) = (0, 0, 0);
        for _ in 0..blocks.len() {
            let block = blocks[draw.below(blocks.len())];
            met += block.met;
            at_most += block.at_most;
            windows += block.windows;
        }
        low.push(share(met, windows));
        high.push(share(at_most, windows));
    }
    low.sort_unstable_by(f64::total_cmp);
    high.sort_unstable_by(f64::total_cmp);
    Some((low[RANK - 1], high[REPLICATES - RANK]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(counts: &[(u64, u64, u64)]) -> Vec<Tally> {
        counts
            .iter()
            .map(|&(met, missed, undecided)| Tally {
                met,
                missed,
                undecided,
                ..Tally::default()
            })
            .collect()
    }

    #[test]
    fn the_same_hours_give_the_same_interval_to_the_last_bit() {
        let month: Vec<Tally> = hours(&[(60, 0, 0), (57, 3, 0), (40, 20, 0), (55, 0, 5)])
            .into_iter()
            .cycle()
            .take(720)
            .collect();
        let interval = || interval(month.iter()).map(|(lo, hi)| (lo.to_bits(), hi.to_bits()));
        assert_eq!(interval(), interval());
    }

    #[test]
    fn the_interval_is_as_wide_as_the_hours_differ_and_holds_the_share() {
        // Of 720 hours one in ten is all missed: the share is 0.9, its standard error by hours √(0.09/720) = 0.0112.
        let month: Vec<Tally> = (0..720)
            .map(|k| hours(&[if k % 10 == 0 { (0, 60, 0) } else { (60, 0, 0) }])[0])
            .collect();
        let (lo, hi) = interval(month.iter()).expect("enough hours");
        assert!((lo - (0.9 - 1.96 * 0.0112)).abs() < 0.004, "{lo}");
        assert!((hi - (0.9 + 1.96 * 0.0112)).abs() < 0.004, "{hi}");
    }

    #[test]
    fn what_cannot_be_told_is_not_averaged_away() {
        // Every hour has 6 of 60 undecided, for ever: the ends stay 0.9 and 1 however many hours there are.
        for count in [6, 24, 720] {
            let month: Vec<Tally> = hours(&[(54, 0, 6)])
                .into_iter()
                .cycle()
                .take(count)
                .collect();
            assert_eq!(interval(month.iter()), Some((0.9, 1.0)), "{count} hours");
        }
    }

    #[test]
    fn five_hours_say_nothing() {
        assert_eq!(interval(hours(&[(60, 0, 0); 5]).iter()), None);
        assert_eq!(interval(hours(&[(60, 0, 0); 6]).iter()), Some((1.0, 1.0)));
    }
}
