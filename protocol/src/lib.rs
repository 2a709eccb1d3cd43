//! Bytes to values and back, and the state machines that speak them.
//!
//! [`wire`] reads and writes the packets of STAMP (RFC 8762), TWAMP (RFC 5357)
//! and OWAMP (RFC 4656) in the RFCs' order; [`session`] holds the
//! session-senders, session-reflectors and control connections, which are told
//! bytes and times and own neither a socket nor a clock. [`snmp`] reads and writes
//! what counters are asked with.
#![forbid(unsafe_code)]

pub mod session;
pub mod snmp;
pub mod wire;
