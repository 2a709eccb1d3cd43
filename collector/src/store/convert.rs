//! Stores of version 8 and before: reports that are rows of their own become blocks.
//!
//! Path by path and a block's worth at a time, each in a transaction of its own,
//! so a store of months is converted without a long commit, and what was
//! interrupted goes on where it stood.

use owl_measure::time::Timestamp;
use tracing::info;

use super::batches::RawReport;
use super::database::{Begin, Database, DatabaseError, values};
use super::reader::epoch_of;
use super::{ReportNumber, blocks, epoch_column};

/// Reports that one transaction packs: some minutes of a probe, or hours of one path.
const REPORTS_A_PACK: i64 = 512;
/// Transactions between two lines of log.
const PACKS_A_LINE: u64 = 200;

/// A row of the table that is no more.
struct Old {
    probe: String,
    epoch: u64,
    sequence: i64,
    received_at: Option<i64>,
    body: Vec<u8>,
}

/// Packs every report that is still a row.
pub(super) fn rows_to_blocks(database: &Database) -> Result<(), DatabaseError> {
    let (mut packed, mut damaged) = (0, 0);
    for turn in 0_u64.. {
        let transaction = database.begin(Begin::Schema)?;
        let path: Option<String> =
            transaction.one("SELECT path FROM report ORDER BY start_ns LIMIT 1", &[])?;
        let Some(path) = path else { break };
        let sql = "SELECT probe, epoch, sequence, body, (SELECT min(received_at_ns) FROM receipt
                       WHERE receipt.probe = report.probe AND receipt.epoch = report.epoch
                           AND first_sequence <= sequence AND first_sequence + reports > sequence)
                   FROM report WHERE path = $1 ORDER BY start_ns LIMIT $2";
        let rows = transaction.rows(sql, &values![&path, REPORTS_A_PACK], |row| {
            Ok(Old {
                probe: row.get(0)?,
                epoch: epoch_of(row.get(1)?),
                sequence: row.get(2)?,
                body: row.get(3)?,
                received_at: row.get(4)?,
            })
        })?;
        let mut reports = Vec::with_capacity(rows.len());
        for old in rows {
            transaction.execute(
                "DELETE FROM report WHERE probe = $1 AND epoch = $2 AND sequence = $3",
                &values![&old.probe, epoch_column(old.epoch), old.sequence],
            )?;
            let number = ReportNumber {
                probe: old.probe,
                epoch: old.epoch,
                sequence: u64::try_from(old.sequence).unwrap_or(0),
            };
            let received_at = Timestamp(old.received_at.unwrap_or(0));
            match RawReport::of(number, received_at, old.body) {
                Ok(report) => reports.push(report),
                // It could not be judged, nor shown.
                Err(_) => damaged += 1,
            }
        }
        packed += reports.len() as u64;
        blocks::put(&transaction, &blocks::pack(reports))?;
        transaction.commit()?;
        if turn % PACKS_A_LINE == 0 {
            info!(packed, "reports of an older store are being packed");
        }
    }
    if packed > 0 {
        info!(packed, damaged, "every report of the older store is packed");
    }
    Ok(())
}
