//! SQLite: a file, with a write-ahead log that is synchronised at every commit.

use std::borrow::Cow;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, params_from_iter};

use super::value::Columns;
use super::{Begin, DatabaseError, Engine, Purpose, Row, Value, script};

/// How long a connection waits for another one's lock, such as a copying tool's; then the store refuses for a while.
const BUSY: Duration = Duration::from_secs(1);
/// Prepared statements that are kept; the one that was used longest ago makes room.
const STATEMENTS: usize = 128;

#[derive(Debug)]
pub(super) struct Sqlite {
    connection: Connection,
    file: Opened,
}

/// A file by its name, and by what tells it from every other one that may stand there later: device and inode.
#[derive(Debug)]
struct Opened {
    name: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Opened {
    fn at(name: &Path) -> Self {
        Self {
            identity: identity(name),
            name: name.to_owned(),
        }
    }

    fn is_there(&self) -> bool {
        identity(&self.name) == self.identity
    }
}

fn identity(file: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

impl Sqlite {
    pub(super) fn open(file: &Path, purpose: Purpose) -> Result<Self, DatabaseError> {
        let connection = match purpose {
            Purpose::Write => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
                let connection = connect(file, flags)?;
                // FULL: a commit that was acknowledged survives the loss of power (https://sqlite.org/pragma.html#pragma_synchronous).
                connection.execute_batch(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;",
                )?;
                connection
            }
            Purpose::Read => connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
            Purpose::ReadBeside => beside(file)?,
        };
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self {
            connection,
            file: Opened::at(file),
        })
    }
}

fn connect(file: &Path, flags: OpenFlags) -> Result<Connection, DatabaseError> {
    let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

fn beside(file: &Path) -> Result<Connection, DatabaseError> {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    // A store that some process has open has its log beside it. Where there is none, the file is read as it stands, so
    // that nothing is written into the directory, not even SQLite's shared memory.
    if Path::new(&log).exists() {
        return connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY);
    }
    // A file name in a URI (https://sqlite.org/uri.html, section 3.1).
    let name = file.display().to_string();
    let name = ["%", "?", "#"].into_iter().fold(name, |name, character| {
        name.replace(character, &format!("%{:02x}", character.as_bytes()[0]))
    });
    let uri = format!("file:{name}?immutable=1");
    connect(
        Path::new(&uri),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
    )
}

/// SQLite numbers its placeholders with `?1`; `$1` would be a name to it, numbered by where it stands first.
fn placeholders(sql: &str) -> Cow<'_, str> {
    if sql.contains('$') {
        sql.replace('$', "?").into()
    } else {
        sql.into()
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Octets(octets) => ValueRef::Blob(octets),
        }))
    }
}

impl Columns for rusqlite::Row<'_> {
    fn value(&self, index: usize) -> Option<Value<'_>> {
        Some(match self.get_ref(index).ok()? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Text(text) => Value::Text(str::from_utf8(text).ok()?),
            ValueRef::Blob(octets) => Value::Octets(octets),
            ValueRef::Real(_) => return None,
        })
    }
}

impl Engine for Sqlite {
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, DatabaseError> {
        let mut statement = self.connection.prepare_cached(&placeholders(sql))?;
        Ok(statement.execute(params_from_iter(values))? as u64)
    }

    fn execute_each(&self, sql: &str, lists: &[Vec<Value<'_>>]) -> Result<Vec<u64>, DatabaseError> {
        let mut statement = self.connection.prepare_cached(&placeholders(sql))?;
        lists
            .iter()
            .map(|values| Ok(statement.execute(params_from_iter(values))? as u64))
            .collect()
    }

    fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        let mut statement = self.connection.prepare_cached(&placeholders(sql))?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            each(&Row(row))?;
        }
        Ok(())
    }

    fn script(&self, neutral: &str) -> Result<(), DatabaseError> {
        Ok(self
            .connection
            .execute_batch(&script::for_sqlite(neutral))?)
    }

    fn begin(&self, how: Begin) -> Result<(), DatabaseError> {
        // A reader that turns into a writer half-way could be refused in between; IMMEDIATE is refused at once or not at all.
        let sql = match how {
            Begin::Write | Begin::Schema => "BEGIN IMMEDIATE",
            Begin::Snapshot => "BEGIN",
        };
        self.execute(sql, &[]).map(drop)
    }

    fn commit(&self) -> Result<(), DatabaseError> {
        // SQLite would go on writing into a file that has no name any more, and nothing of it would be found again.
        if !self.file.is_there() {
            self.roll_back();
            let file = self.file.name.clone();
            return Err(DatabaseError::Gone { file });
        }
        let outcome = self.execute("COMMIT", &[]);
        if outcome.is_err() {
            self.roll_back();
        }
        outcome.map(drop)
    }

    fn roll_back(&self) {
        // Some errors have rolled back by themselves (https://sqlite.org/lang_transaction.html, section 3).
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "cannot roll back in the store");
        }
    }

    fn version(&self) -> Result<i64, DatabaseError> {
        let read = |row: &rusqlite::Row<'_>| row.get(0);
        Ok(self.connection.query_row("PRAGMA user_version", (), read)?)
    }

    fn set_version(&self, version: i64) -> Result<(), DatabaseError> {
        Ok(self
            .connection
            .pragma_update(None, "user_version", version)?)
    }

    fn clock(&self) -> &'static str {
        // Julian days of 86 400 s, with milliseconds (https://sqlite.org/lang_datefunc.html).
        "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000000"
    }

    fn fold(&self) -> Result<(), DatabaseError> {
        Ok(self
            .connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?)
    }
}
