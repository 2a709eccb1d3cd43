//! The 95th percentile of traffic, as it is billed and reported.
//!
//! Two questions have two conventions each, and a figure without their names
//! cannot be compared with another. Which value of a list: [`Rank`]. Which
//! list, when there are two directions: [`Direction`]. Several links are added
//! up first, interval by interval; the percentiles of single links do not add.

/// Which value of n sorted ones is the 95th percentile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// The one of rank ⌈0.95·n⌉: what is left when the top 5 % are dropped. A value that was measured; billing uses it.
    Nearest,
    /// At 0.95·(n − 1) from the smallest, between two values in proportion: Excel's PERCENTILE and Prometheus'
    /// quantile_over_time (type 7 of Hyndman and Fan 1996).
    Interpolated,
}

/// Which direction counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The percentile of each direction, and the larger of these two.
    LargerPercentile,
    /// Of each interval the larger direction, and the percentile of that: never below the other convention.
    LargerOfInterval,
}

/// The mean rate of one interval: within these bounds for certain, in b/s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntervalRate {
    /// As measured.
    pub bps: f64,
    /// No less.
    pub at_least: f64,
    /// No more.
    pub at_most: f64,
}

/// A 95th percentile, in b/s, and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentile95 {
    /// Of the known intervals.
    pub bps: f64,
    /// No less, whatever the unknown intervals held.
    pub at_least: f64,
    /// No more, unknown intervals having been full.
    pub at_most: f64,
    /// The known share of the intervals.
    pub coverage: f64,
}

/// The 95th percentile of one list of equal intervals; `None` for an interval of which nothing is known, in which at most
/// `line_bps` passed. No answer when no interval is known.
pub fn percentile95(
    intervals: &[Option<IntervalRate>],
    line_bps: f64,
    rank: Rank,
) -> Option<Percentile95> {
    let known: Vec<f64> = intervals.iter().flatten().map(|rate| rate.bps).collect();
    if known.is_empty() {
        return None;
    }
    // Order statistics are monotone, so lower ends give a lower end and upper ends an upper one.
    let each = |end: fn(&IntervalRate) -> f64, unknown: f64| {
        let all = intervals
            .iter()
            .map(|rate| rate.as_ref().map_or(unknown, end));
        of_rank(all.collect(), rank)
    };
    Some(Percentile95 {
        coverage: known.len() as f64 / intervals.len() as f64,
        bps: of_rank(known, rank),
        at_least: each(|rate| rate.at_least, 0.0),
        at_most: each(|rate| rate.at_most, line_bps),
    })
}

/// The 95th percentile of a link with two directions, interval by interval of the same times.
pub fn percentile95_of_both(
    both: &[[Option<IntervalRate>; 2]],
    line_bps: f64,
    rank: Rank,
    direction: Direction,
) -> Option<Percentile95> {
    let list = |of: usize| both.iter().map(|pair| pair[of]).collect::<Vec<_>>();
    match direction {
        Direction::LargerPercentile => {
            let [a, b] = [0, 1].map(|of| percentile95(&list(of), line_bps, rank));
            let (a, b) = a.zip(b)?;
            Some(Percentile95 {
                bps: a.bps.max(b.bps),
                at_least: a.at_least.max(b.at_least),
                at_most: a.at_most.max(b.at_most),
                coverage: a.coverage.min(b.coverage),
            })
        }
        Direction::LargerOfInterval => {
            let larger = |[a, b]: &[Option<IntervalRate>; 2]| {
                let (a, b) = a.zip(*b)?;
                Some(IntervalRate {
                    bps: a.bps.max(b.bps),
                    at_least: a.at_least.max(b.at_least),
                    at_most: a.at_most.max(b.at_most),
                })
            };
            let larger: Vec<_> = both.iter().map(larger).collect();
            percentile95(&larger, line_bps, rank)
        }
    }
}

fn of_rank(mut values: Vec<f64>, rank: Rank) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    match rank {
        // ⌈0.95·n⌉ in whole numbers.
        Rank::Nearest => values[(count * 95).div_ceil(100).max(1) - 1],
        Rank::Interpolated => {
            let place = 0.95 * (count - 1) as f64;
            let below = place.floor() as usize;
            let above = (below + 1).min(count - 1);
            values[below] + (place - below as f64) * (values[above] - values[below])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(bps: f64) -> Option<IntervalRate> {
        Some(IntervalRate {
            bps,
            at_least: bps,
            at_most: bps,
        })
    }

    fn up_to(count: u32) -> Vec<Option<IntervalRate>> {
        (1..=count).map(|i| exact(f64::from(i))).collect()
    }

    #[track_caller]
    fn check(count: u32, nearest: f64, interpolated: f64) {
        let of = |rank| percentile95(&up_to(count), 1e9, rank).unwrap().bps;
        assert_eq!(of(Rank::Nearest), nearest);
        assert!((of(Rank::Interpolated) - interpolated).abs() < 1e-9);
    }

    #[test]
    fn both_ranks_are_what_their_names_say() {
        check(1, 1.0, 1.0);
        check(10, 10.0, 9.55);
        check(20, 19.0, 19.05);
        check(100, 95.0, 95.05);
        check(8_640, 8_208.0, 8_208.05); // a month of 30 days of 5-minute intervals
    }

    #[test]
    fn unknown_intervals_may_have_been_empty_or_full() {
        let mut intervals = up_to(100);
        intervals[0] = None;
        let told = percentile95(&intervals, 1_000.0, Rank::Nearest).unwrap();
        assert_eq!((told.at_least, told.at_most), (95.0, 96.0));
        assert_eq!(told.coverage, 0.99);
        assert_eq!(percentile95(&[None, None], 1.0, Rank::Nearest), None);
    }

    #[test]
    fn the_larger_of_each_interval_is_never_below_the_larger_percentile() {
        let both: Vec<_> = (1..=20)
            .map(|i| [exact(f64::from(i)), exact(f64::from(21 - i))])
            .collect();
        let of = |direction| {
            percentile95_of_both(&both, 1e9, Rank::Nearest, direction)
                .unwrap()
                .bps
        };
        assert_eq!(of(Direction::LargerPercentile), 19.0);
        assert_eq!(of(Direction::LargerOfInterval), 20.0);
    }
}
