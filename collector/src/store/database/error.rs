//! Why an engine does not do what it is asked.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::error::SqlState;

/// An engine that does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite refuses.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL refuses, or cannot be reached.
    #[error("{}", Told(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// A column does not hold what was written there.
    #[error("column {index} holds something else than was written there")]
    Column {
        /// Counted from 0.
        index: usize,
    },
    /// A row cannot be put into words.
    #[error("cannot write a row as JSON")]
    Json(#[from] serde_json::Error),
    /// The file of authorities cannot be used.
    #[error("cannot use the authorities in {file}")]
    Authorities {
        /// The PEM file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No runtime for the connection.
    #[error("cannot start a connection")]
    Start(#[source] io::Error),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The database has another encoding.
    #[error("the database's encoding is {0}: it must be UTF8")]
    Encoding(String),
    /// Something failed in the transaction before.
    #[error("the transaction had failed before")]
    RolledBack,
    /// Somebody moved or removed the file, so that what is written to it is in no store that anybody will open.
    #[error(
        "{file} is not the file any more that was opened: put it back, or start the collector again"
    )]
    Gone {
        /// Where it was.
        file: PathBuf,
    },
    /// The primary committed, and did not wait for its standby until the end: what it says may be lost with it.
    #[error("committed, but not on the synchronous standby: {0}")]
    NotReplicated(String),
}

impl DatabaseError {
    /// Whether the same once more may go well at once: two that waited for each other, of whom one had to give way.
    pub(crate) fn is_passing(&self) -> bool {
        let Self::Postgres(error) = self else {
            return false;
        };
        [
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
        ]
        .iter()
        .any(|state| error.code() == Some(state))
    }
}

/// PostgreSQL's own words, and not only that there are some.
struct Told<'a>(&'a tokio_postgres::Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        if let Some(told) = error.as_db_error() {
            return write!(f, "{told}");
        }
        write!(f, "{error}")?;
        match error.source() {
            // Most of its errors name their cause already.
            Some(source) if !error.to_string().contains(&source.to_string()) => {
                write!(f, ": {source}")
            }
            _ => Ok(()),
        }
    }
}
