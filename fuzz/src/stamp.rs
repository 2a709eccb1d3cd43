//! STAMP: requests to a session-reflector, replies to a session-sender, TLVs.

use owl_measure::sample::{Stamp, StampSource};
use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_protocol::session::reflector::{
    Authentication, ControlLimits, Policy, ReflectorClock, ReflectorConfig, Request, State,
};
use owl_protocol::session::sender::{Protection, Question, Received, Reflector, SenderConfig};
use owl_protocol::session::{Schedule, SessionReflector, SessionSender};
use owl_protocol::wire::authentication::{AUTHENTICATED_OCTETS, Key, KeyStore};
use owl_protocol::wire::stamp::PACKET_OCTETS;
use owl_protocol::wire::tlv::{MicroSession, TimestampInformation, Tlvs};
use owl_protocol::wire::{ErrorEstimate, TaiOffset, TimestampFormat};

use crate::input::Input;

const ROOM: usize = 2_048;
const MS: i64 = 1_000_000;
const SSID: u16 = 7;

fn key() -> Key {
    Key::new(b"0123456789abcdef").expect("sixteen octets are a key")
}

fn clock(format: TimestampFormat) -> ReflectorClock {
    ReflectorClock {
        error_estimate: ErrorEstimate::NO_CLAIM.with_format(format),
        tai_offset: TaiOffset::SINCE_2017,
        information: TimestampInformation::default(),
    }
}

fn format(octet: u8) -> TimestampFormat {
    if octet & 0x80 == 0 {
        TimestampFormat::Ntp
    } else {
        TimestampFormat::Ptp
    }
}

fn reflector(kind: u8) -> SessionReflector {
    let generous = ControlLimits {
        octets_max: 1_500,
        count_max: 4,
        volume_octets_max: 6_000,
        rate_octets_per_second_max: 1 << 20,
    };
    SessionReflector::new(ReflectorConfig {
        state: if kind & 1 == 0 {
            State::Stateful { sessions: 4 }
        } else {
            State::Stateless
        },
        authentication: if kind & 2 == 0 {
            Authentication::Accepted
        } else {
            Authentication::Required
        },
        keys: if kind & 4 == 0 {
            KeyStore::default()
        } else {
            KeyStore::new([(SSID, key())])
        },
        policy: Policy {
            reflected_control: (kind & 8 != 0).then_some(generous),
            tell_location: kind & 16 != 0,
            addresses: vec![[192, 0, 2, 2].into()],
            return_addresses: vec![[192, 0, 2, 9].into()],
            ..Policy::default()
        },
        ..ReflectorConfig::open(4, 1)
    })
}

/// Any datagrams to a session-reflector of any kind. A reply is never longer than its request or the base packet.
pub fn stamp_request(input: &[u8]) {
    let mut input = Input(input);
    let kind = input.u8();
    let mut reflector = reflector(kind);
    let clock = clock(format(kind));
    let mut room = [0; ROOM];
    let mut now = 0;
    while !input.is_empty() {
        now += i64::from(input.u8()) * MS;
        let (source, mark) = (input.u8(), input.u8());
        let datagram = input.piece();
        room[..datagram.len()].copy_from_slice(datagram);
        let request = Request {
            octets: datagram.len(),
            source: ([192, 0, 2, source % 4], 4_000 + u16::from(source)).into(),
            destination: ([192, 0, 2, 2], 862).into(),
            ttl: mark,
            traffic_class: mark,
            received_at: Timestamp(now),
            interface: (source & 0x40 != 0).then_some(3),
            member_link: (source & 0x80 != 0).then_some(5),
        };
        let Ok(mut reply) = reflector.handle(Monotonic(now), &request, &clock, &mut room) else {
            continue;
        };
        let controlled = kind & 8 != 0;
        let longest = datagram.len().max(PACKET_OCTETS);
        assert!(controlled || reply.octets <= longest, "longer than asked");
        assert!(reply.octets <= ROOM, "longer than there is room");
        reply.seal(&mut room, Timestamp(now + 1));
        for _ in 1..reply.copies.0 {
            if reflector.repeat(&mut reply, &mut room).is_none() {
                break;
            }
        }
        if let Some(token) = reply.token.take() {
            reflector.handle_transmitted(token, kernel(now + 2));
        }
    }
}

fn kernel(ns: i64) -> Stamp {
    Stamp {
        at: Timestamp(ns),
        source: StampSource::Kernel,
    }
}

fn sender(kind: u8) -> SessionSender {
    let protection = match kind & 3 {
        0 | 1 => Protection::None,
        2 => Protection::Tlvs(key()),
        _ => Protection::Authenticated(key()),
    };
    let question = Question {
        follow_up: kind & 4 != 0,
        timestamp_information: kind & 8 != 0,
        class_of_service: kind & 8 != 0,
        direct_measurement: kind & 16 != 0,
        location: kind & 16 != 0,
        member_links: (kind & 32 != 0).then_some(MicroSession {
            sender: 1,
            reflector: 0,
        }),
        ..Question::default()
    };
    let reflector = if kind & 64 == 0 {
        Reflector::Own
    } else {
        Reflector::Stranger
    };
    SessionSender::new(SenderConfig {
        packets: Some(32),
        format: format(kind),
        protection,
        question,
        ..SenderConfig::new(
            SSID,
            Schedule::periodic(Nanos(MS), Monotonic(0)),
            Nanos(4 * MS),
            reflector,
        )
    })
}

/// Replies that were spoiled on their way, or are something else altogether, to a session-sender of any kind.
pub fn stamp_reply(input: &[u8]) {
    let mut input = Input(input);
    let kind = input.u8();
    let mut sender = sender(kind);
    let mut reflector = reflector(if kind & 2 == 0 { 0 } else { 4 });
    let (mut packet, mut reply) = ([0; ROOM], [0; ROOM]);
    let mut octets = 0;
    for k in 0..40 {
        let (now, wall) = (Monotonic(k * MS), Timestamp(k * MS));
        if let Some(sent) = sender.poll_transmit(now, wall, ErrorEstimate::NO_CLAIM, &mut packet) {
            octets = sent.octets;
            if input.u8() & 1 == 0 {
                sender.handle_transmitted(sent.token, kernel(wall.0 + 1));
            }
        }
        // Once, twice or never; the packet of now or, when there is no new one, that of then.
        for _ in 0..input.u8() % 3 {
            reply[..octets].copy_from_slice(&packet[..octets]);
            input.spoil(&mut reply[..octets]);
            let request = Request {
                octets,
                source: ([192, 0, 2, 1], 4_000).into(),
                destination: ([192, 0, 2, 2], 862).into(),
                ttl: 250,
                traffic_class: 0,
                received_at: Timestamp(wall.0 + 10),
                interface: None,
                member_link: None,
            };
            let clock = clock(format(input.u8()));
            let length = match reflector.handle(now, &request, &clock, &mut reply) {
                Ok(answer) => {
                    answer.seal(&mut reply, Timestamp(wall.0 + 20));
                    answer.octets
                }
                Err(_) => {
                    let stranger = input.piece();
                    reply[..stranger.len()].copy_from_slice(stranger);
                    stranger.len()
                }
            };
            input.spoil(&mut reply[..length]);
            let cut = length.saturating_sub(usize::from(input.u8() % 16));
            let received = Received {
                stamp: kernel(wall.0 + 30),
                ttl: input.u8(),
                traffic_class: Some(input.u8()),
            };
            sender.handle_reply(now, &reply[..cut], received);
        }
        while sender.poll_sample(now).is_some() {}
        while sender.poll_loss(now).is_some() {}
    }
}

/// Any octets where TLVs are expected.
pub fn tlv(input: &[u8]) {
    for start in [0, PACKET_OCTETS, AUTHENTICATED_OCTETS] {
        let mut end = start;
        for tlv in Tlvs::starting(input, start) {
            let Ok(tlv) = tlv else { break };
            assert!(tlv.at >= end && tlv.end() <= input.len(), "overlapping");
            end = tlv.end();
            let _ = tlv.value();
        }
    }
}
