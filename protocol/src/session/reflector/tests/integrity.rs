//! What a session-reflector does only for who is proved, by the HMAC TLV.

use super::extension::with;
use super::*;

/// A request with an HMAC TLV at its end.
fn signed(mut datagram: Vec<u8>, base_octets: usize, key: &Key) -> Vec<u8> {
    let hmac = key.sign([&datagram[..4], &datagram[base_octets..]]);
    tlv::append(&mut datagram, kind::HMAC, &hmac);
    datagram
}

#[test]
fn tlvs_with_a_key_are_believed_only_with_the_right_hmac() {
    let cos = (kind::CLASS_OF_SERVICE, &[46 << 2, 0, 0, 0][..]);
    let padding = (kind::EXTRA_PADDING, &[0; 4][..]);
    let good = signed(with(0, &[cos]), 44, &key());
    let mut bad = good.clone();
    bad[48] ^= 4;
    let mut padded = good.clone();
    tlv::append(&mut padded, padding.0, padding.1);
    let mut misplaced = good.clone();
    tlv::append(&mut misplaced, cos.0, cos.1);
    let mut twice = good.clone();
    twice.extend_from_slice(&good[52..]);
    let mut broken = good.clone();
    broken.extend([0x80, 1, 0, 9]);
    for (datagram, believed) in [
        (good, true),
        (padded, true),
        (with(0, &[padding]), true),
        (bad, false),
        (misplaced, false),
        (twice, false),
        (broken, false),
        (with(0, &[cos]), false),
        (with(0, &[padding, padding]), false),
    ] {
        let mut reflector = keyed(Authentication::Accepted);
        let answered = ask(&mut reflector, 0, &datagram, request(0, NEAR)).unwrap();
        let flags: Vec<_> = Tlvs::new(&answered.octets[44..])
            .flatten()
            .map(|tlv| tlv.flags.0)
            .collect();
        let told = if believed { 0 } else { 0xA0 };
        assert!(flags.iter().all(|&flags| flags == told), "{flags:?}");
        assert_eq!(answered.octets.len(), datagram.len());
        if !believed {
            assert_eq!(answered.reply.traffic_class, 0);
            assert_eq!(answered.octets[48..52], datagram[48..52]);
        }
    }
    let unkeyed = ask(
        &mut open(),
        0,
        &signed(with(0, &[cos]), 44, &key()),
        request(0, NEAR),
    )
    .unwrap();
    assert_eq!(
        unkeyed.tlvs()[0].flags.0,
        0xA0,
        "an HMAC that cannot be checked is not right"
    );
}

#[test]
fn the_reply_has_its_own_hmac_over_its_own_number_and_tlvs() {
    let mut reflector = keyed(Authentication::Accepted);
    for k in 0..3_u32 {
        // Authenticated mode: both HMACs.
        let mut datagram = sender_packet(k + 5, 3)
            .encode_authenticated(&key())
            .to_vec();
        tlv::append(&mut datagram, kind::DIRECT_MEASUREMENT, &[0; 12]);
        tlv::append(&mut datagram, kind::EXTRA_PADDING, &[7; 3]);
        let datagram = signed(datagram, 112, &key());
        let answered = ask(&mut reflector, 0, &datagram, request(0, NEAR)).unwrap();
        let reply = ReflectorPacket::decode_authenticated(&answered.octets, &[key()]).unwrap();
        assert_eq!(reply.sequence, k);
        let tlvs = answered.tlvs();
        let area = &answered.octets[112..];
        let hmac: [u8; 16] = tlvs[2].value.try_into().unwrap();
        assert!(key().verifies([&k.to_be_bytes(), &area[..tlvs[2].at]], &hmac));
        assert!(tlvs.iter().all(|tlv| tlv.flags == Flags::UNDERSTOOD));
    }
    let mut bare = sender_packet(9, 3).encode_authenticated(&key()).to_vec();
    tlv::append(&mut bare, kind::DIRECT_MEASUREMENT, &[0; 12]);
    let answered = ask(&mut reflector, 0, &bare, request(0, NEAR)).unwrap();
    assert_eq!(
        answered.tlvs()[0].flags.0,
        0xA0,
        "an authenticated packet must protect its TLVs too"
    );
}

fn many() -> ReflectorConfig {
    let limits = ControlLimits {
        octets_max: 1_400,
        count_max: 4,
        volume_octets_max: 4_000,
        rate_octets_per_second_max: 1_400_000,
    };
    ReflectorConfig {
        keys: KeyStore::new([(3, key())]),
        policy: Policy {
            reflected_control: Some(limits),
            ..Policy::default()
        },
        ..ReflectorConfig::open(16, 1)
    }
}

fn control(octets: u16, count: u16, interval_ns: u32) -> [u8; 12] {
    ReflectedControl {
        octets,
        count,
        interval_ns,
    }
    .encode()
}

#[test]
fn many_or_longer_replies_are_off_by_default_capped_and_only_for_who_is_proved() {
    let ms = 1_000_000;
    let one = |reflector: &mut SessionReflector, sequence, value: [u8; 12]| {
        let datagram = with(sequence, &[(kind::REFLECTED_CONTROL, &value)]);
        let datagram = signed(datagram, 44, &key());
        ask(reflector, 0, &datagram, request(0, NEAR)).map(|answered| {
            let flags = answered.tlvs()[0].flags.0;
            (answered.octets.len(), answered.reply.copies.0, flags)
        })
    };
    let plain = 44 + 16 + 20;
    let mut reflector = SessionReflector::new(many());
    for (sequence, value, told) in [
        (0, control(1_000, 3, ms), (1_000, 3, 0)),
        (1, control(0, 1, 0), (plain, 1, 0)),
        (2, control(998, 2, ms), (1_000, 2, 0)),
        (3, control(1_401, 1, 0), (plain, 1, 0x10)),
        (4, control(100, 5, ms), (plain, 1, 0x10)),
        (5, control(1_400, 3, ms), (plain, 1, 0x10)),
        (6, control(100, 2, 0), (plain, 1, 0x10)),
        (7, control(200, 2, ms / 10), (plain, 1, 0x10)),
        (7, control(1_000, 3, ms), (plain, 1, 0x80)),
    ] {
        assert_eq!(one(&mut reflector, sequence, value), Ok(told), "{value:?}");
    }
    assert_eq!(
        one(&mut reflector, 8, control(100, 0, 0)),
        Err(Unanswered::Unwanted)
    );
    let mut off = keyed(Authentication::Accepted);
    assert_eq!(
        one(&mut off, 0, control(1_000, 3, ms)),
        Ok((plain, 1, 0x80)),
        "off by default"
    );
    let unsigned = with(9, &[(kind::REFLECTED_CONTROL, &control(1_000, 3, ms))]);
    let mut keyless = SessionReflector::new(ReflectorConfig {
        keys: KeyStore::default(),
        ..many()
    });
    let answered = ask(&mut keyless, 0, &unsigned, request(0, NEAR)).unwrap();
    assert_eq!(
        (answered.octets.len(), answered.tlvs()[0].flags.0),
        (60, 0x80)
    );
}

#[test]
fn each_copy_of_a_reply_has_its_own_number_and_hmac() {
    let mut reflector = SessionReflector::new(many());
    let datagram = with(0, &[(kind::REFLECTED_CONTROL, &control(500, 3, 1_000_000))]);
    let datagram = signed(datagram, 44, &key());
    let mut buffer = [0; 1_500];
    buffer[..datagram.len()].copy_from_slice(&datagram);
    let how = request(datagram.len(), NEAR);
    let mut reply = reflector
        .handle(Monotonic(0), &how, &clock(), &mut buffer)
        .unwrap();
    let mut numbers = Vec::new();
    loop {
        reply.seal(&mut buffer, T3);
        let packet = ReflectorPacket::decode(&buffer[..reply.octets]).unwrap();
        numbers.push(packet.sequence);
        let stamp = Stamp {
            at: T3,
            source: StampSource::Kernel,
        };
        reflector.handle_transmitted(reply.token.take().unwrap(), stamp);
        let area = &buffer[44..reply.octets];
        let hmac = Tlvs::new(area).flatten().find(|tlv| tlv.kind == kind::HMAC);
        let tlv = hmac.unwrap();
        assert!(key().verifies(
            [&packet.sequence.to_be_bytes(), &area[..tlv.at]],
            tlv.value.try_into().unwrap()
        ));
        if reflector.repeat(&mut reply, &mut buffer).is_none() {
            break;
        }
    }
    assert_eq!(numbers, [0, 1, 2]);
}

#[test]
fn no_reply_and_many_contradict_each_other() {
    let mut reflector = SessionReflector::new(many());
    let mut none = Vec::new();
    tlv::append(&mut none, 1, &[0; 4]);
    let datagram = with(
        0,
        &[
            (kind::RETURN_PATH, &none),
            (kind::REFLECTED_CONTROL, &control(500, 3, 1_000_000)),
        ],
    );
    let datagram = signed(datagram, 44, &key());
    let answered = ask(&mut reflector, 0, &datagram, request(0, NEAR)).unwrap();
    let flags: Vec<_> = answered.tlvs().iter().map(|tlv| tlv.flags.0).collect();
    assert_eq!(flags, [0x80, 0x80, 0]);
    assert_eq!(
        (answered.octets.len(), answered.reply.copies.0),
        (datagram.len(), 1)
    );
}

#[test]
fn a_member_link_that_is_not_believed_makes_no_session() {
    let mut reflector = keyed(Authentication::Accepted);
    let numbers = [1, 2, 3].map(|link| {
        let links = MicroSession {
            sender: link,
            reflector: 0,
        };
        let unsigned = with(0, &[(kind::MICRO_SESSION, &links.encode())]);
        let answered = ask(&mut reflector, 0, &unsigned, request(0, NEAR)).unwrap();
        answered.packet().sequence
    });
    assert_eq!(numbers, [0, 1, 2]);
}
