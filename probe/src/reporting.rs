//! The untimed half of a probe by itself: a spool, and the uplink that empties it.
//!
//! For a lab and for tests of faults: what reports say is theirs, and what
//! becomes of them is as in the field.

use std::sync::Arc;

use owl_measure::report::Report;
use tokio::sync::watch;

use crate::config::Config;
use crate::daemon::ProbeError;
use crate::spool::{Spool, SpoolCounts, SpoolError};
use crate::uplink::{self, Shared};

/// A probe that reports and does not measure.
#[derive(Debug)]
pub struct Reporting {
    config: Config,
    shared: Arc<Shared>,
}

impl Reporting {
    /// Reads the certificates and opens the spool.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn open(config: Config) -> Result<Self, ProbeError> {
        let client = uplink::client(&config)?;
        let shared = Shared::new(
            Spool::open_with(&config.state, config.spool)?,
            client.until_ns(),
        );
        Ok(Self {
            config,
            shared: Arc::new(shared),
        })
    }

    /// Commits reports to the spool, with a sync to the disk, and wakes the uplink.
    ///
    /// # Errors
    /// When the spool refuses; then none of them is kept.
    pub fn commit(&self, reports: &[Report]) -> Result<(), SpoolError> {
        self.shared.append(reports)?;
        self.shared.spooled.notify_one();
        Ok(())
    }

    /// What the spool holds and has held.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn counts(&self) -> Result<SpoolCounts, SpoolError> {
        self.shared.spool().counts()
    }

    /// Keeps the collector informed until it is dropped.
    pub async fn run(&self) {
        let (offers, _) = watch::channel(None);
        let (_staying, collectors) = watch::channel(self.config.collector.clone());
        let (_going_on, stopped) = watch::channel(false);
        let (config, shared) = (self.config.clone(), self.shared.clone());
        uplink::run(config, shared, offers, collectors, stopped).await;
    }
}
