//! A disk that is full, on either side: what was acknowledged stays, what was not waits, and all of it comes once there is room.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use owl_lab::feeder::{Feed, Measured, Queues, spool};
use owl_tests::network::{Network, WINDOW_NS, until};
use owl_tests::{Daemon, get, owl_binary, say, skip};

const PROBE: &str = "p-north";
const SECOND_NS: i64 = 1_000_000_000;
/// Several times what fits on the small disk.
const REPORTS: u64 = 3_000;
const SMALL: &str = "1536k";
const LARGE: &str = "256m";

/// Whether this host lets a test mount a small disk of its own.
fn may_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .stderr(Stdio::null())
        .status();
    let may = tried.is_ok_and(|status| status.success());
    if !may {
        skip("a mount namespace with a small disk needs root and unshare");
    }
    may
}

/// A program in a mount namespace where `folder` of the network is a disk of its own, as large as [`SMALL`].
fn on_small_disk(network: &Network, folder: &str, program: &[&str]) -> Command {
    let mounted = network.file(folder);
    fs::create_dir_all(&mounted).expect("a folder of the test's own");
    let script = r#"mount -t tmpfs -o size=$1 tmpfs "$2" && shift 2 && exec "$@""#;
    let mut command = Command::new("unshare");
    command
        .args([
            "-m",
            "--propagation",
            "private",
            "sh",
            "-c",
            script,
            "sh",
            SMALL,
        ])
        .arg(&mounted)
        .args(program)
        .current_dir(network.file(""))
        .env("LC_ALL", "C.UTF-8");
    command
}

/// Gives the disk of a process more room.
fn enlarge(network: &Network, process: &Daemon, folder: &str) {
    let status = Command::new("nsenter")
        .args(["-m", "-t", &process.id().to_string(), "mount", "-o"])
        .arg(format!("remount,size={LARGE}"))
        .arg(network.file(folder))
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}

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
        paths: vec![Measured::well("p-north~p-south")],
    }
}

fn prepared() -> Network {
    let network = Network::of_two();
    let probe = (PROBE, REPORTS, feed());
    network.script("feed.toml", 20, Duration::from_millis(2), &[probe]);
    network
}

fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
    line.trim().parse().expect("a number")
}

#[test]
fn a_collector_whose_disk_is_full_acknowledges_nothing_says_so_once_and_goes_on_when_there_is_room()
{
    if !may_mount() {
        return;
    }
    let network = prepared();
    let owl = owl_binary().to_string_lossy().into_owned();
    let program = [&*owl, "collector", "--config", "collector.toml"];
    let log = fs::File::create(network.file("collector.log")).unwrap();
    let mut command = on_small_disk(&network, "collector", &program);
    let (collector, http) = Network::listening(Daemon::start(command.stderr(log)));
    let mut feeding = Command::new(env!("CARGO_BIN_EXE_owl-feeder"));
    feeding.arg(network.file("feed.toml")).stderr(Stdio::null());
    let feeder = Daemon::start(&mut feeding);
    until("the store refuses", || {
        get(&http, "/healthz").is_ok_and(|(status, _)| status == 503)
    });
    let log = network.text("collector.log");
    assert!(log.contains("full"), "{log}");
    let (_, metrics) = get(&http, "/metrics").unwrap();
    assert!(value(&metrics, "owl_collector_store_up ") < 0.5);
    // All is made meanwhile, and waits on the probe's disk.
    feeder.line(Duration::from_secs(60), |line| {
        (line == "made").then_some(())
    });
    let at_the_brim = Network::stored(&http, PROBE);
    assert!(at_the_brim.reports < REPORTS, "the disk was not full");
    let refusals = network
        .text("collector.log")
        .matches("the store refuses")
        .count();

    enlarge(&network, &collector, "collector");
    until("all is stored", || {
        Network::stored(&http, PROBE).reports == REPORTS
    });
    until("the collector is well", || {
        get(&http, "/healthz").is_ok_and(|(status, _)| status == 200)
    });
    // A full disk may let through a small commit now and then; each time it is said when it begins, not at each try.
    let tries = network
        .text("collector.log")
        .matches("the store refuses")
        .count();
    assert!(
        refusals <= 20 && tries <= 20,
        "{}",
        network.text("collector.log")
    );
    drop(feeder);
    let (_, counts) = spool(&network.file(PROBE)).unwrap();
    assert_eq!((counts.made, counts.dropped), (REPORTS, 0));
    say(format_args!(
        "the collector's disk was full after {} of {REPORTS} reports; all {REPORTS} stored once there was room, 0 lost, \
         0 doubled, said {tries} times",
        at_the_brim.reports
    ));
}

#[test]
fn a_probe_whose_disk_is_full_makes_no_number_for_what_is_not_on_it_and_goes_on_when_there_is_room()
{
    if !may_mount() {
        return;
    }
    let network = prepared();
    let feed_file = network.file("feed.toml").to_string_lossy().into_owned();
    let program = [env!("CARGO_BIN_EXE_owl-feeder"), &*feed_file];
    let mut command = on_small_disk(&network, PROBE, &program);
    // Nobody takes the reports, so the disk fills.
    let feeder = Daemon::start(command.stderr(Stdio::null()));
    let within = format!(
        "/proc/{}/root{}",
        feeder.id(),
        network.file(PROBE).display()
    );
    let mut grown = (0, 0);
    until("the disk is full", || {
        let size = |name: &str| fs::metadata(format!("{within}/{name}")).map_or(0, |of| of.len());
        let now = size("spool.sqlite") + size("spool.sqlite-wal");
        grown = if now == grown.0 {
            (now, grown.1 + 1)
        } else {
            (now, 0)
        };
        // Unchanged for as long as a commit takes many times over.
        now > 500_000 && grown.1 > 50
    });
    let (_collector, http) = network.collector();
    // The collector takes what there is; that makes no room by itself, because what was taken is kept for a day.
    until("what is on the disk is stored", || {
        Network::stored(&http, PROBE).reports > 100
    });
    enlarge(&network, &feeder, PROBE);
    until("all is stored", || {
        Network::stored(&http, PROBE).reports == REPORTS
    });
    say(format_args!(
        "the probe's disk was full at {} octets; all {REPORTS} reports stored once there was room, 0 lost, 0 doubled",
        grown.0
    ));
}
