//! What can be said of the quantiles of one or more histograms.
//!
//! A histogram knows of each span only the cell, so a quantile is an interval:
//! its lower end is the same rank among the cells' lower edges, its upper end
//! among the upper edges. That holds whatever the spans are, because order
//! statistics are monotone. Histograms of different bases merge without
//! any further loss.

use crate::histogram::Histogram;
use crate::time::Nanos;

/// The smallest and the largest value that a quantity can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// No smaller than this.
    pub at_least: Nanos,
    /// No larger than this.
    pub at_most: Nanos,
}

/// The spans of one or more histograms, ready to be asked for ranks.
#[derive(Debug, Clone, Default)]
pub struct Distribution {
    /// (edge, spans up to and with it), ascending.
    lower: Vec<(Nanos, u64)>,
    upper: Vec<(Nanos, u64)>,
    extremes: Option<(Nanos, Nanos)>,
    sum: f64,
}

/// The edges of the cells that hold spans, each with how many spans it is the edge of, in order.
pub(crate) struct Edges<L, U> {
    pub(crate) lower: L,
    pub(crate) upper: U,
}

/// A distribution whose edges are being written.
pub(crate) struct Filling<'a> {
    of: &'a mut Distribution,
    /// Of lower edges and of upper ones.
    totals: (u64, u64),
    kept: (usize, usize),
}

impl Filling<'_> {
    /// Adds so many lower edges at one place and upper ones at another, neither before those that are there.
    #[inline]
    pub(crate) fn push(&mut self, lower: (Nanos, u64), upper: (Nanos, u64)) {
        self.totals.0 = self.totals.0.saturating_add(lower.1);
        self.totals.1 = self.totals.1.saturating_add(upper.1);
        // Written whether it is kept or not: which of them are empty, no processor guesses.
        if let Some(place) = self.of.lower.get_mut(self.kept.0) {
            *place = (lower.0, self.totals.0);
        }
        if let Some(place) = self.of.upper.get_mut(self.kept.1) {
            *place = (upper.0, self.totals.1);
        }
        self.kept.0 += usize::from(lower.1 > 0);
        self.kept.1 += usize::from(upper.1 > 0);
    }

    /// Leaves what was added.
    pub(crate) fn finish(self) {
        self.of.lower.truncate(self.kept.0);
        self.of.upper.truncate(self.kept.1);
    }
}

/// Of running totals, what each adds to the one before.
fn steps(totals: &[(Nanos, u64)]) -> impl Iterator<Item = (Nanos, u64)> + '_ {
    let mut before = 0;
    totals
        .iter()
        .map(move |&(edge, total)| (edge, total - std::mem::replace(&mut before, total)))
}

impl Distribution {
    /// All edges.
    pub(crate) fn edges(
        &self,
    ) -> Edges<impl Iterator<Item = (Nanos, u64)> + '_, impl Iterator<Item = (Nanos, u64)> + '_>
    {
        Edges {
            lower: steps(&self.lower),
            upper: steps(&self.upper),
        }
    }

    /// The sum of all spans, in nanoseconds.
    pub(crate) fn sum(&self) -> f64 {
        self.sum
    }

    /// Takes everything out.
    pub(crate) fn clear(&mut self) {
        self.lower.clear();
        self.upper.clear();
        (self.extremes, self.sum) = (None, 0.0);
    }

    /// Takes everything out, for edges of which there are `most` of either kind.
    pub(crate) fn fill(&mut self, most: usize) -> Filling<'_> {
        for side in [&mut self.lower, &mut self.upper] {
            side.resize(most, (Nanos::ZERO, 0));
        }
        Filling {
            of: self,
            totals: (0, 0),
            kept: (0, 0),
        }
    }

    /// Tells what is exact of the spans whose edges were added: no edge is beyond their extremes.
    pub(crate) fn summed(&mut self, (min, max): (Nanos, Nanos), sum: f64) {
        if let Some((edge, _)) = self.lower.first_mut() {
            *edge = min.max(*edge);
        }
        if let Some((edge, _)) = self.upper.last_mut() {
            *edge = max.min(*edge);
        }
        (self.extremes, self.sum) = (Some((min, max)), sum);
    }

    /// The spans of all the given histograms together.
    pub fn of<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Self {
        let histograms: Vec<&Histogram> = histograms.into_iter().collect();
        // A judge holds those of all paths at once, so no room is kept for more.
        let cells = histograms.iter().map(|it| it.cells().len()).sum();
        let mut distribution = Self {
            lower: Vec::with_capacity(cells),
            upper: Vec::with_capacity(cells),
            ..Self::default()
        };
        for histogram in histograms {
            let Some((min, max)) = histogram.extremes() else {
                continue;
            };
            let (so_far_min, so_far_max) = distribution.extremes.unwrap_or((min, max));
            distribution.extremes = Some((min.min(so_far_min), max.max(so_far_max)));
            distribution.sum += histogram.sum().0 as f64;
            for (low, high, count) in histogram.spans() {
                distribution.lower.push((low, count));
                distribution.upper.push((high, count));
            }
        }
        for edges in [&mut distribution.lower, &mut distribution.upper] {
            // Each histogram is in order already, which a stable sort makes use of.
            edges.sort();
            let mut total = 0_u64;
            for (_, count) in edges.iter_mut() {
                total = total.saturating_add(*count);
                *count = total;
            }
        }
        distribution
    }

    /// How many spans there are.
    pub fn count(&self) -> u64 {
        self.lower.last().map_or(0, |&(_, total)| total)
    }

    /// The smallest span, exactly.
    pub fn min(&self) -> Option<Nanos> {
        self.extremes.map(|(min, _)| min)
    }

    /// The largest span, exactly.
    pub fn max(&self) -> Option<Nanos> {
        self.extremes.map(|(_, max)| max)
    }

    /// The arithmetic mean, to the nanosecond.
    pub fn mean(&self) -> Option<Nanos> {
        (self.count() > 0).then(|| Nanos((self.sum / self.count() as f64).round() as i64))
    }

    /// The mean square deviation from the mean, in ns², each span taken for the edges of its cell; `None` without spans.
    pub fn variance(&self) -> Option<f64> {
        let about = self.mean()?;
        self.mean_square_about(about)
    }

    /// The mean square, in ns²; `None` without spans.
    pub fn mean_square(&self) -> Option<f64> {
        self.mean_square_about(Nanos::ZERO)
    }

    fn mean_square_about(&self, about: Nanos) -> Option<f64> {
        let of = |edges: &[(Nanos, u64)]| {
            let mut before = 0;
            edges.iter().fold(0.0, |sum, &(edge, total)| {
                let count = (total - std::mem::replace(&mut before, total)) as f64;
                let away = (edge - about).0 as f64;
                sum + count * away * away
            })
        };
        let squares = (of(&self.lower) + of(&self.upper)) / 2.0;
        (self.count() > 0).then(|| squares / self.count() as f64)
    }

    /// The span of a rank, counted from 1 for the smallest; `None` for rank 0 or one above the count.
    pub fn at_rank(&self, rank: u64) -> Option<Bounds> {
        if rank == 0 || rank > self.count() {
            return None;
        }
        let edge =
            |edges: &[(Nanos, u64)]| edges[edges.partition_point(|&(_, total)| total < rank)].0;
        Some(Bounds {
            at_least: edge(&self.lower),
            at_most: edge(&self.upper),
        })
    }

    /// Between what the arithmetic mean lies: sums are exact, so only rounding widens it. `None` without spans, or when
    /// they are so large that a sum of them may have left the range of 64 bits.
    pub fn mean_within(&self) -> Option<Bounds> {
        let (min, max) = self.extremes?;
        let largest = min.0.unsigned_abs().max(max.0.unsigned_abs());
        let count = self.count();
        if u128::from(largest) * u128::from(count) > i64::MAX as u128 {
            return None;
        }
        // A sum of n doubles is off by less than n × 2⁻⁵³ of the sum of their magnitudes; there are fewer than 2¹⁰ histograms
        // in a window that is not beyond all sense, and the mean's own division adds one more rounding.
        let slack = 1.0 + largest as f64 * 2.0_f64.powi(-40);
        let mean = self.sum / count as f64;
        Some(Bounds {
            at_least: Nanos((mean - slack).floor() as i64),
            at_most: Nanos((mean + slack).ceil() as i64),
        })
    }

    /// How many spans are at most `value`, whatever they are within their cells: never too many.
    pub fn surely_at_most(&self, value: Nanos) -> u64 {
        up_to(&self.upper, |edge| edge <= value)
    }

    /// How many spans are larger than `value`, whatever they are within their cells: never too many.
    pub fn surely_above(&self, value: Nanos) -> u64 {
        self.count() - up_to(&self.lower, |edge| edge <= value)
    }
}

/// The total of the edges from the first on that are `in_front`.
fn up_to(edges: &[(Nanos, u64)], in_front: impl Fn(Nanos) -> bool) -> u64 {
    let place = edges.partition_point(|&(edge, _)| in_front(edge));
    place.checked_sub(1).map_or(0, |last| edges[last].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::HistogramRecorder;

    #[test]
    fn the_true_order_statistic_lies_between_the_bounds_for_any_split_into_intervals() {
        for split in [1, 2, 7] {
            let values: Vec<i64> = (0..1_000)
                .map(|k| 1_000_000 + (k * k * 31 % 900_001) - k * 13)
                .collect();
            let histograms: Vec<Histogram> = values
                .chunks(values.len() / split)
                .map(|chunk| {
                    let mut recorder = HistogramRecorder::default();
                    chunk
                        .iter()
                        .for_each(|&value| recorder.record(Nanos(value)));
                    recorder.finish()
                })
                .collect();
            let distribution = Distribution::of(&histograms);
            let mut sorted = values.clone();
            sorted.sort_unstable();
            assert_eq!(distribution.count(), 1_000);
            for rank in 1..=1_000 {
                let bounds = distribution.at_rank(rank).unwrap();
                let truth = Nanos(sorted[rank as usize - 1]);
                assert!(
                    bounds.at_least <= truth && truth <= bounds.at_most,
                    "rank {rank}: {truth} not in {bounds:?}"
                );
                assert!(
                    bounds.at_most - bounds.at_least <= Nanos(20_000),
                    "rank {rank}: {bounds:?}"
                );
            }
            let mean = values.iter().sum::<i64>() / 1_000;
            assert!((distribution.mean().unwrap() - Nanos(mean)).abs() <= Nanos(1));
        }
    }

    #[test]
    fn what_is_surely_on_a_side_is_never_too_many_and_off_by_one_cell_at_most() {
        let values: Vec<i64> = (0..1_000).map(|k| 1_000_000 + k * 1_009).collect();
        let mut recorder = HistogramRecorder::default();
        values
            .iter()
            .for_each(|&value| recorder.record(Nanos(value)));
        let distribution = Distribution::of(&[recorder.finish()]);
        for limit in (900_000..2_100_000).step_by(7_919) {
            let truth = values.iter().filter(|value| **value <= limit).count() as u64;
            let at_most = distribution.surely_at_most(Nanos(limit));
            let above = distribution.surely_above(Nanos(limit));
            assert!(
                at_most <= truth && above <= 1_000 - truth,
                "{limit}: {at_most}, {above}, truth {truth}"
            );
            assert!(
                at_most + above >= 990,
                "{limit}: {at_most}, {above}, truth {truth}"
            );
        }
        let mean = Nanos(values.iter().sum::<i64>() / 1_000);
        let bounds = distribution.mean_within().unwrap();
        assert!(
            bounds.at_least <= mean && mean <= bounds.at_most,
            "{bounds:?}"
        );
        assert!(
            bounds.at_most - bounds.at_least <= Nanos(4),
            "rounding only: {bounds:?}"
        );
    }

    #[test]
    fn a_mean_of_spans_whose_sum_may_not_fit_is_not_told() {
        let year = 31_536_000 * 1_000_000_000_i64;
        let mut recorder = HistogramRecorder::default();
        (0..1_000).for_each(|_| recorder.record(Nanos(year)));
        assert_eq!(Distribution::of(&[recorder.finish()]).mean_within(), None);
    }

    #[test]
    fn nothing_has_no_quantile() {
        let nothing = Distribution::of(&[HistogramRecorder::default().finish()]);
        assert_eq!(
            (
                nothing.count(),
                nothing.min(),
                nothing.mean(),
                nothing.at_rank(1)
            ),
            (0, None, None, None)
        );
    }
}
