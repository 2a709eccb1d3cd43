//! The control servers of a probe, as its configuration names them.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::thread;

use owl_measure::time::Nanos;
use serde::Deserialize;

use super::access::Access;
use super::listener::ListenError;
use super::owamp::{self, OwampServer, OwampStats};
use super::ports::Ports;
use super::twamp::{self, TwampServer, TwampStats};
use super::users::{UsersError, read_users};
use crate::clock::Clock;

/// `[control]` of a probe's configuration.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlConfig {
    /// Where a TWAMP server listens (TCP); nowhere when it is not said.
    #[serde(default)]
    pub twamp: Vec<SocketAddr>,
    /// Where an OWAMP server listens (TCP); nowhere when it is not said.
    #[serde(default)]
    pub owamp: Vec<SocketAddr>,
    /// Who may use them; everyone when it is not said.
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

/// What the servers have done so far; written by their threads, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct ServersStats {
    pub(crate) twamp: TwampStats,
    pub(crate) owamp: OwampStats,
}

/// Control servers that listen.
#[derive(Debug)]
pub(crate) struct ControlServers {
    twamp: Option<TwampServer>,
    owamp: Option<OwampServer>,
}

impl ControlServers {
    /// Listens where the configuration says.
    pub(crate) fn bind(config: &ControlConfig, clock: Clock) -> Result<Self, ServersError> {
        let wanted = !config.twamp.is_empty() || !config.owamp.is_empty();
        let users = match &config.users {
            Some(file) if wanted => read_users(file)?,
            _ => [].into(),
        };
        let ports = config.ports.clone().unwrap_or_else(Ports::any);
        let access = |listen: &Vec<SocketAddr>| Access {
            listen: listen.clone(),
            users: users.clone(),
            ports: ports.clone(),
        };
        let mut servers = Self {
            twamp: None,
            owamp: None,
        };
        if !config.twamp.is_empty() {
            let settings = twamp::ServerSettings {
                access: access(&config.twamp),
                ..twamp::ServerSettings::default()
            };
            servers.twamp = Some(TwampServer::bind(settings, clock)?);
        }
        if !config.owamp.is_empty() {
            let settings = owamp::ServerSettings {
                access: access(&config.owamp),
                ..owamp::ServerSettings::default()
            };
            servers.owamp = Some(OwampServer::bind(settings, clock)?);
        }
        Ok(servers)
    }

    /// Serves until told to stop; returns at once when there is nothing to serve.
    ///
    /// # Errors
    /// When the kernel refuses to wait for connections; the other server goes on until it is told to stop.
    pub(crate) fn run(
        self,
        stats: &ServersStats,
        stop: &AtomicBool,
        claim: impl Fn() -> Option<Nanos> + Sync,
    ) -> io::Result<()> {
        let claim = &claim;
        thread::scope(|scope| {
            let twamp = self
                .twamp
                .map(|server| scope.spawn(move || server.run(&stats.twamp, stop, claim)));
            let owamp = match self.owamp {
                Some(server) => server.run(&stats.owamp, stop, claim),
                None => Ok(()),
            };
            let twamp = match twamp.map(thread::ScopedJoinHandle::join) {
                Some(Ok(ended)) => ended,
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                None => Ok(()),
            };
            twamp.and(owamp)
        })
    }
}
