//! What a server does when its client cannot be trusted, and the other way round.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};

use owl_measure::sample::Direction;
use owl_protocol::wire::owamp::{
    Accept, AcceptSession, Addresses, Agent, FetchAck, FetchSession, Finished, Modes,
    RequestSession, SentSession, ServerGreeting, ServerStart, SetUpResponse, Sid, StartAck,
    StartSessions, StopSessions,
};

use super::*;

/// A client that says whatever it likes.
struct Raw(TcpStream);

impl Raw {
    fn connect(server: SocketAddr) -> Self {
        Self(TcpStream::connect(server).unwrap())
    }

    /// Set up, unauthenticated.
    fn talking(server: SocketAddr) -> Self {
        let mut raw = Self::connect(server);
        let greeting = ServerGreeting::decode(&raw.hear::<{ ServerGreeting::OCTETS }>()).unwrap();
        assert_eq!(greeting.modes, Modes::UNAUTHENTICATED);
        raw.say(&SetUpResponse::UNAUTHENTICATED.encode());
        let start = ServerStart::decode(&raw.hear::<{ ServerStart::OCTETS }>()).unwrap();
        assert_eq!(start.accept, Accept::Ok);
        raw
    }

    fn say(&mut self, octets: &[u8]) {
        self.0.write_all(octets).unwrap();
    }

    fn hear<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        self.0.read_exact(&mut octets).unwrap();
        octets
    }

    fn ask(&mut self, request: &RequestSession) -> AcceptSession {
        self.say(&request.encode());
        AcceptSession::decode(&self.hear::<{ AcceptSession::OCTETS }>()).unwrap()
    }

    fn start(&mut self) {
        self.say(&StartSessions.encode());
        let ack = StartAck::decode(&self.hear::<{ StartAck::OCTETS }>()).unwrap();
        assert_eq!(ack.accept, Accept::Ok);
    }

    fn fetch(&mut self, sid: Sid, begin: u32, end: u32) -> FetchAck {
        self.say(&FetchSession { begin, end, sid }.encode());
        FetchAck::decode(&self.hear::<{ FetchAck::OCTETS }>()).unwrap()
    }

    /// Waits until the server has closed the connection.
    fn closed(&mut self) {
        let mut rest = Vec::new();
        // A reset closes as well as an end does.
        let _ = self.0.read_to_end(&mut rest);
    }
}

fn request(server: SocketAddr, direction: Direction, port: u16) -> RequestSession {
    let local = SocketAddr::new(server.ip(), port);
    let start_at = Clock::honest().now();
    settings(server, Directions::Both).request(direction, local, Sid([7; 16]), start_at)
}

#[test]
fn nobody_is_sent_test_packets_but_the_one_who_asks() {
    with_server(
        |_| {},
        Clock::honest(),
        |server, _| {
            let mut raw = Raw::talking(server);
            let mut third = request(server, Direction::Backward, 5_000);
            third.preamble.addresses =
                Addresses::between(server.ip(), IpAddr::from([127, 0, 0, 9]));
            assert_eq!(raw.ask(&third).accept, Accept::Failure);
            let nowhere = request(server, Direction::Backward, 0);
            assert_eq!(raw.ask(&nowhere).accept, Accept::Failure);
            let mut both = request(server, Direction::Backward, 5_000);
            both.preamble.conf_receiver = Agent::Server;
            assert_eq!(raw.ask(&both).accept, Accept::NotSupported);
            let mut not_ours = request(server, Direction::Forward, 5_000);
            let mut everyone = not_ours.clone();
            everyone.preamble.addresses =
                Addresses::between(server.ip(), IpAddr::from([224, 0, 0, 1]));
            assert_eq!(raw.ask(&everyone).accept, Accept::Failure);
            not_ours.preamble.addresses =
                Addresses::between(server.ip(), IpAddr::from([192, 0, 2, 1]));
            assert_eq!(raw.ask(&not_ours).accept, Accept::Failure);
        },
    );
}

#[test]
fn what_is_more_than_there_is_room_for_is_refused_and_comes_free_again() {
    let small = |settings: &mut ServerSettings| {
        settings.records_max = 2_500;
        settings.send_bits_per_second_max = 100_000;
    };
    with_server(small, Clock::honest(), |server, _| {
        let mut raw = Raw::talking(server);
        let receive = request(server, Direction::Forward, 5_000);
        let mut send = request(server, Direction::Backward, 5_000);
        let mut large = receive.clone();
        large.preamble.packets = 2_000;
        assert_eq!(raw.ask(&large).accept, Accept::PermanentLimit);
        let mut fast = send.clone();
        fast.preamble.padding_octets = 1_000;
        assert_eq!(raw.ask(&fast).accept, Accept::PermanentLimit);
        // 98 octets of IPv6 every 12 ms are 65 kb/s; 1100 records each, copies included.
        assert_eq!(raw.ask(&send).accept, Accept::Ok);
        send.preamble.sid = Sid([8; 16]);
        assert_eq!(raw.ask(&send).accept, Accept::TemporaryLimit);
        assert_eq!(raw.ask(&receive).accept, Accept::Ok);
        assert_eq!(raw.ask(&receive).accept, Accept::Ok);
        assert_eq!(raw.ask(&receive).accept, Accept::TemporaryLimit);
        raw.0.shutdown(std::net::Shutdown::Write).unwrap();
        raw.closed();
        let mut next = Raw::talking(server);
        assert_eq!(next.ask(&send).accept, Accept::Ok);
        assert_eq!(next.ask(&receive).accept, Accept::Ok);
    });
}

#[test]
fn a_connection_cut_in_the_middle_leaves_what_came_to_be_fetched_by_range_only() {
    with_server(
        |_| {},
        Clock::honest(),
        |server, stats| {
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut asked = request(
                server,
                Direction::Forward,
                sender.local_addr().unwrap().port(),
            );
            asked.preamble.timeout = Interval(0x0400_0000);
            let mut raw = Raw::talking(server);
            let accepted = raw.ask(&asked);
            raw.start();
            for sequence in 0..20 {
                let test = owl_protocol::wire::owamp::TestPacket {
                    sequence,
                    sent_at: owl_protocol::wire::NtpTimestamp::from_timestamp(
                        Clock::honest().now(),
                    ),
                    error_estimate: owl_protocol::wire::ErrorEstimate::NO_CLAIM,
                };
                sender
                    .send_to(&test.encode(), (server.ip(), accepted.port))
                    .unwrap();
            }
            // Older than the loss threshold of 2⁻⁶ s, they are judged.
            std::thread::sleep(std::time::Duration::from_millis(40));
            raw.0.shutdown(std::net::Shutdown::Write).unwrap();
            raw.closed();
            assert_eq!(stats.read().recorded, 20);
            let mut fetching = Raw::talking(server);
            let whole = fetching.fetch(accepted.sid, 0, u32::MAX);
            assert_eq!(whole.accept, Accept::Failure);
            let part = fetching.fetch(accepted.sid, 5, 9);
            assert_eq!((part.accept, part.records), (Accept::Ok, 5));
            assert_eq!(part.finished, Finished::Otherwise(20));
        },
    );
}

#[test]
fn a_session_that_its_sender_calls_worthless_is_not_kept() {
    with_server(
        |_| {},
        Clock::honest(),
        |server, _| {
            for (accept, given) in [(Accept::Ok, Accept::Ok), (Accept::Failure, Accept::Failure)] {
                let mut raw = Raw::talking(server);
                let sid = raw.ask(&request(server, Direction::Forward, 5_000)).sid;
                raw.start();
                let head = StopSessions {
                    accept,
                    sessions: 1,
                };
                let sent = SentSession {
                    sid,
                    next_sequence: 0,
                    skipped: Vec::new(),
                };
                raw.say(&[&head.encode()[..], &sent.encode(), &[0; 16]].concat());
                raw.hear::<32>();
                assert_eq!(raw.fetch(sid, 0, u32::MAX).accept, given);
            }
        },
    );
}

#[test]
fn octets_that_make_no_sense_end_the_conversation_and_no_other() {
    with_server(
        |_| {},
        Clock::honest(),
        |server, stats| {
            let response = SetUpResponse::UNAUTHENTICATED.encode();
            let asked = request(server, Direction::Forward, 5_000).encode();
            let said = [&response[..], &asked, &StartSessions.encode(), &[3; 64]].concat();
            for end in (0..said.len()).step_by(7) {
                let mut raw = Raw::connect(server);
                raw.say(&said[..end]);
                raw.0.shutdown(std::net::Shutdown::Write).unwrap();
                raw.closed();
            }
            for at in (0..said.len()).step_by(11) {
                let mut changed = said.clone();
                changed[at] ^= 0xFF;
                let mut raw = Raw::connect(server);
                // It may close before it has read all.
                let _ = raw.0.write_all(&changed);
                let _ = raw.0.shutdown(std::net::Shutdown::Write);
                raw.closed();
            }
            let found = measure(&settings(server, Directions::Both)).unwrap();
            all_came(&found.forward.unwrap());
            assert_eq!(stats.read().callers.turned_away, 0);
        },
    );
}

#[test]
fn too_many_conversations_are_turned_away_with_a_greeting_that_offers_nothing() {
    with_server(
        |_| {},
        Clock::honest(),
        |server, stats| {
            let held: Vec<Raw> = (0..4).map(|_| Raw::talking(server)).collect();
            let mut one_more = Raw::connect(server);
            let greeting =
                ServerGreeting::decode(&one_more.hear::<{ ServerGreeting::OCTETS }>()).unwrap();
            assert_eq!(greeting.modes, Modes(0));
            one_more.closed();
            let refused = measure(&settings(server, Directions::Both)).unwrap_err();
            assert!(matches!(refused, OwampError::Control { .. }), "{refused}");
            for mut raw in held {
                raw.0.shutdown(std::net::Shutdown::Write).unwrap();
                raw.closed();
            }
            assert_eq!(stats.read().callers.turned_away, 2);
            assert!(measure(&settings(server, Directions::Forward)).is_ok());
        },
    );
}

#[test]
fn a_silent_client_is_let_go() {
    let impatient = |settings: &mut ServerSettings| {
        settings.policy.silence_max = Nanos::from_millis(50);
    };
    with_server(impatient, Clock::honest(), |server, _| {
        let mut raw = Raw::connect(server);
        raw.hear::<{ ServerGreeting::OCTETS }>();
        raw.closed();
    });
}

#[test]
fn a_refusal_names_the_direction_and_the_servers_words() {
    let stingy = |settings: &mut ServerSettings| settings.send_bits_per_second_max = 1_000;
    with_server(stingy, Clock::honest(), |server, _| {
        let refused = measure(&settings(server, Directions::Both)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("{server} refuses the session from it: more than it ever has room for")
        );
    });
}

#[test]
fn a_server_that_talks_nonsense_or_goes_away_is_an_error_and_no_measurement() {
    for said in [&b""[..], b"SSH-2.0-OpenSSH_9.2p1\r\n", &[0xFF; 4_096]] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The client may be gone already.
            let _ = stream.write_all(said);
        });
        let error = measure(&settings(server, Directions::Both)).unwrap_err();
        assert!(
            matches!(
                error,
                OwampError::Closed { .. } | OwampError::Control { .. } | OwampError::Broken { .. }
            ),
            "{error}"
        );
        thread.join().unwrap();
    }
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = measure(&settings(free, Directions::Both)).unwrap_err();
    assert!(matches!(error, OwampError::Connect { .. }), "{error}");
}
