//! The roll as a running collector sees it: read again when its file changes,
//! and told to every open connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::registry::{Edition, Registry, RegistryError};
use super::roll::Roll;

/// How often the file is looked at; a revocation is obeyed within this.
const LOOK: Duration = Duration::from_secs(1);

/// The roll in memory.
pub(crate) struct Roster {
    registry: Registry,
    /// What was read last. Locked while reading, so that an older roll never takes the place of a newer one.
    read: Mutex<Option<Edition>>,
    roll: watch::Sender<Arc<Roll>>,
}

impl Roster {
    pub(crate) fn open(registry: Registry) -> Result<Self, RegistryError> {
        // Looked at before reading: what changes in between is read twice rather than never.
        let edition = registry.edition()?;
        let roll = registry.roll()?;
        Ok(Self {
            registry,
            read: Mutex::new(edition),
            roll: watch::Sender::new(Arc::new(roll)),
        })
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The roll as it was read last.
    pub(crate) fn roll(&self) -> Arc<Roll> {
        Arc::clone(&self.roll.borrow())
    }

    /// Tells of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Roll>> {
        self.roll.subscribe()
    }

    /// Reads the roll again if its file has changed, and tells whether it had. Waits for the disk.
    pub(crate) fn refresh(&self) -> Result<bool, RegistryError> {
        // An edition is a plain value, whole even if a holder panicked.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let edition = self.registry.edition()?;
        if *read == edition {
            return Ok(false);
        }
        let roll = self.registry.roll()?;
        *read = edition;
        self.roll.send_replace(Arc::new(roll));
        Ok(true)
    }

    /// Looks for changes until it is dropped. While the file cannot be used, the last good roll holds.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut complained = false;
        loop {
            looks.tick().await;
            let roster = Arc::clone(&self);
            match spawn_blocking(move || roster.refresh()).await {
                Ok(Ok(changed)) => {
                    if changed || complained {
                        info!("the roll of enrolled probes was read");
                    }
                    complained = false;
                }
                Ok(Err(error)) if !complained => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "the roll of enrolled probes cannot be read; the last one holds"
                    );
                    complained = true;
                }
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }
}
