//! Findings: what is wrong with a clock, with coordinates or with a route, since when, and how sure that is.
//!
//! Each judged window is audited by itself and shows symptoms; a finding is
//! what several windows together say, opened and closed by [`ledger`].

mod inquest;
pub(crate) mod ledger;
pub(crate) mod route;
pub(crate) mod say;
pub(crate) mod symptoms;

pub(crate) use inquest::Inquest;

use owl_measure::clock::live::ClockConflict;
use owl_measure::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

/// Pieces of evidence that a finding keeps, the weightiest first; further ones say the same.
const EVIDENCE_MAX: usize = 8;
/// Alternatives that a finding names; with more of them it is anybody's guess anyhow.
const ALTERNATIVES_MAX: usize = 16;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A clock is further from UTC than it claims; the fewest clocks that explain what the packets prove.
    ClockWrong,
    /// A clock is off by the difference of two time scales, or by a leap second.
    WholeSeconds,
    /// A clock jumped by more than it claims.
    Step,
    /// A clock runs away by more than it claims.
    Drift,
    /// Packets were faster than light if all claims were true; which clock lies cannot be told, or coordinates do.
    BelowLight,
    /// A claim fits only if the paths of the probe are unequally long there and back: the clock, or the access link.
    ClockOrAccess,
    /// Round trips are faster than light there and back: no clock, but coordinates.
    Coordinates,
    /// The floor of the round trip between two probes moved.
    RouteChange,
}

impl Kind {
    /// Every kind, the weightiest first.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::ClockWrong,
        Self::WholeSeconds,
        Self::Step,
        Self::Drift,
        Self::BelowLight,
        Self::ClockOrAccess,
        Self::Coordinates,
        Self::RouteChange,
    ];

    /// The code, as in metrics and JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::ClockWrong => "clock-wrong",
            Self::WholeSeconds => "whole-seconds",
            Self::Step => "step",
            Self::Drift => "drift",
            Self::BelowLight => "below-light",
            Self::ClockOrAccess => "clock-or-access",
            Self::Coordinates => "coordinates",
            Self::RouteChange => "route-change",
        }
    }

    /// Whether it is about a clock, and so about one probe.
    pub(crate) fn is_of_a_clock(self) -> bool {
        !matches!(self, Self::Coordinates | Self::RouteChange)
    }
}

/// What a finding rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub(crate) enum Evidence {
    /// Two clocks are further apart than both claim.
    Conflict(ClockConflict),
    /// A round trip was faster than light there and back.
    RoundTrip {
        /// The one probe.
        a: String,
        /// The other.
        b: String,
        /// The fastest round trip.
        #[serde(rename = "round_trip_ns")]
        round_trip: Nanos,
        /// What light needs there and back, by the coordinates.
        #[serde(rename = "light_ns")]
        light: Nanos,
    },
    /// The floor of the round trip was one thing and is another.
    Floor {
        /// The lowest round trip of the windows before.
        #[serde(rename = "before_ns")]
        before: Nanos,
        /// The lowest one since.
        #[serde(rename = "after_ns")]
        after: Nanos,
    },
}

/// What one window shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Symptom {
    /// What seems wrong.
    pub(crate) kind: Kind,
    /// With which probe, or between which two (`A~B`, in the order of their names).
    pub(crate) subject: String,
    /// How large it is: the clock's error, or by how much the round trip grew. `None` when it cannot be said.
    #[serde(rename = "size_ns", default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<Nanos>,
    /// Between which two values that lies for certain, as far as the believed claims hold.
    #[serde(rename = "within_ns", default, skip_serializing_if = "Option::is_none")]
    pub(crate) within: Option<(Nanos, Nanos)>,
    /// What it rests on, the weightiest first.
    #[serde(default)]
    pub(crate) evidence: Vec<Evidence>,
    /// Other probes that would explain it as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) alternatives: Vec<String>,
}

/// What is wrong, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// The begin of the first window that showed it.
    #[serde(rename = "since_ns")]
    pub(crate) since: Timestamp,
    /// The end of the last window that showed it.
    #[serde(rename = "seen_until_ns")]
    pub(crate) seen_until: Timestamp,
    /// Whether it goes on, as far as is known: not enough windows since have been without it.
    pub(crate) open: bool,
    /// Windows that showed it.
    pub(crate) windows: u32,
    /// What the last of them showed.
    #[serde(flatten)]
    pub(crate) last: Symptom,
}

impl Finding {
    /// What tells it from every other finding.
    pub(crate) fn key(&self) -> (Kind, String, Timestamp) {
        (self.last.kind, self.last.subject.clone(), self.since)
    }

    /// Whether it is about one of these probes, or about the way between them.
    pub(crate) fn concerns(&self, from: &str, to: &str) -> bool {
        let subject = &self.last.subject;
        subject == from || subject == to || *subject == pair_of(from, to)
    }
}

/// The name of a pair of probes, whichever is named first.
pub(crate) fn pair_of(one: &str, other: &str) -> String {
    format!("{}~{}", one.min(other), one.max(other))
}
