//! The series of probes, and of the collector as far as the live table knows it.

use super::labels::{Labels, NONE};
use super::sink::{Sink, Value};
use super::table as names;
use super::{instant, seconds};
use crate::live::{Judging, LiveProbe, Table};

fn labels(probe: &LiveProbe) -> Labels {
    Labels::of([("probe", probe.id.as_str())])
}

pub(super) fn info(probe: &LiveProbe, sink: &mut dyn Sink) {
    let Some(caller) = &probe.caller else { return };
    let simulated = if caller.simulated { "true" } else { "false" };
    let values = [
        probe.id.as_str(),
        probe.site.as_str(),
        probe.carrier.as_str(),
        caller.software.as_str(),
        simulated,
    ];
    let labels = Labels::named(names::PROBE_INFO.labels, values);
    sink.series(&labels, &NONE, Value::Flag(true));
}

pub(super) fn up(probe: &LiveProbe, sink: &mut dyn Sink) {
    let up = Value::Flag(probe.is_connected());
    sink.series(&labels(probe), &NONE, up);
}

pub(super) fn clock_bound(probe: &LiveProbe, sink: &mut dyn Sink) {
    if let Some(bound) = probe.clock_bound() {
        sink.series(&labels(probe), &NONE, Value::Real(seconds(bound)));
    }
}

pub(super) fn reported_at(probe: &LiveProbe, sink: &mut dyn Sink) {
    if let Some(at) = probe.reported_at {
        sink.series(&labels(probe), &NONE, Value::Real(instant(at)));
    }
}

pub(super) fn awaited(probe: &LiveProbe, sink: &mut dyn Sink) {
    let awaited = Value::Count(probe.awaited.count());
    sink.series(&labels(probe), &NONE, awaited);
}

pub(super) fn spool(probe: &LiveProbe, sink: &mut dyn Sink) {
    if let Some(filled) = probe.spool_filled_ppm {
        let filled = Value::Real(f64::from(filled) / 1e6);
        sink.series(&labels(probe), &NONE, filled);
    }
}

pub(super) fn certificate(probe: &LiveProbe, sink: &mut dyn Sink) {
    if let Some(until) = probe.certificate_until {
        sink.series(&labels(probe), &NONE, Value::Real(instant(until)));
    }
}

pub(super) fn plan(probe: &LiveProbe, sink: &mut dyn Sink) {
    let generation = probe.plan.generation();
    if generation > 0 {
        sink.series(&labels(probe), &NONE, Value::Count(generation));
    }
}

pub(super) fn plan_wanted(probe: &LiveProbe, sink: &mut dyn Sink) {
    if probe.wanted > 0 {
        sink.series(&labels(probe), &NONE, Value::Count(probe.wanted));
    }
}

pub(super) fn collector(table: &Table, sink: &mut dyn Sink) {
    sink.metric(&names::BUILD_INFO);
    let version = Labels::of([("version", env!("CARGO_PKG_VERSION"))]);
    sink.series(&version, &NONE, Value::Flag(true));
    sink.metric(&names::JUDGING);
    sink.series(&NONE, &NONE, Value::Flag(table.judging == Judging::Here));
    sink.metric(&names::STORE_UP);
    sink.series(&NONE, &NONE, Value::Flag(table.store_failure.is_none()));
    if let Some(until) = table.certificate_until {
        sink.metric(&names::CERTIFICATE);
        sink.series(&NONE, &NONE, Value::Real(instant(until)));
    }
}
