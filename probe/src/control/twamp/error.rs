//! What can go wrong when this host talks to a TWAMP server.

use std::io;
use std::net::{IpAddr, SocketAddr};

use owl_measure::hindrance::Hindrance;
use owl_protocol::session::control::ControlError;
use owl_protocol::wire::owamp::Accept;

use super::client::SETTING_UP;
use crate::control::NoRandomness;

/// Why there is no session with a TWAMP server.
#[derive(Debug, thiserror::Error)]
pub enum TwampError {
    /// Nobody listens there, or nothing comes through.
    #[error("cannot connect to TCP {server}")]
    Connect {
        /// The server.
        server: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// This host gives no UDP port to send from.
    #[error("cannot bind a UDP port of {local}")]
    NoPort {
        /// The local address.
        local: IpAddr,
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
    /// The server closed the connection.
    #[error("{server} has closed the control connection {step}")]
    Closed {
        /// The server.
        server: SocketAddr,
        /// How far things had come.
        step: &'static str,
    },
    /// What the server says, or does not say, makes it impossible to go on.
    #[error("cannot agree with {server} {step}")]
    Control {
        /// The server.
        server: SocketAddr,
        /// How far things had come.
        step: &'static str,
        /// What it was.
        source: ControlError,
    },
    /// The server does not reflect the session.
    #[error("{server} refuses the session (Request-TW-Session): {accept}")]
    Session {
        /// The server.
        server: SocketAddr,
        /// In its words.
        accept: Accept,
    },
    /// The server accepted the session, but does not start it.
    #[error("{server} does not start the session (Start-Sessions): {accept}")]
    Start {
        /// The server.
        server: SocketAddr,
        /// In its words.
        accept: Accept,
    },
    /// Stopped before test packets went.
    #[error("stopped before {server} had started the session")]
    Stopped {
        /// The server.
        server: SocketAddr,
    },
    /// Keys cannot be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl TwampError {
    /// What it means for the sessions that were asked for.
    pub(crate) fn hindrance(&self) -> Hindrance {
        match self {
            Self::Connect { .. } => Hindrance::Unreachable,
            Self::NoPort { .. } | Self::NoRandomness(_) | Self::Stopped { .. } => {
                Hindrance::Unprepared
            }
            Self::Closed { step, .. } if *step == SETTING_UP => Hindrance::NotLetIn,
            Self::Control { source, .. } => match source {
                ControlError::Unwilling
                | ControlError::NotOffered { .. }
                | ControlError::RoundsNotAccepted { .. }
                | ControlError::Refused { .. } => Hindrance::NotLetIn,
                _ => Hindrance::Silent,
            },
            Self::Broken { .. } | Self::Closed { .. } => Hindrance::Silent,
            Self::Session { accept, .. } => Hindrance::Refused {
                accept: accept.to_octet(),
            },
            Self::Start { accept, .. } => Hindrance::NotStarted {
                accept: accept.to_octet(),
            },
        }
    }
}
