//! A day without the collector: a thousand probes bring their reports at once, and a probe that measures feels nothing of it.
//!
//! `OWL_OUTAGE_REPORTS=1440` makes a report a minute of the day, not one in two hours, for figures (docs/faults.md).

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use owl_lab::feeder::{Feed, Measured, Queues};
use owl_tests::network::{Network, WINDOW_NS, topology};
use owl_tests::{Daemon, get, say};

/// In groups, because a topology has 200 meshes at most: in each, the last is in the south and the others in the north.
const PROBES: usize = 1_002;
const GROUP: usize = 6;
const DAY_NS: i64 = 86_400_000_000_000;
/// Reports of each probe in the day.
const REPORTS: u64 = 12;
/// For a slow machine.
const PATIENCE: Duration = Duration::from_secs(420);

fn reports() -> u64 {
    let asked = std::env::var("OWL_OUTAGE_REPORTS").ok();
    asked.map_or(REPORTS, |asked| asked.parse().expect("a number of reports"))
}

/// Whom a probe measures to.
fn across(probe: usize) -> usize {
    let first = probe - probe % GROUP;
    if probe == first + GROUP - 1 {
        first
    } else {
        first + GROUP - 1
    }
}

/// Each probe measures to one across; ten packets in ten seconds, so that each report fills a window.
fn feed(probe: usize, now_ns: i64, reports: u64) -> Feed {
    let reports = i64::try_from(reports).expect("a small number");
    let step = DAY_NS / reports;
    let then = now_ns - DAY_NS - 3_600_000_000_000;
    Feed {
        from_ns: then - then % WINDOW_NS,
        length_ns: WINDOW_NS,
        step_ns: step - step % WINDOW_NS,
        packets: 10,
        queues: Queues::Steady,
        paths: vec![Measured::well(format!("p{probe}~p{}", across(probe)))],
    }
}

/// A free address of a network that every host has.
fn place(ip: &str) -> SocketAddr {
    let socket = UdpSocket::bind((ip, 0)).expect("loopback has all of 127/8");
    socket.local_addr().expect("it was bound")
}

/// What a measuring probe tells of itself, looked at again and again.
#[derive(Debug, Default)]
struct Felt {
    looks: u64,
    waiting_most: f64,
    /// Seconds and packets at the first look, and at the last.
    lateness: Option<[(f64, f64); 2]>,
}

impl Felt {
    fn look(&mut self, metrics: &str) {
        let Ok((200, text)) = get(metrics, "/metrics") else {
            return;
        };
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        self.looks += 1;
        self.waiting_most = self.waiting_most.max(value("owl_probe_spool_reports "));
        let late = (
            value("owl_probe_send_lateness_seconds_sum "),
            value("owl_probe_send_lateness_seconds_count "),
        );
        let first = self.lateness.map_or(late, |[first, _]| first);
        self.lateness = Some([first, late]);
    }

    /// By how much a packet left after its time, on average, in microseconds.
    fn lateness_us(&self) -> f64 {
        self.lateness.map_or(0.0, |[first, last]| {
            (last.0 - first.0) / (last.1 - first.1).max(1.0) * 1e6
        })
    }
}

/// Kibibytes of a process at its most.
fn memory_kib(process: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn stored(http: &str) -> u64 {
    let all = Network::json(http, "/api/v1/store");
    let of_a_thousand = |row: &&serde_json::Value| {
        let probe = row["probe"].as_str().unwrap_or_default();
        !probe.starts_with("live")
    };
    let rows = all["probes"].as_array().into_iter().flatten();
    rows.filter(of_a_thousand)
        .filter_map(|row| row["rows"].as_u64())
        .sum()
}

#[test]
fn a_thousand_probes_that_come_back_after_a_day_lose_nothing_and_hurt_no_measurement() {
    let (reports, now) = (reports(), SystemTime::now().duration_since(UNIX_EPOCH));
    let now_ns = i64::try_from(now.unwrap().as_nanos()).unwrap();
    let (here, there) = (place("127.0.0.2"), place("127.0.0.3"));
    let mut text = topology(
        PROBES,
        |probe| probe % GROUP == GROUP - 1,
        (0..PROBES / GROUP).map(|group| (group * GROUP..(group + 1) * GROUP).collect()),
    );
    for (name, site, at) in [("live-a", "north", here), ("live-b", "south", there)] {
        text += &format!(
            "[[probe]]\nid = \"{name}\"\nsite = \"{site}\"\ncarrier = \"net\"\naddr = [\"{}\"]\nport = {}\n\
             clock = {{ source = \"ptp\", max_u95 = \"5us\" }}\n",
            at.ip(),
            at.port()
        );
    }
    text += "[[measure]]\nid = \"live\"\nclass = \"metro\"\nmesh = [\"live-a\", \"live-b\"]\nrate_pps = 50\nreport_every = \"1s\"\n";
    let network = Network::new(&text, "");
    let names: Vec<String> = (0..PROBES).map(|probe| format!("p{probe}")).collect();
    for name in &names {
        network.probe(name);
    }
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let metrics = free.unwrap();
    network.measuring_probe("live-a", here, metrics);
    let unwatched = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    network.measuring_probe("live-b", there, unwatched.unwrap());
    let fed: Vec<(&str, u64, Feed)> = names
        .iter()
        .enumerate()
        .map(|(k, name)| (name.as_str(), reports, feed(k, now_ns, reports)))
        .collect();
    network.script("feed.toml", 60, Duration::ZERO, &fed);
    let feeder = || {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n 16384 && exec \"$@\"", "sh"])
            .arg(env!("CARGO_BIN_EXE_owl-feeder"))
            .arg(network.file("feed.toml"))
            .stderr(Stdio::null());
        Daemon::start(&mut command)
    };
    // The day without a collector.
    let outage = feeder();
    outage.line(PATIENCE, |line| (line == "made").then_some(()));
    drop(outage);

    let (collector, http) = network.collector();
    let live = ["live-a", "live-b"].map(|name| {
        let config = format!("{name}.toml");
        Daemon::start(&mut network.owl(&["probe", "--config", &config], &format!("{name}.log")))
    });
    let at = metrics.to_string();
    let (mut before, mut during) = (Felt::default(), Felt::default());
    let deadline = Instant::now() + PATIENCE;
    while before.looks < 40 {
        assert!(
            Instant::now() < deadline,
            "the probe that measures tells nothing"
        );
        before.look(&at);
        thread::sleep(Duration::from_millis(250));
    }
    let live_before = Network::stored(&http, "live-a").reports;
    let back = feeder();
    let began = Instant::now();
    let all = reports * PROBES as u64;
    let deadline = Instant::now() + PATIENCE;
    while stored(&http) < all {
        assert!(
            Instant::now() < deadline,
            "{} of {all} stored",
            stored(&http)
        );
        during.look(&at);
        thread::sleep(Duration::from_millis(250));
    }
    let drained = began.elapsed();
    assert_eq!(stored(&http), all, "none twice");
    let live_during = Network::stored(&http, "live-a").reports - live_before;
    drop(back);
    // What came late is judged.
    for feed in [&fed[0].2, &fed[PROBES - 1].2] {
        let path = &feed.paths[0].path;
        let question = format!(
            "/api/v1/verdicts?path={path}&since={}&limit=10000",
            feed.from_ns
        );
        loop {
            let told = Network::json(&http, &question);
            let judged = told["verdicts"].as_array().into_iter().flatten();
            let judged = judged.filter(|verdict| verdict["sent"] == 10).count() as u64;
            if judged == reports {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{judged} of {reports} windows of {path}"
            );
            thread::sleep(Duration::from_millis(250));
        }
    }
    drop(live);
    say(format_args!(
        "{all} reports of {PROBES} probes stored in {:.1} s, 0 lost, 0 doubled, judged after {:.1} s; the collector took {} KiB at \
         most. A measuring probe meanwhile: {live_during} reports acknowledged, at most {} waiting (before: {}), packets \
         left {:.0} us late on average (before: {:.0} us)",
        drained.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        memory_kib(&collector),
        during.waiting_most,
        before.waiting_most,
        during.lateness_us(),
        before.lateness_us(),
    ));
}
