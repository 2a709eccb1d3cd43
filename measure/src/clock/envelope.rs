//! The lower envelope of raw one-way differences, and the line between two of them.
//!
//! The difference of two clocks lies below every raw difference of the one
//! direction and above the negated ones of the other. The line that keeps the
//! largest margin to both (the support vector machine of Geng et al., Huygens,
//! NSDI 2018) is the symmetric guess of that difference over time; its margin
//! is the floor of the round trip. Moon, Skelly and Towsley's line (INFOCOM
//! 1999) is the one-sided case.

/// A raw one-way difference and when it was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Nanoseconds from the centre of the window.
    pub at: f64,
    /// The raw difference in nanoseconds.
    pub raw: f64,
}

/// The line of the largest margin between two envelopes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarginLine {
    /// The clock difference at the centre of the window, were both directions equally long; nanoseconds.
    pub offset: f64,
    /// How fast it grows: a pure number.
    pub slope: f64,
    /// The distance between the envelopes along the line: the floor of the round trip in nanoseconds.
    pub margin: f64,
}

/// So many parts of a long row of points are looked through before the hull is made.
const PARTS: usize = 16;
/// A point this little above the coarse hull is kept: more than floats round, less than a nanosecond.
const GRAIN_NS: f64 = 0.5;

/// The lower convex hull of points that ascend in time.
///
/// Hardly a point of many lies on it. The hull of the lowest point of each part already runs below almost all others,
/// which therefore cannot be on the hull of all.
pub fn lower_hull(points: &[Point]) -> Vec<Point> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    if points.len() <= 4 * PARTS {
        return chain(points.iter().copied());
    }
    let lowest = points.chunks(points.len().div_ceil(PARTS)).map(|part| {
        let low = part
            .iter()
            .fold(f64::INFINITY, |low, point| low.min(point.raw));
        part.iter()
            .copied()
            .find(|point| point.raw == low)
            .unwrap_or(part[0])
    });
    let coarse = chain(
        std::iter::once(*first)
            .chain(lowest)
            .chain(std::iter::once(*last)),
    );
    let mut kept = Vec::with_capacity(64);
    let mut rest = points;
    for edge in coarse.windows(2) {
        let slope = (edge[1].raw - edge[0].raw) / (edge[1].at - edge[0].at);
        let level = edge[0].raw - slope * edge[0].at + GRAIN_NS;
        let (under, after) = rest.split_at(rest.partition_point(|point| point.at < edge[1].at));
        kept.extend(
            under
                .iter()
                .filter(|point| point.raw - slope * point.at <= level),
        );
        rest = after;
    }
    kept.extend(rest);
    chain(kept.into_iter())
}

/// Andrew's monotone chain.
fn chain(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let mut hull: Vec<Point> = Vec::with_capacity(32);
    for point in points {
        if let Some(last) = hull.last_mut()
            && last.at >= point.at
        {
            if point.raw >= last.raw {
                continue;
            }
            hull.pop();
        }
        while let [.., before, last] = hull[..] {
            let cross = (last.at - before.at) * (point.raw - before.raw)
                - (last.raw - before.raw) * (point.at - before.at);
            if cross > 0.0 {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

/// The smallest distance of an envelope above a line through the origin of this slope, and when.
fn nearest(hull: &[Point], slope: f64) -> Option<(f64, f64)> {
    hull.iter()
        .map(|point| (point.raw - slope * point.at, point.at))
        .min_by(|a, b| a.0.total_cmp(&b.0))
}

/// The line of a given slope, half-way between the envelopes; `None` when one of them is empty.
pub fn line_of_slope(forward: &[Point], backward: &[Point], slope: f64) -> Option<MarginLine> {
    let (above, _) = nearest(forward, slope)?;
    let (below, _) = nearest(backward, -slope)?;
    Some(MarginLine {
        offset: (above - below) / 2.0,
        slope,
        margin: above + below,
    })
}

/// The line of the largest margin between the lower hull of the forward raw differences and that of the backward ones.
///
/// The margin is a concave function of the slope that bends only at the slopes of the hulls' edges, so its top is found
/// among these by halving. Where it is flat on top, the middle is taken; without two points in time the slope is 0.
pub fn largest_margin(forward: &[Point], backward: &[Point]) -> Option<MarginLine> {
    let slopes = |hull: &[Point], sign: f64| -> Vec<f64> {
        hull.windows(2)
            .map(|edge| sign * (edge[1].raw - edge[0].raw) / (edge[1].at - edge[0].at))
            .collect()
    };
    let mut bends = slopes(forward, 1.0);
    bends.extend(slopes(backward, -1.0));
    bends.sort_unstable_by(f64::total_cmp);
    bends.dedup();
    // Between two bends the margin rises or falls with the distance in time of the two points that it rests on.
    let rises = |between: usize| {
        let slope = match (between.checked_sub(1).map(|k| bends[k]), bends.get(between)) {
            (Some(low), Some(high)) => (low + high) / 2.0,
            (None, Some(high)) => high - 1e-6,
            (Some(low), None) => low + 1e-6,
            (None, None) => 0.0,
        };
        let forward = nearest(forward, slope).map_or(0.0, |(_, at)| at);
        let backward = nearest(backward, -slope).map_or(0.0, |(_, at)| at);
        backward - forward
    };
    let count = bends.len() + 1;
    let partition = |test: &dyn Fn(f64) -> bool| {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            if test(rises(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    };
    let begins = partition(&|rise| rise > 0.0);
    let ends = partition(&|rise| rise >= 0.0);
    let bend = |k: usize| k.checked_sub(1).and_then(|k| bends.get(k)).copied();
    let slope = match (bend(begins), bends.get(ends.saturating_sub(1)).copied()) {
        _ if bends.is_empty() => 0.0,
        (Some(low), Some(high)) if ends > begins => (low + high) / 2.0,
        (Some(top), _) => top,
        (None, Some(high)) => high,
        (None, None) => 0.0,
    };
    line_of_slope(forward, backward, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(f64, f64)]) -> Vec<Point> {
        values.iter().map(|&(at, raw)| Point { at, raw }).collect()
    }

    #[test]
    fn the_hull_keeps_what_lies_lowest_and_nothing_else() {
        let hull = lower_hull(&points(&[
            (0.0, 5.0),
            (1.0, 1.0),
            (2.0, 4.0),
            (3.0, 2.0),
            (3.0, 1.5),
            (4.0, 9.0),
        ]));
        assert_eq!(
            hull,
            points(&[(0.0, 5.0), (1.0, 1.0), (3.0, 1.5), (4.0, 9.0)])
        );
    }

    #[test]
    fn a_long_row_has_the_hull_that_the_plain_chain_gives() {
        for seed in 1..40_u64 {
            let mut state = seed;
            let long: Vec<Point> = (0..977)
                .map(|k| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    let queue = (state >> 40) as f64 / 1e3;
                    Point {
                        at: f64::from(k / 2) * 1e8,
                        raw: queue * queue + f64::from(k) * (seed as f64 - 20.0),
                    }
                })
                .collect();
            assert_eq!(
                lower_hull(&long),
                chain(long.iter().copied()),
                "seed {seed}"
            );
        }
    }

    /// Envelopes of a clock difference of `offset` + `slope`·t, delays of 700 and 900, and queues by a fixed pattern.
    fn crossed(offset: f64, slope: f64, queues: &[f64]) -> [Vec<Point>; 2] {
        let way = |delay: f64, sign: f64, shift: usize| {
            let points: Vec<Point> = (0..40)
                .map(|k| {
                    let at = f64::from(k - 20) * 1e9;
                    let queue = queues[(k as usize * 7 + shift) % queues.len()];
                    Point {
                        at,
                        raw: delay + queue + sign * (offset + slope * at),
                    }
                })
                .collect();
            lower_hull(&points)
        };
        [way(700.0, 1.0, 0), way(900.0, -1.0, 3)]
    }

    #[test]
    fn the_line_finds_offset_and_slope_up_to_half_the_asymmetry() {
        for slope in [-8e-6, 0.0, 3e-9, 8e-6] {
            for offset in [-2e8, 0.0, 12_345.0] {
                let [forward, backward] =
                    crossed(offset, slope, &[0.0, 40.0, 900.0, 3.0, 0.0, 17.0]);
                let line = largest_margin(&forward, &backward).unwrap();
                assert!(
                    (line.offset - (offset - 100.0)).abs() < 5.0,
                    "{offset}: {line:?}"
                );
                assert!((line.slope - slope).abs() < 1e-9, "{slope}: {line:?}");
                assert!((line.margin - 1_600.0).abs() < 10.0, "{line:?}");
            }
        }
    }

    #[test]
    fn no_other_slope_has_a_larger_margin() {
        let [forward, backward] = crossed(5e5, 2e-7, &[5.0, 400.0, 90.0, 33.0, 1.0, 260.0, 77.0]);
        let best = largest_margin(&forward, &backward).unwrap();
        for step in -100..=100 {
            let slope = best.slope + f64::from(step) * 1e-10;
            let other = line_of_slope(&forward, &backward, slope).unwrap();
            assert!(other.margin <= best.margin + 1e-6, "{slope}");
        }
    }

    #[test]
    fn one_packet_tells_no_slope_and_none_tells_nothing() {
        let one = points(&[(1e9, 500.0)]);
        let line = largest_margin(&one, &one).unwrap();
        assert_eq!((line.offset, line.slope, line.margin), (0.0, 0.0, 1_000.0));
        assert_eq!(largest_margin(&one, &[]), None);
    }
}
