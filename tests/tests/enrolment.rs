//! How a probe becomes known to a collector, stays known, and is shut out: with the commands and daemons of a user.

use std::fs::{self, File};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use owl_tests::{Daemon, get, owl_binary, repository};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType, SerialNumber,
};
use serde_json::Value;
use tempfile::TempDir;

/// For what takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PROBE: &str = "p-north";
const DAY: Duration = Duration::from_secs(86_400);

/// A collector without a certificate made by hand, and the hosts of its probes, all in one folder.
struct Network {
    folder: TempDir,
    intake: String,
}

impl Network {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a file of the test's own folder");
        let free = UdpSocket::bind("127.0.0.1:0").expect("a free port of loopback");
        let intake = free
            .local_addr()
            .expect("a free port of loopback")
            .to_string();
        let topology = repository().join("topology/examples/two-probes.toml");
        let text = format!(
            "topology = {topology:?}\nstate = \"collector\"\nintake = {intake:?}\nhttp = \"127.0.0.1:0\"\n"
        );
        fs::write(folder.path().join("collector.toml"), text)
            .expect("a file of the test's own folder");
        Self { folder, intake }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// A command of owl in this folder.
    fn owl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(owl_binary());
        command
            .current_dir(self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Starts the collector: where its pages are. It logs to `collector.log`.
    fn collector(&self) -> (Daemon, String) {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.file("collector.log"));
        let mut command = self.owl(&["collector", "--config", "collector.toml"]);
        let collector = Daemon::start(command.stderr(log.expect("it is what the test made it")));
        let http = collector.line(PATIENCE, |line| {
            let address = line.strip_prefix("owl collector: http://")?;
            Some(address.split(' ').next()?.to_owned())
        });
        (collector, http)
    }

    /// Asks `owl collector` something, and has its JSON.
    fn ask(&self, arguments: &[&str]) -> Value {
        let given = [
            &["collector"],
            arguments,
            &["--config", "collector.toml", "--json"],
        ]
        .concat();
        let output = self
            .owl(&given)
            .output()
            .expect("a process can be started and ended");
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("the collector writes what it is to write")
    }

    fn token(&self, valid: &str) -> String {
        let made = self.ask(&["enroll", PROBE, "--valid", valid]);
        made["token"]
            .as_str()
            .expect("the collector writes what it is to write")
            .to_owned()
    }

    /// The command with which a host joins, whose files begin with its name.
    fn joining(&self, host: &str, token: &str) -> Command {
        let (config, state) = (format!("{host}/probe.toml"), format!("{host}/state"));
        let mut command = self.owl(&["probe", "join", token, "--config", &config]);
        command.args(["--state", &state]);
        command
    }

    fn join(&self, host: &str, token: &str) -> Output {
        self.joining(host, token)
            .output()
            .expect("a process can be started and ended")
    }

    #[track_caller]
    fn joins(&self, host: &str, token: &str) {
        let output = self.join(host, token);
        assert!(output.status.success(), "{output:?}");
    }

    #[track_caller]
    fn is_refused(&self, host: &str, token: &str, expected: &str) {
        let output = self.join(host, token);
        let said = String::from_utf8(output.stderr).expect("it is what the test made it");
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.lines().count(), 2, "a sentence and its hint: {said}");
    }

    /// Runs the probe of a host that joined, away from the ports that need privileges. It logs to `HOST.log`.
    fn probe(&self, host: &str) -> Daemon {
        let file = self.file(&format!("{host}/probe.toml"));
        let mut text = fs::read_to_string(&file).expect("a file of the test's own folder");
        if !text.contains("listen") {
            text.push_str("listen = [\"127.0.0.1:0\"]\n");
            fs::write(&file, text).expect("a file of the test's own folder");
        }
        let config = format!("{host}/probe.toml");
        let mut command = self.owl(&["probe", "--config", &config]);
        let log = File::create(self.file(&format!("{host}.log")))
            .expect("a file of the test's own folder");
        let probe = Daemon::start(command.stderr(log));
        probe.line(PATIENCE, |line| line.starts_with("owl probe").then_some(()));
        probe
    }

    fn standing(&self) -> Value {
        let known = self.ask(&["probes"]);
        let mut known = known["probes"]
            .as_array()
            .expect("the collector writes what it is to write")
            .iter();
        known
            .find(|known| known["probe"] == PROBE)
            .expect("the collector writes what it is to write")
            .clone()
    }

    /// How many lines of a log have a text.
    fn lines(&self, log: &str, text: &str) -> usize {
        self.text(log)
            .lines()
            .filter(|line| line.contains(text))
            .count()
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

fn connected(http: &str) -> bool {
    let (_, metrics) = get(http, "/metrics").expect("the collector answers");
    metrics.contains(&format!("owl_probe_up{{probe=\"{PROBE}\"}} 1"))
}

#[test]
fn a_probe_is_added_shut_out_and_let_in_again_with_three_commands_and_no_openssl() {
    let network = Network::new();
    let (_collector, http) = network.collector();
    assert_eq!(network.standing()["standing"], "unknown");
    let token = network.token("1h");
    assert_eq!(network.standing()["standing"], "invited");
    // From a file, so that the secret stands in no list of processes; and told in Chinese.
    fs::write(network.file("token"), format!("{token}\n")).unwrap();
    let output = network
        .owl(&["--lang", "zh-CN", "probe", "join", "--token-file", "token"])
        .args(["--config", "north/probe.toml", "--state", "north/state"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.contains("已加入采集器"),
        "{said}"
    );
    let identity = network.file("north/state/identity.pem");
    let mode = fs::metadata(&identity).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the key is its owner's alone");
    let standing = network.standing();
    assert_eq!(standing["standing"], "enrolled");
    assert!(standing["seen_at_ns"].is_null());

    let probe = network.probe("north");
    until("the probe is connected", || connected(&http));
    assert!(network.standing()["seen_at_ns"].is_i64());

    let output = network
        .owl(&["collector", "revoke", PROBE, "--config", "collector.toml"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    until("the connection is ended", || !connected(&http));
    until("the probe says why", || {
        network.lines("north.log", "was revoked") > 0
    });
    assert!(
        network
            .text("north.log")
            .contains("owl collector enroll p-north")
    );
    assert_eq!(network.standing()["standing"], "revoked");

    // The probe goes on running meanwhile.
    network.joins("north", &network.token("1h"));
    until("the probe is back", || connected(&http));
    until("the probe says that it is back", || {
        network.lines("north.log", "connected to the collector again") > 0
    });
    drop(probe);
    assert_eq!(
        network.lines("north.log", "connected to the collector again"),
        1,
        "once, and not for the first connection: {}",
        network.text("north.log")
    );
}

#[test]
fn a_token_is_refused_in_one_sentence() {
    let network = Network::new();
    let (collector, _) = network.collector();
    let token = network.token("1h");
    network.joins("north", &token);
    network.is_refused(
        "other",
        &token,
        "the token was used already, with another key",
    );
    let newer = network.token("1h");
    let newest = network.token("1h");
    network.is_refused("other", &newer, "knows no such token");
    let roll = network.file("collector/identity/probes.json");
    let mut past: Value =
        serde_json::from_str(&network.text("collector/identity/probes.json")).unwrap();
    past["probes"][PROBE]["token"]["expires_ns"] = 1.into();
    fs::write(&roll, past.to_string()).unwrap();
    network.is_refused("other", &newest, "the time of the token is over");
    let theirs = network.ask(&["enroll", "p-south"])["token"]
        .as_str()
        .unwrap()
        .to_owned();
    network.is_refused("north", &theirs, "the token is for p-south");
    network.is_refused("other", &theirs[..90], "this is no whole token");
    network.is_refused("other", "hunter2", "this is no token");
    assert!(!network.file("other/probe.toml").exists());

    // Another collector, which has another authority, at the address of the token.
    let theirs = network.ask(&["enroll", "p-south"])["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = Network::new();
    drop(collector);
    let config = other.file("collector.toml");
    let text = fs::read_to_string(&config)
        .unwrap()
        .replace(&other.intake, &network.intake);
    fs::write(&config, text).unwrap();
    let _other = other.collector();
    let output = network.join("other", &theirs);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("is not the collector that made the token"),
        "{said}"
    );
}

#[test]
fn a_host_that_joined_is_told_so_and_keeps_its_key() {
    let network = Network::new();
    let (_collector, _) = network.collector();
    let token = network.token("1h");
    network.joins("north", &token);
    let key = |text: String| text.split("-----BEGIN CERT").next().map(str::to_owned);
    let first = key(network.text("north/state/identity.pem"));
    let pending = network.file("north/state/identity.pem.joining");
    let is_told = || {
        let output = network.join("north", &token);
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(output.status.success(), "{output:?}");
        let expected = format!("this host has joined already as {PROBE}, until ");
        assert!(said.starts_with(&expected), "{said}");
        assert!(!pending.exists());
        assert_eq!(key(network.text("north/state/identity.pem")), first);
    };
    is_told();
    let roll = network.file("collector/identity/probes.json");
    let mut past: Value =
        serde_json::from_str(&network.text("collector/identity/probes.json")).unwrap();
    past["probes"][PROBE]["token"]["expires_ns"] = 1.into();
    fs::write(&roll, past.to_string()).unwrap();
    is_told();
    network.token("1h");
    network.is_refused("north", &token, "knows no such token");
    assert!(!pending.exists(), "its good key is beside it");
}

#[test]
fn strangers_write_no_line_each() {
    let network = Network::new();
    let (_collector, http) = network.collector();
    let token = network.token("1h");
    network.joins("north", &token);
    for k in 0..14 {
        let output = network.join(&format!("stranger-{k}"), &token);
        let said = String::from_utf8(output.stderr).unwrap();
        let expected = ["was used already", "too many attempts"];
        assert!(expected.iter().any(|why| said.contains(why)), "{said}");
    }
    let garbage = UdpSocket::bind("127.0.0.1:0").unwrap();
    for k in 0..300_usize {
        let octet = u8::try_from(k % 256).unwrap();
        garbage
            .send_to(&vec![octet; 40 + 4 * k], &network.intake)
            .unwrap();
    }
    let (_, metrics) = get(&http, "/metrics").unwrap();
    assert!(
        metrics.contains("owl_collector_enrolments_total{result=\"refused\"} 14"),
        "{metrics}"
    );
    assert_eq!(
        network.lines("collector.log", "refused"),
        1,
        "{}",
        network.text("collector.log")
    );
}

/// Waits for so long and ends it as a power cut would.
fn kill_after(wait: Duration, processes: Vec<&mut Child>) {
    thread::sleep(wait);
    for process in processes {
        process.kill().expect("a process can be started and ended");
        process.wait().expect("a process can be started and ended");
    }
}

#[test]
fn a_token_gives_one_key_its_certificate_whenever_either_side_is_killed() {
    let network = Network::new();
    drop(network.collector());
    for round in 0..16_u32 {
        let token = network.token("1h");
        let host = format!("north-{round}");
        let mut collector = network
            .owl(&["collector", "--config", "collector.toml"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the collector listens", || {
            UdpSocket::bind(&network.intake).is_err()
        });
        let mut joining = network
            .joining(&host, &token)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From before the first packet to after the last file, on this machine.
        let wait = Duration::from_millis(u64::from(round * 7 % 16) * 10);
        kill_after(wait, vec![&mut collector, &mut joining]);
        let (_collector, _) = network.collector();
        network.joins(&host, &token);
        network.is_refused(&format!("thief-{round}"), &token, "was used already");
        assert_eq!(network.standing()["standing"], "enrolled");
        let pending = network.file(&format!("{host}/state/identity.pem.joining"));
        assert!(!pending.exists(), "round {round}");
    }
}

/// Makes the certificate of a host, and what the collector knows of it, as old as `age`; it lasts for 30 days.
fn grow_old(network: &Network, host: &str, age: Duration) {
    let roll = network.file("collector/identity/probes.json");
    let mut known: Value =
        serde_json::from_str(&fs::read_to_string(&roll).expect("a file of the test's own folder"))
            .expect("a file of the test's own folder");
    let issued = &mut known["probes"][PROBE]["certificates"][0];
    let serial = issued["serial"]
        .as_str()
        .expect("the collector writes what it is to write")
        .to_owned();
    let nanos = i64::try_from(age.as_nanos()).expect("the collector writes what it is to write");
    for instant in ["issued_ns", "until_ns"] {
        issued[instant] = (issued[instant]
            .as_i64()
            .expect("the collector writes what it is to write")
            - nanos)
            .into();
    }
    fs::write(roll, known.to_string()).expect("a file of the test's own folder");

    let authority = network.text("collector/identity/authority.pem");
    let at = authority
        .find("-----BEGIN CERT")
        .expect("the collector writes what it is to write");
    let signs = KeyPair::from_pem(&authority).expect("it is what the test made it");
    let issuer =
        Issuer::from_ca_cert_pem(&authority[at..], signs).expect("it is what the test made it");
    let identity = network.file(&format!("{host}/state/identity.pem"));
    let text = fs::read_to_string(&identity).expect("a file of the test's own folder");
    let key = KeyPair::from_pem(&text).expect("it is what the test made it");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, PROBE);
    let now = SystemTime::now();
    (params.not_before, params.not_after) = ((now - age).into(), (now + 30 * DAY - age).into());
    let octets = (0..serial.len()).step_by(2);
    let octets = octets.map(|at| {
        u8::from_str_radix(&serial[at..at + 2], 16).expect("it is what the test made it")
    });
    params.serial_number = Some(SerialNumber::from(octets.collect::<Vec<u8>>()));
    let uri = format!("spiffe://owl/two-probes/probe/{PROBE}");
    params.subject_alt_names = vec![SanType::URI(
        uri.as_str()
            .try_into()
            .expect("the collector writes what it is to write"),
    )];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let old = params
        .signed_by(&key, &issuer)
        .expect("it is what the test made it");
    fs::write(identity, key.serialize_pem() + &old.pem()).expect("a file of the test's own folder");
}

#[test]
fn a_running_probe_renews_its_certificate_and_keeps_its_connection() {
    let network = Network::new();
    let (_collector, http) = network.collector();
    network.joins("north", &network.token("1h"));
    grow_old(&network, "north", 21 * DAY);
    let old = network.text("north/state/identity.pem");
    let probe = network.probe("north");
    until("the certificate is another", || {
        network.text("north/state/identity.pem") != old
    });
    let (_, metrics) = get(&http, "/metrics").unwrap();
    assert!(
        metrics.contains("owl_collector_enrolments_total{result=\"renewed\"} 1"),
        "{metrics}"
    );
    assert!(connected(&http));
    assert_eq!(
        network.lines("collector.log", "a probe called"),
        1,
        "it never called again"
    );
    let mode = fs::metadata(network.file("north/state/identity.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    until("the probe says so", || {
        network.lines("north.log", "was renewed") == 1
    });

    // The new one opens the next connection.
    drop(probe);
    until("the connection is gone", || !connected(&http));
    let _again = network.probe("north");
    until("the probe is connected again", || connected(&http));
}

#[test]
fn a_probe_whose_certificate_ran_out_says_what_to_do_and_comes_back_when_it_is_done() {
    let network = Network::new();
    let (_collector, http) = network.collector();
    network.joins("north", &network.token("1h"));
    grow_old(&network, "north", 31 * DAY);
    let _probe = network.probe("north");
    until("the probe says what to do", || {
        network.lines("north.log", "the certificate of p-north ran out on") == 1
    });
    let log = network.text("north.log");
    for what in ["`owl collector enroll p-north`", "`owl probe join`"] {
        assert!(log.contains(what), "{log}");
    }
    assert!(!connected(&http));
    network.joins("north", &network.token("1h"));
    until("the probe is connected", || connected(&http));
    assert_eq!(network.lines("north.log", "ran out on"), 1, "said once");
}
