//! The host's clock, and what is known of it.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use owl_measure::clock::{BoundBasis, ClockSource, ClockState, ClockStatus, KernelClock};
use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_protocol::wire::TaiOffset;

use crate::net::kernel_clock;

/// How early a kernel transmit stamp, or how late a kernel receive stamp, is taken to be at most.
///
/// An engineered figure, not a bound by proof: the stamp is taken when the packet is handed to the driver.
const KERNEL_STAMP_ERROR: Nanos = Nanos::from_micros(25);

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

/// What the configuration claims of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// What disciplines it.
    pub source: ClockSource,
    /// How far from UTC at most, somebody says; `None` claims nothing.
    pub bound: Option<Nanos>,
}

/// TAI less UTC as the kernel knows it, or since 2017 where nobody has told it.
pub fn tai_offset() -> TaiOffset {
    kernel_clock().map_or(TaiOffset::SINCE_2017, |kernel| {
        TaiOffset::from_kernel(kernel.tai_offset_s)
    })
}

/// The clock's state right now: the declared bound, unless the kernel says that nothing disciplines the clock.
///
/// A simulated clock is exempt from the kernel's word: its lie is injected behind the kernel's back.
pub fn state(clock: Clock, declared: Declared) -> ClockState {
    // A kernel that cannot be asked vouches for nothing.
    let kernel = kernel_clock().unwrap_or_default();
    judge(clock.now(), declared, kernel)
}

fn judge(as_of: Timestamp, declared: Declared, kernel: KernelClock) -> ClockState {
    let disciplined = kernel.synchronised || declared.source == ClockSource::Simulated;
    ClockState {
        as_of,
        source: declared.source,
        status: if disciplined && declared.bound.is_some() {
            ClockStatus::Synchronised
        } else {
            ClockStatus::Free
        },
        bound: declared.bound.map(|bound| (bound, BoundBasis::Declared)),
        drift_ppb: 0,
        transmit_stamp_error: KERNEL_STAMP_ERROR,
        receive_stamp_error: KERNEL_STAMP_ERROR,
        kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_bound_holds_only_while_the_kernel_is_disciplined() {
        let bound = Some(Nanos(1_000));
        let claims = |source, bound, synchronised| {
            let kernel = KernelClock {
                synchronised,
                ..KernelClock::default()
            };
            judge(Timestamp(0), Declared { source, bound }, kernel).bound_at(Timestamp(0))
        };
        assert_eq!(claims(ClockSource::Gnss, bound, true), bound);
        assert_eq!(claims(ClockSource::Gnss, bound, false), None);
        assert_eq!(claims(ClockSource::Gnss, None, true), None);
        assert_eq!(claims(ClockSource::Simulated, bound, false), bound);
    }

    #[test]
    fn a_lying_clock_lies_alike_about_everything() {
        let liar = Clock::lying(Nanos::from_secs(100));
        let difference = liar.now() - Clock::honest().now();
        assert!((difference - Nanos::from_secs(100)).abs() < Nanos::from_secs(1));
        assert_eq!(liar.shown(Timestamp(5)), Timestamp(100_000_000_005));
    }

    #[test]
    fn the_kernel_can_be_asked_by_anybody() {
        assert!(kernel_clock().unwrap().max_error >= Nanos::ZERO);
    }
}
