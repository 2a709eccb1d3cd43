//! The rule by which an interval is judged.
//!
//! Which statistic, over how long, from how many packets: the promise of
//! "1 ms" leaves all of it open, so it is data and is printed with every
//! verdict. How intervals add up to a month is the business of period
//! compliance, not of this file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Population;
use crate::time::Nanos;

/// A quantile strictly between 0 and 1, exact to one millionth.
///
/// A whole number of millionths, because ⌈p·n⌉ must not depend on how 0.95 rounds in binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantile(u32);

impl Quantile {
    /// The median.
    pub const P50: Self = Self(500_000);
    /// The 95th percentile, the registered one of RFC 8912.
    pub const P95: Self = Self(950_000);
    /// The 99th percentile.
    pub const P99: Self = Self(990_000);

    /// From millionths; `None` outside (0, 1).
    pub fn from_ppm(ppm: u32) -> Option<Self> {
        (1..1_000_000).contains(&ppm).then_some(Self(ppm))
    }

    /// The rank ⌈p·n⌉, counted from 1; 0 for no packets at all.
    pub fn rank(self, n: u64) -> u64 {
        let product = u128::from(n) * u128::from(self.0);
        u64::try_from(product.div_ceil(1_000_000)).expect("p < 1, so the rank is at most n")
    }

    /// As a fraction, for metrics.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl fmt::Display for Quantile {
    /// `p95`, `p99.9`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("p{}", f64::from(self.0) / 1e4);
        f.pad(&text)
    }
}

/// A quantile outside (0, 1).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("a quantile lies between 0 and 1, such as 0.95; {0} does not")]
pub struct QuantileError(f64);

impl TryFrom<f64> for Quantile {
    type Error = QuantileError;

    fn try_from(fraction: f64) -> Result<Self, QuantileError> {
        let ppm = (fraction * 1e6).round();
        if (1.0..1e6).contains(&ppm) {
            Ok(Self(ppm as u32))
        } else {
            Err(QuantileError(fraction))
        }
    }
}

impl FromStr for Quantile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fraction: f64 = text
            .parse()
            .map_err(|_| format!("cannot read \"{text}\" as a quantile such as 0.95"))?;
        Self::try_from(fraction).map_err(|e| e.to_string())
    }
}

impl Serialize for Quantile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

impl<'de> Deserialize<'de> for Quantile {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// How one interval of a path is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name, printed on every verdict.
    pub id: String,
    /// Length of the judged interval.
    pub interval: Nanos,
    /// Quantile of one-way delay that is held against the target; a lost packet counts as infinite delay.
    pub quantile: Quantile,
    /// What the quantile speaks of: the packets sent, or the path. Profiles of older stores speak of the packets.
    #[serde(default)]
    pub population: Population,
    /// Fewer received packets than this decide nothing.
    pub min_samples: u64,
    /// Least share of the planned packets that must have been sent, in millionths.
    pub min_coverage_ppm: u32,
}

impl Profile {
    /// The default for the city's indicators: p95 of a minute, at least 300 packets.
    pub fn plan_2026() -> Self {
        Self {
            id: "plan-2026".into(),
            interval: Nanos::from_secs(60),
            quantile: Quantile::P95,
            population: Population::Packets,
            min_samples: 300,
            min_coverage_ppm: 900_000,
        }
    }

    /// For the lab only: p95 of ten seconds. 72 is the smallest sample that can ever say
    /// "met" for a 95th percentile with 97.5 % one-sided confidence (binomial ranks).
    pub fn lab() -> Self {
        Self {
            id: "lab".into(),
            interval: Nanos::from_secs(10),
            min_samples: 72,
            ..Self::plan_2026()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_is_the_ceiling_of_p_times_n_exactly() {
        for (p, n, rank) in [
            (0.95, 100, 95),
            (0.95, 101, 96),
            (0.95, 20, 19),
            (0.99, 600, 594),
            (0.5, 1, 1),
            (0.95, 0, 0),
        ] {
            assert_eq!(Quantile::try_from(p).unwrap().rank(n), rank, "p={p} n={n}");
        }
    }

    #[test]
    fn zero_and_one_are_no_quantiles() {
        for bad in [0.0, 1.0, -0.1, 1.5, f64::NAN] {
            assert!(Quantile::try_from(bad).is_err(), "{bad}");
        }
    }
}
