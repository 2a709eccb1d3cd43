//! The OWAMP Server: lets Control-Clients in, each on a thread of its own.
//!
//! Everything that a stranger can make this host do is bounded: conversations
//! (16, 4 of one address), sessions and packets of each, records kept, bits per
//! second sent, silence, and length of sessions. Who comes when all
//! conversations are taken is greeted with no mode, which says "not now".

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use owl_measure::time::Nanos;
use owl_protocol::session::control::{Identity, Offer};
use owl_protocol::session::owamp::{Archive, Policy, SendRation};
use owl_protocol::wire::NtpTimestamp;
use owl_protocol::wire::owamp::{CONTROL_PORT, COUNT_MIN, Modes, ServerGreeting};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::serving::Serving;
use super::{LOOK_AROUND, Ports};
use crate::clock::Clock;
use crate::net::{Readiness, set_timer_slack, wait};

/// Conversations at once, and of one address among them.
const CONVERSATIONS_MAX: usize = 16;
const CONVERSATIONS_OF_ONE_MAX: usize = 4;
/// Connections that wait for being accepted.
const BACKLOG: i32 = 16;

/// What a server allows.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where it listens (TCP).
    pub listen: Vec<SocketAddr>,
    /// What it allows each conversation.
    pub policy: Policy,
    /// Where its test sessions have their UDP ports.
    pub ports: Ports,
    /// Records of packets that it keeps at most, of all sessions together; 32 octets each.
    pub records_max: usize,
    /// What it sends for others at most, all sessions together: bits per second of IP packets.
    pub send_bits_per_second_max: u64,
}

impl ServerSettings {
    /// Listening there, with room for a million records (32 MB) and sending 10 Mb/s at most.
    pub fn listening(listen: Vec<SocketAddr>) -> Self {
        Self {
            listen,
            policy: Policy::default(),
            ports: Ports::any(),
            records_max: 1_000_000,
            send_bits_per_second_max: 10_000_000,
        }
    }

    /// Every address of the host on OWAMP's port (RFC 4656, section 3.1).
    pub fn everywhere() -> Vec<SocketAddr> {
        vec![
            SocketAddr::from(([0_u16; 8], CONTROL_PORT)),
            SocketAddr::from(([0; 4], CONTROL_PORT)),
        ]
    }
}

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on TCP {address}")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

/// What a server has done so far; written by its threads, read by anyone.
#[derive(Debug, Default)]
pub struct OwampStats {
    pub(super) conversations: AtomicU64,
    pub(super) turned_away: AtomicU64,
    pub(super) sessions: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) recorded: AtomicU64,
    pub(super) fetched: AtomicU64,
}

/// A reading of [`OwampStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwampReading {
    /// Control connections that were served.
    pub conversations: u64,
    /// Control connections that came when there was no room.
    pub turned_away: u64,
    /// Sessions that were accepted.
    pub sessions: u64,
    /// Sessions that were refused.
    pub refused: u64,
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
            conversations: self.conversations.load(Relaxed),
            turned_away: self.turned_away.load(Relaxed),
            sessions: self.sessions.load(Relaxed),
            refused: self.refused.load(Relaxed),
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
    /// Who is being talked to; never more than [`CONVERSATIONS_MAX`].
    peers: Mutex<Vec<IpAddr>>,
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

    /// Room for one more conversation with this address.
    fn admit(&self, peer: IpAddr) -> Option<Admission<'_>> {
        let mut peers = lock(&self.peers);
        let of_one = peers.iter().filter(|&&other| other == peer).count();
        if peers.len() >= CONVERSATIONS_MAX || of_one >= CONVERSATIONS_OF_ONE_MAX {
            return None;
        }
        peers.push(peer);
        Some(Admission { shared: self, peer })
    }
}

/// The place of a conversation, given back when it ends.
pub(super) struct Admission<'a> {
    shared: &'a Shared,
    peer: IpAddr,
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let mut peers = lock(&self.shared.peers);
        if let Some(place) = peers.iter().position(|&peer| peer == self.peer) {
            peers.swap_remove(place);
        }
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct OwampServer {
    listeners: Vec<TcpListener>,
    shared: Shared,
}

impl OwampServer {
    /// Listens. Only the unauthenticated mode is offered.
    ///
    /// # Errors
    /// When an address is taken, not ours, or below 1024 without permission.
    pub fn bind(settings: ServerSettings, clock: Clock) -> Result<Self, ListenError> {
        let listeners = settings
            .listen
            .iter()
            .map(|&address| listen(address).map_err(|source| ListenError { address, source }))
            .collect::<Result<_, _>>()?;
        let nobody: Arc<[Identity]> = Arc::new([]);
        Ok(Self {
            listeners,
            shared: Shared {
                clock,
                policy: settings.policy,
                offer: Offer {
                    modes: Modes::UNAUTHENTICATED,
                    identities: nobody,
                    count: COUNT_MIN,
                    started_at: NtpTimestamp::from_timestamp(clock.now()),
                },
                ports: settings.ports,
                archive: Mutex::new(Archive::new(settings.records_max)),
                ration: Mutex::new(SendRation::new(settings.send_bits_per_second_max)),
                peers: Mutex::new(Vec::with_capacity(CONVERSATIONS_MAX)),
            },
        })
    }

    /// Where it listens.
    pub fn local(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
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
        let descriptors: Vec<RawFd> = self.listeners.iter().map(|it| it.as_raw_fd()).collect();
        let (shared, claim) = (&self.shared, &claim);
        let mut ready = Vec::<Readiness>::new();
        thread::scope(|scope| {
            while !stop.load(Relaxed) {
                wait(&descriptors, &mut ready, LOOK_AROUND)?;
                for (listener, _) in self
                    .listeners
                    .iter()
                    .zip(&ready)
                    .filter(|(_, readiness)| readiness.data)
                {
                    let (stream, peer) = match listener.accept() {
                        Ok(accepted) => accepted,
                        Err(error) => {
                            // Out of descriptors, say: the connection stays, and looking again at once would only burn the CPU.
                            if error.kind() != io::ErrorKind::WouldBlock {
                                thread::sleep(LOOK_AROUND.to_std());
                            }
                            continue;
                        }
                    };
                    let Some(admission) = shared.admit(peer.ip()) else {
                        stats.turned_away.fetch_add(1, Relaxed);
                        turn_away(stream);
                        continue;
                    };
                    stats.conversations.fetch_add(1, Relaxed);
                    // Without a thread the connection is closed; the client may come again.
                    let _ = thread::Builder::new()
                        .name("owamp".to_owned())
                        .spawn_scoped(scope, move || {
                            set_timer_slack();
                            if let Some(serving) = Serving::new(stream, peer, shared, stats) {
                                serving.run(admission, stop, claim);
                            }
                        });
                }
            }
            Ok(())
        })
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A greeting without any mode: the server does not wish to talk (RFC 4656, section 3.1).
fn turn_away(mut stream: TcpStream) {
    let greeting = ServerGreeting {
        modes: Modes(0),
        challenge: [0; 16],
        salt: [0; 16],
        count: COUNT_MIN,
    };
    // Who does not get it sees a closed connection, which says the same.
    let _ = stream
        .set_nonblocking(true)
        .and_then(|()| stream.write_all(&greeting.encode()));
}
