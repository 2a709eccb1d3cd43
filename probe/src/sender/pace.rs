//! How exactly the thread of the session-senders wakes, and what that may cost.

use owl_measure::time::Nanos;

use crate::net::{ThreadError, pin_to, real_time};

/// The longest last stretch that is not slept: what a sleeping processor takes to wake is less.
pub const SPIN_MAX: Nanos = Nanos::from_millis(1);

/// How the thread of the session-senders runs. The default shares the processors with everybody, and sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// The processor that it keeps to, counted from 0.
    pub pin: Option<usize>,
    /// Whether it runs before every ordinary thread (`SCHED_FIFO`).
    pub real_time: bool,
    /// It does not sleep for this long before each packet, but looks at the clock, [`SPIN_MAX`] at most: packets leave
    /// within microseconds of their time, and each costs so much of a processor.
    pub spin: Nanos,
}

impl Pace {
    /// Makes the calling thread run so, as far as the host lets it: what it does not.
    pub(super) fn take_effect(self) -> Vec<ThreadError> {
        let pinned = self.pin.map(pin_to);
        let real_time = self.real_time.then(real_time);
        [pinned, real_time]
            .into_iter()
            .flatten()
            .filter_map(Result::err)
            .collect()
    }
}
