//! The messages of remote write 1.0 (prometheus.io/docs/specs/prw/remote_write_spec), and the sink that makes them.

use prost::Message as _;

use crate::metrics::{Labels, Metric, Observed, Sink, Value};

/// What tells a receiver that a series goes on no longer: a NaN of these bits.
const STALE: u64 = 0x7ff0_0000_0000_0002;
/// Names the source of all series, as a scrape would.
const JOB: &str = "owl";

#[derive(Clone, PartialEq, prost::Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<TimeSeries>,
}

/// One series with its samples.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TimeSeries {
    /// By name, the metric's own under `__name__`.
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    at_ms: i64,
}

/// A request as it is sent: protobuf in one block of Snappy.
pub(super) fn packed(series: Vec<TimeSeries>) -> Vec<u8> {
    let octets = WriteRequest { series }.encode_to_vec();
    snap::raw::Encoder::new()
        .compress_vec(&octets)
        .expect("a request is far smaller than the 4 GiB of a Snappy block")
}

/// Whether series tell something, or that they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    Values,
    Ends,
}

/// Series with one sample each, of one instant.
pub(super) struct Gathered {
    pub(super) at_ms: i64,
    pub(super) telling: Telling,
    metric: Option<&'static Metric>,
    pub(super) series: Vec<TimeSeries>,
}

impl Gathered {
    pub(super) fn at(at_ms: i64, telling: Telling) -> Self {
        Self {
            at_ms,
            telling,
            metric: None,
            series: Vec::new(),
        }
    }

    fn push(&mut self, part: &str, groups: [&Labels; 3], value: Value) {
        let Some(metric) = self.metric else { return };
        let label = |name: &str, value: &str| Label {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let own = groups.into_iter().flat_map(Labels::pairs);
        let mut labels: Vec<Label> = own.map(|(name, value)| label(name, value)).collect();
        labels.push(label("__name__", &format!("{}{part}", metric.name)));
        labels.push(label("job", JOB));
        labels.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let value = match self.telling {
            Telling::Values => value.as_f64(),
            Telling::Ends => f64::from_bits(STALE),
        };
        let at_ms = self.at_ms;
        self.series.push(TimeSeries {
            labels,
            samples: vec![Sample { value, at_ms }],
        });
    }
}

impl Sink for Gathered {
    fn metric(&mut self, metric: &'static Metric) {
        self.metric = Some(metric);
    }

    fn series(&mut self, labels: &Labels, more: &Labels, value: Value) {
        self.push("", [labels, more, Labels::none()], value);
    }

    fn histogram(&mut self, labels: &Labels, more: &Labels, observed: Observed<'_>) {
        let all = Value::Count(observed.count);
        for (le, _, count) in observed.up_to {
            self.push("_bucket", [labels, more, le], Value::Count(count));
        }
        self.push("_bucket", [labels, more, Labels::infinite()], all);
        let sum = Value::Real(observed.sum);
        self.push("_sum", [labels, more, Labels::none()], sum);
        self.push("_count", [labels, more, Labels::none()], all);
    }
}

#[cfg(test)]
impl TimeSeries {
    /// Whether it tells that it goes on no longer.
    pub(super) fn is_end(&self) -> bool {
        self.samples
            .iter()
            .all(|sample| sample.value.to_bits() == STALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::STORE_UP;

    #[test]
    fn labels_are_in_order_and_an_end_has_the_bits_that_say_so() {
        let mut gathered = Gathered::at(1_500, Telling::Ends);
        gathered.metric(&STORE_UP);
        let labels = Labels::of([("path", "a~b"), ("class", "city")]);
        gathered.series(&labels, Labels::none(), Value::Flag(true));
        let request = WriteRequest {
            series: gathered.series,
        };
        let octets = request.encode_to_vec();
        let mut expected = Vec::new();
        for (name, value) in [
            ("__name__", "owl_collector_store_up"),
            ("class", "city"),
            ("job", "owl"),
            ("path", "a~b"),
        ] {
            expected.extend([
                0x0a,
                (name.len() + value.len() + 4) as u8,
                0x0a,
                name.len() as u8,
            ]);
            expected.extend(name.as_bytes());
            expected.extend([0x12, value.len() as u8]);
            expected.extend(value.as_bytes());
        }
        // The sample: its value in little-endian order, and 1500 ms.
        expected.extend([
            0x12, 12, 0x09, 2, 0, 0, 0, 0, 0, 0xf0, 0x7f, 0x10, 0xdc, 0x0b,
        ]);
        let length = expected.len() as u8;
        assert_eq!(octets, [vec![0x0a, length], expected].concat());
        let unpacked = snap::raw::Decoder::new().decompress_vec(&packed(request.series));
        assert_eq!(unpacked.unwrap(), octets);
    }
}
