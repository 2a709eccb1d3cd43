//! All that the store holds of one verdict: itself, the rulebook and the reports that it was made from.

use owl_measure::report::Report;
use owl_measure::time::{Nanos, Timestamp};

use super::database::{Begin, DatabaseError, Row, values};
use super::reader::Reader;
use super::{ReportNumber, StoreError, verdicts};

/// A row of the table of verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredVerdict {
    pub(crate) path: String,
    pub(crate) profile: String,
    pub(crate) state: String,
    pub(crate) window_start: Timestamp,
    pub(crate) window: Nanos,
    pub(crate) judged_at: Timestamp,
    /// A judgement as JSON.
    pub(crate) body: String,
}

/// A report as it is stored, and when it came.
#[derive(Debug, Clone)]
pub(crate) struct StoredReport {
    pub(crate) number: ReportNumber,
    /// `None` when an older version has stored it and its receipt was no longer there.
    pub(crate) received_at: Option<Timestamp>,
    pub(crate) report: Report,
}

/// On which side of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

const VERDICT: &str =
    "SELECT path, profile, state, window_start_ns, window_ns, judged_at_ns, body, packed
     FROM verdict";

fn verdict(row: &Row<'_>) -> Result<StoredVerdict, DatabaseError> {
    Ok(StoredVerdict {
        path: row.get(0)?,
        profile: row.get(1)?,
        state: row.get(2)?,
        window_start: Timestamp(row.get(3)?),
        window: Nanos(row.get(4)?),
        judged_at: Timestamp(row.get(5)?),
        body: verdicts::text(row, 6)?,
    })
}

impl Reader {
    /// Asks several things of one and the same state of the store, whatever is written meanwhile.
    pub(crate) fn at_once<T, E: From<StoreError>>(
        &self,
        question: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self
            .database
            .begin(Begin::Snapshot)
            .map_err(|source| self.fault(source))?;
        let answer = question(self);
        // Nothing was written, so there is nothing that the end of it could lose.
        drop(transaction);
        answer
    }

    /// The verdicts on a path in the windows that hold an instant, one a profile; the one that was judged last first.
    pub(crate) fn verdicts_at(
        &self,
        path: &str,
        at: Timestamp,
    ) -> Result<Vec<StoredVerdict>, StoreError> {
        let sql = format!(
            "{VERDICT} WHERE path = $1 AND window_start_ns <= $2 AND window_start_ns + window_ns > $2
             ORDER BY judged_at_ns DESC, profile"
        );
        self.rows(&sql, &values![path, at.0], verdict)
    }

    /// Windows of a path on one side of an instant, the nearest first.
    pub(crate) fn windows_beside(
        &self,
        path: &str,
        at: Timestamp,
        side: Side,
        limit: u32,
    ) -> Result<Vec<StoredVerdict>, StoreError> {
        let which = match side {
            Side::Before => "window_start_ns <= $2 ORDER BY window_start_ns DESC",
            Side::After => "window_start_ns > $2 ORDER BY window_start_ns",
        };
        let sql = format!("{VERDICT} WHERE path = $1 AND {which} LIMIT $3");
        self.rows(&sql, &values![path, at.0, limit], verdict)
    }

    /// The text of a rulebook; `None` when it is not there.
    pub(crate) fn rulebook(&self, hash: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT body FROM rulebook WHERE hash = $1";
        Ok(self.rows(sql, &values![hash], |row| row.get(0))?.pop())
    }

    /// The rulebook that judged last, with its hash.
    pub(crate) fn last_rulebook(&self) -> Result<Option<(String, String)>, StoreError> {
        let sql = "SELECT hash, body FROM rulebook ORDER BY last_used_ns DESC LIMIT 1";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        Ok(self.rows(sql, &[], read)?.pop())
    }

    /// The reports on a path whose intervals lie wholly in a window, in the order in which they are judged; no more than
    /// `limit`.
    pub(crate) fn reports_of(
        &self,
        path: &str,
        (start, end): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<StoredReport>, StoreError> {
        let mut found = Vec::new();
        self.each_input(path, (start, end), |input| {
            if input.report.summary.end() <= end && found.len() < limit {
                found.push(StoredReport {
                    number: input.number,
                    received_at: (input.received_at > Timestamp(0)).then_some(input.received_at),
                    report: input.report,
                });
            }
        })?;
        Ok(found)
    }
}
