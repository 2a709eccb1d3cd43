//! The one place where the collector reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use owl_measure::time::Timestamp;

/// The host's idea of UTC. Verdicts do not rest on it: it only says when a window is over.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
