//! The TWAMP Server: lets Control-Clients in, each on a thread of its own.
//!
//! Everything that a stranger can make this host do is bounded: conversations
//! (64, 8 of one address), sessions of each (16) and their length, silence, and
//! replies.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use owl_measure::time::Nanos;
use owl_protocol::session::control::{Identity, Offer};
use owl_protocol::session::twamp_control::Policy;
use owl_protocol::wire::owamp::Modes;
use owl_protocol::wire::twamp::CONTROL_PORT;

use super::serving::Serving;
use crate::clock::Clock;
use crate::control::listener::{Doorman, ListenError, Listener, Room};
use crate::control::users::offer;
use crate::control::{Ports, random};

/// Conversations at once. At the bound the next is told "not now".
const ROOM: Room = Room { all: 64, one: 8 };

/// What a server is.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where it listens (TCP); every address of the host on port 862 when empty.
    pub listen: Vec<SocketAddr>,
    /// Who may use it, in the authenticated, encrypted or mixed mode; everyone, unauthenticated, when empty.
    pub users: Arc<[Identity]>,
    /// What it allows each conversation.
    pub policy: Policy,
    /// Where its test sessions have their UDP ports.
    pub ports: Ports,
}

impl Default for ServerSettings {
    /// For everyone, on the ports that the system gives.
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            users: Arc::new([]),
            policy: Policy::default(),
            ports: Ports::any(),
        }
    }
}

/// What a server has done so far; written by its threads, read by anyone.
#[derive(Debug, Default)]
pub struct TwampStats {
    pub(super) doorman: Doorman,
    pub(super) strangers: AtomicU64,
    pub(super) sessions: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) ended: AtomicU64,
    pub(super) reflected: AtomicU64,
    pub(super) unanswered: AtomicU64,
}

/// A reading of [`TwampStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TwampReading {
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
            conversations: self.doorman.admitted.load(Relaxed),
            turned_away: self.doorman.turned_away.load(Relaxed),
            strangers: self.strangers.load(Relaxed),
            sessions: self.sessions.load(Relaxed),
            refused: self.refused.load(Relaxed),
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
            listener: Listener::bind(&settings.listen, CONTROL_PORT, ROOM)?,
            shared: Shared {
                clock,
                policy: settings.policy,
                offer: offer(settings.users, protected, clock),
                ports: settings.ports,
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
        self.listener
            .run("twamp", &stats.doorman, stop, |stream, peer, admission| {
                // Without randomness, or with a connection that is gone already, there is nothing to say.
                let Ok(random) = random::of_server() else {
                    return;
                };
                if let Ok(serving) = Serving::new(stream, peer, random, shared, stats) {
                    serving.run(admission, stop, &claim);
                }
            })
    }
}
