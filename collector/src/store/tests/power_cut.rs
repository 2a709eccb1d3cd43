//! The files of SQLite as a cut of power may leave them: what was acknowledged is there, whatever became of the octets that
//! were written after it.

use std::fs;
use std::path::Path;

use super::*;

/// Reports in the store before the last commit, and with it.
const BEFORE: u64 = 12;
const AFTER: u64 = 15;

/// A store's files as a disk would hold them.
struct Disk {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Disk {
    fn of(directory: &Path) -> Self {
        Self {
            database: fs::read(directory.join("owl.sqlite")).unwrap(),
            log: fs::read(directory.join("owl.sqlite-wal")).unwrap(),
        }
    }

    /// Writes them, with another log, where a store is opened.
    fn put(&self, directory: &Path, log: &[u8]) {
        let _ = fs::remove_file(directory.join("owl.sqlite-shm"));
        fs::write(directory.join("owl.sqlite"), &self.database).unwrap();
        fs::write(directory.join("owl.sqlite-wal"), log).unwrap();
    }
}

/// In memory where there is a file system for that: no test here waits for a disk.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// A store right after a commit that was acknowledged, and after one commit more.
fn written() -> (Disk, Disk) {
    let directory = folder();
    let place = Place::in_directory(directory.path());
    let mut bench = Bench::on(place, Some(directory));
    let first = i64::try_from(BEFORE).unwrap();
    assert_eq!(bench.take(1, 0..first), Ok(BEFORE));
    let directory = bench.directory.as_ref().unwrap();
    let before = Disk::of(directory.path());
    let last = i64::try_from(AFTER).unwrap();
    assert_eq!(bench.take(BEFORE + 1, first..last), Ok(AFTER));
    let directory = bench.directory.as_ref().unwrap();
    (before, Disk::of(directory.path()))
}

/// The last number that is stored; each up to it must be there, once.
#[track_caller]
fn stored(place: &Place, what: &str) -> u64 {
    let rows = Reader::open(place).unwrap().probe_rows().unwrap();
    assert_eq!(rows.len(), 1, "{what}");
    assert_eq!(rows[0].rows, rows[0].stored_sequence, "{what}");
    assert!([BEFORE, AFTER].contains(&rows[0].rows), "{what}: {rows:?}");
    rows[0].rows
}

/// A collector begins there, counts what is there, and takes the next reports.
fn goes_on(place: Place, stored: u64) {
    let mut bench = Bench::on(place, None);
    assert_eq!(bench.totals().sent, stored * 10);
    let next = i64::try_from(stored).unwrap();
    assert_eq!(bench.take(stored + 1, next..next + 1), Ok(stored + 1));
    assert_eq!(bench.totals().sent, (stored + 1) * 10);
}

#[test]
fn a_power_cut_at_any_octet_after_an_acknowledgement_loses_nothing_of_what_was_acknowledged() {
    let (before, after) = written();
    assert_eq!(before.database, after.database, "nothing was folded back");
    assert_eq!(before.log, after.log[..before.log.len()]);
    let directory = folder();
    let place = Place::in_directory(directory.path());
    let mut whole = 0;
    for length in before.log.len()..=after.log.len() {
        after.put(directory.path(), &after.log[..length]);
        let stored = stored(&place, &format!("{length} octets"));
        whole += u64::from(stored == AFTER);
        if length % 1_013 == 0 || length == after.log.len() {
            goes_on(place.clone(), stored);
        }
    }
    assert!(whole > 0 && after.log.len() > before.log.len() + 4_096);
}

#[test]
fn a_power_cut_that_leaves_a_torn_tail_loses_nothing_of_what_was_acknowledged() {
    let (before, after) = written();
    let directory = folder();
    let place = Place::in_directory(directory.path());
    let mut torn = after.log.clone();
    for from in (before.log.len()..after.log.len()).step_by(67) {
        for filling in [0_u8, 0xFF, 0x5A] {
            torn.copy_from_slice(&after.log);
            torn[from..].fill(filling);
            after.put(directory.path(), &torn);
            stored(&place, &format!("{filling} from {from}"));
            // Only one block of the disk never came.
            torn.copy_from_slice(&after.log);
            let until = (from + 512).min(torn.len());
            torn[from..until].fill(filling);
            after.put(directory.path(), &torn);
            stored(&place, &format!("a hole of {filling} at {from}"));
        }
    }
}
