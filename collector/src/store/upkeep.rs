//! Copies of a store: made, looked through, and put back.
//!
//! A copy of SQLite's is made with `VACUUM INTO`, which copies one moment of a
//! store that is written meanwhile. PostgreSQL has tools of its own.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::database::{Begin, Database, Purpose, Row, values};
use super::{Place, Reader, StoreError, batches, blocks, hold_both, schema, verdicts};

/// A copy that cannot be made, or a store that is not sound.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The store cannot be read, or something in it is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQLite finds its file damaged.
    #[error("the store {store} is damaged: {found}")]
    Unsound {
        /// Which store.
        store: Place,
        /// What SQLite says first.
        found: String,
    },
    /// PostgreSQL has tools of its own for it.
    #[error("the store is {store}")]
    Postgres {
        /// Which store.
        store: Place,
    },
    /// There is something already.
    #[error("{file} is there already")]
    There {
        /// The file.
        file: PathBuf,
    },
    /// A file cannot be copied or renamed.
    #[error("cannot write {file}")]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What a store holds that was read from beginning to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// The version of its schema.
    pub version: i64,
    /// Reports, in batches and in blocks.
    pub reports: u64,
    /// Batches as they came.
    pub batches: u64,
    /// Blocks of one path's reports.
    pub blocks: u64,
    /// Verdicts.
    pub verdicts: u64,
}

/// Reads a store from beginning to end: its schema must be known, SQLite must find its file whole, and every report and
/// verdict must be what was stored.
///
/// # Errors
/// With the first thing that is not as it should be.
pub fn verify(store: &Place) -> Result<Contents, UpkeepError> {
    look_through(store).map_err(|error| match error {
        UpkeepError::Store(StoreError::Database { store, source }) if source.is_damage() => {
            UpkeepError::Unsound {
                store,
                found: source.to_string(),
            }
        }
        error => error,
    })
}

fn look_through(store: &Place) -> Result<Contents, UpkeepError> {
    let reader = Reader::beside(store)?;
    let fault = |source| reader.fault(source);
    if let Place::Sqlite(_) = store {
        let found: Option<String> = reader
            .database
            .one("PRAGMA integrity_check(1)", &[])
            .map_err(fault)?;
        if let Some(found) = found.filter(|found| found != "ok") {
            return Err(UpkeepError::Unsound {
                store: store.clone(),
                found,
            });
        }
    }
    let snapshot = reader.database.begin(Begin::Snapshot).map_err(fault)?;
    let mut contents = Contents {
        version: schema::VERSION,
        reports: 0,
        batches: 0,
        blocks: 0,
        verdicts: 0,
    };
    // The first thing that is damaged; the rest is read all the same.
    let mut damaged: Option<StoreError> = None;
    let sql = format!("SELECT {} FROM batch", batches::COLUMNS);
    let read = |row: &Row<'_>| {
        let batch = batches::read(row)?;
        contents.batches += 1;
        match batch.reports {
            Some(reports) => {
                for report in reports {
                    contents.reports += 1;
                    if let Err(number) = report {
                        damaged.get_or_insert_with(|| reader.damaged_report(&number));
                    }
                }
            }
            None => {
                let probe: String = row.get(1)?;
                damaged.get_or_insert(StoreError::DamagedBatch {
                    store: store.clone(),
                    probe,
                    received_at: batch.received_at,
                });
            }
        }
        Ok(())
    };
    snapshot.query(&sql, &[], read).map_err(fault)?;
    let sql = format!("SELECT {} FROM block", blocks::COLUMNS);
    let read = |row: &Row<'_>| {
        let block = blocks::read(row)?;
        contents.blocks += 1;
        match block.reports {
            Ok(reports) => {
                for report in reports {
                    contents.reports += 1;
                    if let Err(number) = report {
                        damaged.get_or_insert_with(|| reader.damaged_report(&number));
                    }
                }
            }
            Err(source) => {
                damaged.get_or_insert(StoreError::DamagedBlock {
                    store: store.clone(),
                    path: block.path,
                    start: block.start,
                    source,
                });
            }
        }
        Ok(())
    };
    snapshot.query(&sql, &[], read).map_err(fault)?;
    let read = |row: &Row<'_>| {
        contents.verdicts += 1;
        if let Err(error) = reader.judgement(&verdicts::only(row)?) {
            damaged.get_or_insert(error);
        }
        Ok(())
    };
    snapshot
        .query(
            &format!("SELECT {} FROM verdict", verdicts::COLUMNS),
            &[],
            read,
        )
        .map_err(fault)?;
    damaged.map_or(Ok(contents), |damaged| Err(damaged.into()))
}

/// Copies a store of SQLite into a file that is not there yet, while its collector runs; the copy is verified.
///
/// # Errors
/// When the store is PostgreSQL's, cannot be read, or the file cannot be written.
pub fn back_up(store: &Place, copy: &Path) -> Result<Contents, UpkeepError> {
    let Place::Sqlite(_) = store else {
        return Err(UpkeepError::Postgres {
            store: store.clone(),
        });
    };
    if copy.exists() {
        return Err(UpkeepError::There {
            file: copy.to_owned(),
        });
    }
    let part = beside(copy, "part");
    let database = Database::connect(store, Purpose::Read).map_err(super::refused(store))?;
    schema::check(&database)?;
    // What an earlier attempt left.
    if part.exists() {
        fs::remove_file(&part).map_err(fault(&part))?;
    }
    database
        .execute("VACUUM INTO $1", &values![&part.display().to_string()])
        .map_err(super::refused(store))?;
    let contents = verify(&Place::Sqlite(part.clone()))?;
    put(&part, copy)?;
    Ok(contents)
}

/// Puts a copy in the place of the store of SQLite in a state directory, which no collector may hold; the copy is verified
/// first. Where the store is kept that was there.
///
/// # Errors
/// When the store is PostgreSQL's, a collector holds it, the copy is not sound, or a file cannot be written.
pub fn restore(
    state: &Path,
    store: &Place,
    copy: &Path,
) -> Result<(Contents, Option<PathBuf>), UpkeepError> {
    let Place::Sqlite(file) = store else {
        return Err(UpkeepError::Postgres {
            store: store.clone(),
        });
    };
    let _locks = hold_both(state, store)?;
    let contents = verify(&Place::Sqlite(copy.to_owned()))?;
    let part = beside(file, "part");
    fs::copy(copy, &part).map_err(fault(&part))?;
    let before = unused(file);
    let there = file.exists();
    if there {
        // A collector that was killed left part of it in the log beside it.
        Database::connect(store, Purpose::Write)
            .and_then(|database| database.fold())
            .map_err(super::refused(store))?;
        fs::rename(file, &before).map_err(fault(&before))?;
    }
    for log in ["-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(log);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(fault(Path::new(&name))(error));
            }
            _ => {}
        }
    }
    put(&part, file)?;
    Ok((contents, there.then_some(before)))
}

fn fault(file: &Path) -> impl Fn(io::Error) -> UpkeepError {
    |source| UpkeepError::File {
        file: file.to_owned(),
        source,
    }
}

/// A name for the store that was there; one that an earlier restoration kept is not taken.
fn unused(file: &Path) -> PathBuf {
    let numbered = (2..=u32::MAX).map(|number| beside(file, &format!("before-{number}")));
    let mut names = std::iter::once(beside(file, "before")).chain(numbered);
    let free = names.find(|name| !name.exists());
    free.expect("a directory does not hold four billion files")
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Gives a file its name once all of it is on the disk.
fn put(part: &Path, file: &Path) -> Result<(), UpkeepError> {
    let synced = File::open(part).and_then(|part| part.sync_all());
    synced.map_err(fault(part))?;
    fs::rename(part, file).map_err(fault(file))?;
    let directory = match file.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(fault(directory))
}
