//! The upper edges that classic histograms are shown with.

use std::sync::LazyLock;

use owl_measure::patterns::LATE_UNIT;
use owl_measure::time::Nanos;

use super::labels::Labels;
use super::sink::{Native, Observed, Sink};
use crate::delays::{self, Spans};
use crate::totals::Tally;

/// What holds all.
pub(super) static INFINITE: LazyLock<Labels> = LazyLock::new(|| Labels::of([("le", "+Inf")]));

fn le(edge: f64) -> Labels {
    Labels::of([("le", &edge.to_string())])
}

/// How lengths are shown.
pub(super) struct Ruler {
    /// The buckets that are, by number, with their label and its value.
    buckets: Vec<(usize, Labels, f64)>,
    /// What a length of one is in the metric's unit.
    unit: f64,
}

impl Ruler {
    fn of(buckets: &[usize], unit: f64) -> Self {
        let buckets = buckets.iter().map(|&bucket| {
            let edge = (1_u64 << bucket) as f64 * unit;
            (bucket, le(edge), edge)
        });
        Self {
            buckets: buckets.collect(),
            unit,
        }
    }

    pub(super) fn show(&self, sink: &mut dyn Sink, labels: &Labels, more: &Labels, tally: &Tally) {
        let edges = self.buckets.iter();
        sink.histogram(
            labels,
            more,
            Observed {
                up_to: &mut edges.map(|(bucket, le, edge)| (le, *edge, tally.up_to(*bucket))),
                count: tally.count(),
                sum: tally.sum as f64 * self.unit,
                native: None,
            },
        );
    }
}

/// A length up to 1 024 packets is told apart by a factor of two or four.
pub(super) static PACKETS: LazyLock<Ruler> =
    LazyLock::new(|| Ruler::of(&[0, 1, 2, 3, 4, 6, 8, 10], 1.0));
/// From 0.1 ms up to 1.6 s, by a factor of four.
pub(super) static LATE_OFFSETS: LazyLock<Ruler> =
    LazyLock::new(|| Ruler::of(&[0, 2, 4, 6, 8, 10, 12, 14], LATE_UNIT.0 as f64 / 1e9));

/// Besides the path's own target, in microseconds: the targets that there are, what lies around them, and a clock's slip.
const DELAYS_US: [i64; 9] = [
    500, 1_000, 2_000, 4_000, 6_000, 10_000, 25_000, 100_000, 1_000_000,
];

/// The edges of one path's delays.
#[derive(Debug, Clone)]
pub(crate) struct DelayEdges {
    edges: Vec<DelayEdge>,
    target: Nanos,
}

#[derive(Debug, Clone)]
struct DelayEdge {
    le: Labels,
    at: Nanos,
    /// The last cell that counts.
    cell: Option<i16>,
}

impl DelayEdges {
    pub(crate) fn with(target: Nanos) -> Self {
        let mut edges: Vec<Nanos> = DELAYS_US.map(Nanos::from_micros).to_vec();
        if let Err(place) = edges.binary_search(&target) {
            edges.insert(place, target);
        }
        let edges = edges.into_iter().map(|at| DelayEdge {
            le: le(at.as_secs_f64()),
            at,
            cell: delays::last_cell_up_to(at),
        });
        Self {
            edges: edges.collect(),
            target,
        }
    }

    /// Counts up to each edge: never too many, and exact at the target.
    fn counts<'a>(&'a self, spans: &'a Spans) -> impl Iterator<Item = (&'a DelayEdge, u64)> {
        let mut cells = spans.positive.iter().peekable();
        let below = spans.negative.iter().map(|&(_, count)| count);
        let mut so_far = below.fold(spans.zero, u64::saturating_add);
        let mut shown = 0;
        self.edges.iter().map(move |edge| {
            let counts = |cell| edge.cell.is_some_and(|last| cell <= last);
            while let Some((_, count)) = cells.next_if(|&&(cell, _)| counts(cell)) {
                so_far = so_far.saturating_add(*count);
            }
            let exact = (edge.at == self.target).then(|| spans.within(self.target));
            // Cells are wide where clocks are far apart, so the next edge may know of fewer than the exact count.
            shown = shown.max(so_far).max(exact.flatten().unwrap_or(0));
            (edge, shown)
        })
    }

    /// Shows the delays of a path.
    pub(super) fn show(&self, sink: &mut dyn Sink, labels: &Labels, more: &Labels, spans: &Spans) {
        let counts = self.counts(spans);
        sink.histogram(
            labels,
            more,
            Observed {
                up_to: &mut counts.map(|(edge, count)| (&edge.le, edge.at.as_secs_f64(), count)),
                count: spans.count(),
                sum: spans.sum.as_secs_f64(),
                native: Some(Native {
                    schema: delays::SCHEMA,
                    zero_threshold: delays::zero_threshold(),
                    zero_count: spans.zero,
                    negative: &spans.negative,
                    positive: &spans.positive,
                }),
            },
        );
    }
}
