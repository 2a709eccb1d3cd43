//! The name of a stored report: whose it is, and its number.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The name of a stored report. No two reports have the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportNumber {
    /// The probe that sent it.
    pub probe: String,
    /// Of that probe's spool.
    pub epoch: u64,
    /// In that epoch, from 1.
    pub sequence: u64,
}

impl ReportNumber {
    /// Adds a report and its name to a digest. The lengths go before the texts, so that no two lists have the same octets.
    pub(super) fn digest(&self, body: &[u8], digest: &mut Sha256) {
        for text in [self.probe.as_bytes(), body] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        digest.update(self.epoch.to_be_bytes());
        digest.update(self.sequence.to_be_bytes());
    }
}

impl fmt::Display for ReportNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            probe,
            epoch,
            sequence,
        } = self;
        write!(f, "report {sequence} of {probe} (epoch {epoch:016x})")
    }
}
