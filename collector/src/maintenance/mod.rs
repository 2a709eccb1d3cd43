//! Maintenance that is announced to the collector: when, of what, and when it was announced.
//!
//! It stands in the store beside what the topology declares, and excuses by the
//! same rule: what was announced before it began is left out of compliance
//! where the profile says so, what was announced later is listed and excuses
//! nothing. The instant of the announcement is this collector's clock, and
//! nobody can give another one.

mod console;

use owl_measure::time::Timestamp;
use owl_measure::verdict::period::Works;
use owl_topology::Path;
use serde::{Deserialize, Serialize};

pub use console::MaintenanceError;

/// Windows that are not over yet, at most.
pub(crate) const OPEN_MAX: usize = 1_000;

/// What is worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of", content = "name")]
pub enum Affected {
    /// One path, one direction: `FROM~TO`.
    Path(String),
    /// All paths that begin or end at a site.
    Site(String),
    /// All paths that begin or end in a carrier's network.
    Carrier(String),
}

impl Affected {
    /// The word for what it is.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Path(_) => "path",
            Self::Site(_) => "site",
            Self::Carrier(_) => "carrier",
        }
    }

    /// Its id in the topology.
    pub fn name(&self) -> &str {
        match self {
            Self::Path(name) | Self::Site(name) | Self::Carrier(name) => name,
        }
    }

    /// By its word and its id.
    pub(crate) fn of(code: &str, name: String) -> Option<Self> {
        match code {
            "path" => Some(Self::Path(name)),
            "site" => Some(Self::Site(name)),
            "carrier" => Some(Self::Carrier(name)),
            _ => None,
        }
    }

    /// Whether work on it touches a path.
    pub(crate) fn touches(&self, path: &Path) -> bool {
        match self {
            Self::Path(id) => path.id == *id,
            Self::Site(id) => [&path.from_site, &path.to_site]
                .iter()
                .any(|site| site.as_str() == id),
            Self::Carrier(id) => [&path.from_carrier, &path.to_carrier]
                .iter()
                .any(|carrier| carrier.as_str() == id),
        }
    }
}

/// A maintenance window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Maintenance {
    /// Its id, which the collector gave it.
    pub id: String,
    /// What is worked on.
    #[serde(flatten)]
    pub affected: Affected,
    /// When it begins.
    #[serde(rename = "start_ns")]
    pub start: Timestamp,
    /// When it ends. Of one that was ended early when that was, and of one that was called off its begin.
    #[serde(rename = "end_ns")]
    pub end: Timestamp,
    /// When it was announced, by the collector's clock.
    #[serde(rename = "declared_at_ns")]
    pub declared_at: Timestamp,
    /// Who announced it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was ended or called off before its time; `None` when it was not.
    #[serde(rename = "ended_at_ns")]
    pub ended_at: Option<Timestamp>,
}

impl Maintenance {
    /// Announced after it had begun: it excuses nothing.
    pub fn is_late(&self) -> bool {
        self.declared_at > self.start
    }

    /// As a period is judged with it.
    pub(crate) fn works(&self) -> Works {
        Works {
            id: self.id.clone(),
            start: self.start,
            end: self.end,
            declared_at: self.declared_at,
            by: self.by.clone(),
            reason: self.reason.clone(),
        }
    }
}
