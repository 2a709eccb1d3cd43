//! What takes series: the text format, protobuf, or a remote write request.

use super::labels::Labels;
use super::table::Metric;

/// The value of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    /// A number of things.
    Count(u64),
    /// One or zero.
    Flag(bool),
    /// Anything else.
    Real(f64),
}

impl Value {
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Flag(flag) => f64::from(u8::from(flag)),
            Self::Real(real) => real,
        }
    }
}

/// A histogram at one moment.
pub(super) struct Observed<'a> {
    /// Upper edges as the label `le` has them, each with how many are at most that large; ascending, without +Inf.
    pub(super) up_to: &'a mut dyn Iterator<Item = (&'a Labels, f64, u64)>,
    /// How many there are.
    pub(super) count: u64,
    /// Their sum, in the metric's unit.
    pub(super) sum: f64,
    /// The same in finer cells, where there are any.
    pub(super) native: Option<Native<'a>>,
}

/// A histogram in Prometheus' exponential cells: for form and meaning see `io.prometheus.client.Histogram`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Native<'a> {
    /// A cell's upper edge is 2^(2^-schema) times its lower one.
    pub(super) schema: i32,
    /// What is no larger in magnitude is counted as zero.
    pub(super) zero_threshold: f64,
    pub(super) zero_count: u64,
    /// Cells that are not empty, by ascending number; negative spans by magnitude.
    pub(super) negative: &'a [(i16, u64)],
    pub(super) positive: &'a [(i16, u64)],
}

/// Takes series metric by metric.
pub(super) trait Sink {
    /// What follows is of this metric.
    fn metric(&mut self, metric: &'static Metric);
    /// One series of it, with two groups of labels.
    fn series(&mut self, labels: &Labels, more: &Labels, value: Value);
    /// One histogram of it.
    fn histogram(&mut self, labels: &Labels, more: &Labels, observed: Observed<'_>);
}
