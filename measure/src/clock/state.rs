//! What a probe knows of its own clock, and claims.
//!
//! A bound is hard: the clock is never further from UTC than that, as far as
//! its basis holds. The kernel's `maxerror` is not such a bound (under phc2sys
//! and systemd-timesyncd it is 0), so it is carried for cross-checks and never
//! used as one.

use serde::{Deserialize, Serialize};

use crate::time::{Nanos, Timestamp};

/// What disciplines the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockSource {
    /// Nobody said.
    #[default]
    Unknown,
    /// Precision Time Protocol (IEEE 1588).
    Ptp,
    /// A satellite receiver.
    Gnss,
    /// Network Time Protocol.
    Ntp,
    /// A lab's injected clock: not a measurement of anything.
    Simulated,
}

/// Whether the clock follows its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockStatus {
    /// It follows its source.
    Synchronised,
    /// It follows nothing; no bound holds.
    #[default]
    Free,
}

/// Where the bound comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoundBasis {
    /// Read from the clock's source while it ran.
    Measured,
    /// From an engineered timing budget.
    Engineered,
    /// From the configuration: somebody says so.
    Declared,
}

/// What `adjtimex` reads; for cross-checks, never a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KernelClock {
    /// STA_UNSYNC is clear.
    pub synchronised: bool,
    /// `maxerror`.
    pub max_error: Nanos,
    /// `esterror`.
    pub estimated_error: Nanos,
    /// TAI − UTC as the kernel knows it, in seconds; 0 until someone tells it.
    pub tai_offset_s: i32,
}

/// The state of a probe's clock at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockState {
    /// When this was so, on the clock itself.
    pub as_of: Timestamp,
    /// What disciplines it.
    pub source: ClockSource,
    /// Whether it does.
    pub status: ClockStatus,
    /// How far from UTC at most, and where that comes from; `None` is no claim.
    pub bound: Option<(Nanos, BoundBasis)>,
    /// How much the bound grows with its age, in parts per billion.
    pub drift_ppb: u32,
    /// How early a transmit stamp may be at most.
    pub transmit_stamp_error: Nanos,
    /// How late a receive stamp may be at most.
    pub receive_stamp_error: Nanos,
    /// The kernel's own view.
    pub kernel: KernelClock,
}

impl ClockState {
    /// The bound at an instant: what it was, plus the drift since; `None` when the clock makes no claim or runs free.
    pub fn bound_at(&self, at: Timestamp) -> Option<Nanos> {
        let (bound, _) = self.bound?;
        if self.status != ClockStatus::Synchronised {
            return None;
        }
        let age = i128::from((at - self.as_of).abs().0);
        let drift = age * i128::from(self.drift_ppb) / 1_000_000_000;
        Some(bound + Nanos(i64::try_from(drift).unwrap_or(i64::MAX)))
    }

    /// The less certain of two states of one clock, which is what an interval that saw both may claim.
    pub fn worse(self, other: Self) -> Self {
        let claim = |state: &Self| state.bound_at(state.as_of).unwrap_or(Nanos::MAX);
        let mut worst = if claim(&other) >= claim(&self) {
            other
        } else {
            self
        };
        worst.transmit_stamp_error = self.transmit_stamp_error.max(other.transmit_stamp_error);
        worst.receive_stamp_error = self.receive_stamp_error.max(other.receive_stamp_error);
        worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(bound: Option<i64>, status: ClockStatus) -> ClockState {
        ClockState {
            as_of: Timestamp(0),
            source: ClockSource::Gnss,
            status,
            bound: bound.map(|ns| (Nanos(ns), BoundBasis::Declared)),
            drift_ppb: 1_000,
            transmit_stamp_error: Nanos(5),
            receive_stamp_error: Nanos(5),
            kernel: KernelClock::default(),
        }
    }

    #[test]
    fn a_bound_grows_with_its_age_and_a_free_clock_has_none() {
        let synchronised = state(Some(1_000), ClockStatus::Synchronised);
        assert_eq!(synchronised.bound_at(Timestamp(0)), Some(Nanos(1_000)));
        assert_eq!(
            synchronised.bound_at(Timestamp(1_000_000_000)),
            Some(Nanos(2_000))
        );
        assert_eq!(
            state(Some(1_000), ClockStatus::Free).bound_at(Timestamp(0)),
            None
        );
        assert_eq!(
            state(None, ClockStatus::Synchronised).bound_at(Timestamp(0)),
            None
        );
    }

    #[test]
    fn an_interval_claims_no_more_than_its_worst_moment() {
        let good = state(Some(1_000), ClockStatus::Synchronised);
        let free = state(Some(1), ClockStatus::Free);
        assert_eq!(good.worse(free).status, ClockStatus::Free);
        assert_eq!(free.worse(good).status, ClockStatus::Free);
    }
}
