//! What the store stands on: SQLite or PostgreSQL, asked with one text.
//!
//! Statements are standard SQL with `$1` placeholders; what both engines know
//! is used and nothing else, so that there is one text and one set of tests.
//! Columns are whole numbers, texts and octets (BIGINT, TEXT, BYTEA); truth is
//! 0 or 1. Where a placeholder may be NULL and stands beside nothing that tells
//! its type, the text does: `CAST($1 AS TEXT) IS NULL`. The schema's files are translated (`script`), statements are not.

mod error;
mod place;
mod postgres;
mod script;
mod sqlite;
mod value;

use std::fmt;

pub use error::DatabaseError;
pub use place::{Place, PlaceError, PostgresAddress};
pub(crate) use value::{FromValue, Row, Value};

use self::postgres::Postgres;
use self::sqlite::Sqlite;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The one writer of this process; makes the store where there is none.
    Write,
    /// Only reads.
    Read,
    /// Only reads a store that no process may have open; nothing is written beside it.
    ReadBeside,
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// To write; whoever else changes the same rows waits, or this one does.
    Write,
    /// To read several things of one and the same state.
    Snapshot,
    /// To change the schema; one at a time, whoever else wants to waits.
    Schema,
}

/// One connection of an engine.
///
/// While [`Engine::query`] hands out rows, nothing else may be asked of the same connection.
trait Engine: fmt::Debug + Send {
    /// Carries out a statement; how many rows it changed.
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, DatabaseError>;
    /// Carries out one statement with each of several lists of values, in this order; how many rows each changed.
    fn execute_each(&self, sql: &str, lists: &[Vec<Value<'_>>]) -> Result<Vec<u64>, DatabaseError>;
    /// Asks; `each` is told every row.
    fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError>;
    /// Carries out a part of the schema.
    fn script(&self, neutral: &str) -> Result<(), DatabaseError>;
    fn begin(&self, how: Begin) -> Result<(), DatabaseError>;
    fn commit(&self) -> Result<(), DatabaseError>;
    fn roll_back(&self);
    /// The version of the schema; 0 where there is none.
    fn version(&self) -> Result<i64, DatabaseError>;
    fn set_version(&self, version: i64) -> Result<(), DatabaseError>;
    /// What gives the time by the database's clock, in nanoseconds since 1970.
    fn clock(&self) -> &'static str;
    /// Brings in order what only the last writer that leaves can.
    fn fold(&self) -> Result<(), DatabaseError>;
}

/// A connection to a store.
#[derive(Debug)]
pub(crate) struct Database {
    place: Place,
    engine: Box<dyn Engine>,
}

impl Database {
    /// Connects.
    ///
    /// # Errors
    /// When the file cannot be opened, or no host of the address can be reached.
    pub(crate) fn connect(place: &Place, purpose: Purpose) -> Result<Self, DatabaseError> {
        let engine: Box<dyn Engine> = match place {
            Place::Sqlite(file) => Box::new(Sqlite::open(file, purpose)?),
            Place::Postgres(address) => Box::new(Postgres::connect(address)?),
        };
        Ok(Self {
            place: place.clone(),
            engine,
        })
    }

    /// Which store it is.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Carries out a statement; how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, DatabaseError> {
        self.engine.execute(sql, values)
    }

    /// Carries out one statement with each of several lists of values, in this order and without waiting for each; how many
    /// rows each changed.
    pub(crate) fn execute_each(
        &self,
        sql: &str,
        lists: &[Vec<Value<'_>>],
    ) -> Result<Vec<u64>, DatabaseError> {
        self.engine.execute_each(sql, lists)
    }

    /// Asks; `each` is told every row, and may ask nothing of this connection meanwhile.
    pub(crate) fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        self.engine.query(sql, values, &mut each)
    }

    /// All rows, as `read` takes them.
    pub(crate) fn rows<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, DatabaseError>,
    ) -> Result<Vec<T>, DatabaseError> {
        let mut rows = Vec::new();
        self.query(sql, values, |row| {
            rows.push(read(row)?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// The first column of the first row; `None` where there is no row.
    pub(crate) fn one<T: for<'r> FromValue<'r>>(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Option<T>, DatabaseError> {
        let mut first = None;
        self.query(sql, values, |row| {
            if first.is_none() {
                first = Some(row.get(0)?);
            }
            Ok(())
        })?;
        Ok(first)
    }

    /// Begins a transaction; it is rolled back unless it is committed.
    pub(crate) fn begin(&self, how: Begin) -> Result<Transaction<'_>, DatabaseError> {
        self.engine.begin(how)?;
        Ok(Transaction {
            database: self,
            open: true,
        })
    }

    /// Carries out a part of the schema: see `script`.
    pub(crate) fn script(&self, neutral: &str) -> Result<(), DatabaseError> {
        self.engine.script(neutral)
    }

    /// The version of the schema; 0 where there is none.
    pub(crate) fn version(&self) -> Result<i64, DatabaseError> {
        self.engine.version()
    }

    /// Says which version the schema has now.
    pub(crate) fn set_version(&self, version: i64) -> Result<(), DatabaseError> {
        self.engine.set_version(version)
    }

    /// The time by the database's clock, in nanoseconds since 1970 (UTC).
    pub(crate) fn clock(&self) -> Result<i64, DatabaseError> {
        let now = self.one(&format!("SELECT {}", self.engine.clock()), &[])?;
        now.ok_or(DatabaseError::Column { index: 0 })
    }

    /// Brings in order what only the last writer that leaves can.
    pub(crate) fn fold(&self) -> Result<(), DatabaseError> {
        self.engine.fold()
    }
}

/// A transaction that is not over; what is asked of its database is asked within it.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    database: &'a Database,
    open: bool,
}

impl Transaction<'_> {
    /// Makes it true, wholly. An error says nothing of whether it became true.
    pub(crate) fn commit(mut self) -> Result<(), DatabaseError> {
        self.open = false;
        self.database.engine.commit()
    }
}

impl std::ops::Deref for Transaction<'_> {
    type Target = Database;

    fn deref(&self) -> &Database {
        self.database
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            self.database.engine.roll_back();
        }
    }
}

/// The values of a statement, in the order of its placeholders.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        [$($crate::store::database::Value::from($value)),*]
    };
}
pub(crate) use values;

#[cfg(test)]
mod tests;
