//! Reports that the collector has not acknowledged, on disk.
//!
//! A report gets its sequence number when it is committed here, with a full
//! sync: a number that was ever sent can never come to mean another report. The
//! spool is bounded; at the bound the oldest reports go, are counted, and leave
//! a gap that the collector sees.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};

use owl_measure::report::Report;
use rusqlite::{Connection, OptionalExtension as _, params};

/// Octets of reports kept at most: a week of a hundred sessions at one report each ten seconds.
const OCTETS_MAX: i64 = 2 << 30;

/// The spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The directory cannot be made.
    #[error("cannot make the directory {directory}", directory = .directory.display())]
    Directory {
        /// Which.
        directory: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The database refuses.
    #[error("cannot {what} the spool {file}", file = .file.display())]
    Database {
        /// What was attempted.
        what: &'static str,
        /// Which.
        file: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
}

/// Unacknowledged reports on disk.
#[derive(Debug)]
pub struct Spool {
    database: Connection,
    file: PathBuf,
    epoch: u64,
    octets_max: i64,
}

/// A report as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// Its number within the epoch, from 1.
    pub sequence: u64,
    /// The report.
    pub report: Report,
}

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS epoch (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, dropped INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS report (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
";

impl Spool {
    /// Opens the spool in a directory, or makes one with a new epoch. One that is damaged is put aside under another
    /// name: measuring goes on, and the new epoch keeps old numbers from being mistaken.
    ///
    /// # Errors
    /// When neither can be done.
    pub fn open(directory: &Path) -> Result<Self, SpoolError> {
        std::fs::create_dir_all(directory).map_err(|source| SpoolError::Directory {
            directory: directory.into(),
            source,
        })?;
        let file = directory.join("spool.sqlite");
        match Self::open_file(&file) {
            Err(SpoolError::Database {
                source: rusqlite::Error::SqliteFailure(error, _),
                ..
            }) if matches!(
                error.code,
                rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt
            ) =>
            {
                let aside = directory.join("spool.damaged.sqlite");
                tracing::error!(file = %file.display(), aside = %aside.display(), "the spool is damaged; it is put aside and a new one begun");
                // What cannot be moved is overwritten by the attempt that follows, or that attempt says why not.
                let _ = std::fs::rename(&file, aside);
                for tail in ["spool.sqlite-wal", "spool.sqlite-shm"] {
                    let _ = std::fs::remove_file(directory.join(tail));
                }
                Self::open_file(&file)
            }
            result => result,
        }
    }

    fn open_file(file: &Path) -> Result<Self, SpoolError> {
        let failed = |source| SpoolError::Database {
            what: "open",
            file: file.into(),
            source,
        };
        let database = Connection::open(file).map_err(failed)?;
        database.execute_batch(SCHEMA).map_err(failed)?;
        let drawn = RandomState::new().build_hasher().finish();
        database
            .execute(
                "INSERT OR IGNORE INTO epoch VALUES (1, ?1, 0)",
                [drawn.cast_signed()],
            )
            .map_err(failed)?;
        let epoch: i64 = database
            .query_row("SELECT epoch FROM epoch", [], |row| row.get(0))
            .map_err(failed)?;
        Ok(Self {
            database,
            file: file.into(),
            epoch: epoch.cast_unsigned(),
            octets_max: OCTETS_MAX,
        })
    }

    fn failed(&self, what: &'static str) -> impl FnOnce(rusqlite::Error) -> SpoolError + use<> {
        let file = self.file.clone();
        move |source| SpoolError::Database { what, file, source }
    }

    /// Which spool this is.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Commits reports, with a sync to the disk, and drops the oldest beyond the bound.
    ///
    /// # Errors
    /// When the database refuses; then none of them is kept.
    pub fn append(&mut self, reports: &[Report]) -> Result<(), SpoolError> {
        let (octets_max, failed) = (self.octets_max, self.failed("write to"));
        let mut write = || -> rusqlite::Result<()> {
            let transaction = self.database.transaction()?;
            {
                let mut insert =
                    transaction.prepare_cached("INSERT INTO report (body) VALUES (?1)")?;
                for report in reports {
                    insert.execute([report.encode()])?;
                }
            }
            let octets: i64 = transaction.query_row(
                "SELECT coalesce(sum(length(body)), 0) FROM report",
                [],
                |row| row.get(0),
            )?;
            if octets > octets_max {
                let dropped = transaction.execute(
                    "DELETE FROM report WHERE sequence <= (SELECT max(sequence) FROM (SELECT sequence,
                         sum(length(body)) OVER (ORDER BY sequence DESC) AS kept FROM report) WHERE kept > ?1)",
                    [octets_max],
                )?;
                transaction.execute("UPDATE epoch SET dropped = dropped + ?1", [dropped as i64])?;
            }
            transaction.commit()
        };
        write().map_err(failed)
    }

    /// The oldest reports after a number, at most so many and so many octets of them, but one at least.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn after(
        &self,
        sequence: u64,
        reports_max: usize,
        octets_max: usize,
    ) -> Result<Vec<Spooled>, SpoolError> {
        let read = || -> rusqlite::Result<Vec<Spooled>> {
            let mut statement = self.database.prepare_cached(
                "SELECT sequence, body FROM report WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
            )?;
            let mut rows = statement.query(params![sequence.cast_signed(), reports_max as i64])?;
            let (mut spooled, mut octets) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let (sequence, body): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
                octets += body.len();
                if octets > octets_max && !spooled.is_empty() {
                    break;
                }
                // A body that cannot be read any more is skipped; the gap in the numbers tells.
                if let Ok(report) = Report::decode(&body) {
                    spooled.push(Spooled {
                        sequence: sequence.cast_unsigned(),
                        report,
                    });
                }
            }
            Ok(spooled)
        };
        read().map_err(self.failed("read"))
    }

    /// Forgets everything up to and with a number.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn acknowledge(&self, sequence: u64) -> Result<(), SpoolError> {
        self.database
            .execute(
                "DELETE FROM report WHERE sequence <= ?1",
                [sequence.cast_signed()],
            )
            .map(|_| ())
            .map_err(self.failed("shorten"))
    }

    /// How many reports wait, how many were made in this epoch, and how many were dropped at the bound.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn counts(&self) -> Result<SpoolCounts, SpoolError> {
        let read = || -> rusqlite::Result<SpoolCounts> {
            let one = |sql: &str| {
                self.database
                    .query_row(sql, [], |row| row.get::<_, i64>(0))
                    .optional()
                    .map(|n| n.unwrap_or(0).cast_unsigned())
            };
            Ok(SpoolCounts {
                waiting: one("SELECT count(*) FROM report")?,
                made: one("SELECT seq FROM sqlite_sequence WHERE name = 'report'")?,
                dropped: one("SELECT dropped FROM epoch")?,
            })
        };
        read().map_err(self.failed("read"))
    }
}

/// What a spool holds and has held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpoolCounts {
    /// Not acknowledged yet.
    pub waiting: u64,
    /// Made in this epoch; the last number given out.
    pub made: u64,
    /// Dropped at the bound.
    pub dropped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::report;

    fn sequences(spool: &Spool, after: u64) -> Vec<u64> {
        spool
            .after(after, 1_000, 1 << 20)
            .unwrap()
            .iter()
            .map(|spooled| spooled.sequence)
            .collect()
    }

    #[test]
    fn what_was_committed_is_there_again_and_a_number_is_never_given_twice() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(directory.path()).unwrap();
        let epoch = spool.epoch();
        spool.append(&[report("a~b"), report("a~c")]).unwrap();
        spool.acknowledge(2).unwrap();
        drop(spool);
        let mut spool = Spool::open(directory.path()).unwrap();
        assert_eq!((spool.epoch(), sequences(&spool, 0)), (epoch, vec![]));
        spool
            .append(&[report("a~d"), report("a~e"), report("a~f")])
            .unwrap();
        assert_eq!(sequences(&spool, 0), [3, 4, 5]);
        spool.acknowledge(3).unwrap();
        assert_eq!(
            (sequences(&spool, 0), sequences(&spool, 4)),
            (vec![4, 5], vec![5])
        );
        assert_eq!(spool.after(0, 9, 1).unwrap()[0].report.path, "a~e");
        assert_eq!(
            spool.counts().unwrap(),
            SpoolCounts {
                waiting: 2,
                made: 5,
                dropped: 0
            }
        );
    }

    #[test]
    fn at_the_bound_the_oldest_go_and_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(directory.path()).unwrap();
        let one = report("a~b").encode().len() as i64;
        spool.octets_max = one * 3;
        for _ in 0..5 {
            spool.append(&[report("a~b")]).unwrap();
        }
        assert_eq!(sequences(&spool, 0), [3, 4, 5]);
        assert_eq!(spool.counts().unwrap().dropped, 2);
    }

    #[test]
    fn a_damaged_spool_is_put_aside_and_a_new_epoch_begun() {
        let directory = tempfile::tempdir().unwrap();
        let epoch = Spool::open(directory.path()).unwrap().epoch();
        std::fs::write(
            directory.path().join("spool.sqlite"),
            b"this is no database at all, only text".repeat(200),
        )
        .unwrap();
        let _ = std::fs::remove_file(directory.path().join("spool.sqlite-wal"));
        let mut spool = Spool::open(directory.path()).unwrap();
        assert_ne!(spool.epoch(), epoch);
        spool.append(&[report("a~b")]).unwrap();
        assert!(directory.path().join("spool.damaged.sqlite").exists());
    }
}
