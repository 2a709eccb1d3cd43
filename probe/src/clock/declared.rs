//! What somebody declares of a clock, and when it is believed.

use owl_measure::clock::{BoundBasis, ClockSource, ClockState, ClockStatus, KernelClock};
use owl_measure::time::{Nanos, Timestamp};

use super::assessment::{Assessment, PartKind};
use super::finding::Finding;
use super::shown::Clock;
use super::watch::stamped;
use crate::net::kernel_clock;

/// What the configuration claims of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// What disciplines it.
    pub source: ClockSource,
    /// How far from UTC at most, somebody says; `None` claims nothing.
    pub bound: Option<Nanos>,
}

/// The clock's state right now by what is declared: the bound, unless the kernel says that nothing disciplines the
/// clock.
pub fn state(clock: Clock, declared: Declared) -> ClockState {
    // A kernel that cannot be asked vouches for nothing.
    let kernel = kernel_clock().unwrap_or_default();
    let assessment = judge(Clock::honest().now(), declared, kernel);
    stamped(&assessment, clock, kernel)
}

/// A simulated clock is exempt from the kernel's word: its lie is injected behind the kernel's back.
pub(super) fn judge(now: Timestamp, declared: Declared, kernel: KernelClock) -> Assessment {
    let disciplined = kernel.synchronised || declared.source == ClockSource::Simulated;
    let mut assessment = Assessment::free(now, declared.source, Finding::NobodyTells);
    assessment.basis = BoundBasis::Declared;
    if let Some(bound) = declared.bound {
        assessment.findings.clear();
        assessment.add(PartKind::Declared, bound);
        if disciplined {
            assessment.status = ClockStatus::Synchronised;
        }
    }
    assessment
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
            let assessment = judge(Timestamp(0), Declared { source, bound }, kernel);
            let state = stamped(&assessment, Clock::honest(), kernel);
            state.bound_at(Timestamp(0))
        };
        assert_eq!(claims(ClockSource::Gnss, bound, true), bound);
        assert_eq!(claims(ClockSource::Gnss, bound, false), None);
        assert_eq!(claims(ClockSource::Gnss, None, true), None);
        assert_eq!(claims(ClockSource::Simulated, bound, false), bound);
    }

    #[test]
    fn the_kernel_can_be_asked_by_anybody() {
        assert!(kernel_clock().unwrap().max_error >= Nanos::ZERO);
    }
}
