//! Keys in the user's hands: over real sockets, with real files and signals.

#[path = "stamp_support/keys.rs"]
mod keys;
mod stamp_support;
#[path = "stamp_support/stop.rs"]
mod stop;

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use owl_tests::Daemon;
use serde_json::Value;

use keys::key_file;
use stamp_support::{PATIENCE, delay, owl, reflect};
use stop::{signal, stop};

const OLD: &str = "00112233445566778899aabbccddeeff";
const NEW: &str = "ffeeddccbbaa99887766554433221100";

/// Ten packets to a reflector: how many came back; `None` when it was not found.
fn received(address: SocketAddr, options: &[&str]) -> Option<u64> {
    let address = address.to_string();
    let (_, lines) = delay(
        owl(&["delay", &address, "--json", "--count", "10"])
            .args(["--interval", "5ms", "--timeout", "200ms"])
            .args(options)
            .stderr(Stdio::null()),
    );
    lines.last()?["packets"]["received"].as_u64()
}

fn reflector(keys: &Path, options: &[&str]) -> (Daemon, SocketAddr) {
    let keys = keys.to_str().expect("a path of our own");
    let (daemon, listening) = reflect(
        owl(&[
            "reflect",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--keys",
            keys,
        ])
        .args(options)
        .stderr(Stdio::null()),
    );
    (daemon, listening[0])
}

#[test]
fn only_who_has_the_key_is_answered() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let right = key_file(far.path(), OLD);
    let wrong = key_file(near.path(), NEW);
    let (reflector, address) = reflector(&right, &["--authenticated-only"]);
    let with = |file: &Path, more: &[&str]| {
        let file = file.to_str().unwrap();
        received(address, &[&["--key-file", file], more].concat())
    };
    assert_eq!(with(&right, &[]), Some(10));
    assert_eq!(with(&right, &["--ask", "all", "--ssid", "9"]), Some(10));
    assert_eq!(with(&wrong, &[]), None);
    assert_eq!(with(&right, &["--authentication", "tlv"]), None);
    assert_eq!(received(address, &[]), None);
    let counts = stop(&reflector);
    assert!(counts["unauthentic"].as_u64() >= Some(3), "{counts}");
}

/// A man in the middle who sends every packet to the reflector twice, until told to stop: where he listens.
fn replaying(reflector: SocketAddr, stop: Arc<AtomicBool>) -> SocketAddr {
    let near = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = near.local_addr().expect("it is bound");
    let wait = Some(Duration::from_millis(20));
    near.set_read_timeout(wait).expect("a timeout above zero");
    thread::spawn(move || {
        // A socket for each sender, so that the reflector sees as many.
        let mut ways: Vec<(SocketAddr, UdpSocket)> = Vec::new();
        let mut packet = [0; 2_048];
        while !stop.load(Relaxed) {
            if let Ok((octets, sender)) = near.recv_from(&mut packet) {
                if !ways.iter().any(|(known, _)| *known == sender) {
                    let far = UdpSocket::bind("127.0.0.1:0").expect("a free port");
                    far.set_nonblocking(true).expect("a socket of our own");
                    ways.push((sender, far));
                }
                for (_, far) in ways.iter().filter(|(known, _)| *known == sender) {
                    for _ in 0..2 {
                        far.send_to(&packet[..octets], reflector)
                            .expect("loopback takes it");
                    }
                }
            }
            for (sender, far) in &ways {
                while let Ok(octets) = far.recv(&mut packet) {
                    near.send_to(&packet[..octets], sender)
                        .expect("loopback takes it");
                }
            }
        }
    });
    address
}

#[test]
fn a_replayed_packet_is_counted_and_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let keys = key_file(folder.path(), OLD);
    let (reflector, address) = reflector(&keys, &[]);
    let ended = Arc::new(AtomicBool::new(false));
    let middle = replaying(address, Arc::clone(&ended)).to_string();
    let keys = keys.to_str().unwrap();
    // The session may be over before the last copy comes back.
    for (options, copies) in [(&["--key-file", keys][..], 0..=0), (&[], 19..=20)] {
        let (_, lines) = delay(
            owl(&["delay", &middle, "--json", "--count", "20", "--own"])
                .args(["--interval", "50ms", "--timeout", "300ms"])
                .args(options),
        );
        let result = lines.last().unwrap();
        assert_eq!(result["packets"]["received"], 20, "{result}");
        let copied = result["forward"]["duplicated"].as_u64().unwrap();
        assert!(copies.contains(&copied), "{options:?}: {copied}");
        assert_eq!(result["backward"]["duplicated"], 0, "{options:?}");
    }
    ended.store(true, Relaxed);
    let counts = stop(&reflector);
    // The search before the session is one packet more at least.
    assert!(counts["replayed"].as_u64() > Some(20), "{counts}");
    assert_eq!(counts["unauthentic"], 0, "{counts}");
}

/// Whether it comes to be that all ten packets come back, within the patience of a test.
fn comes_to_answer(address: SocketAddr, options: &[&str]) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if received(address, options) == Some(10) {
            return true;
        }
    }
    false
}

#[test]
fn new_keys_are_used_after_a_change_and_after_sighup_and_bad_ones_never() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = key_file(far.path(), OLD);
    let log = far.path().join("stderr");
    let (reflector, listening) = reflect(
        owl(&["reflect", "--json", "--listen", "127.0.0.1:0", "--keys"])
            .arg(&file)
            .arg("--authenticated-only")
            .stderr(fs::File::create(&log).unwrap()),
    );
    let with = |secret: &str| {
        let keys = key_file(near.path(), secret);
        let options = ["--key-file", keys.to_str().unwrap()];
        comes_to_answer(listening[0], &options)
    };
    assert!(with(OLD));
    key_file(far.path(), NEW);
    assert!(with(NEW), "the change was seen");

    fs::write(&file, "[[session]]\nkey = \"short\"\n").unwrap();
    signal(&reflector, "-HUP");
    assert!(with(NEW), "a bad file keeps the keys");
    let said = || fs::read_to_string(&log).unwrap();
    let began = Instant::now();
    while !said().contains("the keys of before stay in use") && began.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(said().contains("keys.toml:2"), "{}", said());
    assert!(
        !said().contains("short") && !said().contains(NEW),
        "no secret is logged"
    );

    key_file(far.path(), OLD);
    signal(&reflector, "-HUP");
    assert!(with(OLD), "SIGHUP does not end it");
    assert_eq!(received(listening[0], &[]), None);
}

#[test]
fn a_running_session_follows_a_change_of_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = key_file(folder.path(), OLD);
    let (_reflector, address) = reflector(&file, &["--authenticated-only"]);
    let session = Daemon::start(
        owl(&[
            "delay",
            &address.to_string(),
            "--json",
            "--samples",
            "--interval",
            "10ms",
        ])
        .args(["--duration", "0s", "--timeout", "500ms", "--key-file"])
        .arg(&file)
        .stderr(Stdio::null()),
    );
    let sample = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["kind"] == "sample").then(|| line["sequence"].as_u64())?
    };
    let before = session.line(PATIENCE, sample);
    key_file(folder.path(), NEW);
    // Both ends look once a second. In between they may have different keys; by then the session goes on with the new one.
    let after = session.line(PATIENCE, |line| {
        sample(line).filter(|&sequence| sequence > before + 400)
    });
    assert!(after > before);
}

#[test]
fn a_key_file_that_others_may_read_is_refused_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let file = key_file(folder.path(), OLD);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let file = file.to_str().unwrap();
    for (lang, arguments) in [
        (
            "en",
            &["reflect", "--listen", "127.0.0.1:0", "--keys", file][..],
        ),
        ("zh-CN", &["delay", "127.0.0.1", "--key-file", file]),
    ] {
        let output = owl(arguments).args(["--lang", lang]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("0644") && said.contains("chmod 600"),
            "{said}"
        );
        assert!(!said.contains(OLD), "{said}");
    }
}

#[test]
fn only_networks_that_are_named_are_answered() {
    for (network, answered) in [("127.0.0.0/8", Some(10)), ("192.0.2.0/24", None)] {
        let (_reflector, listening) = reflect(&mut owl(&[
            "reflect",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--allow",
            network,
        ]));
        assert_eq!(received(listening[0], &[]), answered, "{network}");
    }
}
