use crate::wire::NtpTimestamp;
use crate::wire::owamp::{Addresses, Agent, Interval, Preamble, RequestSession, Sid, Slot, TypeP};

/// The server receives 600 packets, ten a second on average.
pub(super) fn request() -> RequestSession {
    RequestSession {
        preamble: Preamble {
            conf_sender: Agent::Requester,
            conf_receiver: Agent::Server,
            slots: 1,
            packets: 600,
            sender_port: 20_000,
            receiver_port: 0,
            addresses: Addresses::OF_CONNECTION_V4,
            sid: Sid::default(),
            padding_octets: 0,
            start_at: NtpTimestamp(0),
            timeout: Interval(2 << 32),
            type_p: TypeP::default(),
        },
        schedule: vec![Slot::Exponential(Interval(0x1999_999A))],
    }
}
