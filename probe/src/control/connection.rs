//! A TCP connection that never waits: what cannot be written yet is written later.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use owl_measure::time::Nanos;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::LOOK_AROUND;
use crate::net::Waiting;

/// A quiet connection asks so often whether the far end still knows it: one that began anew says no at once. A path that
/// is down answers nothing, and its sessions go on, for their losses are what is measured, for twenty minutes.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_UNANSWERED_MAX: u32 = 120;

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

/// Connects from a local address of the kernel's choice or from `source`; `None` when `stop` was set meanwhile.
///
/// # Errors
/// When nobody listens there, nothing comes of it within `patience`, or the source is not this host's.
pub(crate) fn connect(
    server: SocketAddr,
    source: Option<IpAddr>,
    patience: Nanos,
    stop: &AtomicBool,
) -> io::Result<Option<Connection>> {
    let socket = Socket::new(
        Domain::for_address(server),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE)
        .with_retries(KEEPALIVE_UNANSWERED_MAX);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let until = Instant::now() + patience.to_std();
    // A server speaks first, so its first octets tell of the connection; until then it is looked at now and then.
    let mut waiting = Waiting::on([socket.as_raw_fd()]);
    while socket.peer_addr().is_err() {
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        if stop.load(Relaxed) {
            return Ok(None);
        }
        if Instant::now() >= until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        waiting.wait(LOOK_AROUND)?;
    }
    Connection::new(socket.into()).map(Some)
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
