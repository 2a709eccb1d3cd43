//! Processes that are killed at any moment: nothing acknowledged is lost, nothing is stored twice.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use owl_lab::feeder::{Feed, Measured, Queues, spool};
use owl_tests::network::{Dice, Network, WINDOW_NS, digest_of, until};
use owl_tests::{Daemon, say};

const SECOND_NS: i64 = 1_000_000_000;
const PROBE: &str = "p-north";
const PATH: &str = "p-north~p-south";
/// Deaths of the collector, of the probe, or of both.
const ROUNDS: u64 = 200;
/// The longest that both live in a round; a collector needs a quarter of it to start.
const LIFE_MS: u64 = 400;

/// The begin of a window, a day ago: reports of one second from there on.
fn feed() -> Feed {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970");
    let then = i64::try_from(now.as_nanos()).expect("and before 2262") - 86_400 * SECOND_NS;
    Feed {
        from_ns: then - then % WINDOW_NS,
        length_ns: SECOND_NS,
        packets: 10,
        queues: Queues::Steady,
        step_ns: SECOND_NS,
        paths: vec![Measured::well(PATH)],
    }
}

fn feeder(network: &Network) -> Daemon {
    let mut command = Command::new(env!("CARGO_BIN_EXE_owl-feeder"));
    command.arg(network.file("feed.toml")).stderr(Stdio::null());
    Daemon::start(&mut command)
}

/// What was lost or doubled when both were dead: every number that the spool let go must be stored, once.
#[track_caller]
fn accounted_for(network: &Network, http: &str, round: u64) -> u64 {
    let (_, counts) = spool(&network.file(PROBE)).expect("a spool that can be opened");
    let stored = Network::stored(http, PROBE);
    // Reports of now come before those of an outage, so there may be more than up to the first gap.
    assert!(stored.up_to <= stored.reports, "round {round}: {stored:?}");
    assert!(
        stored.reports >= counts.made - counts.waiting,
        "round {round}: {stored:?}, and the spool has {counts:?}"
    );
    assert!(
        stored.reports <= counts.made,
        "round {round}: {stored:?}, and the spool has {counts:?}"
    );
    stored.reports
}

#[test]
fn two_hundred_kills_lose_no_acknowledged_report_and_double_none() {
    let network = Network::of_two();
    let feed = feed();
    // More than can be made.
    let script = |until| {
        let probe = (PROBE, until, feed.clone());
        network.script("feed.toml", 2, Duration::from_millis(5), &[probe]);
    };
    script(1_000_000);
    let mut dice = Dice(20_261_123);
    let (mut advanced, mut last) = (0, 0);
    let mut deaths = [0; 4];
    let mut probe = None;
    for round in 0..ROUNDS {
        let who = dice.below(4) as usize;
        deaths[who] += 1;
        let life = Duration::from_millis(dice.below(LIFE_MS));
        if who == 0 {
            // In its start, which reads all that is there. A probe that lives finds nobody.
            let starting = Daemon::start(network.collecting().stdout(Stdio::piped()));
            thread::sleep(life / 4);
            drop(starting);
            continue;
        }
        let (collector, http) = network.collector();
        if probe.is_none() {
            let now = accounted_for(&network, &http, round);
            assert!(now >= last, "round {round}: {now} after {last}");
            advanced += u64::from(now > last);
            last = now;
        }
        let fed = probe.take().unwrap_or_else(|| feeder(&network));
        thread::sleep(life);
        match who {
            1 => {
                drop(collector);
                drop(fed);
            }
            2 => {
                drop(fed);
                drop(collector);
            }
            // The probe lives on, and finds another collector.
            _ => {
                drop(collector);
                probe = Some(fed);
            }
        }
    }
    drop(probe);

    let (epoch, counts) = spool(&network.file(PROBE)).unwrap();
    script(counts.made);
    let (_collector, http) = network.collector();
    let _probe = feeder(&network);
    until("all are stored", || {
        Network::stored(&http, PROBE).up_to == counts.made
    });
    let stored = Network::stored(&http, PROBE);
    assert_eq!((stored.up_to, stored.reports), (counts.made, counts.made));

    // Every window that the reports fill was judged from them, octet for octet.
    let a_window = (WINDOW_NS / SECOND_NS).unsigned_abs();
    let windows = counts.made / a_window;
    for window in 0..windows {
        let first = window * a_window + 1;
        let expected = digest_of(&feed, PROBE, epoch, first, first + a_window - 1);
        let at = feed.from_ns + window as i64 * WINDOW_NS;
        let question = format!("/api/v1/verdicts/explain?path={PATH}&at={at}");
        until("the window is judged from all its reports", || {
            let told = owl_tests::get(&http, &question);
            told.is_ok_and(|(status, told)| status == 200 && told.contains(&expected))
        });
        let told = Network::json(&http, &question);
        assert_eq!(told["recomputed"]["outcome"], "identical", "{told}");
    }
    assert!(
        advanced >= 5 && windows >= 10,
        "too little came through to show anything"
    );
    say(format_args!(
        "{ROUNDS} kills (collector in its start, collector first, probe first, collector alone: {deaths:?}): {} reports made, {} stored, \
         0 lost, 0 doubled; {windows} windows judged from the same octets; acknowledgements advanced in {advanced} rounds",
        counts.made, stored.reports
    ));
}

#[test]
fn a_probe_that_lives_calls_the_next_collector_as_soon_as_that_listens() {
    let network = Network::of_two();
    let probe = (PROBE, 1_000_000, feed());
    network.script("feed.toml", 2, Duration::from_millis(20), &[probe]);
    let (mut collector, mut http) = network.collector();
    let _probe = feeder(&network);
    let mut waits = Vec::new();
    for _ in 0..7 {
        let before = Network::stored(&http, PROBE).up_to;
        until("reports are acknowledged", || {
            Network::stored(&http, PROBE).up_to > before
        });
        drop(collector);
        (collector, http) = network.collector();
        let (listens, stored) = (Instant::now(), Network::stored(&http, PROBE).up_to);
        until("reports are acknowledged again", || {
            Network::stored(&http, PROBE).up_to > stored
        });
        waits.push(listens.elapsed().as_millis());
    }
    waits.sort_unstable();
    say(format_args!(
        "from the next collector's start to its first commit: {waits:?} ms"
    ));
}
