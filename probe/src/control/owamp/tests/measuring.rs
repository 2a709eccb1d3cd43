//! What two well-behaved ends measure.

use super::*;
use owl_measure::time::Timestamp;
use owl_protocol::session::control::Identity;
use owl_protocol::wire::owamp::{KeyId, Passphrase};

fn delays(way: &OneWay) -> Vec<Nanos> {
    way.records
        .iter()
        .map(|record| record.received_at.expect("nothing is lost here") - record.sent_at.at)
        .collect()
}

#[test]
fn both_directions_are_measured_on_both_families() {
    for ip in ["127.0.0.1", "::1"] {
        with_server_on(
            ip,
            |_| {},
            Clock::honest(),
            |server, stats| {
                let found = measure(&settings(server, Directions::Both)).unwrap();
                let (forward, backward) = (found.forward.unwrap(), found.backward.unwrap());
                assert_ne!(forward.sid, backward.sid);
                for way in [&forward, &backward] {
                    all_came(way);
                    assert!(
                        delays(way)
                            .iter()
                            .all(|&delay| (Nanos::ZERO..Nanos::from_secs(1)).contains(&delay)),
                        "{ip}: one clock, so T1 ≤ T2: {way:?}"
                    );
                    assert!(way.records.iter().all(|record| record.ttl == 255), "{ip}");
                }
                let claims =
                    |clock, bound| matches!(clock, PeerClock::Within(told) if told >= bound);
                let (first, last) = (forward.records[0], backward.records[0]);
                let (ours, theirs) = (Nanos(20_000), Nanos(50_000));
                assert!(claims(first.sender_clock, ours), "{first:?}");
                assert!(claims(first.receiver_clock, theirs), "{first:?}");
                assert!(claims(last.sender_clock, theirs), "{last:?}");
                assert!(claims(last.receiver_clock, ours), "{last:?}");
                let kernel = |way: &OneWay| {
                    way.records
                        .iter()
                        .filter(|record| record.sent_at.source == StampSource::Kernel)
                        .count()
                };
                assert_eq!(kernel(&forward) as u64, forward.sent, "{ip}");
                assert_eq!(kernel(&backward), 0, "{ip}");
                assert_eq!(
                    backward.receive_stamps.unwrap().kernel,
                    backward.sent,
                    "{ip}"
                );
                let counts = stats.read();
                assert_eq!(
                    (
                        counts.callers.conversations,
                        counts.callers.sessions,
                        counts.fetched
                    ),
                    (1, 2, 1)
                );
                assert_eq!(
                    (counts.sent, counts.recorded),
                    (backward.sent, forward.sent),
                    "{ip}"
                );
            },
        );
    }
}

#[test]
fn one_direction_alone_and_exponential_gaps_are_measured() {
    with_server(
        |_| {},
        Clock::honest(),
        |server, _| {
            for directions in [Directions::Forward, Directions::Backward] {
                let mut settings = settings(server, directions);
                settings.schedule = Slot::Exponential(Interval::from_nanos(Nanos::from_millis(3)));
                let found = measure(&settings).unwrap();
                let [way] = [found.forward, found.backward]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .try_into()
                    .expect("one direction");
                all_came(&way);
                let mut times: Vec<Timestamp> =
                    way.records.iter().map(|record| record.sent_at.at).collect();
                times.sort();
                let gaps: Vec<Nanos> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
                assert!(
                    gaps.iter().any(|&gap| gap < Nanos::from_millis(1))
                        && gaps.iter().any(|&gap| gap > Nanos::from_millis(6)),
                    "{directions:?}: {gaps:?}"
                );
            }
        },
    );
}

#[test]
fn a_server_whose_clock_is_ahead_shows_it_with_opposite_signs() {
    let ahead = Nanos::from_millis(30);
    with_server(
        |_| {},
        Clock::lying(ahead),
        |server, _| {
            let found = measure(&settings(server, Directions::Both)).unwrap();
            let near = |delay: Nanos, ahead: Nanos| (delay - ahead).abs() < Nanos::from_millis(20);
            let (forward, backward) = (found.forward.unwrap(), found.backward.unwrap());
            assert!(
                delays(&forward).iter().all(|&delay| near(delay, ahead)),
                "{forward:?}"
            );
            assert!(
                delays(&backward).iter().all(|&delay| near(delay, -ahead)),
                "{backward:?}"
            );
        },
    );
}

#[test]
fn clocks_further_apart_than_the_loss_threshold_lose_everything_and_say_why() {
    with_server(
        |_| {},
        Clock::lying(Nanos::from_secs(5)),
        |server, _| {
            let mut settings = settings(server, Directions::Backward);
            settings.timeout = Nanos::from_millis(100);
            let backward = measure(&settings).unwrap().backward.unwrap();
            assert!(
                backward
                    .records
                    .iter()
                    .all(|record| record.received_at.is_none())
            );
            assert!(backward.out_of_time.unwrap() > 0, "{backward:?}");
        },
    );
}

#[test]
fn stopped_early_what_went_so_far_is_told() {
    with_server(
        |_| {},
        Clock::honest(),
        |server, _| {
            let mut settings = settings(server, Directions::Both);
            settings.packets = 50_000;
            settings.timeout = Nanos::from_millis(20);
            let client = Client::connect(&settings, Clock::honest()).unwrap();
            let (stop, progress) = (AtomicBool::new(false), Progress::default());
            let found = std::thread::scope(|scope| {
                let thread = scope.spawn(|| client.run(&stop, &progress, || None));
                while progress.sent.load(Relaxed) < 200 || progress.received.load(Relaxed) < 200 {
                    assert!(!thread.is_finished(), "{:?}", thread.join());
                    std::thread::yield_now();
                }
                stop.store(true, Relaxed);
                thread.join().unwrap().unwrap()
            });
            for way in [found.forward.unwrap(), found.backward.unwrap()] {
                assert!((200..50_000).contains(&way.sent), "{way:?}");
                assert!(
                    way.records.len() as u64 <= way.sent,
                    "young packets are not judged"
                );
                assert!(way.records.len() > 100 && !delays(&way).is_empty());
            }
        },
    );
}

fn user(secret: &[u8]) -> Identity {
    Identity {
        key_id: KeyId::new("yannan").unwrap(),
        secret: Passphrase::new(secret).unwrap(),
    }
}

#[test]
fn users_of_a_server_measure_with_protected_packets_and_strangers_are_not_let_in() {
    let guarded = |settings: &mut ServerSettings| settings.access.users = [user(b"nine")].into();
    with_server(guarded, Clock::honest(), |server, stats| {
        let asked = |user| ClientSettings {
            user,
            ..settings(server, Directions::Both)
        };
        let found = measure(&asked(Some(user(b"nine")))).unwrap();
        for way in [found.forward.unwrap(), found.backward.unwrap()] {
            all_came(&way);
        }
        for stranger in [None, Some(user(b"ten"))] {
            let refused = measure(&asked(stranger)).unwrap_err();
            assert!(matches!(refused, OwampError::Control { .. }), "{refused}");
        }
        assert_eq!(
            (
                stats.read().callers.strangers,
                stats.read().callers.sessions
            ),
            (1, 2)
        );
    });
}
