//! What the collector counts of itself, with the `prometheus` crate.

use owl_measure::verdict::State;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use super::table::{self, Metric};
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
}

impl Own {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let own = Self {
            reports: vector(&registry, table::REPORTS),
            gaps: single(&registry, table::GAPS),
            missing: vector(&registry, table::MISSING),
            aside: gauge(&registry, table::ASIDE),
            aside_dropped: gauge(&registry, table::ASIDE_DROPPED),
            verdicts: vector(&registry, table::VERDICTS),
            refused: single(&registry, table::REFUSED),
            enrolments: vector(&registry, table::ENROLMENTS),
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
        for state in State::ALL {
            own.verdicts.with_label_values(&[state.code()]);
        }
        own
    }

    /// Adds them to an answer in the text format.
    pub(super) fn write(&self, out: &mut String) {
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), out) {
            tracing::error!(%error, "cannot write the collector's own metrics");
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

fn single(registry: &Registry, metric: Metric) -> IntCounter {
    let counter = IntCounter::with_opts(Opts::new(metric.name, metric.help))
        .expect("names of the table are valid, a test reads them with promtool");
    registry
        .register(Box::new(counter.clone()))
        .expect("each metric of the table is registered once");
    counter
}

fn gauge(registry: &Registry, metric: Metric) -> IntGauge {
    let gauge = IntGauge::with_opts(Opts::new(metric.name, metric.help))
        .expect("names of the table are valid, a test reads them with promtool");
    registry
        .register(Box::new(gauge.clone()))
        .expect("each metric of the table is registered once");
    gauge
}
