use std::sync::Arc;

use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Profile;
use owl_topology::Topology;

use super::database::{Database, Value};
use super::*;
use crate::judgement::Inputs;
use crate::testing::postgres::Server;
use crate::testing::{SECOND, report};
use crate::totals::Totals;
use crate::way::WayName;

mod access;
mod alerts;
mod power_cut;
mod upkeep;

use upkeep::a_store_is_read_from_beginning_to_end;

use alerts::{
    alerts_go_on_end_and_are_believed_receiver_by_receiver,
    maintenance_is_announced_once_and_ended_once_and_keeps_its_date,
};

use access::{
    records_of_two_writers_are_one_chain_and_what_is_refused_is_not_recorded,
    who_there_is_is_read_as_it_was_changed,
};

const PATH: &str = "yannan-ct~binhaigang-ct";
const RECEIVED_AT: Timestamp = Timestamp(7_000_000);

/// The same tests on both engines: on SQLite one by one, on PostgreSQL all in one server.
macro_rules! suite {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[test] fn $test() { super::$test(super::Bench::on_sqlite()); })*
        }

        #[test]
        fn the_whole_suite_holds_on_postgresql() {
            let Some(server) = Server::start() else { return };
            $(
                println!("{}", stringify!($test));
                $test(Bench::on(server.database(), None));
            )*
        }
    };
}

suite! {
    who_there_is_is_read_as_it_was_changed
    records_of_two_writers_are_one_chain_and_what_is_refused_is_not_recorded
    alerts_go_on_end_and_are_believed_receiver_by_receiver
    maintenance_is_announced_once_and_ended_once_and_keeps_its_date
    a_report_that_comes_again_is_stored_and_counted_once
    after_a_crash_everything_acknowledged_is_there_and_counts_go_on
    a_gap_is_awaited_until_its_reports_come_and_the_numbers_go_on_behind_it
    what_a_probe_says_is_gone_is_a_gap_with_a_name_and_nothing_else_is
    a_probe_that_cannot_be_asked_loses_what_it_leaves_out_at_once
    more_holes_than_are_waited_for_are_given_up_the_oldest_first
    a_rejected_report_uses_up_its_number_and_is_kept_aside
    what_is_kept_aside_is_bounded_and_the_oldest_make_room
    a_window_is_dirty_until_a_verdict_has_seen_its_last_report
    what_is_too_old_goes_in_pieces_and_counts_stay
    what_is_packed_is_read_as_it_came
    batches_that_somebody_else_has_packed_are_not_packed_again
    a_damaged_block_is_named_and_stops_nothing_else
    a_store_of_another_version_is_refused
    a_hop_count_that_changes_is_told_once_with_the_interval_that_had_it_first
    every_question_has_an_answer
    two_collectors_store_and_count_each_report_once
    a_store_is_read_from_beginning_to_end
}

/// A store without its thread, so that a test can do to it what a disk would.
struct Bench {
    place: Place,
    /// Of SQLite.
    directory: Option<tempfile::TempDir>,
    live: Arc<Live>,
    own: Arc<Own>,
    writer: Writer,
    /// Whether its probe knows of questions for numbers.
    can_be_asked: bool,
}

impl Bench {
    fn on_sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::on(Place::in_directory(directory.path()), Some(directory))
    }

    fn on(place: Place, directory: Option<tempfile::TempDir>) -> Self {
        let (live, own, writer) = open(&place);
        Self {
            place,
            directory,
            live,
            own,
            writer,
            can_be_asked: true,
        }
    }

    /// As after a crash: nothing is closed in order, the file is opened again.
    fn crash(self) -> Self {
        let Self {
            place,
            directory,
            writer,
            ..
        } = self;
        std::mem::forget(writer);
        Self::on(place, directory)
    }

    fn take(&mut self, first_sequence: u64, starts: std::ops::Range<i64>) -> Result<u64, Refused> {
        let reports = starts.map(|start| {
            let report = report(PATH, start);
            Ok(Admitted {
                body: report.encode(),
                report,
            })
        });
        self.arrive(first_sequence, reports.collect())
    }

    fn arrive(
        &mut self,
        first_sequence: u64,
        reports: Vec<Result<Admitted, Rejected>>,
    ) -> Result<u64, Refused> {
        let probe = "yannan-ct".to_owned();
        let arrival = Arrival {
            probe,
            epoch: u64::MAX,
            first_sequence,
            received_at: RECEIVED_AT,
            can_be_asked: self.can_be_asked,
            reports,
        };
        Ok(self.writer.commit(&[&Work::Arrival(arrival.into())])?[0])
    }

    /// Packs all batches; how many.
    fn pack(&mut self) -> u64 {
        let reader = self.reader();
        let (mut packed, mut after) = (0, 0);
        while let Some(pack) = reader.pack("yannan-ct", after).unwrap() {
            after = pack.last();
            packed += self.writer.commit(&[&Work::Pack(Box::new(pack))]).unwrap()[0];
        }
        packed
    }

    fn gone(&mut self, range: std::ops::RangeInclusive<u64>, loss: Loss) {
        let numbers = Numbers::of(u64::MAX, &range);
        let probe = "yannan-ct".to_owned();
        let work = Work::Gone {
            probe,
            numbers,
            loss,
            at: Timestamp(8),
        };
        self.writer.commit(&[&work]).unwrap();
    }

    /// The numbers that are shown as awaited, which are those of the store.
    fn awaited(&self) -> Vec<std::ops::RangeInclusive<u64>> {
        let table = self.live.read();
        let missing = numbers::all_missing(&self.writer.database).unwrap();
        let spool = ("yannan-ct".to_owned(), u64::MAX);
        let of_store = missing.get(&spool).cloned().unwrap_or_default();
        let shown = &table.probes["yannan-ct"].awaited;
        // A store that was just opened shows it for who has called.
        if table.probes["yannan-ct"].stored > 0 {
            assert_eq!(*shown, of_store);
        }
        of_store.ranges().collect()
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.place).unwrap()
    }

    fn totals(&self) -> Totals {
        self.live.read().path(PATH).unwrap().totals.clone()
    }

    #[track_caller]
    fn counted(&self, stored: u64, duplicate: u64, rejected: u64) {
        let of = |result| self.own.reports.with_label_values(&[result]).get();
        assert_eq!(
            (of("stored"), of("duplicate"), of("rejected")),
            (stored, duplicate, rejected)
        );
    }
}

fn open(place: &Place) -> (Arc<Live>, Arc<Own>, Writer) {
    let live = Arc::new(Live::new(&Topology::yancheng(), Some(&Profile::lab())));
    let own = Arc::new(Own::new());
    let windowing = Windowing::of(&live, Timestamp(0));
    let writer = Writer::open(
        place,
        windowing,
        Arc::clone(&live),
        Arc::clone(&own),
        Arc::new(Lease::on(place)),
    )
    .unwrap();
    (live, own, writer)
}

fn a_report_that_comes_again_is_stored_and_counted_once(mut bench: Bench) {
    assert_eq!(bench.take(1, 0..3), Ok(3));
    assert_eq!(bench.take(1, 0..3), Ok(3), "the same again");
    assert_eq!(bench.take(2, 1..5), Ok(5), "partly again");
    bench.counted(5, 5, 0);
    assert_eq!(bench.totals().sent, 50);
    let rows = bench.reader().probe_rows().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].epoch, rows[0].stored_sequence, rows[0].rows),
        (u64::MAX, 5, 5)
    );
}

fn after_a_crash_everything_acknowledged_is_there_and_counts_go_on(mut bench: Bench) {
    assert_eq!(bench.take(1, 0..4), Ok(4));
    let before = bench.totals();
    let mut bench = bench.crash();
    assert_eq!(bench.totals(), before);
    assert_eq!(bench.take(3, 2..6), Ok(6));
    bench.counted(2, 2, 0);
    assert_eq!(bench.totals().sent, 60);
    assert_eq!(
        bench
            .reader()
            .sessions(Timestamp(0), Timestamp(10 * SECOND))
            .unwrap()
            .of[PATH]
            .sent(),
        60
    );
}

fn a_gap_is_awaited_until_its_reports_come_and_the_numbers_go_on_behind_it(mut bench: Bench) {
    bench.take(1, 0..2).unwrap();
    assert_eq!(bench.take(5, 4..6), Ok(6));
    assert_eq!((bench.own.gaps.get(), bench.awaited()), (0, vec![3..=4]));
    let mut bench = bench.crash();
    assert_eq!(bench.awaited(), [3..=4], "also after a crash");
    bench.take(4, 3..4).unwrap();
    assert_eq!(bench.awaited(), [3..=3]);
    assert_eq!(bench.reader().probe_rows().unwrap()[0].stored_sequence, 2);
    bench.take(3, 2..4).unwrap();
    assert_eq!((bench.own.gaps.get(), bench.awaited()), (0, vec![]));
    bench.take(1, 0..6).unwrap();
    // One came twice before the crash, and all six after it.
    bench.counted(2, 7, 0);
    assert_eq!(bench.reader().probe_rows().unwrap()[0].rows, 6);
    assert_eq!(bench.reader().probe_rows().unwrap()[0].stored_sequence, 6);
}

fn what_a_probe_says_is_gone_is_a_gap_with_a_name_and_nothing_else_is(mut bench: Bench) {
    bench.take(10, 9..10).unwrap();
    bench.gone(1..=4, Loss::Full);
    bench.gone(3..=6, Loss::Released);
    bench.gone(9..=1_000, Loss::Damaged);
    let lost = |bench: &Bench, loss: &str| bench.own.missing.with_label_values(&[loss]).get();
    assert_eq!(bench.awaited(), [7..=8]);
    assert_eq!(bench.own.gaps.get(), 3);
    let counts = ["full", "released", "damaged"].map(|loss| lost(&bench, loss));
    assert_eq!(counts, [4, 2, 1]);
    bench.take(1, 0..1).unwrap();
    bench.counted(1, 1, 0);
    assert_eq!(bench.take(1_000, 10..11), Ok(1_000), "10 itself was there");
    let gaps = bench.reader().gaps().unwrap();
    let mut told: Vec<_> = gaps
        .iter()
        .map(|gap| (gap.first, gap.last, gap.loss.as_deref()))
        .collect();
    told.sort_unstable();
    let expected = [
        (1, 4, Some("full")),
        (5, 6, Some("released")),
        (7, 8, None),
        (9, 9, Some("damaged")),
        (11, 999, None),
    ];
    assert_eq!(told, expected);
}

fn a_probe_that_cannot_be_asked_loses_what_it_leaves_out_at_once(mut bench: Bench) {
    bench.can_be_asked = false;
    bench.take(1, 0..2).unwrap();
    assert_eq!(bench.take(5, 4..6), Ok(6));
    let unasked = bench.own.missing.with_label_values(&["unasked"]);
    assert_eq!((bench.own.gaps.get(), unasked.get()), (1, 2));
    assert_eq!(bench.awaited(), []);
}

fn more_holes_than_are_waited_for_are_given_up_the_oldest_first(mut bench: Bench) {
    let holes = crate::numbering::MISSING_MAX as u64 + 2;
    for hole in 1..=holes {
        bench.take(2 * hole, 0..1).unwrap();
    }
    let crowded = bench.own.missing.with_label_values(&["crowded"]);
    assert_eq!(crowded.get(), 2);
    assert_eq!(bench.awaited()[0], 5..=5);
}

fn a_rejected_report_uses_up_its_number_and_is_kept_aside(mut bench: Bench) {
    let of = |start| report(PATH, start).encode();
    let refused = |body, refusal| Err(Rejected { refusal, body });
    let batch = || {
        vec![
            refused(of(0), Refusal::Unplanned),
            refused(b"junk".to_vec(), Refusal::Unreadable),
        ]
    };
    assert_eq!(bench.arrive(1, batch()), Ok(2));
    assert_eq!(bench.arrive(1, batch()), Ok(2));
    assert_eq!(bench.take(3, 2..3), Ok(3));
    bench.counted(1, 2, 2);
    assert_eq!((bench.own.gaps.get(), bench.own.aside.get()), (0, 2));
    let kept = bench.reader().aside().unwrap();
    let told: Vec<_> = kept
        .iter()
        .map(|k| (k.sequence, k.reason.as_str()))
        .collect();
    assert_eq!(told, [(1, "unplanned"), (2, "unreadable")]);
    assert_eq!(kept[1].octets, 4);

    assert_eq!(bench.reader().asked().unwrap(), []);
    assert_eq!(ask_aside(&bench.place).unwrap(), 2);
    let asked = bench.reader().asked().unwrap();
    assert_eq!(asked[0].body, of(0));
    let again = |bench: &mut Bench, at: usize, outcome| {
        let aside = asked[at].clone();
        bench.writer.commit(&[&Work::Reexamined { aside, outcome }])
    };
    let good = || Ok(Box::new(report(PATH, 0)));
    assert_eq!(again(&mut bench, 0, good()), Ok(vec![1]));
    assert_eq!(again(&mut bench, 0, good()), Ok(vec![0]), "once");
    assert_eq!(again(&mut bench, 1, Err(Refusal::Future)), Ok(vec![0]));
    let left = bench.reader().aside().unwrap();
    assert_eq!((left.len(), left[0].reason.as_str()), (1, "future"));
    assert_eq!(bench.reader().asked().unwrap(), []);
    assert_eq!(bench.own.aside.get(), 1);
    assert_eq!(bench.totals().sent, 20, "it counts like one that came late");
    assert_eq!(bench.reader().probe_rows().unwrap()[0].rows, 2);
}

fn what_is_kept_aside_is_bounded_and_the_oldest_make_room(mut bench: Bench) {
    // As if the table were nearly full.
    let nearly = "UPDATE aside_held SET octets = 67108864 - 300";
    bench.writer.database.execute(nearly, &[]).unwrap();
    let refused = || {
        Err(Rejected {
            refusal: Refusal::Future,
            body: vec![7; 200],
        })
    };
    bench.arrive(1, vec![refused()]).unwrap();
    assert_eq!(bench.own.aside.get(), 1);
    bench.arrive(2, vec![refused()]).unwrap();
    assert_eq!(
        (bench.own.aside.get(), bench.own.aside_dropped.get()),
        (0, 2)
    );
    assert_eq!(bench.reader().aside().unwrap(), []);
}

#[test]
fn a_full_disk_acknowledges_nothing_says_so_and_is_over_when_there_is_room() {
    let mut bench = Bench::on_sqlite();
    bench.take(1, 0..1).unwrap();
    let ask = |bench: &Bench, sql: &str| {
        let answer = bench.writer.database.one::<i64>(sql, &[]).unwrap();
        answer.expect("a number")
    };
    let pages = ask(&bench, "PRAGMA page_count");
    let limit = |bench: &Bench, pages| {
        ask(bench, &format!("PRAGMA max_page_count = {pages}"));
    };
    limit(&bench, pages);
    assert_eq!(bench.take(2, 1..400), Err(Refused));
    assert!(
        bench
            .live
            .read()
            .store_failure
            .as_ref()
            .is_some_and(|why| why.contains("full"))
    );
    assert_eq!(
        bench.totals().sent,
        10,
        "nothing of a refused batch is counted"
    );
    bench.counted(1, 0, 0);
    limit(&bench, 1 << 20);
    assert_eq!(bench.take(2, 1..400), Ok(400));
    assert_eq!(bench.live.read().store_failure, None);
    assert_eq!(bench.totals().sent, 4_000);
}

fn a_window_is_dirty_until_a_verdict_has_seen_its_last_report(mut bench: Bench) {
    bench.take(1, 0..1).unwrap();
    let seen = bench.reader().dirty(Timestamp(10 * SECOND), 10).unwrap();
    assert_eq!(
        seen.iter()
            .map(|dirty| (dirty.length, dirty.start))
            .collect::<Vec<_>>(),
        [(Nanos::from_secs(10), Timestamp(0))]
    );
    let judge = |bench: &mut Bench, seen| {
        bench
            .writer
            .commit(&[&Work::Verdicts {
                judgements: vec![],
                book: Arc::new(Rulebook::of(&Topology::yancheng(), [])),
                seen: Some(seen),
                audited: None,
            }])
            .unwrap()
    };
    bench.take(2, 1..2).unwrap();
    judge(&mut bench, seen[0]);
    let again = bench.reader().dirty(Timestamp(10 * SECOND), 10).unwrap();
    assert_eq!(again.len(), 1, "a report came after the judge had looked");
    judge(&mut bench, again[0]);
    assert_eq!(
        bench.reader().dirty(Timestamp(10 * SECOND), 10).unwrap(),
        []
    );
}

fn what_is_too_old_goes_in_pieces_and_counts_stay(mut bench: Bench) {
    for start in 0..20 {
        bench.take(start as u64 + 1, start..start + 1).unwrap();
        if start == 9 {
            bench.pack();
        }
    }
    let before = Timestamp(15 * SECOND);
    let unmade = bench.reader().unmade(Timestamp(i64::MAX), 10).unwrap();
    let kept = bench.reader().oldest_report().unwrap();
    bench.writer.commit(&[&Work::Retain { before }]).unwrap();
    let left = bench.reader().oldest_report().unwrap();
    assert_eq!(left, kept, "its tiers are not made");
    let made = Change::Tiers {
        rows: Vec::new(),
        made: unmade,
    };
    bench.writer.commit(&[&Work::Tiers(made)]).unwrap();
    let removed = bench.writer.commit(&[&Work::Retain { before }]).unwrap()[0];
    assert!(removed >= 5, "{removed}");
    assert_eq!(
        bench
            .reader()
            .probe_rows()
            .unwrap()
            .iter()
            .map(|probe| probe.rows)
            .sum::<u64>(),
        6,
        "a batch and a block go once all of them is too old"
    );
    assert_eq!(bench.totals().sent, 200);
}

/// What the judge and whoever explains read of the first ten seconds.
fn read(bench: &Bench) -> (Inputs, u64, String) {
    let window = (Timestamp(0), Timestamp(10 * SECOND));
    let mut sessions = bench.reader().sessions(window.0, window.1).unwrap();
    assert!(sessions.damaged.is_none(), "{:?}", sessions.damaged);
    let reports = bench.reader().reports_of(PATH, window, 100).unwrap();
    let inputs = sessions.inputs.remove(PATH).unwrap();
    (inputs, sessions.of[PATH].sent(), format!("{reports:?}"))
}

fn what_is_packed_is_read_as_it_came(mut bench: Bench) {
    bench.take(1, 0..4).unwrap();
    bench.take(5, 4..6).unwrap();
    let before = read(&bench);
    assert_eq!((before.0.reports, before.1), (6, 60));
    assert_eq!(bench.pack(), 2);
    assert_eq!(read(&bench), before);
    bench.take(7, 6..12).unwrap();
    let late = read(&bench);
    assert_eq!((late.0.reports, late.1), (10, 100));
    let mut bench = bench.crash();
    assert_eq!(bench.pack(), 1);
    assert_eq!(read(&bench), late);
    assert_eq!(bench.pack(), 0, "nothing is left");
    let blocks: Option<i64> = bench
        .writer
        .database
        .one("SELECT count(*) FROM block", &[])
        .unwrap();
    assert_eq!(blocks, Some(2));
    let rows = bench.reader().probe_rows().unwrap();
    assert_eq!((rows[0].stored_sequence, rows[0].rows), (12, 12));
}

fn batches_that_somebody_else_has_packed_are_not_packed_again(mut bench: Bench) {
    bench.take(1, 0..4).unwrap();
    let twice = [(); 2].map(|()| bench.reader().pack("yannan-ct", 0).unwrap().unwrap());
    let [first, again] = twice.map(|pack| Work::Pack(Box::new(pack)));
    assert_eq!(bench.writer.commit(&[&first]), Ok(vec![1]));
    assert_eq!(bench.writer.commit(&[&again]), Ok(vec![0]));
    assert_eq!(read(&bench).0.reports, 4);
}

fn a_damaged_block_is_named_and_stops_nothing_else(mut bench: Bench) {
    bench.take(1, 0..4).unwrap();
    bench.pack();
    bench.take(5, 4..6).unwrap();
    let sql = "UPDATE block SET body = $1";
    bench
        .writer
        .database
        .execute(sql, &[Value::Octets(&[1, 2, 3])])
        .unwrap();
    let window = (Timestamp(0), Timestamp(10 * SECOND));
    let sessions = bench.reader().sessions(window.0, window.1).unwrap();
    assert_eq!(sessions.inputs[PATH].reports, 2);
    let (damage, count) = sessions.damaged.unwrap();
    assert_eq!(count, 1);
    assert!(damage.to_string().contains(PATH), "{damage}");
    let error = bench.reader().reports_of(PATH, window, 100).unwrap_err();
    assert!(matches!(error, StoreError::DamagedBlock { .. }), "{error}");
}

#[test]
fn one_state_directory_has_one_collector() {
    let directory = tempfile::tempdir().unwrap();
    let live = Arc::new(Live::new(&Topology::yancheng(), None));
    let own = Arc::new(Own::new());
    let open = || {
        Store::open(
            directory.path(),
            Windowing::of(&live, Timestamp(0)),
            &live,
            &own,
        )
    };
    let (store, writer) = open().unwrap();
    assert!(matches!(open(), Err(StoreError::Held { .. })));
    drop(store);
    writer.join();
    assert!(open().is_ok());
}

#[test]
fn a_file_elsewhere_has_one_collector_whatever_their_state() {
    let directory = tempfile::tempdir().unwrap();
    let live = Arc::new(Live::new(&Topology::yancheng(), None));
    let own = Arc::new(Own::new());
    let open = |state: &str| {
        Store::open_at(
            &directory.path().join(state),
            Place::Sqlite(directory.path().join("elsewhere/owl.sqlite")),
            Windowing::of(&live, Timestamp(0)),
            &live,
            &own,
        )
    };
    let (store, writer) = open("one").unwrap();
    let refused = open("other").map(|_| ()).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Held { directory } if directory.ends_with("elsewhere")),
        "{refused}"
    );
    drop(store);
    writer.join();
    assert!(open("other").is_ok());
}

fn a_store_of_another_version_is_refused(bench: Bench) {
    bench.writer.database.set_version(99).unwrap();
    let again = Writer::open(
        &bench.place,
        Windowing::of(&bench.live, Timestamp(0)),
        Arc::clone(&bench.live),
        Arc::clone(&bench.own),
        Arc::new(Lease::on(&bench.place)),
    );
    assert!(matches!(again, Err(StoreError::Version { found: 99, .. })));
}

/// A report whose packets reached the reflector with these TTLs, smallest and largest.
fn with_ttl(start_s: i64, ttl: (u8, u8)) -> Result<Admitted, Rejected> {
    let mut report = report(PATH, start_s);
    report.summary.forward.headers.ttl = Some(ttl);
    Ok(Admitted {
        body: report.encode(),
        report,
    })
}

fn a_hop_count_that_changes_is_told_once_with_the_interval_that_had_it_first(mut bench: Bench) {
    let same = |start, ttl| with_ttl(start, (ttl, ttl));
    bench
        .arrive(1, vec![same(0, 250), same(1, 250), with_ttl(2, (248, 250))])
        .unwrap();
    let changes = |bench: &Bench| {
        let told = bench.reader().hop_changes(PATH, 10).unwrap();
        assert!(
            told.iter()
                .all(|change| change.direction == WayName::Forward)
        );
        let each = told.iter();
        each.map(|change| (change.at.0 / SECOND, change.before, change.after))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        changes(&bench),
        [],
        "the first is none, and a mixture is none"
    );
    bench.arrive(4, vec![same(3, 248), same(4, 248)]).unwrap();
    assert_eq!(changes(&bench), [(3, 5, 7)]);
    let mut bench = bench.crash();
    bench.arrive(6, vec![same(5, 248)]).unwrap();
    assert_eq!(
        changes(&bench),
        [(3, 5, 7)],
        "what was seen last outlives a crash"
    );
    bench.arrive(7, vec![same(2, 250)]).unwrap();
    assert_eq!(
        changes(&bench),
        [(3, 5, 7)],
        "a report that comes late tells of no change"
    );
    bench.arrive(7, vec![same(2, 250)]).unwrap();
    assert_eq!(
        changes(&bench),
        [(3, 5, 7)],
        "nor does one that came before"
    );
    bench.arrive(8, vec![same(7, 250)]).unwrap();
    assert_eq!(changes(&bench), [(7, 7, 5), (3, 5, 7)]);
    assert_eq!(bench.totals().hop_changes, [2, 0]);
    let retain = Work::Retain {
        before: Timestamp(100 * SECOND),
    };
    bench.writer.commit(&[&retain]).unwrap();
    assert_eq!(
        changes(&bench),
        [(7, 7, 5)],
        "the next change is told from the last"
    );
}

/// The tables of a store of SQLite with their columns, and its indexes.
fn described(database: &Database) -> Vec<String> {
    let sql = "SELECT m.name || '.' || coalesce(c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk, '')
               FROM sqlite_schema AS m LEFT JOIN pragma_table_info(m.name) AS c
               WHERE m.name NOT LIKE 'sqlite_%' ORDER BY 1";
    database.rows(sql, &[], |row| row.get(0)).unwrap()
}

#[test]
fn a_store_of_the_first_version_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::in_directory(directory.path());
    let first = rusqlite::Connection::open(directory.path().join("owl.sqlite")).unwrap();
    first
        .execute_batch(include_str!("tests/version-1.sql"))
        .unwrap();
    // Two reports with the receipt of their batch, and one whose receipt is gone.
    for (sequence, start_s) in [(1, 0), (2, 1), (9, 2)] {
        let body = report(PATH, start_s).encode();
        let sql = "INSERT INTO report VALUES (?1, ?2, ?3, 'yannan-ct', -1, ?4, ?5)";
        let row = (PATH, start_s * SECOND, SECOND, sequence, body);
        first.execute(sql, row).unwrap();
    }
    let receipt = "INSERT INTO batch VALUES ('yannan-ct', -1, 1, 2, ?1)";
    first.execute(receipt, [RECEIVED_AT.0]).unwrap();
    drop(first);
    let (_, _, writer) = open(&place);
    assert_eq!(writer.database.version().unwrap(), schema::VERSION);
    assert_eq!(
        described(&writer.database),
        described(&Bench::on_sqlite().writer.database)
    );
    let all = (Timestamp(0), Timestamp(10 * SECOND));
    let packed = Reader::open(&place)
        .unwrap()
        .reports_of(PATH, all, 10)
        .unwrap();
    let told: Vec<_> = packed
        .iter()
        .map(|stored| {
            (
                stored.number.epoch,
                stored.number.sequence,
                stored.received_at,
            )
        })
        .collect();
    let of = |sequence, received_at| (u64::MAX, sequence, received_at);
    assert_eq!(
        told,
        [
            of(1, Some(RECEIVED_AT)),
            of(2, Some(RECEIVED_AT)),
            of(9, None)
        ]
    );
    for (stored, start_s) in packed.iter().zip(0..) {
        assert_eq!(stored.report, report(PATH, start_s).for_judge());
    }
}

fn every_question_has_an_answer(mut bench: Bench) {
    bench.take(1, 0..3).unwrap();
    let (reader, never) = (bench.reader(), Timestamp(0));
    let length = Nanos::from_secs(10);
    assert!(reader.dirty_window(length, never).unwrap().is_some());
    let reports = reader.reports_of(PATH, (never, Timestamp(2 * SECOND)), 10);
    let reports = reports.unwrap();
    assert_eq!(reports.len(), 2);
    assert!(
        reports
            .iter()
            .all(|report| report.received_at == Some(RECEIVED_AT))
    );
    let kept = KeptWindows {
        path: PATH,
        profile: "lab",
        length,
        start: never,
        end: Timestamp(SECOND),
    };
    assert_eq!(reader.in_short(&kept).unwrap().len(), 0);
    assert_eq!(reader.last_judged_by(PATH).unwrap(), None);
    for path in [None, Some(PATH)] {
        let query = HistoryQuery {
            path,
            since: never,
            after: None,
            limit: 10,
        };
        assert_eq!(reader.history(query).unwrap(), []);
        assert_eq!(reader.revisions(path, never, 10).unwrap().len(), 0);
    }
    for open in [None, Some(true), None] {
        let query = FindingsQuery {
            open,
            since: never,
            limit: 10,
        };
        assert_eq!(reader.findings(query).unwrap().len(), 0);
    }
    assert_eq!(reader.audited_windows(length).unwrap().len(), 0);
    assert_eq!(reader.rulebook("none").unwrap(), None);
    assert_eq!(reader.last_rulebook().unwrap(), None);
    for side in [Side::Before, Side::After] {
        assert_eq!(reader.windows_beside(PATH, never, side, 3).unwrap(), []);
    }
    let at_once: Result<_, StoreError> = reader.at_once(|reader| reader.verdicts_at(PATH, never));
    assert_eq!(at_once.unwrap(), []);
    let seen = last_seen(&bench.place).unwrap();
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [("yannan-ct".to_owned(), RECEIVED_AT)]
    );
}

fn two_collectors_store_and_count_each_report_once(mut one: Bench) {
    let mut other = Bench::on(one.place.clone(), None);
    assert_eq!(one.take(1, 0..3), Ok(3));
    assert_eq!(other.take(1, 0..5), Ok(5), "the same, and two more");
    assert_eq!(one.take(1, 0..5), Ok(5));
    assert_eq!(one.take(4, 3..7), Ok(7));
    let stored = |bench: &Bench| bench.own.reports.with_label_values(&["stored"]).get();
    assert_eq!((stored(&one), stored(&other)), (5, 2));
    assert_eq!(one.totals().sent, 70, "what the other one counted is seen");
    let mut one = one.crash();
    assert_eq!(one.totals().sent, 70);
    let hops = |start, ttl| vec![with_ttl(start, (ttl, ttl))];
    one.arrive(8, hops(7, 250)).unwrap();
    other.arrive(9, hops(8, 248)).unwrap();
    one.arrive(10, hops(9, 248)).unwrap();
    other.arrive(11, hops(10, 250)).unwrap();
    let told = one.reader().hop_changes(PATH, 10).unwrap();
    assert_eq!(told.len(), 3, "each change once, whoever saw it: {told:?}");
    assert_eq!(other.totals().hop_changes, [3, 0]);
}
