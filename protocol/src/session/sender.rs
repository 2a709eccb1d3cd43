//! The session-sender of STAMP (RFC 8762, section 4.2): sends when its schedule
//! says so, pairs replies with packets, and decides the fate of each.
//!
//! A packet is *on time* when T4 − T1 is within the loss threshold, *late* when
//! its reply came after it, *lost* when none came within twice the threshold.
//! Its timestamps decide, not the moment at which a busy process read them; so
//! whoever drives this drains its socket before it asks for losses.

use std::collections::VecDeque;

use owl_measure::loss::{LossSplit, split};
use owl_measure::reordering::{Reordered, ReorderingWatch};
use owl_measure::sample::{Direction, PeerClock, Sample, Stamp, StampSource};
use owl_measure::time::{Monotonic, Nanos, Timestamp};

use super::schedule::{Due, Schedule};
use crate::wire::stamp::{ReflectorPacket, SenderPacket};
use crate::wire::{ErrorEstimate, NtpTimestamp, TimestampFormat};

/// Packets remembered at once. At the bound the oldest is given up early: lost when no reply has come.
const REMEMBERED_MAX: usize = 1 << 16;

/// A stranger's claim to be nearer to UTC than this is not believed: reflectors exist that always say so.
const STRANGER_CLAIM_MIN: Nanos = Nanos(100);

/// What is known of the session-reflector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reflector {
    /// One of ours: it counts its replies, and its clock claim is honest.
    Own,
    /// Any other: it counts its replies only if it shows so, and a clock claim below 100 ns is no claim.
    Stranger,
}

/// What a session is.
#[derive(Debug, Clone)]
pub struct SenderConfig {
    /// STAMP session identifier.
    pub ssid: u16,
    /// Send times.
    pub schedule: Schedule,
    /// Loss threshold Tmax.
    pub timeout: Nanos,
    /// Stop after this many packets; `None` goes on for ever.
    pub packets: Option<u64>,
    /// What is known of the reflector.
    pub reflector: Reflector,
}

/// Entitles its holder to tell one packet's transmit timestamp, once.
#[derive(Debug, PartialEq, Eq)]
pub struct TransmitToken {
    sequence: u32,
}

/// A packet that is to be sent now.
#[derive(Debug)]
pub struct Transmit {
    /// The packet.
    pub packet: SenderPacket,
    /// T1 as it stands in the packet.
    pub origin: Timestamp,
    /// How long ago its time was, and what was skipped before it.
    pub due: Due,
    /// For [`SessionSender::handle_transmitted`].
    pub token: TransmitToken,
}

/// What an arriving reply turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The first reply to its packet, within the loss threshold.
    OnTime(Sample, Reordered),
    /// The first reply to its packet, after the loss threshold.
    Late {
        /// T1 of its packet.
        origin: Timestamp,
    },
    /// A further reply to the same packet, and where the copy was made.
    Duplicate {
        /// T1 of its packet.
        origin: Timestamp,
        /// Where the copy was made.
        direction: Direction,
    },
    /// No reply to any packet that is remembered.
    Stranger,
}

/// A packet that did not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// T1 of the packet.
    pub origin: Timestamp,
    /// Where it was lost, when the reflector's numbers tell.
    pub direction: Option<Direction>,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Waiting,
    Answered { reflector_sequence: u32 },
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    wire_sent_at: NtpTimestamp,
    origin: Timestamp,
    sent_at: Stamp,
    at: Monotonic,
    fate: Fate,
}

/// Losses behind the last answered packet, whose direction the next answered one will tell.
#[derive(Debug, Default)]
struct PendingLosses {
    origins: Vec<Timestamp>,
    since: Monotonic,
}

/// A STAMP session-sender.
#[derive(Debug)]
pub struct SessionSender {
    config: SenderConfig,
    sent: u64,
    /// Sequence of the oldest remembered packet.
    first: u32,
    remembered: VecDeque<Sent>,
    /// How many of the remembered have had their loss decided.
    decided: usize,
    last_answered: Option<u32>,
    pending: PendingLosses,
    losses: VecDeque<Loss>,
    reordering: ReorderingWatch,
    reflector_counts: bool,
    strangers: u64,
}

impl SessionSender {
    /// A session that has sent nothing.
    pub fn new(config: SenderConfig) -> Self {
        let reflector_counts = config.reflector == Reflector::Own;
        Self {
            config,
            sent: 0,
            first: 0,
            remembered: VecDeque::new(),
            decided: 0,
            last_answered: None,
            pending: PendingLosses::default(),
            losses: VecDeque::new(),
            reordering: ReorderingWatch::default(),
            reflector_counts,
            strangers: 0,
        }
    }

    /// Datagrams that were no reply to a remembered packet, or spoke a timestamp format that was not asked for.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }

    /// Packets sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether everything has been sent and every fate decided.
    pub fn is_over(&self) -> bool {
        self.all_sent()
            && self.decided == self.remembered.len()
            && self.pending.origins.is_empty()
            && self.losses.is_empty()
    }

    fn all_sent(&self) -> bool {
        self.config
            .packets
            .is_some_and(|packets| self.sent >= packets)
    }

    /// The next test packet, if its send time has come. `wall` is the sender's clock right now, and becomes T1.
    pub fn poll_transmit(
        &mut self,
        now: Monotonic,
        wall: Timestamp,
        error_estimate: ErrorEstimate,
    ) -> Option<Transmit> {
        if self.all_sent() {
            return None;
        }
        let due = self.config.schedule.take(now)?;
        if self.remembered.len() >= REMEMBERED_MAX {
            self.forget_oldest(now);
        }
        // Sequence numbers wrap (RFC 8762, section 4.2); the circle is far larger than what is remembered.
        let sequence = self.sent as u32;
        let wire_sent_at = NtpTimestamp::from_timestamp(wall);
        let sent_at = Stamp {
            at: wall,
            source: StampSource::User,
        };
        self.remembered.push_back(Sent {
            wire_sent_at,
            origin: wall,
            sent_at,
            at: now,
            fate: Fate::Waiting,
        });
        self.sent += 1;
        let packet = SenderPacket {
            sequence,
            sent_at: wire_sent_at,
            error_estimate,
            ssid: self.config.ssid,
        };
        Some(Transmit {
            packet,
            origin: wall,
            due,
            token: TransmitToken { sequence },
        })
    }

    /// Tells the kernel's transmit timestamp. The token is used up, so no packet can be stamped twice.
    pub fn handle_transmitted(&mut self, token: TransmitToken, sent_at: Stamp) {
        if let Some(sent) = self.remembered_mut(token.sequence) {
            sent.sent_at = sent_at;
        }
    }

    fn remembered_mut(&mut self, sequence: u32) -> Option<&mut Sent> {
        self.remembered
            .get_mut(sequence.wrapping_sub(self.first) as usize)
    }

    /// Pairs a reply with its packet.
    pub fn handle_reply(&mut self, reply: &ReflectorPacket, received_at: Stamp) -> Arrival {
        let (timeout, reflector, ssid) =
            (self.config.timeout, self.config.reflector, self.config.ssid);
        let expected_ssid = reply.ssid == ssid || reply.ssid == 0;
        let Some(sent) = self.remembered_mut(reply.sender_sequence) else {
            self.strangers += 1;
            return Arrival::Stranger;
        };
        // Only who saw the packet knows its T1; a reply in the PTP format is not what an NTP packet asks for.
        if sent.wire_sent_at != reply.sender_sent_at
            || !expected_ssid
            || reply.error_estimate.format() != TimestampFormat::Ntp
        {
            self.strangers += 1;
            return Arrival::Stranger;
        }
        let origin = sent.origin;
        if let Fate::Answered { reflector_sequence } = sent.fate {
            let same_reply = reflector_sequence == reply.sequence;
            let direction = if same_reply {
                Direction::Backward
            } else {
                Direction::Forward
            };
            return Arrival::Duplicate { origin, direction };
        }
        sent.fate = Fate::Answered {
            reflector_sequence: reply.sequence,
        };
        let sent_at = sent.sent_at;
        self.reflector_counts |= reply.sequence != reply.sender_sequence;
        let reordered = self.reordering.next(reply.sender_sequence, reply.sequence);
        if received_at.at - sent_at.at > timeout {
            return Arrival::Late { origin };
        }
        let peer_clock = match reply.error_estimate.clock() {
            PeerClock::Within(bound)
                if reflector == Reflector::Stranger && bound < STRANGER_CLAIM_MIN =>
            {
                PeerClock::NoClaim
            }
            clock => clock,
        };
        let sample = Sample {
            sequence: reply.sender_sequence,
            origin,
            sent_at,
            reflector_received_at: reply.received_at.to_timestamp(received_at.at),
            reflector_sent_at: reply.sent_at.to_timestamp(received_at.at),
            received_at,
            ttl: reply.sender_ttl,
            peer_clock,
        };
        Arrival::OnTime(sample, reordered)
    }

    /// The next loss that is certain by now. Call it after the socket has been drained.
    pub fn poll_loss(&mut self, now: Monotonic) -> Option<Loss> {
        let linger = self.config.timeout.times(2);
        while let Some(sent) = self.remembered.get(self.decided).copied() {
            match sent.fate {
                Fate::Waiting if now - sent.at <= linger => break,
                Fate::Waiting => {
                    if self.pending.origins.is_empty() {
                        self.pending.since = now;
                    }
                    self.pending.origins.push(sent.origin);
                }
                Fate::Answered { reflector_sequence } => {
                    self.tell_direction(Some(reflector_sequence))
                }
            }
            self.decided += 1;
        }
        // Kept past their decision, so that a late copy is known for what it is.
        while self.decided > 0
            && self
                .remembered
                .front()
                .is_some_and(|sent| now - sent.at > linger)
        {
            self.remembered.pop_front();
            self.first = self.first.wrapping_add(1);
            self.decided -= 1;
        }
        if !self.pending.origins.is_empty()
            && (now - self.pending.since > self.config.timeout || self.all_sent())
        {
            self.tell_direction(None);
        }
        self.losses.pop_front()
    }

    /// Settles the pending losses by the reflector number of the answered packet behind them, or without one.
    fn tell_direction(&mut self, answered: Option<u32>) {
        let origins = std::mem::take(&mut self.pending.origins);
        let counts = self.reflector_counts;
        let lost = u32::try_from(origins.len()).unwrap_or(u32::MAX);
        let split = match (self.last_answered, answered) {
            (Some(before), Some(after)) if counts => split(lost, before, after),
            // Nothing was answered before: an own reflector counts a new session from 0.
            (None, Some(after)) if counts => split(lost, u32::MAX, after),
            _ => LossSplit::Unknown,
        };
        let mut forward_left = match split {
            LossSplit::Known { forward, .. } => forward,
            LossSplit::Unknown => 0,
        };
        // When some went missing each way, which of them did is anybody's guess: the counts are right, the order is not told.
        for origin in origins {
            let direction = match split {
                LossSplit::Unknown => None,
                LossSplit::Known { .. } if forward_left > 0 => {
                    forward_left -= 1;
                    Some(Direction::Forward)
                }
                LossSplit::Known { .. } => Some(Direction::Backward),
            };
            self.losses.push_back(Loss { origin, direction });
        }
        if answered.is_some() {
            self.last_answered = answered;
        }
    }

    fn forget_oldest(&mut self, now: Monotonic) {
        let Some(oldest) = self.remembered.pop_front() else {
            return;
        };
        self.first = self.first.wrapping_add(1);
        if self.decided > 0 {
            self.decided -= 1;
            return;
        }
        match oldest.fate {
            Fate::Answered { reflector_sequence } => self.tell_direction(Some(reflector_sequence)),
            Fate::Waiting => {
                if self.pending.origins.is_empty() {
                    self.pending.since = now;
                }
                self.pending.origins.push(oldest.origin);
            }
        }
    }

    /// When to poll again; `None` once the session is over.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let transmit = (!self.all_sent()).then(|| self.config.schedule.next());
        let linger = self.config.timeout.times(2) + Nanos(1);
        let loss = self
            .remembered
            .get(self.decided)
            .map(|sent| sent.at + linger);
        let pending = (!self.pending.origins.is_empty())
            .then(|| self.pending.since + self.config.timeout + Nanos(1));
        [transmit, loss, pending].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::reflector::{Request, SessionReflector};
    use crate::wire::stamp::PACKET_OCTETS;
    use owl_measure::summary::{Recorder, Summary};
    use owl_sim::{Clock, Crossing, Link};
    use std::net::SocketAddr;

    const MS: i64 = 1_000_000;

    fn sender(packets: u64, reflector: Reflector) -> SessionSender {
        SessionSender::new(SenderConfig {
            ssid: 9,
            schedule: Schedule::periodic(Nanos(10 * MS), Monotonic(0)),
            timeout: Nanos(100 * MS),
            packets: Some(packets),
            reflector,
        })
    }

    struct World {
        forward: Link,
        backward: Link,
        far_clock: Clock,
        seed: u64,
    }

    /// What the links really did to the packets of a run.
    #[derive(Default, Debug, PartialEq, Eq)]
    struct Truth {
        lost_forward: u64,
        lost_backward: u64,
        forward: Vec<i64>,
    }

    /// Runs a session through a seeded world, event by event; the near clock is the truth.
    fn simulate(world: &World, packets: u64) -> (Summary, Truth, SessionSender) {
        let mut sender = sender(packets, Reflector::Own);
        let mut reflector = SessionReflector::new(64, 7);
        let (mut there, mut back) = (
            world.forward.seeded(world.seed),
            world.backward.seeded(world.seed + 1),
        );
        let mut recorder = Recorder::new(Nanos::from_secs(3_600), Timestamp(0), vec![]);
        let mut truth = Truth::default();
        let (near, far): (SocketAddr, SocketAddr) = (
            "192.0.2.1:5000".parse().unwrap(),
            "192.0.2.2:862".parse().unwrap(),
        );
        // (time, to the reflector or back, octets), the earliest first
        let mut flying: Vec<(i64, bool, [u8; PACKET_OCTETS])> = Vec::new();
        let user = |at_ns| Stamp {
            at: Timestamp(at_ns),
            source: StampSource::User,
        };
        while !sender.is_over() {
            flying.sort_by_key(|flight| std::cmp::Reverse(flight.0));
            let deadline = sender
                .next_deadline()
                .map_or(i64::MAX, |deadline| deadline.0);
            let now = flying
                .last()
                .map_or(deadline, |flight| flight.0.min(deadline));
            let kernel = Stamp {
                at: Timestamp(now),
                source: StampSource::Kernel,
            };
            if flying.last().is_some_and(|flight| flight.0 == now) {
                let (_, to_reflector, octets) = flying.pop().unwrap();
                if to_reflector {
                    let received_at = Timestamp(world.far_clock.read(now));
                    let request = Request {
                        datagram: &octets,
                        source: near,
                        destination: far,
                        ttl: 250,
                        received_at,
                    };
                    let mut reply = reflector
                        .handle(Monotonic(now), &request, ErrorEstimate::NO_CLAIM)
                        .unwrap()
                        .head;
                    let leaves = now + 30_000;
                    let t3 = NtpTimestamp::from_timestamp(Timestamp(world.far_clock.read(leaves)));
                    ReflectorPacket::set_sent_at(&mut reply, t3);
                    match back.cross(leaves) {
                        Crossing::Lost => truth.lost_backward += 1,
                        Crossing::Arrives { at_ns } => flying.push((at_ns, false, reply)),
                        Crossing::Twice { at_ns, again_at_ns } => {
                            flying.extend([(at_ns, false, reply), (again_at_ns, false, reply)]);
                        }
                    }
                } else {
                    match sender.handle_reply(&ReflectorPacket::decode(&octets).unwrap(), kernel) {
                        Arrival::OnTime(sample, reordered) => recorder.received(&sample, reordered),
                        Arrival::Late { origin } => recorder.late(origin),
                        Arrival::Duplicate { origin, direction } => {
                            recorder.duplicated(origin, direction)
                        }
                        Arrival::Stranger => panic!("a stranger in a closed world"),
                    }
                }
                continue;
            }
            if let Some(transmit) =
                sender.poll_transmit(Monotonic(now), Timestamp(now), ErrorEstimate::NO_CLAIM)
            {
                recorder.sent(transmit.origin, transmit.due.lateness);
                sender.handle_transmitted(
                    transmit.token,
                    Stamp {
                        source: StampSource::Kernel,
                        ..user(now)
                    },
                );
                let octets = transmit.packet.encode();
                match there.cross(now) {
                    Crossing::Lost => truth.lost_forward += 1,
                    Crossing::Arrives { at_ns } => {
                        truth.forward.push(at_ns - now);
                        flying.push((at_ns, true, octets));
                    }
                    Crossing::Twice { at_ns, again_at_ns } => {
                        truth.forward.push(at_ns - now);
                        flying.extend([(at_ns, true, octets), (again_at_ns, true, octets)]);
                    }
                }
            }
            while let Some(loss) = sender.poll_loss(Monotonic(now)) {
                recorder.lost(loss.origin, loss.direction);
            }
        }
        (recorder.close(Timestamp(i64::MAX)).unwrap(), truth, sender)
    }

    const QUIET: Link = Link {
        propagation_ns: 700_000,
        queueing_mean_ns: 80_000,
        loss_ppm: 0,
        duplicate_ppm: 0,
        reorder_ppm: 0,
        reorder_hold_ns: 0,
    };

    #[test]
    fn losses_are_told_by_direction_and_nothing_is_counted_twice() {
        for seed in 0..40 {
            let forward = Link {
                loss_ppm: 30_000,
                ..QUIET
            };
            let backward = Link {
                loss_ppm: 50_000,
                ..QUIET
            };
            let world = World {
                forward,
                backward,
                far_clock: Clock::default(),
                seed,
            };
            let (summary, truth, _) = simulate(&world, 1_000);
            assert_eq!(summary.sent, 1_000, "seed {seed}");
            assert_eq!(
                summary.received + summary.lost + summary.late,
                1_000,
                "seed {seed}"
            );
            assert_eq!(
                summary.lost,
                truth.lost_forward + truth.lost_backward,
                "seed {seed}"
            );
            // Only losses at the very end, behind the last reply, have no direction.
            assert!(
                summary.lost_somewhere() <= 5,
                "seed {seed}: {}",
                summary.lost_somewhere()
            );
            let told = summary.forward.lost + summary.backward.lost;
            assert!(
                summary.forward.lost <= truth.lost_forward
                    && summary.backward.lost <= truth.lost_backward,
                "seed {seed}"
            );
            assert!(told >= summary.lost - 5, "seed {seed}");
        }
    }

    #[test]
    fn the_raw_difference_is_the_true_delay_plus_the_clock_difference() {
        for (seed, offset_ns) in [(1, 0), (2, 200 * MS), (3, -3 * MS), (4, 86_400_000 * MS)] {
            let world = World {
                forward: QUIET,
                backward: QUIET,
                far_clock: Clock {
                    offset_ns,
                    skew_ppb: 0,
                },
                seed,
            };
            let (summary, truth, _) = simulate(&world, 500);
            let (min, max) = summary.forward.raw.extremes().unwrap();
            assert_eq!(
                min,
                Nanos(truth.forward.iter().min().unwrap() + offset_ns),
                "seed {seed}"
            );
            assert_eq!(
                max,
                Nanos(truth.forward.iter().max().unwrap() + offset_ns),
                "seed {seed}"
            );
            assert!(
                summary.round_trip.extremes().unwrap().0 >= Nanos(1_400_000),
                "seed {seed}: the offset cancels"
            );
        }
    }

    #[test]
    fn copies_and_overtaken_packets_are_counted_where_they_happen() {
        let copying = Link {
            duplicate_ppm: 100_000,
            ..QUIET
        };
        let holding = Link {
            reorder_ppm: 50_000,
            reorder_hold_ns: 15_000_000,
            ..QUIET
        };
        let run = |forward, backward| {
            simulate(
                &World {
                    forward,
                    backward,
                    far_clock: Clock::default(),
                    seed: 11,
                },
                1_000,
            )
            .0
        };
        let summary = run(copying, QUIET);
        assert!(
            summary.forward.duplicated > 60 && summary.backward.duplicated == 0,
            "{summary:?}"
        );
        let summary = run(QUIET, copying);
        assert!(
            summary.backward.duplicated > 60 && summary.forward.duplicated == 0,
            "{summary:?}"
        );
        let summary = run(holding, QUIET);
        assert!(
            summary.forward.reordered > 30 && summary.backward.reordered == 0,
            "{summary:?}"
        );
        let summary = run(QUIET, holding);
        assert!(
            summary.backward.reordered > 30 && summary.forward.reordered == 0,
            "{summary:?}"
        );
    }

    #[test]
    fn late_is_not_lost_and_lost_is_not_late() {
        let slow = Link {
            propagation_ns: 130_000_000,
            ..QUIET
        };
        let (summary, _, _) = simulate(
            &World {
                forward: slow,
                backward: QUIET,
                far_clock: Clock::default(),
                seed: 1,
            },
            100,
        );
        assert_eq!((summary.received, summary.late, summary.lost), (0, 100, 0));
        let (summary, ..) = simulate(
            &World {
                forward: Link {
                    loss_ppm: 1_000_000,
                    ..QUIET
                },
                backward: QUIET,
                far_clock: Clock::default(),
                seed: 1,
            },
            100,
        );
        assert_eq!(
            (
                summary.received,
                summary.late,
                summary.lost,
                summary.lost_somewhere()
            ),
            (0, 0, 100, 100)
        );
    }

    #[test]
    fn a_reply_that_was_read_late_but_stamped_in_time_is_on_time() {
        let mut sender = sender(1, Reflector::Own);
        let transmit = sender
            .poll_transmit(Monotonic(0), Timestamp(0), ErrorEstimate::NO_CLAIM)
            .unwrap();
        let reply = reply_to(&transmit.packet, 0);
        // The process slept for 150 ms; the kernel stamped the reply after 2 ms.
        let arrival = sender.handle_reply(
            &reply,
            Stamp {
                at: Timestamp(2 * MS),
                source: StampSource::Kernel,
            },
        );
        assert!(matches!(arrival, Arrival::OnTime(..)), "{arrival:?}");
        assert_eq!(sender.poll_loss(Monotonic(150 * MS)), None);
    }

    fn reply_to(packet: &SenderPacket, sequence: u32) -> ReflectorPacket {
        ReflectorPacket {
            sequence,
            sent_at: packet.sent_at,
            error_estimate: ErrorEstimate::claim(Some(Nanos(50))),
            ssid: packet.ssid,
            received_at: packet.sent_at,
            sender_sequence: packet.sequence,
            sender_sent_at: packet.sent_at,
            sender_error_estimate: packet.error_estimate,
            sender_ttl: 255,
        }
    }

    #[test]
    fn what_did_not_see_the_packet_is_a_stranger() {
        let mut sender = sender(10, Reflector::Stranger);
        let transmit = sender
            .poll_transmit(Monotonic(0), Timestamp(5), ErrorEstimate::NO_CLAIM)
            .unwrap();
        let good = reply_to(&transmit.packet, 0);
        let received_at = Stamp {
            at: Timestamp(MS),
            source: StampSource::Kernel,
        };
        for bad in [
            ReflectorPacket {
                sender_sequence: 1,
                ..good
            },
            ReflectorPacket {
                sender_sequence: u32::MAX,
                ..good
            },
            ReflectorPacket {
                sender_sent_at: NtpTimestamp(1),
                ..good
            },
            ReflectorPacket { ssid: 8, ..good },
            ReflectorPacket {
                error_estimate: ErrorEstimate(0xC001),
                ..good
            },
        ] {
            assert_eq!(sender.handle_reply(&bad, received_at), Arrival::Stranger);
        }
        assert_eq!(sender.strangers(), 5);
        match sender.handle_reply(&good, received_at) {
            Arrival::OnTime(sample, _) => assert_eq!(
                sample.peer_clock,
                PeerClock::NoClaim,
                "50 ns from a stranger is no claim"
            ),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stateless_strangers_losses_have_no_direction() {
        let mut sender = sender(3, Reflector::Stranger);
        for k in 0..3 {
            let transmit = sender
                .poll_transmit(
                    Monotonic(k * 10 * MS),
                    Timestamp(k),
                    ErrorEstimate::NO_CLAIM,
                )
                .unwrap();
            if k != 1 {
                let reply = reply_to(&transmit.packet, transmit.packet.sequence);
                sender.handle_reply(
                    &reply,
                    Stamp {
                        at: Timestamp(k + MS),
                        source: StampSource::Kernel,
                    },
                );
            }
        }
        assert_eq!(
            sender.poll_loss(Monotonic(1_000 * MS)),
            Some(Loss {
                origin: Timestamp(1),
                direction: None
            })
        );
        assert!(sender.is_over());
    }

    #[test]
    fn memory_is_bounded_when_nothing_ever_answers() {
        let mut sender = SessionSender::new(SenderConfig {
            ssid: 0,
            schedule: Schedule::periodic(Nanos(1_000), Monotonic(0)),
            timeout: Nanos::from_secs(3_600),
            packets: None,
            reflector: Reflector::Own,
        });
        let mut lost = 0;
        for k in 0..200_000_i64 {
            assert!(
                sender
                    .poll_transmit(Monotonic(k * 1_000), Timestamp(k), ErrorEstimate::NO_CLAIM)
                    .is_some()
            );
            while sender.poll_loss(Monotonic(k * 1_000)).is_some() {
                lost += 1;
            }
        }
        assert!(sender.remembered.len() <= REMEMBERED_MAX);
        assert!(
            lost + sender.pending.origins.len() >= 200_000 - REMEMBERED_MAX,
            "{lost}"
        );
    }
}
