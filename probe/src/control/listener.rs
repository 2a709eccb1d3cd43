//! Where Control-Clients are let in, each on a thread of its own.
//!
//! How many there are at once is bounded, of all and of one address. Who comes
//! when there is no room is greeted with no mode, which says "not now" (RFC
//! 4656, section 3.1). Nothing of it is logged: it is counted.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use owl_protocol::wire::owamp::{COUNT_MIN, Modes, ServerGreeting};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::LOOK_AROUND;
use crate::net::{Waiting, set_timer_slack};

/// Connections that wait for being accepted.
const BACKLOG: i32 = 16;

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on TCP {address}")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

/// Conversations at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// With all.
    pub(crate) all: usize,
    /// With one address.
    pub(crate) one: usize,
}

/// What became of the connections; written by the listener, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Doorman {
    pub(crate) admitted: AtomicU64,
    pub(crate) turned_away: AtomicU64,
}

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Listener {
    listeners: Vec<TcpListener>,
    room: Room,
    /// Who is being talked to; never more than the room for all.
    peers: Mutex<Vec<IpAddr>>,
}

impl Listener {
    /// Listens; on `port` of every address of the host when there are no addresses: IPv4, and IPv6 where the host has it.
    pub(crate) fn bind(
        addresses: &[SocketAddr],
        port: u16,
        room: Room,
    ) -> Result<Self, ListenError> {
        if !addresses.is_empty() {
            return Self::bind_to(addresses, room);
        }
        let v4 = SocketAddr::from(([0; 4], port));
        let v6 = SocketAddr::from(([0_u16; 8], port));
        Self::bind_to(&[v4, v6], room)
            .or_else(|error| Self::bind_to(&[v4], room).map_err(|_| error))
    }

    fn bind_to(addresses: &[SocketAddr], room: Room) -> Result<Self, ListenError> {
        let listeners = addresses
            .iter()
            .map(|&address| listen(address).map_err(|source| ListenError { address, source }))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            listeners,
            room,
            peers: Mutex::new(Vec::with_capacity(room.all)),
        })
    }

    /// Where it listens.
    pub(crate) fn local(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Lets clients in until told to stop, and then waits for the conversations to end. Each is held by `serve`, which is
    /// to look at `stop` now and then, and to drop its admission before it closes the connection: who sees it closed may
    /// come again at once.
    ///
    /// # Errors
    /// When the kernel refuses to wait for connections.
    pub(crate) fn run(
        &self,
        name: &str,
        doorman: &Doorman,
        stop: &AtomicBool,
        serve: impl Fn(TcpStream, SocketAddr, Admission<'_>) + Sync,
    ) -> io::Result<()> {
        let mut callers = Waiting::on(self.listeners.iter().map(AsRawFd::as_raw_fd));
        let serve = &serve;
        thread::scope(|scope| {
            while !stop.load(Relaxed) {
                callers.wait(LOOK_AROUND)?;
                let listening = self.listeners.iter().enumerate();
                for (_, listener) in listening.filter(|&(k, _)| callers.ready(k).data) {
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
                    let Some(admission) = self.admit(peer.ip()) else {
                        doorman.turned_away.fetch_add(1, Relaxed);
                        turn_away(stream);
                        continue;
                    };
                    doorman.admitted.fetch_add(1, Relaxed);
                    // Without a thread the connection is closed; the client may come again.
                    let _ = thread::Builder::new().name(name.to_owned()).spawn_scoped(
                        scope,
                        move || {
                            set_timer_slack();
                            serve(stream, peer, admission);
                        },
                    );
                }
            }
            Ok(())
        })
    }

    /// Room for one more conversation with this address.
    fn admit(&self, peer: IpAddr) -> Option<Admission<'_>> {
        let mut peers = lock(&self.peers);
        let of_one = peers.iter().filter(|&&other| other == peer).count();
        if peers.len() >= self.room.all || of_one >= self.room.one {
            return None;
        }
        peers.push(peer);
        Some(Admission {
            peers: &self.peers,
            peer,
        })
    }
}

/// The place of a conversation, given back when it ends.
pub(crate) struct Admission<'a> {
    peers: &'a Mutex<Vec<IpAddr>>,
    peer: IpAddr,
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let mut peers = lock(self.peers);
        if let Some(place) = peers.iter().position(|&peer| peer == self.peer) {
            peers.swap_remove(place);
        }
    }
}

/// The list is whole after every call, so a panic elsewhere leaves nothing half done.
fn lock(peers: &Mutex<Vec<IpAddr>>) -> std::sync::MutexGuard<'_, Vec<IpAddr>> {
    peers.lock().unwrap_or_else(PoisonError::into_inner)
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

/// A greeting without any mode: the server does not wish to talk.
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
