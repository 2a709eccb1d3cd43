//! `owl delay --protocol twamp` and `owl reflect --twamp`: our two ends, over loopback, and what tshark makes of them.

#[path = "stamp_support/control.rs"]
mod control;
mod stamp_support;
#[path = "stamp_support/stop.rs"]
mod stop;

use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use owl_tests::{Daemon, installed, skip};
use serde_json::Value;

use control::{Protocol, Secrets, complaint, user};
use stamp_support::{PATIENCE, delay, owl};

const TWAMP: Protocol = Protocol {
    name: "twamp",
    short: ["--count", "20", "--interval", "10ms"],
};

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
    let secrets = Secrets::new();
    let [users, right, wrong] = ["users", "right", "wrong"].map(|name| secrets.file(name));

    let (server, address) = TWAMP.serve(&[]);
    is_whole(
        delay(&mut TWAMP.ask(&address, &["--own", "--dscp", "46"])),
        "unauthenticated",
    );
    let (code, said) = complaint(&mut TWAMP.ask(&address, &user(&right)));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("offers unauthenticated mode"), "{said}");
    let told = TWAMP.counts(&server);
    assert_eq!(told["sessions"], 1, "{told}");
    assert_eq!(told["reflected"], 20, "{told}");

    let (server, address) = TWAMP.serve(&["--users", &users, "--ports", "18760-19960"]);
    is_whole(
        delay(&mut TWAMP.ask(&address, &user(&right))),
        "authenticated",
    );
    let (code, said) = complaint(&mut TWAMP.ask(&address, &user(&wrong)));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("during the connection set-up"), "{said}");
    assert!(said.contains("refuses the connection"), "{said}");
    let (code, said) = complaint(&mut TWAMP.ask(&address, &[]));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("--user KEYID"), "{said}");
    let told = TWAMP.counts(&server);
    assert_eq!(told["reflected"], 20, "{told}");
    assert_eq!(told["strangers"], 1, "{told}");
}

#[test]
fn packets_of_every_length_come_back() {
    let (_server, address) = TWAMP.serve(&[]);
    for octets in ["14", "41", "1400"] {
        is_whole(
            delay(&mut TWAMP.ask(&address, &["--octets", octets])),
            "unauthenticated",
        );
    }
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_session_ends_the_measurement_with_its_reason() {
    let mut measuring = TWAMP.bereaved(["--duration", "0s"]);
    measuring.line(PATIENCE, |line| line.contains("\"result\"").then_some(()));
    let ended = measuring.ended().expect("it has ended");
    assert_eq!(ended.code(), Some(3));
}

#[test]
fn nobody_there_and_no_room_are_told_apart() {
    let nobody = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (code, said) = complaint(&mut TWAMP.ask(&nobody.to_string(), &[]));
    assert_eq!(code, Some(3));
    assert!(said.contains("cannot connect to TCP"), "{said}");
    let (_server, address) = TWAMP.serve(&[]);
    let inside: Vec<_> = (0..8)
        .map(|_| std::net::TcpStream::connect(&address).unwrap())
        .collect();
    let (code, said) = complaint(&mut TWAMP.ask(&address, &[]));
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
        let (code, lines) = delay(command.args(TWAMP.short));
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
    let (_server, address) = TWAMP.serve(&[]);
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
        delay(&mut TWAMP.ask(&address, &["--dscp", "46", "--octets", "100"])),
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
