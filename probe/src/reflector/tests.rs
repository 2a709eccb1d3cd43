//! Many sessions from many ports, reflected by one thread and by several.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use owl_protocol::wire::ErrorEstimate;
use owl_protocol::wire::authentication::{Key, KeyStore};
use owl_protocol::wire::stamp::{ReflectorPacket, SenderPacket};
use owl_protocol::wire::tlv::{self, ReflectedControl, Tlvs, kind};

use super::*;
use crate::keys::LiveKeys;

/// A reflector on loopback that is not stopped before its test ends.
struct Running {
    at: SocketAddr,
    stats: Arc<ReflectorStats>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<Result<(), ReflectorError>>>,
}

impl Running {
    fn start(engine: &ReflectorEngine) -> Self {
        Self::start_after(engine, |_| {})
    }

    /// Something is done when it is bound and does not run yet.
    fn start_after(engine: &ReflectorEngine, before: impl FnOnce(SocketAddr)) -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let reflector = Reflector::bind_with(&[any], engine, Clock::honest()).unwrap();
        before(reflector.local()[0]);
        Self::of(reflector)
    }

    fn of(reflector: Reflector) -> Self {
        let (stats, stop) = <(Arc<ReflectorStats>, Arc<AtomicBool>)>::default();
        let at = reflector.local()[0];
        let thread = {
            let (stats, stop) = (stats.clone(), stop.clone());
            thread::spawn(move || reflector.run(&stats, &stop, || None))
        };
        Self {
            at,
            stats,
            stop,
            thread: Some(thread),
        }
    }

    fn ended(mut self) -> Arc<ReflectorStats> {
        self.stop.store(true, Relaxed);
        let thread = self.thread.take().expect("it is taken once");
        thread.join().unwrap().unwrap();
        self.stats.clone()
    }
}

fn sessions(to: SocketAddr, number: usize) -> Vec<UdpSocket> {
    let session = |_| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(to).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        socket
    };
    (0..number).map(session).collect()
}

fn packet(sequence: u32, ssid: u16) -> [u8; 44] {
    let packet = SenderPacket {
        sequence,
        sent_at: owl_protocol::wire::NtpTimestamp(1).into(),
        error_estimate: ErrorEstimate::NO_CLAIM,
        ssid,
    };
    packet.encode()
}

/// Sends one packet and reads its reply.
fn ask(session: &UdpSocket, sequence: u32) -> ReflectorPacket {
    session.send(&packet(sequence, 7)).unwrap();
    let mut reply = [0; 128];
    let octets = session.recv(&mut reply).expect("loopback loses nothing");
    ReflectorPacket::decode(&reply[..octets]).unwrap()
}

#[test]
fn a_session_stays_on_one_of_many_threads_so_its_replies_are_numbered_without_a_gap() {
    for threads in [1, 4] {
        let running = Running::start(&ReflectorEngine {
            threads,
            ..ReflectorEngine::default()
        });
        let sessions = sessions(running.at, 100);
        for number in 0..5_u32 {
            for session in &sessions {
                // The sender's own numbers are others, so that copying them would be noticed.
                let reply = ask(session, number + 1_000);
                assert_eq!(
                    (reply.sequence, reply.sender_sequence),
                    (number, number + 1_000),
                    "{threads} threads, {session:?}"
                );
            }
        }
        let stats = running.ended();
        assert_eq!(stats.read().counts.reflected, 500);
        let each = stats.read_each(threads);
        // 100 sessions on three or fewer of four threads would be a chance of 10⁻¹².
        assert!(
            each.iter().all(|thread| thread.counts.reflected > 0),
            "{each:?}"
        );
        assert!(each.iter().all(|thread| thread.counts.reflected % 5 == 0));
    }
}

#[test]
fn a_stateless_reflector_copies_the_number_and_asks_for_no_transmit_stamps() {
    let running = Running::start(&ReflectorEngine {
        memory: Memory::Stateless,
        ..ReflectorEngine::default()
    });
    let sessions = sessions(running.at, 3);
    for number in [7, 9, 8] {
        for session in &sessions {
            assert_eq!(ask(session, number).sequence, number);
        }
    }
    let reading = running.ended().read();
    assert_eq!((reading.counts.reflected, reading.t3_stamped), (9, 0));
}

#[test]
fn what_a_stateful_reflector_sends_is_stamped_and_nothing_is_dropped() {
    let running = Running::start(&ReflectorEngine::default());
    let session = &sessions(running.at, 1)[0];
    for number in 0..20 {
        ask(session, number);
    }
    let reading = running.ended().read();
    assert!(reading.t3_stamped >= 19, "{reading:?}");
    assert!(reading.t3_early_total > Nanos::ZERO, "{reading:?}");
    assert_eq!((reading.dropped, reading.unsent), (0, 0));
}

#[test]
fn a_port_that_another_reflector_has_is_refused_however_many_threads_there_are() {
    for (theirs, ours) in [(1, 1), (2, 1), (1, 2), (2, 2)] {
        let engine = |threads| ReflectorEngine {
            threads,
            ..ReflectorEngine::default()
        };
        let running = Running::start(&engine(theirs));
        let again = Reflector::bind_with(&[running.at], &engine(ours), Clock::honest());
        assert!(
            matches!(
                again,
                Err(ReflectorError::Socket(SocketError::Bind { address, .. })) if address == running.at
            ),
            "{theirs} and {ours} threads: {again:?}"
        );
        running.ended();
    }
}

#[test]
fn threads_keep_to_their_processors_or_the_reflector_says_which_it_may_not_use() {
    let processors = crate::net::processors();
    let running = Running::start(&ReflectorEngine {
        threads: 2,
        pin: processors.clone(),
        ..ReflectorEngine::default()
    });
    ask(&sessions(running.at, 1)[0], 0);
    running.ended();
    let missing = (0..).find(|it| !processors.contains(it)).unwrap();
    let refused = Reflector::bind_with(
        &[],
        &ReflectorEngine {
            pin: vec![processors[0], missing],
            ..ReflectorEngine::default()
        },
        Clock::honest(),
    );
    assert!(matches!(
        refused,
        Err(ReflectorError::Thread(ThreadError::Pin { processor, .. })) if processor == missing
    ));
}

#[test]
fn when_one_thread_cannot_run_the_others_end_and_its_error_is_told() {
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let engine = ReflectorEngine {
        threads: 3,
        ..ReflectorEngine::default()
    };
    let mut reflector = Reflector::bind_with(&[any], &engine, Clock::honest()).unwrap();
    let own: BTreeSet<_> = crate::net::processors().into_iter().collect();
    let missing = (0..).find(|it| !own.contains(it)).unwrap();
    reflector.engine.pin = vec![*own.first().unwrap(), missing];
    let result = reflector.run(&ReflectorStats::default(), &AtomicBool::new(false), || None);
    assert!(
        matches!(result, Err(ReflectorError::Thread(_))),
        "{result:?}"
    );
}

#[test]
fn requests_that_had_to_wait_are_told_of_each_other_when_their_replies_left() {
    // Flags, type 7, length; sequence, T3, method (RFC 8972, section 4.7).
    let mut question = [0; 20];
    question[..4].copy_from_slice(&[0x80, 7, 0, 16]);
    let ssids = [7, 8];
    let mut asking = Vec::new();
    let running = Running::start_after(&ReflectorEngine::default(), |at| {
        asking = sessions(at, 1);
        // Two sessions share a port, as those of one probe do.
        for number in 0..20 {
            for ssid in ssids {
                let request = [&packet(number, ssid)[..], &question].concat();
                asking[0].send(&request).unwrap();
            }
        }
    });
    for number in 0..20_u32 {
        for ssid in ssids {
            let mut reply = [0; 128];
            let octets = asking[0].recv(&mut reply).unwrap();
            let base = ReflectorPacket::decode(&reply[..octets]).unwrap();
            assert_eq!((base.sequence, base.ssid), (number, ssid));
            let told = u32::from_be_bytes(reply[48..52].try_into().unwrap());
            let left_at = u64::from_be_bytes(reply[52..60].try_into().unwrap());
            if let Some(before) = number.checked_sub(1) {
                assert_eq!(told, before, "session {ssid}");
                assert!(left_at != 0 && left_at < base.sent_at.0, "session {ssid}");
            }
        }
    }
    running.ended();
}

/// A packet that asks for so many replies, a millisecond apart, and proves who asks.
fn asking_for(count: u16, key: &Key) -> Vec<u8> {
    let control = ReflectedControl {
        octets: 300,
        count,
        interval_ns: 1_000_000,
    };
    let base = packet(0, 7);
    let mut area = Vec::new();
    tlv::append(&mut area, kind::REFLECTED_CONTROL, &control.encode());
    let hmac = key.sign([&base[..4], &area]);
    tlv::append(&mut area, kind::HMAC, &hmac);
    [&base[..], &area].concat()
}

#[test]
fn who_is_proved_gets_as_many_replies_as_he_asks_for_where_that_is_allowed() {
    let key = Key::new(b"thirty-two octets, all of them.!").unwrap();
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    for (allowed, asked, replies) in [(1, 3, 1), (3, 3, 3), (3, 4, 1), (64, 64, 64)] {
        let settings = ReflectorSettings {
            keys: Arc::new(LiveKeys::new(KeyStore::new([(7, key.clone())]))),
            reply_octets_max: Some(300),
            reply_count_max: allowed,
            ..ReflectorSettings::default()
        };
        let reflector =
            Reflector::bind_with(&[any], &ReflectorEngine::default(), Clock::honest()).unwrap();
        let running = Running::of(reflector.provisioned(settings));
        let session = sessions(running.at, 1).remove(0);
        session.send(&asking_for(asked, &key)).unwrap();
        let mut numbers = BTreeSet::new();
        for _ in 0..replies {
            let mut reply = [0; 1_024];
            let octets = session.recv(&mut reply).expect("loopback loses nothing");
            let area = &reply[44..octets];
            let told: Vec<_> = Tlvs::new(area).map_while(Result::ok).collect();
            let hmac = told.iter().find(|tlv| tlv.kind == kind::HMAC).unwrap();
            let signed = hmac.value.try_into().unwrap();
            assert!(key.verifies([&reply[..4], &area[..hmac.at]], signed));
            assert_eq!(octets == 300, replies == asked, "{allowed} {asked}");
            numbers.insert(ReflectorPacket::decode(&reply[..octets]).unwrap().sequence);
        }
        assert_eq!(numbers, (0..replies.into()).collect(), "{allowed} {asked}");
        // Others are answered as ever.
        session.send(&packet(1, 8)).unwrap();
        let mut last = [0; 1_024];
        assert_eq!(session.recv(&mut last).unwrap(), 44, "{allowed} {asked}");
        assert_eq!(running.ended().read().unsent, 0);
    }
}

#[test]
fn replies_that_wait_together_for_one_way_leave_as_one_and_each_counts_and_is_stamped() {
    for memory in [Memory::Stateful, Memory::Stateless] {
        let engine = ReflectorEngine {
            memory,
            ..ReflectorEngine::default()
        };
        let mut asking = Vec::new();
        let running = Running::start_after(&engine, |at| {
            asking = sessions(at, 2);
            for number in 0..20 {
                for session in &asking {
                    session.send(&packet(number, 7)).unwrap();
                }
            }
        });
        for session in &asking {
            for number in 0..20 {
                let mut reply = [0; 128];
                let octets = session.recv(&mut reply).unwrap();
                let reply = ReflectorPacket::decode(&reply[..octets]).unwrap();
                assert_eq!((octets, reply.sequence), (44, number), "{memory:?}");
            }
        }
        let reading = running.ended().read();
        let stamped = if memory == Memory::Stateful { 40 } else { 0 };
        assert_eq!(
            (reading.counts.reflected, reading.t3_stamped),
            (40, stamped)
        );
        // 32 came in one batch, 16 of each session, and the other 8 in the next.
        assert_eq!((reading.bundled, reading.bundles_refused), (40, 0));
    }
}
