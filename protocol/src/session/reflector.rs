//! The session-reflector of STAMP (RFC 8762, section 4.3), stateful: it counts
//! its replies, so that loss has a direction.
//!
//! Nothing that a stranger sends makes it allocate, and no reply is longer than
//! its request except the 44-octet base reply to a shorter TWAMP-Light request,
//! which is rationed. The table of sessions is of fixed size.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use owl_measure::time::{Monotonic, Nanos, Timestamp};

use crate::wire::stamp::{PACKET_OCTETS, ReflectorPacket, SHORT_REQUEST_OCTETS, SenderPacket};
use crate::wire::{ErrorEstimate, NtpTimestamp, WireTimestamp};

/// Places that a session may take; when all are taken, one that has been quiet long enough makes room.
const WAYS: usize = 8;
/// A session of more than one packet keeps its place for so long after its last one.
const IDLE: Nanos = Nanos::from_secs(60);
/// A session of one packet keeps it only so long: what a flood of forged sources leaves behind.
const IDLE_SINGLE: Nanos = Nanos::from_secs(1);
/// Base replies a second to requests shorter than themselves, all sources together.
const SHORT_REPLIES_PER_SECOND: i64 = 1_000;

/// A datagram that arrived.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its octets.
    pub datagram: &'a [u8],
    /// Where it came from, and where the reply goes.
    pub source: SocketAddr,
    /// Where it was sent to, and where the reply comes from.
    pub destination: SocketAddr,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
    /// T2
    pub received_at: Timestamp,
}

/// A reply, all but T3: write that with [`ReflectorPacket::set_sent_at`] as late as can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The first 44 octets. What followed in the request follows unchanged in the reply.
    pub head: [u8; PACKET_OCTETS],
}

/// Why a datagram is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Too short to be a test packet.
    Malformed,
    /// A short request beyond the ration.
    Rationed,
    /// A new session, and no place for it.
    TableFull,
}

/// How many datagrams had which fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReflectorCounts {
    /// Answered.
    pub reflected: u64,
    /// [`Unanswered::Malformed`]
    pub malformed: u64,
    /// [`Unanswered::Rationed`]
    pub rationed: u64,
    /// [`Unanswered::TableFull`]
    pub table_full: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: SocketAddr,
    destination: SocketAddr,
    ssid: u16,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    key: Key,
    last: Monotonic,
    replies: u32,
}

impl Session {
    fn may_go(&self, now: Monotonic) -> bool {
        now - self.last > if self.replies > 1 { IDLE } else { IDLE_SINGLE }
    }
}

/// A stateful STAMP session-reflector.
#[derive(Debug)]
pub struct SessionReflector {
    sets: Box<[[Option<Session>; WAYS]]>,
    seed: u64,
    counts: ReflectorCounts,
    /// Short replies still allowed, in units of nanoseconds' worth, and when that was so.
    ration: (Nanos, Monotonic),
}

const RATION_MAX: Nanos = Nanos::from_secs(1);
const RATION_COST: Nanos = Nanos(RATION_MAX.0 / SHORT_REPLIES_PER_SECOND);

impl SessionReflector {
    /// With room for at least so many sessions; the seed keeps strangers from choosing each other's places.
    pub fn new(sessions: usize, seed: u64) -> Self {
        let sets = sessions
            .div_ceil(WAYS)
            .clamp(1, 1 << 20)
            .next_power_of_two();
        Self {
            sets: vec![[None; WAYS]; sets].into_boxed_slice(),
            seed,
            counts: ReflectorCounts::default(),
            ration: (RATION_MAX, Monotonic(0)),
        }
    }

    /// What happened to the datagrams so far.
    pub fn counts(&self) -> ReflectorCounts {
        self.counts
    }

    /// Answers a request, or says why not.
    ///
    /// # Errors
    /// When the datagram is not to be answered; it has been counted.
    pub fn handle(
        &mut self,
        now: Monotonic,
        request: &Request<'_>,
        error_estimate: ErrorEstimate,
    ) -> Result<Reply, Unanswered> {
        let result = self.answer(now, request, error_estimate);
        match result {
            Ok(_) => self.counts.reflected += 1,
            Err(Unanswered::Malformed) => self.counts.malformed += 1,
            Err(Unanswered::Rationed) => self.counts.rationed += 1,
            Err(Unanswered::TableFull) => self.counts.table_full += 1,
        }
        result
    }

    fn answer(
        &mut self,
        now: Monotonic,
        request: &Request<'_>,
        error_estimate: ErrorEstimate,
    ) -> Result<Reply, Unanswered> {
        if request.datagram.len() < SHORT_REQUEST_OCTETS {
            return Err(Unanswered::Malformed);
        }
        let packet = SenderPacket::decode(request.datagram).map_err(|_| Unanswered::Malformed)?;
        if request.datagram.len() < PACKET_OCTETS && !self.take_ration(now) {
            return Err(Unanswered::Rationed);
        }
        let key = Key {
            source: request.source,
            destination: request.destination,
            ssid: packet.ssid,
        };
        let sequence = self.count(now, key).ok_or(Unanswered::TableFull)?;
        let head = ReflectorPacket {
            sequence,
            sent_at: WireTimestamp::default(),
            error_estimate,
            ssid: packet.ssid,
            received_at: NtpTimestamp::from_timestamp(request.received_at).into(),
            sender_sequence: packet.sequence,
            sender_sent_at: packet.sent_at,
            sender_error_estimate: packet.error_estimate,
            sender_ttl: request.ttl,
        }
        .encode();
        Ok(Reply { head })
    }

    fn take_ration(&mut self, now: Monotonic) -> bool {
        let (left, since) = self.ration;
        let left = (left + (now - since)).min(RATION_MAX);
        let enough = left >= RATION_COST;
        self.ration = (if enough { left - RATION_COST } else { left }, now);
        enough
    }

    /// The number of this reply within its session, from 0; `None` when there is no place for a new session.
    fn count(&mut self, now: Monotonic, key: Key) -> Option<u32> {
        let mut hasher = DefaultHasher::new();
        (self.seed, key).hash(&mut hasher);
        let index = hasher.finish() as usize & (self.sets.len() - 1);
        let set = &mut self.sets[index];
        if let Some(session) = set.iter_mut().flatten().find(|session| session.key == key) {
            if session.may_go(now) {
                session.replies = 0;
            }
            let number = session.replies;
            session.replies = number.wrapping_add(1);
            session.last = now;
            return Some(number);
        }
        let place = set
            .iter_mut()
            .find(|place| place.is_none_or(|session| session.may_go(now)))?;
        *place = Some(Session {
            key,
            last: now,
            replies: 1,
        });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: &str = "198.51.100.7:4000";

    fn request<'a>(datagram: &'a [u8], source: &str) -> Request<'a> {
        Request {
            datagram,
            source: source.parse().unwrap(),
            destination: "192.0.2.2:862".parse().unwrap(),
            ttl: 251,
            received_at: Timestamp(1_795_441_000_000_000_123),
        }
    }

    fn packet(sequence: u32, ssid: u16) -> [u8; PACKET_OCTETS] {
        SenderPacket {
            sequence,
            sent_at: WireTimestamp(77),
            error_estimate: ErrorEstimate(0x8A01),
            ssid,
        }
        .encode()
    }

    fn reflect(
        reflector: &mut SessionReflector,
        now: i64,
        datagram: &[u8],
        source: &str,
    ) -> Result<ReflectorPacket, Unanswered> {
        let reply = reflector.handle(
            Monotonic(now),
            &request(datagram, source),
            ErrorEstimate::NO_CLAIM,
        )?;
        Ok(ReflectorPacket::decode(&reply.head).unwrap())
    }

    #[test]
    fn a_reply_repeats_the_request_and_counts_its_session() {
        let mut reflector = SessionReflector::new(16, 1);
        for (k, sequence) in [5, 9, 9].into_iter().enumerate() {
            let reply = reflect(&mut reflector, 0, &packet(sequence, 3), NEAR).unwrap();
            assert_eq!(
                (reply.sequence, reply.sender_sequence, reply.ssid),
                (k as u32, sequence, 3)
            );
            assert_eq!(
                (reply.sender_sent_at, reply.sender_error_estimate.0),
                (WireTimestamp(77), 0x8A01)
            );
            assert_eq!(
                (reply.sender_ttl, reply.error_estimate),
                (251, ErrorEstimate::NO_CLAIM)
            );
            assert_eq!(
                NtpTimestamp(reply.received_at.0)
                    .to_timestamp(Timestamp(1_795_441_000_000_000_000)),
                Timestamp(1_795_441_000_000_000_123)
            );
        }
        for (datagram, source) in [(packet(0, 4), NEAR), (packet(0, 3), "198.51.100.7:4001")] {
            assert_eq!(
                reflect(&mut reflector, 0, &datagram, source)
                    .unwrap()
                    .sequence,
                0,
                "another session has its own count"
            );
        }
    }

    #[test]
    fn short_requests_are_answered_with_the_base_reply_but_rationed() {
        let mut reflector = SessionReflector::new(16, 1);
        assert_eq!(
            reflect(&mut reflector, 0, &packet(0, 0)[..13], NEAR),
            Err(Unanswered::Malformed)
        );
        let answered = (0..5_000)
            .filter(|_| reflect(&mut reflector, 0, &packet(0, 0)[..14], NEAR).is_ok())
            .count();
        assert_eq!(answered, 1_000);
        let answered = (0..5_000)
            .filter(|_| reflect(&mut reflector, 500_000_000, &packet(0, 0)[..14], NEAR).is_ok())
            .count();
        assert_eq!(answered, 500);
        assert!(
            reflect(&mut reflector, 500_000_000, &packet(0, 0), NEAR).is_ok(),
            "whole requests are not rationed"
        );
        assert_eq!(
            reflector.counts(),
            ReflectorCounts {
                reflected: 1_501,
                malformed: 1,
                rationed: 8_500,
                table_full: 0
            }
        );
    }

    #[test]
    fn a_flood_of_forged_sources_finds_a_table_of_fixed_size_and_leaves_it_again() {
        let mut reflector = SessionReflector::new(64, 1);
        assert!(reflect(&mut reflector, 0, &packet(0, 1), NEAR).is_ok());
        assert!(reflect(&mut reflector, 1, &packet(1, 1), NEAR).is_ok());
        let refused = (0..2_000)
            .filter(|k| {
                reflect(
                    &mut reflector,
                    2,
                    &packet(0, 0),
                    &format!("203.0.113.{}:{}", k % 250, 1_024 + k),
                )
                .is_err()
            })
            .count();
        assert!(refused >= 2_000 - 64, "{refused}");
        assert_eq!(
            reflect(&mut reflector, 3, &packet(2, 1), NEAR)
                .unwrap()
                .sequence,
            2,
            "who was there before goes on counting"
        );
        let second = 2_000_000_000;
        assert_eq!(
            reflect(&mut reflector, second, &packet(0, 0), "198.51.100.9:1")
                .unwrap()
                .sequence,
            0,
            "and a newcomer finds room"
        );
    }

    #[test]
    fn a_session_that_was_idle_for_long_begins_anew() {
        let mut reflector = SessionReflector::new(16, 1);
        for sequence in 0..3 {
            reflect(&mut reflector, 0, &packet(sequence, 1), NEAR).unwrap();
        }
        assert_eq!(
            reflect(&mut reflector, IDLE.0, &packet(3, 1), NEAR)
                .unwrap()
                .sequence,
            3
        );
        assert_eq!(
            reflect(&mut reflector, IDLE.0 * 2 + 1, &packet(4, 1), NEAR)
                .unwrap()
                .sequence,
            0
        );
    }

    #[test]
    fn a_million_random_datagrams_are_survived() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut reflector = SessionReflector::new(1 << 16, 1);
        let mut datagram = [0_u8; 200];
        for k in 0..1_000_000_i64 {
            for chunk in datagram.chunks_mut(8) {
                chunk.copy_from_slice(&random().to_be_bytes()[..chunk.len()]);
            }
            let length = random() as usize % 200;
            let source = SocketAddr::from(([203, 0, 113, random() as u8], random() as u16));
            let request = Request {
                datagram: &datagram[..length],
                source,
                ..request(&[], NEAR)
            };
            let _ = reflector.handle(Monotonic(k * 10_000), &request, ErrorEstimate::NO_CLAIM);
        }
        let counts = reflector.counts();
        assert_eq!(
            counts.reflected + counts.malformed + counts.rationed + counts.table_full,
            1_000_000
        );
        assert!(
            counts.malformed > 50_000 && counts.reflected > 1_000,
            "{counts:?}"
        );
    }
}
