//! A simulated OLT: an SNMP agent with as many PON ports as asked for, whose traffic is known exactly.
//!
//! It answers GET, GETNEXT and GETBULK by SNMPv2c and SNMPv3, and can be as slow, far, lossy and forgetful as agents in the
//! field are: a round trip, a service time a binding (one request after the other, as agents do), loss, copies of counters
//! that are renewed from time to time, restarts, and ports that have other numbers after one. [`Agent`] is told datagrams
//! and times; [`Olts`] lends it sockets and a thread.

mod agent;
mod mib;
mod options;
mod shell;
mod traffic;

pub use agent::Agent;
pub use options::{Options, User};
pub use shell::Olts;
pub use traffic::{bps, name};
