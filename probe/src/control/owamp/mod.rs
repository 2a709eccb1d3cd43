//! OWAMP over real sockets, both ends (RFC 4656).
//!
//! A conversation has a thread of its own, which carries its control octets and
//! its test packets alike: while packets go, nobody says anything on the control
//! connection, and what comes is stamped by the kernel.

mod client;
mod error;
mod measurement;
mod receiving;
mod sending;
mod server;
mod serving;

pub use client::Client;
pub use error::OwampError;
pub use measurement::{
    ClientSettings, Directions, Measured, OneWay, Progress, Record, test_packet_octets,
};
pub use server::{OwampReading, OwampServer, OwampStats, ServerSettings};

use owl_measure::time::Nanos;

/// Stop-Sessions is said this long after the last packet cannot come any more.
const STOP_MARGIN: Nanos = Nanos::from_millis(200);
/// Datagrams that are taken from one socket before something else has its turn.
const TURN: usize = 64;

#[cfg(test)]
mod tests;
