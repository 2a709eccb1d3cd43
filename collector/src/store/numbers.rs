//! The numbers of each spool: up to where they came, which are missing, which are lost by name.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use owl_measure::sequences::Sequences;
use owl_measure::time::Timestamp;
use serde::Serialize;

use super::database::{Database, DatabaseError, Transaction, values};
use super::reader::epoch_of;
use super::{Reader, StoreError, epoch_column};
use crate::numbering::{Lost, Numbering};

/// Gaps that are kept of one probe; at the bound the longest closed go. What they held stays counted.
const GAPS_MAX: u64 = 1_000;
/// Gaps that one question is answered with, the last closed first.
const GAPS_TOLD: usize = 1_000;

fn range(first: i64, last: i64) -> RangeInclusive<u64> {
    let number = |column: i64| u64::try_from(column).unwrap_or(0);
    number(first)..=number(last)
}

/// The numbers of a spool, as they were committed last.
pub(super) fn read(
    transaction: &Transaction<'_>,
    probe: &str,
    epoch: u64,
) -> Result<Numbering, DatabaseError> {
    let spool = values![probe, epoch_column(epoch)];
    let highest: Option<i64> = transaction.one(
        "SELECT stored FROM ack WHERE probe = $1 AND epoch = $2",
        &spool,
    )?;
    let missing = transaction.rows(
        "SELECT first, last FROM missing WHERE probe = $1 AND epoch = $2 ORDER BY first",
        &spool,
        |row| Ok(range(row.get(0)?, row.get(1)?)),
    )?;
    Ok(Numbering {
        highest: highest.map_or(0, |highest| u64::try_from(highest).unwrap_or(0)),
        missing: missing.into_iter().collect(),
    })
}

/// Writes what has changed of them.
pub(super) fn write(
    transaction: &Transaction<'_>,
    probe: &str,
    epoch: u64,
    [before, now]: [&Numbering; 2],
    received_at: Timestamp,
) -> Result<(), DatabaseError> {
    let epoch = epoch_column(epoch);
    if now == before {
        return Ok(());
    }
    transaction.execute(
        "INSERT INTO ack (probe, epoch, stored, received_at_ns) VALUES ($1, $2, $3, $4)
         ON CONFLICT (probe, epoch) DO UPDATE SET stored = excluded.stored, received_at_ns = excluded.received_at_ns",
        &values![probe, epoch, now.highest, received_at.0],
    )?;
    let ranges = |of: &Numbering| -> BTreeMap<u64, u64> {
        of.missing
            .ranges()
            .map(RangeInclusive::into_inner)
            .collect()
    };
    let (old, new) = (ranges(before), ranges(now));
    let gone: Vec<_> = old
        .keys()
        .filter(|first| !new.contains_key(first))
        .map(|&first| values![probe, epoch, first].to_vec())
        .collect();
    transaction.execute_each(
        "DELETE FROM missing WHERE probe = $1 AND epoch = $2 AND first = $3",
        &gone,
    )?;
    let come: Vec<_> = new
        .iter()
        .filter(|&(first, last)| old.get(first) != Some(last))
        .map(|(&first, &last)| values![probe, epoch, first, last].to_vec())
        .collect();
    transaction.execute_each(
        "INSERT INTO missing (probe, epoch, first, last) VALUES ($1, $2, $3, $4)
         ON CONFLICT (probe, epoch, first) DO UPDATE SET last = excluded.last",
        &come,
    )?;
    Ok(())
}

/// Writes down that numbers are lost, and why.
pub(super) fn lose(
    transaction: &Transaction<'_>,
    probe: &str,
    epoch: u64,
    lost: &[(Lost, Sequences)],
    at: Timestamp,
) -> Result<(), DatabaseError> {
    let rows: Vec<_> = lost
        .iter()
        .flat_map(|(lost, numbers)| numbers.ranges().map(|range| (*lost, range)))
        .map(|(lost, range)| {
            let (first, last) = range.into_inner();
            values![probe, epoch_column(epoch), first, last, lost.code(), at.0].to_vec()
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    transaction.execute_each(
        "INSERT INTO gap (probe, epoch, first, last, loss, closed_at_ns) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (probe, epoch, first) DO UPDATE SET last = excluded.last",
        &rows,
    )?;
    let oldest: Option<i64> = transaction.one(
        "SELECT closed_at_ns FROM gap WHERE probe = $1 ORDER BY closed_at_ns DESC LIMIT 1 OFFSET $2",
        &values![probe, GAPS_MAX],
    )?;
    if let Some(oldest) = oldest {
        transaction.execute(
            "DELETE FROM gap WHERE probe = $1 AND closed_at_ns <= $2",
            &values![probe, oldest],
        )?;
    }
    Ok(())
}

/// What is missing of every spool.
pub(super) fn all_missing(
    database: &Database,
) -> Result<BTreeMap<(String, u64), Sequences>, DatabaseError> {
    let mut all: BTreeMap<(String, u64), Sequences> = BTreeMap::new();
    database.query(
        "SELECT probe, epoch, first, last FROM missing",
        &[],
        |row| {
            let spool = (row.get(0)?, epoch_of(row.get(1)?));
            let missing = all.entry(spool).or_default();
            missing.insert(range(row.get(2)?, row.get(3)?));
            Ok(())
        },
    )?;
    Ok(all)
}

/// A range of numbers that did not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Gap {
    pub(crate) probe: String,
    pub(crate) epoch: u64,
    /// The first number.
    pub(crate) first: u64,
    /// The last number.
    pub(crate) last: u64,
    /// Why they will never come; absent while they are asked for.
    pub(crate) loss: Option<String>,
    /// Since when that is known.
    pub(crate) closed_at_ns: Option<Timestamp>,
}

impl Reader {
    /// What is asked for again, and then what is lost, the last closed first.
    pub(crate) fn gaps(&self) -> Result<Vec<Gap>, StoreError> {
        let number = |column: i64| u64::try_from(column).unwrap_or(0);
        let mut gaps = self.rows(
            "SELECT probe, epoch, first, last FROM missing ORDER BY probe, epoch, first",
            &[],
            |row| {
                Ok(Gap {
                    probe: row.get(0)?,
                    epoch: epoch_of(row.get(1)?),
                    first: number(row.get(2)?),
                    last: number(row.get(3)?),
                    loss: None,
                    closed_at_ns: None,
                })
            },
        )?;
        gaps.extend(self.rows(
            "SELECT probe, epoch, first, last, loss, closed_at_ns FROM gap ORDER BY closed_at_ns DESC, probe, epoch, first LIMIT $1",
            &values![GAPS_TOLD],
            |row| {
                Ok(Gap {
                    probe: row.get(0)?,
                    epoch: epoch_of(row.get(1)?),
                    first: number(row.get(2)?),
                    last: number(row.get(3)?),
                    loss: Some(row.get(4)?),
                    closed_at_ns: Some(Timestamp(row.get(5)?)),
                })
            },
        )?);
        Ok(gaps)
    }
}
