//! The session-reflector on plain threads.
//!
//! T2 is the kernel's receive stamp. T3 is read in user space right before the
//! send call, so the packet leaves a little later than it says; the kernel's
//! transmit stamp then tells how much later, and the next reply of the session
//! carries it to whoever asks (Follow-Up Telemetry, RFC 8972, section 4.7).
//!
//! Threads share nothing while they reflect: each has a socket of its own for
//! every address (SO_REUSEPORT), and the kernel gives a session, by its
//! addresses and ports, always to the same one.
//!
//! Where it is asked for, base packets never come to a thread: `xdp` answers
//! them in the driver.

mod awaited;
mod engine;
mod repeats;
mod settings;
mod stats;
mod turn;
mod worker;
mod xdp;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use owl_measure::sample::StampSource;
use owl_measure::time::Nanos;
use owl_protocol::session::SessionReflector;
use owl_protocol::session::reflector::{Rations, ReflectorConfig};

use self::worker::Worker;
use self::xdp::XdpReflector;
use crate::clock::Clock;
use crate::interface::interfaces;
use crate::net::{SocketError, StampedSocket, Stamping, ThreadError, pin_to, real_time};

pub use engine::{Memory, Priority, ReflectorEngine, THREADS_MAX};
pub use settings::{REPLY_COUNT_MAX, REPLY_OCTETS_MAX, ReflectorSettings, sync_source};
pub use stats::{ReflectorReading, ReflectorStats};
pub use xdp::XdpError;

/// UDP port of STAMP session-reflectors (RFC 8762, section 4.1; RFC 8545).
pub const STAMP_PORT: u16 = 862;
/// Where `owl reflect` listens when it may not have 862.
pub const HIGH_PORT: u16 = 18_862;

/// The reflector cannot be had, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReflectorError {
    /// A socket cannot be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A thread cannot run where or as it should.
    #[error(transparent)]
    Thread(#[from] ThreadError),
    /// It cannot work in a driver.
    #[error(transparent)]
    Xdp(#[from] XdpError),
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Start(#[source] io::Error),
    /// The kernel refuses to wait for packets.
    #[error("cannot wait for packets")]
    Wait(#[source] io::Error),
}

/// A reflector that is bound and proved, ready to run.
#[derive(Debug)]
pub struct Reflector {
    workers: Vec<Worker>,
    engine: ReflectorEngine,
    stamping: Stamping,
}

impl Reflector {
    /// Binds the given addresses, to run as by default.
    ///
    /// # Errors
    /// As [`Reflector::bind_with`].
    pub fn bind(addresses: &[SocketAddr], clock: Clock) -> Result<Self, ReflectorError> {
        Self::bind_with(addresses, &ReflectorEngine::default(), clock)
    }

    /// Binds the given addresses and proves their stamps by a real send; the worst of them counts.
    ///
    /// # Errors
    /// When an address cannot be bound, or a thread could not run as it should.
    pub fn bind_with(
        addresses: &[SocketAddr],
        engine: &ReflectorEngine,
        clock: Clock,
    ) -> Result<Self, ReflectorError> {
        can_run(engine)?;
        let threads = engine.threads.clamp(1, THREADS_MAX);
        let mut stamping = Stamping {
            transmit: StampSource::Hardware,
            receive: StampSource::Hardware,
        };
        let mut sockets: Vec<_> = (0..threads).map(|_| Vec::new()).collect();
        for &address in addresses {
            // Alone at first, so that a program that listens there already is noticed, and so that the proof comes back
            // to the socket that sent it.
            let mut first = StampedSocket::bind(address, clock)?;
            // Where even a datagram to oneself cannot be sent, no stamp is proved.
            let proved = first.prove().unwrap_or(Stamping {
                transmit: StampSource::User,
                receive: StampSource::User,
            });
            stamping.transmit = stamping.transmit.max(proved.transmit);
            stamping.receive = stamping.receive.max(proved.receive);
            let others = (1..threads)
                .map(|_| first.bind_beside())
                .collect::<Result<Vec<_>, _>>()?;
            for (sockets, mut socket) in sockets.iter_mut().zip([first].into_iter().chain(others)) {
                if engine.memory == Memory::Stateless {
                    socket.without_transmit_stamps()?;
                }
                sockets.push(socket);
            }
        }
        if engine.memory == Memory::Stateless {
            stamping.transmit = StampSource::User;
        }
        let settings = ReflectorSettings::default();
        let part = share(&settings, engine, Vec::new(), clock);
        let worker = |sockets| Worker {
            sockets,
            table: SessionReflector::new(part.clone()),
            clock,
            receive: stamping.receive,
            memory: engine.memory,
            settings: settings.clone(),
            xdp: None,
        };
        let mut reflector = Self {
            workers: sockets.into_iter().map(worker).collect(),
            engine: engine.clone(),
            stamping,
        };
        if let Some(interface) = &engine.xdp {
            let xdp = reflector.in_driver(interface, part.seed)?;
            if let Some(worker) = reflector.workers.first_mut() {
                worker.xdp = Some(xdp);
            }
        }
        Ok(reflector)
    }

    /// The program for the driver of an interface. It answers at the port of the first address, and where the threads
    /// listen.
    fn in_driver(&self, interface: &str, seed: u64) -> Result<XdpReflector, XdpError> {
        let local = self.local();
        let port = local.first().map_or(STAMP_PORT, SocketAddr::port);
        let everywhere = local.iter().any(|local| local.ip().is_unspecified());
        let addresses: Vec<_> = local
            .iter()
            .filter(|local| local.port() == port && !everywhere)
            .map(SocketAddr::ip)
            .collect();
        XdpReflector::attach(interface, &addresses, port, Rations::default(), seed)
    }

    /// One that does as its operator says. Ask before it runs: it forgets its sessions.
    #[must_use]
    pub fn provisioned(mut self, settings: ReflectorSettings) -> Self {
        // From another address than it is bound to, a socket cannot answer.
        let everywhere = self.local().iter().all(|local| local.ip().is_unspecified());
        let addresses = if everywhere {
            let interfaces = interfaces().into_iter();
            interfaces.flat_map(|it| it.addresses).collect()
        } else {
            Vec::new()
        };
        for worker in &mut self.workers {
            let part = share(&settings, &self.engine, addresses.clone(), worker.clock);
            worker.table = SessionReflector::new(part);
            worker.settings = settings.clone();
        }
        self
    }

    /// Binds every address of the host on `port`: IPv4, and IPv6 where the host has it.
    ///
    /// # Errors
    /// When neither family can be bound.
    pub fn bind_all(
        port: u16,
        engine: &ReflectorEngine,
        clock: Clock,
    ) -> Result<Self, ReflectorError> {
        let v4 = SocketAddr::from(([0, 0, 0, 0], port));
        let v6 = SocketAddr::from(([0_u16; 8], port));
        match Self::bind_with(&[v4, v6], engine, clock) {
            Ok(both) => Ok(both),
            Err(error) => Self::bind_with(&[v4], engine, clock).map_err(|_| error),
        }
    }

    /// Where it listens.
    pub fn local(&self) -> Vec<SocketAddr> {
        let sockets = self.workers.iter().take(1).flat_map(|it| &it.sockets);
        sockets.map(StampedSocket::local).collect()
    }

    /// Which stamps were proved; a stateless reflector asks for none on transmit.
    pub fn stamping(&self) -> Stamping {
        self.stamping
    }

    /// How many threads it will run.
    pub fn threads(&self) -> usize {
        self.workers.len()
    }

    /// Reflects until told to stop, on threads of its own. `claim` is asked now and then for the bound that the Error
    /// Estimate tells.
    ///
    /// # Errors
    /// When a thread cannot be started, cannot run as it should, or cannot wait for packets; the others are stopped then.
    pub fn run(
        self,
        stats: &ReflectorStats,
        stop: &AtomicBool,
        claim: impl Fn() -> Option<Nanos> + Sync,
    ) -> Result<(), ReflectorError> {
        let Self {
            workers, engine, ..
        } = self;
        if let Some(interface) = &engine.xdp
            && !workers.iter().all(|worker| worker.settings.is_open())
        {
            return Err(ReflectorError::Xdp(XdpError::Provisioned {
                interface: interface.clone(),
            }));
        }
        let (claim, ended) = (&claim, &AtomicBool::new(false));
        let run = |number: usize, worker: Worker, processor: Option<usize>| {
            // However one thread ends, the others must not reflect a part of the sessions as if nothing had happened.
            let _ending = Ending(ended);
            settle(processor, engine.priority)?;
            let stop = || stop.load(Relaxed) || ended.load(Relaxed);
            worker
                .run(stats.block(number), stop, claim)
                .map_err(ReflectorError::Wait)
        };
        let run = &run;
        thread::scope(|scope| {
            let mut threads = Vec::with_capacity(workers.len());
            let mut result = Ok(());
            let processors = engine.pin.iter().copied().map(Some).cycle();
            // Without processors to keep to, each thread has none.
            let processors = processors.chain(std::iter::repeat(None));
            for ((number, worker), processor) in workers.into_iter().enumerate().zip(processors) {
                let thread = thread::Builder::new()
                    .name(format!("reflector-{number}"))
                    .spawn_scoped(scope, move || run(number, worker, processor));
                match thread {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        ended.store(true, Relaxed);
                        result = Err(ReflectorError::Start(error));
                        break;
                    }
                }
            }
            for thread in threads {
                let ended = thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                result = result.and(ended);
            }
            result
        })
    }
}

/// One thread's part of a reflector with these settings. `addresses` are this host's.
fn share(
    settings: &ReflectorSettings,
    engine: &ReflectorEngine,
    addresses: Vec<IpAddr>,
    clock: Clock,
) -> ReflectorConfig {
    // Any number that strangers do not know will do.
    let seed = clock.now().0.cast_unsigned() ^ u64::from(std::process::id());
    let whole = settings.config(engine.memory, addresses, seed);
    whole.share_of(engine.threads.clamp(1, THREADS_MAX))
}

/// Lets the calling thread run where and before whom it should.
fn settle(processor: Option<usize>, priority: Priority) -> Result<(), ThreadError> {
    if let Some(processor) = processor {
        pin_to(processor)?;
    }
    match priority {
        Priority::Ordinary => Ok(()),
        Priority::RealTime => real_time(),
    }
}

/// Tries what is wanted of threads on one that does nothing else, so that a mistake is told at the start.
fn can_run(engine: &ReflectorEngine) -> Result<(), ReflectorError> {
    let attempt = || {
        let mut processors = engine.pin.iter();
        processors.try_for_each(|&processor| settle(Some(processor), Priority::Ordinary))?;
        settle(None, engine.priority)
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .spawn_scoped(scope, attempt)
            .map_err(ReflectorError::Start)?;
        let tried = thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        tried.map_err(ReflectorError::Thread)
    })
}

/// Tells that a thread has ended, in whichever way.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests;
