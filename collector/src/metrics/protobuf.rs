//! The protobuf form of an answer, which alone can carry native histograms.
//!
//! Messages of `io.prometheus.client` (github.com/prometheus/client_model,
//! metrics.proto), as far as there is anything to say in them, each preceded by
//! its length. A metric that does not fit into one piece is told as several
//! families of one name, which Prometheus reads as one.

use prost::Message as _;

use super::labels::Labels;
use super::sink::{Native, Observed, Sink, Value};
use super::table::{Kind, Metric};

#[derive(Clone, PartialEq, prost::Message)]
struct Head {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    #[prost(int32, tag = "3")]
    kind: i32,
}

/// Before each metric of a family: its field 4 with a length.
const METRIC_FIELD: u8 = 4 << 3 | 2;

#[derive(Clone, PartialEq, prost::Message)]
struct Series {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Simple>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Simple>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LabelPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// A gauge or a counter.
#[derive(Clone, PartialEq, prost::Message)]
struct Simple {
    #[prost(double, tag = "1")]
    value: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    sample_count: u64,
    #[prost(double, tag = "2")]
    sample_sum: f64,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(double, tag = "6")]
    zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    zero_count: u64,
    #[prost(message, repeated, tag = "9")]
    negative_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "10")]
    negative_delta: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "13")]
    positive_delta: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Bucket {
    #[prost(uint64, tag = "1")]
    cumulative_count: u64,
    #[prost(double, tag = "2")]
    upper_bound: f64,
}

/// So many cells one after the other; the offset is from the end of the span before, or from cell 0.
#[derive(Clone, PartialEq, prost::Message)]
struct BucketSpan {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

/// Cells as spans, and what each count is more than the one before it.
fn spans(cells: &[(i16, u64)]) -> (Vec<BucketSpan>, Vec<i64>) {
    let (mut spans, mut deltas) = (Vec::<BucketSpan>::new(), Vec::with_capacity(cells.len()));
    let (mut end, mut before) = (0_i32, 0_i64);
    for &(cell, count) in cells {
        let (cell, count) = (i32::from(cell), i64::try_from(count).unwrap_or(i64::MAX));
        match spans.last_mut() {
            Some(last) if cell == end => last.length += 1,
            _ => spans.push(BucketSpan {
                offset: cell - end,
                length: 1,
            }),
        }
        deltas.push(count - before);
        (end, before) = (cell + 1, count);
    }
    (spans, deltas)
}

/// Series as messages.
#[derive(Default)]
pub(super) struct Protobuf {
    pub(super) out: Vec<u8>,
    metric: Option<&'static Metric>,
    /// Of that metric, each with its field and length.
    series: Vec<u8>,
}

impl Protobuf {
    /// Octets that are written or about to be.
    pub(super) fn len(&self) -> usize {
        self.out.len() + self.series.len()
    }

    /// Ends the family; one that has no series is left out.
    pub(super) fn end_family(&mut self) {
        let Some(metric) = self.metric.filter(|_| !self.series.is_empty()) else {
            return;
        };
        let head = Head {
            name: metric.name.to_owned(),
            help: metric.help.to_owned(),
            kind: match metric.kind {
                Kind::Counter => 0,
                Kind::Gauge => 1,
                Kind::Histogram => 4,
            },
        };
        let length = head.encoded_len() + self.series.len();
        let written = prost::encode_length_delimiter(length, &mut self.out);
        let written = written.and_then(|()| head.encode(&mut self.out));
        written.expect("a Vec has room for everything");
        self.out.append(&mut self.series);
    }

    fn push(&mut self, series: &Series) {
        self.series.push(METRIC_FIELD);
        let written = series.encode_length_delimited(&mut self.series);
        written.expect("a Vec has room for everything");
    }
}

fn pairs(labels: &Labels, more: &Labels) -> Vec<LabelPair> {
    let pairs = labels.pairs.iter().chain(&more.pairs);
    pairs
        .map(|(name, value)| LabelPair {
            name: (*name).to_owned(),
            value: value.clone(),
        })
        .collect()
}

impl Sink for Protobuf {
    fn metric(&mut self, metric: &'static Metric) {
        self.end_family();
        self.metric = Some(metric);
    }

    fn series(&mut self, labels: &Labels, more: &Labels, value: Value) {
        let counts = self
            .metric
            .is_some_and(|metric| metric.kind == Kind::Counter);
        let value = Some(Simple {
            value: value.as_f64(),
        });
        let (gauge, counter) = if counts { (None, value) } else { (value, None) };
        self.push(&Series {
            label: pairs(labels, more),
            gauge,
            counter,
            histogram: None,
        });
    }

    fn histogram(&mut self, labels: &Labels, more: &Labels, observed: Observed<'_>) {
        let bucket = observed.up_to.map(|(_, upper_bound, count)| Bucket {
            cumulative_count: count,
            upper_bound,
        });
        let classic = Histogram {
            sample_count: observed.count,
            sample_sum: observed.sum,
            bucket: bucket.collect(),
            ..Histogram::default()
        };
        let histogram = match observed.native {
            None => classic,
            Some(Native {
                schema,
                zero_threshold,
                zero_count,
                negative,
                positive,
            }) => {
                let (negative, positive) = (spans(negative), spans(positive));
                Histogram {
                    schema,
                    zero_threshold,
                    zero_count,
                    negative_span: negative.0,
                    negative_delta: negative.1,
                    positive_span: positive.0,
                    positive_delta: positive.1,
                    ..classic
                }
            }
        };
        self.push(&Series {
            label: pairs(labels, more),
            gauge: None,
            counter: None,
            histogram: Some(histogram),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::table;

    fn octets(write: impl FnOnce(&mut Protobuf)) -> Vec<u8> {
        let mut protobuf = Protobuf::default();
        write(&mut protobuf);
        protobuf.end_family();
        protobuf.out
    }

    /// Field by field as metrics.proto numbers and types them.
    #[test]
    fn a_native_histogram_has_the_octets_that_client_model_gives_it() {
        let written = octets(|sink| {
            sink.metric(&table::STORE_UP);
            let path = Labels::of([("path", "a~b")]);
            sink.histogram(
                &path,
                &crate::metrics::labels::NONE,
                Observed {
                    up_to: &mut std::iter::empty(),
                    count: 8,
                    sum: 0.5,
                    native: Some(Native {
                        schema: 6,
                        zero_threshold: 0.5,
                        zero_count: 1,
                        negative: &[(-3, 2)],
                        positive: &[(-2, 1), (-1, 3), (4, 1)],
                    }),
                },
            );
        });
        let head = table::STORE_UP;
        let metric: &[u8] = &[
            0x22, 0x41, // metric, 65 octets
            0x0a, 0x0b, 0x0a, 0x04, b'p', b'a', b't', b'h', 0x12, 0x03, b'a', b'~',
            b'b', // label
            0x3a, 0x32, // histogram, 50 octets
            0x08, 0x08, // sample_count
            0x11, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, // sample_sum 0.5
            0x28, 0x0c, // schema, zigzag 6
            0x31, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, // zero_threshold 0.5
            0x38, 0x01, // zero_count
            0x4a, 0x04, 0x08, 0x05, 0x10, 0x01, // negative_span: offset -3, one cell
            0x52, 0x01, 0x04, // negative_delta: 2
            0x62, 0x04, 0x08, 0x03, 0x10, 0x02, // positive_span: offset -2, two cells
            0x62, 0x04, 0x08, 0x08, 0x10, 0x01, // and after four empty ones another
            0x6a, 0x03, 0x02, 0x04, 0x03, // positive_delta: 1, 2, -2
        ];
        let mut expected = vec![0x0a, head.name.len() as u8];
        expected.extend_from_slice(head.name.as_bytes());
        expected.extend_from_slice(&[0x12, head.help.len() as u8]);
        expected.extend_from_slice(head.help.as_bytes());
        expected.extend_from_slice(&[0x18, 0x01]);
        expected.extend_from_slice(metric);
        let mut delimited = Vec::new();
        prost::encode_length_delimiter(expected.len(), &mut delimited).unwrap();
        delimited.extend(expected);
        assert_eq!(written, delimited);
    }

    #[test]
    fn a_metric_without_a_series_is_left_out() {
        assert!(octets(|sink| sink.metric(&table::STORE_UP)).is_empty());
    }
}
