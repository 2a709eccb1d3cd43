//! Questions to a daemon of this host over a datagram socket.
//!
//! A daemon answers to the address that it was asked from, so a Unix socket is
//! bound beside the daemon's own and removed when this is dropped.

use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use super::octets::AnswerError;

/// How long a daemon of this host may take to answer.
const PATIENCE: Duration = Duration::from_millis(200);
/// No answer that is asked for is longer; what is longer is cut off and then too short to be read.
const ANSWER_OCTETS_MAX: usize = 1_024;
/// Datagrams that may come before the one that is waited for; late answers and pushes are among them.
const PASSED_OVER_MAX: usize = 64;

/// A daemon that tells nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum TellError {
    /// It cannot be asked.
    #[error("cannot ask {whom}")]
    Ask {
        /// Where it should be.
        whom: String,
        /// Why not.
        source: io::Error,
    },
    /// It does not answer in time.
    #[error("no answer from {whom} within 0.2 s")]
    Silent {
        /// Who.
        whom: String,
    },
    /// Its answer cannot be understood.
    #[error("cannot understand {whom}")]
    Answer {
        /// Who.
        whom: String,
        /// What is wrong with it.
        source: AnswerError,
    },
    /// Its answer cannot be understood as JSON.
    #[error("cannot understand {whom}")]
    Json {
        /// Who.
        whom: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl TellError {
    /// The error with its causes, in one line.
    pub(super) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

/// A socket that is connected to a daemon.
#[derive(Debug)]
pub(super) struct Datagrams {
    whom: String,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Unix { socket: UnixDatagram, own: PathBuf },
    Udp(UdpSocket),
}

/// Makes the names of this process's sockets different.
static COUNTER: AtomicU32 = AtomicU32::new(0);

impl Datagrams {
    /// Connects to a daemon's Unix socket; the own one beside it begins with `prefix`.
    pub(super) fn unix(path: &Path, prefix: &str) -> Result<Self, TellError> {
        let whom = path.display().to_string();
        let number = COUNTER.fetch_add(1, Relaxed);
        let own = path.with_file_name(format!("{prefix}.owl-{}-{number}.sock", std::process::id()));
        let open = || -> io::Result<Socket> {
            if !path.exists() {
                return Err(io::ErrorKind::NotFound.into());
            }
            // A process of this id that was killed has left it.
            let _ = fs::remove_file(&own);
            let socket = UnixDatagram::bind(&own)?;
            let socket = Socket::Unix {
                socket,
                own: own.clone(),
            };
            // The daemon may have given its privileges up, and must be able to write to it.
            fs::set_permissions(&own, Permissions::from_mode(0o666))?;
            if let Socket::Unix { socket, .. } = &socket {
                socket.connect(path)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                socket.set_write_timeout(Some(PATIENCE))?;
            }
            Ok(socket)
        };
        match open() {
            Ok(socket) => Ok(Self { whom, socket }),
            Err(source) => Err(TellError::Ask { whom, source }),
        }
    }

    /// Connects to a daemon's UDP port.
    pub(super) fn udp(address: SocketAddr) -> Result<Self, TellError> {
        let whom = address.to_string();
        let any: SocketAddr = if address.is_ipv4() {
            ([0, 0, 0, 0], 0).into()
        } else {
            ([0_u16; 8], 0).into()
        };
        let open = || -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind(any)?;
            socket.connect(address)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        };
        match open() {
            Ok(socket) => Ok(Self {
                whom,
                socket: Socket::Udp(socket),
            }),
            Err(source) => Err(TellError::Ask { whom, source }),
        }
    }

    /// Whether this is a Unix socket.
    pub(super) fn is_unix(&self) -> bool {
        matches!(self.socket, Socket::Unix { .. })
    }

    /// Sends a request and waits for the answer that `accept` recognises; what it returns `None` for is passed over.
    ///
    /// # Errors
    /// When the daemon is gone, does not answer in time, or answers what cannot be understood.
    pub(super) fn ask<T>(
        &self,
        request: &[u8],
        mut accept: impl FnMut(&[u8]) -> Result<Option<T>, AnswerError>,
    ) -> Result<T, TellError> {
        let failed = |source: io::Error| {
            let whom = self.whom.clone();
            match source.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => TellError::Silent { whom },
                _ => TellError::Ask { whom, source },
            }
        };
        self.send(request).map_err(failed)?;
        let mut buffer = [0; ANSWER_OCTETS_MAX];
        for _ in 0..PASSED_OVER_MAX {
            let octets = self.receive(&mut buffer).map_err(failed)?;
            let accepted = accept(&buffer[..octets]).map_err(|source| TellError::Answer {
                whom: self.whom.clone(),
                source,
            })?;
            if let Some(answer) = accepted {
                return Ok(answer);
            }
        }
        Err(TellError::Silent {
            whom: self.whom.clone(),
        })
    }

    fn send(&self, request: &[u8]) -> io::Result<usize> {
        match &self.socket {
            Socket::Unix { socket, .. } => socket.send(request),
            Socket::Udp(socket) => socket.send(request),
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.socket {
            Socket::Unix { socket, .. } => socket.recv(buffer),
            Socket::Udp(socket) => socket.recv(buffer),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix { own, .. } = self {
            // One that somebody else removed is as well gone.
            let _ = fs::remove_file(own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_asked_answers_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("daemon.sock");
        let daemon = UnixDatagram::bind(&at).unwrap();
        let server = std::thread::spawn(move || {
            let mut buffer = [0; 64];
            let (octets, from) = daemon.recv_from(&mut buffer).unwrap();
            let from = from.as_pathname().unwrap();
            daemon.send_to(b"something late", from).unwrap();
            daemon.send_to(&buffer[..octets], from).unwrap();
        });
        let datagrams = Datagrams::unix(&at, "owl").unwrap();
        let answer = datagrams.ask(b"how late?", |octets| {
            Ok((octets == b"how late?").then_some(octets.len()))
        });
        assert_eq!(answer.unwrap(), 9);
        server.join().unwrap();
        drop(datagrams);
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "the daemon's own socket");
    }

    #[test]
    fn a_daemon_that_says_nothing_and_one_that_is_not_there_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("daemon.sock");
        let missing = Datagrams::unix(&at, "owl").unwrap_err();
        assert!(missing.chain().contains("daemon.sock"), "{missing}");
        let _deaf = UnixDatagram::bind(&at).unwrap();
        let silent = Datagrams::unix(&at, "owl")
            .unwrap()
            .ask(b"?", |_| Ok(Some(())));
        assert!(matches!(silent, Err(TellError::Silent { .. })));
    }
}
