//! Batches as they came, until they are packed into blocks.
//!
//! A commit appends a row for each batch, and nothing else is written for its
//! reports. The row holds their octets; which path a report is of, and when its
//! interval was, is read from there.

use owl_measure::time::{Nanos, Timestamp};
use prost::Message as _;

use super::database::{Database, DatabaseError, Row, values};
use super::reader::epoch_of;
use super::{Arrival, ReportNumber, epoch_column};

/// Receipts are kept in whole milliseconds.
const RECEIPT_UNIT: Nanos = Nanos::from_millis(1);

/// The body of a batch.
#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    /// How far behind the batch's first number each report's is; left out when none is left out.
    #[prost(uint64, repeated, tag = "1")]
    behind: Vec<u64>,
    /// The reports' octets, as they came.
    #[prost(bytes = "vec", repeated, tag = "2")]
    reports: Vec<Vec<u8>>,
}

/// Of the message `Report` of report.proto what tells where a report belongs.
#[derive(Clone, PartialEq, prost::Message)]
struct Place {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(message, optional, tag = "4")]
    summary: Option<Interval>,
}

/// Of the message `Summary` of report.proto.
#[derive(Clone, PartialEq, prost::Message)]
struct Interval {
    #[prost(sint64, tag = "1")]
    start_ns: i64,
    #[prost(uint64, tag = "2")]
    length_ns: u64,
}

/// A report as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawReport {
    pub(super) number: ReportNumber,
    pub(super) received_at: Timestamp,
    pub(super) path: String,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) octets: Vec<u8>,
}

impl RawReport {
    /// The number again when the octets do not say where it belongs.
    pub(super) fn of(
        number: ReportNumber,
        received_at: Timestamp,
        octets: Vec<u8>,
    ) -> Result<Self, ReportNumber> {
        let place = Place::decode(octets.as_slice());
        let Ok(Place {
            path,
            summary:
                Some(Interval {
                    start_ns,
                    length_ns,
                }),
        }) = place
        else {
            return Err(number);
        };
        let start = Timestamp(start_ns);
        Ok(Self {
            number,
            received_at,
            path,
            start,
            end: start + Nanos(i64::try_from(length_ns).unwrap_or(i64::MAX)),
            octets,
        })
    }

    /// The order in which reports are judged: one and the same whenever it is asked for.
    pub(super) fn order(&self) -> (&str, Timestamp, u64, &str, u64) {
        let ReportNumber {
            probe,
            epoch,
            sequence,
        } = &self.number;
        // As the column that they once were sorted by.
        let epoch = epoch_column(*epoch) as u64 ^ 1 << 63;
        (&self.path, self.start, *sequence, probe, epoch)
    }
}

/// Writes the fresh reports of a batch; nothing when there are none.
pub(super) fn put(
    database: &Database,
    arrival: &Arrival,
    fresh: &[usize],
) -> Result<(), DatabaseError> {
    let admitted = |&index: &usize| arrival.reports[index].as_ref().ok();
    let intervals = || {
        fresh
            .iter()
            .filter_map(admitted)
            .filter_map(|one| one.report.path())
            .map(|report| &report.summary)
    };
    let (Some(start), Some(end)) = (
        intervals().map(|summary| summary.start).min(),
        intervals().map(|summary| summary.end()).max(),
    ) else {
        return Ok(());
    };
    let is_whole = fresh.len() == arrival.reports.len();
    let behind = fresh.iter().map(|&index| index as u64);
    let body = Body {
        behind: if is_whole {
            Vec::new()
        } else {
            behind.collect()
        },
        reports: fresh
            .iter()
            .filter_map(admitted)
            .map(|one| one.body.clone())
            .collect(),
    };
    append(
        database,
        &arrival.probe,
        (arrival.epoch, arrival.first_sequence),
        arrival.received_at,
        (start, end),
        &body,
    )
}

fn append(
    database: &Database,
    probe: &str,
    (epoch, first_sequence): (u64, u64),
    received_at: Timestamp,
    (start, end): (Timestamp, Timestamp),
    body: &Body,
) -> Result<(), DatabaseError> {
    let number: Option<i64> = database.one(
        "INSERT INTO counted (probe, numbered, counted) VALUES ($1, 1, 0)
         ON CONFLICT (probe) DO UPDATE SET numbered = counted.numbered + 1 RETURNING numbered",
        &values![probe],
    )?;
    database.execute(
        "INSERT INTO batch (probe, number, epoch, first_sequence, reports, received_at_ns, start_ns, end_ns, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &values![
            probe,
            number.unwrap_or(1),
            epoch_column(epoch),
            first_sequence,
            body.reports.len(),
            received_at.period_start(RECEIPT_UNIT, Timestamp(0)).0,
            start.0,
            end.0,
            &body.encode_to_vec()
        ],
    )?;
    Ok(())
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) number: i64,
    pub(super) received_at: Timestamp,
    pub(super) octets: usize,
    /// `None` when the row is damaged; of a single report that is, its number.
    pub(super) reports: Option<Vec<Result<RawReport, ReportNumber>>>,
}

/// The columns that [`read`] takes.
pub(super) const COLUMNS: &str = "number, probe, epoch, first_sequence, received_at_ns, body";

/// The body of a batch of whose reports one, counted from 0, is another or none.
#[cfg(test)]
pub(crate) fn changed(body: &[u8], which: usize, octets: Option<&[u8]>) -> Vec<u8> {
    let mut body = Body::decode(body).unwrap();
    if body.behind.is_empty() {
        body.behind = (0..body.reports.len() as u64).collect();
    }
    match octets {
        Some(octets) => body.reports[which] = octets.to_vec(),
        None => {
            body.reports.remove(which);
            body.behind.remove(which);
        }
    }
    body.encode_to_vec()
}

/// A batch from its row.
pub(super) fn read(row: &Row<'_>) -> Result<Batch, DatabaseError> {
    let (probe, epoch) = (row.get::<&str>(1)?, epoch_of(row.get(2)?));
    let first = u64::try_from(row.get::<i64>(3)?).unwrap_or(0);
    let received_at = Timestamp(row.get(4)?);
    let body: &[u8] = row.get(5)?;
    let reports = Body::decode(body).ok().map(|body| {
        let Body { behind, reports } = body;
        let behind = |k: usize| behind.get(k).copied().unwrap_or(k as u64);
        let whole = reports.into_iter().enumerate().map(|(k, octets)| {
            let number = ReportNumber {
                probe: probe.to_owned(),
                epoch,
                sequence: first.saturating_add(behind(k)),
            };
            RawReport::of(number, received_at, octets)
        });
        whole.collect()
    });
    Ok(Batch {
        number: row.get(0)?,
        received_at,
        octets: body.len(),
        reports,
    })
}
