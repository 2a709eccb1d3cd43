//! The layout octet for octet, and what does not get past the HMAC.

use super::*;

/// A packet of 112 octets that is zero but for these fields.
fn packet(fields: &[(usize, &[u8])]) -> [u8; AUTHENTICATED_OCTETS] {
    let mut packet = [0; AUTHENTICATED_OCTETS];
    for (at, octets) in fields {
        packet[*at..at + octets.len()].copy_from_slice(octets);
    }
    packet
}

const T1: [u8; 8] = [0xEB, 0x0F, 0x12, 0x34, 0x80, 0, 0, 0];
const T2: [u8; 8] = [0xEB, 0x0F, 0x12, 0x34, 0x80, 0, 0, 3];
const T3: [u8; 8] = [0xEB, 0x0F, 0x12, 0x34, 0x80, 0, 0, 9];

/// As RFC 8762, figure 4, draws it; the HMAC was made by Python's hmac with the key 00 01 … 1F.
fn sender() -> [u8; AUTHENTICATED_OCTETS] {
    packet(&[
        (0, &[0, 0, 0, 7]),
        (16, &T1),
        (24, &[0x8A, 0xD2, 1, 2]),
        (
            96,
            &0xA05D_01EC_CDBB_C078_0341_542A_41A6_5298_u128.to_be_bytes(),
        ),
    ])
}

/// The reply to it as figure 6 draws it.
fn reflector() -> [u8; AUTHENTICATED_OCTETS] {
    packet(&[
        (0, &[0, 0, 0, 5]),
        (16, &T3),
        (24, &[0x3F, 0xFF, 1, 2]),
        (32, &T2),
        (48, &[0, 0, 0, 7]),
        (64, &T1),
        (72, &[0x8A, 0xD2]),
        (80, &[253]),
        (
            96,
            &0x71A9_748D_04AA_F697_C2B4_DAE8_46A7_F43E_u128.to_be_bytes(),
        ),
    ])
}

fn key(first: u8) -> Key {
    let secret: [u8; 32] = std::array::from_fn(|k| first + k as u8);
    Key::new(&secret).unwrap()
}

#[test]
fn the_golden_packets_are_read_and_written_back() {
    let keys = [key(1), key(0)];
    let (read, key) = SenderPacket::decode_authenticated(&sender(), &keys).unwrap();
    assert_eq!(
        (read.sequence, read.sent_at.0, read.ssid),
        (7, u64::from_be_bytes(T1), 0x0102)
    );
    assert_eq!(read.encode_authenticated(key), sender());

    let read = ReflectorPacket::decode_authenticated(&reflector(), &keys).unwrap();
    assert_eq!(
        (read.sequence, read.sender_sequence, read.sender_ttl),
        (5, 7, 253)
    );
    assert_eq!(
        [read.sender_sent_at.0, read.received_at.0, read.sent_at.0],
        [T1, T2, T3].map(u64::from_be_bytes)
    );
    let mut written = ReflectorPacket {
        sent_at: WireTimestamp(0),
        ..read
    }
    .encode_unsealed();
    assert_eq!(written[96..], [0; 16]);
    seal(&mut written, read.sent_at, key);
    assert_eq!(written, reflector());
}

#[test]
fn the_hmac_is_that_of_rfc_4231() {
    let key = Key::new(&[0x0B; 20]).unwrap();
    let expected = 0xB034_4C61_D8DB_3853_5CA8_AFCE_AF0B_F12B_u128.to_be_bytes();
    assert_eq!(key.sign([b"Hi ", b"There"]), expected);
    assert!(key.verifies([b"Hi There", b""], &expected));
    assert!(!key.verifies([b"Hi There.", b""], &expected));
}

#[test]
fn every_shorter_prefix_and_every_flipped_bit_is_refused() {
    let keys = [key(0)];
    for end in 0..AUTHENTICATED_OCTETS {
        let refusal = SenderPacket::decode_authenticated(&sender()[..end], &keys);
        assert!(
            matches!(refusal, Err(Unauthentic::TooShort(_))),
            "{end} octets"
        );
        let refusal = ReflectorPacket::decode_authenticated(&reflector()[..end], &keys);
        assert!(
            matches!(refusal, Err(Unauthentic::TooShort(_))),
            "{end} octets"
        );
    }
    for bit in 0..8 * AUTHENTICATED_OCTETS {
        let (mut request, mut reply) = (sender(), reflector());
        request[bit / 8] ^= 1 << (bit % 8);
        reply[bit / 8] ^= 1 << (bit % 8);
        assert!(
            SenderPacket::decode_authenticated(&request, &keys).is_err(),
            "bit {bit}"
        );
        assert!(
            ReflectorPacket::decode_authenticated(&reply, &keys).is_err(),
            "bit {bit}"
        );
    }
}

#[test]
fn a_key_belongs_to_a_session_identifier_and_two_overlap_while_they_change() {
    let refused = |keys: &KeyStore| {
        let keys = keys.of([192, 0, 2, 1].into(), 0x0102);
        SenderPacket::decode_authenticated(&sender(), keys).err()
    };
    let ssid = 0x0102;
    assert_eq!(
        refused(&KeyStore::default()),
        Some(Unauthentic::NoKey { ssid })
    );
    assert_eq!(
        refused(&KeyStore::new([(7, key(0))])),
        Some(Unauthentic::NoKey { ssid })
    );
    assert_eq!(
        refused(&KeyStore::new([(ssid, key(1))])),
        Some(Unauthentic::Forged { ssid })
    );
    let both = KeyEntry {
        accept: Some(key(0)),
        ..KeyEntry::from((ssid, key(1)))
    };
    assert_eq!(refused(&KeyStore::new([both])), None);
    let second = KeyStore::new([(ssid, key(1)), (ssid, key(0))]);
    assert_eq!(refused(&second), Some(Unauthentic::Forged { ssid }));
}

#[test]
fn a_short_secret_is_no_key_and_no_secret_is_shown() {
    assert_eq!(Key::new(&[1; 15]).err(), Some(WeakKey { octets: 15 }));
    let shown = format!("{:?}", KeyStore::new([(7, key(0))]));
    assert!(shown.contains("secret") && !shown.contains("31"), "{shown}");
}
