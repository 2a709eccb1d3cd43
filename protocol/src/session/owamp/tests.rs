use std::net::{IpAddr, Ipv4Addr};

use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_sim::{Crossing, Link};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::*;
use crate::session::control::{ControlError, Identity, Offer, Placed, Protection, ServerRandom};
use crate::wire::owamp::{
    Accept, Addresses, Agent, FetchSession, Finished, Interval, KeyId, Modes, PacketRecord,
    Passphrase, Preamble, RequestSession, SentSession, SessionKeys, Sid, SkipRange, Slot,
    StartSessions, StopSessions, TypeP,
};
use crate::wire::twamp::TestMode;
use crate::wire::{ErrorEstimate, NtpTimestamp};

mod conversation;
mod hostile;

const SECOND: Nanos = Nanos::from_secs(1);
const START: Monotonic = Monotonic(0);
const WALL: Timestamp = Timestamp(1_795_441_000_000_000_000);
const CLOCK: ErrorEstimate = ErrorEstimate(0x8A01);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const OUR_SID: Sid = Sid([5; 16]);

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

/// The server sends them.
fn reverse_request() -> RequestSession {
    let mut request = request();
    request.preamble.conf_sender = Agent::Server;
    request.preamble.conf_receiver = Agent::Requester;
    request.preamble.sid = OUR_SID;
    request
}

fn protection(mode: Modes) -> Protection {
    if mode == Modes::UNAUTHENTICATED {
        return Protection::None;
    }
    Protection::SharedSecret {
        modes: mode,
        identity: identity(),
        keys: SessionKeys {
            aes: [4; 16],
            hmac: [5; 32],
        },
        initial_vector: [6; 16],
    }
}

fn identity() -> Identity {
    Identity {
        key_id: KeyId::new("jiuzi").unwrap(),
        secret: Passphrase::new(b"nine").unwrap(),
    }
}

fn client(mode: Modes, sessions: Vec<RequestSession>) -> ControlClient {
    let config = ClientConfig {
        protection: protection(mode),
        sessions,
        answer_timeout: SECOND,
    };
    ControlClient::new(config, START)
}

fn server() -> ControlServer {
    let offer = Offer {
        modes: Modes::UNAUTHENTICATED.and(Modes::AUTHENTICATED),
        identities: [identity()].into(),
        count: 1024,
        started_at: NtpTimestamp(1 << 32),
    };
    let random = ServerRandom {
        challenge: [1; 16],
        salt: [2; 16],
        initial_vector: [3; 16],
    };
    ControlServer::new(Policy::default(), offer, random, PEER, START)
}

type Place = dyn FnMut(&RequestSession) -> Result<Placed, Accept>;

/// Each receiving session has its own port and identifier.
fn placer() -> impl FnMut(&RequestSession) -> Result<Placed, Accept> {
    let mut port = 8_760;
    move |_| {
        port += 1;
        Ok(Placed {
            port,
            sid: Sid([port as u8; 16]),
        })
    }
}

/// Two ends and all the octets that went between them.
struct Conversation {
    client: ControlClient,
    server: ControlServer,
    place: Box<Place>,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
}

impl Conversation {
    fn new(mode: Modes, sessions: Vec<RequestSession>) -> Self {
        Self {
            client: client(mode, sessions),
            server: server(),
            place: Box::new(placer()),
            to_client: Vec::new(),
            to_server: Vec::new(),
        }
    }

    /// Carries octets to and fro until nobody has anything to say.
    fn carry(&mut self) -> Result<(), ControlError> {
        loop {
            let down = self.server.poll_transmit().unwrap_or_default();
            let up = self.client.poll_transmit().unwrap_or_default();
            if down.is_empty() && up.is_empty() {
                return Ok(());
            }
            self.client.handle_bytes(START, &down)?;
            self.server.handle_bytes(START, &up, &mut *self.place)?;
            self.to_client.extend(down);
            self.to_server.extend(up);
        }
    }

    fn client_events(&mut self) -> Vec<ClientEvent> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }

    fn server_events(&mut self) -> Vec<ServerEvent> {
        std::iter::from_fn(|| self.server.poll_event()).collect()
    }

    /// Until test packets go.
    fn started(mode: Modes, sessions: Vec<RequestSession>) -> Self {
        let mut talk = Self::new(mode, sessions);
        talk.carry().unwrap();
        talk.client.start(START).unwrap();
        talk.carry().unwrap();
        talk
    }
}

/// Sends a session over a link to its receiver.
fn send(sender: &mut SessionSender, receiver: &mut SessionReceiver, seed: u64) {
    let mut link = Link {
        propagation_ns: 700_000,
        queueing_mean_ns: 50_000,
        loss_ppm: 30_000,
        ..Link::default()
    }
    .seeded(seed);
    while let Some(now) = sender.next_deadline() {
        let packet = sender.poll_transmit(now, CLOCK).unwrap().encode();
        if let Crossing::Arrives { at_ns } = link.cross(now.0) {
            let arrival = Arrival {
                datagram: &packet,
                received_at: Timestamp(at_ns),
                error_estimate: CLOCK,
                ttl: 250,
            };
            receiver.handle(&arrival).unwrap();
        }
    }
}
