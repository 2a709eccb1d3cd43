//! The server over loopback, met by a client that knows nothing of this tree:
//! its octets are written out as RFC 4656 and RFC 5357 draw them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use owl_measure::time::Nanos;
use owl_protocol::session::control::Identity;
use owl_protocol::session::twamp_control::Policy;
use owl_protocol::wire::owamp::{KeyId, Passphrase};

use super::*;
use crate::clock::Clock;
use crate::control::{Access, Ports};

/// Whoever has not answered by then never will.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    stats: Arc<TwampStats>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(mut settings: ServerSettings) -> Self {
        settings.access.listen = vec!["127.0.0.1:0".parse().unwrap()];
        let server = TwampServer::bind(settings, Clock::honest()).unwrap();
        let address = server.local()[0];
        let (stats, stop) = (Arc::<TwampStats>::default(), Arc::<AtomicBool>::default());
        let thread = std::thread::spawn({
            let (stats, stop) = (Arc::clone(&stats), Arc::clone(&stop));
            move || server.run(&stats, &stop, || Some(Nanos(1_000))).unwrap()
        });
        Self {
            address,
            stats,
            stop,
            thread: Some(thread),
        }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(stream)
    }

    /// Waits until the server says so of itself.
    fn until(&self, wanted: impl Fn(TwampReading) -> bool) {
        let began = std::time::Instant::now();
        while !wanted(self.stats.read()) {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.stats.read());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let thread = self.thread.take().expect("it is joined once");
        assert!(thread.join().is_ok() || std::thread::panicking());
    }
}

struct Client(TcpStream);

impl Client {
    fn hear<const N: usize>(&mut self) -> [u8; N] {
        let mut message = [0; N];
        self.0.read_exact(&mut message).unwrap();
        message
    }

    fn say(&mut self, message: &[u8]) {
        self.0.write_all(message).unwrap();
    }

    /// The server has closed the connection.
    fn is_closed(&mut self) -> bool {
        let mut octet = [0];
        // A reset says the same as an end: it closed with our octets unread.
        matches!(self.0.read(&mut octet), Ok(0) | Err(_))
    }

    /// Unauthenticated, as RFC 4656, section 3.1, has it.
    fn set_up(&mut self) {
        let greeting: [u8; 64] = self.hear();
        assert_eq!(greeting[12..16], [0, 0, 0, 1], "unauthenticated only");
        let count = u32::from_be_bytes(greeting[48..52].try_into().unwrap());
        assert!(count >= 1_024 && count.is_power_of_two());
        self.say(&set_up_response());
        let start: [u8; 48] = self.hear();
        assert_eq!(start[15], 0, "accepted");
    }

    fn request(&mut self, request: &[u8; 112]) -> (u8, u16) {
        self.say(request);
        let answer: [u8; 48] = self.hear();
        (answer[0], u16::from_be_bytes([answer[2], answer[3]]))
    }

    fn start(&mut self) {
        let mut message = [0; 32];
        message[0] = 2;
        self.say(&message);
        assert_eq!(self.hear::<32>()[0], 0, "Start-Ack");
    }

    fn stop(&mut self, sessions: u8) {
        let mut message = [0; 32];
        message[0] = 3;
        message[7] = sessions;
        self.say(&message);
    }
}

fn set_up_response() -> [u8; 164] {
    let mut response = [0; 164];
    response[3] = 1;
    response
}

/// Request-TW-Session from this port, with so much padding and a timeout in milliseconds, over IPv4.
fn request(sender_port: u16, padding: u8, timeout_ms: u64) -> [u8; 112] {
    let mut request = [0; 112];
    request[0] = 5;
    request[1] = 4;
    request[12..14].copy_from_slice(&sender_port.to_be_bytes());
    request[67] = padding;
    request[76..84].copy_from_slice(&((timeout_ms << 32) / 1_000).to_be_bytes());
    request
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_ttl(255).unwrap(); // RFC 4656, section 4.1.2
    socket
}

/// A test packet of 14 octets and padding; the reply to it.
fn exchange(socket: &UdpSocket, port: u16, sequence: u32, octets: usize) -> Vec<u8> {
    let mut packet = vec![0xA5; octets];
    packet[0..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..14].copy_from_slice(b"\xeb\x0f\x12\x34\x80\x00\x00\x00\x8a\xd2");
    socket.send_to(&packet, ("127.0.0.1", port)).unwrap();
    let mut reply = vec![0; 9_000];
    let (octets, source) = socket.recv_from(&mut reply).unwrap();
    assert_eq!(source.port(), port);
    reply.truncate(octets);
    reply
}

#[test]
fn a_client_written_from_the_rfc_is_served_and_its_packets_come_back() {
    let server = Running::start(ServerSettings::default());
    let mut client = server.connect();
    client.set_up();
    let near = socket();
    let (accept, port) = client.request(&request(near.local_addr().unwrap().port(), 27, 0));
    assert_eq!(accept, 0);
    client.start();
    for (sequence, octets) in [(0, 14), (1, 41), (2, 1_000)] {
        let reply = exchange(&near, port, sequence, octets);
        assert_eq!(reply.len(), octets.max(41));
        assert_eq!(reply[0..4], sequence.to_be_bytes(), "its own count");
        assert_eq!(reply[24..28], sequence.to_be_bytes());
        assert_eq!(reply[28..38], *b"\xeb\x0f\x12\x34\x80\x00\x00\x00\x8a\xd2");
        assert_eq!(reply[40], 255, "the TTL that it came with");
        let at = |k: usize| u64::from_be_bytes(reply[k..k + 8].try_into().unwrap());
        assert!(at(16) <= at(4), "T2 ≤ T3");
        assert_eq!(reply[12] >> 7, 1, "the claim of the clock");
    }
    client.stop(1);
    server.until(|stats| (stats.callers.sessions, stats.reflected) == (1, 3));
    // The connection goes on: another session can be asked for.
    let (accept, _) = client.request(&request(1, 0, 0));
    assert_eq!(accept, 0);
}

#[test]
fn a_port_of_the_range_can_be_wanted_and_no_other_is_opened() {
    let free = socket().local_addr().unwrap().port();
    let server = Running::start(ServerSettings {
        access: Access {
            ports: format!("{free}-{free}").parse::<Ports>().unwrap(),
            ..Access::default()
        },
        ..ServerSettings::default()
    });
    let mut client = server.connect();
    client.set_up();
    let mut wanted = request(1, 0, 0);
    wanted[14..16].copy_from_slice(&53_u16.to_be_bytes());
    assert_eq!(client.request(&wanted), (0, free));
    assert_eq!(client.request(&wanted).0, 5, "temporary: all are taken");
}

#[test]
fn what_the_server_does_not_do_is_refused_with_its_accept_value() {
    let policy = Policy {
        sessions_max: 1,
        ..Policy::default()
    };
    let server = Running::start(ServerSettings {
        policy,
        ..ServerSettings::default()
    });
    let mut client = server.connect();
    client.set_up();
    let check = |client: &mut Client, change: &dyn Fn(&mut [u8; 112]), accept: u8| {
        let mut asked = request(1, 0, 0);
        change(&mut asked);
        assert_eq!(client.request(&asked).0, accept);
    };
    // Somebody else's address would be a victim of ours.
    check(
        &mut client,
        &|it| it[16..20].copy_from_slice(&[192, 0, 2, 1]),
        3,
    );
    check(&mut client, &|it| it[1] = 6, 3);
    check(&mut client, &|it| it[1] = 7, 3);
    check(&mut client, &|it| it[2] = 1, 3);
    check(&mut client, &|it| it[84] = 0x40, 3);
    check(&mut client, &|it| it[64] = 1, 4);
    check(&mut client, &|it| it[78] = 1, 4);
    // An address that is not of this host.
    check(
        &mut client,
        &|it| it[32..36].copy_from_slice(&[192, 0, 2, 1]),
        1,
    );
    check(
        &mut client,
        &|it| it[16..20].copy_from_slice(&[127, 0, 0, 1]),
        0,
    );
    check(&mut client, &|_| {}, 5);
    server.until(|stats| (stats.callers.sessions, stats.callers.refused) == (1, 9));
}

#[test]
fn nothing_is_reflected_before_the_start_nor_after_the_timeout() {
    let server = Running::start(ServerSettings::default());
    let mut client = server.connect();
    client.set_up();
    let near = socket();
    let asked = request(near.local_addr().unwrap().port(), 27, 2_000);
    let (_, port) = client.request(&asked);
    near.set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    near.send_to(&[7; 41], ("127.0.0.1", port)).unwrap();
    assert!(near.recv(&mut [0; 100]).is_err(), "not started");
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    client.start();
    let reply = exchange(&near, port, 1, 41);
    assert_eq!(
        reply[24..28],
        [0, 0, 0, 1],
        "what came too early is forgotten"
    );
    client.stop(1);
    // Whether it has stopped or not: within the timeout replies still come, though the connection is gone.
    drop(client);
    exchange(&near, port, 2, 41);
    server.until(|stats| (stats.reflected, stats.ended) == (2, 1));
    near.set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    // The port is closed: nobody answers, and the system may say so.
    let _ = near.send_to(&[7; 41], ("127.0.0.1", port));
    assert!(near.recv(&mut [0; 100]).is_err(), "over");
}

#[test]
fn a_connection_cut_in_the_middle_of_a_session_ends_the_session() {
    let free = socket().local_addr().unwrap().port();
    let server = Running::start(ServerSettings {
        access: Access {
            ports: format!("{free}-{free}").parse::<Ports>().unwrap(),
            ..Access::default()
        },
        ..ServerSettings::default()
    });
    for _ in 0..3 {
        let mut client = server.connect();
        client.set_up();
        let near = socket();
        let (accept, port) = client.request(&request(near.local_addr().unwrap().port(), 27, 0));
        assert_eq!((accept, port), (0, free), "the port was given back");
        client.start();
        exchange(&near, port, 0, 41);
        let before = server.stats.read().ended;
        drop(client);
        server.until(|stats| stats.ended == before + 1);
    }
}

#[test]
fn who_comes_when_there_is_no_room_is_greeted_without_a_mode() {
    let server = Running::start(ServerSettings::default());
    let mut inside: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    for client in &mut inside {
        client.hear::<64>();
    }
    let mut late = server.connect();
    assert_eq!(late.hear::<64>()[12..16], [0; 4]);
    assert!(late.is_closed());
    assert_eq!(server.stats.read().callers.turned_away, 1);
    inside.pop();
    // Its thread needs a moment to see that it has gone.
    let mut greeting = [0; 64];
    let began = std::time::Instant::now();
    while greeting[15] == 0 && began.elapsed() < PATIENCE {
        greeting = server.connect().hear();
    }
    assert_eq!(greeting[15], 1);
}

#[test]
fn hostile_octets_at_every_point_of_a_conversation_end_it_and_nothing_else() {
    let server = Running::start(ServerSettings::default());
    let mut whole = set_up_response().to_vec();
    whole.extend(request(20_000, 27, 0));
    whole.extend(request(20_001, 27, 0));
    let (mut start, mut stop) = ([0; 32], [0; 32]);
    start[0] = 2;
    stop[0] = 3;
    stop[7] = 2;
    whole.extend(start);
    whole.extend(stop);
    for end in (0..=whole.len()).step_by(3) {
        let mut client = server.connect();
        // No command has the number 255. Once that has been seen the connection is closed, however much was not said yet.
        for octets in [&whole[..end], &[0xFF; 164], &[0xFF; 1_000]] {
            let _ = client.0.write_all(octets);
        }
        let _ = client.0.shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        let _ = client.0.read_to_end(&mut rest);
        assert!(rest.len() <= 64 + 48 + 48 * 12 + 32, "{}", rest.len());
    }
    let mut client = server.connect();
    client.set_up();
    assert_eq!(client.request(&request(1, 0, 0)).0, 0);
}

fn user(secret: &[u8]) -> Identity {
    Identity {
        key_id: KeyId::new("jiuzi").unwrap(),
        secret: Passphrase::new(secret).unwrap(),
    }
}

fn ask(server: &Running, user: Option<Identity>) -> Result<Agreed, TwampError> {
    let settings = ClientSettings {
        server: server.address,
        source: None,
        user,
        sessions: vec![WantedSession {
            packet_octets: None,
            timeout: Nanos::from_millis(100),
            dscp: 0,
        }],
    };
    let never = AtomicBool::new(false);
    let server = server.address;
    let mut client = TwampClient::connect(&settings, Clock::honest(), &never)?;
    let agreed = client.agree(&never)?.pop().unwrap();
    let agreed = agreed.map_err(|accept| TwampError::Session { server, accept })?;
    client.start(&never)?;
    client.attend(|| true)?;
    client.stop();
    Ok(agreed)
}

#[test]
fn a_server_with_users_serves_them_and_nobody_else() {
    use owl_protocol::session::control::ControlError;
    use owl_protocol::wire::owamp::Modes;
    let server = Running::start(ServerSettings {
        access: Access {
            users: [user(b"nine")].into(),
            ..Access::default()
        },
        ..ServerSettings::default()
    });
    let agreed = ask(&server, Some(user(b"nine"))).unwrap();
    assert_eq!(agreed.mode, Modes::AUTHENTICATED);
    assert_eq!(agreed.packet_octets, 112, "as long as its reply");
    let refused = ask(&server, Some(user(b"ten"))).unwrap_err();
    let TwampError::Control { source, .. } = refused else {
        panic!("{refused}");
    };
    assert!(matches!(source, ControlError::Refused { .. }), "{source}");
    let refused = ask(&server, None).unwrap_err();
    let TwampError::Control { source, .. } = refused else {
        panic!("{refused}");
    };
    assert!(
        matches!(source, ControlError::NotOffered { .. }),
        "{source}"
    );
    server.until(|stats| (stats.callers.sessions, stats.callers.strangers) == (1, 1));
}

#[test]
fn errors_say_which_step_was_refused_and_with_which_accept_value() {
    let policy = Policy {
        sessions_max: 0,
        ..Policy::default()
    };
    let server = Running::start(ServerSettings {
        policy,
        ..ServerSettings::default()
    });
    let said = ask(&server, None).unwrap_err().to_string();
    assert!(said.contains("Request-TW-Session"), "{said}");
    assert!(said.contains("more than it has room for now"), "{said}");
}
