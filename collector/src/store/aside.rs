//! Reports that were refused: kept as they came, with the reason.

use owl_measure::time::Timestamp;

use super::database::{Begin, Database, DatabaseError, Purpose, Transaction, values};
use super::reader::epoch_of;
use super::{Place, Reader, StoreError, epoch_column, refused};
use crate::aside::Kept;

/// Reports that are kept aside, and octets of them. At the bound the oldest make room, and are counted.
pub(super) const REPORTS_MAX: i64 = 100_000;
pub(super) const OCTETS_MAX: i64 = 64 << 20;
/// Reports that make room at once.
const ROOM: usize = 256;
/// Reports that one question is answered with, the newest first.
const TOLD: usize = 10_000;

/// How much is kept aside, and how much made room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Held {
    pub(crate) reports: i64,
    pub(crate) octets: i64,
    pub(crate) dropped: i64,
}

/// The name of a report that is kept aside, and its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aside {
    pub(crate) probe: String,
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
    pub(crate) received_at: Timestamp,
    pub(crate) body: Vec<u8>,
}

pub(super) fn held(database: &Database) -> Result<Held, DatabaseError> {
    let rows = database.rows(
        "SELECT reports, octets, dropped FROM aside_held",
        &[],
        |row| {
            Ok(Held {
                reports: row.get(0)?,
                octets: row.get(1)?,
                dropped: row.get(2)?,
            })
        },
    )?;
    Ok(rows.into_iter().next().unwrap_or_default())
}

fn change(
    transaction: &Transaction<'_>,
    [reports, octets, dropped]: [i64; 3],
) -> Result<(), DatabaseError> {
    transaction.execute(
        "UPDATE aside_held SET reports = reports + $1, octets = octets + $2, dropped = dropped + $3",
        &values![reports, octets, dropped],
    )?;
    Ok(())
}

/// Keeps a refused report.
pub(super) fn keep(
    transaction: &Transaction<'_>,
    aside: &Aside,
    reason: &str,
) -> Result<(), DatabaseError> {
    let kept = transaction.execute(
        "INSERT INTO aside (probe, epoch, sequence, received_at_ns, reason, asked, body) VALUES ($1, $2, $3, $4, $5, 0, $6)
         ON CONFLICT (probe, epoch, sequence) DO NOTHING",
        &values![
            &aside.probe,
            epoch_column(aside.epoch),
            aside.sequence,
            aside.received_at.0,
            reason,
            &aside.body
        ],
    )?;
    if kept > 0 {
        let octets = i64::try_from(aside.body.len()).unwrap_or(i64::MAX);
        change(transaction, [1, octets, 0])?;
    }
    Ok(())
}

/// Lets the oldest go as long as there is too much.
pub(super) fn make_room(transaction: &Transaction<'_>) -> Result<(), DatabaseError> {
    loop {
        let now = held(transaction)?;
        if now.reports <= REPORTS_MAX && now.octets <= OCTETS_MAX {
            return Ok(());
        }
        let oldest = transaction.rows(
            "SELECT probe, epoch, sequence, length(body) FROM aside ORDER BY received_at_ns, probe, epoch, sequence LIMIT $1",
            &values![ROOM],
            |row| {
                Ok((
                    row.get::<String>(0)?,
                    row.get::<i64>(1)?,
                    row.get::<i64>(2)?,
                    row.get::<i64>(3)?,
                ))
            },
        )?;
        if oldest.is_empty() {
            return Ok(());
        }
        let octets: i64 = oldest.iter().map(|row| row.3).sum();
        let count = i64::try_from(oldest.len()).unwrap_or(i64::MAX);
        let names: Vec<_> = oldest
            .iter()
            .map(|(probe, epoch, sequence, _)| values![probe, *epoch, *sequence].to_vec())
            .collect();
        transaction.execute_each(REMOVE, &names)?;
        change(transaction, [-count, -octets, count])?;
    }
}

const REMOVE: &str = "DELETE FROM aside WHERE probe = $1 AND epoch = $2 AND sequence = $3";

/// Takes a report out, to be stored after all; whether it was there.
pub(super) fn take_out(
    transaction: &Transaction<'_>,
    aside: &Aside,
) -> Result<bool, DatabaseError> {
    let name = values![&aside.probe, epoch_column(aside.epoch), aside.sequence];
    let out = transaction.execute(REMOVE, &name)?;
    if out > 0 {
        let octets = i64::try_from(aside.body.len()).unwrap_or(i64::MAX);
        change(transaction, [-1, -octets, 0])?;
    }
    Ok(out > 0)
}

/// Leaves a report where it is, for the reason that holds now.
pub(super) fn leave(
    transaction: &Transaction<'_>,
    aside: &Aside,
    reason: &str,
) -> Result<(), DatabaseError> {
    transaction.execute(
        "UPDATE aside SET asked = 0, reason = $4 WHERE probe = $1 AND epoch = $2 AND sequence = $3",
        &values![
            &aside.probe,
            epoch_column(aside.epoch),
            aside.sequence,
            reason
        ],
    )?;
    Ok(())
}

/// Asks the collector that runs, or the next one, to look at all of them once more; how many there are.
pub(crate) fn ask(store: &Place) -> Result<u64, StoreError> {
    if let Place::Sqlite(file) = store
        && !file.exists()
    {
        return Ok(0);
    }
    let fault = refused(store);
    let database = Database::connect(store, Purpose::Write).map_err(&fault)?;
    super::schema::check(&database)?;
    let transaction = database.begin(Begin::Write).map_err(&fault)?;
    let asked = transaction
        .execute("UPDATE aside SET asked = 1", &[])
        .map_err(&fault)?;
    transaction.commit().map_err(&fault)?;
    Ok(asked)
}

impl Reader {
    /// What is kept aside, the newest first.
    pub(crate) fn aside(&self) -> Result<Vec<Kept>, StoreError> {
        self.rows(
            "SELECT probe, epoch, sequence, received_at_ns, reason, length(body) FROM aside
             ORDER BY received_at_ns DESC, probe, epoch, sequence LIMIT $1",
            &values![TOLD],
            |row| {
                let number = |column: i64| u64::try_from(column).unwrap_or(0);
                Ok(Kept {
                    probe: row.get(0)?,
                    epoch: epoch_of(row.get(1)?),
                    sequence: number(row.get(2)?),
                    received_at_ns: Timestamp(row.get(3)?),
                    reason: row.get(4)?,
                    octets: number(row.get(5)?),
                })
            },
        )
    }

    /// Some of those that are to be looked at once more.
    pub(crate) fn asked(&self) -> Result<Vec<Aside>, StoreError> {
        self.rows(
            "SELECT probe, epoch, sequence, received_at_ns, body FROM aside WHERE asked = 1
             ORDER BY received_at_ns, probe, epoch, sequence LIMIT $1",
            &values![ROOM],
            |row| {
                Ok(Aside {
                    probe: row.get(0)?,
                    epoch: epoch_of(row.get(1)?),
                    sequence: u64::try_from(row.get::<i64>(2)?).unwrap_or(0),
                    received_at: Timestamp(row.get(3)?),
                    body: row.get::<&[u8]>(4)?.to_vec(),
                })
            },
        )
    }
}
