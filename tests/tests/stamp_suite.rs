//! Against another implementation of STAMP, stamp-suite, each side once: nothing is lost in translation.

#[path = "stamp_support/peer.rs"]
mod peer;
mod stamp_support;

use std::process::{Command, Stdio};

use serde_json::Value;

use stamp_support::{delay, owl, reflect};

const PACKETS: u64 = 1_000;

#[test]
fn its_sender_gets_every_reply_of_our_reflector() {
    let Some(program) = peer::peer() else { return };
    for ip in ["127.0.0.1", "::1"] {
        let listen = peer::at(ip, 0);
        let (_reflector, listening) =
            reflect(&mut owl(&["reflect", "--json", "--listen", &listen]));
        let output = Command::new(&program)
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
    let Some(program) = peer::peer() else { return };
    for ip in ["127.0.0.1", "::1"] {
        let (_reflector, address) = peer::reflector(&program, ip, &[]);
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
