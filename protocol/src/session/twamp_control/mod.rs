//! TWAMP-Control (RFC 5357, section 3): asks for sessions to be reflected, and
//! answers who asks. Both ends are told octets and times; neither owns a socket
//! nor a clock, and randomness is an argument.
//!
//! Feed [`ControlClient::handle_bytes`] or [`ControlServer::handle_bytes`] what
//! TCP delivers, send what `poll_transmit` gives, take what `poll_event` tells,
//! and call `handle_timeout` at `next_deadline`. After an error, send what is
//! left to transmit and close the connection.

mod client;
mod server;

pub use client::{ClientConfig, ClientEvent, ClientState, ControlClient};
pub use server::{ControlServer, Policy, ServerEvent, SessionEnd};

#[cfg(test)]
mod tests;
