//! What authentication costs: a request at the session-reflector, from its octets to the sealed reply.

use std::net::SocketAddr;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_protocol::session::SessionReflector;
use owl_protocol::session::reflector::{Rate, Rations, ReflectorClock, ReflectorConfig, Request};
use owl_protocol::wire::authentication::{Key, KeyStore};
use owl_protocol::wire::stamp::SenderPacket;
use owl_protocol::wire::tlv::{self, TimestampInformation, kind};
use owl_protocol::wire::{ErrorEstimate, TaiOffset};

use crate::traffic;

const T2: Timestamp = Timestamp(1_800_000_000_000_700_000);

/// Which part of a request is protected.
#[derive(Debug, Clone, Copy)]
enum Mode {
    /// Nothing, 44 octets.
    Open,
    /// Nothing, 112 octets with Follow-Up Telemetry and padding.
    OpenWithTlvs,
    /// The TLVs.
    TlvsProtected,
    /// All of it.
    Authenticated,
    /// All of it, and the TLVs again.
    AuthenticatedWithTlvs,
}

fn key() -> Key {
    Key::new(&[7; 32]).expect("32 octets are enough")
}

/// A request of session 258 with this number.
fn request(mode: Mode, sequence: u32) -> Vec<u8> {
    let packet = SenderPacket {
        sequence,
        ..traffic::sender_packet()
    };
    let mut octets = match mode {
        Mode::Open | Mode::OpenWithTlvs | Mode::TlvsProtected => packet.encode().to_vec(),
        Mode::Authenticated | Mode::AuthenticatedWithTlvs => {
            packet.encode_authenticated(&key()).to_vec()
        }
    };
    let base_octets = octets.len();
    if !matches!(mode, Mode::Open | Mode::Authenticated) {
        tlv::append(&mut octets, kind::FOLLOW_UP, &[0; 16]);
    }
    if matches!(mode, Mode::OpenWithTlvs) {
        tlv::append(&mut octets, kind::EXTRA_PADDING, &[0; 44]);
    }
    if matches!(mode, Mode::TlvsProtected | Mode::AuthenticatedWithTlvs) {
        let hmac = key().sign([&octets[..4], &octets[base_octets..]]);
        tlv::append(&mut octets, kind::HMAC, &hmac);
    }
    octets
}

#[divan::bench(args = [Mode::Open, Mode::OpenWithTlvs, Mode::TlvsProtected, Mode::Authenticated, Mode::AuthenticatedWithTlvs])]
fn reflect(bencher: Bencher<'_, '_>, mode: Mode) {
    let unlimited = Rate {
        per_second: u32::MAX,
        burst: u32::MAX,
    };
    let mut reflector = SessionReflector::new(ReflectorConfig {
        keys: match mode {
            Mode::Open | Mode::OpenWithTlvs => KeyStore::default(),
            _ => KeyStore::new([(258, key())]),
        },
        rations: Rations {
            source: unlimited,
            total: unlimited,
            short: unlimited,
        },
        ..ReflectorConfig::open(4_096, 1)
    });
    let clock = ReflectorClock {
        error_estimate: ErrorEstimate::NO_CLAIM,
        tai_offset: TaiOffset::SINCE_2017,
        information: TimestampInformation::default(),
    };
    let (source, destination) = (([192, 0, 2, 1], 5_000), ([192, 0, 2, 2], 862));
    let mut buffer = vec![0; 2_048];
    let mut number = 0;
    let next_request = || {
        number += 1;
        request(mode, number)
    };
    let counted = bencher.counter(ItemsCount::new(1_u32));
    counted
        .with_inputs(next_request)
        .bench_local_values(|datagram| {
            buffer[..datagram.len()].copy_from_slice(&datagram);
            let how = Request {
                octets: datagram.len(),
                source: SocketAddr::from(source),
                destination: SocketAddr::from(destination),
                ttl: 250,
                traffic_class: 0,
                received_at: T2,
                interface: None,
                member_link: None,
            };
            let reply = reflector.handle(Monotonic(0), &how, &clock, black_box(&mut buffer));
            let reply = reply.expect("every request is answered");
            reply.seal(&mut buffer, T2 + Nanos::from_micros(20));
        });
}
