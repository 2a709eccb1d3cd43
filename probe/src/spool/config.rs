//! How much a spool keeps, and for how long.

use owl_measure::time::Nanos;
use serde::Deserialize;

/// Octets of reports kept at most unless told otherwise: two weeks of a hundred sessions at one report each ten seconds.
const OCTETS_MAX: u64 = 2 << 30;
/// How long acknowledged reports are kept unless told otherwise: longer than a collector's nightly backup is old.
const REPLAY: Nanos = Nanos::from_secs(24 * 3_600);
/// The largest and smallest bound that makes sense.
const OCTETS: std::ops::RangeInclusive<u64> = 1 << 16..=1 << 40;

/// The bounds of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolConfig {
    /// Octets of reports at most. At the bound acknowledged reports go first, the longest acknowledged before the others, then
    /// the oldest of those that no collector has; the collector is told which.
    pub octets_max: u64,
    /// How long acknowledged reports are kept for a collector that asks for them again.
    pub replay: Nanos,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            octets_max: OCTETS_MAX,
            replay: REPLAY,
        }
    }
}

impl SpoolConfig {
    /// What in it cannot be meant.
    pub(crate) fn refused(&self) -> Option<&'static str> {
        if !OCTETS.contains(&self.octets_max) {
            return Some("spool.octets_max must be 65536 (64 KiB) to 1099511627776 (1 TiB)");
        }
        if !(Nanos::ZERO..=Nanos::from_secs(31 * 86_400)).contains(&self.replay) {
            return Some("spool.replay must be 0s to 31d");
        }
        None
    }
}
