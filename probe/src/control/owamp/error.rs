//! What can go wrong when this host talks to an OWAMP server.

use std::io;
use std::net::SocketAddr;

use owl_measure::sample::Direction;
use owl_protocol::session::control::ControlError;
use owl_protocol::wire::owamp::Accept;

use crate::control::NoRandomness;
use crate::net::SocketError;

/// Why a measurement over OWAMP came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum OwampError {
    /// Nobody listens there, or nothing comes through.
    #[error("cannot connect to TCP {server}")]
    Connect {
        /// The server.
        server: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The connection broke.
    #[error("cannot talk to {server}")]
    Broken {
        /// The server.
        server: SocketAddr,
        /// What happened.
        source: io::Error,
    },
    /// The server closed the connection before all was done.
    #[error("{server} has closed the control connection")]
    Closed {
        /// The server.
        server: SocketAddr,
    },
    /// What the server says, or does not say, makes it impossible to go on.
    #[error("cannot agree with {server}")]
    Control {
        /// The server.
        server: SocketAddr,
        /// What it was.
        source: ControlError,
    },
    /// The server takes no part in a session.
    #[error("{server} refuses the session {way}: {accept}", way = way(*.direction))]
    Session {
        /// The server.
        server: SocketAddr,
        /// Which session.
        direction: Direction,
        /// In its words.
        accept: Accept,
    },
    /// The server accepted the sessions, but does not start them.
    #[error("{server} does not start the sessions: {accept}")]
    Start {
        /// The server.
        server: SocketAddr,
        /// In its words.
        accept: Accept,
    },
    /// The server says that its part of the measurement went wrong.
    #[error("{server} says that its sessions came to nothing: {accept}")]
    Stopped {
        /// The server.
        server: SocketAddr,
        /// In its words.
        accept: Accept,
    },
    /// The server does not give what it has received.
    #[error("{server} does not give the records of the session: {accept}")]
    Fetch {
        /// The server.
        server: SocketAddr,
        /// In its words.
        accept: Accept,
    },
    /// Stopped before test packets went.
    #[error("stopped before the first test packet")]
    TooSoon,
    /// A socket for test packets cannot be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The kernel refuses to wait.
    #[error("cannot wait for packets")]
    Wait(#[source] io::Error),
    /// The system gives no randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "to it",
        Direction::Backward => "from it",
    }
}
