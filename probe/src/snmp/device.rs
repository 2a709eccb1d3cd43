//! An agent that is to be asked.

use std::net::SocketAddr;

use super::credentials::Credentials;
use super::profile::Profile;

/// An agent that is to be asked.
#[derive(Debug, Clone)]
pub struct Device {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// What it lets ask.
    pub credentials: Credentials,
    /// What it puts up with.
    pub profile: Profile,
}
