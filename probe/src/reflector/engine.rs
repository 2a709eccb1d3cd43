//! How a session-reflector runs.

/// Threads of a reflector at most.
pub const THREADS_MAX: usize = 64;

/// How a session-reflector runs: on which threads, and with which memory.
#[derive(Debug, Clone)]
pub struct ReflectorEngine {
    /// Threads, 1 to [`THREADS_MAX`], each with a socket of its own for every address; the kernel gives all packets of
    /// a session to the same one. Each thread has its share of the sessions and of the rations.
    pub threads: usize,
    /// Processors that the threads keep to, in turn; without any they run where the kernel wants.
    pub pin: Vec<usize>,
    /// Before whom they run.
    pub priority: Priority,
    /// What it remembers.
    pub memory: Memory,
    /// The interface in whose driver base packets are answered before they come to a thread; none without it.
    pub xdp: Option<String>,
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

/// What a reflector remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// Its sessions: it numbers its replies, so that loss has a direction, and follows T3 up.
    #[default]
    Stateful,
    /// Nothing: sequence numbers are copied from requests, Follow-Up Telemetry is zero, and no transmit stamps are
    /// asked of the kernel, which nobody would be told.
    Stateless,
}

impl Default for ReflectorEngine {
    /// One ordinary thread, stateful. One answers more than a hundred thousand packets a second; what a second one
    /// would take of a small host is better left to the session-senders beside it.
    fn default() -> Self {
        Self {
            threads: 1,
            pin: Vec::new(),
            priority: Priority::default(),
            memory: Memory::default(),
            xdp: None,
        }
    }
}
