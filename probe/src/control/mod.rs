//! Control connections: measurements that two hosts agree on over TCP before
//! the first test packet goes.
//!
//! A conversation has a thread of its own, which carries its control octets and
//! its test packets alike. What a peer can make this host do is bounded: how
//! many conversations there are (`listener`), which UDP ports are bound
//! (`ports`), how much waits for being written (`connection`), and the rest by
//! the state machines of [`owl_protocol::session`].

mod access;
mod callers;
mod connection;
mod listener;
pub mod owamp;
mod ports;
mod random;
mod servers;
pub mod twamp;
pub mod users;

use owl_measure::time::Nanos;

pub use access::Access;
pub use callers::Callers;
pub use listener::ListenError;
pub use ports::{ParsePortsError, Ports};
pub use random::NoRandomness;
pub use servers::{ControlConfig, ServersError};
pub(crate) use servers::{ControlServers, ServersStats};

/// How often a thread looks whether it should stop and what its clock claims.
pub(crate) const LOOK_AROUND: Nanos = Nanos::from_millis(200);
/// How soon it is tried again to write what TCP did not take.
const WRITE_AGAIN: Nanos = Nanos::from_millis(5);
/// Octets of a control connection read at once.
const BUFFER_OCTETS: usize = 1 << 14;
