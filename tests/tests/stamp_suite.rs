//! Against another implementation of STAMP, stamp-suite, each side once: nothing is lost in translation.
//!
//! It is taken from PATH; tests/run installs it.

mod stamp_support;

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use owl_tests::{Daemon, skip};
use serde_json::Value;

use stamp_support::{delay, owl, reflect};

const PACKETS: u64 = 1_000;

/// The peer; `None` when the test has been said to be skipped.
fn peer() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("stamp-suite"))
        .find(|file| file.is_file());
    if found.is_none() {
        skip("stamp-suite is not installed (tests/run installs it)");
    }
    found
}

#[test]
fn its_sender_gets_every_reply_of_our_reflector() {
    let Some(peer) = peer() else { return };
    for ip in ["127.0.0.1", "::1"] {
        let listen = if ip.contains(':') {
            format!("[{ip}]:0")
        } else {
            format!("{ip}:0")
        };
        let (_reflector, listening) =
            reflect(&mut owl(&["reflect", "--json", "--listen", &listen]));
        let output = Command::new(&peer)
            .args(["-r", ip, "-S", ip, "-p", &listening[0].port().to_string()])
            .args([
                "-c",
                &PACKETS.to_string(),
                "-d",
                "2",
                "-L",
                "1",
                "--output-format",
                "json",
            ])
            .stderr(Stdio::null())
            .output()
            .expect("stamp-suite can be started");
        let text = String::from_utf8_lossy(&output.stdout);
        let summary: Value = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .find(|line: &Value| line["type"] == "summary")
            .unwrap_or_else(|| panic!("{ip}: stamp-suite printed no summary: {text}"));
        let count = |name: &str| summary[name].as_u64();
        assert_eq!(
            (count("packets_sent"), count("packets_received")),
            (Some(PACKETS), Some(PACKETS)),
            "{ip}"
        );
        assert_eq!(
            summary["measurements"]["reordered_replies"], 0,
            "{ip}: {summary}"
        );
        assert_eq!(
            summary["measurements"]["unknown_replies"], 0,
            "{ip}: {summary}"
        );
        assert_eq!(
            summary["owd"]["samples"].as_u64(),
            Some(PACKETS),
            "{ip}: {summary}"
        );
    }
}

#[test]
fn our_sender_gets_every_reply_of_its_reflector() {
    let Some(peer) = peer() else { return };
    for ip in ["127.0.0.1", "::1"] {
        // Free now; nobody else on this host asks for it before stamp-suite does.
        let port = UdpSocket::bind((ip, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let _reflector = Daemon::start(
            Command::new(&peer)
                .args([
                    "-i",
                    "--stateful-reflector",
                    "-S",
                    ip,
                    "-o",
                    &port.to_string(),
                ])
                .stderr(Stdio::null()),
        );
        let address = if ip.contains(':') {
            format!("[{ip}]:{port}")
        } else {
            format!("{ip}:{port}")
        };
        // It does not say when it listens: a search of ours takes a second before it gives up.
        let listens =
            (0..10).any(|_| delay(&mut owl(&["delay", &address, "--count", "1", "--json"])).0 == 0);
        assert!(listens, "{address}: stamp-suite does not answer");
        let (code, lines) = delay(&mut owl(&[
            "delay",
            &address,
            "--count",
            &PACKETS.to_string(),
            "--interval",
            "2ms",
            "--json",
        ]));
        let result = lines.last().expect("a result");
        assert_eq!(code, 0, "{result}");
        let count = |name: &str| result["packets"][name].as_u64();
        assert_eq!(
            (count("sent"), count("received")),
            (Some(PACKETS), Some(PACKETS)),
            "{result}"
        );
        assert_eq!(
            (count("strangers"), count("lost")),
            (Some(0), Some(0)),
            "{result}"
        );
        assert_eq!(
            result["stamps"]["t4"]["kernel"].as_u64(),
            Some(PACKETS),
            "{result}"
        );
    }
}
