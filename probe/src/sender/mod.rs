//! Session-senders on a plain thread: one thread, any number of sessions.
//!
//! Sessions share sockets, [lanes](lane), and one timer wheel, so that a wake
//! costs what is due and not what there is. What is due together leaves in one
//! system call. Replies and transmit stamps carry the kernel's time, so they
//! are read many at once a moment later; only then is a session asked what is
//! lost.

mod awaited;
mod bound;
mod engine;
mod lane;
mod pace;
mod session;
mod session_keys;
mod stats;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use owl_measure::sample::Sample;
use owl_measure::summary::Summary;
use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::session::SessionSender;
use owl_protocol::session::sender::SenderConfig;

use self::engine::Engine;
use self::lane::Lane;
use crate::clock::Clock;
use crate::keys::LiveKeys;
use crate::member::Member;
use crate::net::{AROUND_PACKET, SocketError, Stamping};

pub use self::bound::RepliesOver;
pub use self::pace::{Pace, SPIN_MAX};
pub use self::session::SenderSession;
pub use self::stats::{SenderReading, SenderStats, SpanCounts};

/// Sockets of one local address at most: so many sessions to one peer each have a source port of their own.
const LANES_MAX: usize = 64;

/// Where and what a session sends.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// The session-reflector.
    pub peer: SocketAddr,
    /// Local address to send from; `None` lets the kernel choose.
    pub local: Option<IpAddr>,
    /// The session itself.
    pub sender: SenderConfig,
    /// Where its key comes from, if it is protected and its key may change.
    pub keys: Option<Arc<LiveKeys>>,
    /// Length of the intervals that are summarised.
    pub report_interval: Nanos,
    /// Intervals are counted from here.
    pub aligned_to: Timestamp,
    /// Targets within which packets are counted exactly.
    pub targets: Vec<Nanos>,
}

impl SessionSettings {
    fn local(&self) -> IpAddr {
        self.local.unwrap_or(match self.peer {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        })
    }
}

/// A session that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Its socket cannot.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A reply could not be told from another session's.
    #[error(
        "cannot tell a session to {peer} from another: {LANES_MAX} have its session identifier {ssid} already"
    )]
    Twin {
        /// The session-reflector.
        peer: SocketAddr,
        /// The STAMP session identifier.
        ssid: u16,
    },
    /// The kernel lets no frames be sent over the member link.
    #[error("cannot send frames over {interface}")]
    Member {
        /// The interface.
        interface: String,
        /// Why not.
        source: io::Error,
    },
    /// Frames are never cut into fragments.
    #[error(
        "packets of {octets} octets with IPv4 and UDP are longer than {interface} carries, which is {mtu}"
    )]
    TooLong {
        /// The interface.
        interface: String,
        /// Octets of the IP packet.
        octets: usize,
        /// Octets that it carries at most.
        mtu: usize,
    },
}

/// What running sessions tell. Sessions are numbered in the order of opening, from 0.
pub trait Watcher {
    /// A packet came back in time.
    fn sample(&mut self, session: usize, sample: &Sample);
    /// An interval is complete.
    fn summary(&mut self, session: usize, summary: Summary);
    /// What is to change among the running sessions; asked some times a second.
    fn next_change(&mut self) -> Option<Change> {
        None
    }
}

/// A change among running sessions. Those that it does not name go on as if nothing had happened.
#[derive(Debug)]
pub struct Change {
    /// The numbers of those that end now. Their intervals are closed as far as they went.
    pub leaving: Vec<usize>,
    /// Those that begin: they are open already, on sockets of their own, and get the numbers after the last that was given.
    pub joining: SessionSenders,
}

/// The session-senders of one thread.
#[derive(Debug)]
pub struct SessionSenders {
    clock: Clock,
    lanes: Vec<Lane>,
    sessions: Vec<SenderSession>,
    stats: Arc<SenderStats>,
    pace: Pace,
}

impl SessionSenders {
    /// Without a session. Stamps are shown on `clock`; what happens beside measuring is counted in `stats`.
    pub fn new(clock: Clock, stats: Arc<SenderStats>) -> Self {
        Self {
            clock,
            lanes: Vec::new(),
            sessions: Vec::new(),
            stats,
            pace: Pace::default(),
        }
    }

    /// The same, running at this pace.
    pub fn at_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Opens a session: its number.
    ///
    /// It shares a socket with sessions to other peers. Sessions to the same peer have different source ports, so that a
    /// reflector that knows no session identifiers can tell them apart, and equal-cost paths can differ; from the 65th on
    /// they share ports and are told apart by their identifiers.
    ///
    /// # Errors
    /// When a socket is needed and cannot be bound, or replies could not be told from another session's.
    pub fn open(&mut self, settings: SessionSettings) -> Result<usize, SessionError> {
        let local = settings.local();
        let (peer, ssid) = (settings.peer, settings.sender.ssid);
        let lane = match self.lane_for(local, peer, ssid)? {
            Some(lane) => lane,
            None => {
                self.lanes.push(Lane::open(local, self.clock)?);
                self.lanes.len() - 1
            }
        };
        Ok(self.join(lane, settings))
    }

    /// Opens a session on a socket of its own, from a port that was agreed upon: its number.
    ///
    /// # Errors
    /// When the socket cannot be bound.
    pub fn open_from(
        &mut self,
        port: u16,
        settings: SessionSettings,
    ) -> Result<usize, SessionError> {
        let local = SocketAddr::new(settings.local(), port);
        self.lanes.push(Lane::private(local, self.clock)?);
        Ok(self.join(self.lanes.len() - 1, settings))
    }

    /// Opens a session whose packets leave over a member link, as frames of their own, and whose replies come to a UDP
    /// socket of its own: its number. Packets leave one by one, and how long they queue on this host is not asked.
    ///
    /// # Errors
    /// When the socket cannot be bound, frames cannot be sent (CAP_NET_RAW), or packets are longer than the link carries.
    pub fn open_over(
        &mut self,
        member: &Member,
        settings: SessionSettings,
    ) -> Result<usize, SessionError> {
        let settings = SessionSettings {
            local: Some(member.source.into()),
            peer: member.reflector.into(),
            ..settings
        };
        let interface = || member.interface.clone();
        let packet = SessionSender::new(settings.sender.clone()).packet_octets();
        let (octets, mtu) = (packet + AROUND_PACKET, member.mtu);
        if octets > mtu {
            let interface = interface();
            return Err(SessionError::TooLong {
                interface,
                octets,
                mtu,
            });
        }
        let mut lane = Lane::private(SocketAddr::new(settings.local(), 0), self.clock)?;
        lane.bind(member, self.clock)
            .map_err(|source| SessionError::Member {
                interface: interface(),
                source,
            })?;
        self.lanes.push(lane);
        Ok(self.join(self.lanes.len() - 1, settings))
    }

    fn join(&mut self, lane: usize, settings: SessionSettings) -> usize {
        let (peer, ssid) = (settings.peer, settings.sender.ssid);
        let number = self.sessions.len();
        // It may have been asked to answer from another of its addresses (RFC 9503, section 3).
        let node = settings.sender.question.destination;
        let node = node.map(|node| SocketAddr::new(node, peer.port()));
        let sources: Vec<SocketAddr> = [peer].into_iter().chain(node).collect();
        let session = SenderSession::new(number, settings, lane);
        self.lanes[lane].join(number as u32, &sources, ssid);
        self.lanes[lane].make_room(session.packet_octets());
        self.sessions.push(session);
        number
    }

    /// The lane for a session; `None` when it gets a new one.
    fn lane_for(
        &self,
        local: IpAddr,
        peer: SocketAddr,
        ssid: u16,
    ) -> Result<Option<usize>, SessionError> {
        let of_address = || {
            let lanes = self.lanes.iter().enumerate();
            lanes.filter(|(_, lane)| lane.is_shared_from(local))
        };
        if let Some((k, _)) = of_address().find(|(_, lane)| !lane.has_peer(peer)) {
            return Ok(Some(k));
        }
        if of_address().count() < LANES_MAX {
            return Ok(None);
        }
        let emptiest = of_address()
            .filter(|(_, lane)| !lane.has(peer, ssid))
            .min_by_key(|(_, lane)| lane.sessions());
        match emptiest {
            Some((k, _)) => Ok(Some(k)),
            None => Err(SessionError::Twin { peer, ssid }),
        }
    }

    /// One of the sessions.
    ///
    /// # Panics
    /// When none has that number.
    pub fn session(&self, number: usize) -> &SenderSession {
        &self.sessions[number]
    }

    /// Which stamps were proved on the socket of a session; `None` when the proof itself could not be sent.
    ///
    /// # Panics
    /// When no session has that number.
    pub fn stamping(&self, number: usize) -> Option<Stamping> {
        self.lanes[self.sessions[number].lane()].stamping()
    }

    /// How many there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The UDP port that a session sends from.
    ///
    /// # Panics
    /// When no session has that number.
    pub fn source_port(&self, number: usize) -> u16 {
        self.lanes[self.sessions[number].lane()].source_port()
    }

    /// Over which interfaces the replies of a session came in; `None` when its packets are bound to no member link.
    ///
    /// # Panics
    /// When no session has that number.
    pub fn replies_over(&self, number: usize) -> Option<RepliesOver> {
        self.lanes[self.sessions[number].lane()].replies_over()
    }

    /// How many sockets they share.
    pub fn sockets(&self) -> usize {
        self.lanes.len()
    }

    /// Runs the sessions until all are over or `stop` is set. `claim` is asked now and then for the bound that the Error
    /// Estimate tells. Where the host refuses the pace, packets leave later, a warning says why, and all goes on.
    ///
    /// # Errors
    /// When the kernel refuses to wait for packets.
    pub fn run(
        &mut self,
        stop: &AtomicBool,
        claim: impl Fn() -> Option<Nanos>,
        watcher: &mut impl Watcher,
    ) -> io::Result<()> {
        let Self {
            clock,
            lanes,
            sessions,
            stats,
            pace,
        } = self;
        for error in pace.take_effect() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the sender's thread runs like any other"
            );
        }
        Engine::new(*clock, pace.spin, lanes, sessions, stats).run(stop, claim, watcher)
    }
}
