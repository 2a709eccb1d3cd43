//! The OWAMP Server: lets Control-Clients in, each on a thread of its own.
//!
//! Everything that a stranger can make this host do is bounded: conversations
//! (16, 4 of one address), sessions and packets of each, records kept, bits per
//! second sent, silence, and length of sessions. Who comes when all
//! conversations are taken is greeted with no mode, which says "not now".

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use owl_measure::time::Nanos;
use owl_protocol::session::control::Offer;
use owl_protocol::session::owamp::{Archive, Policy, SendRation};
use owl_protocol::wire::owamp::{CONTROL_PORT, Modes};

use super::serving::Serving;
use crate::clock::Clock;
use crate::control::callers::{CallerCounts, Callers};
use crate::control::listener::{ListenError, Listener, Room};
use crate::control::users::offer;
use crate::control::{Access, Ports};

/// Conversations at once. At the bound the next is told "not now".
const ROOM: Room = Room { all: 16, one: 4 };

/// What a server is, and allows.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where it listens, and whom it lets in; who is named, in the authenticated or encrypted mode.
    pub access: Access,
    /// What it allows each conversation.
    pub policy: Policy,
    /// Records of packets that it keeps at most, of all sessions together; 32 octets each. A conversation that fetches a
    /// session holds a copy of it meanwhile.
    pub records_max: usize,
    /// What it sends for others at most, all sessions together: bits per second of IP packets.
    pub send_bits_per_second_max: u64,
}

impl Default for ServerSettings {
    /// On the ports that the system gives, with room for a million records (32 MB), sending 10 Mb/s at most.
    fn default() -> Self {
        Self {
            access: Access::default(),
            policy: Policy::default(),
            records_max: 1_000_000,
            send_bits_per_second_max: 10_000_000,
        }
    }
}

/// What a server has done so far; written by its threads, read by anyone.
#[derive(Debug, Default)]
pub struct OwampStats {
    pub(super) callers: CallerCounts,
    pub(super) sent: AtomicU64,
    pub(super) recorded: AtomicU64,
    pub(super) fetched: AtomicU64,
}

/// A reading of [`OwampStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwampReading {
    /// Who came, and what became of what they asked for.
    pub callers: Callers,
    /// Test packets sent in sessions that are over.
    pub sent: u64,
    /// Test packets received in sessions that are over, copies included.
    pub recorded: u64,
    /// Sessions whose records were fetched.
    pub fetched: u64,
}

impl OwampStats {
    /// What it stands at.
    pub fn read(&self) -> OwampReading {
        OwampReading {
            callers: self.callers.read(),
            sent: self.sent.load(Relaxed),
            recorded: self.recorded.load(Relaxed),
            fetched: self.fetched.load(Relaxed),
        }
    }
}

/// What all conversations of a server have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) policy: Policy,
    pub(super) offer: Offer,
    pub(super) ports: Ports,
    archive: Mutex<Archive>,
    ration: Mutex<SendRation>,
}

/// What these locks hold is whole after every call, so a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn archive(&self) -> MutexGuard<'_, Archive> {
        lock(&self.archive)
    }

    pub(super) fn ration(&self) -> MutexGuard<'_, SendRation> {
        lock(&self.ration)
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct OwampServer {
    listener: Listener,
    shared: Shared,
}

impl OwampServer {
    /// Listens.
    ///
    /// # Errors
    /// When an address is taken, not ours, or below 1024 without permission.
    pub fn bind(settings: ServerSettings, clock: Clock) -> Result<Self, ListenError> {
        let protected = Modes::AUTHENTICATED.and(Modes::ENCRYPTED);
        Ok(Self {
            listener: Listener::bind(&settings.access.listen, CONTROL_PORT, ROOM)?,
            shared: Shared {
                clock,
                policy: settings.policy,
                offer: offer(settings.access.users, protected, clock),
                ports: settings.access.ports,
                archive: Mutex::new(Archive::new(settings.records_max)),
                ration: Mutex::new(SendRation::new(settings.send_bits_per_second_max)),
            },
        })
    }

    /// Where it listens.
    pub fn local(&self) -> Vec<SocketAddr> {
        self.listener.local()
    }

    /// Serves until told to stop; sessions that run then are given up. `claim` is asked now and then for the bound that
    /// Error Estimates tell.
    ///
    /// # Errors
    /// When the kernel refuses to wait for connections.
    pub fn run(
        self,
        stats: &OwampStats,
        stop: &AtomicBool,
        claim: impl Fn() -> Option<Nanos> + Sync,
    ) -> io::Result<()> {
        let shared = &self.shared;
        self.listener.run(
            "owamp",
            &stats.callers.doorman,
            stop,
            |stream, peer, admission| {
                // Without randomness, or with a connection that is gone already, there is nothing to say.
                if let Some(serving) = Serving::new(stream, peer, shared, stats) {
                    serving.run(admission, stop, &claim);
                }
            },
        )
    }
}
