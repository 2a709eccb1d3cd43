//! The control connections of TWAMP and OWAMP: any octets to either end, before and after the set-up.

use std::net::{IpAddr, Ipv4Addr};

use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_protocol::session::{control, owamp, twamp_control};
use owl_protocol::wire::NtpTimestamp;
use owl_protocol::wire::owamp::{
    Accept, AcceptSession, Addresses, Agent, FetchAck, FetchSession, Finished, Interval, KeyId,
    Modes, PacketRecord, Passphrase, Preamble, RequestSession, SentSession, ServerGreeting,
    ServerStart, SetUpResponse, Sid, SkipRange, Slot, StartAck, StopSessions, TypeP,
};
use owl_protocol::wire::twamp::{RequestTwSession, StopTwSessions, TestMode};

use crate::input::Input;

const START: Monotonic = Monotonic(0);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SID: Sid = Sid([5; 16]);

fn offer() -> control::Offer {
    control::Offer {
        modes: Modes::UNAUTHENTICATED.and(Modes::AUTHENTICATED),
        identities: [control::Identity {
            key_id: KeyId::new("jiuzi").expect("five octets are a name"),
            secret: Passphrase::new(b"nine").expect("four octets are a secret"),
        }]
        .into(),
        count: 1_024,
        started_at: NtpTimestamp(1 << 32),
    }
}

const RANDOM: control::ServerRandom = control::ServerRandom {
    challenge: [1; 16],
    salt: [2; 16],
    initial_vector: [3; 16],
};

/// The first octet tells whether the set-up without a secret goes before.
fn client_says(input: &mut Input<'_>) -> Vec<u8> {
    if input.u8() & 1 == 0 {
        Vec::new()
    } else {
        SetUpResponse::UNAUTHENTICATED.encode().to_vec()
    }
}

fn server_says(input: &mut Input<'_>) -> Vec<u8> {
    if input.u8() & 1 == 0 {
        return Vec::new();
    }
    let greeting = ServerGreeting {
        modes: Modes::UNAUTHENTICATED,
        challenge: [1; 16],
        salt: [2; 16],
        count: 1_024,
    };
    let start = ServerStart {
        accept: Accept::Ok,
        server_iv: [3; 16],
        started_at: NtpTimestamp(1 << 32),
    };
    [&greeting.encode()[..], &start.encode()].concat()
}

/// Any octets to a TWAMP server.
pub fn twamp_server(input: &[u8]) {
    let mut input = Input(input);
    let policy = twamp_control::Policy::default();
    let mut server = twamp_control::ControlServer::new(policy, offer(), RANDOM, START);
    let mut port = 8_760;
    let mut place = |_: &RequestTwSession| {
        port += 1;
        Ok(control::Placed { port, sid: SID })
    };
    let mut octets = client_says(&mut input);
    let mut now = START;
    while server.handle_bytes(now, &octets, &mut place).is_ok() && !input.is_empty() {
        now = now + Nanos::from_millis(i64::from(input.u8()) * 1_000);
        while server.poll_transmit().is_some() {}
        while server.poll_event().is_some() {}
        server.handle_test_packets(SID, now);
        if server.handle_timeout(now).is_err() {
            break;
        }
        octets = input.piece().to_vec();
    }
    server.handle_closed();
}

/// Any octets to a TWAMP client.
pub fn twamp_client(input: &[u8]) {
    let mut input = Input(input);
    let session = RequestTwSession {
        sender_port: 20_000,
        receiver_port: 18_760,
        addresses: Addresses::OF_CONNECTION_V4,
        padding_octets: 27,
        start_at: NtpTimestamp(0),
        timeout: Interval(2 << 32),
        type_p: TypeP::default(),
    };
    let config = twamp_control::ClientConfig {
        protection: control::Protection::None,
        sessions: vec![session, session],
        answer_timeout: Nanos::from_secs(1),
    };
    let mut client = twamp_control::ControlClient::new(config, START);
    let mut octets = server_says(&mut input);
    while client.handle_bytes(START, &octets).is_ok() && !input.is_empty() {
        while client.poll_transmit().is_some() {}
        while client.poll_event().is_some() {}
        // Out of turn it is refused, and that is as good.
        let _ = client.start(START);
        octets = input.piece().to_vec();
    }
    let _ = client.stop(Accept::Ok);
}

fn request(sid: Sid, sends: Agent, receives: Agent) -> RequestSession {
    RequestSession {
        preamble: Preamble {
            conf_sender: sends,
            conf_receiver: receives,
            slots: 1,
            packets: 100,
            sender_port: 20_000,
            receiver_port: 8_760,
            addresses: Addresses::OF_CONNECTION_V4,
            sid,
            padding_octets: 0,
            start_at: NtpTimestamp(0),
            timeout: Interval(2 << 32),
            type_p: TypeP::default(),
        },
        schedule: vec![Slot::Exponential(Interval(0x1999_999A))],
    }
}

/// Any octets to an OWAMP server, which takes part in what its policy allows.
pub fn owamp_server(input: &[u8]) {
    let mut input = Input(input);
    let policy = owamp::Policy::default();
    let mut server = owamp::ControlServer::new(policy, offer(), RANDOM, PEER, START);
    let mut port = 8_760;
    let mut place = |_: &RequestSession| {
        port += 1;
        Ok(control::Placed { port, sid: SID })
    };
    let mut octets = client_says(&mut input);
    let mut now = START;
    let mut receiving = Vec::new();
    while server.handle_bytes(now, &octets, &mut place).is_ok() && !input.is_empty() {
        now = now + Nanos::from_millis(i64::from(input.u8()) * 1_000);
        while let Some(event) = server.poll_event() {
            match event {
                owamp::ServerEvent::SessionAccepted {
                    role: owamp::Role::Receiver,
                    request,
                    ..
                } => receiving.push(owamp::SessionReceiver::new(
                    &request,
                    SID,
                    TestMode::Unauthenticated,
                    Timestamp(0),
                )),
                owamp::ServerEvent::Stopped { sent, .. } => {
                    for (receiver, told) in receiving.drain(..).zip(&sent) {
                        let end = Timestamp(600_000_000_000);
                        let clock = owl_protocol::wire::ErrorEstimate(0x8A01);
                        let results = receiver.finish(told, end, clock);
                        assert!(results.records.len() <= 100_000, "more than were allowed");
                    }
                }
                owamp::ServerEvent::FetchAsked(_) => {
                    let answer = owamp::FetchAnswer {
                        request: request(SID, Agent::Requester, Agent::Server),
                        finished: Finished::Normally(100),
                        skipped: Vec::new(),
                        records: Vec::new(),
                    };
                    let _ = server.answer_fetch(Ok(answer));
                }
                _ => {}
            }
        }
        while server.poll_transmit().is_some() {}
        let _ = server.stop(Accept::Ok, &[]);
        if server.handle_timeout(now).is_err() {
            break;
        }
        octets = input.piece().to_vec();
    }
}

/// Any octets to an OWAMP client that measures both ways and fetches.
pub fn owamp_client(input: &[u8]) {
    let mut input = Input(input);
    let config = owamp::ClientConfig {
        protection: control::Protection::None,
        sessions: vec![
            request(Sid::default(), Agent::Requester, Agent::Server),
            request(SID, Agent::Server, Agent::Requester),
        ],
        answer_timeout: Nanos::from_secs(1),
    };
    let mut client = owamp::ControlClient::new(config, START);
    let mut octets = server_says(&mut input);
    let mut accepted = Vec::new();
    while client.handle_bytes(START, &octets).is_ok() && !input.is_empty() {
        while client.poll_transmit().is_some() {}
        while let Some(event) = client.poll_event() {
            if let owamp::ClientEvent::SessionAccepted {
                sid, session: 0, ..
            } = event
            {
                accepted.push(SentSession {
                    sid,
                    next_sequence: 100,
                    skipped: Vec::new(),
                });
            }
        }
        let turn = input.u8();
        let _ = match turn & 3 {
            0 => client.start(START),
            1 => client.stop(START, Accept::Ok, &accepted),
            2 => client.fetch(
                START,
                FetchSession {
                    begin: 0,
                    end: u32::MAX,
                    sid: SID,
                },
            ),
            _ => Ok(()),
        };
        octets = input.piece().to_vec();
    }
}

/// Any octets as each message; what is read is written and read back the same.
pub fn control_messages(input: &[u8]) {
    macro_rules! twice {
        ($($message:ty),*) => {$(
            if let Ok(message) = <$message>::decode(input) {
                let again = <$message>::decode(&message.encode());
                assert_eq!(again.as_ref(), Ok(&message), stringify!($message));
            }
        )*};
    }
    twice!(
        ServerGreeting,
        SetUpResponse,
        ServerStart,
        AcceptSession,
        StartAck,
        StopTwSessions,
        FetchSession,
        FetchAck,
        PacketRecord,
        SkipRange,
        StopSessions,
        SentSession,
        RequestTwSessionRead,
        SlotRead
    );
    if let Ok(preamble) = Preamble::decode(input) {
        let octets = preamble.encode(1);
        assert_eq!(Preamble::decode(&octets), Ok(preamble));
    }
}

/// Requests that ask for what TWAMP does not know are no messages here.
#[derive(Debug, PartialEq)]
struct RequestTwSessionRead(Option<RequestTwSession>);

impl RequestTwSessionRead {
    fn decode(octets: &[u8]) -> Result<Self, owl_protocol::wire::TooShort> {
        RequestTwSession::decode(octets).map(Self)
    }

    fn encode(&self) -> Vec<u8> {
        let foreign = [0xFF; RequestTwSession::OCTETS];
        self.0
            .as_ref()
            .map_or(foreign, RequestTwSession::encode)
            .to_vec()
    }
}

#[derive(Debug, PartialEq)]
struct SlotRead(Option<Slot>);

impl SlotRead {
    fn decode(octets: &[u8]) -> Result<Self, owl_protocol::wire::TooShort> {
        Slot::decode(octets).map(Self)
    }

    fn encode(&self) -> Vec<u8> {
        let foreign = [0xFF; Slot::OCTETS];
        self.0.as_ref().map_or(foreign, Slot::encode).to_vec()
    }
}
