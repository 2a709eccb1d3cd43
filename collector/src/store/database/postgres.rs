//! PostgreSQL: a connection that comes back.
//!
//! A connection that broke is made anew by the next question that does not
//! stand in a transaction; one that stands in a transaction fails with it.
//! Each connection has a small runtime of its own, driven by the thread that
//! asks; so a connection is used on plain threads and on those that may wait.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::value::Columns;
use super::{Begin, DatabaseError, Engine, PostgresAddress, Row, Value, script};

/// The longest wait for an answer; a connection that does not answer is given up.
const ANSWER: Duration = Duration::from_secs(40);
/// What the server itself ends, sooner than [`ANSWER`]: statements, waits for others' locks, and transactions whose owner left.
///
/// A commit waits for the standby also where the server's settings would not.
const SETTINGS: &str =
    "SET synchronous_commit = on; SET statement_timeout = '30s'; SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '60s'";
/// Prepared statements of a connection; at the bound all are forgotten.
const STATEMENTS: usize = 256;
/// Statements that are under way at once in [`Engine::execute_each`].
const UNDER_WAY: usize = 256;
/// Names the one who changes the schema among PostgreSQL's advisory locks: "owl" in ASCII.
const SCHEMA_LOCK: i64 = 0x6f_77_6c;

pub(super) struct Postgres {
    address: PostgresAddress,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    connected: RefCell<Option<Connected>>,
    /// Whether a transaction is open, and if so whether all went well in it.
    transaction: Cell<Option<Health>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    Failed,
}

struct Connected {
    client: Client,
    warnings: Warnings,
    statements: RefCell<HashMap<String, Statement>>,
}

/// What the server warned of since they were taken last.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Option<String>>>);

impl Warnings {
    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The first one is kept; the rest of a flood says no more.
    fn hear(&self, notice: &DbError) {
        if notice.parsed_severity() == Some(Severity::Warning) {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| notice.message().to_owned());
        }
    }
}

impl Postgres {
    pub(super) fn connect(address: &PostgresAddress) -> Result<Self, DatabaseError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(DatabaseError::Start)?;
        let this = Self {
            address: address.clone(),
            runtime: Some(runtime),
            connected: RefCell::new(None),
            transaction: Cell::new(None),
        };
        this.reconnect()?;
        Ok(this)
    }

    fn reconnect(&self) -> Result<(), DatabaseError> {
        self.connected.replace(None);
        let connected = self.wait(Connected::to(&self.address))?;
        self.connected.replace(Some(connected));
        Ok(())
    }

    fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, DatabaseError>>,
    ) -> Result<T, DatabaseError> {
        let runtime = self.runtime.as_ref().expect("taken by drop alone");
        let answer = runtime.block_on(async { timeout(ANSWER, answer).await });
        answer.unwrap_or(Err(DatabaseError::TimedOut(ANSWER)))
    }

    /// Asks the connection; makes it first where there is none and no transaction is open.
    fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Connected) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let usable = |connected: &Connected| !connected.client.is_closed();
        if self.transaction.get().is_none() && !self.connected.borrow().as_ref().is_some_and(usable)
        {
            self.reconnect()?;
        }
        let connected = self.connected.borrow();
        let outcome = match &*connected {
            Some(connected) => self.wait(question(connected)),
            None => Err(DatabaseError::TimedOut(ANSWER)),
        };
        drop(connected);
        if let Err(error) = &outcome {
            if self.transaction.get().is_some() {
                self.transaction.set(Some(Health::Failed));
            }
            // Its answers would come to the wrong questions.
            if matches!(error, DatabaseError::TimedOut(_)) {
                self.connected.replace(None);
            }
        }
        outcome
    }

    fn simply(&self, sql: &str) -> Result<(), DatabaseError> {
        self.ask(async |connected| Ok(connected.client.batch_execute(sql).await?))
    }
}

impl Connected {
    async fn to(address: &PostgresAddress) -> Result<Self, DatabaseError> {
        let warnings = Warnings::default();
        let (client, encoding) = match &address.authorities {
            None => {
                let (client, connection) = address.config.connect(NoTls).await?;
                (client, attend(connection, warnings.clone()))
            }
            Some(file) => {
                let fault = |source| DatabaseError::Authorities {
                    file: file.clone(),
                    source,
                };
                let invalid = |error| fault(std::io::Error::other(error));
                let mut roots = rustls::RootCertStore::empty();
                for certificate in CertificateDer::pem_file_iter(file).map_err(|e| match e {
                    rustls::pki_types::pem::Error::Io(source) => fault(source),
                    other => fault(std::io::Error::other(other)),
                })? {
                    let certificate = certificate.map_err(|e| fault(std::io::Error::other(e)))?;
                    roots.add(certificate).map_err(invalid)?;
                }
                let config = rustls::ClientConfig::builder_with_provider(Arc::new(
                    rustls::crypto::ring::default_provider(),
                ))
                .with_safe_default_protocol_versions()
                .map_err(invalid)?
                .with_root_certificates(roots)
                .with_no_client_auth();
                let (client, connection) = address
                    .config
                    .connect(MakeRustlsConnect::new(config))
                    .await?;
                (client, attend(connection, warnings.clone()))
            }
        };
        if let Some(encoding) = encoding.filter(|encoding| encoding != "UTF8") {
            return Err(DatabaseError::Encoding(encoding));
        }
        client.batch_execute(SETTINGS).await?;
        Ok(Self {
            client,
            warnings,
            statements: RefCell::default(),
        })
    }

    async fn statement(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Statement, tokio_postgres::Error> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(known.clone());
        }
        // A bare `$1` would be taken for whatever its neighbour is, an INTEGER beside a small number for one.
        let types: Vec<Type> = values
            .iter()
            .map(|value| match value {
                Value::Null => Type::UNKNOWN,
                Value::Integer(_) => Type::INT8,
                Value::Text(_) => Type::TEXT,
                Value::Octets(_) => Type::BYTEA,
            })
            .collect();
        let statement = self.client.prepare_typed(sql, &types).await?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// Lets the connection do its work as long as there is somebody who asks; the database's encoding.
fn attend<S, T>(mut connection: Connection<S, T>, warnings: Warnings) -> Option<String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let encoding = connection.parameter("server_encoding").map(str::to_owned);
    tokio::spawn(async move {
        // Its end is told to whoever asks next.
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notice(notice) = message {
                warnings.hear(&notice);
            }
        }
    });
    encoding
}

impl Engine for Postgres {
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, DatabaseError> {
        self.ask(async |connected| {
            let statement = connected.statement(sql, values).await?;
            Ok(connected.client.execute_raw(&statement, values).await?)
        })
    }

    fn execute_each(&self, sql: &str, lists: &[Vec<Value<'_>>]) -> Result<Vec<u64>, DatabaseError> {
        let Some(first) = lists.first() else {
            return Ok(Vec::new());
        };
        self.ask(async |connected| {
            let statement = connected.statement(sql, first).await?;
            let mut changed = Vec::with_capacity(lists.len());
            for some in lists.chunks(UNDER_WAY) {
                let each = some
                    .iter()
                    .map(|values| connected.client.execute_raw(&statement, values));
                changed.extend(try_join_all(each).await?);
            }
            Ok(changed)
        })
    }

    fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        self.ask(async |connected| {
            let statement = connected.statement(sql, values).await?;
            let mut rows = pin!(connected.client.query_raw(&statement, values).await?);
            while let Some(row) = rows.try_next().await? {
                each(&Row(&row))?;
            }
            Ok(())
        })
    }

    fn script(&self, neutral: &str) -> Result<(), DatabaseError> {
        self.simply(&script::for_postgres(neutral))
    }

    fn begin(&self, how: Begin) -> Result<(), DatabaseError> {
        self.simply(match how {
            Begin::Write | Begin::Schema => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Begin::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        })?;
        self.transaction.set(Some(Health::Well));
        if how == Begin::Schema {
            let locked = self.query(
                "SELECT pg_advisory_xact_lock($1)",
                &[Value::Integer(SCHEMA_LOCK)],
                &mut |_| Ok(()),
            );
            if locked.is_err() {
                self.roll_back();
            }
            return locked;
        }
        Ok(())
    }

    fn commit(&self) -> Result<(), DatabaseError> {
        // PostgreSQL answers a COMMIT in a transaction that failed with a ROLLBACK, and not with an error.
        if self.transaction.get() == Some(Health::Failed) {
            self.roll_back();
            return Err(DatabaseError::RolledBack);
        }
        let warned = self.ask(async |connected| {
            connected.warnings.take();
            connected.client.batch_execute("COMMIT").await?;
            Ok(connected.warnings.take())
        });
        self.transaction.set(None);
        match warned? {
            None => Ok(()),
            // "canceling wait for synchronous replication": in which language is the server's choice, and a commit that is
            // as it should be warns of nothing.
            Some(warning) => Err(DatabaseError::NotReplicated(warning)),
        }
    }

    fn roll_back(&self) {
        let outcome = self.simply("ROLLBACK");
        self.transaction.set(None);
        if outcome.is_err() {
            // What is left of the connection is not worth a thought; the server rolls back by itself.
            self.connected.replace(None);
        }
    }

    fn version(&self) -> Result<i64, DatabaseError> {
        let mut there = false;
        self.query(
            "SELECT to_regclass('schema_version') IS NOT NULL",
            &[],
            &mut |row| {
                there = row.get(0)?;
                Ok(())
            },
        )?;
        let mut version = 0;
        if there {
            self.query("SELECT version FROM schema_version", &[], &mut |row| {
                version = row.get(0)?;
                Ok(())
            })?;
        }
        Ok(version)
    }

    fn set_version(&self, version: i64) -> Result<(), DatabaseError> {
        self.simply(&format!(
            "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL);
             DELETE FROM schema_version; INSERT INTO schema_version (version) VALUES ({version})"
        ))
    }

    fn clock(&self) -> &'static str {
        "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) * 1000"
    }

    fn fold(&self) -> Result<(), DatabaseError> {
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postgres({})", self.address)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match *self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql_checked(ty, out),
            Self::Text(text) => text.to_sql_checked(ty, out),
            Self::Octets(octets) => octets.to_sql_checked(ty, out),
        }
    }

    /// Each kind of value says by itself whether it fits.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value<'a> {
    fn from_sql(
        ty: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *ty {
            Type::INT8 => Self::Integer(i64::from_sql(ty, raw)?),
            Type::INT4 => Self::Integer(i32::from_sql(ty, raw)?.into()),
            Type::BOOL => Self::Integer(bool::from_sql(ty, raw)?.into()),
            Type::TEXT | Type::NAME | Type::VARCHAR => Self::Text(<&str>::from_sql(ty, raw)?),
            Type::BYTEA => Self::Octets(<&[u8]>::from_sql(ty, raw)?),
            ref other => return Err(format!("the store has no {other}").into()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Columns for tokio_postgres::Row {
    fn value(&self, index: usize) -> Option<Value<'_>> {
        self.try_get(index).ok()
    }
}
