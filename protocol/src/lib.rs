//! Bytes to values and back, and the state machines that speak them.
//!
//! [`wire`] reads and writes the packets of STAMP (RFC 8762) in the RFC's
//! order; [`session`] holds the session-sender and the session-reflector, which
//! are told bytes and times and own neither a socket nor a clock.
#![forbid(unsafe_code)]

pub mod session;
pub mod wire;
