//! Packing: batches become blocks.
//!
//! Whoever packs reads the batches of one probe and packs them beside the
//! writer; the writer puts the blocks in their place in one transaction, if the
//! batches are still there. A crash before that leaves the batches, one after it
//! the blocks.

use super::batches::{self, RawReport};
use super::blocks::{self, NewBlock};
use super::database::{Database, DatabaseError, values};
use super::{Reader, StoreError};

/// Octets of batches that are packed at once, and the batch that reaches it: what packing takes of memory, some times over.
const OCTETS_A_PACK: usize = 16 << 20;

/// Batches that are read with one question.
const BATCHES_AT_ONCE: usize = 16;

/// The batches of one probe that are to be packed, and the blocks that they become.
#[derive(Debug)]
pub(crate) struct Pack {
    probe: String,
    /// The numbers of the batches.
    batches: Vec<i64>,
    blocks: Vec<NewBlock>,
}

impl Reader {
    /// The oldest batches of a probe, packed; `None` when there are none. A damaged batch stays what it is.
    pub(crate) fn pack(&self, probe: &str, after: i64) -> Result<Option<Pack>, StoreError> {
        let sql = format!(
            "SELECT {} FROM batch WHERE probe = $1 AND number > $2 ORDER BY number LIMIT $3",
            batches::COLUMNS
        );
        let (mut octets, mut batches, mut reports) = (0, Vec::new(), Vec::new());
        let mut after = after;
        while octets < OCTETS_A_PACK {
            let some = self.rows(&sql, &values![probe, after, BATCHES_AT_ONCE], batches::read)?;
            let Some(last) = some.last() else { break };
            after = last.number;
            for batch in some {
                octets += batch.octets;
                let whole: Option<Result<Vec<_>, _>> =
                    batch.reports.map(|reports| reports.into_iter().collect());
                if let Some(Ok(more)) = whole {
                    let more: Vec<RawReport> = more;
                    batches.push(batch.number);
                    reports.extend(more);
                }
            }
        }
        if batches.is_empty() {
            return Ok(None);
        }
        Ok(Some(Pack {
            probe: probe.to_owned(),
            batches,
            blocks: blocks::pack(reports),
        }))
    }
}

impl Pack {
    /// Whose batches they are.
    pub(super) fn probe(&self) -> &str {
        &self.probe
    }

    /// The last batch that is packed.
    pub(crate) fn last(&self) -> i64 {
        self.batches.last().copied().unwrap_or(0)
    }
}

/// Puts blocks in the place of batches. Answers how many batches went: none when somebody else has packed them.
pub(super) fn put(database: &Database, pack: &Pack) -> Result<u64, DatabaseError> {
    // Whoever else packs this probe's batches, or commits one, waits.
    database.execute(
        "UPDATE ack SET stored = stored WHERE probe = $1",
        &values![&pack.probe],
    )?;
    for number in &pack.batches {
        let there: Option<i64> = database.one(
            "SELECT 1 FROM batch WHERE probe = $1 AND number = $2",
            &values![&pack.probe, *number],
        )?;
        if there.is_none() {
            return Ok(0);
        }
    }
    let rows: Vec<_> = pack
        .batches
        .iter()
        .map(|&number| values![&pack.probe, number].to_vec())
        .collect();
    database.execute_each("DELETE FROM batch WHERE probe = $1 AND number = $2", &rows)?;
    blocks::put(database, &pack.blocks)?;
    Ok(pack.batches.len() as u64)
}
