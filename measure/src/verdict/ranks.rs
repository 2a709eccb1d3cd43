//! Which of n packets bound a quantile: exact binomial ranks.
//!
//! The packets of an interval are either all there is, and the quantile is the
//! delay of one of them, or they are a sample of what the path does, and then
//! the path's own quantile lies between two of them with a stated confidence.
//! That confidence rests on nothing but the count: of n independent packets the
//! number below the quantile is binomial, whatever the distribution of delays.
//! Clock errors are no business of this file.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Quantile;

/// The chance that the path's quantile lies beyond an end, for either end: 97.5 % one-sided.
const TAIL: f64 = 0.025;
/// Up to so many packets the binomial sums are exact; they take some 15 √n steps. Beyond, Hoeffding's inequality takes
/// their place: it holds for any n, and is 1.5 times as wide for a p95.
const EXACT_MAX: u64 = 100_000_000;
/// A term that is smaller than this share of the largest one adds nothing to the sum of all that a double can hold.
const NEGLIGIBLE: f64 = 1e-24;

/// What a quantile speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Population {
    /// The packets sent in the interval, and nothing else: there is no sampling error.
    #[default]
    Packets,
    /// What the path does in the interval, of which the packets are a sample.
    Path,
}

impl Population {
    /// The code, as in files and JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Path => "path",
        }
    }
}

impl FromStr for Population {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Packets, Self::Path]
            .into_iter()
            .find(|population| population.code() == text)
            .ok_or_else(|| {
                format!("a quantile speaks of the packets or of the path, not of \"{text}\"")
            })
    }
}

/// The ranks among n packets, from 1 for the fastest, between whose delays a quantile lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranks {
    /// The quantile is at least the delay of this rank; 0 when nothing bounds it from below.
    pub lower: u64,
    /// It is at most the delay of this one; `None` when n is too small to bound it from above.
    pub upper: Option<u64>,
}

/// Between which of the packets sent a quantile lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranked {
    /// The two ranks, counted from 1 for the fastest.
    #[serde(flatten)]
    pub ranks: Ranks,
    /// Packets that were ranked: all that were sent.
    pub of: u64,
    /// As many independent ones tell as much of the path.
    pub effective: u64,
}

impl Ranks {
    /// The packets as the population: ⌈p·n⌉ on both sides.
    pub fn of_packets(quantile: Quantile, n: u64) -> Self {
        let rank = quantile.rank(n);
        Self {
            lower: rank,
            upper: Some(rank),
        }
    }

    /// The path as the population, each end with 97.5 % confidence: `lower` is the largest k with P(Bin(n,p) ≤ k−1) ≤ 2.5 %,
    /// `upper` the smallest k ≤ n with P(Bin(n,p) ≥ k) ≤ 2.5 %.
    pub fn of_path(quantile: Quantile, n: u64) -> Self {
        if n == 0 {
            return Self {
                lower: 0,
                upper: None,
            };
        }
        if n > EXACT_MAX {
            return Self::by_hoeffding(quantile, n);
        }
        let p = quantile.as_f64();
        let odds = p / (1.0 - p);
        // The largest term stands where (n+1)·p is; all others are told relative to it, so none underflows that counts.
        let mode = ((n + 1) as f64 * p).floor().min(n as f64) as u64;
        let down = move |k: u64| k as f64 / ((n - k + 1) as f64 * odds);
        let up = move |k: u64| (n - k) as f64 * odds / (k + 1) as f64;
        let below: f64 = falling(mode, down).map(|(_, term)| term).sum();
        let above: f64 = rising(mode, n, up).map(|(_, term)| term).sum();
        let allowed = TAIL * (below + 1.0 + above);
        // Taking the terms next to the mode away from the whole tail leaves the tail beyond them.
        let mut tail = below + 1.0;
        let mut lower = mode + 1;
        for (k, term) in std::iter::once((mode, 1.0)).chain(falling(mode, down)) {
            if tail <= allowed {
                break;
            }
            tail -= term;
            lower = k;
        }
        if tail > allowed {
            lower = 0;
        }
        let mut tail = 1.0 + above;
        let mut upper = mode;
        for (k, term) in std::iter::once((mode, 1.0)).chain(rising(mode, n, up)) {
            if tail <= allowed {
                break;
            }
            tail -= term;
            upper = k + 1;
        }
        Self {
            lower,
            upper: (upper <= n).then_some(upper),
        }
    }

    /// P(|Bin(n,p)/n − p| ≥ t) ≤ exp(−2nt²) on either side (Hoeffding 1963), solved for 2.5 %.
    fn by_hoeffding(quantile: Quantile, n: u64) -> Self {
        let away = ((1.0 / TAIL).ln() / 2.0 * n as f64).sqrt().ceil() as u64 + 1;
        let rank = quantile.rank(n);
        Self {
            lower: rank.saturating_sub(away),
            upper: rank.checked_add(away).filter(|upper| *upper <= n),
        }
    }

    /// The same ranks among `n` packets, when these were found for `effective` of them that are independent: at the same
    /// shares, rounded outwards.
    pub fn spread_to(self, n: u64, effective: u64) -> Self {
        let effective = u128::from(effective.max(1));
        let scaled = |rank: u64| u128::from(rank) * u128::from(n);
        Self {
            lower: u64::try_from(scaled(self.lower) / effective).unwrap_or(n),
            upper: self
                .upper
                .and_then(|upper| u64::try_from(scaled(upper).div_ceil(effective)).ok())
                .filter(|upper| *upper <= n),
        }
    }
}

/// The terms below the mode, from the nearest on, until they no longer count.
fn falling(mode: u64, ratio: impl Fn(u64) -> f64) -> impl Iterator<Item = (u64, f64)> {
    let mut term = 1.0;
    (0..mode).rev().map_while(move |k| {
        term *= ratio(k + 1);
        (term > NEGLIGIBLE).then_some((k, term))
    })
}

/// The terms above the mode.
fn rising(mode: u64, n: u64, ratio: impl Fn(u64) -> f64) -> impl Iterator<Item = (u64, f64)> {
    let mut term = 1.0;
    (mode + 1..=n).map_while(move |k| {
        term *= ratio(k - 1);
        (term > NEGLIGIBLE).then_some((k, term))
    })
}

/// The fewest packets of which the largest exceeds the quantile with 97.5 % confidence, so that "met" can ever be said of
/// the path: pⁿ ≤ 2.5 %.
pub fn min_samples(quantile: Quantile) -> u64 {
    (TAIL.ln() / quantile.as_f64().ln()).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantile(fraction: f64) -> Quantile {
        Quantile::try_from(fraction).unwrap()
    }

    #[test]
    fn the_ranks_are_those_of_the_binomial_tables() {
        for (p, n, lower, upper) in [
            (0.95, 300, 277, Some(293)),
            (0.99, 600, 589, Some(599)),
            (0.95, 71, 63, None),
            (0.95, 72, 64, Some(72)),
            (0.99, 367, 359, None),
            (0.99, 368, 360, Some(368)),
            (0.999, 3_687, 3_679, None),
            (0.999, 3_688, 3_680, Some(3_688)),
            (0.5, 5, 0, None),
            (0.5, 6, 1, Some(6)),
            (0.5, 1, 0, None),
            (0.95, 0, 0, None),
        ] {
            let ranks = Ranks::of_path(quantile(p), n);
            assert_eq!((ranks.lower, ranks.upper), (lower, upper), "p={p} n={n}");
        }
    }

    /// By the definition, with every term of the sum.
    fn by_definition(p: f64, n: u64) -> Ranks {
        let mut term = (1.0 - p).powi(n as i32);
        let mut terms = vec![term];
        for k in 0..n {
            term *= (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
            terms.push(term);
        }
        let up_to = |k: u64| terms[..k as usize].iter().sum::<f64>();
        let from = |k: u64| terms[k as usize..].iter().sum::<f64>();
        Ranks {
            lower: (1..=n).rev().find(|&k| up_to(k) <= TAIL).unwrap_or(0),
            upper: (1..=n).find(|&k| from(k) <= TAIL),
        }
    }

    #[test]
    fn they_are_what_the_definition_says_for_every_small_n() {
        for p in [0.05, 0.5, 0.9, 0.95, 0.99] {
            for n in 1..=120 {
                assert_eq!(
                    Ranks::of_path(quantile(p), n),
                    by_definition(p, n),
                    "p={p} n={n}"
                );
            }
        }
    }

    #[test]
    fn ten_million_packets_neither_underflow_nor_take_long_and_come_near_the_normal_curve() {
        for p in [0.5, 0.95, 0.99, 0.999_999] {
            for n in [100_000, 10_000_000, EXACT_MAX] {
                let ranks = Ranks::of_path(quantile(p), n);
                let (mean, deviation) = (n as f64 * p, (n as f64 * p * (1.0 - p)).sqrt());
                let off = |rank: u64| (rank as f64 - mean) / deviation;
                if deviation > 10.0 {
                    let upper = ranks.upper.unwrap();
                    assert!(
                        (off(ranks.lower) + 1.96).abs() < 0.1,
                        "p={p} n={n}: {ranks:?}"
                    );
                    assert!((off(upper) - 1.96).abs() < 0.1, "p={p} n={n}: {ranks:?}");
                }
            }
        }
    }

    #[test]
    fn beyond_the_exact_sums_the_ranks_are_wider_and_there_is_no_jump_inwards() {
        let exact = Ranks::of_path(Quantile::P95, EXACT_MAX);
        let bounded = Ranks::of_path(Quantile::P95, EXACT_MAX + 1);
        assert!(bounded.lower <= exact.lower && bounded.upper >= exact.upper);
        let huge = Ranks::of_path(Quantile::P95, u64::MAX);
        assert!(huge.lower > u64::MAX / 10 * 9 && huge.upper.is_some());
    }

    #[test]
    fn the_smallest_sample_that_can_say_met() {
        for (p, least) in [(0.5, 6), (0.95, 72), (0.99, 368), (0.999, 3_688)] {
            let quantile = quantile(p);
            assert_eq!(min_samples(quantile), least);
            assert_eq!(Ranks::of_path(quantile, least).upper, Some(least));
            assert_eq!(Ranks::of_path(quantile, least - 1).upper, None);
        }
    }

    #[test]
    fn fewer_independent_packets_spread_the_ranks_outwards() {
        let ranks = Ranks::of_path(Quantile::P95, 300);
        assert_eq!(ranks.spread_to(300, 300), ranks);
        let spread = ranks.spread_to(600, 300);
        assert_eq!((spread.lower, spread.upper), (554, Some(586)));
        let odd = ranks.spread_to(601, 300);
        assert_eq!((odd.lower, odd.upper), (554, Some(587)));
    }

    /// Independent packets from a known distribution: the path's quantile lies outside in at most 2.5 % on either side.
    #[test]
    fn the_true_quantile_of_the_path_is_between_them_as_often_as_promised() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let (runs, n) = (4_000, 300);
        let ranks = Ranks::of_path(Quantile::P95, n);
        let [mut below, mut above] = [0_u32; 2];
        for _ in 0..runs {
            let mut packets: Vec<f64> = (0..n).map(|_| uniform()).collect();
            packets.sort_by(f64::total_cmp);
            below += u32::from(packets[ranks.lower as usize - 1] > 0.95);
            above += u32::from(packets[ranks.upper.unwrap() as usize - 1] < 0.95);
        }
        // 2.5 % of 4 000 is 100; three standard deviations more.
        assert!(
            below <= 130 && above <= 130,
            "{below} and {above} of {runs}"
        );
    }
}
