//! The control servers of a probe, as its configuration names them.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use owl_measure::time::Nanos;
use serde::Deserialize;

use super::listener::ListenError;
use super::ports::Ports;
use super::twamp::{ServerSettings, TwampServer, TwampStats};
use super::users::{UsersError, read_users};
use crate::clock::Clock;

/// `[control]` of a probe's configuration.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlConfig {
    /// Where a TWAMP server listens (TCP); nowhere when it is not said.
    #[serde(default)]
    pub twamp: Vec<SocketAddr>,
    /// Who may use it; everyone when it is not said.
    pub users: Option<PathBuf>,
    /// UDP ports of sessions; the system gives them when it is not said.
    pub ports: Option<Ports>,
}

/// A control server that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Its users cannot be read.
    #[error(transparent)]
    Users(#[from] UsersError),
}

/// Control servers that listen.
#[derive(Debug)]
pub(crate) struct ControlServers {
    twamp: Option<TwampServer>,
}

impl ControlServers {
    /// Listens where the configuration says.
    pub(crate) fn bind(config: &ControlConfig, clock: Clock) -> Result<Self, ServersError> {
        if config.twamp.is_empty() {
            return Ok(Self { twamp: None });
        }
        let mut settings = ServerSettings {
            listen: config.twamp.clone(),
            ..ServerSettings::default()
        };
        if let Some(file) = &config.users {
            settings.users = read_users(file)?;
        }
        if let Some(ports) = &config.ports {
            settings.ports = ports.clone();
        }
        Ok(Self {
            twamp: Some(TwampServer::bind(settings, clock)?),
        })
    }

    /// Serves until told to stop; returns at once when there is nothing to serve.
    ///
    /// # Errors
    /// When the kernel refuses to wait for connections.
    pub(crate) fn run(
        self,
        stats: &TwampStats,
        stop: &AtomicBool,
        claim: impl Fn() -> Option<Nanos> + Sync,
    ) -> io::Result<()> {
        match self.twamp {
            Some(server) => server.run(stats, stop, claim),
            None => Ok(()),
        }
    }
}
