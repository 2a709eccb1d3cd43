//! The socket and the clock of a poller.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd as _, RawFd};
use std::time::Instant;

use owl_measure::time::{Monotonic, Nanos};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::column::Lane;
use super::device::Device;
use super::poller::{Poller, Unheard};
use super::slots::SLOTS;
use super::target::Target;
use crate::net::{Readiness, wait};

/// An answer of UDP has no more.
const DATAGRAM_OCTETS: usize = 65_536;
/// Answers to all requests that may be on their way fit into the socket's buffer, with what the kernel adds to each.
const BUFFER_OCTETS: usize = SLOTS * 4_096;
/// Datagrams that are read of a socket before something is sent again.
const TURN: usize = 64;

/// A poller that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// No socket.
    #[error("cannot open a UDP socket for SNMP")]
    Socket {
        /// Why not.
        source: io::Error,
    },
    /// Waiting or reading failed.
    #[error("cannot wait for answers of agents")]
    Wait {
        /// Why not.
        source: io::Error,
    },
}

/// A socket for one family of addresses.
#[derive(Debug)]
struct Door {
    is_ipv4: bool,
    socket: UdpSocket,
}

/// A poller with its sockets: one for each family of addresses, for all agents together.
#[derive(Debug)]
pub struct Polling {
    poller: Poller,
    sockets: Vec<Door>,
    by_address: HashMap<SocketAddr, usize>,
    clock: Instant,
    datagram: Box<[u8]>,
}

impl Polling {
    /// For these devices. `salt` is where the salts of SNMPv3 begin: a random number.
    ///
    /// # Errors
    /// When no socket can be had.
    pub fn new(devices: Vec<Device>, salt: u64) -> Result<Self, PollError> {
        let failed = |source| PollError::Socket { source };
        let by_address: HashMap<_, _> = devices
            .iter()
            .enumerate()
            .map(|(k, device)| (device.address, k))
            .collect();
        let mut sockets = Vec::new();
        for local in [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ] {
            let local = SocketAddr::new(local, 0);
            if by_address.keys().any(|to| to.is_ipv4() == local.is_ipv4()) {
                sockets.push(Door {
                    is_ipv4: local.is_ipv4(),
                    socket: socket(local).map_err(failed)?,
                });
            }
        }
        Ok(Self {
            poller: Poller::new(devices, salt),
            sockets,
            by_address,
            clock: Instant::now(),
            datagram: vec![0; DATAGRAM_OCTETS].into_boxed_slice(),
        })
    }

    /// The agents, in the order of the devices.
    pub fn targets(&self) -> &[Target] {
        self.poller.targets()
    }

    /// What was not heard.
    pub fn unheard(&self) -> Unheard {
        self.poller.unheard()
    }

    /// The clock of all stamps: it began when this was made.
    pub fn now(&self) -> Monotonic {
        Monotonic(i64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }

    /// One round of all agents: returns when each has answered or was given up.
    ///
    /// # Errors
    /// When the kernel refuses to wait. What cannot be sent counts as lost, and is repeated.
    pub fn round(&mut self, lane: Lane) -> Result<(), PollError> {
        let now = self.now();
        for target in 0..self.poller.targets().len() {
            self.poller.begin(target, lane, now);
        }
        let descriptors: Vec<RawFd> = self
            .sockets
            .iter()
            .map(|door| door.socket.as_raw_fd())
            .collect();
        let mut ready: Vec<Readiness> = Vec::new();
        loop {
            self.send();
            if !self.poller.is_running() {
                return Ok(());
            }
            let now = self.now();
            let at_most = self
                .poller
                .next_deadline()
                .map_or(Nanos::ZERO, |deadline| deadline - now);
            wait(&descriptors, &mut ready, at_most).map_err(|source| PollError::Wait { source })?;
            for (k, readiness) in ready.iter().enumerate() {
                if readiness.data || readiness.errors {
                    self.read(k);
                }
            }
            let now = self.now();
            self.poller.handle_timeout(now);
        }
    }

    fn send(&mut self) {
        loop {
            let now = self.now();
            let Some(transmit) = self.poller.poll_transmit(now) else {
                return;
            };
            let door = self
                .sockets
                .iter()
                .find(|door| door.is_ipv4 == transmit.to.is_ipv4())
                .expect("a socket was opened for each family of the devices");
            // What is not sent is not answered, and is repeated like what was lost.
            let _sent = door.socket.send_to(transmit.datagram, transmit.to);
        }
    }

    fn read(&mut self, door: usize) {
        for _ in 0..TURN {
            // An agent that is not there is told of by ICMP here; its request will have no answer.
            let Ok((octets, from)) = self.sockets[door].socket.recv_from(&mut self.datagram) else {
                return;
            };
            let target = self.by_address.get(&from).copied();
            let now = self.now();
            self.poller.handle(target, &self.datagram[..octets], now);
        }
    }
}

fn socket(local: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The kernel gives as much as it allows (net.core.rmem_max); with less, more answers are repeated.
    socket.set_recv_buffer_size(BUFFER_OCTETS)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(local))?;
    Ok(socket.into())
}
