//! The clock adapters against a known truth.
//!
//! A time server and its client run in two network namespaces with the delay
//! box between them, once with chronyd and once with ptp4l. Both namespaces
//! read the one clock of this machine, so the client's true error is zero
//! whatever it believes, and every state must allow zero. No daemon can touch
//! the clock: chronyd runs with -x, ptp4l free running, and both without the
//! capability to set it.
//!
//! `OWL_CLOCK_PHASE_SECONDS` is how long each trouble lasts (5 unless set); the
//! figures of docs are those of 40:
//! `OWL_CLOCK_PHASE_SECONDS=40 cargo test --release -p owl-lab --test clocks -- --nocapture`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot be set up fails, and its figures and its skips are printed"
)]

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use owl_lab::wire::{Ways, Wire};
use owl_measure::clock::ClockStatus;
use owl_measure::time::{Nanos, Timestamp};
use owl_probe::clock::{Clock, ClockConfig, ClockWatch, Reading};
use owl_sim::Link;

/// Time between two measurements of both daemons: 2⁻⁴ s.
const MEASURED_EVERY: Nanos = Nanos(62_500_000);
/// Time between two readings: every measurement is seen.
const READ_EVERY: Duration = Duration::from_millis(20);

fn skip(why: impl fmt::Display) {
    eprintln!("skipped: {why}");
}

fn installed(program: &str, argument: &str) -> bool {
    let started = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if started.is_err() {
        skip(format_args!("{program} is not installed"));
    }
    started.is_ok()
}

fn run(command: &str) -> Result<(), String> {
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    let output = Command::new(program)
        .args(words)
        .output()
        .map_err(|error| format!("{command}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{command}: {}", said.trim()))
    }
}

/// Two namespaces whose interfaces end here; gone when dropped.
struct Hosts {
    names: [String; 2],
    outside: [String; 2],
}

impl Hosts {
    fn new(test: char) -> Result<Self, String> {
        let pid = std::process::id();
        let hosts = Self {
            names: ['a', 'b'].map(|end| format!("owl-clock-{pid}-{test}-{end}")),
            outside: ['a', 'b'].map(|end| format!("oc{pid}{test}{end}")),
        };
        for (number, (name, outside)) in hosts.names.iter().zip(&hosts.outside).enumerate() {
            let number = number + 1;
            for command in [
                format!("ip netns add {name}"),
                format!("ip link add {outside} type veth peer name eth0 netns {name}"),
                format!("ip link set {outside} up"),
                // One segment a frame, and its checksum computed: the wire carries frames as they are.
                format!("ip -n {name} link set eth0 gso_max_segs 1 up"),
                format!("ip netns exec {name} ethtool -K eth0 tx off"),
                format!("ip -n {name} link set lo up"),
                format!("ip -n {name} address add 192.0.2.{number}/24 dev eth0"),
            ] {
                run(&command)?;
            }
        }
        Ok(hosts)
    }

    fn wire(&self, ways: Ways) -> Wire {
        let [a, b] = &self.outside;
        Wire::join([a, b], ways).unwrap()
    }

    /// Starts a daemon in one of the namespaces that cannot set the clock.
    fn daemon(&self, host: usize, log: &Path, command: &str) -> Daemon {
        let log = File::create(log).unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", &self.names[host], "setpriv"])
            .args(["--bounding-set=-sys_time", "--pdeathsig", "KILL", "--"])
            .args(command.split(' '))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Daemon(child)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            // One that was never made cannot be removed, which is as good.
            let _ = run(&format!("ip netns delete {name}"));
        }
    }
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The two hosts; `None` when the test has been said to be skipped.
fn hosts(test: char, daemon: (&str, &str)) -> Option<Hosts> {
    let programs = [
        daemon,
        ("ip", "-V"),
        ("setpriv", "--version"),
        ("ethtool", "--version"),
    ];
    if !programs
        .iter()
        .all(|(program, argument)| installed(program, argument))
    {
        return None;
    }
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !is_root {
        skip("network namespaces need root");
        return None;
    }
    match Hosts::new(test) {
        Ok(hosts) => Some(hosts),
        Err(why) => {
            skip(format_args!("no network namespaces here: {why}"));
            None
        }
    }
}

/// What the wire does to the packets for a while.
struct Phase {
    name: &'static str,
    ways: Ways,
}

fn link(us: u64) -> Link {
    Link {
        propagation_ns: us * 1_000,
        queueing_mean_ns: 30_000,
        ..Link::default()
    }
}

fn phases() -> [Phase; 7] {
    let ways = |forward, backward| Ways { forward, backward };
    let lossy = |us| Link {
        loss_ppm: 200_000,
        ..link(us)
    };
    let congested = |us| Link {
        queueing_mean_ns: 1_000_000,
        ..link(us)
    };
    [
        ("symmetric", ways(link(500), link(500))),
        ("2 ms more one way", ways(link(2_500), link(500))),
        ("back", ways(link(500), link(500))),
        ("the other way gets worse", ways(link(500), link(3_500))),
        ("a fifth is lost", ways(lossy(500), lossy(500))),
        ("congested one way", ways(link(500), congested(500))),
        ("short", ways(link(100), link(100))),
    ]
    .map(|(name, ways)| Phase { name, ways })
}

fn phase_length() -> Duration {
    let told = std::env::var("OWL_CLOCK_PHASE_SECONDS").ok();
    Duration::from_secs(told.and_then(|text| text.parse().ok()).unwrap_or(5))
}

/// What was read of one daemon.
#[derive(Default)]
struct Seen {
    readings: u64,
    claims: u64,
    measurements: BTreeSet<Timestamp>,
    violations: Vec<String>,
    bounds: Vec<Nanos>,
    /// The largest share of the bound that the error took.
    worst_share: f64,
}

impl Seen {
    /// The true error is zero, and the state must allow it.
    fn note(&mut self, phase: &str, reading: &Reading) {
        self.readings += 1;
        self.measurements.extend(reading.measured_at);
        let at = reading.state.as_of;
        let Some((low, high)) = reading.state.error_at(at) else {
            return;
        };
        self.claims += 1;
        self.bounds.push(reading.state.bound_at(at).unwrap());
        let half = (high - low).0 as f64 / 2.0;
        self.worst_share = self
            .worst_share
            .max(reading.state.correction.0.abs() as f64 / half);
        if low > Nanos::ZERO || high < Nanos::ZERO {
            self.violations
                .push(format!("{phase}: {low} to {high} of {reading:?}"));
        }
    }

    fn show(&mut self, phase: &str) {
        self.bounds.sort_unstable();
        let median = self.bounds.get(self.bounds.len() / 2);
        println!(
            "        {phase:<25}  {:>8}  {:>6}  {:>12}  {:>12}  {:>13.2}  {:>10}",
            self.readings,
            self.claims,
            self.measurements.len(),
            median.map_or("–".into(), Nanos::to_string),
            self.worst_share,
            self.violations.len(),
        );
    }
}

fn watch(settings: &str) -> ClockWatch {
    let settings: ClockConfig = toml::from_str(settings).unwrap();
    ClockWatch::new(Clock::honest(), &settings)
}

/// Reads until a claim comes, for ten seconds at most.
fn settle(watch: &mut ClockWatch) -> Reading {
    let began = Instant::now();
    loop {
        let reading = watch.read();
        if reading.state.status == ClockStatus::Synchronised
            || began.elapsed() > Duration::from_secs(10)
        {
            return reading;
        }
        std::thread::sleep(READ_EVERY);
    }
}

/// All troubles one after the other, and what was seen in them.
fn endure(daemon: &str, wire: &Wire, watch: &mut ClockWatch) {
    let first = settle(watch);
    assert_eq!(first.state.status, ClockStatus::Synchronised, "{first:?}");
    let mut whole = Seen::default();
    println!(
        "{daemon:>6}  {:<25}  readings  claims  measurements  median bound  largest share  violations",
        "phase"
    );
    for phase in phases() {
        wire.change(phase.ways);
        let (mut seen, began) = (Seen::default(), Instant::now());
        while began.elapsed() < phase_length() {
            let reading = watch.read();
            seen.note(phase.name, &reading);
            whole.note(phase.name, &reading);
            std::thread::sleep(READ_EVERY);
        }
        seen.show(phase.name);
    }
    whole.show("all");
    assert!(whole.violations.is_empty(), "{:#?}", whole.violations);
    assert!(whole.claims > 0, "nothing was ever claimed");
}

/// After its server is gone, no state whose last measurement is older than three intervals is called synchronised, and
/// the bound goes on allowing the truth while there is one.
fn outlive(daemon: &str, server: Daemon, watch: &mut ClockWatch) {
    let before = settle(watch);
    assert_eq!(before.state.status, ClockStatus::Synchronised, "{before:?}");
    drop(server);
    let killed = Clock::honest().now();
    let mut last_measured = before.measured_at.unwrap();
    // chronyd counts in the interval between its last two measurements, which a busy machine makes longer.
    let mut interval = MEASURED_EVERY.times(2);
    let mut flagged = None;
    let mut seen = Seen::default();
    let (mut statuses, began) = (Vec::new(), Instant::now());
    while began.elapsed() < phase_length() {
        let reading = watch.read();
        seen.note("the server is gone", &reading);
        let measured = reading.measured_at.unwrap_or(last_measured);
        if measured > last_measured {
            interval = interval.max(measured - last_measured);
            last_measured = measured;
        }
        let age = reading.state.as_of - last_measured;
        let status = reading.state.status;
        if statuses.last() != Some(&status) {
            statuses.push(status);
        }
        if status == ClockStatus::Synchronised {
            assert!(age <= interval.times(3), "{age}: {reading:?}");
            flagged = None;
        } else if flagged.is_none() {
            flagged = Some((age, reading.state.as_of - killed));
        }
        std::thread::sleep(READ_EVERY);
    }
    let (age, since) = flagged.expect("a server that is gone is noticed");
    println!(
        "{daemon:>6}  server gone: {statuses:?}; noticed {age} after the last measurement ({since} after its end); {} claims, violations: {}",
        seen.claims,
        seen.violations.len(),
    );
    assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
    let end = watch.read().state.status;
    assert_ne!(end, ClockStatus::Synchronised);
}

#[test]
fn chronyd_never_claims_what_is_not_true() {
    chronyd('c', "");
}

/// chronyd passes over what looks worse than before; one that takes everything in is misled more.
#[test]
fn a_chronyd_that_takes_every_sample_never_claims_what_is_not_true() {
    chronyd('e', "maxdelaydevratio 1000000 maxdelayratio 1000000");
}

fn chronyd(test: char, options: &str) {
    let Some(hosts) = hosts(test, ("chronyd", "--version")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for host in ["server", "client"] {
        fs::create_dir(at(host)).unwrap();
        fs::set_permissions(at(host), Permissions::from_mode(0o770)).unwrap();
    }
    let common = |host: &str| {
        let own = at(host);
        let own = own.display();
        format!("cmdport 0\nbindcmdaddress {own}/chronyd.sock\npidfile {own}/pid\n")
    };
    let server = common("server") + "local stratum 1\nallow 192.0.2.0/24\n";
    let client = common("client")
        + "port 0\nmaxclockerror 50\nserver 192.0.2.1 minpoll -4 maxpoll -4 iburst "
        + options;
    fs::write(at("server.conf"), server).unwrap();
    fs::write(at("client.conf"), client).unwrap();
    let wire = hosts.wire(phases()[0].ways);
    let start = |host, name: &str| {
        let file = at(&format!("{name}.conf"));
        let command = format!("chronyd -x -u root -d -f {}", file.display());
        hosts.daemon(host, &at(&format!("{name}.log")), &command)
    };
    let server = start(0, "server");
    let _client = start(1, "client");
    let mut watch = watch(&format!(
        "source = \"chrony\"\nchrony = \"{}\"\noscillator = \"ocxo\"\nlocal_reference = \"believed\"",
        at("client/chronyd.sock").display()
    ));
    endure("chrony", &wire, &mut watch);
    outlive("chrony", server, &mut watch);
}

#[test]
fn ptp4l_never_claims_what_is_not_true() {
    let Some(hosts) = hosts('p', ("ptp4l", "-v")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let configuration = |name: &str, role: &str| {
        let socket = at(name);
        let text = format!(
            "[global]\nfree_running 1\ntime_stamping software\nnetwork_transport L2\ndelay_mechanism E2E\n\
             logSyncInterval -4\nlogMinDelayReqInterval -4\nlogAnnounceInterval -1\n{role}\n\
             uds_address {}.sock\n[eth0]\n",
            socket.display()
        );
        fs::write(at(&format!("{name}.cfg")), text).unwrap();
    };
    configuration("server", "clockClass 6\npriority1 10");
    configuration("client", "slaveOnly 1");
    let wire = hosts.wire(phases()[0].ways);
    let start = |host, name: &str| {
        let file = at(&format!("{name}.cfg"));
        let command = format!("ptp4l -m -f {}", file.display());
        hosts.daemon(host, &at(&format!("{name}.log")), &command)
    };
    let server = start(0, "server");
    let _client = start(1, "client");
    let mut watch = watch(&format!(
        "source = \"ptp4l\"\nptp4l = \"{}\"\noscillator = \"ocxo\"\ngrandmaster_bound = \"1ns\"",
        at("client.sock").display()
    ));
    endure("ptp4l", &wire, &mut watch);
    outlive("ptp4l", server, &mut watch);
}
