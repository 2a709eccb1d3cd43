//! The end of a reflector that a test has started.

use std::process::Command;

use owl_tests::Daemon;
use serde_json::Value;

use crate::stamp_support::PATIENCE;

/// Sends it a signal.
pub(crate) fn signal(daemon: &Daemon, name: &str) {
    let sent = Command::new("kill")
        .args([name, &daemon.id().to_string()])
        .status();
    assert!(sent.expect("kill can be started").success());
}

/// Stops a reflector: its counts.
pub(crate) fn stop(reflector: &Daemon) -> Value {
    signal(reflector, "-INT");
    reflector.line(PATIENCE, |line| serde_json::from_str(line).ok())
}
