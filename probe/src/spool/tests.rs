//! A spool in a directory of its own each.

use super::*;
use crate::testing::report;
use owl_measure::time::Nanos;

const HOUR_S: i64 = 3_600;

fn spool_of(octets_max: u64) -> (tempfile::TempDir, Spool) {
    let directory = tempfile::tempdir().unwrap();
    let config = SpoolConfig {
        octets_max,
        ..SpoolConfig::default()
    };
    let spool = Spool::open_with(directory.path(), config).unwrap();
    (directory, spool)
}

fn fill(spool: &mut Spool, reports: usize) {
    spool.append(&vec![report("a~b"); reports]).unwrap();
}

/// The numbers that would be sent next.
fn unsent(spool: &mut Spool) -> Vec<u64> {
    let sent = Sequences::default();
    let spooled = spool.unsent(1..=u64::MAX, &sent, 1_000, 1 << 20).unwrap();
    spooled.iter().map(|spooled| spooled.sequence).collect()
}

fn told(spool: &mut Spool, asked: RangeInclusive<u64>) -> Vec<(RangeInclusive<u64>, Loss)> {
    spool.again(asked).unwrap()
}

#[test]
fn what_was_committed_is_there_again_and_a_number_is_never_given_twice() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(directory.path()).unwrap();
    let epoch = spool.epoch();
    spool.append(&[report("a~b"), report("a~c")]).unwrap();
    spool.acknowledge(1..=2).unwrap();
    drop(spool);
    let mut spool = Spool::open(directory.path()).unwrap();
    assert_eq!((spool.epoch(), unsent(&mut spool)), (epoch, vec![]));
    spool
        .append(&[report("a~d"), report("a~e"), report("a~f")])
        .unwrap();
    assert_eq!(unsent(&mut spool), [3, 4, 5]);
    spool.acknowledge(1..=3).unwrap();
    assert_eq!(unsent(&mut spool), [4, 5]);
    let none = Sequences::default();
    let one = spool.unsent(1..=9, &none, 9, 1).unwrap();
    assert_eq!(one.len(), 1, "one at least, however large");
    assert_eq!(Report::decode(&one[0].octets), Ok(report("a~e")));
    let counts = spool.counts().unwrap();
    assert_eq!((counts.waiting, counts.made, counts.dropped), (2, 5, 0));
    let each = report("a~b").encode().len() as u64;
    assert_eq!((counts.octets, counts.waiting_octets), (5 * each, 2 * each));
    let filled = 2 * each * 1_000_000 / counts.octets_max;
    assert_eq!(u64::from(spool.filled_ppm()), filled);
}

#[test]
fn an_older_copy_of_a_spool_gives_no_number_out_twice_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(directory.path()).unwrap();
    spool.append(&[report("a~b"), report("a~c")]).unwrap();
    drop(spool);
    // The collector has 5 numbers of it: the host was set back to when there were 2.
    let mut spool = Spool::open(directory.path()).unwrap();
    spool.append(&[report("a~d"), report("a~e")]).unwrap();
    assert_eq!(spool.go_beyond(5).unwrap(), Some(7));
    assert_eq!(
        unsent(&mut spool),
        [1, 2, 6, 7],
        "1 and 2 are what they were"
    );
    let none = Sequences::default();
    let body = |spool: &mut Spool, number| {
        let found = spool.unsent(number..=number, &none, 1, 9_999).unwrap();
        Report::decode(&found[0].octets).unwrap()
    };
    assert_eq!(body(&mut spool, 6), report("a~d"));
    spool.append(&[report("a~f")]).unwrap();
    assert_eq!(body(&mut spool, 8), report("a~f"));
    let counts = spool.counts().unwrap();
    drop(spool);
    let mut spool = Spool::open(directory.path()).unwrap();
    assert_eq!(spool.counts().unwrap(), counts);
    assert_eq!(unsent(&mut spool), [1, 2, 6, 7, 8]);
    assert_eq!(spool.go_beyond(8).unwrap(), None, "nothing is news to it");
    assert_eq!(told(&mut spool, 3..=5), [(3..=5, Loss::Released)]);
}

#[test]
fn what_is_sent_already_is_not_sent_again_and_order_is_kept() {
    let (_directory, mut spool) = spool_of(1 << 20);
    fill(&mut spool, 9);
    let sent: Sequences = [2..=3, 5..=5].into_iter().collect();
    let mut next = |range, most| {
        let spooled = spool.unsent(range, &sent, most, 1 << 20).unwrap();
        spooled.iter().map(|s| s.sequence).collect::<Vec<_>>()
    };
    assert_eq!(next(1..=9, 100), [1, 4, 6, 7, 8, 9]);
    assert_eq!(next(1..=9, 3), [1, 4, 6]);
    assert_eq!(next(6..=7, 3), [6, 7]);
    assert_eq!(next(2..=3, 3), [0_u64; 0]);
}

#[test]
fn an_acknowledged_report_is_there_for_who_asks_again_until_the_horizon() {
    let (_directory, mut spool) = spool_of(1 << 20);
    let append = |spool: &mut Spool, at_s| spool.append_at(&[report("a~b")], at_s).unwrap();
    for _ in 0..5 {
        append(&mut spool, 0);
    }
    spool.acknowledge_at(1..=2, 60).unwrap();
    spool.acknowledge_at(3..=4, HOUR_S).unwrap();
    assert_eq!(told(&mut spool, 1..=3), []);
    assert_eq!(unsent(&mut spool), [1, 2, 3, 5]);
    spool.acknowledge_at(1..=3, 2 * HOUR_S).unwrap();
    append(&mut spool, 25 * HOUR_S);
    // 4 was acknowledged an hour in, and a day has passed.
    append(&mut spool, 25 * HOUR_S + 61);
    assert_eq!(
        told(&mut spool, 1..=9),
        [(4..=4, Loss::Released), (8..=9, Loss::Unknown)]
    );
    assert_eq!(unsent(&mut spool), [1, 2, 3, 5, 6, 7]);
    let counts = spool.counts().unwrap();
    assert_eq!(counts.octets, counts.waiting_octets);
    assert_eq!(counts.dropped, 0, "released is not dropped");
}

#[test]
fn at_the_bound_acknowledged_reports_go_first_then_the_oldest_and_both_are_told() {
    let one = report("a~b").encode().len() as u64;
    let (directory, mut spool) = spool_of(one * 1_000);
    spool.octets_max = (one * 4).cast_signed();
    fill(&mut spool, 4);
    spool.acknowledge(2..=2).unwrap();
    fill(&mut spool, 1);
    assert_eq!(unsent(&mut spool), [1, 3, 4, 5], "2 made room");
    assert_eq!(spool.losses(), []);
    for _ in 0..2 {
        fill(&mut spool, 1);
    }
    assert_eq!(unsent(&mut spool), [4, 5, 6, 7]);
    assert_eq!(spool.losses(), [(1..=1, Loss::Full), (3..=3, Loss::Full)]);
    assert_eq!(spool.losses(), []);
    let expected = [
        (1..=1, Loss::Full),
        (2..=2, Loss::Released),
        (3..=3, Loss::Full),
    ];
    assert_eq!(told(&mut spool, 1..=5), expected);
    assert_eq!(spool.counts().unwrap().dropped, 2);
    drop(spool);
    let mut spool = Spool::open(directory.path()).unwrap();
    assert_eq!(told(&mut spool, 1..=3), expected, "also after a restart");
    spool.octets_max = 1;
    fill(&mut spool, 3);
    assert_eq!(unsent(&mut spool), [10], "the newest stays");
}

#[test]
fn a_report_that_the_disk_changed_is_lost_by_name_and_no_other_is() {
    let (_directory, mut spool) = spool_of(1 << 20);
    fill(&mut spool, 5);
    let change = |spool: &Spool, sql: &str| spool.database.execute(sql, []).unwrap();
    change(
        &spool,
        "UPDATE report SET body = zeroblob(length(body)) WHERE sequence = 2",
    );
    change(&spool, "DELETE FROM report WHERE sequence = 4");
    assert_eq!(unsent(&mut spool), [1, 3, 5]);
    let expected = [(2..=2, Loss::Damaged), (4..=4, Loss::Damaged)];
    assert_eq!(spool.losses(), expected);
    assert_eq!(told(&mut spool, 1..=5), expected);
    assert_eq!(spool.counts().unwrap().waiting, 3);
}

#[test]
fn a_spool_of_the_version_before_keeps_what_it_holds_also_after_a_way_back_and_forth() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("spool.sqlite");
    let body = report("a~b").encode();
    let old = |from_s: &str| {
        let database = Connection::open(&file).unwrap();
        database.execute_batch(from_s).unwrap();
        for _ in 0..3 {
            database
                .execute("INSERT INTO report (body) VALUES (?1)", [&body])
                .unwrap();
        }
        database
            .execute("DELETE FROM report WHERE sequence = 2", [])
            .unwrap();
    };
    old("CREATE TABLE epoch (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, dropped INTEGER NOT NULL);
         CREATE TABLE report (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
         INSERT INTO epoch VALUES (1, 7, 1);");
    let mut spool = Spool::open(directory.path()).unwrap();
    assert_eq!((spool.epoch(), spool.counts().unwrap().dropped), (7, 1));
    assert_eq!(unsent(&mut spool), [1, 3]);
    spool.acknowledge(1..=1).unwrap();
    drop(spool);
    old("");
    let mut spool = Spool::open(directory.path()).unwrap();
    assert_eq!(unsent(&mut spool), [3, 4, 5, 6]);
    let counts = spool.counts().unwrap();
    assert_eq!(counts.octets, 5 * body.len() as u64);
    assert_eq!(counts.waiting_octets, 4 * body.len() as u64);
}

#[test]
fn asking_for_ever_more_holes_is_bounded() {
    let (_directory, mut spool) = spool_of(1 << 30);
    fill(&mut spool, 3 * RANGES_MAX);
    spool.acknowledge(1..=3 * RANGES_MAX as u64).unwrap();
    for hole in 0..2 * RANGES_MAX as u64 {
        spool.again(2 * hole + 1..=2 * hole + 1).unwrap();
    }
    assert_eq!(spool.waiting.range_count(), RANGES_MAX);
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

#[test]
fn bounds_that_cannot_be_meant_are_refused() {
    let config = SpoolConfig::default();
    assert_eq!(config.refused(), None);
    let small = SpoolConfig {
        octets_max: 1,
        ..config
    };
    let long = SpoolConfig {
        replay: Nanos::from_secs(32 * 86_400),
        ..config
    };
    assert!(small.refused().is_some() && long.refused().is_some());
}
