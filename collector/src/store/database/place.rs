//! Where a store is.

use std::error::Error as _;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// The file of the database, in the state directory.
const DATABASE: &str = "owl.sqlite";
/// How long one host may take to take a call, unless the address says otherwise (`connect_timeout`).
const CONNECT: Duration = Duration::from_secs(2);
/// A host that fell silent is noticed after 3 questions of a second each, and one that takes no octets after 4 s.
const SILENT: Duration = Duration::from_secs(1);
const UNTAKEN: Duration = Duration::from_secs(4);

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file of SQLite.
    Sqlite(PathBuf),
    /// In a database of PostgreSQL.
    Postgres(PostgresAddress),
}

impl Place {
    /// In the state directory of a collector.
    pub fn in_directory(directory: &Path) -> Self {
        Self::Sqlite(directory.join(DATABASE))
    }
}

/// An address of PostgreSQL, or the name of a file of SQLite.
impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if text.contains("://") {
            PostgresAddress::parse(text).map(Self::Postgres)
        } else if text.is_empty() {
            Err(PlaceError::Empty)
        } else {
            Ok(Self::Sqlite(text.into()))
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "{}", file.display()),
            Self::Postgres(address) => write!(f, "{address}"),
        }
    }
}

/// An address of a store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It is nowhere.
    #[error("neither an address of PostgreSQL nor a file")]
    Empty,
    /// It is no address of PostgreSQL.
    #[error("not an address of PostgreSQL: it begins with postgres://")]
    Scheme,
    /// PostgreSQL's client does not understand it.
    #[error("not an address of PostgreSQL: {0}")]
    Unreadable(String),
    /// It asks for encryption, and not with whom.
    #[error(
        "sslmode={0} needs sslrootcert=FILE: what is encrypted for a stranger is not protected"
    )]
    NoAuthority(String),
    /// A word that PostgreSQL does not know.
    #[error("sslmode={0}: there are disable, require and verify-full")]
    SslMode(String),
}

/// The address of a database of PostgreSQL: `postgres://user:password@host:port,host:port/database?option=value`.
///
/// Of several hosts the one is used that can be written to. Its words never show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    pub(super) config: Arc<tokio_postgres::Config>,
    /// The authorities that may have signed the host's certificate; without encryption `None`.
    pub(super) authorities: Option<PathBuf>,
}

impl PostgresAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is none, or asks for encryption without naming whom to trust.
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
        {
            return Err(PlaceError::Scheme);
        }
        let (base, options) = text.split_once('?').unwrap_or((text, ""));
        let (mut authorities, mut ssl_mode, mut rest) = (None, None, Vec::new());
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("sslrootcert", file)) => authorities = Some(PathBuf::from(decoded(file)?)),
                Some(("sslmode", mode)) => ssl_mode = Some(mode),
                _ => rest.push(option),
            }
        }
        let encrypted = match ssl_mode {
            None => authorities.is_some(),
            Some("disable") => false,
            // Whoever is asked for a certificate is asked for one in his own name.
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(other) => return Err(PlaceError::SslMode(other.to_owned())),
        };
        if encrypted && authorities.is_none() {
            return Err(PlaceError::NoAuthority(
                ssl_mode.unwrap_or_default().to_owned(),
            ));
        }
        let mut config: tokio_postgres::Config = format!("{base}?{}", rest.join("&"))
            .parse()
            .map_err(|error: tokio_postgres::Error| {
                let why = error.source().map(ToString::to_string);
                PlaceError::Unreadable(why.unwrap_or_else(|| error.to_string()))
            })?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("owl");
        }
        config
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .keepalives_idle(SILENT)
            .keepalives_interval(SILENT)
            .keepalives_retries(3)
            .tcp_user_timeout(UNTAKEN)
            .ssl_mode(if encrypted {
                SslMode::Require
            } else {
                SslMode::Disable
            });
        Ok(Self {
            config: Arc::new(config),
            authorities: authorities.filter(|_| encrypted),
        })
    }
}

/// Undoes the percent-encoding of a URI (RFC 3986, section 2.1).
fn decoded(text: &str) -> Result<String, PlaceError> {
    let unreadable = || PlaceError::Unreadable(format!("{text} is not percent-encoded"));
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        if *first != b'%' {
            octets.push(*first);
            continue;
        }
        let digits = others.get(..2).ok_or_else(unreadable)?;
        let digits = str::from_utf8(digits).map_err(|_| unreadable())?;
        octets.push(u8::from_str_radix(digits, 16).map_err(|_| unreadable())?);
        rest = &others[2..];
    }
    String::from_utf8(octets).map_err(|_| unreadable())
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let ports = self.config.get_ports();
        for (k, host) in self.config.get_hosts().iter().enumerate() {
            f.write_str(if k > 0 { "," } else { "" })?;
            match host {
                Host::Tcp(host) => f.write_str(host)?,
                Host::Unix(directory) => write!(f, "{}", directory.display())?,
            }
            // One port may stand for all hosts.
            if let Some(port) = ports.get(k).or(ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_address_never_show_its_password() {
        for (text, shown) in [
            (
                "postgres://owl:secret@db1:5432,db2:5433/owl",
                "postgres://owl@db1:5432,db2:5433/owl",
            ),
            (
                "postgresql://owl:secret@%2Frun%2Fpostgresql/owl?application_name=x",
                "postgres://owl@/run/postgresql:5432/owl",
            ),
        ] {
            let address = PostgresAddress::parse(text).expect(text);
            assert_eq!(address.to_string(), shown);
            let place = Place::Postgres(address);
            assert!(!format!("{place:?}{place}").contains("secret"));
        }
    }

    #[test]
    fn what_is_no_address_is_a_file() {
        let place = |text: &str| text.parse::<Place>();
        for file in ["owl.sqlite", "/var/lib/owl/other.sqlite", "./postgres:"] {
            assert_eq!(place(file).unwrap(), Place::Sqlite(file.into()));
        }
        let address = "postgres://owl@db1,db2/owl";
        assert!(matches!(place(address).unwrap(), Place::Postgres(_)));
        for (text, expected) in [("mysql://db/owl", "postgres://"), ("", "nor a file")] {
            let error = place(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_says_why() {
        for (text, expected) in [
            ("sqlite:///var", "postgres://"),
            ("postgres://db/owl?sslmode=require", "sslrootcert"),
            ("postgres://db/owl?sslmode=maybe", "sslmode=maybe"),
            ("postgres://db/owl?colour=red", "colour"),
            ("postgres://db/owl?sslrootcert=%2", "percent"),
            ("postgres://db:port/owl", "not an address"),
        ] {
            let error = PostgresAddress::parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn encryption_is_asked_for_with_whom_to_trust() {
        for (options, authorities) in [
            ("", None),
            ("?sslmode=disable", None),
            ("?sslmode=disable&sslrootcert=%2Fca.pem", None),
            ("?sslrootcert=%2Fmy%20ca.pem", Some("/my ca.pem")),
            ("?sslmode=verify-full&sslrootcert=/ca.pem", Some("/ca.pem")),
        ] {
            let address = PostgresAddress::parse(&format!("postgres://db/owl{options}")).unwrap();
            assert_eq!(address.authorities, authorities.map(PathBuf::from));
        }
    }
}
