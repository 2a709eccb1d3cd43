//! Seeded randomness.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// A seeded source of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random(Pcg64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Pcg64::seed_from_u64(seed))
    }

    /// Uniform in [0, 1), to 53 bits.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True so many times in a million.
    pub(crate) fn happens(&mut self, ppm: u32) -> bool {
        // Drawn even for 0, so that changing one rate does not shift every later draw.
        self.unit() * 1e6 < f64::from(ppm)
    }

    /// Exponentially distributed with this mean.
    pub(crate) fn exponential_ns(&mut self, mean_ns: u64) -> u64 {
        (-(1.0 - self.unit()).ln() * mean_ns as f64) as u64
    }

    /// Uniform in [low, high).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// Normally distributed about zero with this standard deviation, cut at three of them.
    pub(crate) fn normal(&mut self, deviation: f64) -> f64 {
        // Box and Muller; the cut keeps "within its bound" a fact that a scenario may promise.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let angle = std::f64::consts::TAU * self.unit();
        (radius * angle.cos()).clamp(-3.0, 3.0) * deviation
    }

    /// One of `count` things, which is at least one.
    pub(crate) fn choose(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }
}
