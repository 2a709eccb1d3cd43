mod bundles;
mod own_loss;

use super::*;
use crate::reflector::{Reflector, ReflectorStats};
use owl_measure::sample::StampSource;
use owl_protocol::session::Schedule;
use owl_protocol::session::sender::{Observations, Question, Reflector as PeerKind, TrafficClass};
use std::sync::atomic::Ordering::Relaxed;

/// A host that is busy with other tests takes longer than any path; nothing waits for it unless a packet is lost.
const PATIENCE: Nanos = Nanos::from_secs(2);

#[derive(Default)]
struct Kept {
    observed: Observations,
    samples: Vec<Sample>,
    summaries: Vec<Summary>,
}

impl Watcher for Kept {
    fn sample(&mut self, _: usize, sample: &Sample) {
        self.samples.push(*sample);
    }
    fn summary(&mut self, _: usize, summary: Summary) {
        self.summaries.push(summary);
    }
}

fn measure(ip: &str, far_clock: Clock) -> (Kept, Arc<ReflectorStats>) {
    let reflector = Reflector::bind(&[SocketAddr::new(ip.parse().unwrap(), 0)], far_clock).unwrap();
    let peer = reflector.local()[0];
    let (stats, stop) = (
        Arc::new(ReflectorStats::default()),
        Arc::new(AtomicBool::new(false)),
    );
    let thread = {
        let (stats, stop) = (stats.clone(), stop.clone());
        std::thread::spawn(move || reflector.run(&stats, &stop, || Some(Nanos(50_000))))
    };
    let clock = Clock::honest();
    let settings = SessionSettings {
        peer,
        local: None,
        sender: SenderConfig {
            packets: Some(300),
            packet_octets: 128,
            class: TrafficClass { dscp: 46, ecn: 0 },
            question: Question {
                follow_up: true,
                class_of_service: true,
                ..Question::default()
            },
            ..SenderConfig::new(
                7,
                Schedule::periodic(Nanos::from_millis(2), clock.monotonic()),
                PATIENCE,
                PeerKind::Own,
            )
        },
        keys: None,
        report_interval: Nanos::from_secs(3_600),
        aligned_to: Timestamp(0),
        targets: vec![Nanos::from_millis(1)],
    };
    let mut senders = SessionSenders::new(clock, Arc::default());
    let number = senders.open(settings).unwrap();
    let mut kept = Kept::default();
    senders
        .run(&AtomicBool::new(false), || None, &mut kept)
        .unwrap();
    stop.store(true, Relaxed);
    thread.join().unwrap().unwrap();
    kept.observed = *senders.session(number).observations();
    (kept, stats)
}

#[test]
fn every_packet_comes_back_with_kernel_stamps_on_both_families() {
    for ip in ["127.0.0.1", "::1"] {
        let (kept, stats) = measure(ip, Clock::honest());
        let sent: u64 = kept.summaries.iter().map(|summary| summary.sent).sum();
        let received: u64 = kept.summaries.iter().map(|summary| summary.received).sum();
        assert_eq!(
            (sent, received, kept.samples.len()),
            (300, 300, 300),
            "{ip}"
        );
        assert!(
            kept.samples
                .iter()
                .all(|sample| sample.sent_at.source == StampSource::Kernel),
            "{ip}"
        );
        assert!(
            kept.samples
                .iter()
                .all(|sample| sample.received_at.source == StampSource::Kernel
                    && sample.forward_header.ttl == 255
                    && sample.backward_header.ttl == 255),
            "{ip}"
        );
        for sample in &kept.samples {
            let residence = sample.reflector_sent_at - sample.reflector_received_at;
            let parts = [sample.forward(), residence, sample.backward()];
            assert!(
                parts
                    .iter()
                    .all(|&part| part >= Nanos::ZERO && part < Nanos::from_secs(1)),
                "{ip}: one clock, so T1 ≤ T2 ≤ T3 ≤ T4: {sample:?}"
            );
        }
        let observed = kept.observed;
        assert!(observed.t3_corrected >= 250, "{ip}: {observed:?}");
        assert_eq!(
            (observed.remarked_forward, observed.remarked_backward),
            (0, 0),
            "{ip}: both ways with DSCP 46"
        );
        let reading = stats.read();
        assert_eq!(
            (reading.counts.reflected, reading.unsent),
            (sent, 0),
            "{ip}"
        );
        assert!(reading.t3_stamped >= sent - 1, "{ip}: {reading:?}");
    }
}

#[test]
fn a_reflector_that_lies_by_3_ms_shows_it_in_each_direction_and_not_in_the_round_trip() {
    let (kept, _) = measure("127.0.0.1", Clock::lying(Nanos::from_millis(3)));
    for sample in &kept.samples {
        assert!(sample.forward() >= Nanos::from_millis(3), "{sample:?}");
        assert_eq!(sample.forward() + sample.backward(), sample.round_trip());
        assert!(
            sample.backward() <= sample.round_trip() - Nanos::from_millis(3),
            "{sample:?}"
        );
    }
}

/// A reflector on each of these loopback addresses, on ports of the kernel's choice, while `run` runs.
fn among_reflectors<T>(count: u8, run: impl FnOnce(&[SocketAddr]) -> T) -> T {
    let addresses: Vec<SocketAddr> = (1..=count).map(|k| ([127, 0, 9, k], 0).into()).collect();
    let reflector = Reflector::bind(&addresses, Clock::honest()).unwrap();
    let peers = reflector.local();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stopped = Stop(&stop);
        scope.spawn(|| reflector.run(&ReflectorStats::default(), &stop, || None));
        run(&peers)
    })
}

/// Stops a reflector when dropped, by a panic too.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// A session of so many packets, one every 5 ms.
fn settings(peer: SocketAddr, ssid: u16, packets: u64) -> SessionSettings {
    let start = Clock::honest().monotonic() + Nanos::from_micros(i64::from(ssid) * 10);
    let schedule = Schedule::periodic(Nanos::from_millis(5), start);
    SessionSettings {
        peer,
        local: None,
        sender: SenderConfig {
            packets: Some(packets),
            ..SenderConfig::new(ssid, schedule, PATIENCE, PeerKind::Own)
        },
        keys: None,
        report_interval: Nanos::from_secs(3_600),
        aligned_to: Timestamp(0),
        targets: vec![],
    }
}

/// Counts samples by session.
struct Counts(Vec<u64>);

impl Watcher for Counts {
    fn sample(&mut self, session: usize, _: &Sample) {
        self.0[session] += 1;
    }
    fn summary(&mut self, _: usize, _: Summary) {}
}

#[test]
fn sessions_to_different_peers_share_a_socket_and_those_to_one_peer_do_not() {
    const PEERS: u8 = 8;
    among_reflectors(PEERS, |peers| {
        let stats = Arc::<SenderStats>::default();
        let mut senders = SessionSenders::new(Clock::honest(), stats.clone());
        let sessions = [(peers, 1_u16), (peers, 101), (&peers[..2], 201)];
        for (peers, first) in sessions {
            for (&peer, ssid) in peers.iter().zip(first..) {
                senders.open(settings(peer, ssid, 20)).unwrap();
            }
        }
        assert_eq!(senders.sockets(), 3, "as many as sessions to the same peer");
        let mut counts = Counts(vec![0; 18]);
        senders
            .run(&AtomicBool::new(false), || None, &mut counts)
            .unwrap();
        assert_eq!(counts.0, [20; 18]);
        let read = stats.read();
        assert_eq!((read.sent, read.unsent, read.unstamped), (360, 0, 0));
        assert_eq!((read.lateness.count, read.own_loss), (360, 0));
        // One packet a socket each 10 ms is asked; the first is.
        let queued = read.local_queueing.count;
        assert!((3..=360).contains(&queued), "{queued}");
    });
}

#[test]
fn sessions_to_one_peer_beyond_the_last_socket_are_told_apart_by_their_identifiers() {
    among_reflectors(1, |peers| {
        let mut senders = SessionSenders::new(Clock::honest(), Arc::default());
        for ssid in 1..=100 {
            senders.open(settings(peers[0], ssid, 5)).unwrap();
        }
        assert_eq!(senders.sockets(), LANES_MAX);
        let twins: Vec<_> = (0..LANES_MAX + 1)
            .map(|_| senders.open(settings(peers[0], 7, 0)))
            .collect();
        let (last, before) = twins.split_last().unwrap();
        assert!(matches!(last, Err(SessionError::Twin { ssid: 7, .. })));
        assert!(before[..LANES_MAX - 1].iter().all(Result::is_ok));
        let mut counts = Counts(vec![0; 100 + LANES_MAX]);
        senders
            .run(&AtomicBool::new(false), || None, &mut counts)
            .unwrap();
        assert_eq!(counts.0[..100], [5; 100]);
    });
}

#[test]
fn a_peer_that_cannot_be_reached_spoils_nobody_elses_stamps() {
    among_reflectors(1, |peers| {
        let stats = Arc::<SenderStats>::default();
        let mut senders = SessionSenders::new(Clock::honest(), stats.clone());
        // From a loopback address nothing can be sent to the documentation's network.
        let local = Some([127, 0, 0, 1].into());
        let nowhere = SocketAddr::from(([192, 0, 2, 1], 862));
        for (peer, ssid) in [(peers[0], 1), (nowhere, 2)] {
            let settings = SessionSettings {
                local,
                ..settings(peer, ssid, 50)
            };
            senders.open(settings).unwrap();
        }
        assert_eq!(senders.sockets(), 1);
        let mut kept = Kept::default();
        senders
            .run(&AtomicBool::new(false), || None, &mut kept)
            .unwrap();
        assert_eq!(kept.samples.len(), 50);
        let by_kernel = |sample: &&Sample| sample.sent_at.source == StampSource::Kernel;
        assert_eq!(kept.samples.iter().filter(by_kernel).count(), 50);
        assert_eq!(senders.session(1).unsent(), 50);
        assert_eq!(stats.read().unsent, 50);
    });
}
