//! The probe's own metrics, for whoever watches the box rather than the paths.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use owl_measure::clock::ClockStatus;
use prometheus::core::Collector as _;
use prometheus::proto::{self, MetricFamily, MetricType};
use prometheus::{Encoder as _, Gauge, IntCounter, TextEncoder};

use crate::daemon::Vitals;
use crate::sender::SpanCounts;
use crate::uplink::Shared;

/// What is read when somebody asks.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) shared: Arc<Shared>,
}

/// Serves `/metrics` until the runtime ends.
pub(crate) async fn serve(listener: tokio::net::TcpListener, metrics: Metrics) {
    let app = Router::new().route(
        "/metrics",
        get(move || std::future::ready(metrics.answer())),
    );
    if let Err(error) = axum::serve(listener, app).await {
        tracing::error!(%error, "metrics are no longer served");
    }
}

impl Metrics {
    fn answer(&self) -> Response {
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.families(), &mut text) {
            Ok(()) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }

    /// Every metric as it stands now; names and units are those of docs/metrics.md.
    fn families(&self) -> Vec<MetricFamily> {
        let reflector = self.vitals.reflector.read();
        let twamp = self.vitals.control.twamp.read();
        let owamp = self.vitals.control.owamp.read();
        let spool = self.shared.spool().counts().unwrap_or_default();
        let (clock, steps) = {
            let history = self.vitals.clock();
            (history.latest(), history.steps())
        };
        let value = |counter: &AtomicU64| counter.load(Relaxed);
        let mut families = Vec::new();
        let mut counter = |name: &str, help: &str, value: u64| {
            let counter =
                IntCounter::new(name, help).expect("the name is one of the constants below");
            counter.inc_by(value);
            families.extend(counter.collect());
        };
        counter(
            "owl_probe_own_clock_steps_total",
            "Steps of this clock.",
            steps,
        );
        counter(
            "owl_probe_packets_sent_total",
            "Test packets sent in completed intervals.",
            value(&self.vitals.sent),
        );
        counter(
            "owl_probe_packets_received_total",
            "Replies received in time, in completed intervals.",
            value(&self.vitals.received),
        );
        counter(
            "owl_probe_reflected_total",
            "Test packets reflected.",
            reflector.counts.reflected,
        );
        counter(
            "owl_probe_reflector_malformed_total",
            "Datagrams too short to be test packets.",
            reflector.counts.malformed,
        );
        counter(
            "owl_probe_reflector_rationed_total",
            "Test packets beyond the ration of their source, of short requests, or of all.",
            reflector.counts.rationed,
        );
        counter(
            "owl_probe_reflector_table_full_total",
            "New sessions for which the reflector had no place.",
            reflector.counts.table_full,
        );
        counter(
            "owl_probe_reflector_unprovisioned_total",
            "Test packets from hosts that are not answered.",
            reflector.counts.unprovisioned,
        );
        counter(
            "owl_probe_reflector_unauthentic_total",
            "Test packets that were not authenticated, or wrongly.",
            reflector.counts.unauthentic,
        );
        counter(
            "owl_probe_reflector_replayed_total",
            "Authenticated test packets that were seen before.",
            reflector.counts.replayed,
        );
        counter(
            "owl_probe_reflector_unsent_total",
            "Replies that the kernel did not take.",
            reflector.unsent,
        );
        counter(
            "owl_probe_reflector_dropped_packets_total",
            "Datagrams that the kernel dropped at the reflector's own sockets: own loss.",
            reflector.dropped,
        );
        counter(
            "owl_probe_spool_dropped_total",
            "Reports dropped at the bound of the spool in this epoch.",
            spool.dropped,
        );
        counter(
            "owl_probe_reports_dropped_total",
            "Reports dropped because the disk was too slow.",
            value(&self.vitals.reports_dropped),
        );
        let sender = self.vitals.sender.read();
        counter(
            "owl_probe_own_loss_packets_total",
            "Datagrams that the kernel dropped at the session-senders' own sockets: own loss.",
            sender.own_loss,
        );
        counter(
            "owl_probe_unsent_total",
            "Test packets that the kernel did not take.",
            sender.unsent,
        );
        counter(
            "owl_probe_unstamped_total",
            "Test packets whose transmit stamp did not come.",
            sender.unstamped,
        );
        counter(
            "owl_probe_bundled_packets_total",
            "Test packets and replies that left with others in one send, under one transmit stamp.",
            sender.bundled + reflector.bundled,
        );
        counter(
            "owl_probe_bundles_refused_total",
            "Sockets whose kernel refused such a send, and whose packets leave one by one.",
            sender.bundles_refused + reflector.bundles_refused,
        );
        counter(
            "owl_probe_asked_failures_total",
            "Times that a TWAMP server of the plan let no session run, or ended those that ran.",
            value(&self.vitals.asked_failures),
        );
        counter(
            "owl_probe_twamp_sessions_total",
            "Sessions that the TWAMP server accepted.",
            twamp.callers.sessions,
        );
        counter(
            "owl_probe_twamp_refused_total",
            "Sessions that the TWAMP server refused.",
            twamp.callers.refused,
        );
        counter(
            "owl_probe_twamp_clients_refused_total",
            "Control-Clients that the TWAMP server did not let in.",
            twamp.callers.not_let_in(),
        );
        counter(
            "owl_probe_twamp_reflected_total",
            "Test packets that the TWAMP server answered.",
            twamp.reflected,
        );
        counter(
            "owl_probe_twamp_unanswered_total",
            "Datagrams to sessions of the TWAMP server that it did not answer.",
            twamp.unanswered,
        );
        counter(
            "owl_probe_owamp_sessions_total",
            "Sessions that the OWAMP server accepted.",
            owamp.callers.sessions,
        );
        counter(
            "owl_probe_owamp_refused_total",
            "Sessions that the OWAMP server refused.",
            owamp.callers.refused,
        );
        counter(
            "owl_probe_owamp_clients_refused_total",
            "Control-Clients that the OWAMP server did not let in.",
            owamp.callers.not_let_in(),
        );
        counter(
            "owl_probe_owamp_recorded_total",
            "Test packets that the OWAMP server received, copies included.",
            owamp.recorded,
        );
        counter(
            "owl_probe_owamp_sent_total",
            "Test packets that the OWAMP server sent.",
            owamp.sent,
        );
        counter(
            "owl_probe_owamp_fetched_total",
            "Sessions whose records were fetched from the OWAMP server.",
            owamp.fetched,
        );
        families.push(histogram(
            "owl_probe_send_lateness_seconds",
            "How long after their time test packets left.",
            &sender.lateness,
        ));
        families.push(histogram(
            "owl_probe_local_queueing_seconds",
            "How long test packets waited in this host's queueing discipline.",
            &sender.local_queueing,
        ));
        let mut gauge = |name: &str, help: &str, value: f64| {
            let gauge = Gauge::new(name, help).expect("the name is one of the constants below");
            gauge.set(value);
            families.extend(gauge.collect());
        };
        gauge(
            "owl_probe_sessions",
            "Session-senders of the current plan.",
            value(&self.vitals.sessions) as f64,
        );
        gauge(
            "owl_probe_asked_sessions",
            "Sessions that the plan has TWAMP servers asked for.",
            value(&self.vitals.asked) as f64,
        );
        gauge(
            "owl_probe_asked_sessions_running",
            "Those of them that run.",
            value(&self.vitals.asked_running) as f64,
        );
        gauge(
            "owl_probe_spool_reports",
            "Reports that the collector has not acknowledged.",
            spool.waiting as f64,
        );
        gauge(
            "owl_probe_spool_waiting_bytes",
            "Octets of those reports.",
            spool.waiting_octets as f64,
        );
        gauge(
            "owl_probe_spool_bytes",
            "Octets of all reports on the disk, those kept for replay included.",
            spool.octets as f64,
        );
        gauge(
            "owl_probe_spool_limit_bytes",
            "Octets of reports that are kept at most.",
            spool.octets_max as f64,
        );
        gauge(
            "owl_probe_uplink_connected",
            "1 while the collector is connected.",
            f64::from(u8::from(self.shared.connected.load(Relaxed))),
        );
        gauge(
            "owl_probe_own_certificate_expiry_timestamp_seconds",
            "When this probe's certificate runs out, since 1970.",
            self.shared.certificate_until_ns.load(Relaxed) as f64 / 1e9,
        );
        gauge(
            "owl_probe_send_lateness_max_seconds",
            "The longest that a packet was sent after its time.",
            value(&self.vitals.lateness_max_ns) as f64 / 1e9,
        );
        gauge(
            "owl_probe_t3_early_max_seconds",
            "The longest that a reply left after the T3 it carries.",
            reflector.t3_early_max.as_secs_f64(),
        );
        gauge(
            "owl_probe_own_clock_synchronised",
            "1 while this clock follows its source.",
            f64::from(u8::from(
                clock.is_some_and(|state| state.status == ClockStatus::Synchronised),
            )),
        );
        if let Some(bound) = clock.and_then(|state| state.bound_at(state.as_of)) {
            gauge(
                "owl_probe_own_clock_error_bound_seconds",
                "How far this clock is from UTC at most.",
                bound.as_secs_f64(),
            );
        }
        families
    }
}

/// The cells of the sender's thread as a classic histogram.
fn histogram(name: &str, help: &str, counts: &SpanCounts) -> MetricFamily {
    let mut histogram = proto::Histogram::default();
    histogram.set_sample_count(counts.count);
    histogram.set_sample_sum(counts.sum.as_secs_f64());
    let buckets = counts.at_most.map(|(edge, count)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(edge.as_secs_f64());
        bucket.set_cumulative_count(count);
        bucket
    });
    histogram.set_bucket(buckets.into());
    let mut metric = proto::Metric::default();
    metric.set_histogram(histogram);
    let mut family = MetricFamily::default();
    family.set_name(name.into());
    family.set_help(help.into());
    family.set_field_type(MetricType::HISTOGRAM);
    family.set_metric(vec![metric]);
    family
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Declared, state};
    use crate::spool::Spool;
    use owl_measure::clock::ClockSource;
    use owl_measure::time::Nanos;
    use std::collections::BTreeSet;

    #[test]
    fn docs_probe_metrics_lists_each_metric_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let shared = Shared::new(Spool::open(directory.path()).unwrap(), 0);
        let vitals = Vitals::default();
        let declared = Declared {
            source: ClockSource::Simulated,
            bound: Some(Nanos(1_000)),
        };
        vitals.clock().push(state(Clock::honest(), declared));
        let metrics = Metrics {
            vitals: Arc::new(vitals),
            shared: Arc::new(shared),
        };
        let served: BTreeSet<String> = metrics
            .families()
            .iter()
            .map(|family| {
                let kind = match family.get_field_type() {
                    MetricType::COUNTER => "counter",
                    MetricType::HISTOGRAM => "histogram",
                    _ => "gauge",
                };
                format!("{} {kind}", family.name())
            })
            .collect();
        let told: BTreeSet<String> = include_str!("../../docs/probe-metrics.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .map(|line| {
                line.split('|')
                    .take(2)
                    .map(|cell| cell.trim().trim_end_matches('`'))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        assert_eq!(served, told);
    }
}
