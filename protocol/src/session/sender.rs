//! The session-sender of STAMP (RFC 8762, section 4.2): sends when its schedule
//! says so, pairs replies with packets, and decides the fate of each.
//!
//! A packet is *on time* when T4 − T1 is within the loss threshold, *late* when
//! its reply came after it, *lost* when none came within twice the threshold.
//! Its timestamps decide, not the moment at which a busy process read them; so
//! whoever drives this drains its socket before it asks for losses.

use std::collections::VecDeque;

use owl_measure::loss::{LossSplit, split};
use owl_measure::reordering::{Reordered, ReorderingWatch};
use owl_measure::sample::{Direction, PeerClock, Sample, Stamp, StampSource};
use owl_measure::time::{Monotonic, Nanos, Timestamp};

use super::schedule::{Due, Schedule};
use crate::wire::stamp::{ReflectorPacket, SenderPacket};
use crate::wire::{ErrorEstimate, NtpTimestamp, TimestampFormat, WireTimestamp};

/// Packets remembered at once. At the bound the oldest is given up early: lost when no reply has come.
const REMEMBERED_MAX: usize = 1 << 16;

/// A stranger's claim to be nearer to UTC than this is not believed: reflectors exist that always say so.
const STRANGER_CLAIM_MIN: Nanos = Nanos(100);

/// What is known of the session-reflector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reflector {
    /// One of ours: it counts its replies, and its clock claim is honest.
    Own,
    /// Any other: it counts its replies only if it shows so, and a clock claim below 100 ns is no claim.
    Stranger,
}

/// What a session is.
#[derive(Debug, Clone)]
pub struct SenderConfig {
    /// STAMP session identifier.
    pub ssid: u16,
    /// Send times.
    pub schedule: Schedule,
    /// Loss threshold Tmax.
    pub timeout: Nanos,
    /// Stop after this many packets; `None` goes on for ever.
    pub packets: Option<u64>,
    /// What is known of the reflector.
    pub reflector: Reflector,
}

/// Entitles its holder to tell one packet's transmit timestamp, once.
#[derive(Debug, PartialEq, Eq)]
pub struct TransmitToken {
    sequence: u32,
}

/// A packet that is to be sent now.
#[derive(Debug)]
pub struct Transmit {
    /// The packet.
    pub packet: SenderPacket,
    /// T1 as it stands in the packet.
    pub origin: Timestamp,
    /// How long ago its time was, and what was skipped before it.
    pub due: Due,
    /// For [`SessionSender::handle_transmitted`].
    pub token: TransmitToken,
}

/// What an arriving reply turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The first reply to its packet, within the loss threshold.
    OnTime(Sample, Reordered),
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
    /// No reply to any packet that is remembered.
    Stranger,
}

/// A packet that did not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// T1 of the packet.
    pub origin: Timestamp,
    /// Where it was lost, when the reflector's numbers tell.
    pub direction: Option<Direction>,
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

/// Losses behind the last answered packet, whose direction the next answered one will tell.
#[derive(Debug, Default)]
struct PendingLosses {
    origins: Vec<Timestamp>,
    since: Monotonic,
}

/// A STAMP session-sender.
#[derive(Debug)]
pub struct SessionSender {
    config: SenderConfig,
    sent: u64,
    /// Sequence of the oldest remembered packet.
    first: u32,
    remembered: VecDeque<Sent>,
    /// How many of the remembered have had their loss decided.
    decided: usize,
    last_answered: Option<u32>,
    pending: PendingLosses,
    losses: VecDeque<Loss>,
    reordering: ReorderingWatch,
    reflector_counts: bool,
    strangers: u64,
}

impl SessionSender {
    /// A session that has sent nothing.
    pub fn new(config: SenderConfig) -> Self {
        let reflector_counts = config.reflector == Reflector::Own;
        Self {
            config,
            sent: 0,
            first: 0,
            remembered: VecDeque::new(),
            decided: 0,
            last_answered: None,
            pending: PendingLosses::default(),
            losses: VecDeque::new(),
            reordering: ReorderingWatch::default(),
            reflector_counts,
            strangers: 0,
        }
    }

    /// Datagrams that were no reply to a remembered packet, or spoke a timestamp format that was not asked for.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }

    /// Packets sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether everything has been sent and every fate decided.
    pub fn is_over(&self) -> bool {
        self.all_sent()
            && self.decided == self.remembered.len()
            && self.pending.origins.is_empty()
            && self.losses.is_empty()
    }

    fn all_sent(&self) -> bool {
        self.config
            .packets
            .is_some_and(|packets| self.sent >= packets)
    }

    /// The next test packet, if its send time has come. `wall` is the sender's clock right now, and becomes T1.
    pub fn poll_transmit(
        &mut self,
        now: Monotonic,
        wall: Timestamp,
        error_estimate: ErrorEstimate,
    ) -> Option<Transmit> {
        if self.all_sent() {
            return None;
        }
        let due = self.config.schedule.take(now)?;
        if self.remembered.len() >= REMEMBERED_MAX {
            self.forget_oldest(now);
        }
        // Sequence numbers wrap (RFC 8762, section 4.2); the circle is far larger than what is remembered.
        let sequence = self.sent as u32;
        let wire_sent_at = NtpTimestamp::from_timestamp(wall).into();
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
        let packet = SenderPacket {
            sequence,
            sent_at: wire_sent_at,
            error_estimate,
            ssid: self.config.ssid,
        };
        Some(Transmit {
            packet,
            origin: wall,
            due,
            token: TransmitToken { sequence },
        })
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

    /// Pairs a reply with its packet.
    pub fn handle_reply(&mut self, reply: &ReflectorPacket, received_at: Stamp) -> Arrival {
        let (timeout, reflector, ssid) =
            (self.config.timeout, self.config.reflector, self.config.ssid);
        let expected_ssid = reply.ssid == ssid || reply.ssid == 0;
        let Some(sent) = self.remembered_mut(reply.sender_sequence) else {
            self.strangers += 1;
            return Arrival::Stranger;
        };
        // Only who saw the packet knows its T1; a reply in the PTP format is not what an NTP packet asks for.
        if sent.wire_sent_at != reply.sender_sent_at
            || !expected_ssid
            || reply.error_estimate.format() != TimestampFormat::Ntp
        {
            self.strangers += 1;
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
        sent.fate = Fate::Answered {
            reflector_sequence: reply.sequence,
        };
        let sent_at = sent.sent_at;
        self.reflector_counts |= reply.sequence != reply.sender_sequence;
        let reordered = self.reordering.next(reply.sender_sequence, reply.sequence);
        if received_at.at - sent_at.at > timeout {
            return Arrival::Late { origin };
        }
        let peer_clock = match reply.error_estimate.clock() {
            PeerClock::Within(bound)
                if reflector == Reflector::Stranger && bound < STRANGER_CLAIM_MIN =>
            {
                PeerClock::NoClaim
            }
            clock => clock,
        };
        let sample = Sample {
            sequence: reply.sender_sequence,
            origin,
            sent_at,
            reflector_received_at: NtpTimestamp(reply.received_at.0).to_timestamp(received_at.at),
            reflector_sent_at: NtpTimestamp(reply.sent_at.0).to_timestamp(received_at.at),
            received_at,
            ttl: reply.sender_ttl,
            peer_clock,
        };
        Arrival::OnTime(sample, reordered)
    }

    /// The next loss that is certain by now. Call it after the socket has been drained.
    pub fn poll_loss(&mut self, now: Monotonic) -> Option<Loss> {
        let linger = self.config.timeout.times(2);
        while let Some(sent) = self.remembered.get(self.decided).copied() {
            match sent.fate {
                Fate::Waiting if now - sent.at <= linger => break,
                Fate::Waiting => {
                    if self.pending.origins.is_empty() {
                        self.pending.since = now;
                    }
                    self.pending.origins.push(sent.origin);
                }
                Fate::Answered { reflector_sequence } => {
                    self.tell_direction(Some(reflector_sequence))
                }
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
        if !self.pending.origins.is_empty()
            && (now - self.pending.since > self.config.timeout || self.all_sent())
        {
            self.tell_direction(None);
        }
        self.losses.pop_front()
    }

    /// Settles the pending losses by the reflector number of the answered packet behind them, or without one.
    fn tell_direction(&mut self, answered: Option<u32>) {
        let origins = std::mem::take(&mut self.pending.origins);
        let counts = self.reflector_counts;
        let lost = u32::try_from(origins.len()).unwrap_or(u32::MAX);
        let split = match (self.last_answered, answered) {
            (Some(before), Some(after)) if counts => split(lost, before, after),
            // Nothing was answered before: an own reflector counts a new session from 0.
            (None, Some(after)) if counts => split(lost, u32::MAX, after),
            _ => LossSplit::Unknown,
        };
        let mut forward_left = match split {
            LossSplit::Known { forward, .. } => forward,
            LossSplit::Unknown => 0,
        };
        // When some went missing each way, which of them did is anybody's guess: the counts are right, the order is not told.
        for origin in origins {
            let direction = match split {
                LossSplit::Unknown => None,
                LossSplit::Known { .. } if forward_left > 0 => {
                    forward_left -= 1;
                    Some(Direction::Forward)
                }
                LossSplit::Known { .. } => Some(Direction::Backward),
            };
            self.losses.push_back(Loss { origin, direction });
        }
        if answered.is_some() {
            self.last_answered = answered;
        }
    }

    fn forget_oldest(&mut self, now: Monotonic) {
        let Some(oldest) = self.remembered.pop_front() else {
            return;
        };
        self.first = self.first.wrapping_add(1);
        if self.decided > 0 {
            self.decided -= 1;
            return;
        }
        match oldest.fate {
            Fate::Answered { reflector_sequence } => self.tell_direction(Some(reflector_sequence)),
            Fate::Waiting => {
                if self.pending.origins.is_empty() {
                    self.pending.since = now;
                }
                self.pending.origins.push(oldest.origin);
            }
        }
    }

    /// When to poll again; `None` once the session is over.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let transmit = (!self.all_sent()).then(|| self.config.schedule.next());
        let linger = self.config.timeout.times(2) + Nanos(1);
        let loss = self
            .remembered
            .get(self.decided)
            .map(|sent| sent.at + linger);
        let pending = (!self.pending.origins.is_empty())
            .then(|| self.pending.since + self.config.timeout + Nanos(1));
        [transmit, loss, pending].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
