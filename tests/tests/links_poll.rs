//! `owl links poll` against agents that others wrote, and others' tools against the simulated OLT.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use owl_lab::olt::{self, Olts, Options, User};
use owl_tests::owl_binary;
use serde_json::Value;

const COMMUNITY: &str = "community = \"public\"\n";
const USER: &str = "user = \"owl\"\nauthentication = \"maplesyrup\"\nprivacy = \"applecider\"\n";

fn secret(dir: &Path, text: &str, mode: u32) -> PathBuf {
    let file = dir.join("secret.toml");
    fs::write(&file, text).expect("a temporary folder takes files");
    fs::set_permissions(&file, Permissions::from_mode(mode)).expect("the file is ours");
    file
}

fn poll(agent: SocketAddr, secret: &Path, more: &[&str]) -> Output {
    rounds("3", agent, secret, more)
}

fn rounds(count: &str, agent: SocketAddr, secret: &Path, more: &[&str]) -> Output {
    Command::new(owl_binary())
        .args(["links", "poll", &agent.to_string(), "--json", "--all"])
        .args(["--rounds", count, "--interval", "1s", "--secret"])
        .arg(secret)
        .args(more)
        .output()
        .expect("the binary was just built")
}

/// The last round.
fn last(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    })
}

/// Debian's snmpd, on a port of its own, with a configuration and a folder of its own.
struct Snmpd {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Snmpd {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

impl Snmpd {
    /// `None`, with a word, when there is none to be had.
    #[expect(clippy::print_stderr, reason = "a skipped test says why")]
    fn start() -> Option<Self> {
        // Where Debian puts it, an ordinary user's PATH does not lead.
        let found = ["snmpd", "/usr/sbin/snmpd"].into_iter().find(|program| {
            let asked = Command::new(program).arg("--version").output();
            asked.is_ok_and(|told| told.status.success())
        });
        let Some(program) = found else {
            eprintln!("skipped: snmpd is not installed");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let config = folder.path().join("snmpd.conf");
        let text = "rocommunity public 127.0.0.1\n\
                    createUser owl SHA-256 \"maplesyrup\" AES \"applecider\"\nrouser owl priv\n";
        fs::write(&config, text).expect("a temporary folder takes files");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let address = socket.local_addr().expect("a bound socket has an address");
        drop(socket);
        let process = Command::new(program)
            .args(["-f", "-Lo", "-C", "-I", "-smux", "-c"])
            .arg(&config)
            .arg(format!("udp:{address}"))
            .env("SNMP_PERSISTENT_DIR", folder.path().join("state"))
            .env("MIBS", "")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("snmpd can be started");
        let snmpd = Self {
            process,
            address,
            _folder: folder,
        };
        snmpd.await_answer();
        Some(snmpd)
    }

    /// It reads its configuration first, so it is asked until it answers.
    fn await_answer(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let secret = secret(dir.path(), COMMUNITY, 0o600);
        while rounds("1", self.address, &secret, &[]).status.code() != Some(0) {
            assert!(Instant::now() < until, "snmpd does not answer");
        }
    }
}

#[test]
fn debians_agent_is_asked_by_both_versions() {
    let Some(snmpd) = Snmpd::start() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    for text in [COMMUNITY, USER] {
        let secret = secret(dir.path(), text, 0o600);
        let output = poll(
            snmpd.address,
            &secret,
            &["--profile", "net-snmp", "--health"],
        );
        let told = last(&output);
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert_eq!(told["agents"][0]["trouble"], Value::Null, "{told}");
        let ports = told["ports"].as_array().expect("ports are a list");
        let loopback = ports
            .iter()
            .find(|port| port["port"] == "lo")
            .expect("each host has a loopback");
        assert!(loopback["in_errors"].is_string(), "{loopback}");
        assert_eq!(loopback["in"]["state"], "ok", "{loopback}");
    }
    let secret = secret(dir.path(), &USER.replace("maplesyrup", "maplesyrop"), 0o600);
    assert_eq!(poll(snmpd.address, &secret, &[]).status.code(), Some(3));
}

fn olt(ports: u32) -> Olts {
    let user = User::new("owl", "maplesyrup", "applecider").expect("long enough");
    let options = Options {
        ports,
        user: Some(user),
        ..Options::default()
    };
    Olts::start(&options, 1, Ipv4Addr::LOCALHOST.into(), 0).expect("loopback has free ports")
}

#[test]
fn an_olts_ports_are_shown_with_rates_that_cover_the_truth() {
    let olts = olt(200);
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    for text in [COMMUNITY, USER] {
        let secret = secret(dir.path(), text, 0o600);
        let output = poll(olts.addresses()[0], &secret, &["--health"]);
        let told = last(&output);
        assert_eq!(output.status.code(), Some(0), "{told}");
        let ports = told["ports"].as_array().expect("ports are a list");
        assert_eq!(ports.len(), 200);
        for port in 0..200 {
            let name = olt::name(port);
            let shown = ports.iter().find(|shown| shown["port"] == name.as_str());
            let way = &shown.expect("each port is shown")["in"];
            let [bps, u_bps] = ["bps", "u_bps"].map(|key| way[key].as_f64());
            // A port that began a moment ago may have begun in between for all that its counter tells.
            if let (Some(bps), Some(u_bps)) = (bps, u_bps) {
                let truth = olt::bps(port) as f64;
                assert!((bps - truth).abs() <= u_bps + 16.0, "{name}: {way}");
            } else {
                assert_eq!(way["state"], "unknown", "{name}: {way}");
            }
        }
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn others_tools_walk_the_simulated_olt() {
    let olts = olt(300);
    let agent = olts.addresses()[0].to_string();
    let v3 = "-v3 -u owl -l authPriv -a SHA-256 -A maplesyrup -x AES -X applecider";
    for how in ["-v2c -c public", v3] {
        let walk = Command::new("snmpbulkwalk")
            .args(how.split(' '))
            .args(["-OnqU", "-m", "", "-Cr40", &agent, "1.3.6.1.2.1.31.1.1.1.1"])
            .output();
        let Ok(walk) = walk else {
            eprintln!("skipped: snmpbulkwalk is not installed");
            return;
        };
        let text = String::from_utf8_lossy(&walk.stdout);
        assert_eq!(text.lines().count(), 300, "{how}: {text}");
        assert!(text.contains(&olt::name(299)), "{how}: {text}");
    }
}

#[test]
fn a_secret_that_others_may_read_is_not_used_and_no_message_repeats_it() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let agent = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    for (text, mode) in [
        (COMMUNITY, 0o644),
        ("community = public", 0o600),
        ("", 0o600),
    ] {
        let output = poll(agent, &secret(dir.path(), text, mode), &[]);
        assert_eq!(output.status.code(), Some(2), "{text:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("cannot"), "{told}");
        assert!(!told.contains("public"), "{told}");
    }
}
