//! Sockets and a thread for simulated OLTs.

use std::collections::BinaryHeap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use owl_measure::time::{Monotonic, Nanos};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

use super::{Agent, Options};

/// Answers that are on their way; what comes beyond that is lost, as in a full queue.
const ON_THE_WAY_MAX: usize = 65_536;
/// What is read of one socket before the others have their turn.
const TURN: usize = 64;
/// How often the thread looks whether it is to end.
const LOOK: Nanos = Nanos::from_millis(50);

/// OLTs that answer until they are dropped.
#[derive(Debug)]
pub struct Olts {
    addresses: Vec<SocketAddr>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Olts {
    /// Starts as many as there are ports from `first_port` on; 0 takes free ones.
    ///
    /// # Errors
    /// When a port is taken, or no thread can be started.
    pub fn start(
        options: &Options,
        count: u32,
        address: IpAddr,
        first_port: u16,
    ) -> io::Result<Self> {
        let clock = Instant::now();
        let mut doors = Vec::new();
        let mut addresses = Vec::new();
        for number in 0..count {
            let port = match first_port {
                0 => 0,
                first => u16::try_from(u32::from(first) + number).map_err(|_| {
                    io::Error::new(io::ErrorKind::InvalidInput, "there is no port above 65535")
                })?,
            };
            let socket = UdpSocket::bind((address, port))?;
            socket.set_nonblocking(true)?;
            addresses.push(socket.local_addr()?);
            doors.push(Door {
                socket,
                agent: Agent::new(options.clone(), number, Monotonic(0)),
                free_at: Monotonic(0),
            });
        }
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let thread = std::thread::Builder::new()
            .name("olt".to_owned())
            .spawn(move || Shell::new(doors, clock).run(&stop))?;
        Ok(Self {
            addresses,
            stopped,
            thread: Some(thread),
        })
    }

    /// Where they are.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Olts {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it ended with, nobody asks any more.
            let _ended = thread.join();
        }
    }
}

struct Door {
    socket: UdpSocket,
    agent: Agent,
    /// When the agent has worked off what came so far.
    free_at: Monotonic,
}

/// An answer on its way; the earliest is the greatest.
struct Answer {
    due: Monotonic,
    order: u64,
    door: usize,
    to: SocketAddr,
    octets: Vec<u8>,
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Answer {}

impl PartialOrd for Answer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Answer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due.0, other.order).cmp(&(self.due.0, self.order))
    }
}

struct Shell {
    doors: Vec<Door>,
    clock: Instant,
    on_the_way: BinaryHeap<Answer>,
    order: u64,
    random: Pcg64Mcg,
}

impl Shell {
    fn new(doors: Vec<Door>, clock: Instant) -> Self {
        Self {
            doors,
            clock,
            on_the_way: BinaryHeap::new(),
            order: 0,
            random: Pcg64Mcg::seed_from_u64(1),
        }
    }

    fn now(&self) -> Monotonic {
        Monotonic(i64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }

    fn run(mut self, stopped: &AtomicBool) -> io::Result<()> {
        let descriptors: Vec<_> = self
            .doors
            .iter()
            .map(|door| door.socket.as_raw_fd())
            .collect();
        let mut ready = Vec::new();
        let mut datagram = vec![0; 65_536];
        while !stopped.load(Ordering::Relaxed) {
            let now = self.now();
            let wait = self
                .on_the_way
                .peek()
                .map_or(LOOK, |answer| (answer.due - now).min(LOOK));
            owl_probe::net::wait(&descriptors, &mut ready, wait)?;
            for (door, readiness) in ready.iter().enumerate() {
                if readiness.data || readiness.errors {
                    self.read(door, &mut datagram);
                }
            }
            self.send();
        }
        Ok(())
    }

    fn read(&mut self, k: usize, datagram: &mut [u8]) {
        for _ in 0..TURN {
            // A refusal of an earlier answer (ICMP) is reported here once, and is nobody's loss.
            let Ok((octets, from)) = self.doors[k].socket.recv_from(datagram) else {
                return;
            };
            let now = self.now();
            let door = &mut self.doors[k];
            let options = door.agent.options();
            let (round_trip, service) = (options.round_trip, options.service);
            let loss_ppm = options.loss_ppm;
            let mut lost = || self.random.next_u32() % 1_000_000 < loss_ppm;
            let lost = lost() || lost();
            if lost || self.on_the_way.len() >= ON_THE_WAY_MAX {
                continue;
            }
            let half = Nanos(round_trip.0 / 2);
            let begun = Monotonic((now + half).0.max(door.free_at.0));
            let Some((answer, bindings)) = door.agent.answer(&datagram[..octets], begun) else {
                continue;
            };
            let octets = answer.to_vec();
            door.free_at = begun + service.times(i64::try_from(bindings).unwrap_or(i64::MAX));
            self.order += 1;
            self.on_the_way.push(Answer {
                due: door.free_at + half,
                order: self.order,
                door: k,
                to: from,
                octets,
            });
        }
    }

    fn send(&mut self) {
        let now = self.now();
        while let Some(answer) = self.on_the_way.peek()
            && answer.due <= now
        {
            // A full buffer loses it, as a network would.
            let _sent = self.doors[answer.door]
                .socket
                .send_to(&answer.octets, answer.to);
            self.on_the_way.pop();
        }
    }
}
