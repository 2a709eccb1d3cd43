//! Raw reports, wherever they stand: in batches that wait to be packed, and in blocks.

use owl_measure::time::Timestamp;

use super::batches::RawReport;
use super::database::{Database, DatabaseError, values};
use super::{Place, Reader, ReportNumber, StoreError, batches, blocks};

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Whose reports.
    pub(super) probe: &'a str,
    /// On which path; on all of them without one.
    pub(super) path: Option<&'a str>,
    /// Whose intervals begin then or later.
    pub(super) start: Timestamp,
    /// And before this.
    pub(super) end: Timestamp,
}

impl Wanted<'_> {
    fn is(&self, report: &RawReport) -> bool {
        (self.start..self.end).contains(&report.start)
            && self.path.is_none_or(|path| path == report.path)
    }
}

/// What was found: one probe's reports are held at a time.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In the order in which they are judged.
    pub(super) reports: Vec<RawReport>,
    /// What could not be read.
    pub(super) damaged: Vec<StoreError>,
}

impl Found {
    fn take(
        &mut self,
        wanted: &Wanted<'_>,
        store: &Place,
        reports: Vec<Result<RawReport, ReportNumber>>,
    ) {
        for report in reports {
            match report {
                Ok(report) if wanted.is(&report) => self.reports.push(report),
                Ok(_) => {}
                Err(report) => self.damaged.push(StoreError::DamagedReport {
                    store: store.clone(),
                    report,
                }),
            }
        }
    }
}

/// The reports of a probe. Batches and blocks are asked of one state of the store if the caller sees to that.
pub(super) fn find(database: &Database, wanted: &Wanted<'_>) -> Result<Found, DatabaseError> {
    let mut found = Found::default();
    let &Wanted {
        probe,
        path,
        start,
        end,
    } = wanted;
    let store = database.place();
    let sql = format!(
        "SELECT {} FROM batch WHERE probe = $1 AND start_ns < $3 AND end_ns > $2",
        batches::COLUMNS
    );
    database.query(&sql, &values![probe, start.0, end.0], |row| {
        let batch = batches::read(row)?;
        match batch.reports {
            Some(reports) => found.take(wanted, store, reports),
            None => found.damaged.push(StoreError::DamagedBatch {
                store: store.clone(),
                probe: probe.to_owned(),
                received_at: batch.received_at,
            }),
        }
        Ok(())
    })?;
    // A block begins before the reports in it, but not long before.
    let from = start - blocks::SPAN_MAX;
    let place = match path {
        None => "probe = $1",
        Some(_) => "path = $1",
    };
    let sql = format!(
        "SELECT {} FROM block WHERE {place} AND start_ns >= $2 AND start_ns < $4 AND end_ns > $3",
        blocks::COLUMNS
    );
    let values = values![path.unwrap_or(probe), from.0, start.0, end.0];
    database.query(&sql, &values, |row| {
        let block = blocks::read(row)?;
        match block.reports {
            Ok(reports) => found.take(wanted, store, reports),
            Err(source) => found.damaged.push(StoreError::DamagedBlock {
                store: store.clone(),
                path: block.path,
                start: block.start,
                source,
            }),
        }
        Ok(())
    })?;
    found
        .reports
        .sort_unstable_by(|one, other| one.order().cmp(&other.order()));
    Ok(found)
}

impl Reader {
    /// Every probe that ever reported.
    pub(crate) fn reporting_probes(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT probe FROM ack ORDER BY probe";
        self.rows(sql, &[], |row| row.get(0))
    }

    /// See [`find`].
    pub(super) fn raw(&self, wanted: &Wanted<'_>) -> Result<Found, StoreError> {
        find(&self.database, wanted).map_err(|source| self.fault(source))
    }
}
