use std::net::SocketAddr;

use owl_measure::sample::{Stamp, StampSource};
use owl_measure::time::Nanos;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

use super::*;
use crate::session::sender::{Arrival, Dialect, Padding, Received, Reflector, SenderConfig};
use crate::session::{Schedule, SessionSender};
use crate::wire::owamp::{SessionKeys, Sid};
use crate::wire::tlv::TimestampInformation;
use crate::wire::twamp::TestKeys;
use crate::wire::{ErrorEstimate, TaiOffset};

const SENDER: &str = "192.0.2.1:20000";
const MS: i64 = 1_000_000;

const CLOCK: ReflectorClock = ReflectorClock {
    error_estimate: ErrorEstimate(0x8AD2),
    tai_offset: TaiOffset::SINCE_2017,
    information: TimestampInformation {
        source_in: crate::wire::tlv::SyncSource::UNKNOWN,
        method_in: crate::wire::tlv::TimestampMethod::SOFTWARE,
        source_out: crate::wire::tlv::SyncSource::UNKNOWN,
        method_out: crate::wire::tlv::TimestampMethod::SOFTWARE,
    },
};

fn keys() -> TestKeys {
    let keys = SessionKeys {
        aes: [4; 16],
        hmac: [5; 32],
    };
    TestKeys::new(keys.of_test(Sid([6; 16])))
}

fn modes() -> [TestMode; 3] {
    [
        TestMode::Unauthenticated,
        TestMode::Authenticated(keys()),
        TestMode::Encrypted(keys()),
    ]
}

fn request(octets: usize, at_ns: i64) -> Request {
    Request {
        octets,
        source: SENDER.parse().unwrap(),
        destination: "192.0.2.2:18760".parse().unwrap(),
        ttl: 250,
        traffic_class: 0,
        received_at: Timestamp(at_ns),
        interface: None,
        member_link: None,
    }
}

fn reflector(mode: TestMode) -> TwampReflector {
    let sender: SocketAddr = SENDER.parse().unwrap();
    TwampReflector::new(mode, sender.ip())
}

fn sender(mode: TestMode, packet_octets: usize, padding: Padding) -> SessionSender {
    SessionSender::new(SenderConfig {
        dialect: Dialect::Twamp(mode),
        packets: Some(5),
        packet_octets,
        padding,
        ..SenderConfig::new(
            0x0102,
            Schedule::periodic(Nanos(MS), Monotonic(0)),
            Nanos(100 * MS),
            Reflector::Stranger,
        )
    })
}

#[test]
fn a_session_of_twamp_gives_samples_in_every_mode_and_replies_are_as_long_as_requests() {
    for mode in modes() {
        for padding in [Padding::Zeros, Padding::Pseudorandom(3)] {
            for asked in [0, 41, 44, 112, 1_400] {
                let mut near = sender(mode.clone(), asked, padding);
                let mut far = reflector(mode.clone());
                let mut buffer = vec![0; 2_000];
                for k in 0..5 {
                    let (now, wall) = (Monotonic(k * MS), Timestamp(k * MS));
                    let sent = near
                        .poll_transmit(now, wall, ErrorEstimate::NO_CLAIM, &mut buffer)
                        .unwrap();
                    assert_eq!(sent.octets, asked.max(mode.request_octets()));
                    let request = request(sent.octets, k * MS + 300);
                    let octets = far.handle(now, &request, &CLOCK, &mut buffer).unwrap();
                    far.seal(&mut buffer, &CLOCK, Timestamp(k * MS + 400));
                    assert_eq!(octets, sent.octets.max(mode.reply_octets()), "{mode:?}");
                    let how = Received {
                        stamp: Stamp {
                            at: Timestamp(k * MS + 900),
                            source: StampSource::Kernel,
                        },
                        ttl: 249,
                        traffic_class: None,
                    };
                    let arrival = near.handle_reply(now, &buffer[..octets], how);
                    assert_eq!(arrival, Arrival::OnTime, "{mode:?} {asked}");
                    let (sample, _) = near.poll_sample(now).unwrap();
                    let near_by = |at: Timestamp, ns| (at - Timestamp(k * MS + ns)).0.abs() <= 1;
                    assert!(near_by(sample.reflector_received_at, 300), "{sample:?}");
                    assert!(near_by(sample.reflector_sent_at, 400), "{sample:?}");
                    assert_eq!(
                        (sample.sequence, sample.forward_header.ttl),
                        (k as u32, 250)
                    );
                }
                assert_eq!(far.counts().reflected, 5);
                assert_eq!(near.observations().tlvs_not_believed, 0);
                assert_eq!(near.observations().zero_ssids, 0, "TWAMP has none");
            }
        }
    }
}

#[test]
fn only_the_sender_of_the_session_is_answered() {
    let mut far = reflector(TestMode::Unauthenticated);
    let mut buffer = [0; 112];
    let check = |far: &mut TwampReflector, source: &str, octets, buffer: &mut [u8], expected| {
        let request = Request {
            source: source.parse().unwrap(),
            ..request(octets, 0)
        };
        let answered = far.handle(Monotonic(0), &request, &CLOCK, buffer);
        assert_eq!(answered, expected, "{source} {octets}");
    };
    check(&mut far, SENDER, 14, &mut buffer, Ok(41));
    check(&mut far, "192.0.2.1:1", 50, &mut buffer, Ok(50));
    check(&mut far, "[::ffff:192.0.2.1]:1", 50, &mut buffer, Ok(50));
    let stranger = Err(Unanswered::Unauthentic);
    check(&mut far, "192.0.2.3:20000", 50, &mut buffer, stranger);
    let malformed = Err(Unanswered::Malformed);
    check(&mut far, SENDER, 13, &mut buffer, malformed);
    check(&mut far, SENDER, 113, &mut buffer, malformed);
    check(&mut far, SENDER, 14, &mut [0; 40], malformed);
    let counts = far.counts();
    assert_eq!(
        (counts.reflected, counts.unauthentic, counts.malformed),
        (3, 1, 3)
    );
}

#[test]
fn a_packet_made_with_another_key_is_not_answered_and_a_flood_is_rationed() {
    let mut far = reflector(TestMode::Authenticated(keys()));
    let forged = far.handle(Monotonic(0), &request(112, 0), &CLOCK, &mut [7; 112]);
    assert_eq!(forged, Err(Unanswered::Unauthentic));
    let mut far = reflector(TestMode::Unauthenticated);
    let mut buffer = [0; 112];
    let answered = (0..RATE.burst + 10)
        .filter(|_| {
            far.handle(Monotonic(0), &request(44, 0), &CLOCK, &mut buffer)
                .is_ok()
        })
        .count();
    assert_eq!(answered, RATE.burst as usize);
    assert_eq!(far.counts().rationed, 10);
}

#[test]
fn random_datagrams_are_survived_and_in_a_protected_mode_never_answered() {
    let mut random = Pcg64::seed_from_u64(11);
    for mode in modes() {
        let mut far = reflector(mode.clone());
        for round in 0..20_000 {
            let mut buffer = [0; 256];
            random.fill_bytes(&mut buffer);
            let octets = random.next_u32() as usize % 300;
            let now = Monotonic(round * MS);
            let answered = far.handle(now, &request(octets, 0), &CLOCK, &mut buffer);
            far.seal(&mut buffer, &CLOCK, Timestamp(0));
            let open = matches!(mode, TestMode::Unauthenticated);
            assert!(open || answered.is_err(), "{mode:?}");
        }
    }
}
