//! What the tests of `owl delay` and `owl reflect` share: how both are started and read.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use owl_tests::{Daemon, owl_binary};
use serde_json::Value;

/// A process that has not said a word for so long will not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// `owl` with these arguments.
pub(crate) fn owl(arguments: &[&str]) -> Command {
    let mut command = Command::new(owl_binary());
    command.args(arguments);
    command
}

/// Starts `owl reflect --json …`; where it listens.
pub(crate) fn reflect(command: &mut Command) -> (Daemon, Vec<SocketAddr>) {
    let reflector = Daemon::start(command);
    let begin = reflector.line(PATIENCE, |line| serde_json::from_str::<Value>(line).ok());
    let listening = begin["listening"]
        .as_array()
        .expect("it says where it listens")
        .iter();
    let listening = listening
        .map(|address| {
            let address = address.as_str().expect("an address is a text");
            address.parse().expect("ADDR:PORT")
        })
        .collect();
    (reflector, listening)
}

/// Runs `owl delay --json …` to its end: its exit code and the lines that it printed.
pub(crate) fn delay(command: &mut Command) -> (i32, Vec<Value>) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("owl can be started");
    let lines = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"));
    (output.status.code().unwrap_or(-1), lines.collect())
}
