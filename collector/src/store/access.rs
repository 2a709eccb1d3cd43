//! Users, tokens, sessions and the audit log.

use std::net::IpAddr;

use owl_measure::time::{Nanos, Timestamp};

use super::database::{Begin, Database, DatabaseError, Purpose, Row, Transaction, values};
use super::{Place, Reader, StoreError, maintenance, refused, schema};
use crate::access::Grant;
use crate::access::act::{Act, Change, Outcome};
use crate::access::audit::{Deed, Link};
use crate::access::directory::{
    Directory, SESSION, SESSIONS_MAX, Session, TOKENS_MAX, Token, USERS_MAX, User,
};
use crate::access::lockout::Origin;
use crate::access::secret::SecretHash;

/// How long the audit log is kept: 400 days, so that a year is there whole when it is looked at in the next.
const AUDIT_KEPT: Nanos = Nanos::from_secs(400 * 86_400);

/// A row of a user or a token, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) grant: Grant,
    /// Of a user when the password was set, of a token when it was made.
    pub(crate) since: Timestamp,
    /// Of a token when it runs out.
    pub(crate) expires: Option<Timestamp>,
    /// When it was last used, to a minute.
    pub(crate) used: Option<Timestamp>,
}

fn carriers(grant: &Grant) -> Result<String, DatabaseError> {
    Ok(serde_json::to_string(grant.carriers())?)
}

/// `None` when the columns hold no role, or one that cannot have these carriers.
fn grant(role: &str, carriers: &str) -> Option<Grant> {
    let carriers: Vec<String> = serde_json::from_str(carriers).ok()?;
    Grant::new(role.parse().ok()?, carriers).ok()
}

/// The store in the hands of a command, beside a running collector or without one.
#[derive(Debug)]
pub(crate) struct Console {
    database: Database,
}

impl Console {
    /// Opens the store, and makes it where there is none; an older or a newer one is left to its collector.
    pub(crate) fn open(place: &Place) -> Result<Self, StoreError> {
        let fault = refused(place);
        let database = Database::connect(place, Purpose::Write).map_err(&fault)?;
        if database.version().map_err(&fault)? == 0 {
            schema::bring_up_to_date(&database)?;
        } else {
            schema::check(&database)?;
        }
        Ok(Self { database })
    }

    /// Carries out a change with its records.
    pub(crate) fn act(&self, asked: &Act) -> Result<Outcome, StoreError> {
        let fault = refused(self.database.place());
        let transaction = self.database.begin(Begin::Write).map_err(&fault)?;
        let done = act(&transaction, asked).map_err(&fault)?;
        if done == Outcome::Written {
            transaction.commit().map_err(&fault)?;
        }
        Ok(done)
    }
}

/// Carries out a change and appends its records. What cannot be done changes nothing and is not recorded.
pub(super) fn act(transaction: &Transaction<'_>, act: &Act) -> Result<Outcome, DatabaseError> {
    // First of all: it makes every other one wait, so that what is read next stays true.
    let step = i64::from(act.change.as_ref().is_some_and(is_told));
    transaction.execute(
        "UPDATE access_state SET edition = edition + $1 WHERE id = 1",
        &values![step],
    )?;
    if let Some(asked) = &act.change {
        let done = change(transaction, asked)?;
        if done != Outcome::Written {
            return Ok(done);
        }
    }
    append(transaction, act)?;
    Ok(Outcome::Written)
}

/// Whether others have to take over what it changes.
fn is_told(change: &Change) -> bool {
    !matches!(
        change,
        Change::SessionUsed { .. } | Change::TokenUsed { .. }
    )
}

fn append(transaction: &Transaction<'_>, act: &Act) -> Result<(), DatabaseError> {
    if act.records.is_empty() {
        return Ok(());
    }
    let state = transaction.rows(
        "SELECT number, hash FROM access_state WHERE id = 1",
        &[],
        |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)),
    )?;
    let (mut number, mut hash) = match state.into_iter().next() {
        Some((number, hash)) => (u64::try_from(number).unwrap_or(0), hash),
        None => return Err(DatabaseError::Column { index: 0 }),
    };
    for record in &act.records {
        let link: Link = record.link(number, &hash);
        transaction.execute(
            "INSERT INTO audit (number, at_ns, body, previous, hash) VALUES ($1, $2, $3, $4, $5)",
            &values![
                link.number,
                record.at.0,
                &link.body,
                &link.previous,
                &link.hash
            ],
        )?;
        (number, hash) = (link.number, link.hash);
    }
    transaction.execute(
        "UPDATE access_state SET number = $1, hash = $2 WHERE id = 1",
        &values![number, &hash],
    )?;
    Ok(())
}

fn change(transaction: &Transaction<'_>, change: &Change) -> Result<Outcome, DatabaseError> {
    let found = |changed: u64| {
        if changed > 0 {
            Outcome::Written
        } else {
            Outcome::NoSuchName
        }
    };
    match change {
        Change::Begin {
            hash,
            session,
            from,
        } => {
            let (name, began) = (&session.user, session.began);
            transaction.execute(
                "INSERT INTO access_session (hash, name, origin, began_ns, used_ns) VALUES ($1, $2, $3, $4, $4)",
                &values![&hash.0, name, from, began.0],
            )?;
            // What is over, of anybody, and of this user the sessions beyond the bound.
            transaction.execute(
                "DELETE FROM access_session WHERE began_ns < $1",
                &values![(began - SESSION).0],
            )?;
            transaction.execute(
                "DELETE FROM access_session WHERE name = $1 AND hash NOT IN
                     (SELECT hash FROM access_session WHERE name = $1 ORDER BY used_ns DESC, hash LIMIT $2)",
                &values![name, SESSIONS_MAX],
            )?;
        }
        Change::End { hash } => {
            transaction.execute(
                "DELETE FROM access_session WHERE hash = $1",
                &values![&hash.0],
            )?;
        }
        Change::SessionUsed { hash, at } => {
            transaction.execute(
                "UPDATE access_session SET used_ns = $2 WHERE hash = $1 AND used_ns < $2",
                &values![&hash.0, at.0],
            )?;
        }
        Change::TokenUsed { name, at } => {
            transaction.execute(
                "UPDATE access_token SET used_ns = $2 WHERE name = $1 AND (used_ns IS NULL OR used_ns < $2)",
                &values![name, at.0],
            )?;
        }
        Change::AddUser { name, user, at } => {
            if count(transaction, "SELECT count(*) FROM access_user")? >= USERS_MAX as i64 {
                return Ok(Outcome::Full);
            }
            let added = transaction.execute(
                "INSERT INTO access_user (name, role, carriers, password, changed_ns) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (name) DO NOTHING",
                &values![
                    name,
                    user.grant.role().code(),
                    &carriers(&user.grant)?,
                    &user.password,
                    at.0
                ],
            )?;
            if added == 0 {
                return Ok(Outcome::NameTaken);
            }
        }
        Change::SetPassword { name, password, at } => {
            let changed = transaction.execute(
                "UPDATE access_user SET password = $2, changed_ns = $3 WHERE name = $1",
                &values![name, password, at.0],
            )?;
            end_sessions(transaction, name)?;
            return Ok(found(changed));
        }
        Change::RemoveUser { name } => {
            let changed =
                transaction.execute("DELETE FROM access_user WHERE name = $1", &values![name])?;
            end_sessions(transaction, name)?;
            return Ok(found(changed));
        }
        Change::AddToken { hash, token, now } => {
            transaction.execute(
                "DELETE FROM access_token WHERE expires_ns <= $1",
                &values![now.0],
            )?;
            if count(transaction, "SELECT count(*) FROM access_token")? >= TOKENS_MAX as i64 {
                return Ok(Outcome::Full);
            }
            let added = transaction.execute(
                "INSERT INTO access_token (name, hash, role, carriers, made_ns, expires_ns) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (name) DO NOTHING",
                &values![
                    &token.name,
                    &hash.0,
                    token.grant.role().code(),
                    &carriers(&token.grant)?,
                    now.0,
                    token.expires.0
                ],
            )?;
            if added == 0 {
                return Ok(Outcome::NameTaken);
            }
        }
        Change::DeclareMaintenance(declared) => {
            return maintenance::declare(transaction, declared);
        }
        Change::EndMaintenance { id, at } => return maintenance::end(transaction, id, *at),
        Change::RevokeToken { name } => {
            let changed =
                transaction.execute("DELETE FROM access_token WHERE name = $1", &values![name])?;
            return Ok(found(changed));
        }
    }
    Ok(Outcome::Written)
}

fn end_sessions(transaction: &Transaction<'_>, name: &str) -> Result<(), DatabaseError> {
    let of_name = values![name];
    transaction
        .execute("DELETE FROM access_session WHERE name = $1", &of_name)
        .map(|_| ())
}

fn count(transaction: &Transaction<'_>, sql: &str) -> Result<i64, DatabaseError> {
    Ok(transaction.one(sql, &[])?.unwrap_or(0))
}

/// Removes the oldest records of the audit log; the chain holds from the first that is left.
pub(super) fn retain(
    transaction: &Transaction<'_>,
    now: Timestamp,
    most: i64,
) -> Result<u64, DatabaseError> {
    transaction.execute(
        "DELETE FROM audit WHERE number IN
             (SELECT number FROM audit WHERE at_ns < $1 ORDER BY number LIMIT $2)",
        &values![(now - AUDIT_KEPT).0, most],
    )
}

fn link(row: &Row<'_>) -> Result<String, DatabaseError> {
    let link = Link {
        number: u64::try_from(row.get::<i64>(0)?).unwrap_or(0),
        body: row.get(1)?,
        previous: row.get(2)?,
        hash: row.get(3)?,
    };
    Ok(link.line())
}

impl Reader {
    /// Grows with every change of who there is.
    pub(crate) fn access_edition(&self) -> Result<i64, StoreError> {
        let sql = "SELECT edition FROM access_state WHERE id = 1";
        let edition = self.database.one(sql, &[]);
        Ok(edition.map_err(|error| self.fault(error))?.unwrap_or(0))
    }

    /// Who there is.
    pub(crate) fn directory(&self) -> Result<Directory, StoreError> {
        let mut directory = Directory::default();
        let users = self.rows(
            "SELECT name, role, carriers, password FROM access_user",
            &[],
            |row| {
                let grant = grant(row.get(1)?, row.get(2)?);
                Ok((row.get::<String>(0)?, grant, row.get::<String>(3)?))
            },
        )?;
        for (name, grant, password) in users {
            let grant = grant.ok_or_else(|| self.damaged("access_user"))?;
            directory.users.insert(name, User { grant, password });
        }
        let tokens = self.rows(
            "SELECT hash, name, role, carriers, expires_ns, used_ns FROM access_token",
            &[],
            |row| {
                let grant = grant(row.get(2)?, row.get(3)?);
                let used = row.get::<Option<i64>>(5)?.map(Timestamp);
                let (name, expires) = (row.get::<String>(1)?, Timestamp(row.get(4)?));
                Ok((SecretHash(row.get(0)?), name, grant, expires, used))
            },
        )?;
        for (hash, name, grant, expires, used) in tokens {
            let token = Token {
                name,
                grant: grant.ok_or_else(|| self.damaged("access_token"))?,
                expires,
                used,
            };
            directory.tokens.insert(hash, token);
        }
        let sessions = self.rows(
            "SELECT hash, name, origin, began_ns, used_ns FROM access_session",
            &[],
            |row| {
                let origin: Option<IpAddr> = row.get::<&str>(2)?.parse().ok();
                let session = Session {
                    user: row.get(1)?,
                    began: Timestamp(row.get(3)?),
                    used: Timestamp(row.get(4)?),
                    origin: origin.map(Origin::of),
                };
                Ok((SecretHash(row.get(0)?), session))
            },
        )?;
        directory.sessions = sessions.into_iter().collect();
        Ok(directory)
    }

    pub(super) fn damaged(&self, table: &'static str) -> StoreError {
        StoreError::Damaged {
            store: self.place().clone(),
            table,
        }
    }

    /// The users, by name; `used` is the last use of a session that goes on.
    pub(crate) fn users(&self) -> Result<Vec<Listed>, StoreError> {
        self.listed(
            "access_user",
            "SELECT name, role, carriers, changed_ns, CAST(NULL AS BIGINT),
                 (SELECT max(used_ns) FROM access_session WHERE access_session.name = access_user.name)
             FROM access_user ORDER BY name",
        )
    }

    /// The tokens, by name.
    pub(crate) fn tokens(&self) -> Result<Vec<Listed>, StoreError> {
        self.listed(
            "access_token",
            "SELECT name, role, carriers, made_ns, expires_ns, used_ns FROM access_token ORDER BY name",
        )
    }

    fn listed(&self, table: &'static str, sql: &str) -> Result<Vec<Listed>, StoreError> {
        let rows = self.rows(sql, &[], |row| {
            let instant = |index| -> Result<Option<Timestamp>, DatabaseError> {
                Ok(row.get::<Option<i64>>(index)?.map(Timestamp))
            };
            let grant = grant(row.get(1)?, row.get(2)?);
            let since = Timestamp(row.get(3)?);
            let (expires, used) = (instant(4)?, instant(5)?);
            Ok(grant.map(|grant| (row.get::<String>(0), grant, since, expires, used)))
        })?;
        rows.into_iter()
            .map(|row| {
                let (name, grant, since, expires, used) = row.ok_or_else(|| self.damaged(table))?;
                Ok(Listed {
                    name: name.map_err(|error| self.fault(error))?,
                    grant,
                    since,
                    expires,
                    used,
                })
            })
            .collect()
    }

    /// Lines of the audit log after the record with this number, in order.
    pub(crate) fn audit_after(&self, number: u64, limit: usize) -> Result<Vec<String>, StoreError> {
        self.rows(
            "SELECT number, body, previous, hash FROM audit WHERE number > $1 ORDER BY number LIMIT $2",
            &values![number, limit],
            link,
        )
    }

    /// The record of the last time that a collector began to follow a plan, if there is one.
    pub(crate) fn last_plan_record(&self) -> Result<Option<String>, StoreError> {
        let sql = "SELECT body FROM audit WHERE body LIKE $1 ORDER BY number DESC LIMIT 1";
        let pattern = format!("%\"deed\":\"{}\"%", Deed::PlanChanged.code());
        self.database
            .one(sql, &values![&pattern])
            .map_err(|error| self.fault(error))
    }

    /// The number before the first record of this instant or later; `None` when there is none.
    pub(crate) fn audit_before(&self, since: Timestamp) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT min(number) FROM audit WHERE at_ns >= $1";
        let first: Option<Option<i64>> = self
            .database
            .one(sql, &values![since.0])
            .map_err(|error| self.fault(error))?;
        let first = first.flatten().and_then(|first| u64::try_from(first).ok());
        Ok(first.map(|first| first.saturating_sub(1)))
    }
}
