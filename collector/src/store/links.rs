//! Readings of ports: one row for what a batch held of them.
//!
//! They have numbers like the reports of paths, and are taken in the same commit
//! or not at all. Nobody judges them, so they are never packed into blocks.

use std::collections::BTreeSet;

use owl_measure::report::{LinkReport, Reported};
use owl_measure::time::{Nanos, Timestamp};
use prost::Message as _;

use super::database::{Database, DatabaseError, values};
use super::{Arrival, Reader, StoreError, epoch_column};

/// A commit may become visible after one that took its reports later: so much of what was read before is read again.
const OVERLAP: Nanos = Nanos::from_secs(10);
/// Rows that are read at once; the others come with the next reading.
const ROWS_MAX: i64 = 5_000;

#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    #[prost(bytes = "vec", repeated, tag = "1")]
    reports: Vec<Vec<u8>>,
}

/// Writes the reports of ports of a batch, named by their places in it; nothing when there are none.
pub(super) fn put(
    database: &Database,
    arrival: &Arrival,
    places: &[usize],
) -> Result<(), DatabaseError> {
    let admitted = || {
        let places = places.iter();
        places.filter_map(|&place| arrival.reports.get(place)?.as_ref().ok())
    };
    let Some(&first) = places.first() else {
        return Ok(());
    };
    let ends = admitted().filter_map(|one| match &one.report {
        Reported::Link(report) => Some(report.span().1),
        Reported::Path(_) => None,
    });
    let end = ends.max().unwrap_or(arrival.received_at);
    let body = Body {
        reports: admitted().map(|one| one.body.clone()).collect(),
    };
    database.execute(
        "INSERT INTO link_batch (probe, epoch, sequence, received_at_ns, end_ns, reports, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &values![
            &arrival.probe,
            epoch_column(arrival.epoch),
            i64::try_from(arrival.first_sequence.saturating_add(first as u64)).unwrap_or(i64::MAX),
            arrival.received_at.0,
            end.0,
            body.reports.len(),
            body.encode_to_vec().as_slice()
        ],
    )?;
    Ok(())
}

/// Where the reading of what came has got to.
#[derive(Debug, Default)]
pub(crate) struct Came {
    since: Timestamp,
    /// Rows since then that were read already.
    seen: BTreeSet<(Timestamp, String, i64, i64)>,
}

impl Came {
    /// Begins with what came since an instant.
    pub(crate) fn since(since: Timestamp) -> Self {
        Self {
            since,
            seen: BTreeSet::new(),
        }
    }
}

impl Reader {
    /// Readings that came since the last call. What cannot be read is passed over: the intake has read it before.
    pub(crate) fn new_links(&self, came: &mut Came) -> Result<Vec<LinkReport>, StoreError> {
        let rows = self.rows(
            "SELECT received_at_ns, probe, epoch, sequence, body FROM link_batch
             WHERE received_at_ns >= $1 ORDER BY received_at_ns, probe, epoch, sequence LIMIT $2",
            &values![came.since.0, ROWS_MAX + came.seen.len() as i64],
            |row| {
                let key = (
                    Timestamp(row.get(0)?),
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                );
                Ok((key, row.get::<Vec<u8>>(4)?))
            },
        )?;
        let mut found = Vec::new();
        let mut newest = came.since;
        for (key, body) in rows {
            newest = newest.max(key.0);
            if !came.seen.insert(key) {
                continue;
            }
            let Ok(body) = Body::decode(body.as_slice()) else {
                continue;
            };
            found.extend(
                body.reports
                    .iter()
                    .filter_map(|octets| match Reported::decode(octets) {
                        Ok(Reported::Link(report)) => Some(*report),
                        Ok(Reported::Path(_)) | Err(_) => None,
                    }),
            );
        }
        came.since = came.since.max(newest - OVERLAP);
        let since = came.since;
        came.seen.retain(|(at, ..)| *at >= since);
        Ok(found)
    }
}
