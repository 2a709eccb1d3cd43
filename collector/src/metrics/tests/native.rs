//! Native histograms as Prometheus reads them.

use owl_measure::distribution::Distribution;

use super::*;
use crate::config::Config;
use crate::http::Http;
use crate::identity::Authority;
use crate::now::now;
use crate::store::{Store, Windowing};
use crate::testing::{Link, QUIET, report_of};
use crate::tsdb::{Kind, Tsdb};

#[test]
fn a_quantile_of_the_native_histogram_is_ours_but_for_the_width_of_a_cell() {
    let directory = tempfile::tempdir().unwrap();
    let topology = Topology::yancheng();
    let live = Arc::new(Live::new(&topology, None));
    let own = Arc::new(Own::new());
    let windowing = Windowing::of(&live, Timestamp(0));
    let (store, _writer) = Store::open(directory.path(), windowing, &live, &own).unwrap();
    let reports: Vec<_> = (0..200)
        .map(|k| {
            let link = Link {
                forward: QUIET.forward + k * 7_919,
                ..QUIET
            };
            report_of(PATH, k, link)
        })
        .collect();
    let mut table = live.write();
    let entry = table.path_mut(PATH).unwrap();
    for report in &reports {
        entry.totals.add(report, entry.path.target);
    }
    entry.reported_at = Some(now());
    drop(table);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let text =
        "state = \"var\"\nintake = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\ngrace = \"1h\"\n";
    let config = Config::parse("owl.toml", text, directory.path()).unwrap();
    let authority = Authority::read(&Authority::make(now()).unwrap()).unwrap();
    let authority = Arc::new(authority);
    let bound = Http::bind(&config, &authority, store, Arc::clone(&live), own);
    let http = runtime.block_on(bound).unwrap();
    let address = http.address().unwrap();
    runtime.spawn(http.run(std::future::pending()));

    let scrape =
        format!("  - job_name: owl\n    static_configs: [ {{ targets: [ \"{address}\" ] }} ]\n");
    let Some(prometheus) = Tsdb::start(Kind::Prometheus, &scrape) else {
        return;
    };
    let delays =
        format!("owl_path_packet_delay_seconds{{path=\"{PATH}\",direction=\"round_trip\"}}");
    let ask = |query: &str| {
        let at = (now() - Timestamp(0)).as_secs_f64();
        prometheus.query(query, at).pop()
    };
    let count = prometheus.until(|| ask(&format!("histogram_count({delays})")));
    assert_eq!(count, Some(2_000.0), "{:?}", ask("up"));
    let histograms = reports.iter().map(|report| &report.summary.round_trip);
    let truth = Distribution::of(histograms);
    for quantile in [0.5_f64, 0.95, 0.99] {
        let native = ask(&format!("histogram_quantile({quantile}, {delays})")).unwrap();
        let bounds = truth.at_rank((quantile * 2_000.0).ceil() as u64).unwrap();
        let (least, most) = (bounds.at_least.as_secs_f64(), bounds.at_most.as_secs_f64());
        // One cell of 2^(1/64) below and one above.
        let cell = 2.0_f64.powf(1.0 / 64.0);
        assert!(
            least / cell <= native && native <= most * cell,
            "p{quantile}: {native} s, ours {least} to {most}"
        );
    }
    let within = ask("owl_path_within_target_total{direction=\"forward\"}").unwrap();
    let exact = live.read().path(PATH).unwrap().totals.within[&1_000_000][0];
    assert_eq!(within, exact as f64);
}
