//! The session-reflector of STAMP (RFC 8762, section 4.3), with its extensions
//! (RFC 8972, RFC 9503, RFC 9534, RFC 10052), in both modes; it also answers
//! TWAMP-Light senders (RFC 8762, section 4.6).
//!
//! Nothing that a stranger sends makes it allocate. No reply is longer than its
//! request except the 44-octet base reply to a shorter request, which is
//! rationed, and what RFC 10052 asks for, which is off unless limits are given.
//! Replies are rationed by source and in total. The table of sessions is of
//! fixed size.

mod extensions;
mod policy;
mod ration;
mod replay;
mod table;

pub use policy::{ControlLimits, Dscps, Policy};
pub(super) use ration::Bucket;
pub use ration::{Rate, Rations};

use std::net::{IpAddr, SocketAddr};
use std::ops::AddAssign;

use ipnet::IpNet;
use owl_measure::sample::Stamp;
use owl_measure::time::{Monotonic, Nanos, Timestamp};

use self::extensions::{Integrity, Knowledge, Wishes};
use self::ration::Buckets;
use self::table::{Place, Table};
use crate::wire::authentication::{AUTHENTICATED_OCTETS, Key, KeyStore, seal};
use crate::wire::stamp::{PACKET_OCTETS, ReflectorPacket, SHORT_REQUEST_OCTETS, SenderPacket};
use crate::wire::tlv::{AccessReport, TimestampInformation};
use crate::wire::{ErrorEstimate, TaiOffset, TimestampFormat, WireTimestamp};

/// Whether a reflector counts its replies by session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does, so that loss has a direction, for so many sessions at least. A further one is not answered.
    Stateful {
        /// Room in the table, up to 2²³; it is of fixed size and takes 272 octets for each.
        sessions: usize,
    },
    /// It copies the sender's number. Replayed packets are then not noticed.
    Stateless,
}

/// Which requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Unauthenticated ones, and authenticated ones whose session identifier has a key.
    Accepted,
    /// Only authenticated ones.
    Required,
}

/// What a session-reflector is.
#[derive(Debug, Clone)]
pub struct ReflectorConfig {
    /// Whether it counts.
    pub state: State,
    /// Keeps strangers from choosing each other's places and buckets.
    pub seed: u64,
    /// Which requests are answered.
    pub authentication: Authentication,
    /// The keys by session identifier. One that has a key must also protect its TLVs in the unauthenticated mode.
    pub keys: KeyStore,
    /// Where the session-senders are that are answered, as RFC 8972, section 3, wants reflectors to be provisioned with
    /// their sessions; empty for anywhere. Looked through for each packet, so who fills it bounds it.
    pub allow: Vec<IpNet>,
    /// How many replies it gives.
    pub rations: Rations,
    /// Which wishes of senders it fulfils.
    pub policy: Policy,
}

impl ReflectorConfig {
    /// Stateful, with room for so many sessions, without keys, and with the default rations and policy.
    pub fn open(sessions: usize, seed: u64) -> Self {
        Self {
            state: State::Stateful { sessions },
            seed,
            authentication: Authentication::Accepted,
            keys: KeyStore::default(),
            allow: Vec::new(),
            rations: Rations::default(),
            policy: Policy::default(),
        }
    }

    /// One of so many equal parts, which together hold as many sessions and give as many replies as the whole. A source
    /// has its own ration in each part, half of the part at most, since a session is in one of them only.
    #[must_use]
    pub fn share_of(&self, parts: usize) -> Self {
        let parts = parts.max(1);
        let state = match self.state {
            State::Stateful { sessions } => State::Stateful {
                sessions: sessions.div_ceil(parts),
            },
            State::Stateless => State::Stateless,
        };
        Self {
            state,
            rations: self.rations.share_of(parts),
            ..self.clone()
        }
    }
}

/// How a datagram arrived.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Its length.
    pub octets: usize,
    /// Where it came from.
    pub source: SocketAddr,
    /// Where it was sent to.
    pub destination: SocketAddr,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
    /// DSCP and ECN on arrival, as they stand in the IP header; 0 when the host does not tell.
    pub traffic_class: u8,
    /// T2
    pub received_at: Timestamp,
    /// The interface over which it came, if the reply can be sent over the same.
    pub interface: Option<u32>,
    /// The member link of a link aggregation group over which it came (RFC 9534), if the host knows.
    pub member_link: Option<u16>,
}

/// What the reflector tells of its clock, at the moment.
#[derive(Debug, Clone, Copy)]
pub struct ReflectorClock {
    /// Its claim; its Z bit decides the format of T2 and T3.
    pub error_estimate: ErrorEstimate,
    /// TAI less UTC, for the PTP format.
    pub tai_offset: TaiOffset,
    /// How T2 and T3 come about.
    pub information: TimestampInformation,
}

/// Entitles its holder to tell one reply's transmit timestamp, once.
#[derive(Debug, PartialEq, Eq)]
pub struct ReplyToken {
    place: Place,
    sequence: u32,
}

/// A reply. It stands in the buffer in which its request stood; [`Reply::seal`] is the last thing that it lacks.
#[derive(Debug)]
pub struct Reply {
    /// Its length.
    pub octets: usize,
    /// Where it goes.
    pub to: SocketAddr,
    /// The local address it comes from; `None` leaves the one that the request was sent to.
    pub from: Option<IpAddr>,
    /// The interface over which it must go.
    pub interface: Option<u32>,
    /// DSCP and ECN that it wants, as they stand in the IP header.
    pub traffic_class: u8,
    /// How often it is to be sent, and at which distance: more than once only where RFC 10052 is allowed. Each further
    /// one is made by [`SessionReflector::repeat`].
    pub copies: (u16, Nanos),
    /// What the request said of an access network (RFC 8972, section 4.6).
    pub access_report: Option<AccessReport>,
    /// The request asked when the reply before it really left (RFC 8972, section 4.7), and the next one will ask the
    /// same of this: its transmit stamp is wanted before the next request is handled.
    pub follow_up: bool,
    /// For [`SessionReflector::handle_transmitted`], anew with each copy; `None` from a stateless reflector.
    pub token: Option<ReplyToken>,
    place: Option<Place>,
    format: TimestampFormat,
    tai_offset: TaiOffset,
    /// The key of the base packet, in authenticated mode.
    base_key: Option<Key>,
    /// Where the HMAC TLV begins, and its key.
    extensions_key: Option<(usize, Key)>,
}

impl Reply {
    /// Writes T3, and the HMAC where there is one, into the buffer that `handle` was given: as late as can be, right
    /// before sending.
    pub fn seal(&self, buffer: &mut [u8], sent_at: Timestamp) {
        let t3 = WireTimestamp::write(sent_at, self.format, self.tai_offset);
        match &self.base_key {
            Some(key) => {
                if let Some(packet) = buffer.first_chunk_mut() {
                    seal(packet, t3, key);
                }
            }
            None => {
                if let Some(packet) = buffer.first_chunk_mut() {
                    ReflectorPacket::set_sent_at(packet, t3);
                }
            }
        }
    }

    fn base_octets(&self) -> usize {
        if self.base_key.is_some() {
            AUTHENTICATED_OCTETS
        } else {
            PACKET_OCTETS
        }
    }
}

/// Why a datagram is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Too short to be a test packet, or too long for the buffer.
    Malformed,
    /// It comes from where no session-sender is that is answered.
    Unprovisioned,
    /// Not authenticated where it must be, or its HMAC is wrong.
    Unauthentic,
    /// An authenticated packet that was seen before.
    Replayed,
    /// Beyond the ration of its source, of short requests, or of all.
    Rationed,
    /// A new session, and no place for it.
    TableFull,
    /// Its sender wants no reply (RFC 9503, section 4.1.1; RFC 10052, section 3).
    Unwanted,
    /// It came over another member link than its sender believes (RFC 9534, section 3.2).
    WrongMemberLink,
}

/// How many datagrams had which fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReflectorCounts {
    /// Answered.
    pub reflected: u64,
    /// [`Unanswered::Malformed`]
    pub malformed: u64,
    /// [`Unanswered::Unprovisioned`]
    pub unprovisioned: u64,
    /// [`Unanswered::Unauthentic`]
    pub unauthentic: u64,
    /// [`Unanswered::Replayed`]
    pub replayed: u64,
    /// [`Unanswered::Rationed`]
    pub rationed: u64,
    /// [`Unanswered::TableFull`]
    pub table_full: u64,
    /// [`Unanswered::Unwanted`]
    pub unwanted: u64,
    /// [`Unanswered::WrongMemberLink`]
    pub wrong_member_link: u64,
}

impl AddAssign for ReflectorCounts {
    fn add_assign(&mut self, other: Self) {
        let Self {
            reflected,
            malformed,
            unprovisioned,
            unauthentic,
            replayed,
            rationed,
            table_full,
            unwanted,
            wrong_member_link,
        } = other;
        self.reflected += reflected;
        self.malformed += malformed;
        self.unprovisioned += unprovisioned;
        self.unauthentic += unauthentic;
        self.replayed += replayed;
        self.rationed += rationed;
        self.table_full += table_full;
        self.unwanted += unwanted;
        self.wrong_member_link += wrong_member_link;
    }
}

/// A STAMP session-reflector.
#[derive(Debug)]
pub struct SessionReflector {
    authentication: Authentication,
    keys: KeyStore,
    allow: Vec<IpNet>,
    policy: Policy,
    table: Option<Table>,
    buckets: Buckets,
    counts: ReflectorCounts,
}

/// A test packet that may be answered, and the key that made it when it is authenticated.
struct Opened {
    packet: SenderPacket,
    base_key: Option<Key>,
    base_octets: usize,
}

impl SessionReflector {
    /// One that has seen nothing.
    pub fn new(config: ReflectorConfig) -> Self {
        let table = match config.state {
            State::Stateful { sessions } => Some(Table::new(sessions, config.seed)),
            State::Stateless => None,
        };
        Self {
            authentication: config.authentication,
            keys: config.keys,
            allow: config.allow,
            policy: config.policy,
            table,
            buckets: Buckets::new(config.rations, config.seed),
            counts: ReflectorCounts::default(),
        }
    }

    /// What happened to the datagrams so far.
    pub fn counts(&self) -> ReflectorCounts {
        self.counts
    }

    /// From now on these are the keys; sessions go on.
    pub fn handle_new_keys(&mut self, keys: KeyStore) {
        self.keys = keys;
    }

    /// Answers the request in the first octets of `buffer` by a reply in the same place, or says why not; the buffer
    /// then holds nothing of use. It must have room for a base packet, 112 octets where there are keys.
    ///
    /// # Errors
    /// When the datagram is not to be answered; it has been counted.
    pub fn handle(
        &mut self,
        now: Monotonic,
        request: &Request,
        clock: &ReflectorClock,
        buffer: &mut [u8],
    ) -> Result<Reply, Unanswered> {
        let result = self.answer(now, request, clock, buffer);
        let counts = &mut self.counts;
        let count = match result {
            Ok(_) => &mut counts.reflected,
            Err(Unanswered::Malformed) => &mut counts.malformed,
            Err(Unanswered::Unprovisioned) => &mut counts.unprovisioned,
            Err(Unanswered::Unauthentic) => &mut counts.unauthentic,
            Err(Unanswered::Replayed) => &mut counts.replayed,
            Err(Unanswered::Rationed) => &mut counts.rationed,
            Err(Unanswered::TableFull) => &mut counts.table_full,
            Err(Unanswered::Unwanted) => &mut counts.unwanted,
            Err(Unanswered::WrongMemberLink) => &mut counts.wrong_member_link,
        };
        *count += 1;
        result
    }

    fn answer(
        &mut self,
        now: Monotonic,
        request: &Request,
        clock: &ReflectorClock,
        buffer: &mut [u8],
    ) -> Result<Reply, Unanswered> {
        let datagram = buffer.get(..request.octets).ok_or(Unanswered::Malformed)?;
        if request.octets < SHORT_REQUEST_OCTETS || buffer.len() < PACKET_OCTETS {
            return Err(Unanswered::Malformed);
        }
        let peer = request.source.ip();
        if !self.allow.is_empty() && !self.allow.iter().any(|net| net.contains(&peer)) {
            return Err(Unanswered::Unprovisioned);
        }
        let short = request.octets < PACKET_OCTETS;
        // The source's own ration first, so that one who has none left takes nothing from the others'.
        if !self.buckets.take_source(now, peer, 1)
            || (short && !self.buckets.take_short(now))
            || !self.buckets.take_total(now, 1)
        {
            return Err(Unanswered::Rationed);
        }
        let opened = self.open(datagram, peer)?;
        let (packet, base_octets) = (opened.packet, opened.base_octets);
        let area = buffer
            .get_mut(base_octets..request.octets)
            .unwrap_or_default();
        let inspection = extensions::inspect(area);
        let sequence = packet.sequence.to_be_bytes();
        let keys = self.keys.of(peer, packet.ssid);
        let integrity = inspection.check(sequence, area, opened.base_key.as_ref(), keys);

        let key = table::Key {
            source: request.source,
            destination: request.destination,
            ssid: packet.ssid,
            member_link: match integrity {
                Integrity::Failed => 0,
                Integrity::Unprotected | Integrity::Verified(..) => inspection.member_link,
            },
        };
        let mut session = match &mut self.table {
            Some(table) => Some(table.enter(now, key).ok_or(Unanswered::TableFull)?),
            None => None,
        };
        let proved = opened.base_key.is_some() || matches!(integrity, Integrity::Verified(..));
        let mut proved_fresh = false;
        if let Some((_, session)) = &mut session
            && proved
        {
            let format = packet.error_estimate.format();
            let sent_at = packet
                .sent_at
                .read(format, clock.tai_offset, request.received_at);
            proved_fresh = session.window.admit(packet.sequence, sent_at);
            if !proved_fresh && opened.base_key.is_some() {
                return Err(Unanswered::Replayed);
            }
        }
        if let Some((_, session)) = &mut session {
            session.received = session.received.wrapping_add(1);
        }
        let known = Knowledge {
            request,
            policy: &self.policy,
            clock,
            counts: session
                .as_ref()
                .map(|(_, session)| (session.received, session.sent.wrapping_add(1))),
            follow_up: session.as_ref().and_then(|(_, session)| session.follow_up),
            proved_fresh,
        };
        let mut wishes = match integrity {
            Integrity::Failed => {
                extensions::mark_failed(area);
                Wishes::none(request)
            }
            Integrity::Unprotected | Integrity::Verified(..) => {
                extensions::answer(area, &inspection, &known)
            }
        };
        if wishes.wrong_member_link {
            return Err(Unanswered::WrongMemberLink);
        }
        if wishes.no_reply {
            return Err(Unanswered::Unwanted);
        }
        let mut octets = request.octets.max(base_octets);
        if let Some(control) = wishes.control {
            let room = buffer.get_mut(base_octets..).unwrap_or_default();
            let further = u32::from(control.count) - 1;
            let rationed = self.buckets.take_source(now, peer, further)
                && self.buckets.take_total(now, further);
            match extensions::resize(room, base_octets, &inspection, control.octets) {
                Some(area_octets) if rationed => octets = base_octets + area_octets,
                _ => {
                    extensions::refuse_control(room);
                    wishes.control = None;
                }
            }
        }
        let (number, place) = match session {
            Some((place, session)) => {
                let sequence = session.sent;
                session.sent = sequence.wrapping_add(1);
                (sequence, Some(place))
            }
            None => (packet.sequence, None),
        };
        let reply = Reply {
            octets,
            to: wishes.to,
            from: wishes.from,
            interface: wishes.interface,
            traffic_class: wishes.traffic_class,
            copies: wishes.control.map_or((1, Nanos::ZERO), |control| {
                (control.count, Nanos(i64::from(control.interval_ns)))
            }),
            access_report: wishes.access_report,
            follow_up: wishes.follow_up,
            token: place.map(|place| ReplyToken {
                place,
                sequence: number,
            }),
            place,
            format: clock.error_estimate.format(),
            tai_offset: clock.tai_offset,
            base_key: opened.base_key,
            extensions_key: match integrity {
                Integrity::Verified(at, key) => Some((at, key)),
                Integrity::Unprotected | Integrity::Failed => None,
            },
        };
        let received_at = WireTimestamp::write(request.received_at, reply.format, reply.tai_offset);
        let base = ReflectorPacket {
            sequence: number,
            sent_at: WireTimestamp::default(),
            error_estimate: clock.error_estimate,
            ssid: packet.ssid,
            received_at,
            sender_sequence: packet.sequence,
            sender_sent_at: packet.sent_at,
            sender_error_estimate: packet.error_estimate,
            sender_ttl: request.ttl,
        };
        if reply.base_key.is_some() {
            buffer[..AUTHENTICATED_OCTETS].copy_from_slice(&base.encode_unsealed());
        } else {
            buffer[..PACKET_OCTETS].copy_from_slice(&base.encode());
        }
        number_and_sign(&reply, buffer, number);
        Ok(reply)
    }

    /// Which mode a packet is of is nowhere written. Where an authenticated one has zeros, an unauthenticated one has
    /// T1 and an Error Estimate, which are never all zero; and its session identifier must have a key.
    fn open(&self, datagram: &[u8], peer: IpAddr) -> Result<Opened, Unanswered> {
        let claimed = SenderPacket::claimed_ssid(datagram);
        let mut keys = claimed
            .into_iter()
            .flat_map(|ssid| self.keys.of(peer, ssid))
            .peekable();
        let looks_authenticated = datagram.len() >= AUTHENTICATED_OCTETS
            && datagram[4..16] == [0; 12]
            && keys.peek().is_some();
        if self.authentication == Authentication::Required || looks_authenticated {
            let (packet, key) = SenderPacket::decode_authenticated(datagram, keys)
                .map_err(|_| Unanswered::Unauthentic)?;
            return Ok(Opened {
                packet,
                base_key: Some(key.clone()),
                base_octets: AUTHENTICATED_OCTETS,
            });
        }
        Ok(Opened {
            packet: SenderPacket::decode(datagram).map_err(|_| Unanswered::Malformed)?,
            base_key: None,
            base_octets: PACKET_OCTETS,
        })
    }

    /// Tells when a reply really left. The next reply of its session carries it, if asked by a Follow-Up Telemetry TLV.
    pub fn handle_transmitted(&mut self, token: ReplyToken, sent_at: Stamp) {
        if let Some(table) = &mut self.table {
            table.transmitted(token.place, token.sequence, sent_at);
        }
    }

    /// The next copy of a reply, numbered anew in the same buffer, when it is to be sent again and its session is still
    /// known.
    pub fn repeat(&mut self, reply: &mut Reply, buffer: &mut [u8]) -> Option<()> {
        let (left, interval) = reply.copies;
        let place = reply.place.filter(|_| left > 1)?;
        let session = self.table.as_mut()?.at(place)?;
        let number = session.sent;
        session.sent = number.wrapping_add(1);
        reply.copies = (left - 1, interval);
        reply.token = Some(ReplyToken {
            place,
            sequence: number,
        });
        number_and_sign(reply, buffer, number);
        Some(())
    }
}

/// Writes the number of a reply, and the HMAC over its TLVs, which covers the number.
fn number_and_sign(reply: &Reply, buffer: &mut [u8], number: u32) {
    let sequence = number.to_be_bytes();
    buffer[..4].copy_from_slice(&sequence);
    if let Some((at, key)) = &reply.extensions_key {
        extensions::sign(&mut buffer[reply.base_octets()..], *at, sequence, key);
    }
}

#[cfg(test)]
mod tests;
