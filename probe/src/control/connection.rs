//! A TCP connection that never waits: what cannot be written yet is written later.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};

/// What a read has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// So many octets of the buffer.
    Octets(usize),
    /// Nothing so far.
    Nothing,
    /// The peer has nothing more to say.
    Closed,
}

/// A connection and what waits for being written: never more than one piece of the state machine's output.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    output: Vec<u8>,
    written: usize,
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            output: Vec::new(),
            written: 0,
        })
    }

    pub(crate) fn local(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Reads what has come, as far as the buffer holds it.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Heard> {
        match self.stream.read(buffer) {
            Ok(0) => Ok(Heard::Closed),
            Ok(octets) => Ok(Heard::Octets(octets)),
            Err(error) if is_for_later(&error) => Ok(Heard::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Writes what waits, then what `next` gives, as far as TCP takes it.
    pub(crate) fn write(&mut self, mut next: impl FnMut() -> Option<Vec<u8>>) -> io::Result<()> {
        loop {
            if self.written == self.output.len() {
                let Some(output) = next() else {
                    self.output.clear();
                    self.written = 0;
                    return Ok(());
                };
                (self.output, self.written) = (output, 0);
            }
            match self.stream.write(&self.output[self.written..]) {
                Ok(octets) => self.written += octets,
                Err(error) if is_for_later(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether something waits for being written.
    pub(crate) fn is_blocked(&self) -> bool {
        self.written < self.output.len()
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
