//! Reports of one path, packed: what leaves no octet out and takes little room.
//!
//! A block holds consecutive reports of one path with their numbers and their
//! receipts. Field by field they stand in columns, each number as its distance
//! from a forecast ([`forecast`](self)), so that most columns are nothing but
//! zeros; what is left is compressed (zstd, with its checksum). What is unpacked
//! is octet for octet what was packed: a report that would not come out so,
//! because it has a field that this version does not know or was encoded in
//! another way, is kept as it came.
//!
//! The first octet is the version. A damaged block is an error; it costs no more
//! memory than a bound times its own size, whatever it claims.

mod bits;
mod cells;
mod column;
mod forecast;
mod schema;
#[cfg(test)]
mod tests;

use owl_measure::time::Timestamp;

use column::{ColumnWriter, Columns, Rows};
use forecast::Forecast;
use schema::{LAYOUT, Row};

/// The version that is written.
const VERSION: u8 = 1;
/// Reports in one block at most.
pub const REPORTS_MAX: usize = 4_096;
/// Octets of all reports of one block at most, as they came; a single report is never too long for a block, because no
/// message from a probe is longer.
pub const OCTETS_MAX: usize = 2 << 20;
/// Octets of the columns at most: each octet of a report makes one, and each report no more than one a field besides.
const COLUMNS_MAX: usize = 2 * OCTETS_MAX;
/// Receipts are kept in these units where all of them can be.
const RECEIPT_UNIT: i64 = 1_000_000;
/// The level of zstd: of the octets that are left most are as good as random, so a higher one finds next to nothing more.
const LEVEL: i32 = 1;

/// A report as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockReport {
    /// The epoch of the probe's spool.
    pub epoch: u64,
    /// The report's number in it.
    pub sequence: u64,
    /// When it came.
    pub received_at: Timestamp,
    /// The protobuf message.
    pub octets: Vec<u8>,
}

/// A block that cannot be unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Of a version that is not known here.
    #[error("cannot unpack a block of version {0}: this collector knows version {VERSION}")]
    Version(u8),
    /// It is not what was compressed.
    #[error("cannot unpack a block: it cannot be decompressed")]
    Compression,
    /// It ends before it is complete.
    #[error("cannot unpack a block: it ends too early")]
    Short,
    /// Something stands in it that is never written.
    #[error("cannot unpack a block: it holds what no block holds")]
    Token,
    /// It claims to hold more than a block may.
    #[error(
        "cannot unpack a block: it holds more than {REPORTS_MAX} reports or {COLUMNS_MAX} octets"
    )]
    TooLarge,
}

/// Packs reports of one path, in the order in which they are to be unpacked.
///
/// No more than [`REPORTS_MAX`] of them and [`OCTETS_MAX`] octets: the caller begins another block before.
pub fn pack(reports: &[BlockReport]) -> Vec<u8> {
    debug_assert!(reports.len() <= REPORTS_MAX, "{} reports", reports.len());
    let mut columns = ColumnWriter::default();
    let mut odd = Vec::new();
    let mut rows = Rows::default();
    let (mut forecast, mut row, mut again) = (Forecast::new(), Row::empty(), Vec::new());
    for (index, report) in reports.iter().enumerate() {
        let read = LAYOUT.read(&report.octets, &mut row);
        again.clear();
        LAYOUT.write(&row, &mut again);
        if read && again == report.octets && forecast.distances(&row, &mut rows) {
            rows.texts.extend(row.texts.iter().cloned());
        } else {
            odd.push((index, &report.octets));
        }
    }
    columns.number(reports.len() as u64);
    columns.receipts(reports);
    columns.number(odd.len() as u64);
    for (index, octets) in odd {
        columns.number(index as u64);
        columns.octets(octets);
    }
    columns.rows(&rows);
    let mut body = vec![VERSION];
    columns.finish(&mut body);
    body
}

/// Unpacks a block: the reports in the order in which they were packed.
///
/// # Errors
/// When it is damaged, or of a newer version.
pub fn unpack(body: &[u8]) -> Result<Vec<BlockReport>, BlockError> {
    let (&version, body) = body.split_first().ok_or(BlockError::Short)?;
    if version != VERSION {
        return Err(BlockError::Version(version));
    }
    let unpacked = Columns::of(body)?;
    let mut columns = unpacked.reader();
    let count = columns.count(REPORTS_MAX)?;
    let mut reports = columns.receipts(count)?;
    let mut is_odd = vec![false; count];
    for _ in 0..columns.count(count)? {
        let index = columns.count(REPORTS_MAX)?;
        let report = reports.get_mut(index).ok_or(BlockError::Token)?;
        report.octets = columns.octets()?;
        is_odd[index] = true;
    }
    let even = is_odd.iter().filter(|odd| !**odd).count();
    let (mut forecast, mut row) = (Forecast::new(), Row::empty());
    let rows = columns.rows(even)?;
    if !columns.is_at_end() {
        return Err(BlockError::Token);
    }
    let even = reports.iter_mut().zip(is_odd).filter(|(_, odd)| !odd);
    for ((report, _), distances) in even.zip(rows.iter()) {
        let whole = forecast.report(distances, &mut row);
        whole.ok_or(BlockError::Token)?;
        row.texts.clone_from_slice(distances.texts);
        LAYOUT.write(&row, &mut report.octets);
    }
    Ok(reports)
}
