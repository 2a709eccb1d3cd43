//! A PostgreSQL of a test's own: in a directory of its own, on a socket in it, gone with the test.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::store::database::{Database, Purpose};
use crate::store::{Place, PostgresAddress};

/// Where Debian has the programs of PostgreSQL 15.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// The user that owns nothing: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;
/// How long it may take to start on a busy machine.
const STARTING: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    directory: TempDir,
    process: Child,
    databases: AtomicUsize,
}

impl Server {
    /// Starts one; `None`, with the reason on stderr, where it is not installed.
    #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
    pub(crate) fn start() -> Option<Self> {
        if !Path::new(PROGRAMS).join("postgres").exists() {
            eprintln!("skipped: {PROGRAMS} has no PostgreSQL (Debian: postgresql-15)");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        if is_root() {
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = directory.path().join("data");
        let made = program("initdb")
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .args(["--username=owl", "--pgdata"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let socket = format!("unix_socket_directories={}", directory.path().display());
        let process = program("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", &socket])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            directory,
            process,
            databases: AtomicUsize::new(0),
        };
        let deadline = Instant::now() + STARTING;
        while let Err(error) = Database::connect(&server.place("postgres"), Purpose::Read) {
            assert!(Instant::now() < deadline, "{error}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// A database that nobody has used.
    pub(crate) fn database(&self) -> Place {
        let name = format!("owl_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        Database::connect(&self.place("postgres"), Purpose::Write)
            .unwrap()
            .execute(&format!("CREATE DATABASE {name}"), &[])
            .unwrap();
        self.place(&name)
    }

    fn place(&self, database: &str) -> Place {
        let directory = self.directory.path().display().to_string();
        let host = directory.replace('/', "%2F");
        let address = PostgresAddress::parse(&format!("postgres://owl@{host}/{database}"));
        Place::Postgres(address.unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A program that ends with the test, however that ends.
fn program(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        let nobody = NOBODY.to_string();
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    }
    command.arg(Path::new(PROGRAMS).join(name));
    command.current_dir("/");
    command
}
