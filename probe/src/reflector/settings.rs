//! How a session-reflector runs.

use owl_protocol::session::reflector::{ReflectorConfig, State};

/// Threads of a reflector at most.
pub const THREADS_MAX: usize = 64;

/// Sessions that a reflector knows, all its threads together, at 272 octets each, taken from the start. A further one is
/// not answered until one has been quiet for a while.
const SESSIONS: usize = 16_384;

/// How a session-reflector runs, and what it is.
#[derive(Debug, Clone)]
pub struct ReflectorSettings {
    /// Threads, 1 to [`THREADS_MAX`], each with a socket of its own for every address; the kernel gives all packets of
    /// a session to the same one.
    pub threads: usize,
    /// Processors that the threads keep to, in turn; without any they run where the kernel wants.
    pub pin: Vec<usize>,
    /// Before whom they run.
    pub priority: Priority,
    /// What it is as a whole; each thread has its share of the sessions and of the rations. The seed is made anew by
    /// each reflector.
    pub session: ReflectorConfig,
}

/// Before whom the threads of a reflector run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// Like any other thread.
    #[default]
    Ordinary,
    /// Before every ordinary one (`SCHED_FIFO`): replies do not wait for a busy processor, and a flood of requests
    /// leaves little of it to others.
    RealTime,
}

impl Default for ReflectorSettings {
    /// One ordinary thread, stateful. One answers more than a hundred thousand packets a second; what a second one
    /// would take of a small host is better left to the session-senders beside it.
    fn default() -> Self {
        Self {
            threads: 1,
            pin: Vec::new(),
            priority: Priority::default(),
            session: ReflectorConfig::open(SESSIONS, 0),
        }
    }
}

impl ReflectorSettings {
    /// The same without memory of sessions: sequence numbers are copied from requests, Follow-Up Telemetry is zero,
    /// and no transmit stamps are asked of the kernel, which nobody would be told.
    #[must_use]
    pub fn stateless(mut self) -> Self {
        self.session.state = State::Stateless;
        self
    }

    pub(super) fn is_stateful(&self) -> bool {
        self.session.state != State::Stateless
    }
}
