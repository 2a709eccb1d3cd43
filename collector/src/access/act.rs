//! What is written of people: a change of who there is, with the record of it, in one commit.

use owl_measure::time::Timestamp;

use super::audit::Record;
use super::directory::{Session, Token, User};
use super::secret::SecretHash;
use crate::maintenance::Maintenance;

/// A change of who there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Somebody logged in, from there.
    Begin {
        hash: SecretHash,
        session: Session,
        from: String,
    },
    /// A session ends.
    End { hash: SecretHash },
    /// A session was used.
    SessionUsed { hash: SecretHash, at: Timestamp },
    /// A token was used.
    TokenUsed { name: String, at: Timestamp },
    /// There is one user more.
    AddUser {
        name: String,
        user: User,
        at: Timestamp,
    },
    /// A user has another password; what was begun with the old one ends.
    SetPassword {
        name: String,
        password: String,
        at: Timestamp,
    },
    /// There is one user less, and none of the sessions is left.
    RemoveUser { name: String },
    /// There is one token more. One of that name whose time is over makes room.
    AddToken {
        hash: SecretHash,
        token: Token,
        now: Timestamp,
    },
    /// Maintenance is announced.
    DeclareMaintenance(Box<Maintenance>),
    /// Maintenance is over before its time.
    EndMaintenance { id: String, at: Timestamp },
    /// A token is void.
    RevokeToken { name: String },
}

/// What is written at once: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) change: Option<Change>,
    pub(crate) records: Vec<Record>,
}

impl Act {
    pub(crate) fn recorded(record: Record) -> Self {
        Self {
            change: None,
            records: vec![record],
        }
    }
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is so.
    Written,
    /// There is one of that name.
    NameTaken,
    /// There is none of that name.
    NoSuchName,
    /// There are as many as there may be.
    Full,
}
