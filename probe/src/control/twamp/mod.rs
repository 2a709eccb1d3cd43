//! TWAMP over real sockets, both ends (RFC 5357).
//!
//! The server reflects the test packets of its sessions itself, each session on
//! a port of its own and stamped by the kernel; whoever asks for a session sends
//! its packets by the session-senders of [`sender`](crate::sender).

mod client;
mod error;
mod server;
mod serving;
mod session;

pub use client::{Agreed, ClientSettings, TwampClient, WantedSession};
pub use error::TwampError;
pub use server::{ServerSettings, TwampReading, TwampServer, TwampStats};

#[cfg(test)]
mod tests;
