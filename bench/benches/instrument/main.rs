//! What a packet, a report and a verdict take of one processor: `cargo bench -p owl-bench`.
//!
//! In the order of the way of the data: decode, record, report, merge, judge.

mod authentication;
mod history;
mod traffic;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use owl_measure::delay::Floors;
use owl_measure::distribution::Distribution;
use owl_measure::reordering::Reordered;
use owl_measure::report::Report;
use owl_measure::sample::Direction;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::window::{Claims, judge_path};
use owl_measure::verdict::{Profile, Quantile, SessionWindow};
use owl_protocol::wire::stamp::{ReflectorPacket, SenderPacket};

fn main() {
    divan::main();
}

/// A request at the session-reflector.
#[divan::bench]
fn decode_sender_packet(bencher: Bencher<'_, '_>) {
    let octets = traffic::sender_packet().encode();
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench(|| SenderPacket::decode(black_box(&octets)));
}

/// A reply at the session-sender.
#[divan::bench]
fn decode_reflector_packet(bencher: Bencher<'_, '_>) {
    let octets = traffic::reflector_packet().encode();
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench(|| ReflectorPacket::decode(black_box(&octets)));
}

/// A reply at the session-reflector.
#[divan::bench]
fn encode_reflector_packet(bencher: Bencher<'_, '_>) {
    let packet = traffic::reflector_packet();
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench(|| black_box(&packet).encode());
}

/// Every packet of one interval, from its sending to the finished summary.
#[divan::bench(args = [100, 1_000, 10_000])]
fn record_interval(bencher: Bencher<'_, '_>, packets: u32) {
    let samples: Vec<_> = traffic::samples(Timestamp(0), packets).collect();
    bencher.counter(ItemsCount::new(packets)).bench(|| {
        let mut recorder = traffic::recorder();
        for sample in black_box(&samples) {
            recorder.sent(sample.origin, Nanos::ZERO);
            recorder.received(sample, Reordered::default());
        }
        recorder.close(Timestamp(i64::MAX))
    });
}

/// The report of one interval to its octets.
#[divan::bench]
fn encode_report(bencher: Bencher<'_, '_>) {
    let report = &traffic::window()[0];
    bencher
        .counter(BytesCount::new(report.encode().len()))
        .bench(|| black_box(report).encode());
}

/// And back, checked.
#[divan::bench]
fn decode_report(bencher: Bencher<'_, '_>) {
    let octets = traffic::window()[0].encode();
    bencher
        .counter(BytesCount::new(octets.len()))
        .bench(|| Report::decode(black_box(&octets)));
}

/// Six histograms of ten seconds into the distribution of a minute.
#[divan::bench]
fn merge_six_histograms(bencher: Bencher<'_, '_>) {
    let reports = traffic::window();
    let histograms: Vec<_> = reports
        .iter()
        .map(|report| &report.summary.forward.raw)
        .collect();
    bencher
        .counter(ItemsCount::new(histograms.len()))
        .bench(|| Distribution::of(black_box(&histograms).iter().copied()));
}

/// A minute of one path: its six reports put together, the clocks checked against light, the verdict.
#[divan::bench]
fn judge_minute(bencher: Bencher<'_, '_>) {
    let reports = traffic::window();
    let profile = Profile::plan_2026();
    let floors = Floors {
        forward: Nanos::from_micros(300),
        backward: Nanos::from_micros(300),
    };
    bencher.counter(ItemsCount::new(1_u32)).bench(|| {
        let window = SessionWindow::of(black_box(&reports))?;
        let claims = if window.contradicts_clocks(floors) {
            Claims::Withdrawn
        } else {
            Claims::Stand
        };
        Some(judge_path(
            Some((&window, claims)),
            None,
            floors,
            Nanos::from_millis(1),
            &profile,
        ))
    });
}

/// What is asked of a merged window for a page or a metric: three quantiles of one direction.
#[divan::bench]
fn read_three_quantiles(bencher: Bencher<'_, '_>) {
    let window =
        SessionWindow::of(&traffic::window()).expect("a window of six reports is not empty");
    let raw = window.raw(Direction::Forward);
    bencher.bench(|| {
        [Quantile::P50, Quantile::P95, Quantile::P99]
            .map(|quantile| raw.at_rank(quantile.rank(raw.count())))
    });
}
