//! The control connection of OWAMP (RFC 4656, section 3), on which TWAMP's
//! stands too (RFC 5357, section 3): how it is set up and protected, how its
//! octets become messages, and what all its ends have in common.

mod asker;
mod error;
mod set_up;
mod stream;

pub use asker::ClientConfig;
pub use error::{ControlError, OutOfTurn};
pub use set_up::{Connected, Identity, Offer, Protection, ServerRandom};

pub(crate) use asker::Asker;
pub(crate) use set_up::{ClientSetUp, ServerSetUp};
pub(crate) use stream::{ControlStream, INPUT_MAX};

use crate::wire::owamp::Sid;

/// Where a session has its place on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The UDP port, bound by now: in TWAMP the one asked for, if that could be.
    pub port: u16,
    /// A new identifier; unused in a session that this host only sends.
    pub sid: Sid,
}

/// Gives an end what TCP has delivered, however it was cut: `step` reads one message, or one piece of a long one, and
/// says whether there was one.
pub(crate) fn feed<End>(
    end: &mut End,
    mut octets: &[u8],
    stream: fn(&mut End) -> &mut ControlStream,
    mut step: impl FnMut(&mut End) -> Result<bool, ControlError>,
) -> Result<(), ControlError> {
    loop {
        let taken = stream(end).fill(octets);
        octets = &octets[taken..];
        while step(end)? {}
        if octets.is_empty() {
            return Ok(());
        }
    }
}
