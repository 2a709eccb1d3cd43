//! What the tests of TWAMP and OWAMP share: a server of one protocol, and a measurement that asks it for sessions.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use owl_tests::Daemon;
use serde_json::Value;
use tempfile::TempDir;

use crate::stamp_support::{PATIENCE, owl};
use crate::stop::stop;

/// A protocol with control connections.
pub(crate) struct Protocol {
    /// As the command line and the results name it.
    pub(crate) name: &'static str,
    /// What a short measurement sends.
    pub(crate) short: [&'static str; 4],
}

impl Protocol {
    /// A server; where it listens (TCP).
    pub(crate) fn serve(&self, more: &[&str]) -> (Daemon, String) {
        let mut command = owl(&["reflect", "--json", "--listen", "127.0.0.1:0"]);
        command.args([&format!("--{}", self.name), "127.0.0.1:0"]);
        let server = Daemon::start(command.args(more));
        let begin: Value = server.line(PATIENCE, |line| serde_json::from_str(line).ok());
        let address = begin[self.name][0].as_str().expect("it says where");
        (server, address.to_owned())
    }

    /// Ends a server; what it has counted.
    pub(crate) fn counts(&self, server: &Daemon) -> Value {
        stop(server)[self.name].clone()
    }

    fn delay(&self, address: &str) -> Command {
        owl(&["delay", address, "--protocol", self.name, "--json"])
    }

    /// A short measurement.
    pub(crate) fn ask(&self, address: &str, more: &[&str]) -> Command {
        let mut command = self.delay(address);
        command
            .args(self.short)
            .args(["--timeout", "500ms"])
            .args(more);
        command
    }

    /// A measurement of that length whose server dies after its first second; it has ended.
    pub(crate) fn bereaved(&self, length: [&str; 2]) -> Daemon {
        let (server, address) = self.serve(&[]);
        let mut command = self.delay(&address);
        command.args(length).args(["--interval", "10ms"]);
        let mut measuring = Daemon::start(command.stderr(Stdio::piped()));
        measuring.line(PATIENCE, |line| line.contains("\"second\"").then_some(()));
        drop(server);
        while measuring.ended().is_none() {
            thread::sleep(Duration::from_millis(10));
        }
        measuring
    }
}

/// The files of a server with one user.
pub(crate) struct Secrets {
    folder: TempDir,
}

impl Secrets {
    pub(crate) fn new() -> Self {
        let secrets = Self {
            folder: tempfile::tempdir().expect("a folder of our own"),
        };
        for (name, text) in [
            ("users", "jiuzi = \"nine words\"\n"),
            ("right", "nine words\n"),
            ("wrong", "ten words\n"),
        ] {
            let file = secrets.file(name);
            fs::write(&file, text).expect("the folder is ours");
            fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("the file is ours");
        }
        secrets
    }

    /// Where `users`, the pass-phrase that is `right`, or one that is `wrong` stands.
    pub(crate) fn file(&self, name: &str) -> String {
        let file = self.folder.path().join(name);
        file.to_str().expect("a path of this test").to_owned()
    }
}

/// The options of who measures as the user, with the pass-phrase of this file.
pub(crate) fn user(file: &str) -> [&str; 4] {
    ["--user", "jiuzi", "--pass-phrase-file", file]
}

/// Runs it to its end: its exit code, and what it says on standard error.
pub(crate) fn complaint(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command
        .stdin(Stdio::null())
        .output()
        .expect("owl can be started");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}
