//! The clock that stamps are shown on.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use owl_measure::time::{Monotonic, Nanos, Timestamp};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The clock that stamps are shown on.
///
/// In a lab it can be made to lie by a fixed amount; then every stamp of the process lies alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    lie: Nanos,
}

impl Clock {
    /// The host's clock as it is.
    pub fn honest() -> Self {
        Self::default()
    }

    /// A clock that is ahead by `lie`: for tests and the lab.
    pub fn lying(lie: Nanos) -> Self {
        Self { lie }
    }

    /// CLOCK_REALTIME, as this process sees it.
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.shown(Timestamp(
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        ))
    }

    /// A stamp of the kernel, as this process sees it.
    pub fn shown(&self, at: Timestamp) -> Timestamp {
        at + self.lie
    }

    /// A clock that never steps.
    pub fn monotonic(&self) -> Monotonic {
        Monotonic(i64::try_from(START.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lying_clock_lies_alike_about_everything() {
        let liar = Clock::lying(Nanos::from_secs(100));
        let difference = liar.now() - Clock::honest().now();
        assert!((difference - Nanos::from_secs(100)).abs() < Nanos::from_secs(1));
        assert_eq!(liar.shown(Timestamp(5)), Timestamp(100_000_000_005));
    }
}
