//! The series of what a path has counted since the store was made.

use std::sync::LazyLock;

use super::edges::{LATE_OFFSETS, PACKETS, Ruler};
use super::families::SeenPath;
use super::instant;
use super::labels::{Labels, NONE};
use super::sink::{Sink, Value};
use crate::totals::{
    EXTENT, LATE_OFFSET, LOSS_DISTANCE, LOSS_PERIOD, LOST, N_REORDERING, Totals, WAYS, WITHIN,
};

fn directions<const N: usize>(names: [&str; N]) -> [Labels; N] {
    names.map(|name| Labels::of([("direction", name)]))
}

static EACH_WAY: LazyLock<[Labels; 2]> = LazyLock::new(|| directions(WAYS));
static EACH_LOSS: LazyLock<[Labels; 3]> = LazyLock::new(|| directions(LOST));
static EACH_DELAY: LazyLock<[Labels; 3]> = LazyLock::new(|| directions(WITHIN));

/// n of n-reordering with the bucket below it: a sender takes a packet for lost after three others (RFC 5681).
const N: [(&str, Option<usize>); 4] = [("1", None), ("2", Some(0)), ("3", Some(1)), ("5", Some(2))];

/// By direction, and then as [`N`] has them.
static EACH_N: LazyLock<[[Labels; 4]; 3]> = LazyLock::new(|| {
    LOST.map(|direction| N.map(|(n, _)| Labels::of([("direction", direction), ("n", n)])))
});

/// The totals of a path that reports.
fn totals(path: SeenPath<'_>) -> Option<&Totals> {
    (path.reporting && path.live.totals.sent > 0).then_some(&path.live.totals)
}

fn count(path: SeenPath<'_>, sink: &mut dyn Sink, pick: fn(&Totals) -> u64) {
    if let Some(totals) = totals(path) {
        sink.series(&path.live.labels.plain, &NONE, Value::Count(pick(totals)));
    }
}

pub(super) fn sent(path: SeenPath<'_>, sink: &mut dyn Sink) {
    count(path, sink, |totals| totals.sent);
}

pub(super) fn received(path: SeenPath<'_>, sink: &mut dyn Sink) {
    count(path, sink, |totals| totals.received);
}

pub(super) fn late(path: SeenPath<'_>, sink: &mut dyn Sink) {
    count(path, sink, |totals| totals.late);
}

pub(super) fn skipped(path: SeenPath<'_>, sink: &mut dyn Sink) {
    count(path, sink, |totals| totals.skipped);
}

pub(super) fn own_loss(path: SeenPath<'_>, sink: &mut dyn Sink) {
    count(path, sink, |totals| totals.own_loss);
}

/// One series a direction.
fn each<const M: usize>(
    path: SeenPath<'_>,
    sink: &mut dyn Sink,
    directions: &[Labels; M],
    pick: fn(&Totals) -> [u64; M],
) {
    let Some(totals) = totals(path) else { return };
    for (direction, count) in directions.iter().zip(pick(totals)) {
        sink.series(&path.live.labels.plain, direction, Value::Count(count));
    }
}

pub(super) fn lost(path: SeenPath<'_>, sink: &mut dyn Sink) {
    each(path, sink, &EACH_LOSS, |totals| totals.lost);
}

pub(super) fn reordered(path: SeenPath<'_>, sink: &mut dyn Sink) {
    each(path, sink, &EACH_LOSS, |totals| totals.reordered);
}

pub(super) fn duplicated(path: SeenPath<'_>, sink: &mut dyn Sink) {
    each(path, sink, &EACH_WAY, |totals| totals.duplicated);
}

pub(super) fn hop_changes(path: SeenPath<'_>, sink: &mut dyn Sink) {
    each(path, sink, &EACH_WAY, |totals| totals.hop_changes);
}

pub(super) fn dscp_told(path: SeenPath<'_>, sink: &mut dyn Sink) {
    each(path, sink, &EACH_WAY, |totals| totals.dscp_told);
}

pub(super) fn remarked(path: SeenPath<'_>, sink: &mut dyn Sink) {
    each(path, sink, &EACH_WAY, |totals| totals.remarked);
}

pub(super) fn congestion(path: SeenPath<'_>, sink: &mut dyn Sink) {
    each(path, sink, &EACH_WAY, |totals| totals.congestion);
}

/// Lengths of directions that have any: most have none.
fn lengths(path: SeenPath<'_>, sink: &mut dyn Sink, what: usize, ruler: &Ruler) {
    let Some(totals) = totals(path) else { return };
    for (direction, tally) in EACH_LOSS.iter().zip(&totals.lengths[what]) {
        if tally.count() > 0 {
            ruler.show(sink, &path.live.labels.plain, direction, tally);
        }
    }
}

pub(super) fn extents(path: SeenPath<'_>, sink: &mut dyn Sink) {
    lengths(path, sink, EXTENT, &PACKETS);
}

pub(super) fn late_offsets(path: SeenPath<'_>, sink: &mut dyn Sink) {
    lengths(path, sink, LATE_OFFSET, &LATE_OFFSETS);
}

pub(super) fn loss_periods(path: SeenPath<'_>, sink: &mut dyn Sink) {
    lengths(path, sink, LOSS_PERIOD, &PACKETS);
}

pub(super) fn loss_distances(path: SeenPath<'_>, sink: &mut dyn Sink) {
    lengths(path, sink, LOSS_DISTANCE, &PACKETS);
}

pub(super) fn n_reordered(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let Some(Totals { lengths, .. }) = totals(path) else {
        return;
    };
    for (k, labels) in EACH_N.iter().enumerate() {
        let tally = &lengths[N_REORDERING][k];
        if lengths[EXTENT][k].count() == 0 {
            continue;
        }
        for ((_, below), labels) in N.iter().zip(labels) {
            let fewer = below.map_or(0, |bucket| tally.up_to(bucket));
            let count = Value::Count(tally.count().saturating_sub(fewer));
            sink.series(&path.live.labels.plain, labels, count);
        }
    }
}

pub(super) fn within(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let target = path.live.path.target.0;
    let counts = totals(path).and_then(|totals| totals.within.get(&target));
    let Some(counts) = counts else { return };
    let labels = &path.live.labels;
    for (within, count) in labels.within.iter().zip(counts) {
        sink.series(&labels.plain, within, Value::Count(*count));
    }
}

pub(super) fn delays(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let Some(totals) = totals(path) else { return };
    for (direction, spans) in EACH_DELAY.iter().zip(&totals.delays.ways) {
        if spans.count() > 0 {
            let edges = &path.live.edges;
            edges.show(sink, &path.live.labels.plain, direction, spans);
        }
    }
}

pub(super) fn reported_at(path: SeenPath<'_>, sink: &mut dyn Sink) {
    if let Some(at) = path.live.reported_at {
        sink.series(&path.live.labels.plain, &NONE, Value::Real(instant(at)));
    }
}
