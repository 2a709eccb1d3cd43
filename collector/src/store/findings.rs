//! Findings, the audited windows that they come from, and verdicts that were given anew.

use owl_measure::time::{Nanos, Timestamp};
use serde::de::DeserializeOwned;

use super::database::{DatabaseError, Transaction, values};
use super::{Reader, StoreError, verdicts};
use crate::finding::Finding;
use crate::finding::ledger::{Changes, WINDOWS_MAX};
use crate::finding::symptoms::AuditedWindow;
use crate::judgement::Judgement;
use crate::revision::Revision;

/// Findings that are kept, open ones included; the oldest closed ones make room.
const FINDINGS_MAX: i64 = 10_000;
/// Times that the verdict on one window of one path is told to have been given anew; the oldest make room.
const REVISIONS_A_WINDOW: i64 = 16;

/// What the judge's audit of a window changes.
#[derive(Debug, Clone)]
pub(crate) struct Audited {
    pub(crate) window: AuditedWindow,
    pub(crate) changes: Changes,
    /// All that are open after it.
    pub(crate) open: Vec<Finding>,
}

/// Which findings are wanted; those last seen are told first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FindingsQuery {
    /// Open ones, or closed ones; both without it.
    pub(crate) open: Option<bool>,
    /// Seen then or later.
    pub(crate) since: Timestamp,
    /// How many at most.
    pub(crate) limit: usize,
}

pub(super) fn audited(
    transaction: &Transaction<'_>,
    audited: &Audited,
) -> Result<(), DatabaseError> {
    let window = &audited.window;
    transaction.execute(
        "INSERT INTO audited_window (start_ns, length_ns, body) VALUES ($1, $2, $3)
         ON CONFLICT (start_ns) DO UPDATE SET length_ns = excluded.length_ns, body = excluded.body",
        &values![
            window.start.0,
            window.length.0,
            &serde_json::to_string(window)?
        ],
    )?;
    transaction.execute(
        "DELETE FROM audited_window WHERE start_ns <=
             (SELECT start_ns FROM audited_window ORDER BY start_ns DESC LIMIT 1 OFFSET $1)",
        &values![WINDOWS_MAX],
    )?;
    for finding in &audited.changes.withdrawn {
        let (kind, subject, since) = finding.key();
        transaction.execute(
            "DELETE FROM finding WHERE kind = $1 AND subject = $2 AND since_ns = $3",
            &values![kind.code(), &subject, since.0],
        )?;
    }
    for finding in &audited.changes.told {
        let (kind, subject, since) = finding.key();
        transaction.execute(
            "INSERT INTO finding (kind, subject, since_ns, seen_until_ns, open, body) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (kind, subject, since_ns) DO UPDATE SET seen_until_ns = excluded.seen_until_ns,
                 open = excluded.open, body = excluded.body",
            &values![
                kind.code(),
                &subject,
                since.0,
                finding.seen_until.0,
                finding.open,
                &serde_json::to_string(finding)?
            ],
        )?;
    }
    if !audited.changes.told.is_empty() {
        transaction.execute(
            "DELETE FROM finding WHERE (kind, subject, since_ns) IN
                 (SELECT kind, subject, since_ns FROM finding ORDER BY open DESC, seen_until_ns DESC
                  LIMIT $1 OFFSET $2)",
            &values![i64::MAX, FINDINGS_MAX],
        )?;
    }
    Ok(())
}

/// Notes what a verdict changes that replaces another one; nothing for the first verdict on a window. Returns whether
/// there is anything new to write: one that says the same as before stays as it was given.
pub(super) fn revised(
    transaction: &Transaction<'_>,
    judgement: &Judgement,
) -> Result<bool, DatabaseError> {
    let (path, profile) = (&judgement.path, &judgement.profile);
    let start = judgement.window_start.0;
    let sql = format!(
        "SELECT {} FROM verdict WHERE path = $1 AND profile = $2 AND window_start_ns = $3",
        verdicts::COLUMNS
    );
    let rows = transaction.rows(&sql, &values![path, profile, start], verdicts::only)?;
    let before = rows.into_iter().next();
    // A verdict that cannot be read any more is replaced all the same; of it nothing can be told.
    let Some(before) = before.and_then(|body| serde_json::from_str::<Judgement>(&body).ok()) else {
        return Ok(true);
    };
    if before.says_the_same_as(judgement) {
        return Ok(false);
    }
    let Some(revision) = Revision::between(&before, judgement) else {
        return Ok(true);
    };
    let last: Option<Option<i64>> = transaction.one(
        "SELECT max(number) FROM revision WHERE path = $1 AND profile = $2 AND window_start_ns = $3",
        &values![path, profile, start],
    )?;
    let number = last.flatten().unwrap_or(0).saturating_add(1);
    transaction.execute(
        "INSERT INTO revision (path, profile, window_start_ns, number, at_ns, body) VALUES ($1, $2, $3, $4, $5, $6)",
        &values![
            path,
            profile,
            start,
            number,
            judgement.judged_at.0,
            &serde_json::to_string(&revision)?
        ],
    )?;
    transaction.execute(
        "DELETE FROM revision WHERE path = $1 AND profile = $2 AND window_start_ns = $3 AND number <= $4",
        &values![path, profile, start, number - REVISIONS_A_WINDOW],
    )?;
    Ok(true)
}

/// Removes findings that ended before `before`, of which there are never many; an open one stays.
pub(super) fn retain(
    transaction: &Transaction<'_>,
    before: Timestamp,
) -> Result<u64, DatabaseError> {
    transaction.execute(
        "DELETE FROM finding WHERE open = 0 AND seen_until_ns < $1",
        &values![before.0],
    )
}

impl Reader {
    fn parsed<T: DeserializeOwned>(
        &self,
        table: &'static str,
        bodies: Vec<String>,
    ) -> Result<Vec<T>, StoreError> {
        bodies
            .iter()
            .map(|body| {
                serde_json::from_str(body).map_err(|_| StoreError::Damaged {
                    store: self.place().clone(),
                    table,
                })
            })
            .collect()
    }

    /// The latest audited windows of this length, the oldest first.
    pub(crate) fn audited_windows(&self, length: Nanos) -> Result<Vec<AuditedWindow>, StoreError> {
        let bodies = self.rows(
            "SELECT body FROM audited_window WHERE length_ns = $1 ORDER BY start_ns",
            &values![length.0],
            |row| row.get(0),
        )?;
        self.parsed("audited_window", bodies)
    }

    /// Findings, those last seen first.
    pub(crate) fn findings(&self, query: FindingsQuery) -> Result<Vec<Finding>, StoreError> {
        let bodies = self.rows(
            "SELECT body FROM finding WHERE seen_until_ns >= $1 AND (CAST($2 AS BIGINT) IS NULL OR open = $2)
             ORDER BY open DESC, seen_until_ns DESC, since_ns, kind, subject LIMIT $3",
            &values![query.since.0, query.open, query.limit],
            |row| row.get(0),
        )?;
        self.parsed("finding", bodies)
    }

    /// Verdicts of a path, or of all, that were given anew, the latest first.
    pub(crate) fn revisions(
        &self,
        path: Option<&str>,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<Revision>, StoreError> {
        let bodies = self.rows(
            "SELECT body FROM revision WHERE window_start_ns >= $1 AND (CAST($2 AS TEXT) IS NULL OR path = $2)
             ORDER BY at_ns DESC, window_start_ns DESC, path, profile, number DESC LIMIT $3",
            &values![since.0, path, limit],
            |row| row.get(0),
        )?;
        self.parsed("revision", bodies)
    }
}
