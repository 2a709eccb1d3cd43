//! What two well-behaved ends measure.

use super::*;
use owl_measure::time::Timestamp;

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
                    assert_eq!(
                        (way.sent, way.skipped, way.records.len()),
                        (100, 0, 100),
                        "{ip}"
                    );
                    assert!(
                        delays(way)
                            .iter()
                            .all(|&delay| (Nanos::ZERO..Nanos::from_secs(1)).contains(&delay)),
                        "{ip}: one clock, so T1 ≤ T2: {way:?}"
                    );
                    assert!(way.records.iter().all(|record| record.ttl == 255), "{ip}");
                }
                let ours = PeerClock::Within(Nanos(20_000));
                let first = forward.records[0];
                assert!(
                    matches!(first.receiver_clock, PeerClock::Within(bound) if bound >= Nanos(50_000))
                );
                assert!(
                    matches!(backward.records[0].receiver_clock, PeerClock::Within(_)),
                    "{ours:?}"
                );
                let kernel = |way: &OneWay| {
                    way.records
                        .iter()
                        .filter(|record| record.sent_at.source == StampSource::Kernel)
                        .count()
                };
                assert_eq!((kernel(&forward), kernel(&backward)), (100, 0), "{ip}");
                assert_eq!(backward.receive_stamps.unwrap().kernel, 100, "{ip}");
                let counts = stats.read();
                assert_eq!(
                    (counts.conversations, counts.sessions, counts.fetched),
                    (1, 2, 1)
                );
                assert_eq!((counts.sent, counts.recorded), (100, 100), "{ip}");
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
                assert_eq!(way.sent, 100, "{directions:?}");
                assert_eq!(delays(&way).len(), 100, "{directions:?}");
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
