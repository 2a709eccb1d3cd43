//! The series of the latest judged window of a path.

use std::sync::LazyLock;

use owl_measure::verdict::{Quantile, Reason, State};

use super::families::SeenPath;
use super::labels::{Labels, NONE};
use super::sink::{Sink, Value};
use super::{instant, seconds};
use crate::judgement::{Percentile, Span};
use crate::way::{Variation, WayName};

/// The percentiles that are shown, by their label.
const PERCENTILES: [(&str, Quantile); 3] = [
    ("50", Quantile::P50),
    ("95", Quantile::P95),
    ("99", Quantile::P99),
];

/// The two ends of an interval.
pub(super) static BOUNDS: LazyLock<[Labels; 2]> =
    LazyLock::new(|| ["lower", "upper"].map(|bound| Labels::of([("bound", bound)])));

static STATES: LazyLock<[Labels; 3]> =
    LazyLock::new(|| State::ALL.map(|state| Labels::of([("state", state.code())])));

static REASONS: LazyLock<Vec<Labels>> = LazyLock::new(|| {
    let reasons = Reason::ALL.iter();
    reasons
        .map(|reason| Labels::of([("reason", reason.code())]))
        .collect()
});

/// A percentile with both its ends.
type Ends = [(Quantile, [Labels; 2]); 3];

fn ends_after(labels: &Labels) -> Ends {
    PERCENTILES.map(|(label, quantile)| {
        let percentile = labels.and("percentile", label);
        let ends = ["lower", "upper"].map(|bound| percentile.and("bound", bound));
        (quantile, ends)
    })
}

static ENDS: LazyLock<Ends> = LazyLock::new(|| ends_after(&NONE));

const WAYS: [WayName; 3] = [WayName::Forward, WayName::Backward, WayName::Unknown];

/// By the place of a direction in [`WAYS`].
static WAY_ENDS: LazyLock<[Ends; 3]> =
    LazyLock::new(|| WAYS.map(|way| ends_after(&Labels::of([("direction", way.code())]))));

static WAY_BOUNDS: LazyLock<[[Labels; 2]; 3]> = LazyLock::new(|| {
    WAYS.map(|way| {
        let way = Labels::of([("direction", way.code())]);
        ["lower", "upper"].map(|bound| way.and("bound", bound))
    })
});

static DIRECTIONS: LazyLock<[Labels; 3]> =
    LazyLock::new(|| WAYS.map(|way| Labels::of([("direction", way.code())])));

pub(super) fn place(way: WayName) -> usize {
    match way {
        WayName::Forward => 0,
        WayName::Backward => 1,
        WayName::Unknown => 2,
    }
}

fn both_ends(path: SeenPath<'_>, sink: &mut dyn Sink, ends: &[Labels; 2], span: Span) {
    for (end, value) in ends.iter().zip([span.lo, span.hi]) {
        sink.series(&path.live.labels.plain, end, Value::Real(seconds(value)));
    }
}

pub(super) fn implied(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let implied = path.judgement.and_then(|judgement| judgement.implied);
    let Some(implied) = implied else { return };
    let most = implied.at_most_km.unwrap_or(f64::INFINITY);
    for (end, km) in BOUNDS.iter().zip([implied.at_least_km, most]) {
        sink.series(&path.live.labels.plain, end, Value::Real(km * 1e3));
    }
}

pub(super) fn verdict(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let Some(judgement) = path.judgement else {
        return;
    };
    for (state, labels) in State::ALL.iter().zip(&*STATES) {
        let is = Value::Flag(judgement.verdict.state == *state);
        sink.series(&path.live.labels.plain, labels, is);
    }
}

pub(super) fn reason(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let Some(judgement) = path.judgement else {
        return;
    };
    for (reason, labels) in Reason::ALL.iter().zip(&*REASONS) {
        let is = Value::Flag(judgement.verdict.reason == Some(*reason));
        sink.series(&path.live.labels.plain, labels, is);
    }
}

fn percentiles(path: SeenPath<'_>, sink: &mut dyn Sink, pick: fn(&Percentile) -> Option<Span>) {
    let Some(judgement) = path.judgement else {
        return;
    };
    for (quantile, ends) in &*ENDS {
        if let Some(span) = judgement.percentile(*quantile).and_then(pick) {
            both_ends(path, sink, ends, span);
        }
    }
}

pub(super) fn one_way(path: SeenPath<'_>, sink: &mut dyn Sink) {
    percentiles(path, sink, |percentile| percentile.one_way.map(Span::from));
}

pub(super) fn round_trip(path: SeenPath<'_>, sink: &mut dyn Sink) {
    percentiles(path, sink, |percentile| Some(percentile.round_trip));
}

fn variation(path: SeenPath<'_>, sink: &mut dyn Sink, pick: fn(&Variation) -> Option<Span>) {
    let Some(judgement) = path.judgement else {
        return;
    };
    for way in &judgement.ways {
        for (quantile, ends) in &WAY_ENDS[place(way.direction)] {
            if let Some(span) = way.variation(*quantile).and_then(pick) {
                both_ends(path, sink, ends, span);
            }
        }
    }
}

pub(super) fn pdv(path: SeenPath<'_>, sink: &mut dyn Sink) {
    variation(path, sink, |variation| variation.pdv);
}

pub(super) fn ipdv(path: SeenPath<'_>, sink: &mut dyn Sink) {
    variation(path, sink, |variation| variation.ipdv);
}

pub(super) fn hops(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let Some(judgement) = path.judgement else {
        return;
    };
    for way in &judgement.ways {
        let Some((fewest, most)) = way.hops else {
            continue;
        };
        for (end, hops) in WAY_BOUNDS[place(way.direction)].iter().zip([fewest, most]) {
            sink.series(&path.live.labels.plain, end, Value::Count(hops.into()));
        }
    }
}

pub(super) fn longest_loss(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let Some(judgement) = path.judgement else {
        return;
    };
    for way in &judgement.ways {
        let longest = Value::Count(way.longest_loss_period);
        let direction = &DIRECTIONS[place(way.direction)];
        sink.series(&path.live.labels.plain, direction, longest);
    }
}

pub(super) fn clock(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let bound = path.judgement.and_then(|judged| judged.clock_error_bound);
    let Some(bound) = bound else { return };
    sink.series(&path.live.labels.plain, &NONE, Value::Real(seconds(bound)));
}

pub(super) fn window_end(path: SeenPath<'_>, sink: &mut dyn Sink) {
    let Some(judgement) = path.judgement else {
        return;
    };
    let end = Value::Real(instant(judgement.window_end()));
    sink.series(&path.live.labels.plain, &NONE, end);
}
