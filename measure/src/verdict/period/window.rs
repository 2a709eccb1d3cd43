//! One judged window, as short as the rules of a period need it.

use serde::{Deserialize, Serialize};

use crate::distribution::Bounds;
use crate::time::{Nanos, Timestamp};
use crate::verdict::State;

/// A statistic of one window that is held against the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statistic {
    /// The 95th percentile of the packets sent, a lost one being infinitely late.
    P95,
    /// The 99th, likewise.
    P99,
    /// The mean of the packets whose delay is known (RFC 7679, section 5; IPTD of ITU-T Y.1540): a lost one has none.
    Mean,
    /// The smallest of the same packets.
    Min,
}

impl Statistic {
    /// The code, as in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Mean => "mean",
            Self::Min => "min",
        }
    }
}

/// What is kept of one direction of one path in one window, for the rules of a period.
///
/// Each statistic is an interval that holds the truth; [`Nanos::MAX`] at an end is a lost packet, or no bound at all. The
/// clocks' claims are in it only where they were fit for a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodWindow {
    /// When it began.
    pub start: Timestamp,
    /// The target at that time.
    pub target: Nanos,
    /// Packets that the plan wanted sent; 0 where that was not kept.
    pub planned: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets whose delay is known.
    pub received: u64,
    /// Packets lost in this direction for certain.
    pub lost: u64,
    /// Enough was sent and came back for a verdict.
    pub sufficient: bool,
    /// The 95th percentile.
    pub p95: Option<Bounds>,
    /// The 99th percentile.
    pub p99: Option<Bounds>,
    /// The mean; also `None` where it was not kept.
    pub mean: Option<Bounds>,
    /// The minimum; also `None` where it was not kept.
    pub min: Option<Bounds>,
    /// Packets whose delay is at most the target, for certain.
    pub within: u64,
    /// Packets that arrived above the target, for certain.
    pub beyond: u64,
}

impl PeriodWindow {
    /// Nothing was sent: nobody can tell anything of it, and that is no bad mark.
    pub fn is_gap(&self) -> bool {
        self.sent == 0
    }

    /// The interval of a statistic; `None` where it was not kept or nothing was measured.
    pub fn statistic(&self, statistic: Statistic) -> Option<Bounds> {
        match statistic {
            Statistic::P95 => self.p95,
            Statistic::P99 => self.p99,
            Statistic::Mean => self.mean,
            Statistic::Min => self.min,
        }
    }

    /// Its interval where it may be judged: enough packets, or a statistic that is lost for certain.
    pub fn judged(&self, statistic: Statistic) -> Option<Bounds> {
        self.statistic(statistic)
            .filter(|bounds| self.sufficient || bounds.at_least == Nanos::MAX)
    }

    /// How a statistic stands against the target.
    pub fn state(&self, statistic: Statistic) -> State {
        match self.judged(statistic) {
            Some(bounds) if bounds.at_most <= self.target => State::Met,
            Some(bounds) if bounds.at_least > self.target => State::Missed,
            _ => State::Undecided,
        }
    }
}
