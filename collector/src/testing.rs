//! What several tests of this crate need: reports of a known path.

use owl_measure::clock::{BoundBasis, ClockSource, ClockState, ClockStatus};
use owl_measure::hindrance::Hindrance;
use owl_measure::loss::Loss;
use owl_measure::reordering::{Overtaken, Reordered};
use owl_measure::report::Report;
use owl_measure::sample::{Direction, Header, PeerClock, Sample, Stamp, StampSource};
use owl_measure::summary::{Recorder, Summary};
use owl_measure::time::{Nanos, Timestamp};

pub(crate) mod postgres;

pub(crate) const SECOND: i64 = 1_000_000_000;

/// One-way delays of a path in nanoseconds, and by how much the far clock is ahead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) forward: i64,
    pub(crate) backward: i64,
    pub(crate) ahead: i64,
}

pub(crate) const QUIET: Link = Link {
    forward: 700_000,
    backward: 800_000,
    ahead: 0,
};

/// The report on the second that begins at `start_s`, with ten packets that all came back.
pub(crate) fn report(path: &str, start_s: i64) -> Report {
    report_of(path, start_s, QUIET)
}

/// The report on the second that begins at `start_s`, with ten packets of which nothing was heard again.
pub(crate) fn unanswered(path: &str, start_s: i64) -> Report {
    let mut recorder = Recorder::new(Nanos::from_secs(1), Timestamp(0), vec![]);
    for k in 0..10_u32 {
        let origin = Timestamp(start_s * SECOND + i64::from(k) * SECOND / 10);
        recorder.sent(origin, Nanos::ZERO);
        recorder.lost(&Loss {
            sequence: k,
            origin,
            direction: None,
            period: None,
        });
    }
    Report {
        summary: summary(recorder),
        ..report(path, start_s)
    }
}

/// The report on the second that begins at `start_s`, in which nothing could be sent.
pub(crate) fn hindered(path: &str, start_s: i64, why: Hindrance) -> Report {
    let mut recorder = Recorder::new(Nanos::from_secs(1), Timestamp(0), vec![]);
    recorder.hindered(Timestamp(start_s * SECOND), why);
    Report {
        summary: summary(recorder),
        ..report(path, start_s)
    }
}

/// The report on the second that begins at `start_s`: of ten packets four are lost on the way there, the second and
/// the fourth to sixth; the last arrives after four that were sent later, three of them right before it.
pub(crate) fn disturbed(path: &str, start_s: i64) -> Report {
    let mut recorder = Recorder::new(Nanos::from_secs(1), Timestamp(0), vec![]);
    for k in 0..10_u32 {
        let sample = sample(k, start_s, QUIET);
        recorder.sent(sample.origin, Nanos::ZERO);
        if matches!(k, 1 | 3..=5) {
            recorder.lost(&Loss {
                sequence: k,
                origin: sample.origin,
                direction: Some(Direction::Forward),
                period: Some(Direction::Forward),
            });
        } else {
            let overtaken = Overtaken {
                extent: 4,
                n: 3,
                late: Nanos::from_micros(250),
            };
            let forward = (k == 9).then_some(overtaken);
            recorder.received(
                &sample,
                Reordered {
                    forward,
                    ..Reordered::default()
                },
            );
        }
    }
    Report {
        summary: summary(recorder),
        ..report(path, start_s)
    }
}

/// The same as [`report`] over another link.
pub(crate) fn report_of(path: &str, start_s: i64, link: Link) -> Report {
    let length = Nanos::from_secs(1);
    let mut recorder = Recorder::new(length, Timestamp(0), vec![Nanos::from_millis(1)]);
    for k in 0..10_u32 {
        let sample = sample(k, start_s, link);
        recorder.sent(sample.origin, Nanos::ZERO);
        recorder.received(&sample, Reordered::default());
    }
    let summary = summary(recorder);
    Report {
        path: path.into(),
        generation: String::new(),
        flow: 0,
        packet_interval: Nanos(SECOND / 10),
        clock: ClockState {
            as_of: summary.start,
            source: ClockSource::Gnss,
            status: ClockStatus::Synchronised,
            bound: Some((Nanos(10_000), BoundBasis::Declared)),
            transmit_stamp_error: Nanos(5_000),
            receive_stamp_error: Nanos(5_000),
            ..ClockState::default()
        },
        summary,
    }
}

/// Of the one interval that was recorded.
fn summary(mut recorder: Recorder) -> Summary {
    recorder
        .close(Timestamp(i64::MAX))
        .expect("one interval was recorded")
}

/// One of ten packets of a second.
fn sample(k: u32, start_s: i64, link: Link) -> Sample {
    let origin = start_s * SECOND + i64::from(k) * SECOND / 10;
    let (reached, back) = (
        origin + link.forward + link.ahead,
        origin + link.forward + link.backward,
    );
    let kernel = |ns| Stamp {
        at: Timestamp(ns),
        source: StampSource::Kernel,
    };
    Sample {
        sequence: k,
        origin: Timestamp(origin),
        sent_at: kernel(origin),
        reflector_received_at: Timestamp(reached),
        reflector_sent_at: Timestamp(reached),
        t3: StampSource::Kernel,
        received_at: kernel(back),
        forward_header: Header {
            ttl: 255,
            ..Header::default()
        },
        backward_header: Header {
            ttl: 255,
            ..Header::default()
        },
        peer_clock: PeerClock::Within(Nanos(10_000)),
    }
}
