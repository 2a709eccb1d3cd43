//! What can go wrong with a control connection. After any of it the connection
//! is to be closed, once what is still to be transmitted has been.

use crate::wire::TooShort;
use crate::wire::owamp::{Accept, Modes};

/// Why a control connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The server offers no mode at all: it has no room now, or never wants to talk to us.
    #[error("the server does not wish to talk to this host, or not now")]
    Unwilling,
    /// The server does not want what we want.
    #[error("the server offers {offered} mode, not {wanted}")]
    NotOffered {
        /// What it offers.
        offered: Modes,
        /// What we want.
        wanted: Modes,
    },
    /// The client wants what we do not offer, or gives up.
    #[error("the client wants {wanted} mode, which was not offered")]
    NotWanted {
        /// What it wants.
        wanted: Modes,
    },
    /// Too few rounds to be safe, too many to be honest, or no power of 2.
    #[error("the server wants {count} rounds of key derivation")]
    RoundsNotAccepted {
        /// How many.
        count: u32,
    },
    /// The server does not let us in.
    #[error("the server refuses the connection: {accept}")]
    Refused {
        /// In its words.
        accept: Accept,
    },
    /// We have not let the client in: no such key, or another secret.
    #[error("the client does not know the secret that it names")]
    SecretUnknown,
    /// Someone has changed what was said.
    #[error("a control message is not authentic")]
    NotAuthentic,
    /// Not a message that can come now.
    #[error("command {command} cannot come now")]
    Unexpected {
        /// Its number.
        command: u8,
    },
    /// A message longer than any that makes sense.
    #[error("a control message of {octets} octets is too long")]
    TooLong {
        /// How long it would have been.
        octets: usize,
    },
    /// A message whose parts contradict each other.
    #[error("a control message contradicts itself or the session")]
    Contradiction,
    /// Stop-Sessions does not speak of the sessions that there are.
    #[error("{told} sessions were stopped, {running} are running")]
    SessionCount {
        /// How many it speaks of.
        told: u32,
        /// How many there are.
        running: u32,
    },
    /// Nothing has come for too long.
    #[error("the peer has said nothing for too long")]
    Silent,
    /// It does not read what we say.
    #[error("the peer does not read its answers")]
    NotReading,
    /// It went wrong before.
    #[error("the connection has been given up")]
    GivenUp,
}

impl From<TooShort> for ControlError {
    /// Messages are read once they are whole, so one that is too short contradicts its own length.
    fn from(_: TooShort) -> Self {
        Self::Contradiction
    }
}

/// Something was asked for that the state of the connection does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the control connection is not ready for that")]
pub struct OutOfTurn;
