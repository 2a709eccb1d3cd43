//! The TWAMP Server: lets Control-Clients in, each on a thread of its own.
//!
//! Everything that a stranger can make this host do is bounded: conversations
//! (64, 8 of one address), sessions of each (16) and their length, silence, and
//! replies.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use owl_measure::time::Nanos;
use owl_protocol::session::control::Offer;
use owl_protocol::session::twamp_control::Policy;
use owl_protocol::wire::owamp::Modes;
use owl_protocol::wire::twamp::CONTROL_PORT;

use super::serving::Serving;
use crate::clock::Clock;
use crate::control::callers::{CallerCounts, Callers};
use crate::control::listener::{ListenError, Listener, Room};
use crate::control::users::offer;
use crate::control::{Access, Ports, random};

/// Conversations at once. At the bound the next is told "not now".
const ROOM: Room = Room { all: 64, one: 8 };

/// What a server is. The default serves everyone.
#[derive(Debug, Clone, Default)]
pub struct ServerSettings {
    /// Where it listens, and whom it lets in; who is named, in the authenticated, encrypted or mixed mode.
    pub access: Access,
    /// What it allows each conversation.
    pub policy: Policy,
}

/// What a server has done so far; written by its threads, read by anyone.
#[derive(Debug, Default)]
pub struct TwampStats {
    pub(super) callers: CallerCounts,
    pub(super) ended: AtomicU64,
    pub(super) reflected: AtomicU64,
    pub(super) unanswered: AtomicU64,
}

/// A reading of [`TwampStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TwampReading {
    /// Who came, and what became of what they asked for.
    pub callers: Callers,
    /// Accepted sessions that have ended.
    pub ended: u64,
    /// Test packets answered.
    pub reflected: u64,
    /// Datagrams to its sessions that were not answered: strangers', malformed, rationed, or not taken by the kernel.
    pub unanswered: u64,
}

impl TwampStats {
    /// What it stands at.
    pub fn read(&self) -> TwampReading {
        TwampReading {
            callers: self.callers.read(),
            ended: self.ended.load(Relaxed),
            reflected: self.reflected.load(Relaxed),
            unanswered: self.unanswered.load(Relaxed),
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
}

/// A server that listens.
#[derive(Debug)]
pub struct TwampServer {
    listener: Listener,
    shared: Shared,
}

impl TwampServer {
    /// Listens.
    ///
    /// # Errors
    /// When an address is taken, not ours, or below 1024 without permission.
    pub fn bind(settings: ServerSettings, clock: Clock) -> Result<Self, ListenError> {
        let protected = Modes::AUTHENTICATED.and(Modes::ENCRYPTED).and(Modes::MIXED);
        Ok(Self {
            listener: Listener::bind(&settings.access.listen, CONTROL_PORT, ROOM)?,
            shared: Shared {
                clock,
                policy: settings.policy,
                offer: offer(settings.access.users, protected, clock),
                ports: settings.access.ports,
            },
        })
    }

    /// Where it listens.
    pub fn local(&self) -> Vec<SocketAddr> {
        self.listener.local()
    }

    /// Serves until told to stop; sessions that run then end. `claim` is asked now and then for the bound that Error
    /// Estimates tell.
    ///
    /// # Errors
    /// When the kernel refuses to wait for connections.
    pub fn run(
        self,
        stats: &TwampStats,
        stop: &AtomicBool,
        claim: impl Fn() -> Option<Nanos> + Sync,
    ) -> io::Result<()> {
        let shared = &self.shared;
        self.listener.run(
            "twamp",
            &stats.callers.doorman,
            stop,
            |stream, peer, admission| {
                // Without randomness, or with a connection that is gone already, there is nothing to say.
                let Ok(random) = random::of_server() else {
                    return;
                };
                if let Ok(serving) = Serving::new(stream, peer, random, shared, stats) {
                    serving.run(admission, stop, &claim);
                }
            },
        )
    }
}
