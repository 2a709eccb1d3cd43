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

impl Distribution {
    /// The spans of all the given histograms together.
    pub fn of<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Self {
        let mut distribution = Self::default();
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
            edges.sort_unstable();
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
