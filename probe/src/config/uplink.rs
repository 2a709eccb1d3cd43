//! How a probe reports.

use serde::Deserialize;

/// Octets of reports a second after an outage unless told otherwise.
const DRAIN: u64 = 5_000_000;

/// How a probe reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UplinkConfig {
    /// Octets a second at which reports of before the connection are sent at most, so that catching up after an outage takes
    /// no capacity from what is measured. Reports of now are not held up by it.
    pub drain_octets_per_second: u64,
}

impl Default for UplinkConfig {
    fn default() -> Self {
        Self {
            drain_octets_per_second: DRAIN,
        }
    }
}

impl UplinkConfig {
    /// What in it cannot be meant.
    pub(crate) fn refused(&self) -> Option<&'static str> {
        (!(1_000..=10_000_000_000).contains(&self.drain_octets_per_second))
            .then_some("uplink.drain_octets_per_second must be 1000 to 10000000000")
    }
}
