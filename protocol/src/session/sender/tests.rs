//! The session-sender in seeded worlds, where the truth is known.

use super::*;
use crate::session::reflector::{ReflectorClock, ReflectorConfig, Request, SessionReflector};
use crate::wire::TaiOffset;
use crate::wire::stamp::PACKET_OCTETS;
use crate::wire::tlv::{SyncSource, TimestampInformation, TimestampMethod};
use owl_measure::summary::{Recorder, Summary};
use owl_sim::{Clock, Crossing, Link};
use std::net::SocketAddr;

const MS: i64 = 1_000_000;

const FAR: ReflectorClock = ReflectorClock {
    error_estimate: ErrorEstimate::NO_CLAIM,
    tai_offset: TaiOffset::SINCE_2017,
    information: TimestampInformation {
        source_in: SyncSource::UNKNOWN,
        method_in: TimestampMethod::UNKNOWN,
        source_out: SyncSource::UNKNOWN,
        method_out: TimestampMethod::UNKNOWN,
    },
};

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
    let mut reflector = SessionReflector::new(ReflectorConfig::open(64, 7));
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
                    octets: octets.len(),
                    source: near,
                    destination: far,
                    ttl: 250,
                    traffic_class: 0,
                    received_at,
                    interface: None,
                    member_link: None,
                };
                let mut reply = octets;
                let sealed = reflector
                    .handle(Monotonic(now), &request, &FAR, &mut reply)
                    .unwrap();
                let leaves = now + 30_000;
                sealed.seal(&mut reply, Timestamp(world.far_clock.read(leaves)));
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
            sender_sent_at: WireTimestamp(1),
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
