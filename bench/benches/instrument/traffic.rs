//! The traffic that is measured with: a city path of 700 µs with some queueing, ten packets a second.

use owl_measure::clock::{BoundBasis, ClockSource, ClockState, ClockStatus};
use owl_measure::reordering::Reordered;
use owl_measure::report::Report;
use owl_measure::sample::{Header, PeerClock, Sample, Stamp, StampSource};
use owl_measure::summary::Recorder;
use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::wire::stamp::{ReflectorPacket, SenderPacket};
use owl_protocol::wire::{ErrorEstimate, NtpTimestamp};

const INTERVAL: Nanos = Nanos::from_secs(10);
const PACKET_INTERVAL: Nanos = Nanos::from_millis(100);

/// Records intervals of ten seconds against the three targets of the city.
pub(crate) fn recorder() -> Recorder {
    Recorder::new(
        INTERVAL,
        Timestamp(0),
        [1, 4, 6].map(Nanos::from_millis).to_vec(),
    )
}

/// So many packets that all came back, evenly spread over the interval that begins at `start`.
pub(crate) fn samples(start: Timestamp, packets: u32) -> impl Iterator<Item = Sample> {
    samples_from(0, start, packets, Queues::Octaves)
}

/// How packets wait on their way.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Queues {
    /// Up to 8 µs as a rule, at times ten, a hundred or 250 times that.
    Octaves,
    /// Up to 8 µs, and one packet in fifty up to 50 µs more.
    Quiet,
}

/// The same from a sequence number on, which their queueing follows.
pub(crate) fn samples_from(
    first: u32,
    start: Timestamp,
    packets: u32,
    queues: Queues,
) -> impl Iterator<Item = Sample> {
    (0..packets).map(move |k| {
        let origin = start + Nanos(INTERVAL.0 / i64::from(packets) * i64::from(k));
        let sequence = first.wrapping_add(k);
        let forward = Nanos::from_micros(700) + queueing(queues, sequence);
        let backward = Nanos::from_micros(690) + queueing(queues, sequence.wrapping_add(1 << 16));
        let kernel = |at| Stamp {
            at,
            source: StampSource::Kernel,
        };
        Sample {
            sequence,
            origin,
            sent_at: kernel(origin),
            reflector_received_at: origin + forward,
            reflector_sent_at: origin + forward,
            t3: StampSource::Kernel,
            received_at: kernel(origin + forward + backward),
            forward_header: Header {
                ttl: 251,
                ..Header::default()
            },
            backward_header: Header {
                ttl: 251,
                ..Header::default()
            },
            peer_clock: PeerClock::Within(Nanos::from_micros(50)),
        }
    })
}

fn queueing(queues: Queues, sequence: u32) -> Nanos {
    let hash = sequence
        .wrapping_mul(0x9E37_79B1)
        .rotate_left(15)
        .wrapping_mul(0x85EB_CA6B);
    let short = i64::from(hash & 0x1FFF);
    Nanos(match queues {
        // Each octave half as often as the one before.
        Queues::Octaves => short << (hash >> 16).trailing_zeros().min(8),
        Queues::Quiet if hash >> 16 < (1 << 16) / 50 => short * 7,
        Queues::Quiet => short,
    })
}

/// One minute of one session, as its six reports.
pub(crate) fn window() -> Vec<Report> {
    (0..6)
        .map(|k| {
            let start = Timestamp(0) + INTERVAL.times(k);
            let mut recorder = recorder();
            for sample in samples(start, 100) {
                recorder.sent(sample.origin, Nanos::ZERO);
                recorder.received(&sample, Reordered::default());
            }
            let summary = recorder
                .close(start + INTERVAL)
                .expect("every packet lies in the interval that ends here");
            Report {
                path: "yannan-ct~binhai-ct".into(),
                generation: "1".into(),
                flow: 0,
                packet_interval: PACKET_INTERVAL,
                summary,
                clock: clock(start),
            }
        })
        .collect()
}

fn clock(as_of: Timestamp) -> ClockState {
    ClockState {
        as_of,
        source: ClockSource::Ptp,
        status: ClockStatus::Synchronised,
        bound: Some((Nanos::from_micros(50), BoundBasis::Declared)),
        drift_ppb: 50,
        transmit_stamp_error: Nanos::from_micros(25),
        receive_stamp_error: Nanos::from_micros(25),
        ..ClockState::default()
    }
}

/// A request with a clock claim.
pub(crate) fn sender_packet() -> SenderPacket {
    SenderPacket {
        sequence: 7,
        sent_at: NtpTimestamp::from_timestamp(Timestamp(1_800_000_000_000_000_000)).into(),
        error_estimate: ErrorEstimate::claim(Some(Nanos::from_micros(50))),
        ssid: 258,
    }
}

/// The reply to it, 700 µs later.
pub(crate) fn reflector_packet() -> ReflectorPacket {
    let sender = sender_packet();
    let received_at = Timestamp(1_800_000_000_000_700_000);
    ReflectorPacket {
        sequence: 5,
        sent_at: NtpTimestamp::from_timestamp(received_at + Nanos::from_micros(20)).into(),
        error_estimate: sender.error_estimate,
        ssid: sender.ssid,
        received_at: NtpTimestamp::from_timestamp(received_at).into(),
        sender_sequence: sender.sequence,
        sender_sent_at: sender.sent_at,
        sender_error_estimate: sender.error_estimate,
        sender_ttl: 251,
    }
}
