//! One thread of a session-reflector, with sockets, sessions and rations of its own.

use std::io;
use std::os::fd::AsRawFd;

use owl_measure::sample::StampSource;
use owl_measure::time::Nanos;
use owl_protocol::session::SessionReflector;
use owl_protocol::session::reflector::ReflectorClock;
use owl_protocol::wire::ErrorEstimate;
use owl_protocol::wire::tlv::{TimestampInformation, TimestampMethod};

use super::awaited::{Awaited, Note};
use super::repeats::Repeats;
use super::stats::Block;
use super::turn::{Turn, Waiting};
use super::xdp::XdpReflector;
use super::{Memory, ReflectorReading, ReflectorSettings};
use crate::clock::Clock;
use crate::net::{self, BATCH, Exchange, StampedSocket, set_timer_slack};

/// Batches taken from one socket before the next one has its turn.
const TURN: usize = 4;
/// How often a thread looks whether it should stop, what its clock claims, whether its keys have changed, and what
/// its sockets dropped.
const LOOK_AROUND: Nanos = Nanos::from_millis(200);

/// One thread's share of a reflector.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) sockets: Vec<StampedSocket>,
    pub(super) table: SessionReflector,
    pub(super) clock: Clock,
    /// Which receive stamps were proved.
    pub(super) receive: StampSource,
    /// What it remembers; only with sessions do its sockets ask the kernel for stamps of replies.
    pub(super) memory: Memory,
    pub(super) settings: ReflectorSettings,
    /// The program in a driver, which this thread tells its clock.
    pub(super) xdp: Option<XdpReflector>,
}

/// What changes while a thread runs.
struct Running<'a> {
    room: Exchange<Note>,
    /// One a socket, when transmit stamps are awaited.
    awaited: Vec<Awaited>,
    waiting: Vec<Waiting>,
    repeats: Repeats,
    /// What each socket had dropped when it was looked at.
    dropped: Vec<u32>,
    reading: ReflectorReading,
    told: ReflectorClock,
    block: &'a Block,
}

impl Worker {
    /// Reflects until told to stop. `claim` is asked now and then for the bound that the Error Estimate tells.
    ///
    /// # Errors
    /// When the kernel refuses to wait for packets.
    pub(super) fn run(
        mut self,
        block: &Block,
        stop: impl Fn() -> bool,
        claim: impl Fn() -> Option<Nanos>,
    ) -> io::Result<()> {
        set_timer_slack();
        let mut requests = net::Waiting::on(self.sockets.iter().map(AsRawFd::as_raw_fd));
        let awaiting = match self.memory {
            Memory::Stateful => self.sockets.len(),
            Memory::Stateless => 0,
        };
        let mut running = Running {
            room: Exchange::new(),
            awaited: (0..awaiting).map(|_| Awaited::new()).collect(),
            waiting: Vec::with_capacity(BATCH),
            repeats: Repeats::default(),
            dropped: vec![0; self.sockets.len()],
            reading: ReflectorReading::default(),
            told: self.clock_told(None),
            block,
        };
        let mut keys_seen = 0;
        let mut look_around = self.clock.monotonic();
        let mut waited = Ok(());
        while waited.is_ok() && !stop() {
            if self.clock.monotonic() >= look_around {
                // A receive stamp taken in user space has no bound, and so neither has anything made from it.
                let claim = if self.receive == StampSource::User {
                    None
                } else {
                    claim()
                };
                running.told = self.clock_told(claim);
                if let Some(keys) = self.settings.keys.since(&mut keys_seen) {
                    self.table.handle_new_keys(keys);
                }
                if let Some(xdp) = &self.xdp {
                    xdp.tell(running.told.error_estimate);
                }
                self.count_dropped(&mut running);
                look_around = self.clock.monotonic() + LOOK_AROUND;
            }
            self.repeat(&mut running);
            let due = running.repeats.next_due();
            let rest = due.map_or(LOOK_AROUND, |due| due - self.clock.monotonic());
            waited = requests.wait(rest.min(LOOK_AROUND));
            for k in 0..self.sockets.len() {
                let ready = requests.ready(k);
                if ready.data {
                    self.serve(k, &mut running);
                }
                let awaiting = running.awaited.get(k).is_some_and(Awaited::is_waiting);
                if ready.errors || awaiting {
                    self.collect(k, &mut running);
                }
            }
            self.count(&mut running);
            running.block.tell(&running.reading);
        }
        self.count(&mut running);
        self.count_dropped(&mut running);
        running.block.tell_last(&running.reading);
        waited
    }

    /// What replies tell of the clock: the claim, and how T2 and T3 are taken. T3 as it stands in a reply is software's.
    fn clock_told(&self, claim: Option<Nanos>) -> ReflectorClock {
        let method_in = match self.receive {
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

    fn count(&self, running: &mut Running<'_>) {
        let reading = &mut running.reading;
        reading.counts = self.table.counts();
        reading.bundled = running.room.bundled();
        let one_by_one = self.sockets.iter().filter(|socket| !socket.bundles());
        reading.bundles_refused = one_by_one.count() as u64;
        if let Some(xdp) = &self.xdp {
            let in_driver = xdp.counts();
            reading.counts.reflected += in_driver.reflected;
            reading.counts.rationed += in_driver.rationed;
            reading.reflected_in_driver = in_driver.reflected;
        }
    }

    fn count_dropped(&self, running: &mut Running<'_>) {
        for (socket, before) in self.sockets.iter().zip(&mut running.dropped) {
            // A kernel that does not tell (before Linux 4.12) leaves the count where it was.
            if let Ok(now) = socket.dropped() {
                running.reading.dropped += u64::from(now.wrapping_sub(*before));
                *before = now;
            }
        }
    }

    /// Sends again what is due. What was slept through is not caught up with: a copy follows the one before it at the wanted
    /// distance or later.
    fn repeat(&mut self, running: &mut Running<'_>) {
        let now = self.clock.monotonic();
        while let Some(mut repeat) = running.repeats.pop_due(now) {
            let (reply, datagram) = (&mut repeat.reply, &mut repeat.datagram);
            if self.table.repeat(reply, datagram).is_none() {
                continue;
            }
            let t3 = self.clock.now();
            reply.seal(datagram, t3);
            let class = Some(reply.traffic_class).filter(|&class| class != 0);
            let socket = &mut self.sockets[repeat.socket];
            let sent = socket.send_marked(datagram, reply.to, repeat.from, reply.interface, class);
            let (token, awaited) = (reply.token.take(), running.awaited.get_mut(repeat.socket));
            match (sent, awaited) {
                (Ok(id), Some(awaited)) => awaited.sent(id, (t3, token)),
                (Ok(_), None) => {}
                (Err(_), awaited) => {
                    running.reading.unsent += 1;
                    if let Some(awaited) = awaited {
                        awaited.renumbered();
                    }
                }
            }
            let (left, distance) = reply.copies;
            if left > 1 {
                repeat.due = now + distance;
                // It has just left its place.
                running.repeats.push(repeat);
            }
        }
    }

    /// Takes the transmit stamps that have come.
    fn collect(&mut self, k: usize, running: &mut Running<'_>) {
        if let Some(awaited) = running.awaited.get_mut(k) {
            let (table, reading) = (&mut self.table, &mut running.reading);
            // An error here is the network's (an ICMP message); stamps that are lost with it are missing in the count.
            let _ = self.sockets[k].transmit_stamps(&mut running.room, |stamp| {
                awaited.stamped(stamp, table, reading);
            });
            running.waiting.clear();
        }
    }

    fn serve(&mut self, k: usize, running: &mut Running<'_>) {
        running.waiting.clear();
        for _ in 0..TURN {
            let socket = &mut self.sockets[k];
            let mut turn = Turn {
                table: &mut self.table,
                awaited: running.awaited.get_mut(k),
                reading: &mut running.reading,
                waiting: &mut running.waiting,
                repeats: &mut running.repeats,
                socket: k,
                told: &running.told,
                clock: self.clock,
                now: self.clock.monotonic(),
                local: socket.local(),
                member_link: self.settings.member_link,
            };
            // An error here is one the network made (an ICMP message); the next datagram is not its fault.
            let Ok(exchanged) = socket.exchange(&mut running.room, &mut turn) else {
                return;
            };
            running.reading.unsent += exchanged.refused as u64;
            if !exchanged.full {
                return;
            }
            // Without anybody who asks when his last reply left, the stamps of the whole turn are read at its end.
            if !running.waiting.is_empty() {
                self.collect(k, running);
            }
        }
    }
}
