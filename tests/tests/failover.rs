//! Two collectors on one PostgreSQL with a synchronous standby: a collector dies, then the primary does.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use owl_lab::feeder::{Feed, Measured, Queues, spool};
use owl_tests::network::{Network, Stored, WINDOW_NS, digest_of, until};
use owl_tests::postgres::Postgres;
use owl_tests::{Daemon, get, say};

const SECOND_NS: i64 = 1_000_000_000;
const PROBE: &str = "p-north";
const PATH: &str = "p-north~p-south";

fn feed() -> Feed {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970");
    let then = i64::try_from(now.as_nanos()).expect("and before 2262") - 86_400 * SECOND_NS;
    Feed {
        from_ns: then - then % WINDOW_NS,
        length_ns: SECOND_NS,
        step_ns: SECOND_NS,
        packets: 10,
        queues: Queues::Steady,
        paths: vec![Measured::well(PATH)],
    }
}

/// Two collectors' files, and a probe that knows both intakes: the second collector has a folder of its own, and the same
/// store.
fn two_collectors(network: &Network, store: &str) {
    let intake_of = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("intake = "));
        line.expect("a collector has an intake")["intake = ".len()..].to_owned()
    };
    let write = |name: &str, text: &str| {
        fs::write(network.file(name), text).expect("the test's own folder")
    };
    let first = network.text("collector.toml") + &format!("store = \"{store}\"\n");
    let (intake, free) = (
        intake_of(&first),
        std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port of loopback"),
    );
    let other = format!("\"{}\"", free.local_addr().expect("it was bound"));
    write("collector.toml", &first);
    write(
        "other.toml",
        &first
            .replace(&intake, &other)
            .replace("state = \"collector\"", "state = \"other\""),
    );
    let probe = network.text(&format!("{PROBE}.toml"));
    write(
        &format!("{PROBE}.toml"),
        &probe.replace(
            &format!("collector = {intake}"),
            &format!("collector = [{intake}, {other}]"),
        ),
    );
}

fn start(network: &Network, config: &str) -> (Daemon, String) {
    Network::listening(Daemon::start(
        &mut network.owl(&["collector", "--config", config], &format!("{config}.log")),
    ))
}

fn feeder(network: &Network) -> Daemon {
    let mut command = Command::new(env!("CARGO_BIN_EXE_owl-feeder"));
    command.arg(network.file("feed.toml")).stderr(Stdio::null());
    Daemon::start(&mut command)
}

/// What a collector has, if it can say so at the moment.
fn stored(http: &str) -> Option<Stored> {
    let (status, _) = get(http, "/api/v1/store").ok()?;
    (status == 200).then(|| Network::stored(http, PROBE))
}

/// Looks at what is stored, again and again, and keeps when it grew.
struct Watch {
    grew: Arc<Mutex<Vec<(Instant, u64)>>>,
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watch {
    fn on(http: &str) -> Self {
        let (grew, over) = (
            Arc::<Mutex<Vec<_>>>::default(),
            Arc::<AtomicBool>::default(),
        );
        let (seen, ended, http) = (Arc::clone(&grew), Arc::clone(&over), http.to_owned());
        let thread = thread::spawn(move || {
            let mut last = 0;
            while !ended.load(Ordering::Relaxed) {
                if let Some(now) = stored_up_to(&http).filter(|now| *now > last) {
                    seen.lock()
                        .expect("no test panics with it")
                        .push((Instant::now(), now));
                    last = now;
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        Self {
            grew,
            over,
            thread: Some(thread),
        }
    }

    fn last(&self) -> u64 {
        self.grew
            .lock()
            .expect("no test panics with it")
            .last()
            .map_or(0, |(_, up_to)| *up_to)
    }

    /// The longest time without growth that ended after `since`.
    fn stall(&self, since: Instant) -> Duration {
        let grew = self.grew.lock().expect("no test panics with it");
        let gaps = grew.windows(2).filter(|pair| pair[1].0 > since);
        gaps.map(|pair| pair[1].0 - pair[0].0)
            .max()
            .unwrap_or_default()
    }

    /// Waits until it grew anew several times: the stall is over.
    fn goes_on(&self, what: &str) {
        let before = self.last();
        until(what, || self.last() >= before + 20);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The number up to which the probe was stored, as the API of probes tells it from memory.
fn stored_up_to(http: &str) -> Option<u64> {
    let (status, body) = get(http, "/api/v1/probes").ok()?;
    if status != 200 {
        return None;
    }
    let told: serde_json::Value = serde_json::from_str(&body).ok()?;
    let probes = told.as_array().or_else(|| told["probes"].as_array())?;
    let own = probes
        .iter()
        .find(|probe| probe["id"] == PROBE || probe["probe"] == PROBE)?;
    own["stored_sequence"].as_u64()
}

fn judges(http: &str) -> bool {
    get(http, "/metrics").is_ok_and(|(_, body)| body.contains("\nowl_collector_judging 1"))
}

#[test]
fn a_collector_dies_and_the_primary_dies_and_every_acknowledged_report_is_there_once() {
    let Some(mut primary) = Postgres::primary() else {
        return;
    };
    let standby = primary.standby();
    let store = format!(
        "postgres://owl@{},{}/owl",
        primary.address(),
        standby.address()
    );
    let network = Network::of_two();
    two_collectors(&network, &store);
    let feed = feed();
    let script = |until| {
        network.script(
            "feed.toml",
            2,
            Duration::from_millis(20),
            &[(PROBE, until, feed.clone())],
        );
    };
    script(1_000_000);
    let (one, one_http) = start(&network, "collector.toml");
    until("the first collector judges", || judges(&one_http));
    let (_other, http) = start(&network, "other.toml");
    let probe = feeder(&network);
    let watch = Watch::on(&http);
    watch.goes_on("reports are stored");
    assert!(!judges(&http), "one of them judges");
    let shown = get(&http, "/metrics").expect("an answer").1;
    assert!(
        !shown.contains("owl_path_packets_sent_total{"),
        "and shows what paths counted"
    );

    // A collector dies: the one that judges and that the probe talks to.
    let died = Instant::now();
    drop(one);
    watch.goes_on("the probe reports to the other one");
    let by_collector = watch.stall(died);
    until("the other one judges", || judges(&http));
    let judged = died.elapsed();
    let (_one, one_http) = start(&network, "collector.toml");

    // The primary dies, and the standby takes its place.
    let died = Instant::now();
    primary.kill();
    standby.promote();
    let promoted = died.elapsed();
    watch.goes_on("reports are stored in the standby");
    let by_primary = watch.stall(died);

    // Whoever made them knows how many there are.
    thread::sleep(Duration::from_secs(1));
    drop(probe);
    let (epoch, counts) = spool(&network.file(PROBE)).unwrap();
    let acknowledged = counts.made - counts.waiting;
    let at_once = stored(&http).expect("it answers again");
    assert!(at_once.up_to >= acknowledged, "{at_once:?}, and {counts:?}");
    script(counts.made);
    let _probe = feeder(&network);
    until("all are stored", || {
        stored(&one_http).is_some_and(|stored| stored.up_to == counts.made)
    });
    let all = stored(&http).expect("it answers");
    assert_eq!((all.up_to, all.reports), (counts.made, counts.made));
    let sent = format!(
        "owl_path_packets_sent_total{{path=\"{PATH}\",class=\"metro\"}} {}\n",
        counts.made * 10
    );
    until(
        "the one that judges shows each packet once, whoever counted it",
        || {
            [&http, &one_http]
                .into_iter()
                .any(|http| get(http, "/metrics").is_ok_and(|(_, body)| body.contains(&sent)))
        },
    );

    let a_window = (WINDOW_NS / SECOND_NS).unsigned_abs();
    let windows = counts.made / a_window;
    for window in 0..windows {
        let first = window * a_window + 1;
        let expected = digest_of(&feed, PROBE, epoch, first, first + a_window - 1);
        let at = feed.from_ns + window as i64 * WINDOW_NS;
        let question = format!("/api/v1/verdicts/explain?path={PATH}&at={at}");
        until("the window is judged from all its reports", || {
            get(&http, &question)
                .is_ok_and(|(status, told)| status == 200 && told.contains(&expected))
        });
    }
    assert!(judges(&http) != judges(&one_http), "one of them judges");
    until("both say that the store takes reports", || {
        let is_well = |http: &str| get(http, "/healthz").is_ok_and(|(status, _)| status == 200);
        is_well(&http) && is_well(&one_http)
    });
    say(format_args!(
        "{} reports made, {acknowledged} acknowledged when the probe ended; {} stored: 0 lost, 0 doubled; {windows} windows judged \
         from the same octets; longest stall when a collector died {} ms (judging again after {} ms), when the primary died {} ms \
         (the standby was promoted after {} ms)",
        counts.made,
        all.reports,
        by_collector.as_millis(),
        judged.as_millis(),
        by_primary.as_millis(),
        promoted.as_millis(),
    ));
}
