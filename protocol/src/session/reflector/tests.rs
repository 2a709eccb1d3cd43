//! What a session-reflector answers, and what it does not.

use super::*;
use crate::wire::authentication::KeyEntry;
use crate::wire::tlv::{
    self, ClassOfService, DirectMeasurement, Flags, FollowUp, Location, MicroSession,
    ReflectedControl, ReturnPath, SyncSource, TimestampMethod, Tlv, Tlvs, Value, kind,
};
use owl_measure::sample::StampSource;

mod extension;
mod integrity;

const NEAR: &str = "198.51.100.7:4000";
const T2: Timestamp = Timestamp(1_795_441_000_000_000_123);
const T3: Timestamp = Timestamp(1_795_441_000_000_010_000);

fn request(octets: usize, source: &str) -> Request {
    Request {
        octets,
        source: source.parse().unwrap(),
        destination: "192.0.2.2:862".parse().unwrap(),
        ttl: 251,
        traffic_class: 0,
        received_at: T2,
        interface: None,
        member_link: None,
    }
}

fn clock() -> ReflectorClock {
    ReflectorClock {
        error_estimate: ErrorEstimate::NO_CLAIM,
        tai_offset: TaiOffset::SINCE_2017,
        information: TimestampInformation {
            source_in: SyncSource::NTP,
            method_in: TimestampMethod::SOFTWARE,
            source_out: SyncSource::NTP,
            method_out: TimestampMethod::SOFTWARE,
        },
    }
}

fn sender_packet(sequence: u32, ssid: u16) -> SenderPacket {
    let sent_at = WireTimestamp::write(
        T2 - Nanos::from_millis(5) + Nanos(i64::from(sequence)),
        TimestampFormat::Ntp,
        TaiOffset::SINCE_2017,
    );
    SenderPacket {
        sequence,
        sent_at,
        error_estimate: ErrorEstimate(0x8A01),
        ssid,
    }
}

fn packet(sequence: u32, ssid: u16) -> [u8; PACKET_OCTETS] {
    sender_packet(sequence, ssid).encode()
}

fn key() -> Key {
    Key::new(b"thirty-two octets, all of them.!").unwrap()
}

/// A reply with its octets.
struct Answered {
    reply: Reply,
    octets: Vec<u8>,
}

impl Answered {
    fn packet(&self) -> ReflectorPacket {
        ReflectorPacket::decode(&self.octets).unwrap()
    }

    fn tlvs(&self) -> Vec<Tlv<'_>> {
        let base = self.reply.base_octets();
        Tlvs::new(&self.octets[base..])
            .map(Result::unwrap)
            .collect()
    }
}

fn ask(
    reflector: &mut SessionReflector,
    now: i64,
    datagram: &[u8],
    how: Request,
) -> Result<Answered, Unanswered> {
    let mut buffer = vec![0xEE; 2_000];
    buffer[..datagram.len()].copy_from_slice(datagram);
    let how = Request {
        octets: datagram.len(),
        ..how
    };
    let reply = reflector.handle(Monotonic(now), &how, &clock(), &mut buffer)?;
    reply.seal(&mut buffer, T3);
    buffer.truncate(reply.octets);
    Ok(Answered {
        reply,
        octets: buffer,
    })
}

fn reflect(
    reflector: &mut SessionReflector,
    now: i64,
    datagram: &[u8],
    source: &str,
) -> Result<ReflectorPacket, Unanswered> {
    ask(reflector, now, datagram, request(0, source)).map(|answered| answered.packet())
}

fn open() -> SessionReflector {
    SessionReflector::new(ReflectorConfig::open(16, 1))
}

#[test]
fn a_reply_repeats_the_request_and_counts_its_session() {
    let mut reflector = open();
    for (k, sequence) in [5, 9, 9].into_iter().enumerate() {
        let request = packet(sequence, 3);
        let reply = reflect(&mut reflector, 0, &request, NEAR).unwrap();
        assert_eq!(
            (reply.sequence, reply.sender_sequence, reply.ssid),
            (k as u32, sequence, 3)
        );
        let asked = SenderPacket::decode(&request).unwrap();
        assert_eq!(
            (reply.sender_sent_at, reply.sender_error_estimate),
            (asked.sent_at, asked.error_estimate)
        );
        assert_eq!(
            (reply.sender_ttl, reply.error_estimate),
            (251, ErrorEstimate::NO_CLAIM)
        );
        let read = |at: WireTimestamp| at.read(TimestampFormat::Ntp, clock().tai_offset, T2);
        assert_eq!((read(reply.received_at), read(reply.sent_at)), (T2, T3));
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
fn what_must_be_zero_is_ignored_on_receipt_and_zero_in_the_reply() {
    let mut datagram = packet(5, 3);
    datagram[16..].fill(0xEE);
    let answered = ask(&mut open(), 0, &datagram, request(0, NEAR)).unwrap();
    assert_eq!(answered.packet().sender_sequence, 5);
    assert_eq!(answered.octets[38..44], [0, 0, 251, 0, 0, 0]);

    let mut datagram = sender_packet(5, 3).encode_authenticated(&key());
    datagram[28..96].fill(0xEE);
    datagram[4..16].fill(0xEE);
    let hmac = key().sign([&datagram[..96], &[]]);
    datagram[96..].copy_from_slice(&hmac);
    let mut reflector = keyed(Authentication::Required);
    let answered = ask(&mut reflector, 0, &datagram, request(0, NEAR)).unwrap();
    for zero in [4..16, 28..32, 40..48, 52..64, 74..80, 81..96] {
        assert!(answered.octets[zero].iter().all(|&octet| octet == 0));
    }
}

#[test]
fn a_stateless_reflector_copies_the_number_and_knows_nobody() {
    let mut reflector = SessionReflector::new(ReflectorConfig {
        state: State::Stateless,
        ..ReflectorConfig::open(0, 1)
    });
    for sequence in [5, 9, 9] {
        let answered = ask(&mut reflector, 0, &packet(sequence, 3), request(0, NEAR)).unwrap();
        assert_eq!(answered.packet().sequence, sequence);
        assert_eq!(answered.reply.token, None);
    }
}

#[test]
fn the_reflectors_format_is_that_of_its_own_error_estimate() {
    let mut reflector = open();
    let mut buffer = [0; 200];
    buffer[..44].copy_from_slice(&packet(0, 0));
    let clock = ReflectorClock {
        error_estimate: ErrorEstimate(0x8A01).with_format(TimestampFormat::Ptp),
        ..clock()
    };
    let reply = reflector
        .handle(Monotonic(0), &request(44, NEAR), &clock, &mut buffer)
        .unwrap();
    reply.seal(&mut buffer, T3);
    let packet = ReflectorPacket::decode(&buffer[..44]).unwrap();
    // TAI: 37 s ahead.
    assert_eq!(packet.received_at.0, (1_795_441_037 << 32) | 123);
    assert_eq!(packet.sent_at.0, (1_795_441_037 << 32) | 10_000);
    assert_eq!(packet.sender_error_estimate.format(), TimestampFormat::Ntp);
}

#[test]
fn twamp_light_padding_comes_back_as_it_came_and_short_requests_get_the_base_reply() {
    let mut reflector = open();
    for octets in [14, 27, 41, 43, 44, 45, 47, 48, 100] {
        let datagram = [&packet(0, 0)[..], &[0; 56]].concat();
        let answered = ask(&mut reflector, 0, &datagram[..octets], request(0, NEAR)).unwrap();
        assert_eq!(answered.octets.len(), octets.max(44));
        assert!(answered.octets[44..].iter().all(|&octet| octet == 0));
    }
}

#[test]
fn short_requests_are_answered_with_the_base_reply_but_rationed() {
    let mut reflector = open();
    assert_eq!(
        reflect(&mut reflector, 0, &packet(0, 0)[..13], NEAR),
        Err(Unanswered::Malformed)
    );
    let mut answered = |now| {
        (0..5_000)
            .filter(|_| reflect(&mut reflector, now, &packet(0, 0)[..14], NEAR).is_ok())
            .count()
    };
    assert_eq!((answered(0), answered(500_000_000)), (1_000, 500));
    assert!(
        reflect(&mut reflector, 500_000_000, &packet(0, 0), NEAR).is_ok(),
        "whole requests are not"
    );
    assert_eq!(
        reflector.counts(),
        ReflectorCounts {
            reflected: 1_501,
            malformed: 1,
            rationed: 8_500,
            ..ReflectorCounts::default()
        }
    );
}

#[test]
fn only_sessions_of_provisioned_sources_are_answered() {
    let allow = ["198.51.100.0/25", "2001:db8::/64"];
    let mut reflector = SessionReflector::new(ReflectorConfig {
        allow: allow.map(|net| net.parse().unwrap()).into(),
        ..ReflectorConfig::open(16, 1)
    });
    for (source, fate) in [
        ("198.51.100.7:4000", Ok(())),
        ("198.51.100.127:4000", Ok(())),
        ("198.51.100.128:4000", Err(Unanswered::Unprovisioned)),
        ("[2001:db8::9]:4000", Ok(())),
        ("[2001:db8:0:1::9]:4000", Err(Unanswered::Unprovisioned)),
    ] {
        let told = reflect(&mut reflector, 0, &packet(0, 0), source).map(|_| ());
        assert_eq!(told, fate, "{source}");
    }
    let counts = reflector.counts();
    assert_eq!((counts.reflected, counts.unprovisioned), (3, 2));
}

#[test]
fn one_source_cannot_use_up_what_belongs_to_all_and_all_together_have_a_limit() {
    let rate = |per_second, burst| Rate { per_second, burst };
    let mut reflector = SessionReflector::new(ReflectorConfig {
        rations: Rations {
            source: rate(1_000, 100),
            total: rate(10_000, 250),
            short: rate(1, 1),
        },
        ..ReflectorConfig::open(64, 1)
    });
    let mut answered = |now, source: &str| {
        (0..1_000)
            .filter(|_| reflect(&mut reflector, now, &packet(0, 0), source).is_ok())
            .count()
    };
    assert_eq!(answered(0, NEAR), 100);
    assert_eq!(
        answered(0, "198.51.100.7:9"),
        0,
        "a port is no other source"
    );
    assert_eq!(answered(0, "[2001:db8::1]:9"), 100);
    assert_eq!(answered(0, "[2001:db8::2]:9"), 0, "nor is the same /64");
    assert_eq!(answered(0, "203.0.113.1:9"), 50, "all together");
    assert_eq!(answered(20_000_000, NEAR), 20, "1 000 a second again");
    assert_eq!(answered(60_000_000_000, NEAR), 100, "no more after a rest");
}

#[test]
fn parts_of_a_reflector_give_together_what_the_whole_gives_and_a_source_half_of_one_at_most() {
    let whole = ReflectorConfig::open(1_000, 1);
    for (parts, sessions, total, source, short) in [
        (0, 1_000, 1_000_000, 500_000, 1_000),
        (1, 1_000, 1_000_000, 500_000, 1_000),
        (4, 250, 250_000, 125_000, 250),
        (64, 16, 15_625, 7_812, 15),
        (usize::MAX, 1, 1, 1, 1),
    ] {
        let part = whole.share_of(parts);
        assert_eq!(part.state, State::Stateful { sessions }, "{parts}");
        let rations = part.rations;
        assert_eq!(
            (
                rations.total.per_second,
                rations.source.per_second,
                rations.short.per_second
            ),
            (total, source, short),
            "{parts}"
        );
    }
}

#[test]
fn a_flood_of_forged_sources_finds_a_table_of_fixed_size_and_leaves_it_again() {
    let mut reflector = SessionReflector::new(ReflectorConfig::open(64, 1));
    assert!(reflect(&mut reflector, 0, &packet(0, 1), NEAR).is_ok());
    assert!(reflect(&mut reflector, 1, &packet(1, 1), NEAR).is_ok());
    let refused = (0..2_000)
        .filter(|k| {
            let source = format!("203.0.113.{}:{}", k % 250, 1_024 + k);
            reflect(&mut reflector, 2, &packet(0, 0), &source).is_err()
        })
        .count();
    assert!(refused >= 2_000 - 2 * 64, "{refused}");
    let sequence = |reply: Result<ReflectorPacket, _>| reply.unwrap().sequence;
    assert_eq!(
        sequence(reflect(&mut reflector, 3, &packet(2, 1), NEAR)),
        2,
        "who was there before goes on counting"
    );
    assert_eq!(
        sequence(reflect(
            &mut reflector,
            2_000_000_000,
            &packet(0, 0),
            "198.51.100.9:1"
        )),
        0,
        "and a newcomer finds room"
    );
}

#[test]
fn a_session_that_was_idle_for_long_begins_anew() {
    let mut reflector = open();
    let idle = table::IDLE.0;
    for (now, sequence) in [(0, 0), (0, 1), (0, 2), (idle, 3), (idle * 2 + 1, 0)] {
        let reply = reflect(&mut reflector, now, &packet(7, 1), NEAR).unwrap();
        assert_eq!(reply.sequence, sequence, "at {now}");
    }
}

fn keyed(authentication: Authentication) -> SessionReflector {
    SessionReflector::new(ReflectorConfig {
        authentication,
        keys: KeyStore::new([(3, key())]),
        ..ReflectorConfig::open(16, 1)
    })
}

#[test]
fn an_authenticated_request_gets_an_authenticated_reply() {
    let mut reflector = keyed(Authentication::Accepted);
    let datagram = sender_packet(7, 3).encode_authenticated(&key());
    let answered = ask(&mut reflector, 0, &datagram, request(0, NEAR)).unwrap();
    let reply = ReflectorPacket::decode_authenticated(&answered.octets, &[key()]).unwrap();
    assert_eq!(answered.octets.len(), AUTHENTICATED_OCTETS);
    assert_eq!(
        (reply.sequence, reply.sender_sequence, reply.sender_ttl),
        (0, 7, 251)
    );
    assert_eq!(
        reply
            .sent_at
            .read(TimestampFormat::Ntp, clock().tai_offset, T2),
        T3
    );
}

#[test]
fn what_is_not_authentic_is_not_answered_and_leaves_no_trace() {
    let good = sender_packet(7, 3).encode_authenticated(&key());
    let mut forged = good;
    forged[96] ^= 1;
    let other = Key::new(&[7; 32]).unwrap();
    let wrong_key = sender_packet(7, 3).encode_authenticated(&other);
    let no_key = sender_packet(7, 4).encode_authenticated(&other);
    let plain = packet(7, 3);
    for (authentication, datagram, fate) in [
        (
            Authentication::Accepted,
            &forged[..],
            Err(Unanswered::Unauthentic),
        ),
        (
            Authentication::Accepted,
            &wrong_key,
            Err(Unanswered::Unauthentic),
        ),
        (Authentication::Accepted, &no_key, Ok(())),
        (Authentication::Accepted, &plain, Ok(())),
        (
            Authentication::Required,
            &forged,
            Err(Unanswered::Unauthentic),
        ),
        (
            Authentication::Required,
            &no_key,
            Err(Unanswered::Unauthentic),
        ),
        (
            Authentication::Required,
            &plain,
            Err(Unanswered::Unauthentic),
        ),
        (Authentication::Required, &good, Ok(())),
    ] {
        let mut reflector = keyed(authentication);
        let told = ask(&mut reflector, 0, datagram, request(0, NEAR)).map(|_| ());
        assert_eq!(told, fate, "{authentication:?}");
    }
}

#[test]
fn a_replayed_packet_is_not_answered() {
    let mut reflector = keyed(Authentication::Required);
    let mut fates = Vec::new();
    for sequence in [0, 1, 1, 3, 2, 3, 0] {
        let datagram = sender_packet(sequence, 3).encode_authenticated(&key());
        fates.push(ask(&mut reflector, 0, &datagram, request(0, NEAR)).map(|_| ()));
    }
    let replayed = Err(Unanswered::Replayed);
    assert_eq!(
        fates,
        [Ok(()), Ok(()), replayed, Ok(()), Ok(()), replayed, replayed]
    );
    assert_eq!(reflector.counts().replayed, 3);
}

#[test]
fn keys_change_without_a_restart_and_sessions_go_on() {
    let mut reflector = keyed(Authentication::Required);
    let new = Key::new(&[9; 32]).unwrap();
    let mut sequence = 0;
    let mut ask = |reflector: &mut SessionReflector, key: &Key| {
        let datagram = sender_packet(sequence, 3).encode_authenticated(key);
        sequence += 1;
        let answered = ask(reflector, 0, &datagram, request(0, NEAR)).ok()?;
        ReflectorPacket::decode_authenticated(&answered.octets, [key])
            .ok()
            .map(|reply| reply.sequence)
    };
    assert_eq!(ask(&mut reflector, &key()), Some(0));
    assert_eq!(ask(&mut reflector, &new), None);
    reflector.handle_new_keys(KeyStore::new([KeyEntry {
        accept: Some(new.clone()),
        ..KeyEntry::from((3, key()))
    }]));
    assert_eq!(ask(&mut reflector, &key()), Some(1));
    assert_eq!(ask(&mut reflector, &new), Some(2));
    reflector.handle_new_keys(KeyStore::new([(3, new.clone())]));
    assert_eq!(ask(&mut reflector, &key()), None);
    assert_eq!(ask(&mut reflector, &new), Some(3));
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
    let limits = ControlLimits {
        octets_max: 1_500,
        count_max: 10,
        volume_octets_max: 15_000,
        rate_octets_per_second_max: u64::MAX,
    };
    let mut reflector = SessionReflector::new(ReflectorConfig {
        keys: KeyStore::new([(3, key())]),
        policy: Policy {
            reflected_control: Some(limits),
            ..Policy::default()
        },
        ..ReflectorConfig::open(1 << 16, 1)
    });
    let (mut buffer, mut longer) = ([0_u8; 300], 0_u32);
    for k in 0..1_000_000_i64 {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&random().to_be_bytes()[..chunk.len()]);
        }
        // Headers with types and lengths that mean something, and now and then a right HMAC before them.
        for at in (44..280).step_by(16) {
            buffer[at + 1] %= 14;
            buffer[at + 2] = 0;
            buffer[at + 3] %= 20;
        }
        if k % 4 == 0 {
            buffer[..112].copy_from_slice(&sender_packet(k as u32, 3).encode_authenticated(&key()));
        }
        let octets = random() as usize % 300;
        let how = Request {
            octets,
            source: SocketAddr::from(([203, 0, 113, random() as u8], random() as u16)),
            ..request(0, NEAR)
        };
        let Ok(reply) = reflector.handle(Monotonic(k * 10_000), &how, &clock(), &mut buffer) else {
            continue;
        };
        reply.seal(&mut buffer, T3);
        assert!(reply.octets <= buffer.len());
        longer += u32::from(reply.octets > octets.max(44));
    }
    assert_eq!(longer, 0, "nothing is ever proved fresh, so nothing grows");
    let counts = reflector.counts();
    let ReflectorCounts {
        reflected,
        malformed,
        unprovisioned,
        unauthentic,
        replayed,
        rationed,
        table_full,
        unwanted,
        wrong_member_link,
    } = counts;
    assert_eq!(unprovisioned, 0, "everybody is answered");
    assert_eq!(
        reflected
            + malformed
            + unauthentic
            + replayed
            + rationed
            + table_full
            + unwanted
            + wrong_member_link,
        1_000_000
    );
    assert!(malformed > 30_000 && reflected > 1_000, "{counts:?}");
}
