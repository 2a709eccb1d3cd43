//! A new topology on its way to real probes: in stages, and back when it is no good.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::fs::{self, File};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use owl_tests::{Daemon, get, owl_binary};
use serde_json::Value;
use tempfile::TempDir;

/// For what takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);
const PROBES: [&str; 2] = ["p-north", "p-south"];

/// A collector and the two probes of the example, on loopback, all in one folder.
struct Network {
    folder: TempDir,
    ports: [u16; 3],
    trial: &'static str,
}

impl Network {
    fn new(trial: &'static str) -> Self {
        let sockets = [0; 3].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let ports = sockets.map(|socket| socket.local_addr().unwrap().port());
        let network = Self {
            folder: tempfile::tempdir().unwrap(),
            ports,
            trial,
        };
        network.topology("", "");
        let text = format!(
            "topology = \"topology.toml\"\nstate = \"collector\"\nintake = \"127.0.0.1:{}\"\nhttp = \"127.0.0.1:0\"\n\
             grace = \"1s\"\nprofile = \"lab\"\n[rollout]\nstages = [\"1\"]\nwait = \"60s\"\ntrial = \"{}\"\n",
            network.ports[0], network.trial
        );
        fs::write(network.file("collector.toml"), text).unwrap();
        network
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the topology: with `probe` in both probes, and `measure` in what they measure.
    fn topology(&self, probe: &str, measure: &str) {
        let [_, north, south] = self.ports;
        let address = |port: u16| format!("addr = [\"127.0.0.1\"]\nport = {port}\n{probe}");
        let text = include_str!("../../topology/examples/two-probes.toml")
            .replace("addr = [\"192.0.2.1\"]", &address(north))
            .replace("addr = [\"192.0.2.2\"]", &address(south));
        let text = format!("{text}report_every = \"1s\"\ntimeout = \"300ms\"\n{measure}\n");
        // As an editor does it: a new file in place of the old one.
        fs::write(self.file("new.toml"), text).unwrap();
        fs::rename(self.file("new.toml"), self.file("topology.toml")).unwrap();
    }

    fn owl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(owl_binary());
        command
            .current_dir(self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str], log: &str, ready: &str) -> (Daemon, String) {
        let mut command = self.owl(arguments);
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.file(log));
        let daemon = Daemon::start(command.stderr(log.unwrap()));
        let line = daemon.line(PATIENCE, |line| {
            line.starts_with(ready).then(|| line.to_owned())
        });
        (daemon, line)
    }

    fn collector(&self) -> (Daemon, String) {
        let arguments = ["collector", "--config", "collector.toml"];
        let (collector, line) = self.run(&arguments, "collector.log", "owl collector: ");
        let http = line.strip_prefix("owl collector: http://").unwrap();
        (collector, http.split(' ').next().unwrap().to_owned())
    }

    fn plan(&self, arguments: &[&str]) -> Output {
        let given = [&["collector", "plan"], arguments].concat();
        let mut command = self.owl(&given);
        let output = command
            .args(["--config", "collector.toml", "--json"])
            .output();
        output.unwrap()
    }

    fn status(&self) -> Value {
        let output = self.plan(&["status"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// Has a host join as a probe, and runs it.
    fn probe(&self, index: usize) -> Daemon {
        let probe = PROBES[index];
        let config = format!("{probe}/probe.toml");
        if !self.file(&config).exists() {
            let asked = [
                "collector",
                "enroll",
                probe,
                "--config",
                "collector.toml",
                "--json",
            ];
            let made = self.owl(&asked).output().unwrap();
            let made: Value = serde_json::from_slice(&made.stdout).unwrap();
            let state = format!("{probe}/state");
            let token = made["token"].as_str().unwrap();
            let joined = self
                .owl(&[
                    "probe", "join", token, "--config", &config, "--state", &state,
                ])
                .output()
                .unwrap();
            assert!(joined.status.success(), "{joined:?}");
            let mut text = fs::read_to_string(self.file(&config)).unwrap();
            text.push_str(&format!(
                "listen = [\"127.0.0.1:{}\"]\n",
                self.ports[1 + index]
            ));
            fs::write(self.file(&config), text).unwrap();
        }
        let log = format!("{probe}.log");
        self.run(&["probe", "--config", &config], &log, "owl probe")
            .0
    }

    /// Waits until the status is so.
    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            let log = fs::read_to_string(self.file("collector.log")).unwrap();
            assert!(
                Instant::now() < deadline,
                "it never came to this: {what}\n{status:#}\n{log}"
            );
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until every probe reports under the newest generation, which is released and another one than `before`; tells it.
    #[track_caller]
    fn settled(&self, before: u64) -> u64 {
        let status = self.until("all report under the newest plans", |status| {
            let (generation, course) = newest(status);
            generation != before
                && course == "released"
                && probes(status)
                    .iter()
                    .all(|probe| probe["reports"] == generation && probe["on_trial"] == false)
                && probes(status).len() == PROBES.len()
        });
        newest(&status).0
    }

    /// Waits until the roll-out has stopped; tells which probe failed, and why it says it did.
    #[track_caller]
    fn stopped(&self) -> (String, String) {
        let status = self.until("the roll-out has stopped", |status| {
            newest(status).1 == "stopped"
        });
        let generation = status["generations"].as_array().unwrap().last().unwrap();
        let text = |key: &str| generation[key].as_str().unwrap().to_owned();
        (text("failed_probe"), text("failure"))
    }
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn newest(status: &Value) -> (u64, &str) {
    let newest = status["generations"].as_array().and_then(|all| all.last());
    let newest = newest.map(|of| (of["generation"].as_u64(), of["course"].as_str()));
    match newest {
        Some((Some(generation), Some(course))) => (generation, course),
        _ => (0, ""),
    }
}

fn probes(status: &Value) -> &[Value] {
    status["probes"].as_array().map_or(&[], Vec::as_slice)
}

#[track_caller]
fn of<'a>(status: &'a Value, probe: &str) -> &'a Value {
    let mut probes = probes(status).iter();
    probes.find(|of| of["probe"] == probe).unwrap()
}

fn verdicts(http: &str) -> String {
    get(http, "/api/v1/verdicts").unwrap().1
}

#[test]
fn a_good_plan_goes_through_its_stages_and_a_running_collector_judges_by_it() {
    let network = Network::new("20s");
    let (_collector, http) = network.collector();
    let _probes = [network.probe(0), network.probe(1)];
    let first = network.settled(0);
    network.topology("", "dscp = [46]");
    let second = network.settled(first);
    assert!(second > first);
    let (_, api) = get(&http, "/api/v1/probes").unwrap();
    let api: Value = serde_json::from_str(&api).unwrap();
    for probe in api["probes"].as_array().unwrap() {
        assert_eq!(probe["plan"]["wanted"], second, "{probe}");
    }
    let (_, page) = get(&http, "/").unwrap();
    assert!(
        page.contains(&second.to_string()),
        "the page tells the generation"
    );
    // A topology with an error changes nothing, and says so.
    network.topology("colour = 1", "");
    until("the topology is refused", || {
        let (_, metrics) = get(&http, "/metrics").unwrap();
        metrics.contains("owl_collector_topology_refused 1")
    });
    network.topology("", "dscp = [46]");
    assert_eq!(newest(&network.status()), (second, "released"));
    // And back by hand: under a number of its own.
    let withdrawn = network.plan(&["withdraw"]);
    assert!(withdrawn.status.success(), "{withdrawn:?}");
    let third = network.settled(second);
    assert!(third > second);
    let hash = |index: usize| network.status()["generations"][index]["hash"].clone();
    assert_eq!((hash(0), hash(0) == hash(1)), (hash(2), false));
    assert!(verdicts(&http).contains("p-north~p-south"));
}

#[test]
fn a_plan_under_which_nobody_can_report_is_taken_back_by_the_probe_and_stops_the_roll_out() {
    let network = Network::new("4s");
    let (_collector, _) = network.collector();
    let _probes = [network.probe(0), network.probe(1)];
    let first = network.settled(0);
    // A collector that is not there.
    network.topology("reports_to = [\"127.0.0.1:9\"]\n", "");
    let (canary, why) = network.stopped();
    assert!(why.contains("no report was acknowledged in time"), "{why}");
    let status = network.until("the canary reports again", |status| {
        of(status, &canary)["follows"] == first
    });
    let other = PROBES.iter().find(|probe| **probe != canary).unwrap();
    assert_eq!(of(&status, other)["wanted"], first, "it never got it");
    assert!(of(&status, other)["turned_down"].is_null());
    assert_eq!(network.plan(&["status"]).status.code(), Some(1));
    let withdrawn = network.plan(&["withdraw"]);
    assert!(withdrawn.status.success(), "{withdrawn:?}");
    let second = network.settled(first);
    // A local address that this host does not have: the probe need not wait to know.
    network.topology("sends_from = \"192.0.2.77\"\n", "");
    let (canary, why) = network.stopped();
    assert!(why.contains("no session of it can be opened"), "{why}");
    assert!(why.contains("192.0.2.77"), "{why}");
    network.until("the canary measures by the plan before", |status| {
        of(status, &canary)["follows"] == second
    });
}

#[test]
fn a_probe_that_is_killed_while_it_tries_a_plan_goes_back_when_its_time_is_over() {
    let network = Network::new("8s");
    let (_collector, _) = network.collector();
    let mut running = [network.probe(0), network.probe(1)];
    let first = network.settled(0);
    network.topology("reports_to = [\"127.0.0.1:9\"]\n", "");
    let began = |index: usize| {
        let log = fs::read_to_string(network.file(&format!("{}.log", PROBES[index]))).unwrap();
        log.matches("tries a new plan").count() > 1
    };
    until("a probe tries the plan", || began(0) || began(1));
    let canary = usize::from(began(1));
    let mut killed = Command::new("kill");
    let id = running[canary].id().to_string();
    assert!(killed.args(["-9", &id]).status().unwrap().success());
    until("it is dead", || running[canary].ended().is_some());
    running[canary] = network.probe(canary);
    let (failed, why) = network.stopped();
    assert_eq!(failed, PROBES[canary]);
    assert!(why.contains("no report was acknowledged in time"), "{why}");
    network.until("it follows the plan before", |status| {
        of(status, PROBES[canary])["follows"] == first
    });
}
