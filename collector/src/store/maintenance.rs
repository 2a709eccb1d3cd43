//! Maintenance that was announced to the collector.

use owl_measure::time::Timestamp;

use super::database::{DatabaseError, Transaction, values};
use super::{Reader, StoreError};
use crate::access::act::Outcome;
use crate::maintenance::{Affected, Maintenance, OPEN_MAX};

/// Announces it; [`OPEN_MAX`] that are not over may stand there.
pub(super) fn declare(
    transaction: &Transaction<'_>,
    maintenance: &Maintenance,
) -> Result<Outcome, DatabaseError> {
    let open: Option<i64> = transaction.one(
        "SELECT count(*) FROM maintenance WHERE end_ns > $1",
        &values![maintenance.declared_at.0],
    )?;
    if open.unwrap_or(0) >= OPEN_MAX as i64 {
        return Ok(Outcome::Full);
    }
    let added = transaction.execute(
        "INSERT INTO maintenance (id, kind, name, start_ns, end_ns, declared_at_ns, declared_by, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
        &values![
            &maintenance.id,
            maintenance.affected.code(),
            maintenance.affected.name(),
            maintenance.start.0,
            maintenance.end.0,
            maintenance.declared_at.0,
            &maintenance.by,
            &maintenance.reason
        ],
    )?;
    Ok(if added == 1 {
        Outcome::Written
    } else {
        Outcome::NameTaken
    })
}

/// Ends it then, or calls it off when it has not begun.
pub(super) fn end(
    transaction: &Transaction<'_>,
    id: &str,
    at: Timestamp,
) -> Result<Outcome, DatabaseError> {
    let ended = transaction.execute(
        "UPDATE maintenance SET ended_at_ns = $2, end_ns = CASE WHEN start_ns > $2 THEN start_ns ELSE $2 END
         WHERE id = $1 AND end_ns > $2 AND ended_at_ns IS NULL",
        &values![id, at.0],
    )?;
    Ok(if ended == 1 {
        Outcome::Written
    } else {
        Outcome::NoSuchName
    })
}

impl Reader {
    /// What ends after an instant, or was to, the latest first.
    pub(crate) fn maintenance_after(&self, at: Timestamp) -> Result<Vec<Maintenance>, StoreError> {
        let rows = self.rows(
            "SELECT id, kind, name, start_ns, end_ns, declared_at_ns, declared_by, reason, ended_at_ns
             FROM maintenance WHERE end_ns > $1 ORDER BY start_ns DESC, id",
            &values![at.0],
            |row| {
                let affected = Affected::of(row.get(1)?, row.get(2)?);
                let maintenance = |affected| {
                    Ok::<_, DatabaseError>(Maintenance {
                        affected,
                        id: row.get(0)?,
                        start: Timestamp(row.get(3)?),
                        end: Timestamp(row.get(4)?),
                        declared_at: Timestamp(row.get(5)?),
                        by: row.get(6)?,
                        reason: row.get(7)?,
                        ended_at: row.get::<Option<i64>>(8)?.map(Timestamp),
                    })
                };
                affected.map(maintenance).transpose()
            },
        )?;
        rows.into_iter()
            .map(|row| row.ok_or_else(|| self.damaged("maintenance")))
            .collect()
    }
}
