//! Users, tokens and the audit log from the command line: beside a running
//! collector, which takes a change over within seconds, or without one.

use std::fs;
use std::io;
use std::path::PathBuf;

use owl_measure::time::{Nanos, Timestamp};
use serde::Serialize;

use super::act::{Act, Change, Outcome};
use super::audit::{Deed, Record};
use super::directory::{BadName, TOKENS_MAX, Token, USERS_MAX, User, check_name};
use super::grant::{Grant, GrantError};
use super::password::{PasswordError, hash};
use super::role::Role;
use super::secret::Secret;
use crate::config::Config;
use crate::explain::At;
use crate::identity::{SigningError, hand_over};
use crate::maintenance;
use crate::now::now;
use crate::store::{self, Listed, Place, Reader, StoreError};

/// Lines of the audit log that are read at once.
const LINES: usize = 1_000;

/// What cannot be done to users, tokens or the audit log.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// There is one of that name.
    #[error("there is a {what} {name} already")]
    NameTaken {
        /// `user`, `token` or `maintenance`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// There is none of that name.
    #[error("there is no {what} {name}")]
    NoSuchName {
        /// `user` or `token`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// There are as many as there may be.
    #[error("there are {most} {what}s already, and there cannot be more")]
    Full {
        /// `user` or `token`.
        what: &'static str,
        /// How many.
        most: usize,
    },
    /// The last one who could let others in.
    #[error("{name} is the last admin")]
    LastAdmin {
        /// Who.
        name: String,
    },
    /// A name that cannot be one.
    #[error(transparent)]
    Name(#[from] BadName),
    /// A role that cannot have these carriers.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// A password that cannot be taken.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// No secret can be drawn.
    #[error(transparent)]
    Secret(#[from] SigningError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state directory cannot be made.
    #[error("cannot use the state directory {directory}", directory = .directory.display())]
    State {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A user or a token, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// The carriers that it is limited to; none for a role that is not limited.
    pub carriers: Vec<String>,
    /// Of a user when the password was set, of a token when it was made.
    #[serde(rename = "since_ns")]
    pub since: Timestamp,
    /// Of a token when it runs out.
    #[serde(rename = "expires_ns", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When it was last used, to a minute; of a user, in a session that goes on.
    #[serde(rename = "used_ns")]
    pub used: Option<Timestamp>,
}

impl From<Listed> for Known {
    fn from(listed: Listed) -> Self {
        Self {
            name: listed.name,
            role: listed.grant.role(),
            carriers: listed.grant.carriers().iter().cloned().collect(),
            since: listed.since,
            expires: listed.expires,
            used: listed.used,
        }
    }
}

/// Who uses the command line, on which store.
#[derive(Debug, Clone)]
pub struct Console<'a> {
    config: &'a Config,
    who: String,
}

impl<'a> Console<'a> {
    /// Of the person who is called `who` on this host; that stands in the audit log.
    pub fn new(config: &'a Config, who: &str) -> Self {
        Self {
            config,
            who: format!("console {who}"),
        }
    }

    /// Makes a user.
    ///
    /// # Errors
    /// When the name is taken or none, the carriers are not the topology's, the password can be guessed, or the store
    /// refuses.
    pub fn add_user(&self, name: &str, grant: Grant, password: &str) -> Result<(), AccessError> {
        check_name(name)?;
        grant.known_to(&self.config.topology)?;
        let words = grant.words();
        let change = Change::AddUser {
            name: name.to_owned(),
            user: User {
                grant,
                password: hash(password)?,
            },
            at: now(),
        };
        self.change(
            "user",
            name,
            Deed::UserAdded,
            &format!("{name}, {words}"),
            change,
        )
    }

    /// Gives a user another password; the sessions of the old one end.
    ///
    /// # Errors
    /// When there is no such user, the password can be guessed, or the store refuses.
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), AccessError> {
        let change = Change::SetPassword {
            name: name.to_owned(),
            password: hash(password)?,
            at: now(),
        };
        self.change("user", name, Deed::PasswordChanged, name, change)
    }

    /// Removes a user, with all sessions. The last admin stays while there are others: nobody could look after them.
    ///
    /// # Errors
    /// When there is no such user, it is the last admin of several users, or the store refuses.
    pub fn remove_user(&self, name: &str) -> Result<(), AccessError> {
        let users = self.users()?;
        let mut admins = users.iter().filter(|user| user.role == Role::Admin);
        if users.len() > 1
            && admins.next().is_some_and(|user| user.name == name)
            && admins.next().is_none()
        {
            return Err(AccessError::LastAdmin {
                name: name.to_owned(),
            });
        }
        let change = Change::RemoveUser {
            name: name.to_owned(),
        };
        self.change("user", name, Deed::UserRemoved, name, change)
    }

    /// The users, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn users(&self) -> Result<Vec<Known>, AccessError> {
        self.listed(Reader::users)
    }

    /// Makes a token that lasts for `valid`. Its value is in no store and cannot be had again.
    ///
    /// # Errors
    /// When the name is taken or none, the carriers are not the topology's, or the store refuses.
    pub fn add_token(
        &self,
        name: &str,
        grant: Grant,
        valid: Nanos,
    ) -> Result<(Secret, Timestamp), AccessError> {
        check_name(name)?;
        grant.known_to(&self.config.topology)?;
        let (secret, now) = (Secret::token()?, now());
        let expires = now + valid;
        let words = grant.words();
        let change = Change::AddToken {
            hash: secret.hash(),
            token: Token {
                name: name.to_owned(),
                grant,
                expires,
                used: None,
            },
            now,
        };
        self.change(
            "token",
            name,
            Deed::TokenAdded,
            &format!("{name}, {words}"),
            change,
        )?;
        Ok((secret, expires))
    }

    /// Makes a token void.
    ///
    /// # Errors
    /// When there is no such token, or the store refuses.
    pub fn revoke_token(&self, name: &str) -> Result<(), AccessError> {
        let change = Change::RevokeToken {
            name: name.to_owned(),
        };
        self.change("token", name, Deed::TokenRevoked, name, change)
    }

    /// The tokens that are not void, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tokens(&self) -> Result<Vec<Known>, AccessError> {
        self.listed(Reader::tokens)
    }

    /// Records that something was done from the command line.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn record(&self, deed: Deed, what: &str) -> Result<(), AccessError> {
        let act = Act::recorded(self.as_record(deed, what));
        self.open()?.act(&act)?;
        Ok(())
    }

    /// Tells every line of the audit log since an instant, or from the first, in order; ends when `each` says so.
    ///
    /// # Errors
    /// When the store cannot be read, or as `each` says.
    pub fn audit<E: From<AccessError>>(
        &self,
        since: Option<&At>,
        mut each: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(reader) = self.reader()? else {
            return Ok(());
        };
        let mut number = match since {
            None => 0,
            Some(since) => match reader
                .audit_before(since.in_zone(&self.config.topology.timezone, now()))
                .map_err(AccessError::from)?
            {
                Some(number) => number,
                None => return Ok(()),
            },
        };
        loop {
            let lines = reader
                .audit_after(number, LINES)
                .map_err(AccessError::from)?;
            for line in &lines {
                each(line)?;
            }
            let last = lines.last().and_then(|line| super::audit::read_line(line));
            match last {
                Some((last, _)) if lines.len() == LINES => number = last,
                _ => return Ok(()),
            }
        }
    }

    fn as_record(&self, deed: Deed, what: &str) -> Record {
        Record {
            at: now(),
            who: self.who.clone(),
            from: "-".to_owned(),
            deed,
            what: what.to_owned(),
        }
    }

    /// The configuration of the collector.
    pub(crate) fn config(&self) -> &Config {
        self.config
    }

    /// Who uses the command line, as the audit log has it.
    pub(crate) fn who(&self) -> &str {
        &self.who
    }

    pub(crate) fn change(
        &self,
        what: &'static str,
        name: &str,
        deed: Deed,
        words: &str,
        change: Change,
    ) -> Result<(), AccessError> {
        let act = Act {
            change: Some(change),
            records: vec![self.as_record(deed, words)],
        };
        let name = name.to_owned();
        match self.open()?.act(&act)? {
            Outcome::Written => Ok(()),
            Outcome::NameTaken => Err(AccessError::NameTaken { what, name }),
            Outcome::NoSuchName => Err(AccessError::NoSuchName { what, name }),
            Outcome::Full => Err(AccessError::Full {
                what,
                most: match what {
                    "user" => USERS_MAX,
                    "token" => TOKENS_MAX,
                    _ => maintenance::OPEN_MAX,
                },
            }),
        }
    }

    /// The store, which belongs to whom the state directory belongs: the collector must be able to use what is made here.
    fn open(&self) -> Result<store::Console, AccessError> {
        let directory = &self.config.state;
        let fault = |source| AccessError::State {
            directory: directory.clone(),
            source,
        };
        fs::create_dir_all(directory).map_err(fault)?;
        let opened = store::Console::open(&self.config.store)?;
        if let Place::Sqlite(file) = &self.config.store {
            hand_over(file, directory).map_err(fault)?;
        }
        Ok(opened)
    }

    /// `None` where no collector ever ran, and no user was ever made.
    pub(crate) fn reader(&self) -> Result<Option<Reader>, AccessError> {
        if let Place::Sqlite(file) = &self.config.store
            && !file.exists()
        {
            return Ok(None);
        }
        Ok(Some(Reader::beside(&self.config.store)?))
    }

    fn listed(
        &self,
        list: impl Fn(&Reader) -> Result<Vec<Listed>, StoreError>,
    ) -> Result<Vec<Known>, AccessError> {
        let Some(reader) = self.reader()? else {
            return Ok(Vec::new());
        };
        Ok(list(&reader)?.into_iter().map(Known::from).collect())
    }
}
