//! The session-reflector on a plain thread.
//!
//! T2 is the kernel's receive stamp. T3 is read in user space right before the
//! send call, so the packet leaves a little later than it says; the kernel's
//! transmit stamp then tells how much later, and the next reply of the session
//! carries it to whoever asks (Follow-Up Telemetry, RFC 8972, section 4.7).

mod settings;

pub use settings::{REPLY_OCTETS_MAX, ReflectorSettings, sync_source};

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use owl_measure::sample::StampSource;
use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::session::SessionReflector;
use owl_protocol::session::reflector::{ReflectorClock, ReflectorCounts, ReplyToken, Request};
use owl_protocol::wire::ErrorEstimate;
use owl_protocol::wire::tlv::{TimestampInformation, TimestampMethod};

use crate::clock::Clock;
use crate::interface::interfaces;
use crate::net::{
    Answer, Exchange, Readiness, Received, SocketError, StampedSocket, Stamping, TransmitStamp,
    set_timer_slack, wait,
};

/// UDP port of STAMP session-reflectors (RFC 8762, section 4.1; RFC 8545).
pub const STAMP_PORT: u16 = 862;
/// Where `owl reflect` listens when it may not have 862.
pub const HIGH_PORT: u16 = 18_862;
/// Batches taken from one socket before the next one has its turn.
const TURN: usize = 4;
/// Sends whose transmit stamp is awaited; the oldest is given up at the bound.
const AWAITED_MAX: usize = 256;
/// How often the thread looks whether it should stop and what its clock claims.
const LOOK_AROUND: Nanos = Nanos::from_millis(200);

/// What a reflector has done so far; written by its thread, read by anyone.
#[derive(Debug, Default)]
pub struct ReflectorStats {
    reflected: AtomicU64,
    malformed: AtomicU64,
    unprovisioned: AtomicU64,
    unauthentic: AtomicU64,
    replayed: AtomicU64,
    rationed: AtomicU64,
    table_full: AtomicU64,
    unwanted: AtomicU64,
    wrong_member_link: AtomicU64,
    unsent: AtomicU64,
    t3_stamped: AtomicU64,
    t3_early_ns_total: AtomicU64,
    t3_early_ns_max: AtomicU64,
}

/// A reading of [`ReflectorStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReflectorReading {
    /// Fates of the datagrams.
    pub counts: ReflectorCounts,
    /// Replies that the kernel did not take.
    pub unsent: u64,
    /// Replies whose kernel transmit stamp was delivered.
    pub t3_stamped: u64,
    /// By how much T3 was early, summed over those.
    pub t3_early_total: Nanos,
    /// By how much it was early at most.
    pub t3_early_max: Nanos,
}

impl ReflectorStats {
    /// What it stands at.
    pub fn read(&self) -> ReflectorReading {
        let ns = |value: &AtomicU64| Nanos(i64::try_from(value.load(Relaxed)).unwrap_or(i64::MAX));
        ReflectorReading {
            counts: ReflectorCounts {
                reflected: self.reflected.load(Relaxed),
                malformed: self.malformed.load(Relaxed),
                unprovisioned: self.unprovisioned.load(Relaxed),
                unauthentic: self.unauthentic.load(Relaxed),
                replayed: self.replayed.load(Relaxed),
                rationed: self.rationed.load(Relaxed),
                table_full: self.table_full.load(Relaxed),
                unwanted: self.unwanted.load(Relaxed),
                wrong_member_link: self.wrong_member_link.load(Relaxed),
            },
            unsent: self.unsent.load(Relaxed),
            t3_stamped: self.t3_stamped.load(Relaxed),
            t3_early_total: ns(&self.t3_early_ns_total),
            t3_early_max: ns(&self.t3_early_ns_max),
        }
    }
}

/// A reflector that is bound and proved, ready to run.
#[derive(Debug)]
pub struct Reflector {
    sockets: Vec<StampedSocket>,
    clock: Clock,
    stamping: Stamping,
    table: SessionReflector,
    settings: ReflectorSettings,
}

impl Reflector {
    /// Binds the given addresses and proves their stamps by a real send; the worst of them counts.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub fn bind(addresses: &[SocketAddr], clock: Clock) -> Result<Self, SocketError> {
        let mut sockets = Vec::with_capacity(addresses.len());
        let mut stamping = Stamping {
            transmit: StampSource::Hardware,
            receive: StampSource::Hardware,
        };
        for &address in addresses {
            let mut socket = StampedSocket::bind(address, clock)?;
            // Where even a datagram to oneself cannot be sent, no stamp is proved.
            let proved = socket.prove().unwrap_or(Stamping {
                transmit: StampSource::User,
                receive: StampSource::User,
            });
            stamping.transmit = stamping.transmit.max(proved.transmit);
            stamping.receive = stamping.receive.max(proved.receive);
            sockets.push(socket);
        }
        let settings = ReflectorSettings::default();
        Ok(Self {
            sockets,
            clock,
            stamping,
            table: settings.table(clock, Vec::new()),
            settings,
        })
    }

    /// One that does as its operator says. Ask before it runs: it forgets its sessions.
    #[must_use]
    pub fn provisioned(self, settings: ReflectorSettings) -> Self {
        // From another address than it is bound to, a socket cannot answer.
        let everywhere = self.local().iter().all(|local| local.ip().is_unspecified());
        let addresses = if everywhere {
            interfaces()
                .into_iter()
                .flat_map(|it| it.addresses)
                .collect()
        } else {
            Vec::new()
        };
        Self {
            table: settings.table(self.clock, addresses),
            settings,
            ..self
        }
    }

    /// Binds every address of the host on `port`: IPv4, and IPv6 where the host has it.
    ///
    /// # Errors
    /// When neither family can be bound.
    pub fn bind_all(port: u16, clock: Clock) -> Result<Self, SocketError> {
        let v4 = SocketAddr::from(([0, 0, 0, 0], port));
        let v6 = SocketAddr::from(([0_u16; 8], port));
        match Self::bind(&[v4, v6], clock) {
            Ok(both) => Ok(both),
            Err(error) => Self::bind(&[v4], clock).map_err(|_| error),
        }
    }

    /// Where it listens.
    pub fn local(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(StampedSocket::local).collect()
    }

    /// Which stamps were proved.
    pub fn stamping(&self) -> Stamping {
        self.stamping
    }

    /// Reflects until told to stop. `claim` is asked now and then for the bound that the Error Estimate tells.
    ///
    /// # Errors
    /// When the kernel refuses to wait for packets.
    pub fn run(
        mut self,
        stats: &ReflectorStats,
        stop: &AtomicBool,
        claim: impl Fn() -> Option<Nanos>,
    ) -> io::Result<()> {
        set_timer_slack();
        let descriptors: Vec<_> = self
            .sockets
            .iter()
            .map(|socket| socket.as_raw_fd())
            .collect();
        let mut ready = Vec::<Readiness>::new();
        let mut awaited: Vec<Awaited> = self.sockets.iter().map(|_| Awaited::default()).collect();
        let mut room = Exchange::new();
        let mut look_around = self.clock.monotonic();
        let mut told = self.clock_told(None);
        let mut keys_seen = 0;
        while !stop.load(Relaxed) {
            if self.clock.monotonic() >= look_around {
                // A receive stamp taken in user space has no bound, and so neither has anything made from it.
                let claim = if self.stamping.receive == StampSource::User {
                    None
                } else {
                    claim()
                };
                told = self.clock_told(claim);
                if let Some(keys) = self.settings.keys.since(&mut keys_seen) {
                    self.table.handle_new_keys(keys);
                }
                look_around = self.clock.monotonic() + LOOK_AROUND;
            }
            wait(&descriptors, &mut ready, LOOK_AROUND)?;
            for (k, readiness) in ready.iter().enumerate() {
                if readiness.data {
                    self.serve(k, &mut room, &told, &mut awaited[k], stats);
                }
                awaited[k].collect(&self.sockets[k], &mut room, &mut self.table, stats);
            }
            publish(self.table.counts(), stats);
        }
        Ok(())
    }

    /// What replies tell of the clock: the claim, and how T2 and T3 are taken. T3 as it stands in a reply is software's.
    fn clock_told(&self, claim: Option<Nanos>) -> ReflectorClock {
        let method_in = match self.stamping.receive {
            StampSource::Hardware => TimestampMethod::HARDWARE,
            StampSource::Kernel | StampSource::User => TimestampMethod::SOFTWARE,
        };
        ReflectorClock {
            error_estimate: ErrorEstimate::claim(claim).with_format(self.settings.format),
            tai_offset: self.settings.tai_offset,
            information: TimestampInformation {
                source_in: self.settings.sync_source,
                method_in,
                source_out: self.settings.sync_source,
                method_out: TimestampMethod::SOFTWARE,
            },
        }
    }

    fn serve(
        &mut self,
        k: usize,
        room: &mut Exchange<Note>,
        told: &ReflectorClock,
        awaited: &mut Awaited,
        stats: &ReflectorStats,
    ) {
        let (clock, table) = (self.clock, &mut self.table);
        let socket = &mut self.sockets[k];
        let local = socket.local();
        for _ in 0..TURN {
            let now = clock.monotonic();
            let answer = |received: &Received, room: &mut [u8]| {
                let destination =
                    SocketAddr::new(received.destination.unwrap_or(local.ip()), local.port());
                let request = Request {
                    octets: received.octets,
                    source: received.source,
                    destination,
                    ttl: received.ttl,
                    traffic_class: received.traffic_class.unwrap_or(0),
                    received_at: received.stamp.at,
                    interface: None,
                    member_link: None,
                };
                let reply = table.handle(now, &request, told, room).ok()?;
                let from = reply
                    .from
                    .or(local.ip().is_unspecified().then_some(destination.ip()));
                let (octets, to, from) = (reply.octets, reply.to, usable(from));
                let mark = Some(reply.traffic_class).filter(|&class| class != 0);
                let t3 = clock.now();
                reply.seal(room, t3);
                Some(Answer {
                    octets,
                    to,
                    from,
                    mark,
                    note: (t3, reply.token),
                })
            };
            // An error here is one the network made (an ICMP message); the next datagram is not its fault.
            let exchanged = socket.exchange(room, answer, |id, note| awaited.sent(id, note));
            let Ok(exchanged) = exchanged else { return };
            stats.unsent.fetch_add(exchanged.refused as u64, Relaxed);
            awaited.collect(socket, room, table, stats);
            if !exchanged.full {
                return;
            }
        }
    }
}

/// A broadcast or multicast destination cannot be a source.
fn usable(from: Option<IpAddr>) -> Option<IpAddr> {
    from.filter(|ip| !ip.is_multicast() && *ip != IpAddr::from([255, 255, 255, 255]))
}

fn publish(counts: ReflectorCounts, stats: &ReflectorStats) {
    stats.reflected.store(counts.reflected, Relaxed);
    stats.malformed.store(counts.malformed, Relaxed);
    stats.unprovisioned.store(counts.unprovisioned, Relaxed);
    stats.unauthentic.store(counts.unauthentic, Relaxed);
    stats.replayed.store(counts.replayed, Relaxed);
    stats.rationed.store(counts.rationed, Relaxed);
    stats.table_full.store(counts.table_full, Relaxed);
    stats.unwanted.store(counts.unwanted, Relaxed);
    stats
        .wrong_member_link
        .store(counts.wrong_member_link, Relaxed);
}

/// Sends whose kernel stamp has not come yet, with the T3 that they carry.
#[derive(Debug, Default)]
struct Awaited(std::collections::VecDeque<(u32, Note)>);

/// T3 as a reply carries it, and what entitles to tell the kernel's.
type Note = (Timestamp, Option<ReplyToken>);

impl Awaited {
    fn sent(&mut self, id: u32, note: Note) {
        if self.0.len() >= AWAITED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((id, note));
    }

    fn collect(
        &mut self,
        socket: &StampedSocket,
        room: &mut Exchange<Note>,
        table: &mut SessionReflector,
        stats: &ReflectorStats,
    ) {
        // An error here is the network's, as above; stamps that are lost with it are missing in the count.
        let _ = socket.transmit_stamps(room, |stamp| self.stamped(stamp, table, stats));
    }

    fn stamped(
        &mut self,
        stamp: TransmitStamp,
        table: &mut SessionReflector,
        stats: &ReflectorStats,
    ) {
        // Numbers wrap; one that is ahead of the stamp waits for its own.
        while let Some((id, (t3, token))) = self
            .0
            .pop_front_if(|(id, ..)| id.wrapping_sub(stamp.id).cast_signed() <= 0)
        {
            if id == stamp.id {
                if let Some(token) = token {
                    table.handle_transmitted(token, stamp.stamp);
                }
                let early = u64::try_from((stamp.stamp.at - t3).0).unwrap_or(0);
                stats.t3_stamped.fetch_add(1, Relaxed);
                stats.t3_early_ns_total.fetch_add(early, Relaxed);
                stats.t3_early_ns_max.fetch_max(early, Relaxed);
            }
        }
    }
}
