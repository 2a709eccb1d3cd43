//! What a daemon's answer amounts to: the clock's bound, part by part.

use owl_measure::clock::{BoundBasis, ClockSource, ClockStatus};
use owl_measure::time::{Nanos, Timestamp};
use serde::Serialize;

use super::finding::Finding;

/// What a part of a bound comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// The correction that is not applied to what is sent.
    Correction,
    /// Half the round trip to the reference: all of it may lie in one direction.
    HalfRootDelay,
    /// What the daemons on the way say of their own errors.
    RootDispersion,
    /// Three standard deviations, where a daemon tells a standard deviation only.
    ThreeDeviations,
    /// The largest offset from the grandmaster lately.
    Offset,
    /// The mean delay to the grandmaster: all asymmetry lies within.
    MeanPathDelay,
    /// How much that delay varied lately.
    DelayVariation,
    /// What the link takes at least (negative: it makes the bound smaller).
    LinkFloor,
    /// The grandmaster's own error.
    Grandmaster,
    /// A timing budget that somebody engineered.
    Budget,
    /// The receiver and its antenna cable.
    Receiver,
    /// Between the interface's clock and the system's.
    InterfaceToSystem,
    /// What ClockBound says.
    ClockBound,
    /// What the configuration says.
    Declared,
    /// The oscillator since the last measurement.
    Drift,
}

/// One part of a bound. The parts add linearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What it comes from.
    pub kind: PartKind,
    /// How much it is.
    #[serde(rename = "ns")]
    pub size: Nanos,
}

/// What is known of the clock at one instant, from one daemon.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Assessment {
    /// When, on the clock itself.
    pub as_of: Timestamp,
    /// What disciplines the clock.
    pub source: ClockSource,
    /// Whether it does.
    pub status: ClockStatus,
    /// Where the bound comes from.
    pub basis: BoundBasis,
    /// Added to a stamp, brings it to the middle of what the bound allows.
    pub correction: Nanos,
    /// The bound, part by part; without a part nothing is claimed.
    pub parts: Vec<Part>,
    /// One standard deviation of what varies at random.
    pub random: Nanos,
    /// How much the bound grows, in parts per billion.
    pub drift_ppb: u32,
    /// When the source was measured last, on whichever clock the daemon tells it; another value is another measurement.
    pub measured_at: Option<Timestamp>,
    /// After this, on the clock itself, nothing is claimed any more.
    pub void_after: Option<Timestamp>,
    /// What is worth knowing beside.
    pub findings: Vec<Finding>,
}

impl Assessment {
    /// Nothing is claimed, because of this.
    pub(super) fn free(as_of: Timestamp, source: ClockSource, why: Finding) -> Self {
        Self {
            as_of,
            source,
            status: ClockStatus::Free,
            basis: BoundBasis::Measured,
            correction: Nanos::ZERO,
            parts: Vec::new(),
            random: Nanos::ZERO,
            drift_ppb: 0,
            measured_at: None,
            void_after: None,
            findings: vec![why],
        }
    }

    /// Adds a part that is not zero.
    pub(super) fn add(&mut self, kind: PartKind, size: Nanos) {
        if size != Nanos::ZERO {
            self.parts.push(Part { kind, size });
        }
    }

    /// The sum of the parts; `None` without one.
    pub(super) fn bound(&self) -> Option<Nanos> {
        (!self.parts.is_empty()).then(|| {
            let sum: Nanos = self.parts.iter().map(|part| part.size).sum();
            sum.max(Nanos::ZERO)
        })
    }

    /// Whether a bound may be claimed.
    pub(super) fn claims(&self) -> bool {
        self.status.bounded() && !self.parts.is_empty()
    }
}

/// Seconds as a float, rounded away from zero so that a bound is never told too small; what does not fit saturates.
pub(super) fn away_from_zero(seconds: f64) -> Nanos {
    let nanos = seconds * 1e9;
    // The cast saturates, and makes NaN zero, which no daemon's fixed formats can hold.
    Nanos(if nanos < 0.0 {
        nanos.floor()
    } else {
        nanos.ceil()
    } as i64)
}

/// What a rate amounts to over a span, rounded up.
pub(super) fn drifted(ppb: u32, span: Nanos) -> Nanos {
    let drift = (i128::from(span.abs().0) * i128::from(ppb) + 999_999_999) / 1_000_000_000;
    Nanos(i64::try_from(drift).unwrap_or(i64::MAX))
}
