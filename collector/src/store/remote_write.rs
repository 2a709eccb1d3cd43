//! Up to which verdict each receiver of remote write has them.

use owl_measure::time::Timestamp;

use super::database::{DatabaseError, Transaction, values};
use super::{Reader, StoreError, verdicts};
use crate::judgement::Judgement;

/// A verdict in the order in which they are sent: as they were judged, so that a late one comes late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) judged_at: Timestamp,
    pub(crate) path: String,
    pub(crate) window_start: Timestamp,
}

impl Sent {
    /// Before all verdicts that are judged from `at` on.
    pub(crate) fn before(at: Timestamp) -> Self {
        Self {
            judged_at: at,
            path: String::new(),
            window_start: Timestamp(0),
        }
    }
}

/// Remembers it, with the commit.
pub(super) fn sent(
    transaction: &Transaction<'_>,
    receiver: &str,
    sent: &Sent,
) -> Result<(), DatabaseError> {
    transaction
        .execute(
            "INSERT INTO remote_write (receiver, judged_at_ns, path, window_start_ns) VALUES ($1, $2, $3, $4)
             ON CONFLICT (receiver) DO UPDATE SET judged_at_ns = excluded.judged_at_ns, path = excluded.path,
                 window_start_ns = excluded.window_start_ns",
            &values![receiver, sent.judged_at.0, &sent.path, sent.window_start.0],
        )
        .map(|_| ())
}

impl Reader {
    /// What a receiver has; `None` when it was never sent anything.
    pub(crate) fn sent_to(&self, receiver: &str) -> Result<Option<Sent>, StoreError> {
        let rows = self.rows(
            "SELECT judged_at_ns, path, window_start_ns FROM remote_write WHERE receiver = $1",
            &values![receiver],
            |row| {
                Ok(Sent {
                    judged_at: Timestamp(row.get(0)?),
                    path: row.get(1)?,
                    window_start: Timestamp(row.get(2)?),
                })
            },
        )?;
        Ok(rows.into_iter().next())
    }

    /// The verdicts that come next, `limit` at most; one that is damaged has its place alone.
    pub(crate) fn judged_after(
        &self,
        sent: &Sent,
        limit: usize,
    ) -> Result<Vec<(Sent, Option<Judgement>)>, StoreError> {
        self.rows(
            &format!(
                "SELECT judged_at_ns, path, window_start_ns, {} FROM verdict
                 WHERE (judged_at_ns, path, window_start_ns) > ($1, $2, $3)
                 ORDER BY judged_at_ns, path, window_start_ns LIMIT $4",
                verdicts::COLUMNS
            ),
            &values![sent.judged_at.0, &sent.path, sent.window_start.0, limit],
            |row| {
                let sent = Sent {
                    judged_at: Timestamp(row.get(0)?),
                    path: row.get(1)?,
                    window_start: Timestamp(row.get(2)?),
                };
                Ok((sent, self.judgement(&verdicts::text(row, 3)?).ok()))
            },
        )
    }
}
