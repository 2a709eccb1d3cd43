//! A mean rate, and how far it may be off.

use crate::time::Nanos;

/// Octets over a span: a rate without rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeanRate {
    /// How many octets passed.
    pub octets: u64,
    /// In which time; above zero.
    pub over: Nanos,
}

impl MeanRate {
    /// In bits per second; the error is below 2⁻⁵⁰ of the value.
    pub fn bps(self) -> f64 {
        8e9 * self.octets as f64 / self.over.0 as f64
    }
}

/// A mean rate as it is shown: the true one lies in `[bps − u_bps, bps + u_bps]`, for certain and not in 95 cases of 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Bits per second.
    pub bps: f64,
    /// Half of the interval's width, in bits per second.
    pub u_bps: f64,
}

impl Rate {
    /// What rounding to floats may take from the half-width, as a share of the rate.
    const ROUNDING: f64 = 1e-14;

    /// The interval from `at_least` to `at_most`, shown about a value in it.
    pub(super) fn within(shown: f64, at_least: f64, at_most: f64) -> Self {
        let bps = shown.clamp(at_least, at_most.max(at_least));
        Self {
            bps,
            u_bps: (at_most - bps).max(bps - at_least) + at_most * Self::ROUNDING,
        }
    }

    /// The smallest that it may be, in bits per second.
    pub fn at_least(self) -> f64 {
        (self.bps - self.u_bps).max(0.0)
    }

    /// The largest that it may be, in bits per second.
    pub fn at_most(self) -> f64 {
        self.bps + self.u_bps
    }
}
