//! What the tests with stamp-suite share: how both senders are run and read, and the page that holds the tables.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use owl_tests::repository;
use serde_json::Value;

use crate::stamp_support::{delay, owl};

pub(crate) const PACKETS: u64 = 20;
pub(crate) const FAMILIES: [&str; 2] = ["127.0.0.1", "::1"];
pub(crate) const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// The session identifier of stamp-suite's sessions.
pub(crate) const SSID: &str = "77";

/// Waits until a reflector answers: our search takes a second before it gives up.
#[track_caller]
pub(crate) fn answers(address: &str, options: &[&str]) {
    let answered = (0..10)
        .any(|_| delay(owl(&["delay", address, "--count", "1", "--json"]).args(options)).0 == 0);
    assert!(answered, "{address}: stamp-suite does not answer");
}

/// The result of our sender.
#[track_caller]
pub(crate) fn our_result(address: &str, options: &[&str]) -> Value {
    let packets = PACKETS.to_string();
    let (_, lines) = delay(
        owl(&["delay", address, "--json", "--count", &packets])
            .args(["--interval", "5ms", "--timeout", "5s"])
            .args(options),
    );
    lines.last().expect("a result").clone()
}

/// The summary of their sender.
#[track_caller]
pub(crate) fn their_summary(program: &Path, ip: &str, port: u16, options: &[&str]) -> Value {
    let (port, packets) = (port.to_string(), PACKETS.to_string());
    let output = Command::new(program)
        .args(["-r", ip, "-S", ip, "-p", &port, "-c", &packets])
        .args(["-d", "5", "-L", "1", "--ssid", SSID])
        .args(["--output-format", "json"])
        .args(options)
        .stderr(Stdio::null())
        .output()
        .expect("stamp-suite can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let summary = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find(|line: &Value| line["type"] == "summary");
    summary.unwrap_or_else(|| panic!("stamp-suite {options:?} printed no summary: {text}"))
}

pub(crate) fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Every line of a table stands in docs/interop.md, and is printed.
#[expect(clippy::print_stdout, reason = "the table is what this test is for")]
pub(crate) fn check_page(lines: &[String]) {
    let page = fs::read_to_string(repository().join("docs/interop.md")).expect("the page is there");
    println!("{}", lines.join("\n"));
    for line in lines {
        assert!(
            page.lines().any(|written| written == line),
            "docs/interop.md lacks: {line}"
        );
    }
}
