//! Session-senders on a plain thread: one thread, any number of sessions.
//!
//! The thread sleeps until the next send time of any session, sends, reads what
//! arrived with its kernel stamps, and only then asks each session what is
//! lost.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use owl_measure::sample::Sample;
use owl_measure::summary::{Recorder, Summary};
use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_protocol::session::SessionSender;
use owl_protocol::session::sender::{Arrival, Observations, Received, SenderConfig, TransmitToken};
use owl_protocol::wire::ErrorEstimate;

use crate::clock::Clock;
use crate::net::{Readiness, SocketError, StampedSocket, Stamping, set_timer_slack, wait};

/// Sends whose transmit stamp is awaited in one session; the oldest keeps its user-space T1 at the bound.
const AWAITED_MAX: usize = 1_024;
/// How often the thread looks whether it should stop and what its clock claims.
const LOOK_AROUND: Nanos = Nanos::from_millis(200);
/// An interval is closed this long after the last fate in it was decided.
const CLOSING_MARGIN: Nanos = Nanos::from_millis(50);

/// Where and what a session sends.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// The session-reflector.
    pub peer: SocketAddr,
    /// Local address to send from; `None` lets the kernel choose.
    pub local: Option<IpAddr>,
    /// The session itself.
    pub sender: SenderConfig,
    /// Length of the intervals that are summarised.
    pub report_interval: Nanos,
    /// Intervals are counted from here.
    pub aligned_to: Timestamp,
    /// Targets within which packets are counted exactly.
    pub targets: Vec<Nanos>,
}

/// One session with its socket.
#[derive(Debug)]
pub struct SenderSession {
    socket: StampedSocket,
    stamping: Option<Stamping>,
    peer: SocketAddr,
    sender: SessionSender,
    recorder: Recorder,
    awaited: VecDeque<(u32, TransmitToken)>,
    packet: Vec<u8>,
    linger: Nanos,
    unsent: u64,
}

/// What a running session tells.
pub trait Watcher {
    /// A packet came back in time.
    fn sample(&mut self, session: usize, sample: &Sample);
    /// An interval is complete.
    fn summary(&mut self, session: usize, summary: Summary);
}

impl SenderSession {
    /// Opens the session's socket and proves its stamps by a real send.
    ///
    /// # Errors
    /// When the socket cannot be bound.
    pub fn open(settings: SessionSettings, clock: Clock) -> Result<Self, SocketError> {
        Self::open_from(0, settings, clock)
    }

    /// The same from a port that was agreed upon; 0 lets the kernel choose.
    ///
    /// # Errors
    /// As [`SenderSession::open`].
    pub fn open_from(
        source_port: u16,
        settings: SessionSettings,
        clock: Clock,
    ) -> Result<Self, SocketError> {
        let any = if settings.peer.is_ipv6() {
            IpAddr::from([0_u16; 8])
        } else {
            IpAddr::from([0; 4])
        };
        let mut socket = StampedSocket::bind(
            SocketAddr::new(settings.local.unwrap_or(any), source_port),
            clock,
        )?;
        let stamping = socket.prove().ok();
        if settings.sender.dscp != 0 {
            socket.set_dscp(settings.sender.dscp)?;
        }
        let linger = settings.sender.timeout.times(3) + CLOSING_MARGIN;
        let sender = SessionSender::new(settings.sender);
        Ok(Self {
            socket,
            stamping,
            peer: settings.peer,
            // A loss is certain after twice the threshold, its direction after once more.
            linger,
            packet: vec![0; sender.packet_octets()],
            sender,
            recorder: Recorder::new(
                settings.report_interval,
                settings.aligned_to,
                settings.targets,
            ),
            awaited: VecDeque::with_capacity(AWAITED_MAX),
            unsent: 0,
        })
    }

    /// Which stamps were proved; `None` when the proof itself could not be sent.
    pub fn stamping(&self) -> Option<Stamping> {
        self.stamping
    }

    /// UDP payload of a test packet: what was asked for, or what its TLVs need.
    pub fn packet_octets(&self) -> usize {
        self.packet.len()
    }

    /// Packets that the kernel did not take; they are lost, and their direction is not told.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Datagrams that were no reply of this session.
    pub fn strangers(&self) -> u64 {
        self.sender.strangers()
    }

    fn transmit(&mut self, clock: Clock, estimate: ErrorEstimate) {
        while let Some(transmit) =
            self.sender
                .poll_transmit(clock.monotonic(), clock.now(), estimate, &mut self.packet)
        {
            self.recorder.sent(transmit.origin, transmit.due.lateness);
            if transmit.due.skipped > 0 {
                self.recorder.skipped(transmit.origin, transmit.due.skipped);
            }
            match self
                .socket
                .send(&self.packet[..transmit.octets], self.peer, None)
            {
                Ok(id) => {
                    if self.awaited.len() >= AWAITED_MAX {
                        self.awaited.pop_front();
                    }
                    self.awaited.push_back((id, transmit.token));
                }
                // The numbering of sends has begun anew; stamps of earlier ones will not come.
                Err(_) => {
                    self.unsent += 1;
                    self.awaited.clear();
                }
            }
        }
    }

    fn collect_stamps(&mut self) {
        while let Ok(Some(stamp)) = self.socket.transmit_stamp() {
            while let Some((id, _)) = self.awaited.front() {
                if id.wrapping_sub(stamp.id).cast_signed() > 0 {
                    break;
                }
                if let Some((id, token)) = self.awaited.pop_front()
                    && id == stamp.id
                {
                    self.sender.handle_transmitted(token, stamp.stamp);
                }
            }
        }
    }

    fn collect_replies(&mut self, clock: Clock, buffer: &mut [u8]) {
        while let Ok(Some(received)) = self.socket.receive(buffer) {
            // From elsewhere: nobody we asked.
            if received.source != self.peer {
                continue;
            }
            let how = Received {
                stamp: received.stamp,
                ttl: received.ttl,
                traffic_class: received.traffic_class,
            };
            let datagram = &buffer[..received.octets];
            match self.sender.handle_reply(clock.monotonic(), datagram, how) {
                Arrival::OnTime | Arrival::Stranger => {}
                Arrival::Late { origin } => self.recorder.late(origin),
                Arrival::Duplicate { origin, direction } => {
                    self.recorder.duplicated(origin, direction)
                }
            }
        }
    }

    /// What the reflector and the path have shown beside delay and loss.
    pub fn observations(&self) -> &Observations {
        self.sender.observations()
    }

    /// Losses that are certain by now, samples that are ready, and intervals that are complete.
    fn settle(
        &mut self,
        session: usize,
        now: Monotonic,
        wall: Timestamp,
        watcher: &mut impl Watcher,
    ) {
        while let Some(loss) = self.sender.poll_loss(now) {
            self.recorder.lost(loss.origin, loss.direction);
        }
        while let Some((sample, reordered)) = self.sender.poll_sample(now) {
            self.recorder.received(&sample, reordered);
            watcher.sample(session, &sample);
        }
        let end = if self.sender.is_over() {
            Timestamp(i64::MAX)
        } else {
            wall - self.linger
        };
        while let Some(summary) = self.recorder.close(end) {
            watcher.summary(session, summary);
        }
    }
}

/// Runs sessions until all are over or `stop` is set. `claim` is asked now and then for the bound that the Error
/// Estimate tells.
///
/// # Errors
/// When the kernel refuses to wait for packets.
pub fn run(
    sessions: &mut [SenderSession],
    clock: Clock,
    stop: &AtomicBool,
    claim: impl Fn() -> Option<Nanos>,
    watcher: &mut impl Watcher,
) -> io::Result<()> {
    set_timer_slack();
    let descriptors: Vec<RawFd> = sessions
        .iter()
        .map(|session| session.socket.as_raw_fd())
        .collect();
    let mut ready = Vec::<Readiness>::new();
    let mut buffer = vec![0; 1 << 16];
    let mut look_around = clock.monotonic();
    let mut estimate = ErrorEstimate::NO_CLAIM;
    while !stop.load(Relaxed) && !sessions.iter().all(|session| session.sender.is_over()) {
        if clock.monotonic() >= look_around {
            estimate = ErrorEstimate::claim(claim());
            look_around = clock.monotonic() + LOOK_AROUND;
        }
        for session in sessions.iter_mut() {
            session.transmit(clock, estimate);
        }
        let deadline = sessions
            .iter()
            .filter_map(|session| session.sender.next_deadline())
            .min();
        let rest = deadline.map_or(LOOK_AROUND, |deadline| {
            (deadline - clock.monotonic()).min(LOOK_AROUND)
        });
        wait(&descriptors, &mut ready, rest)?;
        for (session, readiness) in sessions.iter_mut().zip(&ready) {
            // Stamps before replies: a reply wants the kernel's T1 of its packet.
            if readiness.errors || readiness.data {
                session.collect_stamps();
            }
            if readiness.data {
                session.collect_replies(clock, &mut buffer);
            }
        }
        let (now, wall) = (clock.monotonic(), clock.now());
        for (k, session) in sessions.iter_mut().enumerate() {
            session.settle(k, now, wall, watcher);
        }
    }
    // Stopped early, an interval is told as far as it went: what is still on its way was sent, and has no fate yet.
    for (k, session) in sessions.iter_mut().enumerate() {
        while let Some(summary) = session.recorder.close(Timestamp(i64::MAX)) {
            watcher.summary(k, summary);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reflector::{Reflector, ReflectorStats};
    use owl_measure::sample::StampSource;
    use owl_protocol::session::Schedule;
    use owl_protocol::session::sender::{Question, Reflector as PeerKind};
    use std::sync::Arc;

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
        let reflector =
            Reflector::bind(&[SocketAddr::new(ip.parse().unwrap(), 0)], far_clock).unwrap();
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
                dscp: 46,
                question: Question {
                    follow_up: true,
                    class_of_service: true,
                    ..Question::default()
                },
                ..SenderConfig::new(
                    7,
                    Schedule::periodic(Nanos::from_millis(2), clock.monotonic()),
                    Nanos::from_millis(200),
                    PeerKind::Own,
                )
            },
            report_interval: Nanos::from_secs(3_600),
            aligned_to: Timestamp(0),
            targets: vec![Nanos::from_millis(1)],
        };
        let mut sessions = [SenderSession::open(settings, clock).unwrap()];
        let mut kept = Kept::default();
        run(
            &mut sessions,
            clock,
            &AtomicBool::new(false),
            || None,
            &mut kept,
        )
        .unwrap();
        stop.store(true, Relaxed);
        thread.join().unwrap().unwrap();
        kept.observed = *sessions[0].observations();
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
                        && sample.ttl == 255),
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
}
