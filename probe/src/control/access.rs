//! Where a control server listens, and whom it lets in.

use std::net::SocketAddr;
use std::sync::Arc;

use owl_protocol::session::control::Identity;

use super::Ports;

/// Where a control server listens, and whom it lets in.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where it listens (TCP); every address of the host on the protocol's own port when empty (TWAMP 862, OWAMP 861).
    pub listen: Vec<SocketAddr>,
    /// Who may use it, in the modes that protect its connections; everyone, unauthenticated, when empty.
    pub users: Arc<[Identity]>,
    /// Where its test sessions have their UDP ports.
    pub ports: Ports,
}

impl Default for Access {
    /// For everyone, on the ports that the system gives.
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            users: Arc::new([]),
            ports: Ports::any(),
        }
    }
}
