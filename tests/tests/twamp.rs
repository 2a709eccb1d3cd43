//! `owl delay --protocol twamp` and `owl reflect --twamp`: our two ends, over loopback, and what tshark makes of them.

mod stamp_support;

use std::fs::{self, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use owl_tests::{Daemon, installed, skip};
use serde_json::Value;

use stamp_support::{PATIENCE, delay, owl};

/// A TWAMP server; where it listens (TCP).
fn serve(more: &[&str]) -> (Daemon, String) {
    let mut command = owl(&["reflect", "--json", "--listen", "127.0.0.1:0"]);
    command.args(["--twamp", "127.0.0.1:0"]).args(more);
    let server = Daemon::start(&mut command);
    let begin: Value = server.line(PATIENCE, |line| serde_json::from_str(line).ok());
    let address = begin["twamp"][0].as_str().expect("it says where");
    (server, address.to_owned())
}

/// Ends it; what it has counted.
fn counts(server: &Daemon) -> Value {
    let id = server.id().to_string();
    let told = Command::new("kill")
        .args(["-INT", &id])
        .status()
        .expect("kill is there");
    assert!(told.success());
    let result: Value = server.line(PATIENCE, |line| serde_json::from_str(line).ok());
    result["twamp"].clone()
}

const SHORT: [&str; 6] = ["--count", "20", "--interval", "10ms", "--timeout", "500ms"];

fn ask(address: &str, more: &[&str]) -> Command {
    let mut command = owl(&["delay", address, "--protocol", "twamp", "--json"]);
    command.args(SHORT).args(more);
    command
}

fn secret(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, text).expect("the folder is ours");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("the file is ours");
    file.to_str().expect("a path of this test").to_owned()
}

/// Runs it to its end: its exit code, and what it says on standard error.
fn complaint(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command
        .stdin(Stdio::null())
        .output()
        .expect("owl can be started");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// All twenty packets came back, in this mode.
#[track_caller]
fn is_whole((code, lines): (i32, Vec<Value>), mode: &str) {
    let (begin, result) = (&lines[0], &lines[lines.len() - 1]);
    assert_eq!(code, 0, "{mode}: {result}");
    assert_eq!(
        (&begin["protocol"], &begin["mode"]),
        (&"twamp".into(), &mode.into())
    );
    assert_eq!(result["packets"]["sent"], 20, "{mode}: {result}");
    assert_eq!(result["packets"]["received"], 20, "{mode}: {result}");
    assert_eq!(
        result["told"]["forward"]["ttl"]["min"], 255,
        "{mode}: {result}"
    );
}

#[test]
fn a_session_is_asked_for_measured_and_stopped_unauthenticated_and_authenticated() {
    let folder = tempfile::tempdir().unwrap();
    let users = secret(folder.path(), "users.toml", "jiuzi = \"nine words\"\n");
    let right = secret(folder.path(), "right", "nine words\n");
    let wrong = secret(folder.path(), "wrong", "ten words\n");
    let user = |file| ["--user", "jiuzi", "--pass-phrase-file", file];

    let (server, address) = serve(&[]);
    is_whole(
        delay(&mut ask(&address, &["--own", "--dscp", "46"])),
        "unauthenticated",
    );
    let (code, said) = complaint(&mut ask(&address, &user(&right)));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("offers unauthenticated mode"), "{said}");
    let told = counts(&server);
    assert_eq!(told["sessions"], 1, "{told}");
    assert_eq!(told["reflected"], 20, "{told}");

    let (server, address) = serve(&["--users", &users, "--ports", "18760-19960"]);
    is_whole(delay(&mut ask(&address, &user(&right))), "authenticated");
    let (code, said) = complaint(&mut ask(&address, &user(&wrong)));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("during the connection set-up"), "{said}");
    assert!(said.contains("refuses the connection"), "{said}");
    let (code, said) = complaint(&mut ask(&address, &[]));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("--user KEYID"), "{said}");
    let told = counts(&server);
    assert_eq!(told["reflected"], 20, "{told}");
    assert_eq!(told["strangers"], 1, "{told}");
}

#[test]
fn packets_of_every_length_come_back() {
    let (_server, address) = serve(&[]);
    for octets in ["14", "41", "1400"] {
        is_whole(
            delay(&mut ask(&address, &["--octets", octets])),
            "unauthenticated",
        );
    }
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_session_ends_the_measurement_with_its_reason() {
    let (server, address) = serve(&[]);
    let mut command = owl(&["delay", &address, "--protocol", "twamp", "--json"]);
    command.args(["--duration", "0s", "--interval", "10ms"]);
    command.stderr(Stdio::piped());
    let mut measuring = Daemon::start(&mut command);
    // A second of it has been measured.
    measuring.line(PATIENCE, |line| line.contains("\"second\"").then_some(()));
    drop(server);
    measuring.line(PATIENCE, |line| line.contains("\"result\"").then_some(()));
    let ended = loop {
        if let Some(ended) = measuring.ended() {
            break ended;
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(ended.code(), Some(3));
}

#[test]
fn nobody_there_and_no_room_are_told_apart() {
    let nobody = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (code, said) = complaint(&mut ask(&nobody.to_string(), &[]));
    assert_eq!(code, Some(3));
    assert!(said.contains("cannot connect to TCP"), "{said}");
    let (_server, address) = serve(&[]);
    let inside: Vec<_> = (0..8)
        .map(|_| std::net::TcpStream::connect(&address).unwrap())
        .collect();
    let (code, said) = complaint(&mut ask(&address, &[]));
    assert_eq!(code, Some(3));
    assert!(said.contains("does not wish to talk"), "{said}");
    drop(inside);
}

#[test]
fn twamp_light_is_spoken_without_a_control_connection() {
    let (_reflector, listening) =
        stamp_support::reflect(&mut owl(&["reflect", "--json", "--listen", "127.0.0.1:0"]));
    for octets in ["14", "44", "200"] {
        let mut command = owl(&["delay", &listening[0].to_string(), "--json"]);
        command.args(["--protocol", "twamp-light", "--octets", octets]);
        let (code, lines) = delay(command.args(SHORT));
        assert_eq!(code, 0);
        assert_eq!(lines[0]["protocol"], "twamp-light");
        assert_eq!(lines[lines.len() - 1]["packets"]["received"], 20);
    }
}

/// The fields of control messages, in the order in which tshark is asked for them.
const FIELDS: [&str; 8] = [
    "tcp.srcport",
    "twamp.control.command",
    "twamp.control.modes",
    "twamp.control.mode",
    "twamp.control.accept",
    "twamp.control.padding_length",
    "twamp.control.type-p",
    "twamp.control.numsessions",
];

#[test]
fn tshark_reads_the_conversation_as_it_was_meant() {
    if !installed("tshark") {
        return;
    }
    let (_server, address) = serve(&[]);
    let port = address.rsplit(':').next().unwrap().to_owned();
    let mut capture = Command::new("tshark");
    capture.args(["-l", "-n", "-i", "lo", "-f", &format!("port {port}")]);
    capture.args(["-d", &format!("tcp.port=={port},twamp.control")]);
    // However this test ends, the capture does too.
    capture.args(["-a", "duration:120"]);
    capture.args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=f"]);
    capture.args(FIELDS.iter().flat_map(|field| ["-e", field]));
    // Where it keeps what it captured; a process that is killed does not tidy up.
    let folder = tempfile::tempdir().unwrap();
    capture.env("TMPDIR", folder.path());
    let interfaces = Command::new("tshark").arg("-D").output().unwrap();
    if !String::from_utf8_lossy(&interfaces.stdout).contains("lo") {
        return skip("tshark may not capture here");
    }
    let tshark = Daemon::start(&mut capture);
    // Datagrams to the same port, which nobody reads, until tshark shows one.
    let seen = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            while !seen.load(Relaxed) {
                let _ = socket.send_to(b"?", &address);
                thread::sleep(Duration::from_millis(20));
            }
        });
        tshark.line(PATIENCE, |_| Some(()));
        seen.store(true, Relaxed);
    });
    is_whole(
        delay(&mut ask(&address, &["--dscp", "46", "--octets", "100"])),
        "unauthenticated",
    );
    let mut said = Vec::new();
    while said.len() < 8 {
        let line: Vec<String> = tshark.line(PATIENCE, |line| {
            let fields: Vec<_> = line.split('|').map(str::to_owned).collect();
            // Segments without octets, and the datagrams of before, have none of these.
            fields[1..]
                .iter()
                .any(|it| !it.is_empty())
                .then_some(fields)
        });
        let by = if line[0] == port { "server" } else { "client" };
        said.push(format!("{by}: {}", line[1..].join("|")));
    }
    assert_eq!(
        said,
        [
            "server: |1|||||",             // Server Greeting
            "client: ||1||||",             // Set-Up-Response
            "server: |||0|||",             // Server-Start
            "client: 5||||86|0x2e000000|", // Request-TW-Session: 100 octets are 14 and 86 of padding
            "server: |||0|||",             // Accept-Session
            "client: 2||||||",             // Start-Sessions
            "server: |||0|||",             // Start-Ack
            "client: 3|||0|||1",           // Stop-Sessions
        ]
    );
}
