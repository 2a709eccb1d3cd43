//! Alerts that go on, those that are over, and what each receiver takes for going on.

use std::collections::BTreeMap;

use owl_measure::time::Timestamp;

use super::database::{DatabaseError, Transaction, values};
use super::{Reader, StoreError};
use crate::alert::{Alert, Ended, Key, Kind};

/// Alerts that are over and kept; the oldest go first.
const OVER_MAX: usize = 10_000;
/// Alerts that are read as going on: more than a network has paths.
const OPEN_MAX: usize = 200_000;

/// What has changed.
#[derive(Debug)]
pub(crate) enum AlertChange {
    /// What is told.
    Told {
        /// Alerts that are new, or other than they were.
        now: Vec<Alert>,
        /// Alerts that are over, with their begin.
        over: Vec<(Key, Timestamp)>,
        /// When that is.
        at: Timestamp,
    },
    /// What a receiver takes for going on: with its begin what it was told, without what it was told to be over.
    Believed {
        /// Its address.
        receiver: String,
        /// What was told.
        told: Vec<(Key, Option<Timestamp>)>,
    },
}

pub(super) fn change(
    transaction: &Transaction<'_>,
    change: &AlertChange,
) -> Result<(), DatabaseError> {
    match change {
        AlertChange::Told { now, over, at } => {
            for alert in now {
                transaction.execute(
                    "INSERT INTO alert (kind, subject, since_ns, body) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (kind, subject, since_ns) DO UPDATE SET body = excluded.body, ended_ns = NULL",
                    &values![
                        alert.kind.code(),
                        &alert.subject.to_string(),
                        alert.since.0,
                        &serde_json::to_string(alert)?
                    ],
                )?;
            }
            for ((kind, subject), since) in over {
                transaction.execute(
                    "UPDATE alert SET ended_ns = $4 WHERE kind = $1 AND subject = $2 AND since_ns = $3",
                    &values![kind.code(), &subject.to_string(), since.0, at.0],
                )?;
            }
            if over.is_empty() {
                return Ok(());
            }
            let oldest: Option<i64> = transaction.one(
                "SELECT ended_ns FROM alert WHERE ended_ns IS NOT NULL ORDER BY ended_ns DESC LIMIT 1 OFFSET $1",
                &values![OVER_MAX],
            )?;
            if let Some(oldest) = oldest {
                let sql = "DELETE FROM alert WHERE ended_ns <= $1";
                transaction.execute(sql, &values![oldest])?;
            }
        }
        AlertChange::Believed { receiver, told } => {
            for ((kind, subject), since) in told {
                let (kind, subject) = (kind.code(), subject.to_string());
                match since {
                    Some(since) => transaction.execute(
                        "INSERT INTO alert_told (receiver, kind, subject, since_ns) VALUES ($1, $2, $3, $4)
                         ON CONFLICT (receiver, kind, subject) DO UPDATE SET since_ns = excluded.since_ns",
                        &values![receiver, kind, &subject, since.0],
                    )?,
                    None => transaction.execute(
                        "DELETE FROM alert_told WHERE receiver = $1 AND kind = $2 AND subject = $3",
                        &values![receiver, kind, &subject],
                    )?,
                };
            }
        }
    }
    Ok(())
}

/// Forgets what a receiver believed that is asked for no more.
pub(super) fn retain(
    transaction: &Transaction<'_>,
    before: Timestamp,
) -> Result<u64, DatabaseError> {
    transaction.execute(
        "DELETE FROM alert_told WHERE since_ns < $1 AND NOT EXISTS (SELECT 1 FROM alert
             WHERE alert.kind = alert_told.kind AND alert.subject = alert_told.subject AND alert.ended_ns IS NULL)",
        &values![before.0],
    )
}

/// A kind and a subject as they stand in columns; `None` when no version of ours wrote them.
fn key(kind: &str, subject: &str) -> Option<Key> {
    Some((Kind::of_code(kind)?, subject.parse().ok()?))
}

impl Reader {
    /// The alerts that go on.
    pub(crate) fn open_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        let sql = "SELECT body FROM alert WHERE ended_ns IS NULL ORDER BY kind, subject LIMIT $1";
        let rows = self.rows(sql, &values![OPEN_MAX], |row| {
            Ok(serde_json::from_str(row.get(0)?).ok())
        })?;
        rows.into_iter()
            .map(|alert: Option<Alert>| alert.ok_or_else(|| self.damaged("alert")))
            .collect()
    }

    /// Alerts that ended at this instant or later, the last one first, `limit` at most.
    pub(crate) fn ended_alerts(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<Ended>, StoreError> {
        let rows = self.rows(
            "SELECT body, ended_ns FROM alert WHERE ended_ns >= $1 ORDER BY ended_ns DESC, kind, subject LIMIT $2",
            &values![since.0, limit],
            |row| {
                let alert: Option<Alert> = serde_json::from_str(row.get(0)?).ok();
                let at = Timestamp(row.get(1)?);
                Ok(alert.map(|alert| Ended { alert, at }))
            },
        )?;
        rows.into_iter()
            .map(|ended| ended.ok_or_else(|| self.damaged("alert")))
            .collect()
    }

    /// What a receiver takes for going on, and since when.
    pub(crate) fn believed_by(
        &self,
        receiver: &str,
    ) -> Result<BTreeMap<Key, Timestamp>, StoreError> {
        let rows = self.rows(
            "SELECT kind, subject, since_ns FROM alert_told WHERE receiver = $1",
            &values![receiver],
            |row| Ok((key(row.get(0)?, row.get(1)?), Timestamp(row.get(2)?))),
        )?;
        rows.into_iter()
            .map(|(key, since)| Ok((key.ok_or_else(|| self.damaged("alert_told"))?, since)))
            .collect()
    }

    /// How many reports of each probe were given up at this instant or later, other than those that another collector has had;
    /// and when the last of them was.
    pub(crate) fn lost_since(
        &self,
        since: Timestamp,
    ) -> Result<BTreeMap<String, (u64, Timestamp)>, StoreError> {
        let rows = self.rows(
            "SELECT probe, CAST(sum(last - first + 1) AS BIGINT), max(closed_at_ns) FROM gap
             WHERE closed_at_ns >= $1 AND loss <> 'released' GROUP BY probe",
            &values![since.0],
            |row| {
                let lost = u64::try_from(row.get::<i64>(1)?).unwrap_or(0);
                Ok((row.get::<String>(0)?, (lost, Timestamp(row.get(2)?))))
            },
        )?;
        Ok(rows.into_iter().collect())
    }
}
