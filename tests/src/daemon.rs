//! A child process that ends with the test that started it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Lines kept for a test that does not read; a process that writes more waits.
const LINES_MAX: usize = 1_024;

/// A child process, killed when dropped; its standard output is read line by line.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let output = child.stdout.take().expect("standard output was asked for");
        let (sender, lines) = mpsc::sync_channel(LINES_MAX);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { name, child, lines }
    }

    /// What `pick` makes of the first line of standard output that it takes.
    ///
    /// # Panics
    /// When no such line comes `within` the time, or the process ends before.
    pub fn line<T>(&self, within: Duration, mut pick: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|error| {
                panic!(
                    "{} did not print what the test waits for: {error}",
                    self.name
                )
            });
            if let Some(picked) = pick(&line) {
                return picked;
            }
        }
    }

    /// Its process id, for signals.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it ended, and how.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child
            .try_wait()
            .expect("a process that this one started can be waited for")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
