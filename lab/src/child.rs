//! A child process that is started again when it dies.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::LabError;
use crate::sys;

/// A pause after a death is doubled each time the child died young, up to this.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A child that lived as long as this did not die of its start.
const YOUNG: Duration = Duration::from_secs(5);

/// How a child is started.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// What it is called in messages.
    pub(crate) name: String,
    /// The program and its arguments.
    pub(crate) line: Vec<String>,
    /// What it prints goes here.
    pub(crate) log: PathBuf,
    /// From its death until it is started again.
    pub(crate) pause: Duration,
}

/// What became of a child since it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It ended.
    Died,
    /// It was started again.
    Restarted,
}

/// A child process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) part: Part,
    process: Option<Process>,
    started: Instant,
    again_at: Instant,
    pause: Duration,
}

impl Child {
    pub(crate) fn start(part: Part) -> Result<Self, LabError> {
        let process = spawn(&part).map_err(|source| LabError::Start {
            name: part.name.clone(),
            source,
        })?;
        let now = Instant::now();
        let pause = part.pause;
        Ok(Self {
            part,
            process: Some(process),
            started: now,
            again_at: now,
            pause,
        })
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Looks whether it still runs, and starts it again when its pause is over.
    pub(crate) fn look_after(&mut self, now: Instant) -> Option<Change> {
        if let Some(process) = &mut self.process {
            // A child that cannot be asked is taken to run.
            if !matches!(process.try_wait(), Ok(Some(_))) {
                return None;
            }
            self.process = None;
            self.pause = if now - self.started < YOUNG {
                (self.pause * 2).min(PAUSE_MAX)
            } else {
                self.part.pause
            };
            self.again_at = now + self.pause;
            return Some(Change::Died);
        }
        if now < self.again_at {
            return None;
        }
        self.started = now;
        match spawn(&self.part) {
            Ok(process) => {
                self.process = Some(process);
                Some(Change::Restarted)
            }
            Err(_) => {
                self.pause = (self.pause * 2).min(PAUSE_MAX);
                self.again_at = now + self.pause;
                None
            }
        }
    }

    /// Asks it to end; [`Child::farewell`] waits for that.
    pub(crate) fn ask_to_end(&self) {
        if let Some(pid) = self.pid() {
            sys::terminate(pid);
        }
    }

    /// Waits until it has ended, and kills it after the deadline.
    pub(crate) fn farewell(&mut self, deadline: Instant) {
        while let Some(process) = &mut self.process {
            if matches!(process.try_wait(), Ok(Some(_))) {
                self.process = None;
            } else if Instant::now() >= deadline {
                self.kill();
            } else {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself, which is as good.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(part: &Part) -> io::Result<Process> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&part.log)?;
    let (program, arguments) = part.line.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    // In a group of its own, so that Ctrl-C reaches the lab alone, which then ends its children in order.
    command.process_group(0);
    sys::prepare_child(&mut command);
    command.spawn()
}

/// The last lines of a log, on one line.
pub(crate) fn last_words(log: &Path) -> String {
    const OCTETS: u64 = 2_000;
    let read = || -> io::Result<String> {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(OCTETS)))?;
        let mut octets = Vec::new();
        file.take(OCTETS).read_to_end(&mut octets)?;
        Ok(String::from_utf8_lossy(&octets).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let said = lines[lines.len().saturating_sub(3)..].join(" | ");
    if said.is_empty() {
        "nothing".into()
    } else {
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(2);

    fn part(directory: &Path, script: &str) -> Part {
        Part {
            name: "child".into(),
            line: ["sh", "-c", script].map(str::to_owned).to_vec(),
            log: directory.join("child.log"),
            pause: PAUSE,
        }
    }

    #[test]
    fn a_child_that_died_is_started_again_after_a_pause_that_grows_while_it_dies_young() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Child::start(part(directory.path(), "echo gone")).unwrap();
        let process = child.process.as_mut().unwrap();
        process.wait().unwrap();
        let now = Instant::now();
        assert_eq!(child.look_after(now), Some(Change::Died));
        assert_eq!((child.pid(), child.pause), (None, PAUSE * 2));
        assert_eq!(child.look_after(now + PAUSE), None);
        assert_eq!(child.look_after(now + PAUSE * 2), Some(Change::Restarted));
        assert!(child.pid().is_some());
        assert_eq!(
            last_words(&directory.path().join("child.log"))
                .split(" | ")
                .next(),
            Some("gone")
        );
    }

    #[test]
    fn a_child_that_does_not_listen_is_killed_at_the_deadline() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Child::start(part(
            directory.path(),
            "trap '' TERM; while :; do sleep 1; done",
        ))
        .unwrap();
        child.ask_to_end();
        child.farewell(Instant::now() + Duration::from_millis(100));
        assert_eq!(child.pid(), None);
    }
}
