//! The session-sender of STAMP (RFC 8762, section 4.2): sends when its schedule
//! says so, pairs replies with packets, and decides the fate of each.
//!
//! A packet is *on time* when T4 − T1 is within the loss threshold, *late* when
//! its reply came after it, *lost* when none came within twice the threshold.
//! Its timestamps decide, not the moment at which a busy process read them; so
//! whoever drives this drains its socket before it asks for losses.
//!
//! Replies need no TLV, and may have 38, 40, 41 or 44 octets as TWAMP-Light
//! reflectors send them (RFC 8762, section 4.6); T2 and T3 are read in the
//! format that their own Error Estimate tells.

mod answers;
mod config;
mod held;
mod losses;
mod observations;
mod question;
mod reporting;

pub use answers::{Answers, TlvAnswers};
pub use config::{Dialect, Reflector, SenderConfig, TrafficClass, ZeroSsid};
pub use observations::Observations;
pub use question::{Padding, Protection, Question, WantedReturn};
pub use reporting::{ReportFate, Retransmission};

use std::collections::VecDeque;

use owl_measure::loss::Loss;
use owl_measure::reordering::{Arrived, Reordered, ReorderingWatch, ReplyNumbers};
use owl_measure::sample::{Direction, Header, PeerClock, Sample, Stamp, StampSource};
use owl_measure::time::{Monotonic, Nanos, Timestamp};

use self::held::{Correction, HeldSamples};
use self::losses::Losses;
use self::question::{Fate as TlvFate, Layout, NotBelieved, Telling, Told, followed_up};
use self::reporting::Reporting;
use super::schedule::Due;
use crate::wire::authentication::Key;
use crate::wire::stamp::{ReflectorPacket, SenderPacket};
use crate::wire::tlv::{MicroSession, TimestampMethod, kind};
use crate::wire::{ErrorEstimate, WireTimestamp};

/// Packets remembered at once. At the bound the oldest is given up early: lost when no reply has come.
const REMEMBERED_MAX: usize = 1 << 16;

/// A stranger's claim to be nearer to UTC than this is not believed: reflectors exist that always say so.
const STRANGER_CLAIM_MIN: Nanos = Nanos(100);

/// Entitles its holder to tell one packet's transmit timestamp, once.
#[derive(Debug, PartialEq, Eq)]
pub struct TransmitToken {
    sequence: u32,
}

/// A packet that is to be sent now.
#[derive(Debug)]
pub struct Transmit {
    /// Its length; it stands in the buffer that was given.
    pub octets: usize,
    /// T1 as it stands in the packet.
    pub origin: Timestamp,
    /// How long ago its time was, and what was skipped before it.
    pub due: Due,
    /// For [`SessionSender::handle_transmitted`].
    pub token: TransmitToken,
}

/// How a reply arrived.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// T4
    pub stamp: Stamp,
    /// Its TTL or hop limit; 0 when the host does not tell.
    pub ttl: u8,
    /// Its DSCP and ECN as they stand in the IP header, when the host tells.
    pub traffic_class: Option<u8>,
}

/// What an arriving reply turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The first reply to its packet, within the loss threshold: [`SessionSender::poll_sample`] gives the sample out.
    OnTime,
    /// The first reply to its packet, after the loss threshold.
    Late {
        /// T1 of its packet.
        origin: Timestamp,
    },
    /// A further reply to the same packet, and where the copy was made.
    Duplicate {
        /// T1 of its packet.
        origin: Timestamp,
        /// Where the copy was made.
        direction: Direction,
    },
    /// No reply to any packet that is remembered, or not authentic.
    Stranger,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Waiting,
    Answered { reflector_sequence: u32 },
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    wire_sent_at: WireTimestamp,
    origin: Timestamp,
    sent_at: Stamp,
    at: Monotonic,
    fate: Fate,
}

/// A STAMP session-sender.
#[derive(Debug)]
pub struct SessionSender {
    config: SenderConfig,
    layout: Layout,
    reporting: Option<Reporting>,
    /// The key, and during a change the one before it.
    keys: Vec<Key>,
    sent: u64,
    /// Sequence of the oldest remembered packet.
    first: u32,
    remembered: VecDeque<Sent>,
    /// How many of the remembered have had their loss decided.
    decided: usize,
    losses: Losses,
    held: HeldSamples,
    /// Replies in a row that follow nothing up, though they could.
    nothing_followed_up: u32,
    /// The reflector's member link, once known.
    far_link: Option<u16>,
    reordering: ReorderingWatch,
    observations: Observations,
    strangers: u64,
}

impl SessionSender {
    /// A session that has sent nothing.
    pub fn new(config: SenderConfig) -> Self {
        let layout = match &config.dialect {
            Dialect::Stamp => Layout::new(
                &config.question,
                config.class.dscp,
                &config.protection,
                config.packet_octets,
                config.padding,
            ),
            Dialect::Twamp(mode) => Layout::padded(
                config.packet_octets.max(mode.request_octets()),
                config.padding,
            ),
        };
        let report = config.question.access_report;
        let reporting = report.map(|_| Reporting::new(config.question.retransmission));
        let far_link = config.question.member_links.map(|links| links.reflector);
        let keys: Vec<_> = config.protection.key().cloned().into_iter().collect();
        Self {
            layout,
            reporting,
            keys,
            sent: 0,
            first: 0,
            remembered: VecDeque::new(),
            decided: 0,
            losses: Losses::new(match config.reflector {
                Reflector::Own => ReplyNumbers::Counted,
                Reflector::Stranger => ReplyNumbers::Copied,
            }),
            held: HeldSamples::default(),
            nothing_followed_up: 0,
            far_link: far_link.filter(|&link| link != 0),
            reordering: ReorderingWatch::default(),
            observations: Observations::default(),
            strangers: 0,
            config,
        }
    }

    /// UDP payload of each test packet: what the buffer given to [`SessionSender::poll_transmit`] must hold.
    pub fn packet_octets(&self) -> usize {
        self.layout.octets()
    }

    /// Datagrams that were no authentic reply to a remembered packet.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }

    /// What replies showed of the path beside delay and loss.
    pub fn observations(&self) -> &Observations {
        &self.observations
    }

    /// Packets sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether everything has been sent, every fate decided, and every sample given out.
    pub fn is_over(&self) -> bool {
        self.all_decided() && self.losses.is_empty() && self.held.is_empty()
    }

    fn all_sent(&self) -> bool {
        let enough = self.config.packets;
        self.config.schedule.is_over() || enough.is_some_and(|packets| self.sent >= packets)
    }

    fn all_decided(&self) -> bool {
        self.all_sent() && self.decided == self.remembered.len()
    }

    /// From now on packets are protected with this key; replies made with the one before are still believed. Without
    /// effect in a session that is not protected.
    pub fn handle_new_key(&mut self, key: Key) {
        let key = match &mut self.config.protection {
            Protection::None => return,
            Protection::Tlvs(old) | Protection::Authenticated(old) => std::mem::replace(old, key),
        };
        self.keys = self.config.protection.key().cloned().into_iter().collect();
        self.keys.push(key);
    }

    /// Writes the next test packet into the first octets of `buffer`, if its send time has come. `wall` is the sender's
    /// clock right now, and becomes T1. `None` also when the buffer is too short.
    pub fn poll_transmit(
        &mut self,
        now: Monotonic,
        wall: Timestamp,
        error_estimate: ErrorEstimate,
        buffer: &mut [u8],
    ) -> Option<Transmit> {
        let octets = self.layout.octets();
        let packet = buffer.get_mut(..octets)?;
        if self.all_sent() {
            return None;
        }
        let due = self.config.schedule.take(now)?;
        if self.remembered.len() >= REMEMBERED_MAX {
            self.forget_oldest(now);
        }
        // Sequence numbers wrap (RFC 8762, section 4.2); the circle is far larger than what is remembered.
        let sequence = self.sent as u32;
        let wire_sent_at = WireTimestamp::write(wall, self.config.format, self.config.tai_offset);
        let sent_at = Stamp {
            at: wall,
            source: StampSource::User,
        };
        self.remembered.push_back(Sent {
            wire_sent_at,
            origin: wall,
            sent_at,
            at: now,
            fate: Fate::Waiting,
        });
        self.sent += 1;
        let base = SenderPacket {
            sequence,
            sent_at: wire_sent_at,
            error_estimate: error_estimate.with_format(self.config.format),
            ssid: self.config.ssid,
        };
        let told = Telling {
            sent: self.sent as u32,
            access_report: self.reports(now),
        };
        let key = self.config.protection.key();
        match (&self.config.dialect, &self.config.protection) {
            (Dialect::Twamp(mode), _) => {
                self.layout.pad(packet);
                mode.write_request(&base, packet).ok()?;
            }
            (Dialect::Stamp, Protection::None | Protection::Tlvs(_)) => {
                self.layout.write(&base.encode(), &told, key, packet);
            }
            (Dialect::Stamp, Protection::Authenticated(key)) => {
                let base = base.encode_authenticated(key);
                self.layout.write(&base, &told, Some(key), packet);
            }
        }
        Some(Transmit {
            octets,
            origin: wall,
            due,
            token: TransmitToken { sequence },
        })
    }

    /// Whether the packet that leaves now carries the session's Access Report.
    fn reports(&mut self, now: Monotonic) -> bool {
        let Some(reporting) = &mut self.reporting else {
            return false;
        };
        let reports = reporting.take(now);
        self.observations.access_report = Some(reporting.fate());
        reports
    }

    /// Looks whether a reply repeats the Access Report as understood.
    fn acknowledge(&mut self, datagram: &[u8]) {
        let Some(reporting) = &mut self.reporting else {
            return;
        };
        let understood = (kind::ACCESS_REPORT, TlvFate::Understood);
        if self.layout.fates(datagram).any(|fate| fate == understood) {
            reporting.acknowledged();
            self.observations.access_report = Some(reporting.fate());
        }
    }

    /// Tells the kernel's transmit timestamp. The token is used up, so no packet can be stamped twice.
    pub fn handle_transmitted(&mut self, token: TransmitToken, sent_at: Stamp) {
        if let Some(sent) = self.remembered_mut(token.sequence) {
            sent.sent_at = sent_at;
        }
    }

    fn remembered_mut(&mut self, sequence: u32) -> Option<&mut Sent> {
        self.remembered
            .get_mut(sequence.wrapping_sub(self.first) as usize)
    }

    fn read(&self, datagram: &[u8]) -> Option<ReflectorPacket> {
        let reply = match (&self.config.dialect, &self.config.protection) {
            (Dialect::Twamp(mode), _) => mode.read_reply(datagram).ok()??,
            (Dialect::Stamp, Protection::None | Protection::Tlvs(_)) => {
                ReflectorPacket::decode(datagram).ok()?
            }
            (Dialect::Stamp, Protection::Authenticated(_)) => {
                ReflectorPacket::decode_authenticated(datagram, &self.keys).ok()?
            }
        };
        (reply.ssid == self.config.ssid || reply.ssid == 0).then_some(reply)
    }

    /// Pairs a datagram from the reflector with its packet. Ask for samples afterwards.
    pub fn handle_reply(&mut self, now: Monotonic, datagram: &[u8], received: Received) -> Arrival {
        let arrival = self.pair(now, datagram, received);
        self.strangers += u64::from(arrival == Arrival::Stranger);
        arrival
    }

    fn pair(&mut self, now: Monotonic, datagram: &[u8], received: Received) -> Arrival {
        let Some(reply) = self.read(datagram) else {
            return Arrival::Stranger;
        };
        let Some(&sent) = self
            .remembered_mut(reply.sender_sequence)
            .map(|sent| &*sent)
        else {
            return Arrival::Stranger;
        };
        // Only who saw the packet knows its T1.
        if sent.wire_sent_at != reply.sender_sent_at {
            return Arrival::Stranger;
        }
        let origin = sent.origin;
        if let Fate::Answered { reflector_sequence } = sent.fate {
            let same_reply = reflector_sequence == reply.sequence;
            let direction = if same_reply {
                Direction::Backward
            } else {
                Direction::Forward
            };
            return Arrival::Duplicate { origin, direction };
        }
        let told = self.layout.read(datagram, &self.keys);
        let believed = told.unwrap_or_default();
        if !self.over_right_links(believed.member_links) {
            return Arrival::Stranger;
        }
        if let Some(sent) = self.remembered_mut(reply.sender_sequence) {
            sent.fate = Fate::Answered {
                reflector_sequence: reply.sequence,
            };
        }
        if reply.sequence != reply.sender_sequence {
            self.losses.reflector_counts();
        }
        let numbers = self.losses.numbers();
        let arrived = Arrived {
            sequence: reply.sender_sequence,
            reflector_sequence: reply.sequence,
            reached: self.read_stamp(&reply, reply.received_at, received.stamp.at),
            returned: received.stamp.at,
        };
        let reordered = self.reordering.next(arrived, numbers);
        self.observations.tlvs_not_believed += u64::from(told == Err(NotBelieved));
        if told.is_ok() {
            let fates = self.layout.fates(datagram);
            self.observations.answers.count(fates);
            self.acknowledge(datagram);
        }
        let mut headers =
            self.observations
                .told(&believed, self.config.class, received.traffic_class);
        self.zero_ssid(&reply);
        self.observations.ttls(reply.sender_ttl, received.ttl);
        headers[0].ttl = reply.sender_ttl;
        headers[1].ttl = received.ttl;
        let waits = self.follow_up(&believed, &reply, received.stamp.at);
        if received.stamp.at - sent.sent_at.at > self.config.timeout {
            return Arrival::Late { origin };
        }
        let [forward_header, backward_header] = headers;
        let sample = Sample {
            forward_header,
            backward_header,
            ..self.sample(&reply, &sent, received.stamp, &believed)
        };
        self.held.push(now, sample, reordered, reply.sequence);
        if !waits {
            self.held.settle();
        }
        Arrival::OnTime
    }

    /// Who knows no session identifier sends zero back (RFC 8972, section 3); in TWAMP-Test nobody does.
    fn zero_ssid(&mut self, reply: &ReflectorPacket) {
        let is_stamp = matches!(self.config.dialect, Dialect::Stamp);
        if !is_stamp || reply.ssid != 0 || self.config.ssid == 0 {
            return;
        }
        self.observations.zero_ssids += 1;
        if self.config.zero_ssid == ZeroSsid::Stop {
            self.config.packets = Some(self.sent);
        }
    }

    /// Whether a reply came over the member links that it should have (RFC 9534, section 3.2).
    fn over_right_links(&mut self, told: Option<MicroSession>) -> bool {
        let (Some(told), Some(asked)) = (told, self.config.question.member_links) else {
            return true;
        };
        let far_link = *self.far_link.get_or_insert(told.reflector);
        told.sender == asked.sender && told.reflector == far_link
    }

    /// Corrects earlier samples by what this reply follows up; whether its own sample is worth waiting with.
    fn follow_up(&mut self, told: &Told, reply: &ReflectorPacket, near: Timestamp) -> bool {
        let Some(follow_up) = &told.follow_up else {
            return false;
        };
        let Some(source) = followed_up(follow_up) else {
            // The first reply of a session has nothing to follow up; a second one without is from a stateless reflector.
            self.nothing_followed_up = self.nothing_followed_up.saturating_add(1);
            return self.nothing_followed_up <= 1;
        };
        self.nothing_followed_up = 0;
        let format = reply.error_estimate.format();
        let correction = Correction {
            reflector_sequence: follow_up.sequence,
            sent_at: follow_up.sent_at.read(format, self.config.tai_offset, near),
            source,
        };
        self.held.correct(&correction, self.config.timeout);
        true
    }

    fn sample(&self, reply: &ReflectorPacket, sent: &Sent, t4: Stamp, told: &Told) -> Sample {
        let peer_clock = match reply.error_estimate.clock() {
            PeerClock::Within(bound)
                if self.config.reflector == Reflector::Stranger && bound < STRANGER_CLAIM_MIN =>
            {
                PeerClock::NoClaim
            }
            clock => clock,
        };
        let by_hardware = told
            .information
            .is_some_and(|told| told.method_out == TimestampMethod::HARDWARE);
        let read = |at: WireTimestamp| self.read_stamp(reply, at, t4.at);
        Sample {
            sequence: reply.sender_sequence,
            origin: sent.origin,
            sent_at: sent.sent_at,
            reflector_received_at: read(reply.received_at),
            reflector_sent_at: read(reply.sent_at),
            t3: if by_hardware {
                StampSource::Hardware
            } else {
                StampSource::User
            },
            received_at: t4,
            forward_header: Header::default(),
            backward_header: Header::default(),
            peer_clock,
        }
    }

    /// T2 or T3 of a reply that came at `near`.
    fn read_stamp(&self, reply: &ReflectorPacket, at: WireTimestamp, near: Timestamp) -> Timestamp {
        let format = reply.error_estimate.format();
        at.read(format, self.config.tai_offset, near)
    }

    /// The next sample. It is held back only while a better T3 may still come, for the loss threshold at most. Ask
    /// after each reply, and again after the losses.
    pub fn poll_sample(&mut self, now: Monotonic) -> Option<(Sample, Reordered)> {
        if self.all_decided() {
            self.held.settle();
        }
        let (sample, reordered) = self.held.poll(now, self.config.timeout)?;
        if sample.t3 == StampSource::User {
            self.observations.t3_uncorrected += 1;
        } else {
            self.observations.t3_corrected += 1;
        }
        Some((sample, reordered))
    }

    /// The next loss that is certain by now. Call it after the socket has been drained.
    pub fn poll_loss(&mut self, now: Monotonic) -> Option<Loss> {
        let linger = self.config.timeout.times(2);
        while let Some(sent) = self.remembered.get(self.decided).copied() {
            let sequence = self.first.wrapping_add(self.decided as u32);
            match sent.fate {
                Fate::Waiting if now - sent.at <= linger => break,
                Fate::Waiting => self.losses.lost(now, sequence, sent.origin),
                Fate::Answered { reflector_sequence } => self.losses.answered(reflector_sequence),
            }
            self.decided += 1;
        }
        // Kept past their decision, so that a late copy is known for what it is.
        while self.decided > 0
            && self
                .remembered
                .front()
                .is_some_and(|sent| now - sent.at > linger)
        {
            self.remembered.pop_front();
            self.first = self.first.wrapping_add(1);
            self.decided -= 1;
        }
        // A reply that would tell the direction may be of a packet behind one that is still waited for.
        let patience = if self.all_decided() {
            Nanos(-1)
        } else {
            self.config.timeout
        };
        self.losses.give_up(now, patience);
        self.losses.poll()
    }

    fn forget_oldest(&mut self, now: Monotonic) {
        let Some(oldest) = self.remembered.pop_front() else {
            return;
        };
        let sequence = self.first;
        self.first = self.first.wrapping_add(1);
        if self.decided > 0 {
            self.decided -= 1;
            return;
        }
        match oldest.fate {
            Fate::Answered { reflector_sequence } => self.losses.answered(reflector_sequence),
            Fate::Waiting => self.losses.lost(now, sequence, oldest.origin),
        }
    }

    /// When the next packet is to be sent; `None` once all have been.
    pub fn next_transmit(&self) -> Option<Monotonic> {
        (!self.all_sent()).then(|| self.config.schedule.next())
    }

    /// When to ask for losses and samples again, unless a reply comes before.
    pub fn next_settlement(&self) -> Option<Monotonic> {
        let linger = self.config.timeout.times(2) + Nanos(1);
        let loss = self
            .remembered
            .get(self.decided)
            .map(|sent| sent.at + linger);
        let pending = self.losses.deadline(self.config.timeout);
        let sample = self.held.deadline(self.config.timeout);
        [loss, pending, sample].into_iter().flatten().min()
    }

    /// When to poll again; `None` once the session is over.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        [self.next_transmit(), self.next_settlement()]
            .into_iter()
            .flatten()
            .min()
    }
}

#[cfg(test)]
mod tests;
