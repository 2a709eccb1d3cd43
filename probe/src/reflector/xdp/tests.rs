//! The program answers as the threads do, octet for octet, or leaves the packet to them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_protocol::session::SessionReflector;
use owl_protocol::session::reflector::{ReflectorClock, ReflectorConfig, Request, State};
use owl_protocol::wire::stamp::{ReflectorPacket, SenderPacket};
use owl_protocol::wire::tlv::{SyncSource, TimestampInformation, TimestampMethod};
use owl_protocol::wire::{NtpTimestamp, TaiOffset, TimestampFormat};

use super::program::{DROP, PASS, TRANSMIT};
use super::*;
use crate::clock::Clock;
use crate::testing::skip;

const PORT: u16 = 862;
const TTL: u8 = 63;
const TOS: u8 = 46 << 2 | 2;
const V4: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)),
];
const V6: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xDB8, 7, 1, 2, 3, 4, 5)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 2)),
];

fn told(rations: Rations) -> Told {
    let clock = kernel_clock().expect("any process may ask");
    Told {
        tai_offset_ns: clock.tai_offset_s as u64 * 1_000_000_000,
        error_estimate: ErrorEstimate::claim(Some(Nanos::from_micros(50))),
        port: PORT,
        seed: 1,
        rations,
    }
}

/// The program with what it must know; `None` when the test has been said to be skipped.
fn loaded(rations: Rations) -> Option<Loaded> {
    let loaded = match Loaded::new(&[V4[1], V6[1]]) {
        Ok(loaded) => loaded,
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            skip("loading programs into the kernel needs CAP_BPF and CAP_NET_ADMIN");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    loaded.tell(&told(rations)).unwrap();
    Some(loaded)
}

fn sum(octets: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| low.into());
    octets.chunks(2).map(word).sum()
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}

/// The sum over a UDP datagram and its pseudo-header: all ones when it is right.
fn udp_sum(ips: &[u8], udp: &[u8]) -> u16 {
    folded(sum(ips) + 17 + udp.len() as u64 + sum(udp))
}

/// A frame from a test packet, with right sums.
fn frame([from, to]: [IpAddr; 2], source_port: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    let udp_octets = 8 + payload.len();
    let mut udp = Vec::new();
    udp.extend(source_port.to_be_bytes());
    udp.extend(port.to_be_bytes());
    udp.extend((udp_octets as u16).to_be_bytes());
    udp.extend([0; 2]);
    udp.extend(payload);
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    let ips = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let total = (20 + udp_octets) as u16;
            let mut ip = vec![0x45, TOS];
            ip.extend(total.to_be_bytes());
            ip.extend([0, 1, 0x40, 0, TTL, 17, 0, 0]);
            ip.extend(from.octets());
            ip.extend(to.octets());
            let checksum = !folded(sum(&ip));
            ip[10..12].copy_from_slice(&checksum.to_be_bytes());
            frame.extend([0x08, 0x00]);
            frame.extend(&ip);
            ip[12..].to_vec()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.extend([0x86, 0xDD]);
            frame.extend((6 << 28 | u32::from(TOS) << 20 | 0x1_2345_u32).to_be_bytes());
            frame.extend((udp_octets as u16).to_be_bytes());
            frame.extend([17, TTL]);
            frame.extend(from.octets());
            frame.extend(to.octets());
            [from.octets(), to.octets()].concat()
        }
        _ => unreachable!("both are of one family"),
    };
    let checksum = !udp_sum(&ips, &udp);
    udp[6..8].copy_from_slice(&checksum.to_be_bytes());
    frame.extend(udp);
    frame
}

/// Addresses of a frame, and its UDP datagram.
fn parts(frame: &[u8]) -> (&[u8], &[u8]) {
    match frame[12] {
        0x08 => (&frame[26..34], &frame[34..]),
        _ => (&frame[22..54], &frame[54..]),
    }
}

fn request(sequence: u32) -> [u8; 44] {
    let packet = SenderPacket {
        sequence,
        sent_at: NtpTimestamp(0xED5A_1234_89AB_CDEF).into(),
        error_estimate: ErrorEstimate(0x8A01),
        ssid: 0xBEEF,
    };
    packet.encode()
}

/// What a stateless reflector's thread answers, with these T2 and T3.
fn threads_answer(
    [from, to]: [IpAddr; 2],
    packet: &[u8; 44],
    t2: Timestamp,
    t3: Timestamp,
) -> [u8; 44] {
    let mut reflector = SessionReflector::new(ReflectorConfig {
        state: State::Stateless,
        ..ReflectorConfig::open(1, 1)
    });
    let clock = ReflectorClock {
        error_estimate: told(Rations::default()).error_estimate,
        tai_offset: TaiOffset::SINCE_2017,
        information: TimestampInformation {
            source_in: SyncSource::UNKNOWN,
            method_in: TimestampMethod::SOFTWARE,
            source_out: SyncSource::UNKNOWN,
            method_out: TimestampMethod::SOFTWARE,
        },
    };
    let how = Request {
        octets: 44,
        source: SocketAddr::new(from, 40_000),
        destination: SocketAddr::new(to, PORT),
        ttl: TTL,
        traffic_class: TOS,
        received_at: t2,
        interface: None,
        member_link: None,
    };
    let mut buffer = *packet;
    let reply = reflector.handle(Monotonic(0), &how, &clock, &mut buffer);
    reply.expect("it is a base packet").seal(&mut buffer, t3);
    buffer
}

#[test]
fn a_base_packet_is_answered_as_a_stateless_thread_answers_it() {
    let Some(loaded) = loaded(Rations::default()) else {
        return;
    };
    for (hosts, sequence) in [(V4, 0), (V6, 1), (V4, u32::MAX), (V6, 0x0102_0304)] {
        let packet = request(sequence);
        let asked = frame(hosts, 40_000, PORT, &packet);
        let before = Clock::honest().now();
        let (result, answered) = loaded.program.run(&asked).unwrap();
        let after = Clock::honest().now();
        assert_eq!(result, TRANSMIT as u32, "{hosts:?}");
        // Turned round: as the far host's frame to us, but for what a reply does not repeat.
        assert_eq!(answered[..6], asked[6..12], "{hosts:?}");
        assert_eq!(answered[6..12], asked[..6], "{hosts:?}");
        let (ips, udp) = parts(&answered);
        let (asked_ips, asked_udp) = parts(&asked);
        let half = ips.len() / 2;
        assert_eq!(
            (&ips[..half], &ips[half..]),
            (&asked_ips[half..], &asked_ips[..half])
        );
        assert_eq!((&udp[..2], &udp[2..4]), (&asked_udp[2..4], &asked_udp[..2]));
        assert_eq!(udp_sum(ips, udp), 0xFFFF, "{hosts:?}: the UDP sum is right");
        if hosts == V4 {
            assert_eq!(folded(sum(&answered[14..34])), 0xFFFF, "and so is IPv4's");
            assert_eq!((answered[22], answered[15]), (255, TOS));
        } else {
            assert_eq!(answered[21], 255);
            assert_eq!(answered[14..20], asked[14..20], "DSCP, ECN and flow label");
        }
        let reply = ReflectorPacket::decode(&udp[8..]).unwrap();
        let read = |stamp: owl_protocol::wire::WireTimestamp| {
            stamp.read(TimestampFormat::Ntp, TaiOffset::SINCE_2017, before)
        };
        let (t2, t3) = (read(reply.received_at), read(reply.sent_at));
        let grain = Nanos(1);
        assert!(
            before - grain <= t2 && t2 <= t3 && t3 <= after + grain,
            "{before:?} {t2:?} {t3:?} {after:?}"
        );
        // The wire's grain is a quarter of a nanosecond: both are compared as they stand there.
        let mut expected = threads_answer(hosts, &packet, t2, t3);
        expected[4..12].copy_from_slice(&udp[12..20]);
        expected[16..24].copy_from_slice(&udp[24..32]);
        assert_eq!(udp[8..], expected, "{hosts:?}");
    }
    assert_eq!(
        loaded.counts().unwrap(),
        XdpCounts {
            reflected: 4,
            rationed: 0
        }
    );
}

#[test]
fn what_is_no_base_packet_of_ours_goes_on_untouched() {
    let Some(loaded) = loaded(Rations::default()) else {
        return;
    };
    let packet = request(7);
    let with_tlv = [&packet[..], &[0x80, 7, 0, 16], &[0; 16]].concat();
    let changed = |at: usize, to: u8| {
        let mut frame = frame(V4, 40_000, PORT, &packet);
        frame[at] = to;
        frame
    };
    let options = {
        let mut frame = frame(V4, 40_000, PORT, &packet);
        frame[14] = 0x46;
        frame[17] += 4;
        frame.splice(34..34, [1; 4]);
        frame
    };
    let stranger = |ips: [IpAddr; 2]| frame([ips[1], ips[0]], 40_000, PORT, &packet);
    for (what, frame) in [
        ("another port", frame(V4, 40_000, PORT + 1, &packet)),
        ("another port, IPv6", frame(V6, 40_000, PORT + 1, &packet)),
        (
            "a reflector's own port as source",
            frame(V4, PORT, PORT, &packet),
        ),
        ("another host's address", stranger(V4)),
        ("another host's address, IPv6", stranger(V6)),
        ("TLVs", frame(V4, 40_000, PORT, &with_tlv)),
        ("TLVs, IPv6", frame(V6, 40_000, PORT, &with_tlv)),
        ("a short packet", frame(V4, 40_000, PORT, &packet[..14])),
        ("an authenticated one", frame(V6, 40_000, PORT, &[0; 112])),
        ("IPv4 options", options),
        ("a first fragment", changed(20, 0x20)),
        ("a later fragment", changed(21, 0x01)),
        ("TCP", changed(23, 6)),
        ("ARP", changed(13, 0x06)),
        ("a VLAN tag", changed(12, 0x81)),
        ("a UDP length that lies", changed(39, 51)),
    ] {
        assert_eq!(
            loaded.program.run(&frame).unwrap(),
            (PASS as u32, frame),
            "{what}"
        );
    }
}

#[test]
fn a_packet_damaged_on_its_way_comes_back_damaged_and_one_without_a_sum_without() {
    let Some(loaded) = loaded(Rations::default()) else {
        return;
    };
    for hosts in [V4, V6] {
        let mut damaged = frame(hosts, 40_000, PORT, &request(7));
        *damaged.last_mut().unwrap() ^= 0x10;
        let (_, answered) = loaded.program.run(&damaged).unwrap();
        let (ips, udp) = parts(&answered);
        assert_ne!(udp_sum(ips, udp), 0xFFFF, "{hosts:?}");
    }
    let mut without = frame(V4, 40_000, PORT, &request(7));
    without[40..42].fill(0);
    let (result, answered) = loaded.program.run(&without).unwrap();
    assert_eq!((result, &answered[40..42]), (TRANSMIT as u32, &[0; 2][..]));
}

#[test]
fn one_source_has_a_ration_and_so_have_all_together() {
    let rate = |burst| Rate {
        per_second: 1,
        burst,
    };
    let rations = |source, total| Rations {
        source: rate(source),
        total: rate(total),
        short: rate(1),
    };
    for (source, total, answered) in [(3, 100, 3), (100, 5, 5)] {
        let Some(loaded) = loaded(rations(source, total)) else {
            return;
        };
        let asked = frame(V4, 40_000, PORT, &request(7));
        let results: Vec<_> = (0..9)
            .map(|_| loaded.program.run(&asked).unwrap().0)
            .collect();
        let of = |what: i32| results.iter().filter(|&&it| it == what as u32).count() as u64;
        // A bucket that was full gives one more than its burst, as the cell rate algorithm does.
        assert!(
            (answered..=answered + 1).contains(&of(TRANSMIT)),
            "{results:?}"
        );
        assert_eq!(of(TRANSMIT) + of(DROP), 9, "{results:?}");
        let counts = loaded.counts().unwrap();
        assert_eq!(
            (counts.reflected, counts.rationed),
            (of(TRANSMIT), of(DROP))
        );
    }
}
