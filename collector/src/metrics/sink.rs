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
    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Flag(flag) => f64::from(u8::from(flag)),
            Self::Real(real) => real,
        }
    }
}

/// A histogram at one moment.
pub(crate) struct Observed<'a> {
    /// Upper edges as the label `le` has them, each with how many are at most that large; ascending, without +Inf.
    pub(crate) up_to: &'a mut dyn Iterator<Item = (&'a Labels, f64, u64)>,
    /// How many there are.
    pub(crate) count: u64,
    /// Their sum, in the metric's unit.
    pub(crate) sum: f64,
    /// The same in finer cells, where there are any.
    pub(crate) native: Option<Native<'a>>,
}

/// A histogram in Prometheus' exponential cells: for form and meaning see `io.prometheus.client.Histogram`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Native<'a> {
    /// A cell's upper edge is 2^(2^-schema) times its lower one.
    pub(crate) schema: i32,
    /// What is no larger in magnitude is counted as zero.
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: u64,
    /// Cells that are not empty, by ascending number; negative spans by magnitude.
    pub(crate) negative: &'a [(i16, u64)],
    pub(crate) positive: &'a [(i16, u64)],
}

/// Takes series metric by metric.
pub(crate) trait Sink {
    /// What follows is of this metric.
    fn metric(&mut self, metric: &'static Metric);
    /// One series of it, with two groups of labels.
    fn series(&mut self, labels: &Labels, more: &Labels, value: Value);
    /// One histogram of it.
    fn histogram(&mut self, labels: &Labels, more: &Labels, observed: Observed<'_>);
}
