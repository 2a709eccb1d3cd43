//! What commands print with: text on standard output, tables, and one live line.

mod table;

use std::io::{self, IsTerminal as _, Write as _};

pub(crate) use self::table::{Side, Table};
use crate::failure::{Failure, Outcome};

/// Whether somebody still reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Somebody does.
    There,
    /// The other end of the pipe was closed.
    Gone,
}

/// Prints to standard output. A reader that has seen enough (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<Outcome, Failure> {
    stream(text).map(|_| Outcome::Ok)
}

/// Prints to standard output, and tells whether it is worth going on.
pub(crate) fn stream(text: &str) -> Result<Reader, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::unable("cannot write to standard output").because(error)),
    }
}

/// Back to the first column, and clear the line (ECMA-48: CR, EL 2).
const RETURN: &str = "\r\x1b[2K";

/// One line on standard error that is written over and over, and only when that is a terminal.
#[derive(Debug)]
pub(crate) struct LiveLine {
    terminal: bool,
}

impl LiveLine {
    pub(crate) fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
        }
    }

    /// Shows a line in place of the last one.
    pub(crate) fn show(&self, line: &str) {
        self.write(&format!("{RETURN}{line}"));
    }

    /// Takes the line away, so that results begin at the first column.
    pub(crate) fn clear(&self) {
        self.write(RETURN);
    }

    fn write(&self, text: &str) {
        if self.terminal {
            let mut out = io::stderr().lock();
            // A terminal that went away needs no live line.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }
}
