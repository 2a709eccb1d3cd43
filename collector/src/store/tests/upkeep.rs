//! Copies: made beside a running writer, looked through, put back.

use std::path::PathBuf;

use super::*;
use crate::store::database::values;
use crate::store::upkeep::{UpkeepError, back_up, restore, verify};

fn file(bench: &Bench, name: &str) -> PathBuf {
    bench.directory.as_ref().unwrap().path().join(name)
}

pub(super) fn a_store_is_read_from_beginning_to_end(mut bench: Bench) {
    bench.take(1, 0..3).unwrap();
    bench.take(4, 3..5).unwrap();
    let contents = verify(&bench.place).unwrap();
    assert_eq!(contents.version, schema::VERSION);
    assert_eq!((contents.reports, contents.batches), (5, 2));
    bench
        .writer
        .database
        .execute("UPDATE batch SET body = $1", &values![&b"\xff"[..]])
        .unwrap();
    let error = verify(&bench.place).unwrap_err();
    assert!(
        matches!(error, UpkeepError::Store(StoreError::DamagedBatch { .. })),
        "{error}"
    );
}

#[test]
fn a_copy_is_made_beside_the_writer_and_put_back_when_nobody_writes() {
    let mut bench = Bench::on_sqlite();
    bench.take(1, 0..3).unwrap();
    let (state, copy) = (file(&bench, ""), file(&bench, "copy.sqlite"));
    assert_eq!(back_up(&bench.place, &copy).unwrap().reports, 3);
    let again = back_up(&bench.place, &copy);
    assert!(matches!(again, Err(UpkeepError::There { .. })));
    bench.take(4, 3..5).unwrap();
    {
        let _held = hold(&state).unwrap();
        let held = restore(&state, &bench.place, &copy);
        assert!(matches!(
            held,
            Err(UpkeepError::Store(StoreError::Held { .. }))
        ));
    }
    let place = bench.place.clone();
    let Bench {
        directory, writer, ..
    } = bench;
    drop(writer);
    let (contents, before) = restore(&state, &place, &copy).unwrap();
    assert_eq!(contents.reports, 3);
    let before = Place::Sqlite(before.expect("there was a store"));
    assert_eq!(verify(&before).unwrap().reports, 5);
    let bench = Bench::on(place, directory);
    assert_eq!(bench.totals().sent, 30);
}

#[test]
fn a_damaged_copy_is_not_put_back() {
    let mut bench = Bench::on_sqlite();
    bench.take(1, 0..3).unwrap();
    let (state, copy) = (file(&bench, ""), file(&bench, "copy.sqlite"));
    back_up(&bench.place, &copy).unwrap();
    let mut octets = fs::read(&copy).unwrap();
    let half = octets.len() / 2;
    octets.truncate(half);
    fs::write(&copy, octets).unwrap();
    let error = restore(&state, &bench.place, &copy).unwrap_err();
    assert!(matches!(error, UpkeepError::Unsound { .. }), "{error}");
    assert_eq!(verify(&bench.place).unwrap().reports, 3);
}
