//! A probe's certificate runs out while it reports: the connection ends or goes on, and no report is lost either way.

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use owl_lab::feeder::{Feed, Measured, Queues, spool};
use owl_tests::network::{Network, WINDOW_NS, until};
use owl_tests::{Daemon, say};

const PROBE: &str = "p-north";
const SECOND_NS: i64 = 1_000_000_000;
const REPORTS: u64 = 1_500;
/// How long the certificate lasts from the moment it is written: some reports are on their way within, most are not.
const LIFE: Duration = Duration::from_secs(4);

fn prepared() -> Network {
    let network = Network::of_two();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970");
    let then = i64::try_from(now.as_nanos()).expect("and before 2262") - 86_400 * SECOND_NS;
    let feed = Feed {
        from_ns: then - then % WINDOW_NS,
        length_ns: SECOND_NS,
        step_ns: SECOND_NS,
        packets: 10,
        queues: Queues::Steady,
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

#[test]
fn a_certificate_that_runs_out_in_mid_stream_loses_nothing_and_another_one_lets_the_rest_through() {
    let network = prepared();
    let (collector, http) = network.collector();
    network.certify_for(PROBE, LIFE);
    let running = feeder(&network);
    until("some reports are stored", || {
        Network::stored(&http, PROBE).reports > 30
    });
    // Whatever the open connection does, the next one is refused.
    std::thread::sleep(LIFE);
    drop(collector);
    let (_collector, http) = network.collector();
    running.line(Duration::from_secs(60), |line| {
        (line == "made").then_some(())
    });
    until("the collector refuses the caller", || {
        let (_, metrics) = owl_tests::get(&http, "/metrics").expect("the collector answers");
        let refused = metrics
            .lines()
            .find_map(|line| line.strip_prefix("owl_collector_handshakes_refused_total "));
        refused.is_some_and(|count| count != "0")
    });
    let at_the_end = Network::stored(&http, PROBE);
    assert!(at_the_end.reports < REPORTS, "all went through in time");

    // The running probe reads its files at each call.
    network.certify_for(PROBE, Duration::from_secs(86_400));
    until("all is stored", || {
        Network::stored(&http, PROBE).reports == REPORTS
    });
    drop(running);
    let (_, counts) = spool(&network.file(PROBE)).unwrap();
    assert_eq!((counts.made, counts.dropped), (REPORTS, 0));
    say(format_args!(
        "the certificate ran out after {} of {REPORTS} reports; all stored with the next one, 0 lost, 0 doubled",
        at_the_end.reports
    ));
}
