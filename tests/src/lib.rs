//! What the tests of the whole appliance share: the binary, its processes, HTTP, and how to say "skipped".
//!
//! The tests themselves are in `tests/`. Nothing here is measured or judged.
#![forbid(unsafe_code)]

mod binary;
mod breaking;
mod browser;
mod daemon;
mod http;
pub mod network;

use std::path::Path;
use std::process::{Command, Stdio};

pub use binary::owl_binary;
pub use breaking::breaks;
pub use browser::Browser;
pub use daemon::Daemon;
pub use http::{get, percent_encoded};

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in a folder of the repository")
}

/// Says that the test that calls this cannot run, and why; the test then returns.
///
/// The line `skipped: REASON` on standard error is the whole convention, for every test of every crate:
/// `tests/run` gathers these lines, prints them with the names of their tests, and counts them.
#[expect(
    clippy::print_stderr,
    reason = "the convention is a line on standard error"
)]
pub fn skip(reason: impl std::fmt::Display) {
    eprintln!("skipped: {reason}");
}

/// Whether a program is installed; when it is not, the test is said to be skipped.
pub fn installed(program: &str) -> bool {
    let started = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if started.is_err() {
        skip(format_args!("{program} is not installed"));
    }
    started.is_ok()
}

/// Says what a test has counted or measured, for whoever reads its output; nothing is decided by it.
#[expect(clippy::print_stderr, reason = "the output of a test")]
pub fn say(what: impl std::fmt::Display) {
    eprintln!("measured: {what}");
}
