//! What the collector counts of itself, with the `prometheus` crate.

use owl_measure::verdict::State;
use prometheus::proto::LabelPair;
use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::labels::{Labels, NONE};
use super::sink::{Sink, Value};
use super::table::{self, Kind, Metric};
use crate::access::Refusal;
use crate::numbering::Lost;

/// The counters of this process; they begin at zero when it starts.
#[derive(Debug)]
pub(crate) struct Own {
    registry: Registry,
    pub(crate) reports: IntCounterVec,
    pub(crate) gaps: IntCounter,
    pub(crate) missing: IntCounterVec,
    pub(crate) aside: IntGauge,
    pub(crate) aside_dropped: IntGauge,
    pub(crate) verdicts: IntCounterVec,
    pub(crate) refused: IntCounter,
    pub(crate) enrolments: IntCounterVec,
    pub(crate) logins: IntCounterVec,
    pub(crate) refusals: IntCounterVec,
    pub(crate) alerts_told: IntCounterVec,
    pub(crate) remote_samples: IntCounterVec,
    pub(crate) remote_sent_at: GaugeVec,
    pub(crate) plan_generation: IntGauge,
    pub(crate) plan_stopped: IntGauge,
    pub(crate) topology_refused: IntGauge,
}

impl Own {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let own = Self {
            reports: vector(&registry, table::REPORTS),
            gaps: single(&registry, table::GAPS),
            missing: vector(&registry, table::MISSING),
            aside: plain_gauge(&registry, table::ASIDE),
            aside_dropped: plain_gauge(&registry, table::ASIDE_DROPPED),
            verdicts: vector(&registry, table::VERDICTS),
            refused: single(&registry, table::REFUSED),
            enrolments: vector(&registry, table::ENROLMENTS),
            logins: vector(&registry, table::LOGINS),
            refusals: vector(&registry, table::HTTP_REFUSALS),
            alerts_told: vector(&registry, table::ALERTS_TOLD),
            remote_samples: vector(&registry, table::REMOTE_SAMPLES),
            remote_sent_at: gauge(&registry, table::REMOTE_SENT_AT),
            plan_generation: plain_gauge(&registry, table::PLAN_GENERATION),
            plan_stopped: plain_gauge(&registry, table::PLAN_STOPPED),
            topology_refused: plain_gauge(&registry, table::TOPOLOGY_REFUSED),
            registry,
        };
        for result in ["stored", "duplicate", "rejected"] {
            own.reports.with_label_values(&[result]);
        }
        for loss in Lost::CODES {
            own.missing.with_label_values(&[loss]);
        }
        for result in ["joined", "renewed", "refused"] {
            own.enrolments.with_label_values(&[result]);
        }
        for result in ["in", "wrong", "locked-out", "turned-away"] {
            own.logins.with_label_values(&[result]);
        }
        for reason in Refusal::CODES {
            own.refusals.with_label_values(&[reason]);
        }
        for state in State::ALL {
            own.verdicts.with_label_values(&[state.code()]);
        }
        own
    }

    /// Adds them to an answer.
    pub(crate) fn series(&self, sink: &mut dyn Sink) {
        for family in self.registry.gather() {
            let known = table::ALL
                .iter()
                .find(|metric| metric.name == family.name());
            let Some(metric) = known else { continue };
            sink.metric(metric);
            for series in family.get_metric() {
                let mut labels = Labels::default();
                for &name in metric.labels {
                    let pairs = series.get_label().iter();
                    let value = pairs
                        .filter(|pair| pair.name() == name)
                        .map(LabelPair::value);
                    labels = labels.and(name, value.collect::<String>().as_str());
                }
                let value = match metric.kind {
                    Kind::Gauge => series.get_gauge().get_value(),
                    Kind::Counter | Kind::Histogram => series.get_counter().get_value(),
                };
                let value = Value::Real(value);
                sink.series(&labels, &NONE, value);
            }
        }
    }
}

fn vector(registry: &Registry, metric: Metric) -> IntCounterVec {
    let vector = IntCounterVec::new(Opts::new(metric.name, metric.help), metric.labels)
        .expect("names and labels of the table are valid, a test reads them with promtool");
    registry
        .register(Box::new(vector.clone()))
        .expect("each metric of the table is registered once");
    vector
}

fn gauge(registry: &Registry, metric: Metric) -> GaugeVec {
    let gauge = GaugeVec::new(Opts::new(metric.name, metric.help), metric.labels)
        .expect("names and labels of the table are valid, a test reads them with promtool");
    registry
        .register(Box::new(gauge.clone()))
        .expect("each metric of the table is registered once");
    gauge
}

fn single(registry: &Registry, metric: Metric) -> IntCounter {
    let counter = IntCounter::with_opts(Opts::new(metric.name, metric.help))
        .expect("names of the table are valid, a test reads them with promtool");
    registry
        .register(Box::new(counter.clone()))
        .expect("each metric of the table is registered once");
    counter
}

fn plain_gauge(registry: &Registry, metric: Metric) -> IntGauge {
    let gauge = IntGauge::with_opts(Opts::new(metric.name, metric.help))
        .expect("names of the table are valid, a test reads them with promtool");
    registry
        .register(Box::new(gauge.clone()))
        .expect("each metric of the table is registered once");
    gauge
}
