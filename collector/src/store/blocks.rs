//! Blocks: the reports of one path and one spool, packed.

use owl_measure::time::{Nanos, Timestamp};

use super::batches::RawReport;
use super::database::{Database, DatabaseError, Row, values};
use super::reader::epoch_of;
use super::{ReportNumber, epoch_column};
use crate::block::{self, BlockError, BlockReport};

/// No block spans more than this: whoever looks for the reports of an instant finds them in blocks that begin at most so
/// long before it.
pub(super) const SPAN_MAX: Nanos = Nanos::from_secs(7_200);
/// Reports are packed together while the last begins no later after the first than this; no interval is longer either.
const STARTS_WITHIN: Nanos = Nanos::from_secs(3_600);

/// A block that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewBlock {
    pub(super) path: String,
    pub(super) probe: String,
    pub(super) epoch: u64,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) reports: u64,
    pub(super) body: Vec<u8>,
}

/// Packs reports: one block for each path and spool, and more where they do not fit into one.
pub(super) fn pack(mut reports: Vec<RawReport>) -> Vec<NewBlock> {
    reports.sort_unstable_by(|one, other| {
        let of = |report: &RawReport| report.number.epoch;
        let names = (&one.path, &one.number.probe, of(one));
        names
            .cmp(&(&other.path, &other.number.probe, of(other)))
            .then_with(|| one.order().cmp(&other.order()))
    });
    let mut blocks = Vec::new();
    let mut together: Vec<RawReport> = Vec::new();
    let mut octets = 0;
    for report in reports {
        let fits = together.first().is_none_or(|first| {
            first.path == report.path
                && first.number.probe == report.number.probe
                && first.number.epoch == report.number.epoch
                && report.start - first.start <= STARTS_WITHIN
                && together.len() < block::REPORTS_MAX
                && octets + report.octets.len() <= block::OCTETS_MAX
        });
        if !fits {
            blocks.push(block_of(&std::mem::take(&mut together)));
            octets = 0;
        }
        octets += report.octets.len();
        together.push(report);
    }
    if !together.is_empty() {
        blocks.push(block_of(&together));
    }
    blocks
}

fn block_of(reports: &[RawReport]) -> NewBlock {
    let first = reports.first().expect("only what has a report is packed");
    let end = reports.iter().map(|report| report.end).max();
    let packed: Vec<BlockReport> = reports
        .iter()
        .map(|report| BlockReport {
            epoch: report.number.epoch,
            sequence: report.number.sequence,
            received_at: report.received_at,
            octets: report.octets.clone(),
        })
        .collect();
    NewBlock {
        path: first.path.clone(),
        probe: first.number.probe.clone(),
        epoch: first.number.epoch,
        start: first.start,
        end: end.unwrap_or(first.end),
        reports: reports.len() as u64,
        body: block::pack(&packed),
    }
}

/// Writes blocks.
pub(super) fn put(database: &Database, blocks: &[NewBlock]) -> Result<(), DatabaseError> {
    let rows: Vec<_> = blocks
        .iter()
        .map(|block| {
            values![
                &block.path,
                &block.probe,
                epoch_column(block.epoch),
                block.start.0,
                block.end.0,
                block.reports,
                &block.body
            ]
            .to_vec()
        })
        .collect();
    database.execute_each(
        "INSERT INTO block (path, probe, epoch, start_ns, end_ns, reports, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &rows,
    )?;
    Ok(())
}

/// The columns that [`read`] takes.
pub(super) const COLUMNS: &str = "path, probe, epoch, start_ns, body";

/// A block that is read.
pub(super) struct Block {
    pub(super) path: String,
    pub(super) start: Timestamp,
    /// In the order in which they are judged; of a single one that is damaged, its number.
    pub(super) reports: Result<Vec<Result<RawReport, ReportNumber>>, BlockError>,
}

/// A block from its row.
pub(super) fn read(row: &Row<'_>) -> Result<Block, DatabaseError> {
    let (path, probe) = (row.get::<String>(0)?, row.get::<&str>(1)?);
    let epoch = epoch_of(row.get(2)?);
    let reports = block::unpack(row.get(4)?).map(|reports| {
        let whole = reports.into_iter().map(|report| {
            let number = ReportNumber {
                probe: probe.to_owned(),
                epoch,
                sequence: report.sequence,
            };
            RawReport::of(number, report.received_at, report.octets)
        });
        whole.collect()
    });
    Ok(Block {
        path,
        start: Timestamp(row.get(3)?),
        reports,
    })
}
