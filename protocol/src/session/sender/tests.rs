//! The session-sender in seeded worlds, where the truth is known.

use super::*;
use crate::session::reflector::{
    Authentication, ReflectorClock, ReflectorConfig, Request, SessionReflector, State,
};
use crate::session::schedule::Schedule;
use crate::wire::tlv::{SyncSource, TimestampInformation};
use crate::wire::{NtpTimestamp, TaiOffset, TimestampFormat};
use owl_measure::summary::{Recorder, Summary};
use owl_sim::{Clock, Crossing, Link};
use std::net::SocketAddr;

mod correction;
mod extension;
mod patterns;

const MS: i64 = 1_000_000;

fn clock() -> ReflectorClock {
    ReflectorClock {
        error_estimate: ErrorEstimate::NO_CLAIM,
        tai_offset: TaiOffset::SINCE_2017,
        information: TimestampInformation {
            source_in: SyncSource::GNSS,
            method_in: TimestampMethod::SOFTWARE,
            source_out: SyncSource::GNSS,
            method_out: TimestampMethod::SOFTWARE,
        },
    }
}

/// A hundred packets a second.
fn config(packets: u64, reflector: Reflector) -> SenderConfig {
    let schedule = Schedule::periodic(Nanos(10 * MS), Monotonic(0));
    SenderConfig {
        packets: Some(packets),
        ..SenderConfig::new(9, schedule, Nanos(100 * MS), reflector)
    }
}

fn kernel(at: i64) -> Received {
    Received {
        stamp: Stamp {
            at: Timestamp(at),
            source: StampSource::Kernel,
        },
        ttl: 60,
        traffic_class: Some(0),
    }
}

struct World {
    forward: Link,
    backward: Link,
    far_clock: Clock,
    seed: u64,
    sender: SenderConfig,
    reflector: ReflectorConfig,
    clock: ReflectorClock,
}

fn world(seed: u64, packets: u64) -> World {
    World {
        forward: QUIET,
        backward: QUIET,
        far_clock: Clock::default(),
        seed,
        sender: config(packets, Reflector::Own),
        reflector: ReflectorConfig::open(64, 7),
        clock: clock(),
    }
}

/// What the links really did to the packets of a run, and what came of it.
struct Run {
    summary: Summary,
    samples: Vec<Sample>,
    sender: SessionSender,
    lost_forward: u64,
    lost_backward: u64,
    /// The numbers of the packets that were lost, either way.
    lost: Vec<u32>,
    /// The sender's numbers in the order in which packets reached the reflector, copies and all.
    reached: Vec<u32>,
    /// The reflector's numbers in the order in which replies came back.
    returned: Vec<u32>,
    forward: Vec<i64>,
    /// By how much T3 in the replies was early, by the sender's sequence numbers.
    early: Vec<i64>,
    /// When the replies really left.
    left: Vec<i64>,
}

enum Flight {
    ToReflector(Vec<u8>),
    Back(Vec<u8>),
}

/// Runs a session through a seeded world, event by event; the near clock is the truth.
fn simulate(world: World) -> Run {
    let mut sender = SessionSender::new(world.sender.clone());
    let mut reflector = SessionReflector::new(world.reflector.clone());
    let mut there = world.forward.seeded(world.seed);
    let mut back = world.backward.seeded(world.seed + 1);
    let mut recorder = Recorder::new(Nanos::from_secs(3_600), Timestamp(0), vec![]);
    let near: SocketAddr = "192.0.2.1:5000".parse().unwrap();
    let far: SocketAddr = "192.0.2.2:862".parse().unwrap();
    let (mut lost_forward, mut lost_backward) = (0, 0);
    let (mut forward, mut early, mut left) = (vec![], vec![], vec![]);
    let (mut lost, mut reached, mut returned) = (vec![], vec![], vec![]);
    let (mut samples, mut buffer) = (vec![], vec![0; 2_000]);
    // The earliest last.
    let mut flying: Vec<(i64, Flight)> = Vec::new();
    while !sender.is_over() {
        flying.sort_by_key(|flight| std::cmp::Reverse(flight.0));
        let deadline = sender.next_deadline().map_or(i64::MAX, |at| at.0);
        let now = flying.last().map_or(deadline, |next| next.0.min(deadline));
        let arrived = flying.pop_if(|next| next.0 == now);
        match arrived.map(|(_, flight)| flight) {
            Some(Flight::ToReflector(octets)) => {
                let sequence = u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]);
                reached.push(sequence);
                buffer[..octets.len()].copy_from_slice(&octets);
                let request = Request {
                    octets: octets.len(),
                    source: near,
                    destination: far,
                    ttl: 250,
                    traffic_class: 0,
                    received_at: Timestamp(world.far_clock.read(now)),
                    interface: None,
                    member_link: Some(5),
                };
                let reply = reflector.handle(Monotonic(now), &request, &world.clock, &mut buffer);
                let Ok(reply) = reply else { continue };
                let t3 = now + 20_000;
                let leaves = t3 + 1_000 * (1 + now % 37);
                reply.seal(&mut buffer, Timestamp(world.far_clock.read(t3)));
                early.push(leaves - t3);
                left.push(leaves);
                if let Some(token) = reply.token {
                    let at = Timestamp(world.far_clock.read(leaves));
                    let source = StampSource::Kernel;
                    reflector.handle_transmitted(token, Stamp { at, source });
                }
                let octets = buffer[..reply.octets].to_vec();
                match back.cross(leaves) {
                    Crossing::Lost => {
                        lost_backward += 1;
                        lost.push(sequence);
                    }
                    Crossing::Arrives { at_ns } => flying.push((at_ns, Flight::Back(octets))),
                    Crossing::Twice { at_ns, again_at_ns } => flying.extend([
                        (at_ns, Flight::Back(octets.clone())),
                        (again_at_ns, Flight::Back(octets)),
                    ]),
                }
            }
            Some(Flight::Back(octets)) => {
                returned.push(u32::from_be_bytes([
                    octets[0], octets[1], octets[2], octets[3],
                ]));
                match sender.handle_reply(Monotonic(now), &octets, kernel(now)) {
                    Arrival::OnTime => {}
                    Arrival::Late { origin } => recorder.late(origin),
                    Arrival::Duplicate { origin, direction } => {
                        recorder.duplicated(origin, direction)
                    }
                    Arrival::Stranger => panic!("a stranger in a closed world"),
                }
            }
            None => {
                let transmit = sender.poll_transmit(
                    Monotonic(now),
                    Timestamp(now),
                    ErrorEstimate::NO_CLAIM,
                    &mut buffer,
                );
                if let Some(transmit) = transmit {
                    recorder.sent(transmit.origin, transmit.due.lateness);
                    sender.handle_transmitted(transmit.token, kernel(now).stamp);
                    let octets = buffer[..transmit.octets].to_vec();
                    match there.cross(now) {
                        Crossing::Lost => {
                            lost_forward += 1;
                            lost.push(u32::from_be_bytes([
                                octets[0], octets[1], octets[2], octets[3],
                            ]));
                        }
                        Crossing::Arrives { at_ns } => {
                            forward.push(at_ns - now);
                            flying.push((at_ns, Flight::ToReflector(octets)));
                        }
                        Crossing::Twice { at_ns, again_at_ns } => {
                            forward.push(at_ns - now);
                            flying.extend([
                                (at_ns, Flight::ToReflector(octets.clone())),
                                (again_at_ns, Flight::ToReflector(octets)),
                            ]);
                        }
                    }
                }
            }
        }
        while let Some(loss) = sender.poll_loss(Monotonic(now)) {
            recorder.lost(&loss);
        }
        while let Some((sample, reordered)) = sender.poll_sample(Monotonic(now)) {
            recorder.received(&sample, reordered);
            samples.push(sample);
        }
    }
    Run {
        summary: recorder.close(Timestamp(i64::MAX)).unwrap(),
        samples,
        sender,
        lost_forward,
        lost_backward,
        lost,
        reached,
        returned,
        forward,
        early,
        left,
    }
}

const QUIET: Link = Link {
    propagation_ns: 700_000,
    queueing_mean_ns: 80_000,
    loss_ppm: 0,
    burst_ppm: 0,
    burst_packets: 0,
    duplicate_ppm: 0,
    reorder_ppm: 0,
    reorder_hold_ns: 0,
};

#[test]
fn losses_are_told_by_direction_and_nothing_is_counted_twice() {
    for seed in 0..40 {
        let losing = |loss_ppm| Link { loss_ppm, ..QUIET };
        let run = simulate(World {
            forward: losing(30_000),
            backward: losing(50_000),
            ..world(seed, 1_000)
        });
        let summary = &run.summary;
        assert_eq!(summary.sent, 1_000, "seed {seed}");
        assert_eq!(
            summary.received + summary.lost + summary.late,
            1_000,
            "seed {seed}"
        );
        assert_eq!(
            summary.lost,
            run.lost_forward + run.lost_backward,
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
            summary.forward.lost <= run.lost_forward && summary.backward.lost <= run.lost_backward,
            "seed {seed}"
        );
        assert!(told >= summary.lost - 5, "seed {seed}");
    }
}

#[test]
fn the_raw_difference_is_the_true_delay_plus_the_clock_difference() {
    for (seed, offset_ns) in [(1, 0), (2, 200 * MS), (3, -3 * MS), (4, 86_400_000 * MS)] {
        let run = simulate(World {
            far_clock: Clock {
                offset_ns,
                skew_ppb: 0,
            },
            ..world(seed, 500)
        });
        let (min, max) = run.summary.forward.raw.extremes().unwrap();
        let true_min = run.forward.iter().min().unwrap();
        let true_max = run.forward.iter().max().unwrap();
        assert_eq!(min, Nanos(true_min + offset_ns), "seed {seed}");
        assert_eq!(max, Nanos(true_max + offset_ns), "seed {seed}");
        assert!(
            run.summary.round_trip.extremes().unwrap().0 >= Nanos(1_400_000),
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
        simulate(World {
            forward,
            backward,
            ..world(11, 1_000)
        })
        .summary
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
    let gone = Link {
        loss_ppm: 1_000_000,
        ..QUIET
    };
    for (forward, fates) in [(slow, (0, 100, 0, 0)), (gone, (0, 0, 100, 100))] {
        let summary = simulate(World {
            forward,
            ..world(1, 100)
        })
        .summary;
        assert_eq!(
            (
                summary.received,
                summary.late,
                summary.lost,
                summary.lost_somewhere()
            ),
            fates
        );
    }
}

/// Sends the next packet of a session.
fn transmit(sender: &mut SessionSender, now: i64) -> (SenderPacket, Transmit) {
    let mut buffer = [0; 2_000];
    let (at, wall) = (Monotonic(now), Timestamp(now));
    let transmit = sender
        .poll_transmit(at, wall, ErrorEstimate::NO_CLAIM, &mut buffer)
        .unwrap();
    (SenderPacket::decode(&buffer).unwrap(), transmit)
}

#[test]
fn a_reply_that_was_read_late_but_stamped_in_time_is_on_time() {
    let mut sender = SessionSender::new(config(1, Reflector::Own));
    let (packet, _) = transmit(&mut sender, 0);
    // The process slept for 150 ms; the kernel stamped the reply after 2 ms.
    let late = Monotonic(150 * MS);
    let arrival = sender.handle_reply(late, &reply_to(&packet, 0).encode(), kernel(2 * MS));
    assert_eq!(arrival, Arrival::OnTime);
    assert!(sender.poll_sample(late).is_some());
    assert_eq!(sender.poll_loss(late), None);
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
    let mut sender = SessionSender::new(config(10, Reflector::Stranger));
    let (packet, _) = transmit(&mut sender, 5);
    let good = reply_to(&packet, 0);
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
            sender_sent_at: WireTimestamp(1),
            ..good
        },
        ReflectorPacket { ssid: 8, ..good },
    ] {
        let arrival = sender.handle_reply(Monotonic(MS), &bad.encode(), kernel(MS));
        assert_eq!(arrival, Arrival::Stranger);
    }
    let arrival = sender.handle_reply(Monotonic(MS), &good.encode()[..37], kernel(MS));
    assert_eq!((arrival, sender.strangers()), (Arrival::Stranger, 5));
    sender.handle_reply(Monotonic(MS), &good.encode(), kernel(MS));
    let (sample, _) = sender.poll_sample(Monotonic(MS)).unwrap();
    assert_eq!(
        sample.peer_clock,
        PeerClock::NoClaim,
        "50 ns from a stranger is no claim"
    );
}

#[test]
fn replies_of_twamp_light_reflectors_are_valid_at_any_of_their_lengths() {
    for (octets, ttl) in [(38, 0), (40, 0), (41, 255), (44, 255)] {
        for ssid in [0, 9] {
            let mut sender = SessionSender::new(config(1, Reflector::Stranger));
            let (packet, _) = transmit(&mut sender, 5);
            let reply = ReflectorPacket {
                ssid,
                ..reply_to(&packet, 0)
            };
            let arrival = sender.handle_reply(Monotonic(MS), &reply.encode()[..octets], kernel(MS));
            assert_eq!(arrival, Arrival::OnTime, "{octets} octets");
            assert_eq!(
                sender
                    .poll_sample(Monotonic(MS))
                    .unwrap()
                    .0
                    .forward_header
                    .ttl,
                ttl
            );
        }
    }
}

#[test]
fn a_stateless_strangers_losses_have_no_direction() {
    let mut sender = SessionSender::new(config(3, Reflector::Stranger));
    for k in 0..3 {
        let (packet, transmit) = transmit(&mut sender, k * 10 * MS);
        if k != 1 {
            let reply = reply_to(&packet, packet.sequence).encode();
            let at = transmit.origin.0 + MS;
            sender.handle_reply(Monotonic(at), &reply, kernel(at));
            assert!(sender.poll_sample(Monotonic(at)).is_some());
        }
    }
    assert_eq!(
        sender.poll_loss(Monotonic(1_000 * MS)),
        Some(Loss {
            sequence: 1,
            origin: Timestamp(10 * MS),
            direction: None,
            period: None
        })
    );
    assert!(sender.is_over());
}

#[test]
fn memory_is_bounded_when_nothing_ever_answers() {
    let schedule = Schedule::periodic(Nanos(1_000), Monotonic(0));
    let timeout = Nanos::from_secs(3_600);
    let mut sender = SessionSender::new(SenderConfig::new(0, schedule, timeout, Reflector::Own));
    let mut lost = 0;
    for k in 0..200_000_i64 {
        transmit(&mut sender, k * 1_000);
        while sender.poll_loss(Monotonic(k * 1_000)).is_some() {
            lost += 1;
        }
    }
    assert!(sender.remembered.len() <= REMEMBERED_MAX);
    assert!(
        lost + sender.losses.waiting() >= 200_000 - REMEMBERED_MAX,
        "{lost}"
    );
}

#[test]
fn a_buffer_that_is_too_short_costs_no_send_time() {
    let mut sender = SessionSender::new(config(1, Reflector::Own));
    let mut buffer = [0; 43];
    let (now, wall) = (Monotonic(0), Timestamp(0));
    let estimate = ErrorEstimate::NO_CLAIM;
    assert!(
        sender
            .poll_transmit(now, wall, estimate, &mut buffer)
            .is_none()
    );
    assert_eq!(transmit(&mut sender, 0).1.due.skipped, 0);
}

#[test]
fn numbers_begin_at_zero_and_what_must_be_zero_is() {
    let mut sender = SessionSender::new(SenderConfig {
        packet_octets: 60,
        ..config(3, Reflector::Own)
    });
    for sequence in 0..3 {
        let mut buffer = [0xEE; 100];
        let at = 10 * MS * i64::from(sequence);
        let estimate = ErrorEstimate::NO_CLAIM;
        let transmit = sender
            .poll_transmit(Monotonic(at), Timestamp(at), estimate, &mut buffer)
            .unwrap();
        let packet = SenderPacket::decode(&buffer).unwrap();
        assert_eq!((packet.sequence, packet.ssid), (sequence, 9));
        assert_eq!(buffer[16..44], [0; 28]);
        assert_eq!(buffer[44..48], [0x80, 1, 0, 12], "Extra Padding");
        assert_eq!((transmit.octets, buffer[60]), (60, 0xEE));
    }
}
