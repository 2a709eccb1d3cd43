use super::*;
use crate::lengths::Lengths;
use crate::reordering::Overtaken;
use crate::sample::Stamp;

/// A packet sent at `origin` that is lost, as is its whole loss period.
pub(crate) fn loss(sequence: u32, origin: i64, direction: Option<Direction>) -> Loss {
    Loss {
        sequence,
        origin: Timestamp(origin),
        direction,
        period: direction,
    }
}

/// A sample sent at `origin`, with these raw differences.
pub(crate) fn sample(sequence: u32, origin: i64, forward: i64, backward: i64) -> Sample {
    let kernel = |ns| Stamp {
        at: Timestamp(ns),
        source: StampSource::Kernel,
    };
    Sample {
        sequence,
        origin: Timestamp(origin),
        sent_at: kernel(origin),
        reflector_received_at: Timestamp(origin + forward),
        reflector_sent_at: Timestamp(origin + forward),
        t3: StampSource::Kernel,
        received_at: kernel(origin + forward + backward),
        forward_header: Header {
            ttl: 250,
            dscp: DscpFate::Kept,
            congestion: false,
        },
        backward_header: Header {
            ttl: 248,
            ..Header::default()
        },
        peer_clock: PeerClock::Within(Nanos(1_000)),
    }
}

#[test]
fn every_packet_has_one_fate_in_the_interval_that_sent_it() {
    let mut recorder = Recorder::new(Nanos(1_000), Timestamp(0), vec![Nanos(100), Nanos(200)]);
    for k in 0..20 {
        recorder.sent(Timestamp(k * 100), Nanos(k));
    }
    recorder.received(&sample(0, 0, -50, 150), Reordered::default());
    recorder.received(
        &sample(1, 100, 150, 150),
        Reordered {
            forward: Some(Overtaken {
                extent: 2,
                n: 1,
                late: Nanos::from_micros(50),
            }),
            ..Reordered::default()
        },
    );
    recorder.lost(&loss(2, 200, Some(Direction::Backward)));
    recorder.lost(&loss(3, 300, None));
    recorder.late(Timestamp(400));
    recorder.duplicated(Timestamp(0), Direction::Forward);
    recorder.skipped(Timestamp(950), 3);
    recorder.own_loss(7);
    recorder.received(&sample(10, 1_000, 1, 1), Reordered::default());

    assert!(recorder.close(Timestamp(999)).is_none());
    let first = recorder.close(Timestamp(1_500)).unwrap();
    assert_eq!(
        (
            first.sent,
            first.received,
            first.lost,
            first.late,
            first.skipped
        ),
        (10, 2, 2, 1, 3)
    );
    assert_eq!(
        (
            first.forward.lost,
            first.backward.lost,
            first.lost_somewhere()
        ),
        (0, 1, 1)
    );
    assert_eq!(
        (
            first.forward.duplicated,
            first.forward.reordered,
            first.backward.reordered
        ),
        (1, 1, 0)
    );
    assert_eq!(first.forward.raw.extremes(), Some((Nanos(-50), Nanos(150))));
    assert_eq!(
        first
            .forward
            .within
            .iter()
            .map(|w| w.count)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(
        first
            .backward
            .within
            .iter()
            .map(|w| w.count)
            .collect::<Vec<_>>(),
        [0, 2]
    );
    assert_eq!(
        first.forward.ipdv.extremes(),
        Some((Nanos(200), Nanos(200)))
    );
    assert_eq!(first.forward.envelope.len(), 2);
    assert_eq!((first.lateness_max, first.own_loss), (Nanos(9), 7));
    let [forward, lost] = [first.forward.lost, first.lost];
    assert_eq!(
        first.lost_here(),
        lost - forward,
        "no more than were lost behind the reflector"
    );
    assert_eq!(first.peer_clock.bound(), Some(Nanos(1_000)));
    assert!(recorder.close(Timestamp(1_500)).is_none());
    assert_eq!(recorder.close(Timestamp(2_000)).unwrap().received, 1);
}

#[test]
fn every_loss_is_in_one_loss_period_and_a_period_over_the_edge_is_counted_on_both_sides() {
    use Direction::{Backward, Forward};
    let lengths = |each: &[u64]| {
        let mut lengths = Lengths::default();
        each.iter().for_each(|&length| lengths.record(length));
        lengths
    };
    let mut recorder = Recorder::new(Nanos(1_000), Timestamp(0), vec![]);
    for (sequence, direction) in [
        (1, Some(Forward)),
        (2, Some(Forward)),
        (4, Some(Backward)),
        (6, None),
        (7, None),
        (8, Some(Forward)),
        (9, Some(Forward)),
        (10, Some(Forward)),
    ] {
        recorder.lost(&loss(sequence, i64::from(sequence) * 100, direction));
    }
    let first = recorder.close(Timestamp(1_000)).unwrap();
    assert_eq!(first.forward.patterns.loss_periods, lengths(&[2, 2]));
    assert_eq!(first.backward.patterns.loss_periods, lengths(&[1]));
    assert_eq!(first.somewhere.loss_periods, lengths(&[2]));
    assert_eq!(first.forward.patterns.loss_distances, lengths(&[1, 6, 1]));
    let places = [
        &first.forward.patterns,
        &first.backward.patterns,
        &first.somewhere,
    ];
    let in_periods: u64 = places
        .iter()
        .map(|patterns| patterns.loss_periods.sum())
        .sum();
    assert_eq!(in_periods, first.lost);
    let second = recorder.close(Timestamp(2_000)).unwrap();
    assert_eq!(second.forward.patterns.loss_periods, lengths(&[1]));
    assert_eq!(second.forward.patterns.loss_distances, lengths(&[1]));
}

#[test]
fn a_stepping_clock_opens_no_more_than_a_few_intervals() {
    let mut recorder = Recorder::new(Nanos(10), Timestamp(0), vec![]);
    let mut closed = 0;
    for k in 0..1_000_i64 {
        recorder.sent(Timestamp(-k * 1_000), Nanos::ZERO);
        while recorder.close(Timestamp(i64::MIN)).is_some() {
            closed += 1;
        }
    }
    assert_eq!(closed, 1_000 - OPEN_MAX);
}
