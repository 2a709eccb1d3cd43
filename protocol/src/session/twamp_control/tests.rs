use owl_measure::time::{Monotonic, Nanos};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::*;
use crate::session::control::{ControlError, Identity, Offer, Placed, Protection, ServerRandom};
use crate::wire::NtpTimestamp;
use crate::wire::owamp::{
    Accept, Addresses, Interval, KeyId, Modes, Passphrase, SessionKeys, Sid, TypeP,
};
use crate::wire::twamp::RequestTwSession;

const SECOND: Nanos = Nanos::from_secs(1);
const START: Monotonic = Monotonic(0);

fn request(receiver_port: u16) -> RequestTwSession {
    RequestTwSession {
        sender_port: 20_000,
        receiver_port,
        addresses: Addresses::OF_CONNECTION_V4,
        padding_octets: 27,
        start_at: NtpTimestamp(0),
        timeout: Interval(2 << 32),
        type_p: TypeP::of_dscp(46),
    }
}

fn identity() -> Identity {
    Identity {
        key_id: KeyId::new("jiuzi").unwrap(),
        secret: Passphrase::new(b"nine").unwrap(),
    }
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

fn client(mode: Modes, sessions: Vec<RequestTwSession>) -> ControlClient {
    let config = ClientConfig {
        protection: protection(mode),
        sessions,
        answer_timeout: SECOND,
    };
    ControlClient::new(config, START)
}

fn server(policy: Policy) -> ControlServer {
    let offer = Offer {
        modes: Modes(1 | 2 | 8),
        identities: [identity()].into(),
        count: 1024,
        started_at: NtpTimestamp(1 << 32),
    };
    let random = ServerRandom {
        challenge: [1; 16],
        salt: [2; 16],
        initial_vector: [3; 16],
    };
    ControlServer::new(policy, offer, random, START)
}

/// Binds any port but 7, which is taken: then 9 is proposed. Port 13 is out of reach.
fn place(request: &RequestTwSession) -> Result<Placed, Accept> {
    let port = match request.receiver_port {
        7 => 9,
        13 => return Err(Accept::InternalError),
        port => port,
    };
    Ok(Placed {
        port,
        sid: Sid([port as u8; 16]),
    })
}

/// Two ends and the octets between them.
struct Conversation {
    client: ControlClient,
    server: ControlServer,
    now: Monotonic,
}

impl Conversation {
    fn new(mode: Modes, policy: Policy, ports: &[u16]) -> Self {
        Self {
            client: client(mode, ports.iter().copied().map(request).collect()),
            server: server(policy),
            now: START,
        }
    }

    /// Carries octets to and fro until nobody has anything to say.
    fn carry(&mut self) -> Result<(), ControlError> {
        loop {
            let to_client = self.server.poll_transmit();
            let to_server = self.client.poll_transmit();
            if to_client.is_none() && to_server.is_none() {
                return Ok(());
            }
            self.client
                .handle_bytes(self.now, &to_client.unwrap_or_default())?;
            self.server
                .handle_bytes(self.now, &to_server.unwrap_or_default(), &mut place)?;
        }
    }

    fn client_events(&mut self) -> Vec<ClientEvent> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }

    fn server_events(&mut self) -> Vec<ServerEvent> {
        std::iter::from_fn(|| self.server.poll_event()).collect()
    }
}

fn ended(port: u8, end: SessionEnd) -> ServerEvent {
    ServerEvent::SessionEnded {
        sid: Sid([port; 16]),
        end,
    }
}

#[test]
fn sessions_are_asked_for_started_and_stopped_in_every_mode() {
    for mode in [Modes::UNAUTHENTICATED, Modes::AUTHENTICATED, Modes::MIXED] {
        let mut talk = Conversation::new(mode, Policy::default(), &[862, 7, 13]);
        talk.carry().unwrap();
        let accepted = |session, port| ClientEvent::SessionAccepted {
            session,
            port,
            sid: Sid([port as u8; 16]),
        };
        let events = talk.client_events();
        assert!(matches!(events[0], ClientEvent::Connected(connected) if connected.mode == mode));
        assert_eq!(
            events[1..],
            [
                accepted(0, 862),
                accepted(1, 9),
                ClientEvent::SessionRefused {
                    session: 2,
                    accept: Accept::InternalError
                },
                ClientEvent::Negotiated { accepted: 2 },
            ]
        );
        talk.client.start(talk.now).unwrap();
        talk.carry().unwrap();
        assert_eq!(talk.client_events(), [ClientEvent::Started]);
        talk.client.stop(Accept::Ok).unwrap();
        talk.carry().unwrap();
        assert_eq!(talk.client.state(), ClientState::Stopped);
        let events = talk.server_events();
        assert_eq!(events.len(), 6, "{events:?}");
        assert_eq!(
            events[4..],
            [
                ServerEvent::Started,
                ServerEvent::Stopping { accept: Accept::Ok }
            ]
        );
        // Both reflect for the two seconds that were asked for, whether or not the client hangs up.
        talk.server.handle_closed();
        assert_eq!(talk.server.next_deadline(), Some(START + SECOND.times(2)));
        talk.server.handle_timeout(START + SECOND).unwrap();
        assert_eq!(talk.server_events(), []);
        talk.server.handle_timeout(START + SECOND.times(2)).unwrap();
        let stopped = |port| ended(port, SessionEnd::Stopped);
        assert_eq!(talk.server_events(), [stopped(862_u16 as u8), stopped(9)]);
        assert_eq!(talk.server.next_deadline(), None);
    }
}

#[test]
fn what_the_policy_does_not_allow_is_refused_with_its_reason() {
    let check = |change: fn(&mut RequestTwSession), accept| {
        let mut asked = request(862);
        change(&mut asked);
        let mut talk = Conversation {
            client: client(Modes::UNAUTHENTICATED, vec![asked]),
            server: server(Policy::default()),
            now: START,
        };
        talk.carry().unwrap();
        let refused = ClientEvent::SessionRefused { session: 0, accept };
        assert_eq!(talk.client_events()[1], refused);
        assert_eq!(
            talk.server_events()[1],
            ServerEvent::SessionRefused { accept }
        );
        assert!(talk.client.start(START).is_err(), "nothing to start");
    };
    check(|asked| asked.padding_octets = 8_939, Accept::PermanentLimit);
    check(
        |asked| asked.padding_octets = u32::MAX,
        Accept::PermanentLimit,
    );
    check(
        |asked| asked.timeout = Interval(61 << 32),
        Accept::PermanentLimit,
    );
    check(|asked| asked.addresses.ip_version = 5, Accept::NotSupported);
    check(|asked| asked.type_p = TypeP(1 << 30), Accept::NotSupported);
}

#[test]
fn more_sessions_than_allowed_are_refused_until_one_has_ended() {
    let policy = Policy {
        sessions_max: 2,
        ..Policy::default()
    };
    let mut talk = Conversation::new(Modes::UNAUTHENTICATED, policy, &[1, 2, 3]);
    talk.carry().unwrap();
    let accept = Accept::TemporaryLimit;
    assert_eq!(
        talk.client_events()[3],
        ClientEvent::SessionRefused { session: 2, accept }
    );
}

#[test]
fn a_session_without_test_packets_ends_and_one_with_them_goes_on() {
    let mut talk = Conversation::new(Modes::UNAUTHENTICATED, Policy::default(), &[1, 2]);
    talk.carry().unwrap();
    talk.client.start(START).unwrap();
    talk.carry().unwrap();
    talk.server_events();
    let refwait = Policy::default().refwait;
    talk.server
        .handle_test_packets(Sid([1; 16]), START + SECOND);
    assert_eq!(talk.server.next_deadline(), Some(START + refwait));
    talk.server.handle_timeout(START + refwait).unwrap();
    assert_eq!(talk.server_events(), [ended(2, SessionEnd::Quiet)]);
    assert_eq!(talk.server.next_deadline(), Some(START + SECOND + refwait));
    talk.client.stop(Accept::Ok).unwrap();
    talk.carry().unwrap();
    assert_eq!(
        talk.server_events(),
        [ServerEvent::Stopping { accept: Accept::Ok }]
    );
}

#[test]
fn a_silent_client_is_given_up_but_not_while_it_tests() {
    let servwait = Policy::default().servwait;
    let mut talk = Conversation::new(Modes::UNAUTHENTICATED, Policy::default(), &[1]);
    assert_eq!(talk.server.next_deadline(), Some(START + servwait));
    talk.carry().unwrap();
    talk.client.start(START).unwrap();
    talk.carry().unwrap();
    let late = START + servwait.times(3);
    talk.server.handle_test_packets(Sid([1; 16]), late);
    assert_eq!(talk.server.handle_timeout(late), Ok(()));
    talk.server.handle_timeout(late + servwait).unwrap_err();
    assert_eq!(
        talk.server.handle_bytes(late, &[0], &mut place),
        Err(ControlError::GivenUp)
    );
}

#[test]
fn a_client_that_trickles_octets_is_as_silent_as_one_that_sends_none() {
    let mut talk = Conversation::new(Modes::UNAUTHENTICATED, Policy::default(), &[1]);
    talk.carry().unwrap();
    let silent_at = Some(START + Policy::default().servwait);
    // The first octets of a Request-TW-Session.
    for octet in [5, 4] {
        let trickled = talk
            .server
            .handle_bytes(START + SECOND, &[octet], &mut place);
        trickled.unwrap();
        assert_eq!(talk.server.next_deadline(), silent_at);
    }
}

#[test]
fn a_silent_server_is_given_up() {
    let mut talk = Conversation::new(Modes::UNAUTHENTICATED, Policy::default(), &[1]);
    assert_eq!(
        talk.client.handle_timeout(START + Nanos(999_999_999)),
        Ok(())
    );
    assert_eq!(
        talk.client.handle_timeout(START + SECOND),
        Err(ControlError::Silent)
    );
    assert_eq!(talk.client.state(), ClientState::GivenUp);
    assert_eq!(talk.client.next_deadline(), None);
    let mut talk = Conversation {
        client: client(Modes::UNAUTHENTICATED, vec![request(1)]),
        ..talk
    };
    talk.carry().unwrap();
    assert_eq!(
        talk.client.next_deadline(),
        None,
        "nothing is asked for now"
    );
}

#[test]
fn commands_out_of_turn_end_the_connection() {
    use crate::wire::owamp::{StartSessions, StopSessions};
    use crate::wire::twamp::StopTwSessions;
    let stop = |sessions| {
        let accept = Accept::Ok;
        StopTwSessions(StopSessions { accept, sessions }).encode()
    };
    let ready = || {
        let mut talk = Conversation::new(Modes::UNAUTHENTICATED, Policy::default(), &[1]);
        talk.carry().unwrap();
        talk
    };
    let testing = || {
        let mut talk = ready();
        talk.client.start(START).unwrap();
        talk.carry().unwrap();
        talk.server_events();
        talk
    };
    let check = |mut talk: Conversation, octets: &[u8], error| {
        let result = talk.server.handle_bytes(START, octets, &mut place);
        assert_eq!(result, Err(error));
        assert_eq!(
            talk.server_events().last(),
            Some(&ended(1, SessionEnd::Closed))
        );
    };
    let unexpected = |command| ControlError::Unexpected { command };
    check(ready(), &stop(1), unexpected(3));
    check(ready(), &[1], unexpected(1));
    check(ready(), &[0], unexpected(0));
    check(testing(), &request(2).encode(), unexpected(5));
    check(testing(), &StartSessions.encode(), unexpected(2));
    let running = 1;
    check(
        testing(),
        &stop(2),
        ControlError::SessionCount { told: 2, running },
    );
    check(
        testing(),
        &stop(0),
        ControlError::SessionCount { told: 0, running },
    );
    let mut talk = ready();
    assert!(talk.client.stop(Accept::Ok).is_err());
    talk.client.start(START).unwrap();
    assert!(talk.client.start(START).is_err());
    let chatter = talk.client.handle_bytes(START, &[0; 33]);
    assert_eq!(chatter, Err(unexpected(0)), "an octet too many");
}

#[test]
fn a_start_without_sessions_is_refused_and_the_connection_goes_on() {
    let mut talk = Conversation::new(Modes::UNAUTHENTICATED, Policy::default(), &[13]);
    talk.carry().unwrap();
    let start = crate::wire::owamp::StartSessions.encode();
    talk.server.handle_bytes(START, &start, &mut place).unwrap();
    assert_eq!(
        talk.server.poll_transmit().unwrap()[0],
        Accept::Failure.to_octet()
    );
    let again = request(1).encode();
    talk.server.handle_bytes(START, &again, &mut place).unwrap();
    assert_eq!(
        talk.server.poll_transmit().unwrap()[0],
        Accept::Ok.to_octet()
    );
}

#[test]
fn a_client_that_does_not_read_its_answers_is_given_up() {
    let mut talk = Conversation::new(Modes::UNAUTHENTICATED, Policy::default(), &[]);
    talk.carry().unwrap();
    let flood = request(1).encode().repeat(2_000);
    assert_eq!(
        talk.server.handle_bytes(START, &flood, &mut place),
        Err(ControlError::NotReading)
    );
}

/// What both ends say in a whole conversation.
fn transcript(mode: Modes) -> (Vec<u8>, Vec<u8>) {
    let mut talk = Conversation::new(mode, Policy::default(), &[1, 2]);
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    loop {
        if talk.client.state() == ClientState::Negotiated {
            talk.client.start(START).unwrap();
        } else if talk.client.state() == ClientState::Running {
            talk.client.stop(Accept::Ok).unwrap();
        }
        let down = talk.server.poll_transmit().unwrap_or_default();
        let up = talk.client.poll_transmit().unwrap_or_default();
        if down.is_empty() && up.is_empty() {
            return (to_client, to_server);
        }
        talk.client.handle_bytes(START, &down).unwrap();
        talk.server.handle_bytes(START, &up, &mut place).unwrap();
        to_client.extend(down);
        to_server.extend(up);
    }
}

#[test]
fn the_octets_of_an_unauthenticated_conversation_are_those_of_the_rfc() {
    let (to_client, to_server) = transcript(Modes::UNAUTHENTICATED);
    assert_eq!(to_client.len(), 64 + 48 + 2 * 48 + 32);
    assert_eq!(to_server.len(), 164 + 2 * 112 + 32 + 32);
    assert_eq!(to_server[..4], [0, 0, 0, 1]);
    assert_eq!(to_server[164..276], request(1).encode());
    assert_eq!(to_server[388], 2);
    assert_eq!(to_server[420..428], [3, 0, 0, 0, 0, 0, 0, 2]);
    assert_eq!(
        to_client[112..132],
        [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    );
}

#[test]
fn how_the_octets_are_cut_does_not_matter() {
    for mode in [Modes::UNAUTHENTICATED, Modes::AUTHENTICATED] {
        let (_, to_server) = transcript(mode);
        for cut in [1, 2, 15, 16, 17, 100, 163, 165, 1_000] {
            let mut server = server(Policy::default());
            for piece in to_server.chunks(cut) {
                server.handle_bytes(START, piece, &mut place).unwrap();
            }
            let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
            assert_eq!(events.len(), 5, "in pieces of {cut}: {events:?}");
        }
    }
}

#[test]
fn an_authenticated_server_believes_nothing_that_was_changed() {
    let (_, to_server) = transcript(Modes::AUTHENTICATED);
    // Behind the set-up, whose key identifier and vector are covered by what follows from them.
    for octet in 164..to_server.len() {
        let mut changed = to_server.clone();
        changed[octet] ^= 1;
        let mut server = server(Policy::default());
        let result = server.handle_bytes(START, &changed, &mut place);
        let noticed = matches!(
            result,
            Err(ControlError::NotAuthentic | ControlError::Unexpected { .. })
        );
        assert!(noticed, "octet {octet}: {result:?}");
    }
}

#[test]
fn a_million_changed_octets_are_survived_by_both_ends() {
    let mut random = Pcg64::seed_from_u64(5);
    for mode in [Modes::UNAUTHENTICATED, Modes::AUTHENTICATED] {
        let (to_client, to_server) = transcript(mode);
        let rounds = if mode == Modes::UNAUTHENTICATED {
            40_000
        } else {
            300
        };
        for _ in 0..rounds {
            let mut garble = |octets: &[u8]| {
                let mut octets = octets.to_vec();
                for _ in 0..random.next_u32() % 50 {
                    let at = random.next_u32() as usize % octets.len();
                    octets[at] = random.next_u32() as u8;
                }
                octets.truncate(random.next_u32() as usize % (octets.len() + 1));
                octets
            };
            let (down, up) = (garble(&to_client), garble(&to_server));
            let mut server = server(Policy::default());
            let _ = server.handle_bytes(START, &up, &mut place);
            let _ = server.handle_timeout(START + SECOND.times(10_000));
            let mut client = client(mode, vec![request(1), request(2)]);
            let _ = client.handle_bytes(START, &down[..down.len().min(208)]);
            let _ = client.start(START);
            let _ = client.handle_bytes(START, &down[down.len().min(208)..]);
        }
    }
}

#[test]
fn a_million_random_octets_are_survived_by_both_ends() {
    let mut random = Pcg64::seed_from_u64(6);
    for _ in 0..2_000 {
        let mut octets = vec![0; 500];
        octets.chunks_mut(8).for_each(|chunk| {
            chunk.copy_from_slice(&random.next_u64().to_be_bytes()[..chunk.len()]);
        });
        // Half of them come behind a set-up.
        if random.next_u32() % 2 == 0 {
            octets[..4].copy_from_slice(&[0, 0, 0, 1]);
            octets[164] = 5;
        }
        let _ = server(Policy::default()).handle_bytes(START, &octets, &mut place);
        let mut client = client(Modes::UNAUTHENTICATED, vec![request(1)]);
        octets[12..16].copy_from_slice(&[0, 0, 0, 1]);
        octets[79] = 0;
        let _ = client.handle_bytes(START, &octets);
    }
}
