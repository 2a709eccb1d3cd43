//! The key files of a probe: its reflector's and its senders'.

use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::keys::{KeyFileError, KeyWatch, LiveKeys};

/// The key files, watched; the two may be one.
#[derive(Debug)]
pub(super) struct KeyFiles {
    reflector: Option<KeyWatch>,
    sender: Option<KeyWatch>,
}

/// Whether the keys of session-senders have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SenderKeys {
    AsBefore,
    Changed,
}

impl KeyFiles {
    /// Reads those that the configuration names.
    ///
    /// # Errors
    /// When one cannot be used.
    pub(super) fn open(config: &Config) -> Result<Self, KeyFileError> {
        let open = |file: Option<&Path>| file.map(KeyWatch::open).transpose();
        Ok(Self {
            reflector: open(config.reflector.keys.as_deref())?,
            sender: open(config.sender.keys.as_deref())?,
        })
    }

    pub(super) fn reflector(&self) -> Arc<LiveKeys> {
        self.reflector
            .as_ref()
            .map_or_else(Arc::default, KeyWatch::live)
    }

    pub(super) fn sender(&self) -> Arc<LiveKeys> {
        self.sender
            .as_ref()
            .map_or_else(Arc::default, KeyWatch::live)
    }

    /// Reads what has changed.
    pub(super) fn look(&mut self) -> SenderKeys {
        self.each(KeyWatch::look)
    }

    /// Reads both again: SIGHUP.
    pub(super) fn reload(&mut self) -> SenderKeys {
        self.each(KeyWatch::reload)
    }

    fn each(&mut self, read: impl Fn(&mut KeyWatch) -> bool) -> SenderKeys {
        if let Some(watch) = &mut self.reflector {
            read(watch);
        }
        let changed = self.sender.as_mut().is_some_and(read);
        if changed {
            SenderKeys::Changed
        } else {
            SenderKeys::AsBefore
        }
    }
}
