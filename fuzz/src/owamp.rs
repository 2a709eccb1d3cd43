//! Test packets of OWAMP and TWAMP, in every mode.

use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_protocol::session::TwampReflector;
use owl_protocol::session::owamp::{Arrival, SessionReceiver, SessionSender};
use owl_protocol::session::reflector::{ReflectorClock, Request};
use owl_protocol::wire::owamp::{
    Addresses, Agent, Interval, Preamble, RequestSession, SentSession, SessionKeys, Sid, SkipRange,
    Slot, TypeP,
};
use owl_protocol::wire::stamp::SenderPacket;
use owl_protocol::wire::tlv::TimestampInformation;
use owl_protocol::wire::twamp::{TestKeys, TestMode};
use owl_protocol::wire::{ErrorEstimate, NtpTimestamp, TaiOffset, TimestampFormat, WireTimestamp};

use crate::input::Input;

/// As both ends of a session agreed on it.
fn mode(octet: u8) -> TestMode {
    let keys = || {
        TestKeys::new(SessionKeys {
            aes: [4; 16],
            hmac: [5; 32],
        })
    };
    match octet % 3 {
        0 => TestMode::Unauthenticated,
        1 => TestMode::Authenticated(keys()),
        _ => TestMode::Encrypted(keys()),
    }
}

const SID: Sid = Sid([5; 16]);
const CLOCK: ErrorEstimate = ErrorEstimate(0x8A01);
const PACKETS: u32 = 64;

/// Packets that were spoiled on their way, and a sender that tells anything of what it has sent.
pub fn owamp_packets(input: &[u8]) {
    let mut input = Input(input);
    let gap = Interval(u64::from(input.u16()) << 16);
    let request = RequestSession {
        preamble: Preamble {
            conf_sender: Agent::Requester,
            conf_receiver: Agent::Server,
            slots: 2,
            packets: PACKETS,
            sender_port: 20_000,
            receiver_port: 8_760,
            addresses: Addresses::OF_CONNECTION_V4,
            sid: SID,
            padding_octets: 0,
            start_at: NtpTimestamp(0),
            timeout: Interval(1 << 32),
            type_p: TypeP::default(),
        },
        schedule: vec![
            Slot::Exponential(gap),
            Slot::Fixed(Interval(u64::from(input.u8()) << 24)),
        ],
    };
    let mode = mode(input.u8());
    let mut now = Timestamp(1_795_441_000_000_000_000);
    let mut sender = SessionSender::new(&request, SID, now);
    let mut receiver = SessionReceiver::new(&request, SID, mode.clone(), now);
    while !input.is_empty() {
        now = now + Nanos(i64::from(input.u16()) * 100_000);
        let mut datagram = input.piece().to_vec();
        if let Some(packet) = sender.poll_transmit(now, CLOCK) {
            datagram = vec![0; mode.request_octets()];
            let packet = SenderPacket {
                sequence: packet.sequence,
                sent_at: WireTimestamp::write(now, TimestampFormat::Ntp, TaiOffset::SINCE_2017),
                error_estimate: packet.error_estimate,
                ssid: 0,
            };
            mode.write_request(&packet, &mut datagram)
                .expect("there is room for it");
        }
        input.spoil(&mut datagram);
        // What is not recorded is counted by whoever asks; here it is only not to hurt.
        let _ = receiver.handle(&Arrival {
            datagram: &datagram,
            received_at: now + Nanos(i64::from(input.u8())),
            error_estimate: CLOCK,
            ttl: input.u8(),
        });
        if input.u8() == 0 {
            break;
        }
    }
    let told = SentSession {
        sid: SID,
        next_sequence: input.u16().into(),
        skipped: (0..input.u8() % 4)
            .map(|_| SkipRange {
                first: input.u8().into(),
                last: input.u8().into(),
            })
            .collect(),
    };
    let results = receiver.finish(&told, now, CLOCK);
    assert!(results.next_sequence <= PACKETS, "more than were agreed");
}

/// Requests that were spoiled on their way, or are something else altogether, to a TWAMP session-reflector, and its
/// replies, spoiled again, to the sender.
pub fn twamp_packets(input: &[u8]) {
    let mut input = Input(input);
    let mode = mode(input.u8());
    let mut reflector = TwampReflector::new(mode.clone(), [192, 0, 2, 1].into());
    let clock = ReflectorClock {
        error_estimate: CLOCK,
        tai_offset: TaiOffset::SINCE_2017,
        information: TimestampInformation::default(),
    };
    let mut room = [0; 2_048];
    let mut k = 0;
    while !input.is_empty() {
        k += 1;
        let stranger = input.piece();
        let octets = if stranger.is_empty() {
            let packet = SenderPacket {
                sequence: k as u32,
                sent_at: WireTimestamp::write(
                    Timestamp(k),
                    TimestampFormat::Ntp,
                    TaiOffset::SINCE_2017,
                ),
                error_estimate: CLOCK,
                ssid: 0,
            };
            let octets = mode.request_octets() + usize::from(input.u8());
            mode.write_request(&packet, &mut room[..octets])
                .expect("there is room for it");
            input.spoil(&mut room[..octets]);
            octets
        } else {
            room[..stranger.len()].copy_from_slice(stranger);
            stranger.len()
        };
        let request = Request {
            octets,
            source: ([192, 0, 2, 1], 4_000).into(),
            destination: ([192, 0, 2, 2], 18_760).into(),
            ttl: 250,
            traffic_class: 0,
            received_at: Timestamp(k),
            interface: None,
            member_link: None,
        };
        let Ok(length) = reflector.handle(Monotonic(k * 1_000_000), &request, &clock, &mut room)
        else {
            continue;
        };
        assert!(
            length <= octets.max(mode.reply_octets()),
            "longer than asked"
        );
        reflector.seal(&mut room, &clock, Timestamp(k));
        input.spoil(&mut room[..length]);
        let cut = length.saturating_sub(usize::from(input.u8() % 16));
        // A reply that makes no sense is a stranger's.
        let _ = mode.read_reply(&room[..cut]);
    }
}
