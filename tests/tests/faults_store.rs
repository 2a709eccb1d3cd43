//! A store that is locked by somebody else, or is not where it was: reports wait with their probes, and none is lost.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use owl_lab::feeder::{Feed, Measured, Queues, spool};
use owl_tests::network::{Network, WINDOW_NS, until};
use owl_tests::{Daemon, get, say};
use rusqlite::Connection;

const PROBE: &str = "p-north";
const SECOND_NS: i64 = 1_000_000_000;
const REPORTS: u64 = 600;

fn prepared() -> Network {
    let network = Network::of_two();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970");
    let then = i64::try_from(now.as_nanos()).expect("and before 2262") - 86_400 * SECOND_NS;
    let feed = Feed {
        from_ns: then - then % WINDOW_NS,
        length_ns: SECOND_NS,
        packets: 10,
        queues: Queues::Steady,
        step_ns: SECOND_NS,
        paths: vec![Measured::well("p-north~p-south")],
    };
    network.script(
        "feed.toml",
        3,
        Duration::from_millis(10),
        &[(PROBE, REPORTS, feed)],
    );
    network
}

fn feeder(network: &Network) -> Daemon {
    let mut command = Command::new(env!("CARGO_BIN_EXE_owl-feeder"));
    command.arg(network.file("feed.toml")).stderr(Stdio::null());
    Daemon::start(&mut command)
}

/// Waits until the collector says that its store refuses, and in its log why.
#[track_caller]
fn refuses(network: &Network, http: &str, why: &str) {
    until("the store refuses", || {
        get(http, "/healthz").is_ok_and(|(status, _)| status == 503)
    });
    let log = network.text("collector.log");
    assert!(log.contains(why), "{log}");
}

/// Waits until all reports are stored, once each.
#[track_caller]
fn all_stored(http: &str) {
    until("all is stored", || {
        Network::stored(http, PROBE).reports == REPORTS
    });
    let healthy = |answer: (u16, String)| answer.0 == 200;
    until("the collector is well", || {
        get(http, "/healthz").is_ok_and(healthy)
    });
}

#[test]
fn while_somebody_else_locks_the_store_reports_wait_and_none_is_lost() {
    let network = prepared();
    let (_collector, http) = network.collector();
    let feeder = feeder(&network);
    until("some reports are stored", || {
        Network::stored(&http, PROBE).reports > 50
    });
    let other = Connection::open(network.file("collector/owl.sqlite")).unwrap();
    other.busy_timeout(Duration::from_secs(30)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before: u64 = Network::stored(&http, PROBE).reports;
    refuses(&network, &http, "locked");
    // The probe makes all its reports meanwhile, and keeps them.
    feeder.line(Duration::from_secs(60), |line| {
        (line == "made").then_some(())
    });
    // Longer than the collector waits for a lock, and than a probe bears silence.
    thread::sleep(Duration::from_secs(10));
    assert_eq!(Network::stored(&http, PROBE).reports, before);
    other.execute_batch("ROLLBACK").unwrap();
    all_stored(&http);
    let log = network.text("collector.log");
    assert_eq!(log.matches("the store refuses").count(), 1, "{log}");
    assert_eq!(
        log.matches("the store takes reports again").count(),
        1,
        "{log}"
    );
    drop(feeder);
    let (_, counts) = spool(&network.file(PROBE)).unwrap();
    assert_eq!((counts.made, counts.dropped), (REPORTS, 0));
    say(format_args!(
        "the store was locked after {before} of {REPORTS} reports; all stored, 0 lost, 0 doubled"
    ));
}

#[test]
fn a_store_that_is_moved_away_acknowledges_nothing_until_it_is_back() {
    let network = prepared();
    let (_collector, http) = network.collector();
    let feeder = feeder(&network);
    until("some reports are stored", || {
        Network::stored(&http, PROBE).reports > 50
    });
    let (here, away) = (network.file("collector"), network.file("away"));
    fs::rename(&here, &away).unwrap();
    refuses(&network, &http, "put it back");
    feeder.line(Duration::from_secs(60), |line| {
        (line == "made").then_some(())
    });
    fs::rename(&away, &here).unwrap();
    all_stored(&http);
}

#[test]
fn a_store_that_is_removed_acknowledges_nothing_more_and_what_waits_comes_to_the_next_one() {
    let network = prepared();
    let (collector, http) = network.collector();
    let feeder = feeder(&network);
    until("some reports are stored", || {
        Network::stored(&http, PROBE).reports > 50
    });
    for file in ["owl.sqlite", "owl.sqlite-wal", "owl.sqlite-shm"] {
        fs::remove_file(network.file(&format!("collector/{file}"))).unwrap();
    }
    refuses(&network, &http, "start the collector again");
    feeder.line(Duration::from_secs(60), |line| {
        (line == "made").then_some(())
    });
    drop(collector);
    drop(feeder);
    let (_, counts) = spool(&network.file(PROBE)).unwrap();
    assert!(counts.waiting > 0, "what was not stored waits: {counts:?}");
    let (_collector, http) = network.collector();
    let _feeder = self::feeder(&network);
    until("what waited is stored", || {
        Network::stored(&http, PROBE).reports >= counts.waiting
    });
    say(format_args!(
        "the store was removed; {} reports that waited came to the next one",
        counts.waiting
    ));
}
