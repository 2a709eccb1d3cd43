//! Announced works on a path, and whether they were announced in time.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A maintenance window of the links of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Works {
    /// Its id.
    pub id: String,
    /// When it began.
    #[serde(rename = "start_ns")]
    pub start: Timestamp,
    /// When it ended.
    #[serde(rename = "end_ns")]
    pub end: Timestamp,
    /// When it was announced.
    #[serde(rename = "declared_at_ns")]
    pub declared_at: Timestamp,
    /// Who announced it.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Works {
    /// Announced after it had begun: it is told, and never left out of anything.
    pub fn is_retroactive(&self) -> bool {
        self.declared_at > self.start
    }

    /// Whether a window that begins then may be left out.
    pub(super) fn excuses(&self, start: Timestamp) -> bool {
        !self.is_retroactive() && (self.start..self.end).contains(&start)
    }
}

/// A maintenance window as a period saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenWorks {
    /// The maintenance window.
    #[serde(flatten)]
    pub works: Works,
    /// It was announced after it had begun, so it excuses nothing.
    pub retroactive: bool,
}
