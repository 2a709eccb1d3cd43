//! A primary and a synchronous standby of PostgreSQL 15, in folders of the test's own and on loopback.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::network::until;
use crate::{Daemon, skip};

/// Where Debian has the programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// PostgreSQL refuses to run as root; this user owns nothing else.
const NOBODY: u32 = 65_534;

/// A server with its folder; it ends with the test.
#[derive(Debug)]
pub struct Postgres {
    directory: TempDir,
    port: u16,
    daemon: Option<Daemon>,
}

impl Postgres {
    /// A primary that tells nobody of a commit before `standby` has it, with a database `owl`; `None`, and the test is said
    /// to be skipped, where PostgreSQL is not installed.
    pub fn primary() -> Option<Self> {
        if !Path::new(PROGRAMS).join("postgres").exists() {
            skip(format_args!(
                "{PROGRAMS} has no PostgreSQL (Debian: postgresql-15)"
            ));
            return None;
        }
        let mut primary = Self::folder();
        primary.run(
            "initdb",
            &[
                "--no-sync",
                "--auth=trust",
                "--encoding=UTF8",
                "--username=owl",
                "--pgdata",
            ],
            true,
        );
        primary.start(&[]);
        primary.sql("postgres", "CREATE DATABASE owl");
        Some(primary)
    }

    /// A standby of this one, and from here on no commit without it.
    pub fn standby(&self) -> Self {
        let mut standby = Self::folder();
        let from = format!(
            "postgres://owl@127.0.0.1:{}/postgres?application_name=standby",
            self.port
        );
        standby.run(
            "pg_basebackup",
            &["--no-sync", "-R", "-c", "fast", "-d", &from, "-D"],
            true,
        );
        standby.start(&[]);
        self.sql(
            "postgres",
            "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (standby)'",
        );
        self.sql("postgres", "SELECT pg_reload_conf()");
        until("the standby is synchronous", || {
            self.sql("postgres", "SELECT sync_state FROM pg_stat_replication")
                .contains("quorum")
        });
        standby
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it as the loss of power would: nothing is brought in order.
    pub fn kill(&mut self) {
        self.run("pg_ctl", &["stop", "-m", "immediate", "-D"], true);
        self.daemon = None;
    }

    /// Makes the standby a primary.
    pub fn promote(&self) {
        self.run("pg_ctl", &["promote", "-D"], true);
    }

    /// What a question answers, as text.
    ///
    /// # Panics
    /// When it is not answered.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let port = self.port.to_string();
        self.run(
            "psql",
            &[
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                "owl",
                "-AtXc",
                sql,
                database,
            ],
            false,
        )
    }

    fn folder() -> Self {
        let directory = tempfile::tempdir().expect("a folder for the test");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700))
            .expect("the folder is the test's own");
        if is_root() {
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).expect("root may give it away");
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port of loopback");
        let port = free.local_addr().expect("it was bound").port();
        Self {
            directory,
            port,
            daemon: None,
        }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn start(&mut self, more: &[&str]) {
        let (port, socket) = (
            self.port.to_string(),
            self.directory.path().display().to_string(),
        );
        let mut command = program("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .args(["-h", "127.0.0.1", "-p", &port, "-k", &socket])
            .args(["-c", "max_connections=50"])
            .args(more)
            .stderr(Stdio::null());
        self.daemon = Some(Daemon::start(&mut command));
        let ready = || {
            let asked = program("pg_isready")
                .args(["-q", "-h", "127.0.0.1", "-p", &port])
                .status();
            asked.is_ok_and(|status| status.success())
        };
        until("PostgreSQL takes connections", ready);
    }

    fn run(&self, name: &str, arguments: &[&str], on_data: bool) -> String {
        let mut command = program(name);
        command.args(arguments);
        if on_data {
            command.arg(self.data());
        }
        let output = command.output().expect("its programs are there");
        assert!(output.status.success(), "{name}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// One of its programs, that ends with the test, however that ends.
fn program(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        let nobody = NOBODY.to_string();
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    }
    command
        .arg(Path::new(PROGRAMS).join(name))
        .current_dir("/")
        .stdin(Stdio::null());
    command
}
