//! The control connection of OWAMP (RFC 4656, section 3), on which TWAMP's
//! stands too: its set-up, its protection, and what can go wrong with it.

mod error;
mod set_up;
mod stream;

pub use error::{ControlError, OutOfTurn};
pub use set_up::{Connected, Identity, Offer, Protection, ServerRandom};

pub(crate) use set_up::{ClientSetUp, ServerSetUp};
pub(crate) use stream::ControlStream;
