//! Reports on disk, until the collector has them, and for a while longer.
//!
//! A report gets its sequence number when it is committed here, with a full
//! sync: a number that was ever sent can never come to mean another report. An
//! acknowledged report stays for the replay horizon, in case the collector asks
//! for it again. The spool is bounded: at the bound acknowledged reports go
//! first, then the oldest of the others, because the windows that are judged
//! next are worth more than those of yesterday; these are a gap with a name.

mod config;
mod ranges;
mod rebuild;
mod schema;

use std::hash::{BuildHasher as _, RandomState};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use owl_measure::report::{Loss, Report};
use owl_measure::sequences::Sequences;
use rusqlite::{Connection, Transaction, params};
use sha2::{Digest as _, Sha256};

pub use config::SpoolConfig;
use schema::Held;

/// Reports that one commit releases at most, so that none is long.
const RELEASED_AT_ONCE: u64 = 4_096;
/// Ranges of waiting numbers; a collector that asks for more holes than these is answered in part, and asks again when it
/// is next connected.
const RANGES_MAX: usize = 1_024;
/// Losses that a connection is still to tell of. At the bound they are forgotten here: the collector misses the numbers
/// and asks.
const LOSSES_MAX: usize = 64;
const MINUTE_S: i64 = 60;

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

/// Reports on disk.
#[derive(Debug)]
pub struct Spool {
    database: Connection,
    file: PathBuf,
    epoch: u64,
    octets_max: i64,
    replay_s: i64,
    /// What waits and what is held, as it was committed last.
    waiting: Sequences,
    held: Held,
    /// The last number given out before this process had the spool, or when a collector last knew of all that were given out.
    settled: u64,
    /// Lost since a connection last asked.
    losses: Vec<(RangeInclusive<u64>, Loss)>,
}

/// A report as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// Its number within the epoch, from 1.
    pub sequence: u64,
    /// Its octets, as [`Report::encode`] made them.
    pub octets: Vec<u8>,
}

impl Spool {
    /// Opens the spool in a directory with the ordinary bounds, or makes one with a new epoch. One that is damaged is put
    /// aside under another name: measuring goes on, and the new epoch keeps old numbers from being mistaken.
    ///
    /// # Errors
    /// When neither can be done.
    pub fn open(directory: &Path) -> Result<Self, SpoolError> {
        Self::open_with(directory, SpoolConfig::default())
    }

    /// The same with other bounds.
    ///
    /// # Errors
    /// When neither can be done.
    pub fn open_with(directory: &Path, config: SpoolConfig) -> Result<Self, SpoolError> {
        std::fs::create_dir_all(directory).map_err(|source| SpoolError::Directory {
            directory: directory.into(),
            source,
        })?;
        let file = directory.join("spool.sqlite");
        match Self::open_file(&file, config) {
            Err(SpoolError::Database { source, .. }) if rebuild::is_damage(&source) => {
                let aside = directory.join(rebuild::ASIDE);
                tracing::error!(file = %file.display(), aside = %aside.display(), "the spool is damaged; it is put aside and a new one begun");
                // What cannot be moved is overwritten by the attempt that follows, or that attempt says why not.
                let _ = std::fs::rename(&file, aside);
                for tail in ["spool.sqlite-wal", "spool.sqlite-shm"] {
                    let _ = std::fs::remove_file(directory.join(tail));
                }
                Self::open_file(&file, config)
            }
            result => result,
        }
    }

    fn open_file(file: &Path, config: SpoolConfig) -> Result<Self, SpoolError> {
        let open = || -> rusqlite::Result<Self> {
            let mut database = Connection::open(file)?;
            schema::prepare(&mut database)?;
            let drawn = RandomState::new().hash_one(());
            database.execute(
                "INSERT OR IGNORE INTO epoch VALUES (1, ?1, 0)",
                [drawn.cast_signed()],
            )?;
            let epoch: i64 = database.query_row("SELECT epoch FROM epoch", [], |row| row.get(0))?;
            let held = schema::held(&database)?;
            Ok(Self {
                epoch: epoch.cast_unsigned(),
                waiting: ranges::waiting(&database)?,
                settled: held.made.cast_unsigned(),
                held,
                database,
                file: file.into(),
                octets_max: i64::try_from(config.octets_max).unwrap_or(i64::MAX),
                replay_s: config.replay.0 / 1_000_000_000,
                losses: Vec::new(),
            })
        };
        open().map_err(|source| SpoolError::Database {
            what: "open",
            file: file.into(),
            source,
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

    /// The last number given out.
    pub fn made(&self) -> u64 {
        self.held.made.cast_unsigned()
    }

    /// Commits reports, with a sync to the disk, and drops what is beyond the bound.
    ///
    /// # Errors
    /// When the database refuses; then none of them is kept.
    pub fn append(&mut self, reports: &[Report]) -> Result<(), SpoolError> {
        self.append_at(reports, now_s())
    }

    fn append_at(&mut self, reports: &[Report], now_s: i64) -> Result<(), SpoolError> {
        let (octets_max, replay_s) = (self.octets_max, self.replay_s);
        let dropped = self.mending("write to", |spool| {
            let mut dropped = Vec::new();
            spool.change(Durability::Synced, |change| {
                for report in reports {
                    change.insert(&report.encode())?;
                }
                change.release(now_s.saturating_sub(replay_s))?;
                dropped = change.make_room(octets_max)?;
                Ok(())
            })?;
            Ok(dropped)
        })?;
        self.lost(dropped);
        Ok(())
    }

    /// The first reports of a range of numbers that wait and are not among those `sent` already: at most so many, and so many
    /// octets of them, but one at least. Those that are on the disk no longer, or not as they were written, are lost.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn unsent(
        &mut self,
        range: RangeInclusive<u64>,
        sent: &Sequences,
        reports_max: u64,
        octets_max: usize,
    ) -> Result<Vec<Spooled>, SpoolError> {
        let mut free: Sequences = self.waiting.within(range).collect();
        for range in sent.ranges() {
            free.remove(range);
        }
        let (mut spooled, mut octets, mut damaged) = (Vec::new(), 0, Sequences::default());
        'all: for range in free.ranges() {
            let most = reports_max.saturating_sub(spooled.len() as u64);
            if most == 0 {
                break;
            }
            let last = (*range.end()).min(range.start().saturating_add(most - 1));
            for sequence in *range.start()..=last {
                match self.read(sequence).map_err(self.failed("read"))? {
                    Some(body) => {
                        octets += body.len();
                        if octets > octets_max && !spooled.is_empty() {
                            break 'all;
                        }
                        let octets = body;
                        spooled.push(Spooled { sequence, octets });
                    }
                    None => damaged.insert(sequence..=sequence),
                }
            }
        }
        if !damaged.is_empty() {
            self.damaged(&damaged)?;
        }
        Ok(spooled)
    }

    /// The body under a number; `None` when it is not there, or not what was written.
    fn read(&self, sequence: u64) -> rusqlite::Result<Option<Vec<u8>>> {
        let mut read = self
            .database
            .prepare_cached("SELECT body, digest FROM report WHERE sequence = ?1")?;
        let row = read.query_row([sequence.cast_signed()], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<i64>>(1)?))
        });
        match row {
            // The version before wrote no digest.
            Ok((body, written)) if written.is_none_or(|written| written == digest(&body)) => {
                Ok(Some(body))
            }
            Ok(_) | Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            Err(error) if rebuild::is_damage(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn damaged(&mut self, damaged: &Sequences) -> Result<(), SpoolError> {
        let file = self.file.display().to_string();
        tracing::error!(
            file,
            reports = damaged.count(),
            "reports on the disk are not what was written there; they are lost, and the collector is told"
        );
        self.mending("mark damage in", |spool| {
            let mut lost = Vec::new();
            spool.change(Durability::Synced, |change| {
                // Those that a rebuilt file does not have were told when it was made.
                for range in damaged.ranges() {
                    for waiting in change.waiting.within(range).collect::<Vec<_>>() {
                        change.lose(&waiting, Loss::Damaged)?;
                        lost.push((waiting, Loss::Damaged));
                    }
                }
                Ok(())
            })?;
            Ok(lost)
        })
        .map(|lost| self.lost(lost))
    }

    /// Notes that a collector has all reports of a range. They stay for the replay horizon. A crash may undo this, and then
    /// they are sent once more.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn acknowledge(&mut self, range: RangeInclusive<u64>) -> Result<(), SpoolError> {
        self.acknowledge_at(range, now_s())
    }

    fn acknowledge_at(&mut self, range: RangeInclusive<u64>, now_s: i64) -> Result<(), SpoolError> {
        if self.waiting.within(range.clone()).next().is_none() {
            return Ok(());
        }
        let minute_s = now_s.div_euclid(MINUTE_S) * MINUTE_S;
        self.mending("shorten", |spool| {
            spool.change(Durability::Written, |change| {
                change.acknowledge(range.clone(), minute_s)
            })
        })
    }

    /// Makes the reports of a range wait again. Tells which of them are not here any more, and why.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn again(
        &mut self,
        range: RangeInclusive<u64>,
    ) -> Result<Vec<(RangeInclusive<u64>, Loss)>, SpoolError> {
        let failed = self.failed("look into");
        if self.waiting.range_count() < RANGES_MAX {
            let write = |change: &mut Change<'_>| change.unacknowledge(&range);
            self.change(Durability::Written, write)
                .map_err(self.failed("look into"))?;
        }
        let mut absent: Sequences = [range.clone()].into_iter().collect();
        for waiting in self.waiting.within(range) {
            absent.remove(waiting);
        }
        let reasons = absent
            .ranges()
            .map(|range| ranges::reasons(&self.database, &range, self.made()));
        let reasons: rusqlite::Result<Vec<_>> = reasons.collect();
        Ok(reasons.map_err(failed)?.into_iter().flatten().collect())
    }

    /// A collector has numbers of this epoch up to `highest`. When more were given out than this spool knows, it is an older copy
    /// of the one that gave them out: a host was set back to a snapshot. Then the reports that this process made and no collector
    /// has get numbers behind that; those from before are what the collector knows by their numbers. Then tells the last number
    /// that is given out now.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn go_beyond(&mut self, highest: u64) -> Result<Option<u64>, SpoolError> {
        let made = self.made();
        let is_older = highest > made;
        if is_older {
            let renumbered = self.mending("number anew in", |spool| {
                let first = spool.settled.saturating_add(1);
                let by = highest - spool.settled;
                let moving: Sequences = spool.waiting.within(first..=u64::MAX).collect();
                spool.change(Durability::Synced, |change| change.renumber(&moving, by))?;
                Ok(moving.count())
            })?;
            tracing::warn!(
                file = %self.file.display(),
                given_out = made,
                collector_has = highest,
                renumbered,
                "the spool is an older copy of the one that the collector knows; its numbers go on behind that"
            );
        }
        self.settled = self.made();
        Ok(is_older.then_some(self.settled))
    }

    /// What was lost since this was last asked.
    pub(crate) fn losses(&mut self) -> Vec<(RangeInclusive<u64>, Loss)> {
        std::mem::take(&mut self.losses)
    }

    fn lost(&mut self, losses: Vec<(RangeInclusive<u64>, Loss)>) {
        self.losses.extend(losses);
        if self.losses.len() > LOSSES_MAX {
            self.losses.clear();
        }
    }

    /// Changes the tables in one transaction, and then what is known of them.
    fn change(
        &mut self,
        durability: Durability,
        write: impl FnOnce(&mut Change<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        self.database.execute_batch(durability.pragma())?;
        let mut change = Change {
            transaction: self.database.transaction()?,
            waiting: self.waiting.clone(),
            held: self.held,
        };
        write(&mut change)?;
        let Change {
            transaction,
            waiting,
            held,
        } = change;
        ranges::write_waiting(&transaction, &self.waiting, &waiting)?;
        schema::write_held(&transaction, held)?;
        transaction.commit()?;
        (self.waiting, self.held) = (waiting, held);
        Ok(())
    }

    /// How much of its room is taken by reports that no collector has, in millionths.
    pub fn filled_ppm(&self) -> u32 {
        let waiting = i128::from(self.held.waiting_octets) * 1_000_000;
        let filled = waiting / i128::from(self.octets_max.max(1));
        u32::try_from(filled.clamp(0, 1_000_000)).expect("a million fits")
    }

    /// How many reports wait, how many were made in this epoch, and how many were dropped at the bound.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn counts(&self) -> Result<SpoolCounts, SpoolError> {
        let dropped: i64 = self
            .database
            .query_row("SELECT dropped FROM epoch", [], |row| row.get(0))
            .map_err(self.failed("read"))?;
        Ok(SpoolCounts {
            waiting: self.waiting.count(),
            made: self.made(),
            dropped: dropped.cast_unsigned(),
            octets: self.held.octets.cast_unsigned(),
            waiting_octets: self.held.waiting_octets.cast_unsigned(),
            octets_max: self.octets_max.cast_unsigned(),
        })
    }
}

/// When a commit is over.
#[derive(Debug, Clone, Copy)]
enum Durability {
    /// When it is on the disk.
    Synced,
    /// When the system has it; the next synced commit carries it along.
    Written,
}

impl Durability {
    /// SQLite, with a write-ahead log: <https://sqlite.org/pragma.html#pragma_synchronous>.
    fn pragma(self) -> &'static str {
        match self {
            Self::Synced => "PRAGMA synchronous = FULL",
            Self::Written => "PRAGMA synchronous = NORMAL",
        }
    }
}

/// A transaction, and what it comes to.
struct Change<'a> {
    transaction: Transaction<'a>,
    waiting: Sequences,
    held: Held,
}

impl Change<'_> {
    fn insert(&mut self, body: &[u8]) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("INSERT INTO report (body, digest) VALUES (?1, ?2)")?
            .execute(params![body, digest(body)])?;
        self.held.made = self.transaction.last_insert_rowid();
        let sequence = self.held.made.cast_unsigned();
        self.waiting.insert(sequence..=sequence);
        let octets = i64::try_from(body.len()).unwrap_or(i64::MAX);
        self.held.octets += octets;
        self.held.waiting_octets += octets;
        Ok(())
    }

    /// Waiting numbers become higher ones, which nobody has, and so do all that will be given out.
    fn renumber(&mut self, moving: &Sequences, by: u64) -> rusqlite::Result<()> {
        for range in moving.ranges() {
            let (first, last) = ranges::columns(&range);
            let offset = i64::try_from(by).unwrap_or(i64::MAX);
            self.transaction
                .prepare_cached(
                    "UPDATE report SET sequence = sequence + ?3 WHERE sequence BETWEEN ?1 AND ?2",
                )?
                .execute([first, last, offset])?;
            self.waiting.remove(range.clone());
            self.waiting.insert(range.start() + by..=range.end() + by);
        }
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        self.held.made = self.held.made.saturating_add(by);
        schema::write_made(&self.transaction, self.held.made)
    }

    fn octets_of(&self, range: &RangeInclusive<u64>) -> rusqlite::Result<i64> {
        let (first, last) = ranges::columns(range);
        self.transaction
            .prepare_cached(
                "SELECT coalesce(sum(length(body)), 0) FROM report WHERE sequence BETWEEN ?1 AND ?2",
            )?
            .query_row([first, last], |row| row.get(0))
    }

    fn acknowledge(&mut self, range: RangeInclusive<u64>, minute_s: i64) -> rusqlite::Result<()> {
        for range in self.waiting.remove(range).ranges() {
            self.held.waiting_octets -= self.octets_of(&range)?;
            ranges::acknowledged(&self.transaction, &range, minute_s)?;
        }
        Ok(())
    }

    fn unacknowledge(&mut self, range: &RangeInclusive<u64>) -> rusqlite::Result<()> {
        for range in ranges::unacknowledge(&self.transaction, range)?.ranges() {
            self.held.waiting_octets += self.octets_of(&range)?;
            self.waiting.insert(range);
        }
        Ok(())
    }

    /// Waiting numbers that no report will be sent for.
    fn lose(&mut self, range: &RangeInclusive<u64>, loss: Loss) -> rusqlite::Result<()> {
        let octets = self.remove(range)?;
        self.held.waiting_octets -= octets;
        self.waiting.remove(range.clone());
        ranges::gone(&self.transaction, range, loss)
    }

    /// Takes the reports of a range off the disk; tells their octets.
    fn remove(&mut self, range: &RangeInclusive<u64>) -> rusqlite::Result<i64> {
        let octets = self.octets_of(range)?;
        let (first, last) = ranges::columns(range);
        self.transaction
            .prepare_cached("DELETE FROM report WHERE sequence BETWEEN ?1 AND ?2")?
            .execute([first, last])?;
        self.held.octets -= octets;
        Ok(octets)
    }

    /// Reports that were acknowledged before a second go, the oldest first.
    fn release(&mut self, before_s: i64) -> rusqlite::Result<()> {
        if let Some(range) = ranges::oldest_acknowledged(&self.transaction, before_s)? {
            let last = range.start().saturating_add(RELEASED_AT_ONCE - 1);
            self.forget(&(*range.start()..=last.min(*range.end())))?;
        }
        Ok(())
    }

    fn forget(&mut self, acknowledged: &RangeInclusive<u64>) -> rusqlite::Result<()> {
        ranges::unacknowledge(&self.transaction, acknowledged)?;
        self.remove(acknowledged).map(|_| ())
    }

    /// Makes room down to the bound; tells what was lost for it.
    fn make_room(&mut self, octets_max: i64) -> rusqlite::Result<Vec<(RangeInclusive<u64>, Loss)>> {
        let mut dropped = Sequences::default();
        while self.held.octets > octets_max {
            if let Some(range) = ranges::oldest_acknowledged(&self.transaction, i64::MAX)? {
                let range = self.enough_of(&range, octets_max)?;
                self.forget(&range)?;
                continue;
            }
            let oldest = self.waiting.ranges().next();
            // The newest report stays, however small the bound is.
            let Some(oldest) =
                oldest.filter(|range| *range.start() < self.held.made.cast_unsigned())
            else {
                break;
            };
            let last = (*oldest.end()).min(self.held.made.cast_unsigned() - 1);
            let range = self.enough_of(&(*oldest.start()..=last), octets_max)?;
            self.lose(&range, Loss::Full)?;
            dropped.insert(range);
        }
        if !dropped.is_empty() {
            self.transaction.execute(
                "UPDATE epoch SET dropped = dropped + ?1",
                [i64::try_from(dropped.count()).unwrap_or(i64::MAX)],
            )?;
        }
        Ok(dropped.ranges().map(|range| (range, Loss::Full)).collect())
    }

    /// As much of a range, from its begin, as must go.
    fn enough_of(
        &self,
        range: &RangeInclusive<u64>,
        octets_max: i64,
    ) -> rusqlite::Result<RangeInclusive<u64>> {
        let (first, last) = ranges::columns(range);
        let mut read = self.transaction.prepare_cached(
            "SELECT sequence, length(body) FROM report WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence",
        )?;
        let mut rows = read.query([first, last])?;
        let mut left = self.held.octets;
        while let Some(row) = rows.next()? {
            left -= row.get::<_, i64>(1)?;
            if left <= octets_max {
                return Ok(*range.start()..=row.get::<_, i64>(0)?.cast_unsigned());
            }
        }
        Ok(range.clone())
    }
}

/// The first 63 bits of a body's SHA-256: what the disk gives back is what it was given.
fn digest(body: &[u8]) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(body)[..8]);
    i64::from_be_bytes(first) & i64::MAX
}

/// The host's idea of time. A step of it forwards only releases what is acknowledged earlier.
fn now_s() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
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
    /// Octets of all reports that are kept.
    pub octets: u64,
    /// Octets of those that are not acknowledged.
    pub waiting_octets: u64,
    /// Octets of reports that are kept at most.
    pub octets_max: u64,
}

#[cfg(test)]
mod tests;
