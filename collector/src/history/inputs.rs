//! What the windows of a minute were judged from, when their reports are no longer kept.
//!
//! Of each report all that a judge reads ([`Report::for_judge`]), with its
//! number, so that the digest which a verdict names is the same again. A row
//! holds the reports of some dozens of paths that begin in one minute: judges
//! ask for all paths of a window, and never for one alone.

use owl_measure::report::Report;
use owl_measure::time::{Nanos, Timestamp};
use prost::Message as _;

use super::packed::{pack, unpack};
use crate::store::ReportNumber;

/// How much time one row tells of.
pub(crate) const SLOT: Nanos = Nanos::from_secs(60);
/// Paths in one row at most.
pub(crate) const PATHS_A_ROW: usize = 64;

/// When the row begins that holds an instant.
pub(crate) fn slot_of(at: Timestamp) -> Timestamp {
    at.period_start(SLOT, Timestamp(0))
}

/// A report of which is left what a judge reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) number: ReportNumber,
    pub(crate) received_at: Timestamp,
    pub(crate) report: Report,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    #[prost(message, repeated, tag = "1")]
    of: Vec<OfProbe>,
}

/// Reports of one epoch of a probe.
#[derive(Clone, PartialEq, prost::Message)]
struct OfProbe {
    #[prost(string, tag = "1")]
    probe: String,
    #[prost(fixed64, tag = "2")]
    epoch: u64,
    #[prost(uint64, repeated, tag = "3")]
    sequences: Vec<u64>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    reports: Vec<Vec<u8>>,
    /// When each came, since the one before.
    #[prost(sint64, repeated, tag = "5")]
    received_ns: Vec<i64>,
}

/// The octets of a row.
pub(crate) fn write(inputs: &[Input]) -> Vec<u8> {
    let mut of: Vec<OfProbe> = Vec::new();
    let mut before = 0;
    for Input {
        number,
        received_at,
        report,
    } in inputs
    {
        let same = |of: &&mut OfProbe| of.probe == number.probe && of.epoch == number.epoch;
        let place = match of.last_mut().filter(same) {
            Some(last) => last,
            None => {
                of.push(OfProbe {
                    probe: number.probe.clone(),
                    epoch: number.epoch,
                    ..OfProbe::default()
                });
                of.last_mut().expect("it was pushed")
            }
        };
        place.sequences.push(number.sequence);
        place.reports.push(report.encode());
        place.received_ns.push(received_at.0.wrapping_sub(before));
        before = received_at.0;
    }
    pack(&Body { of }.encode_to_vec())
}

/// The reports of a row, in the order in which they were written; `None` when it is damaged.
pub(crate) fn read(body: &[u8]) -> Option<Vec<Input>> {
    let body = Body::decode(unpack(body)?.as_slice()).ok()?;
    let (mut inputs, mut received_ns) = (Vec::new(), 0_i64);
    for of in body.of {
        let rows = of.reports.len();
        if of.sequences.len() != rows || of.received_ns.len() != rows {
            return None;
        }
        let numbered = of.sequences.into_iter().zip(of.received_ns);
        for ((sequence, since), octets) in numbered.zip(of.reports) {
            received_ns = received_ns.wrapping_add(since);
            inputs.push(Input {
                received_at: Timestamp(received_ns),
                number: ReportNumber {
                    probe: of.probe.clone(),
                    epoch: of.epoch,
                    sequence,
                },
                report: Report::decode(&octets).ok()?,
            });
        }
    }
    Some(inputs)
}
