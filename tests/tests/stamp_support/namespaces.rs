//! Network namespaces for a test: made, used and removed by `ip`, where that is allowed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use owl_tests::{installed, skip};

/// Runs `ip` with these arguments.
pub(crate) fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "ip {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}

/// The same command in this namespace.
pub(crate) fn inside(namespace: &str, command: &Command) -> Command {
    let mut there = Command::new("ip");
    there
        .args(["netns", "exec", namespace])
        .arg(command.get_program())
        .args(command.get_args());
    there
}

/// Removes it. One that was never made cannot be removed, which is as good.
pub(crate) fn delete(namespace: &str) {
    let _ = Command::new("ip")
        .args(["netns", "delete", namespace])
        .stderr(Stdio::null())
        .status();
}

/// What `make` makes of namespaces; `None` when the test has been said to be skipped.
pub(crate) fn made<T>(make: impl FnOnce() -> Result<T, String>) -> Option<T> {
    if !installed("ip") {
        return None;
    }
    if !fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        skip("network namespaces need root");
        return None;
    }
    make()
        .inspect_err(|why| skip(format_args!("no network namespaces here: {why}")))
        .ok()
}
