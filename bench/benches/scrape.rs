//! What an answer to Prometheus takes, and one to a scheduler: `cargo bench -p owl-bench --bench scrape`.
//!
//! A hundred thousand series of a mesh, once as the collector writes them and
//! once with the same names, labels and buckets through the `prometheus` crate.

use std::collections::BTreeMap;

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};
use owl_collector::Rehearsal;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

/// Paths whose series are a hundred thousand.
const PATHS: usize = 896;
/// Paths in the feed for schedulers.
const FEED_PATHS: usize = 10_000;

fn main() {
    let page = Rehearsal::new(PATHS).page();
    let series = series(&page);
    println!("{series} series, {} octets", page.len());
    divan::main();
}

fn series(page: &str) -> usize {
    page.lines().filter(|line| !line.starts_with('#')).count()
}

/// The text format, piece by piece.
#[divan::bench]
fn streamed_text(bencher: Bencher<'_, '_>) {
    let rehearsal = Rehearsal::new(PATHS);
    bencher
        .counter(ItemsCount::new(series(&rehearsal.page())))
        .bench(|| rehearsal.text());
}

/// The same, compressed.
#[divan::bench]
fn streamed_gzip(bencher: Bencher<'_, '_>) {
    let rehearsal = Rehearsal::new(PATHS);
    bencher
        .counter(BytesCount::new(rehearsal.packed()))
        .bench(|| rehearsal.packed());
}

/// As messages with native histograms.
#[divan::bench]
fn streamed_protobuf(bencher: Bencher<'_, '_>) {
    let rehearsal = Rehearsal::new(PATHS);
    bencher
        .counter(BytesCount::new(rehearsal.protobuf()))
        .bench(|| rehearsal.protobuf());
}

/// The `prometheus` crate: gather, then encode.
#[divan::bench]
fn prometheus_crate(bencher: Bencher<'_, '_>) {
    let page = Rehearsal::new(PATHS).page();
    let registry = registered(&page);
    bencher.counter(ItemsCount::new(series(&page))).bench(|| {
        TextEncoder::new()
            .encode_to_string(&registry.gather())
            .expect("what was registered can be written")
    });
}

/// The feed for schedulers of ten thousand paths (`/api/v1/latency`).
#[divan::bench]
fn latency_feed(bencher: Bencher<'_, '_>) {
    let rehearsal = Rehearsal::new(FEED_PATHS);
    bencher
        .counter(ItemsCount::new(FEED_PATHS))
        .bench(|| rehearsal.feed());
}

/// The name of a line's series, its labels without `le`, and its value.
fn read(line: &str) -> (&str, Vec<(&str, &str)>, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a line ends with a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels = labels.trim_end_matches('}').split("\",");
    let labels = labels
        .filter_map(|label| label.trim_end_matches('"').split_once("=\""))
        .filter(|(name, _)| *name != "le");
    (name, labels.collect(), value.parse().unwrap_or(0.0))
}

/// The same families and series in a registry. No label of a rehearsal has a comma or a quote.
fn registered(page: &str) -> Registry {
    let registry = Registry::new();
    let mut families: BTreeMap<&str, (&str, Vec<&str>)> = BTreeMap::new();
    let mut present = "";
    for line in page.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            let (name, kind) = head.split_once(' ').expect("a head has a kind");
            present = name;
            families.insert(name, (kind, Vec::new()));
        } else if !line.starts_with('#') {
            families.entry(present).or_default().1.push(line);
        }
    }
    for (name, (kind, lines)) in families {
        register(&registry, name, kind, &lines);
    }
    registry
}

fn register(registry: &Registry, name: &str, kind: &str, lines: &[&str]) {
    let Some(first) = lines.first() else { return };
    let names: Vec<&str> = read(first).1.iter().map(|(name, _)| *name).collect();
    let values = |labels: &[(&str, &str)]| {
        labels
            .iter()
            .map(|(_, value)| (*value).to_owned())
            .collect()
    };
    let fits = "names and labels of the collector are valid";
    match kind {
        "counter" => {
            let family = IntCounterVec::new(Opts::new(name, name), &names).expect(fits);
            registry.register(Box::new(family.clone())).expect(fits);
            for line in lines {
                let (_, labels, value) = read(line);
                let values: Vec<String> = values(&labels);
                family.with_label_values(&values).inc_by(value as u64);
            }
        }
        "histogram" => {
            let edges = |line: &&str| {
                let edge = line.split("le=\"").nth(1)?.split('"').next()?;
                edge.parse().ok().filter(|edge: &f64| edge.is_finite())
            };
            // Every path has its target among its edges; the crate wants the same ones for all.
            let mut buckets: Vec<f64> = lines.iter().take(10).filter_map(edges).collect();
            buckets.dedup();
            let options = HistogramOpts::new(name, name).buckets(buckets);
            let family = HistogramVec::new(options, &names).expect(fits);
            registry.register(Box::new(family.clone())).expect(fits);
            for line in lines {
                let (_, labels, _) = read(line);
                let values: Vec<String> = values(&labels);
                family.with_label_values(&values).observe(0.000_7);
            }
        }
        _ => {
            let family = GaugeVec::new(Opts::new(name, name), &names).expect(fits);
            registry.register(Box::new(family.clone())).expect(fits);
            for line in lines {
                let (_, labels, value) = read(line);
                let values: Vec<String> = values(&labels);
                family.with_label_values(&values).set(value);
            }
        }
    }
}
