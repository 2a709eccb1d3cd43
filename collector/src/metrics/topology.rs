//! The series of what is declared: paths, targets, maintenance.

use super::families::SeenPath;
use super::labels::NONE;
use super::sink::{Sink, Value};
use super::table as names;
use crate::live::Table;

pub(super) fn simulated(table: &Table, sink: &mut dyn Sink) {
    sink.metric(&names::SIMULATED);
    sink.series(&NONE, &NONE, Value::Flag(table.simulated()));
}

pub(super) fn info(path: SeenPath<'_>, sink: &mut dyn Sink) {
    sink.series(&path.live.labels.info, &NONE, Value::Flag(true));
}

pub(super) fn target(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let target = path.live.path.target.as_secs_f64();
    sink.series(&path.live.labels.plain, &NONE, Value::Real(target));
}

pub(super) fn floor(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let floor = path.live.path.floor_forward.as_secs_f64();
    sink.series(&path.live.labels.plain, &NONE, Value::Real(floor));
}

pub(super) fn maintenance(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let during = path.live.works_until(path.now).is_some();
    sink.series(&path.live.labels.plain, &NONE, Value::Flag(during));
}
