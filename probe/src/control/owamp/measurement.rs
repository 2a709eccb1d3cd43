//! What a Control-Client wants measured, and what it has found.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicU64;

use owl_measure::sample::{Direction, PeerClock, Stamp, StampSource};
use owl_measure::summary::StampCounts;
use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::session::control::Identity;
use owl_protocol::wire::NtpTimestamp;
use owl_protocol::wire::owamp::{
    Addresses, Agent, Interval, PacketRecord, Preamble, RequestSession, SentSession, Sid, Slot,
    TestPacket, TypeP,
};

use super::receiving::Received;
use super::sending::Sending;

/// Which ways are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directions {
    /// To the server and from it, at the same time.
    Both,
    /// To the server.
    Forward,
    /// From the server.
    Backward,
}

impl Directions {
    pub(super) fn list(self) -> &'static [Direction] {
        match self {
            Self::Both => &[Direction::Forward, Direction::Backward],
            Self::Forward => &[Direction::Forward],
            Self::Backward => &[Direction::Backward],
        }
    }
}

/// What is to be measured, and with whom.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Where the server listens (TCP).
    pub server: SocketAddr,
    /// Who asks, in the best protected mode that the server offers; nobody, unauthenticated, when there is none.
    pub user: Option<Identity>,
    /// Which ways.
    pub directions: Directions,
    /// The gaps between packets, the same each way.
    pub schedule: Slot,
    /// Packets of each session, 1 at least.
    pub packets: u32,
    /// UDP payload of a test packet; never less than [`test_packet_octets`].
    pub packet_octets: u32,
    /// The loss threshold: a packet that takes longer is lost. Two clocks that are further apart lose everything.
    pub timeout: Nanos,
    /// DSCP of the test packets, 0 to 63.
    pub dscp: u8,
}

/// Octets of a protected test packet before its padding (RFC 4656, section 4.1.2).
const PROTECTED_OCTETS: u32 = 48;

/// Octets of a test packet before its padding: those of a user are protected.
pub fn test_packet_octets(user: &Option<Identity>) -> u32 {
    match user {
        None => TestPacket::OCTETS as u32,
        Some(_) => PROTECTED_OCTETS,
    }
}

impl ClientSettings {
    /// What is asked of the server for one way, this host's end being bound already. The receiving side makes the
    /// identifier, so a session to the server has none yet.
    pub(super) fn request(
        &self,
        direction: Direction,
        local: SocketAddr,
        sid: Sid,
        start_at: Timestamp,
    ) -> RequestSession {
        let server: IpAddr = self.server.ip();
        let forward = direction == Direction::Forward;
        let (conf_sender, conf_receiver) = if forward {
            (Agent::Requester, Agent::Server)
        } else {
            (Agent::Server, Agent::Requester)
        };
        RequestSession {
            preamble: Preamble {
                conf_sender,
                conf_receiver,
                slots: 1,
                packets: self.packets,
                sender_port: if forward { local.port() } else { 0 },
                receiver_port: if forward { 0 } else { local.port() },
                addresses: if forward {
                    Addresses::between(local.ip(), server)
                } else {
                    Addresses::between(server, local.ip())
                },
                sid: if forward { Sid::default() } else { sid },
                padding_octets: self
                    .packet_octets
                    .saturating_sub(test_packet_octets(&self.user)),
                start_at: NtpTimestamp::from_timestamp(start_at),
                timeout: Interval::from_nanos(self.timeout),
                type_p: TypeP::of_dscp(self.dscp),
            },
            schedule: vec![self.schedule],
        }
    }
}

/// How far a measurement has come; written by its thread, read by anyone.
#[derive(Debug, Default)]
pub struct Progress {
    /// Packets sent forward.
    pub sent: AtomicU64,
    /// Packets received backward.
    pub received: AtomicU64,
}

/// One packet of a session, or that it never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Its sequence number.
    pub sequence: u32,
    /// T1: the kernel's where this host sent and the kernel told, else the packet's. Of a lost packet, when it was to be
    /// sent.
    pub sent_at: Stamp,
    /// T2; `None` when it was lost.
    pub received_at: Option<Timestamp>,
    /// What the sender claims of its clock.
    pub sender_clock: PeerClock,
    /// What the receiver claims of its clock.
    pub receiver_clock: PeerClock,
    /// TTL or hop limit on arrival; every OWAMP packet starts with 255.
    pub ttl: u8,
}

impl Record {
    /// `reference` is an instant near to it; `departure` the kernel's T1.
    fn of(record: &PacketRecord, departure: Option<Stamp>, reference: Timestamp) -> Self {
        let carried = Stamp {
            at: record.sent_at.to_timestamp(reference),
            source: StampSource::User,
        };
        Self {
            sequence: record.sequence,
            sent_at: departure.unwrap_or(carried),
            received_at: (!record.is_lost()).then(|| record.received_at.to_timestamp(reference)),
            sender_clock: record.sent_error_estimate.clock(),
            receiver_clock: record.received_error_estimate.clock(),
            ttl: record.ttl,
        }
    }
}

/// One session that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneWay {
    /// The session identifier.
    pub sid: Sid,
    /// Packets that were sent.
    pub sent: u64,
    /// Packets that its sender left out: too late, or refused by its kernel.
    pub skipped: u64,
    /// Of those, the ones that this host's kernel refused; `None` where only the server knows.
    pub unsent: Option<u64>,
    /// Every packet whose fate is known, lost ones included and copies each by itself, in the order in which they came
    /// or were given up.
    pub records: Vec<Record>,
    /// Packets that arrived here more than the loss threshold after they were sent, or before; `None` where only the
    /// server knows.
    pub out_of_time: Option<u64>,
    /// Where T2 was taken; `None` where only the server knows.
    pub receive_stamps: Option<StampCounts>,
}

impl OneWay {
    /// A session that this host sent, from the server's records and the kernel's departures.
    pub(super) fn fetched(
        sending: Sending,
        records: &[PacketRecord],
        reference: Timestamp,
    ) -> Self {
        let (told, unsent) = (sending.told(), sending.unsent());
        let departures = sending.into_departures();
        let departure = |sequence: u32| departures.get(sequence as usize).copied().flatten();
        Self {
            records: records
                .iter()
                .map(|it| Record::of(it, departure(it.sequence), reference))
                .collect(),
            unsent: Some(unsent),
            ..Self::told(&told)
        }
    }

    /// A session that this host received.
    pub(super) fn received(sid: Sid, received: &Received, reference: Timestamp) -> Self {
        let results = &received.results;
        let told = SentSession {
            sid,
            next_sequence: results.next_sequence,
            skipped: results.skipped.clone(),
        };
        Self {
            records: results
                .records
                .iter()
                .map(|it| Record::of(it, None, reference))
                .collect(),
            out_of_time: Some(received.out_of_time),
            receive_stamps: Some(received.stamps),
            ..Self::told(&told)
        }
    }

    fn told(told: &SentSession) -> Self {
        let skipped: u64 = told
            .skipped
            .iter()
            .map(|range| u64::from(range.last - range.first) + 1)
            .sum();
        Self {
            sid: told.sid,
            sent: u64::from(told.next_sequence).saturating_sub(skipped),
            skipped,
            unsent: None,
            records: Vec::new(),
            out_of_time: None,
            receive_stamps: None,
        }
    }
}

/// What a measurement has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// To the server.
    pub forward: Option<OneWay>,
    /// From the server.
    pub backward: Option<OneWay>,
}
