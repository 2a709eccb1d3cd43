//! The summaries of some hours of a path as one row of the store.

use std::collections::BTreeMap;

use owl_measure::tier::TierSummary;
use owl_measure::time::Timestamp;
use prost::Message as _;

use super::packed::{pack, unpack};
use super::step::Step;

/// Summaries by when their step began.
pub(crate) type Entries = BTreeMap<Timestamp, TierSummary>;

/// What stands in a row: its summaries as they are encoded, in the order of time.
#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    #[prost(bytes = "vec", repeated, tag = "1")]
    entries: Vec<Vec<u8>>,
}

/// The octets of a row.
pub(crate) fn write(entries: &Entries) -> Vec<u8> {
    let entries = entries.values().map(TierSummary::encode).collect();
    pack(&Body { entries }.encode_to_vec())
}

/// The summaries of a row; `None` when it is damaged.
pub(crate) fn read(step: Step, row: Timestamp, body: &[u8]) -> Option<Entries> {
    let body = Body::decode(unpack(body)?.as_slice()).ok()?;
    let summaries = body.entries.iter().map(|entry| {
        let summary = TierSummary::decode(entry).ok()?;
        let start = step.of(summary.start);
        (step.row_of(start) == row).then_some((start, summary))
    });
    summaries.collect()
}
