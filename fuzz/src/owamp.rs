//! Test packets of OWAMP to a session-receiver.

use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::session::owamp::{Arrival, SessionReceiver, SessionSender};
use owl_protocol::wire::owamp::{
    Addresses, Agent, Interval, Preamble, RequestSession, SentSession, Sid, SkipRange, Slot, TypeP,
};
use owl_protocol::wire::{ErrorEstimate, NtpTimestamp};

use crate::input::Input;

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
    let mut now = Timestamp(1_795_441_000_000_000_000);
    let mut sender = SessionSender::new(&request, SID, now);
    let mut receiver = SessionReceiver::new(&request, SID, now);
    while !input.is_empty() {
        now = now + Nanos(i64::from(input.u16()) * 100_000);
        let mut datagram = match sender.poll_transmit(now, CLOCK) {
            Some(packet) => packet.encode().to_vec(),
            None => input.piece().to_vec(),
        };
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
