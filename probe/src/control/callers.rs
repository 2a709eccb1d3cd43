//! Who came to a control server, and what became of what they asked for.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::listener::Doorman;

/// Counts of the Control-Clients of a server; written by its threads, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct CallerCounts {
    pub(crate) doorman: Doorman,
    pub(crate) strangers: AtomicU64,
    pub(crate) sessions: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// A reading of the counts of a server's Control-Clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Callers {
    /// Control connections that were served.
    pub conversations: u64,
    /// Control connections that came when there was no room.
    pub turned_away: u64,
    /// Control-Clients that named no user with the right pass-phrase.
    pub strangers: u64,
    /// Sessions that were accepted.
    pub sessions: u64,
    /// Sessions that were refused.
    pub refused: u64,
}

impl CallerCounts {
    /// What they stand at.
    pub(crate) fn read(&self) -> Callers {
        Callers {
            conversations: self.doorman.admitted.load(Relaxed),
            turned_away: self.doorman.turned_away.load(Relaxed),
            strangers: self.strangers.load(Relaxed),
            sessions: self.sessions.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}

impl Callers {
    /// Control-Clients that were not let in, for whatever reason.
    pub fn not_let_in(&self) -> u64 {
        self.turned_away + self.strangers
    }
}
