//! A probe: packets over real sockets, stamped by the kernel, on plain threads.
//!
//! [`sender`] and [`reflector`] are timed and run on threads of their own;
//! [`daemon`] puts them together with the untimed rest: clock readings, the
//! spool on disk, and the uplink to the collector.

pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod enrolment;
mod flow;
mod history;
pub mod interface;
pub mod keys;
pub mod member;
mod metrics;
pub mod net;
pub mod network;
mod plan;
pub mod reflector;
pub mod reporting;
pub mod secret;
pub mod sender;
pub mod snmp;
pub mod spool;
#[cfg(test)]
mod testing;
pub mod uplink;
