//! What it takes to keep, to put together and to ask the past of many paths.

use std::collections::HashMap;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use owl_measure::delay::Floors;
use owl_measure::reordering::Reordered;
use owl_measure::report::Report;
use owl_measure::sample::Direction;
use owl_measure::tier::{Gatherer, Recent, Room, TierSummary};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::window::Claims;
use owl_measure::verdict::{Quantile, SessionWindow};

use crate::traffic::{self, Queues};

/// Paths of a large collector.
const PATHS: usize = 10_000;
/// Paths that differ; the others are copies of them.
const DIFFERENT: u32 = 50;
const MINUTE: Nanos = Nanos::from_secs(60);
const QUANTILES: [Quantile; 3] = [Quantile::P50, Quantile::P95, Quantile::P99];
const FLOORS: Floors = Floors {
    forward: Nanos::from_micros(300),
    backward: Nanos::from_micros(300),
};

/// So many minutes of one session, six reports of a hundred packets each.
fn minutes(path: u32, count: i64, queues: Queues) -> Vec<Report> {
    let mut reports = Vec::new();
    for minute in 0..count {
        for (k, mut report) in traffic::window().into_iter().enumerate() {
            let start = Timestamp(0) + MINUTE.times(minute) + Nanos::from_secs(10 * k as i64);
            let mut recorder = traffic::recorder();
            let first = (path << 20) | ((minute as u32 * 6 + k as u32) * 100);
            for sample in traffic::samples_from(first, start, 100, queues) {
                recorder.sent(sample.origin, Nanos::ZERO);
                recorder.received(&sample, Reordered::default());
            }
            report.summary = recorder
                .close(start + Nanos::from_secs(10))
                .expect("every packet lies in the interval that ends here");
            reports.push(report);
        }
    }
    reports
}

fn recent(queues: Queues) -> Vec<Recent> {
    let different: HashMap<u32, Recent> = (0..DIFFERENT)
        .map(|path| {
            let mut recent = Recent::default();
            for (k, minute) in (0..).zip(minutes(path, 5, queues).chunks(6)) {
                let session = SessionWindow::of(minute).expect("six reports are a window");
                let start = Timestamp(0) + MINUTE.times(k);
                recent.note(
                    start,
                    MINUTE,
                    (&session, Direction::Forward),
                    Claims::Stand.into(),
                );
            }
            (path, recent)
        })
        .collect();
    (0..PATHS)
        .map(|path| different[&(path as u32 % DIFFERENT)].clone())
        .collect()
}

/// Three percentiles of the one-way delay of ten thousand paths over five minutes, thirty reports each.
#[divan::bench(sample_count = 20)]
fn percentiles_of_10_000_paths(bencher: Bencher<'_, '_>) {
    percentiles(bencher, Queues::Octaves);
}

/// The same of paths that nobody fills.
#[divan::bench(sample_count = 20)]
fn percentiles_of_10_000_quiet_paths(bencher: Bencher<'_, '_>) {
    percentiles(bencher, Queues::Quiet);
}

fn percentiles(bencher: Bencher<'_, '_>, queues: Queues) {
    let paths = recent(queues);
    let octets: usize = paths.iter().map(Recent::octets).sum();
    assert!(octets <= 60_000_000, "{octets} octets");
    let span = (Timestamp(0), Timestamp(0) + MINUTE.times(5));
    let mut room = Room::default();
    bencher.counter(ItemsCount::new(PATHS)).bench_local(|| {
        let mut known = 0;
        for path in black_box(&paths) {
            let gathered = path.gather(span, FLOORS, &mut room);
            known += gathered.map_or(0, |gathered| {
                QUANTILES
                    .into_iter()
                    .filter_map(|quantile| gathered.evidence.known(quantile))
                    .count()
            });
        }
        known
    });
}

/// A judged minute of one path into the latest windows.
#[divan::bench]
fn note_a_minute(bencher: Bencher<'_, '_>) {
    let session =
        SessionWindow::of(&minutes(1, 1, Queues::Octaves)).expect("six reports are a window");
    let mut recent = Recent::default();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        let told = (black_box(&session), Direction::Forward);
        recent.note(Timestamp(0), MINUTE, told, Claims::Stand.into());
    });
}

/// The reports of an hour into its summary.
#[divan::bench]
fn summarise_an_hour(bencher: Bencher<'_, '_>) {
    let reports = minutes(1, 60, Queues::Octaves);
    let mut gatherer = Gatherer::default();
    bencher
        .counter(ItemsCount::new(reports.len()))
        .bench_local(|| {
            gatherer.clear();
            black_box(&reports)
                .iter()
                .for_each(|report| gatherer.add_report(report));
            gatherer.finish()
        });
}

/// Hours from their octets into one summary, with three percentiles: what is asked of thirty days.
#[divan::bench(args = [24, 720])]
fn merge_hours(bencher: Bencher<'_, '_>, hours: usize) {
    merge(bencher, hours, Queues::Octaves);
}

/// The same of a path that nobody fills.
#[divan::bench(args = [720])]
fn merge_quiet_hours(bencher: Bencher<'_, '_>, hours: usize) {
    merge(bencher, hours, Queues::Quiet);
}

fn merge(bencher: Bencher<'_, '_>, hours: usize, queues: Queues) {
    let hour = TierSummary::of(&minutes(1, 60, queues))
        .expect("360 reports")
        .encode();
    let kept = vec![hour; hours];
    let mut gatherer = Gatherer::default();
    bencher.counter(ItemsCount::new(hours)).bench_local(|| {
        gatherer.clear();
        for octets in black_box(&kept) {
            gatherer.add(&TierSummary::decode(octets).ok()?);
        }
        let whole = gatherer.finish()?;
        let told = whole.told(Direction::Forward);
        let span = whole.end - whole.start;
        let evidence = whole.evidence(Direction::Forward, span, FLOORS, &told);
        Some(QUANTILES.map(|quantile| evidence.known(quantile)))
    });
}
