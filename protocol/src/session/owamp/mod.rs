//! OWAMP-Control and OWAMP-Test (RFC 4656): one-way sessions between two
//! hosts, and their results. The control connection is also the one on which
//! [`twamp_control`](super::twamp_control) stands.
//!
//! Both ends are told octets and times; neither owns a socket nor a clock, and
//! randomness is an argument. Feed a control end with `handle_bytes`, send what
//! `poll_transmit` gives, take what `poll_event` tells, and call
//! `handle_timeout` at `next_deadline`. After an error, send what is left to
//! transmit and close the connection.

mod control_client;
mod control_server;
mod error;
mod fetch;
mod receiver;
mod request;
mod schedule;
mod sender;
mod set_up;
mod stop;
mod stream;

pub use control_client::{ClientConfig, ClientEvent, ControlClient};
pub use control_server::{ControlServer, Placed, Policy, Role, ServerEvent};
pub use error::{ControlError, OutOfTurn};
pub use fetch::FetchAnswer;
pub use receiver::{Arrival, Ignored, Results, SessionReceiver};
pub use schedule::SendSchedule;
pub use sender::SessionSender;
pub use set_up::{Connected, Identity, Offer, Protection, ServerRandom};

pub(crate) use set_up::{ClientSetUp, ServerSetUp};
pub(crate) use stream::ControlStream;

#[cfg(test)]
mod tests;
