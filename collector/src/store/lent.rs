//! Connections to PostgreSQL that are used again: to make one takes longer than most questions.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use super::database::{Database, DatabaseError, Place, Purpose};

/// Connections that are kept for the next one who asks; those above are closed.
const IDLE_MAX: usize = 8;

/// The idle connections of a store.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<Vec<Database>>);

impl Idle {
    /// One of them, or a new one; a file of SQLite is opened anew.
    pub(super) fn lend(self: &Arc<Self>, place: &Place) -> Result<Lent, DatabaseError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let database = kept.map_or_else(|| Database::connect(place, Purpose::Read), Ok)?;
        let home = matches!(place, Place::Postgres(_)).then(|| Arc::clone(self));
        Ok(Lent {
            database: Some(database),
            home,
        })
    }
}

/// A connection that goes back when it is no longer needed.
#[derive(Debug)]
pub(crate) struct Lent {
    /// `None` only while it is dropped.
    database: Option<Database>,
    home: Option<Arc<Idle>>,
}

impl From<Database> for Lent {
    fn from(database: Database) -> Self {
        Self {
            database: Some(database),
            home: None,
        }
    }
}

impl Deref for Lent {
    type Target = Database;

    fn deref(&self) -> &Database {
        self.database.as_ref().expect("taken by drop alone")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(home), Some(database)) = (&self.home, self.database.take()) {
            let mut idle = home.0.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_MAX {
                idle.push(database);
            }
        }
    }
}
