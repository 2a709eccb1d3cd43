//! Keys in use that may change.
//!
//! Timed threads look now and then whether they have; the lock is taken only
//! when they have, and held for as long as a pointer takes to be copied.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use owl_protocol::wire::authentication::KeyStore;

/// Keys that one thread changes and others use.
#[derive(Debug, Default)]
pub struct LiveKeys {
    /// How often they have changed.
    changes: AtomicU64,
    store: Mutex<KeyStore>,
}

impl LiveKeys {
    /// Keys that have not changed yet.
    pub fn new(store: KeyStore) -> Self {
        Self {
            changes: AtomicU64::new(0),
            store: Mutex::new(store),
        }
    }

    fn store(&self) -> MutexGuard<'_, KeyStore> {
        // A store is swapped whole: a panic elsewhere leaves a whole one.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys as they are.
    pub fn current(&self) -> KeyStore {
        self.store().clone()
    }

    /// From now on these.
    pub fn replace(&self, store: KeyStore) {
        *self.store() = store;
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// The keys, if they have changed since `seen` changes; `seen` is brought up to date.
    pub fn since(&self, seen: &mut u64) -> Option<KeyStore> {
        let changes = self.changes.load(Ordering::Acquire);
        (std::mem::replace(seen, changes) != changes).then(|| self.current())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_protocol::wire::authentication::Key;

    #[test]
    fn a_change_is_seen_once_by_each_who_looks() {
        let live = LiveKeys::default();
        let (mut one, mut other) = (0, 0);
        assert!(live.since(&mut one).is_none());
        live.replace(KeyStore::new([(7, Key::new(&[1; 16]).unwrap())]));
        for seen in [&mut one, &mut other] {
            assert!(live.since(seen).is_some_and(|keys| !keys.is_empty()));
            assert!(live.since(seen).is_none());
        }
    }
}
