//! A spool whose file is damaged inside, made anew from what can still be read.
//!
//! The epoch, the last number given out and the ranges that wait are known to
//! the running spool, so the new file goes on with the same numbers: what is
//! lost is named by them. What was acknowledged is not taken along; the
//! collector has it. The damaged file is kept beside.

use std::path::Path;

use owl_measure::report::Loss;
use owl_measure::sequences::Sequences;
use rusqlite::{Connection, ErrorCode, params};

use super::{Held, Spool, SpoolError, digest, ranges, schema};

/// Where the file goes that could not be mended; one of before makes room for it.
pub(super) const ASIDE: &str = "spool.damaged.sqlite";

/// Whether an error says that the file is no database any more.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::SqliteFailure(error, _)
            if matches!(error.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

impl Spool {
    /// Does something; where the file turns out to be damaged, makes it anew and does it again, once.
    pub(super) fn mending<T>(
        &mut self,
        what: &'static str,
        mut attempt: impl FnMut(&mut Self) -> rusqlite::Result<T>,
    ) -> Result<T, SpoolError> {
        let first = attempt(self);
        match first {
            Err(error) if is_damage(&error) => {
                self.rebuild().map_err(self.failed("make anew"))?;
                attempt(self).map_err(self.failed(what))
            }
            result => result.map_err(self.failed(what)),
        }
    }

    /// Makes the file anew from what waits and can be read.
    fn rebuild(&mut self) -> rusqlite::Result<()> {
        let new = self.file.with_extension("new");
        // One that a crash left half made.
        remove(&new);
        let damaged = self.copy_into(&new)?;
        let aside = self.file.with_file_name(ASIDE);
        tracing::error!(
            file = %self.file.display(), aside = %aside.display(), lost = damaged.count(),
            "the spool is damaged; it is made anew from what can be read, and the collector is told what is lost"
        );
        // A crash in between leaves no spool, and the next start begins a new epoch.
        drop(std::mem::replace(
            &mut self.database,
            Connection::open_in_memory()?,
        ));
        // What cannot be moved is overwritten by the next line, or that says why not.
        let _ = std::fs::rename(&self.file, aside);
        remove(&self.file);
        std::fs::rename(&new, &self.file).map_err(|_| rusqlite::Error::InvalidPath(new))?;
        self.database = Connection::open(&self.file)?;
        schema::prepare(&mut self.database)?;
        self.waiting = ranges::waiting(&self.database)?;
        self.held = schema::held(&self.database)?;
        let damaged = damaged.ranges().map(|range| (range, Loss::Damaged));
        self.lost(damaged.collect());
        Ok(())
    }

    /// A new file with what waits and can be read; tells what waits and cannot.
    fn copy_into(&self, file: &Path) -> rusqlite::Result<Sequences> {
        let mut database = Connection::open(file)?;
        schema::prepare(&mut database)?;
        let transaction = database.transaction()?;
        // A number that cannot be read is no report; how many were dropped is for a metric alone.
        let dropped = self
            .database
            .query_row("SELECT dropped FROM epoch", [], |row| row.get(0));
        transaction.execute(
            "INSERT INTO epoch VALUES (1, ?1, ?2)",
            [self.epoch.cast_signed(), dropped.unwrap_or(0)],
        )?;
        let (mut waiting, mut damaged) = (self.waiting.clone(), Sequences::default());
        let (mut octets, made) = (0, self.held.made);
        for sequence in self.waiting.ranges().flatten() {
            let Some(body) = self.read(sequence)? else {
                waiting.remove(sequence..=sequence);
                damaged.insert(sequence..=sequence);
                continue;
            };
            transaction
                .prepare_cached("INSERT INTO report (sequence, body, digest) VALUES (?1, ?2, ?3)")?
                .execute(params![sequence.cast_signed(), body, digest(&body)])?;
            octets += i64::try_from(body.len()).unwrap_or(i64::MAX);
        }
        ranges::write_waiting(&transaction, &Sequences::default(), &waiting)?;
        for range in damaged.ranges() {
            ranges::gone(&transaction, &range, Loss::Damaged)?;
        }
        number_from(&transaction, made)?;
        schema::write_held(
            &transaction,
            Held {
                octets,
                waiting_octets: octets,
                made,
            },
        )?;
        transaction.commit()?;
        database.close().map_err(|(_, error)| error)?;
        Ok(damaged)
    }
}

/// Has the next report get the number after this one.
fn number_from(database: &Connection, made: i64) -> rusqlite::Result<()> {
    database.execute("DELETE FROM sqlite_sequence WHERE name = 'report'", [])?;
    database.execute(
        "INSERT INTO sqlite_sequence (name, seq) VALUES ('report', ?1)",
        [made],
    )?;
    Ok(())
}

/// Removes a database with what SQLite keeps beside it.
fn remove(file: &Path) {
    for tail in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(tail);
        let _ = std::fs::remove_file(name);
    }
}
