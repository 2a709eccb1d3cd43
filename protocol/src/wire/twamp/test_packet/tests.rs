//! The golden octets of the protected modes were computed apart from this
//! code, by Python's `cryptography` and `hmac`:
//!
//! ```text
//! encrypt = lambda b: Cipher(AES(K), CBC(bytes(16))).encryptor().update(b)
//! clear   = struct.pack(">I12xQH6x", 7, T1, 0x8AD2)                # a reply: ">I12xQH6xQ8xI12xQH6xB15x"
//! packet  = encrypt(clear[:16*n]) + clear[16*n:] + hmac.new(H, clear[:16*n], sha1).digest()[:16]
//! ```

use super::*;

const KEYS: SessionKeys = SessionKeys {
    aes: *b"\x2b\x7e\x15\x16\x28\xae\xd2\xa6\xab\xf7\x15\x88\x09\xcf\x4f\x3c",
    hmac: {
        let mut hmac = [0; 32];
        let mut k = 0;
        while k < 32 {
            hmac[k] = k as u8;
            k += 1;
        }
        hmac
    },
};

const T1: WireTimestamp = WireTimestamp(0xEB0F_1234_8000_0000);
const T2: WireTimestamp = WireTimestamp(0xEB0F_1234_8000_0003);
const T3: WireTimestamp = WireTimestamp(0xEB0F_1234_8000_0009);

const REQUEST: SenderPacket = SenderPacket {
    sequence: 7,
    sent_at: T1,
    error_estimate: ErrorEstimate(0x8AD2),
    ssid: 0,
};

const REPLY: ReflectorPacket = ReflectorPacket {
    sequence: 5,
    sent_at: T3,
    error_estimate: ErrorEstimate(0x3FFF),
    ssid: 0,
    received_at: T2,
    sender_sequence: 7,
    sender_sent_at: T1,
    sender_error_estimate: ErrorEstimate(0x8AD2),
    sender_ttl: 253,
};

fn authenticated() -> TestMode {
    TestMode::Authenticated(TestKeys::new(KEYS))
}

fn encrypted() -> TestMode {
    TestMode::Encrypted(TestKeys::new(KEYS))
}

/// Golden octets of a mode: a request and the reply to it.
fn golden() -> [(TestMode, &'static [u8], &'static [u8]); 3] {
    [
        (
            TestMode::Unauthenticated,
            b"\x00\x00\x00\x07\xeb\x0f\x12\x34\x80\x00\x00\x00\x8a\xd2",
            b"\x00\x00\x00\x05\xeb\x0f\x12\x34\x80\x00\x00\x09\x3f\xff\x00\x00\
              \xeb\x0f\x12\x34\x80\x00\x00\x03\x00\x00\x00\x07\xeb\x0f\x12\x34\
              \x80\x00\x00\x00\x8a\xd2\x00\x00\xfd",
        ),
        (
            authenticated(),
            b"\xb1\xa9\x34\xef\x00\xf1\x7b\x13\x01\xef\x69\x3f\x65\xf6\xd9\x4c\
              \xeb\x0f\x12\x34\x80\x00\x00\x00\x8a\xd2\x00\x00\x00\x00\x00\x00\
              \x8a\xc3\x5c\xdb\xc7\x08\x8f\x13\x61\x58\xd6\xfe\x0d\x43\xca\xd2",
            b"\xd4\x20\xf5\x2b\xe5\x62\x04\xdb\x8d\xdd\x5b\x5f\x64\x8d\xc4\xc2\
              \xeb\x0f\x12\x34\x80\x00\x00\x09\x3f\xff\x00\x00\x00\x00\x00\x00\
              \xeb\x0f\x12\x34\x80\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\
              \x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
              \xeb\x0f\x12\x34\x80\x00\x00\x00\x8a\xd2\x00\x00\x00\x00\x00\x00\
              \xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
              \x59\x0f\x29\x79\x96\x30\x04\x7b\x60\x42\x44\x37\xc2\x18\x27\x67",
        ),
        (
            encrypted(),
            b"\xb1\xa9\x34\xef\x00\xf1\x7b\x13\x01\xef\x69\x3f\x65\xf6\xd9\x4c\
              \xd9\xb5\x3e\xb1\xa0\xc5\x1d\xba\x73\xdb\x70\xe0\xe7\x73\xed\x27\
              \xc4\xbd\x0d\xc7\x67\x20\x7c\xb2\x3d\xff\x40\xbc\xfb\xe8\x8a\xd4",
            b"\xd4\x20\xf5\x2b\xe5\x62\x04\xdb\x8d\xdd\x5b\x5f\x64\x8d\xc4\xc2\
              \x05\xae\x82\x90\x1e\xdd\x3e\x53\xab\xf2\x44\x67\x3d\x25\xfd\x5a\
              \x8f\xae\xb6\xc4\x49\x08\x87\xeb\xa4\x16\x82\x8c\x41\x9a\x09\x48\
              \xe9\x68\x14\x04\x6c\xf9\x21\x76\xb6\xdf\x09\x00\x91\x90\x5d\x7a\
              \xf3\x56\xbe\x68\xb7\x80\x1e\x2d\xa2\x19\x81\x7e\x8a\x16\x75\xa4\
              \x63\x6f\xc0\xe7\xbe\xe0\xf2\x3e\x38\xf2\x5a\x45\x4d\x88\xc4\x14\
              \x5e\xf1\x39\x2c\x6e\x54\x33\x08\x8b\xb4\x96\x34\xf6\xb3\x88\xee",
        ),
    ]
}

#[test]
fn the_golden_packets_of_every_mode_are_read_and_written_back() {
    for (mode, request, reply) in golden() {
        assert_eq!(mode.request_octets(), request.len(), "{mode:?}");
        assert_eq!(mode.reply_octets(), reply.len(), "{mode:?}");
        let mut packet = vec![0xA5; 200];
        mode.write_request(&REQUEST, &mut packet).unwrap();
        assert_eq!(packet[..request.len()], *request, "{mode:?}");
        assert!(packet[request.len()..].iter().all(|&octet| octet == 0xA5));
        assert_eq!(mode.read_request(&mut packet), Ok(Some(REQUEST)));

        let mut packet = vec![0xA5; 200];
        let unsealed = ReflectorPacket {
            sent_at: WireTimestamp::default(),
            ..REPLY
        };
        mode.write_reply(&unsealed, &mut packet).unwrap();
        mode.seal_reply(&mut packet, T3);
        assert_eq!(packet[..reply.len()], *reply, "{mode:?}");
        assert!(packet[reply.len()..].iter().all(|&octet| octet == 0xA5));
        assert_eq!(mode.read_reply(&packet), Ok(Some(REPLY)));
    }
}

#[test]
fn every_shorter_prefix_is_refused() {
    for (mode, request, reply) in golden() {
        for end in 0..request.len() {
            let refused = mode.read_request(&mut request[..end].to_vec());
            assert!(refused.is_err(), "{mode:?}: request of {end}");
        }
        // Unauthenticated replies of 38 and 40 octets are known from routers.
        let shortest = reply.len().min(38 + (reply.len() - 41) * 8);
        for end in 0..shortest {
            let refused = mode.read_reply(&reply[..end]);
            assert!(refused.is_err(), "{mode:?}: reply of {end}");
        }
    }
}

#[test]
fn no_changed_bit_of_what_is_covered_goes_unnoticed() {
    // The timestamps of authenticated mode are clear and not covered (RFC 4656, section 4.1.2).
    for (mode, covered_request, covered_reply) in [(authenticated(), 16, 16), (encrypted(), 32, 96)]
    {
        let (_, request, reply) = golden()
            .into_iter()
            .find(|(other, ..)| std::mem::discriminant(other) == std::mem::discriminant(&mode))
            .unwrap();
        for bit in (0..covered_request * 8).chain(REQUEST_HMAC_AT * 8..request.len() * 8) {
            let mut changed = request.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(mode.read_request(&mut changed), Ok(None), "{mode:?} {bit}");
        }
        for bit in (0..covered_reply * 8).chain(REPLY_HMAC_AT * 8..reply.len() * 8) {
            let mut changed = reply.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(mode.read_reply(&changed), Ok(None), "{mode:?} {bit}");
        }
    }
}

#[test]
fn the_keys_of_a_session_are_those_computed_apart() {
    // AES(SID).encrypt of the one, CBC with a vector of zero of the other, by Python's `cryptography`.
    let keys = SessionKeys {
        aes: [4; 16],
        hmac: [5; 32],
    }
    .of_test(crate::wire::owamp::Sid(*b"session-of-jiuzi"));
    assert_eq!(
        keys.aes,
        *b"\x7e\x3e\xea\x48\x7e\x17\xab\x1c\xa8\x8b\xee\x0d\x08\x89\x72\xab"
    );
    assert_eq!(
        keys.hmac,
        *b"\xda\xe9\xb1\xb5\x88\x65\x14\x1f\x6e\x08\x2a\x4a\x3f\x25\xc8\xc8\
           \xcc\xa2\xbb\x9a\x5c\x5d\x50\x4d\xd5\x6a\x44\xcf\xe3\xa7\x5b\x38"
    );
}

#[test]
fn a_session_identifier_of_stamp_is_neither_written_nor_read() {
    let mode = TestMode::Unauthenticated;
    let mut packet = [0; 41];
    let request = SenderPacket {
        ssid: 0x0102,
        ..REQUEST
    };
    mode.write_request(&request, &mut packet).unwrap();
    packet[14..16].copy_from_slice(&[1, 2]);
    assert_eq!(mode.read_request(&mut packet), Ok(Some(REQUEST)));
    let reply = ReflectorPacket {
        ssid: 0x0102,
        ..REPLY
    };
    mode.write_reply(&reply, &mut packet).unwrap();
    assert_eq!(packet[14..16], [0, 0]);
    packet[14..16].copy_from_slice(&[1, 2]);
    assert_eq!(mode.read_reply(&packet), Ok(Some(REPLY)));
}
