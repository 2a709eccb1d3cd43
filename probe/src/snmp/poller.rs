//! Many agents, asked at once: told datagrams and times, it tells datagrams and when it is to be called again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;

use owl_measure::time::Monotonic;
use owl_protocol::snmp::ber::Writer;

use super::column::Lane;
use super::device::Device;
use super::session::{Deaf, Heard};
use super::slots::Slots;
use super::target::{Ask, Step, Target};

/// Datagrams that were no answer, for whoever asks why nothing comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unheard {
    /// From addresses that were not asked, or to requests that are over.
    pub strangers: u64,
    /// Not SNMP, or of another version or community.
    pub malformed: u64,
    /// Without the keys, or old.
    pub not_authentic: u64,
}

/// A datagram to be sent.
#[derive(Debug)]
pub struct Transmit<'a> {
    /// To whom.
    pub to: SocketAddr,
    /// What.
    pub datagram: &'a [u8],
}

/// All agents that one process asks.
#[derive(Debug)]
pub struct Poller {
    targets: Vec<Target>,
    slots: Slots<Ask>,
    /// Targets that may have something to send, each once, in turn.
    ready: VecDeque<usize>,
    /// When each request is given up. Requests that were answered stay until then: a few for each place.
    deadlines: BinaryHeap<Reverse<(Monotonic, i32, u64)>>,
    writer: Writer,
    room: Vec<u8>,
    unheard: Unheard,
    running: usize,
}

impl Poller {
    /// For these devices. `salt` is where the salts of SNMPv3 begin: a random number.
    pub fn new(devices: Vec<Device>, salt: u64) -> Self {
        let targets = devices
            .into_iter()
            .enumerate()
            .map(|(k, device)| Target::new(device, salt.wrapping_add((k as u64) << 40)))
            .collect();
        Self {
            targets,
            slots: Slots::new(),
            ready: VecDeque::new(),
            deadlines: BinaryHeap::new(),
            writer: Writer::default(),
            room: Vec::new(),
            unheard: Unheard::default(),
            running: 0,
        }
    }

    /// Its targets, in the order of the devices.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// What was not heard.
    pub fn unheard(&self) -> Unheard {
        self.unheard
    }

    /// Begins a round of a target, unless the last one still runs.
    pub fn begin(&mut self, target: usize, lane: Lane, now: Monotonic) {
        if self.targets[target].begin(lane, now) {
            self.running += 1;
            self.make_ready(target);
        }
    }

    /// Whether a target is still being asked.
    pub fn is_running(&self) -> bool {
        self.running > 0
    }

    fn make_ready(&mut self, k: usize) {
        if !self.targets[k].is_ready {
            self.targets[k].is_ready = true;
            self.ready.push_back(k);
        }
    }

    /// The next datagram to be sent, if there is one.
    pub fn poll_transmit(&mut self, now: Monotonic) -> Option<Transmit<'_>> {
        let k = loop {
            if !self.slots.has_room() {
                return None;
            }
            let k = self.ready.pop_front()?;
            let target = &mut self.targets[k];
            target.is_ready = false;
            match target.next_ask(now) {
                Step::Send(ask, repeats) => {
                    let bits = target.device().profile.request_id_bits;
                    let (id, serial) = self
                        .slots
                        .take(k, ask.clone(), repeats, now, bits)
                        .expect("there was room above");
                    target.write(&mut self.writer, id, &ask, now);
                    let deadline = now + target.timeout(repeats);
                    self.deadlines.push(Reverse((deadline, id, serial)));
                    break k;
                }
                Step::Wait => {}
                Step::Done => self.running -= 1,
            }
        };
        self.make_ready(k);
        Some(Transmit {
            to: self.targets[k].device().address,
            datagram: self.writer.message(),
        })
    }

    /// Tells a datagram that came. `target` is the one whose address it came from; `None` when it is no one's.
    pub fn handle(&mut self, target: Option<usize>, datagram: &[u8], now: Monotonic) {
        let Some(k) = target else {
            self.unheard.strangers += 1;
            return;
        };
        let target = &mut self.targets[k];
        let (id, heard) = match target.session.read(datagram, &mut self.room, now) {
            Ok(heard) => heard,
            Err(Deaf::Malformed) => {
                self.unheard.malformed += 1;
                return;
            }
            Err(Deaf::NotAuthentic) => {
                self.unheard.not_authentic += 1;
                return;
            }
        };
        let Some(request) = self.slots.answered(id, k) else {
            self.unheard.strangers += 1;
            return;
        };
        match heard {
            Heard::Answer { pdu, boots } => {
                target.answered(request, &pdu, boots, datagram.len(), now);
            }
            Heard::Introduced => target.introduced(request, now),
            Heard::Refused(refusal) => target.refused(refusal),
        }
        self.make_ready(k);
    }

    /// Gives up what has not been answered in time.
    pub fn handle_timeout(&mut self, now: Monotonic) {
        while let Some(&Reverse((deadline, id, serial))) = self.deadlines.peek()
            && deadline <= now
        {
            self.deadlines.pop();
            if let Some(request) = self.slots.overdue(id, serial) {
                let k = request.target;
                self.targets[k].lost(request, now);
                self.make_ready(k);
            }
        }
    }

    /// When a request is given up next; `None` when none is on its way.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.deadlines
            .peek()
            .map(|&Reverse((deadline, ..))| deadline)
    }
}
