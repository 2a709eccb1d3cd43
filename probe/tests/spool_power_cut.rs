//! The spool after a cut of power: what was committed is there, whatever became of the octets behind it; what the disk lost
//! is told by its numbers.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use owl_measure::clock::ClockState;
use owl_measure::report::Report;
use owl_measure::sequences::Sequences;
use owl_measure::summary::Recorder;
use owl_measure::time::{Nanos, Timestamp};
use owl_probe::spool::Spool;
use tempfile::TempDir;

/// Reports that are committed before the last commit, in commits of three.
const BEFORE: u64 = 24;

fn report(second: u64) -> Report {
    let start = Timestamp(i64::try_from(second).expect("a small number") * 1_000_000_000);
    let mut recorder = Recorder::new(Nanos::from_secs(1), Timestamp(0), vec![]);
    recorder.sent(start, Nanos::ZERO);
    Report {
        path: "a~b".into(),
        generation: "g".into(),
        flow: 0,
        packet_interval: Nanos::from_millis(100),
        summary: recorder
            .close(Timestamp(i64::MAX))
            .expect("an interval was begun"),
        clock: ClockState::default(),
    }
}

/// In memory where there is a file system for that: no test here waits for a disk.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        TempDir::new_in(memory).expect("a folder for the test")
    } else {
        TempDir::new().expect("a folder for the test")
    }
}

/// A spool's files as a disk would hold them.
#[derive(Clone)]
struct Disk {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Disk {
    fn of(directory: &Path) -> Self {
        Self {
            database: fs::read(directory.join("spool.sqlite")).expect("a spool has it"),
            log: fs::read(directory.join("spool.sqlite-wal")).unwrap_or_default(),
        }
    }

    /// Writes them where a spool is opened.
    fn put(&self, directory: &Path) {
        let _ = fs::remove_file(directory.join("spool.sqlite-shm"));
        for (name, octets) in [
            ("spool.sqlite", &self.database),
            ("spool.sqlite-wal", &self.log),
        ] {
            fs::write(directory.join(name), octets).expect("a file of the test's own");
        }
    }
}

/// A spool with [`BEFORE`] committed reports, its disk right then, and its disk after one commit more.
fn written() -> (Disk, Disk) {
    let directory = folder();
    let mut spool = Spool::open(directory.path()).unwrap();
    for first in (1..=BEFORE).step_by(3) {
        let reports: Vec<Report> = (first..first + 3).map(report).collect();
        spool.append(&reports).unwrap();
    }
    let before = Disk::of(directory.path());
    spool
        .append(&[report(BEFORE + 1), report(BEFORE + 2)])
        .unwrap();
    (before, Disk::of(directory.path()))
}

/// The numbers of a spool that can be read, each of which must be its own report.
#[track_caller]
fn readable(spool: &mut Spool) -> Vec<u64> {
    let all: RangeInclusive<u64> = 1..=u64::MAX;
    let read = spool
        .unsent(all, &Sequences::default(), 10_000, 1 << 30)
        .unwrap();
    for spooled in &read {
        assert_eq!(
            spooled.octets,
            report(spooled.sequence).encode(),
            "number {}",
            spooled.sequence
        );
    }
    read.iter().map(|spooled| spooled.sequence).collect()
}

/// Everything that was committed is there, the rest of the last commit wholly or not at all, and the spool goes on.
#[track_caller]
fn nothing_is_lost(directory: &Path, disk: &Disk, what: &str, goes_on: bool) -> bool {
    disk.put(directory);
    let mut spool = Spool::open(directory).unwrap_or_else(|error| panic!("{what}: {error}"));
    let read = readable(&mut spool);
    let last = read.len() as u64;
    assert_eq!(read, (1..=last).collect::<Vec<_>>(), "{what}");
    assert!(
        last == BEFORE || last == BEFORE + 2,
        "{what}: {last} reports"
    );
    if goes_on {
        spool.append(&[report(last + 1)]).unwrap();
        assert_eq!(readable(&mut spool).len() as u64, last + 1, "{what}");
    }
    last > BEFORE
}

#[test]
fn a_log_that_ends_at_any_octet_behind_the_last_commit_has_all_that_was_committed() {
    let (before, after) = written();
    let directory = folder();
    let mut cut = after.clone();
    for length in before.log.len()..=after.log.len() {
        cut.log.truncate(0);
        cut.log.extend_from_slice(&after.log[..length]);
        let goes_on = length % 97 == 0;
        let whole = nothing_is_lost(directory.path(), &cut, &format!("{length} octets"), goes_on);
        assert!(!whole || length > before.log.len());
    }
    assert!(after.log.len() > before.log.len() + 1_000);
}

#[test]
fn a_torn_tail_of_zeros_or_of_anything_else_is_no_part_of_the_log() {
    let (before, after) = written();
    let directory = folder();
    let fillings: [(&str, fn(usize) -> u8); 3] = [
        ("zeros", |_| 0),
        ("ones", |_| 0xFF),
        ("anything", |at| {
            (at.wrapping_mul(2_654_435_761) >> 13) as u8
        }),
    ];
    for (name, filling) in fillings {
        for from in (before.log.len()..after.log.len()).step_by(61) {
            let mut torn = after.clone();
            for (at, octet) in torn.log.iter_mut().enumerate().skip(from) {
                *octet = filling(at);
            }
            nothing_is_lost(
                directory.path(),
                &torn,
                &format!("{name} from {from}"),
                false,
            );
        }
    }
    // A page in the middle of the last commit that never came to the disk, while the ones behind it did.
    for from in (before.log.len()..after.log.len()).step_by(512) {
        let mut torn = after.clone();
        let until = (from + 512).min(torn.log.len());
        torn.log[from..until].fill(0);
        nothing_is_lost(directory.path(), &torn, &format!("a hole at {from}"), false);
    }
}

/// Each page of the database in turn, overwritten: a spool either says what it lost, by its numbers, or is put aside whole.
#[test]
fn damage_in_the_middle_is_named_and_takes_nothing_behind_it_along() {
    const MADE: u64 = 300;
    let directory = folder();
    let mut spool = Spool::open(directory.path()).unwrap();
    for first in (1..=MADE).step_by(20) {
        let reports: Vec<Report> = (first..first + 20).map(report).collect();
        spool.append(&reports).unwrap();
    }
    let epoch = spool.epoch();
    drop(spool);
    let whole = Disk::of(directory.path());
    assert!(whole.log.is_empty(), "who closes folds the log back");
    let (mut aside, mut named) = (0, 0);
    let pages = whole.database.len() / 4_096;
    for page in 0..pages {
        for filling in [0, 0xA5] {
            let directory = folder();
            let mut damaged = whole.clone();
            damaged.database[page * 4_096..(page + 1) * 4_096].fill(filling);
            damaged.put(directory.path());
            let what = format!("page {page} of {pages} filled with {filling}");
            let mut spool =
                Spool::open(directory.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
            let kept = put_aside(directory.path());
            if kept.is_empty() {
                assert_eq!(spool.epoch(), epoch, "{what}");
                let read = readable(&mut spool).len() as u64;
                let counts = spool.counts().unwrap();
                assert_eq!(counts.made, MADE, "{what}");
                // What is not read waits no longer, and the collector is told of it by its number.
                assert_eq!(read, counts.waiting, "{what}");
                named += MADE - read;
            } else {
                assert_ne!(
                    spool.epoch(),
                    epoch,
                    "{what}: old numbers must not come again"
                );
                aside += 1;
            }
            let next = spool.made() + 1;
            spool.append(&[report(next)]).unwrap();
            let last = readable(&mut spool).last().copied();
            assert_eq!(last, Some(spool.made()), "{what}");
        }
    }
    assert!(
        named > 0 && aside > 0,
        "{named} reports named, {aside} spools put aside"
    );
}

/// Files of damaged spools.
fn put_aside(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a folder of the test's own");
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().contains("damaged"))
        .collect()
}
