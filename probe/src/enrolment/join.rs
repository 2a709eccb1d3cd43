//! Joining: from a token to a key, a certificate and a configuration.
//!
//! The key is on the disk before the collector hears of it, and stays there
//! until everything else is, so that joining can be begun again after any
//! interruption: the collector gives the same key its certificate once more.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use owl_measure::enrolment::{
    Denial, EnrolmentError, Granted, JOIN_ALPN, Join, Token, decode_answer,
};
use owl_measure::time::Timestamp;
use quinn::ConnectionError;
use quinn::crypto::rustls::QuicClientConfig;
use rcgen::KeyPair;

use super::certificate::{self, CertificateError, Facts};
use super::files::{self, FileError, Readable};
use super::pinned::{Pinned, Stranger};
use super::renewal::now;
use super::{hear, say};
use crate::config::{Config, ConfigError};
use crate::secret;
use crate::uplink::COLLECTOR_NAME;

/// From the first packet to the answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A probe that did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is a configuration, and it cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is a configuration, and it is another probe's.
    #[error("the token is for {token}, and {file} is the configuration of {configured}", file = .file.display())]
    OtherProbe {
        /// Whom the token is for.
        token: String,
        /// The configuration.
        file: PathBuf,
        /// Whose it is.
        configured: String,
    },
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No key or request can be made.
    #[error("cannot make a key and a certificate request")]
    Key(#[from] rcgen::Error),
    /// No QUIC on this host.
    #[error("cannot open a UDP socket")]
    Socket(#[from] io::Error),
    /// TLS refuses the parameters.
    #[error("cannot speak TLS")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nobody answered in time.
    #[error("nobody answers at {collector}")]
    NoAnswer {
        /// Where.
        collector: SocketAddr,
    },
    /// Somebody else answers there.
    #[error("who answers at {collector} is not the collector that made the token")]
    Stranger {
        /// Where.
        collector: SocketAddr,
    },
    /// The collector's certificate is not of the time that this host's clock tells.
    #[error("the certificate of the collector {collector} cannot be believed")]
    Clock {
        /// Where.
        collector: SocketAddr,
        /// Why not.
        source: rustls::Error,
    },
    /// The connection broke.
    #[error("the connection to the collector {collector} broke")]
    Broken {
        /// Where it was.
        collector: SocketAddr,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The collector gives no certificate.
    #[error("{}", .0.said(owl_measure::words::Lang::En))]
    Denied(Denial),
    /// What the collector gave is no certificate.
    #[error("the collector's answer cannot be understood")]
    Answer(#[from] EnrolmentError),
    /// What the collector gave is no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Where a joining probe finds or leaves its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Its configuration; written when it is not there.
    pub config: PathBuf,
    /// The state directory of a configuration that is written; certificate and key lie there, because a running probe
    /// may write there.
    pub state: PathBuf,
}

/// A probe that joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Its id.
    pub probe: String,
    /// Where its certificate is.
    pub certificate: PathBuf,
    /// When that runs out unless the probe renews it.
    pub until: Timestamp,
    /// The same as people write it.
    pub until_written: String,
    /// Whether this host had joined with the same token before.
    pub before: bool,
    /// Whether the configuration was written now.
    pub configured: bool,
    /// Where the configuration, which was there before, has its collector, when that is not where the token has it.
    pub other_collector: Option<SocketAddr>,
}

/// The files of one probe.
struct Files {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    other_collector: Option<SocketAddr>,
    /// What is to be written as the configuration.
    config: Option<String>,
}

impl Files {
    fn of(token: &Token, places: &Places) -> Result<Self, JoinError> {
        if !places.config.exists() {
            let state = std::path::absolute(&places.state)?;
            let identity = state.join("identity.pem");
            return Ok(Self {
                ca: state.join("authority.pem"),
                certificate: identity.clone(),
                key: identity,
                other_collector: None,
                config: Some(written(token, &state)),
            });
        }
        let config = Config::read(&places.config)?;
        if config.id != token.probe {
            return Err(JoinError::OtherProbe {
                token: token.probe.clone(),
                file: places.config.clone(),
                configured: config.id,
            });
        }
        Ok(Self {
            ca: config.ca,
            certificate: config.certificate,
            key: config.key,
            other_collector: Some(config.collector)
                .filter(|named| !named.all().contains(&token.collector))
                .map(|named| named.at(0)),
            config: None,
        })
    }

    /// Where the key waits until it has a certificate.
    fn pending(&self) -> PathBuf {
        let mut name = self.key.clone().into_os_string();
        name.push(".joining");
        name.into()
    }

    /// The key of an attempt that was interrupted, or a new one; it is on the disk then.
    fn key(&self) -> Result<KeyPair, JoinError> {
        let pending = self.pending();
        let left = secret::read(&pending).ok();
        if let Some(key) = left.and_then(|text| KeyPair::from_pem(&text).ok()) {
            return Ok(key);
        }
        let key = KeyPair::generate()?;
        files::replace(&pending, &key.serialize_pem(), Readable::Owner)?;
        Ok(key)
    }

    /// The key that this host has already, where it joined before.
    fn own_key(&self) -> Option<KeyPair> {
        let text = secret::read(&self.key).ok()?;
        KeyPair::from_pem(&text).ok()
    }

    /// Puts everything in its place, the key that waits last.
    fn keep(&self, places: &Places, key: &KeyPair, granted: &Granted) -> Result<(), JoinError> {
        let authorities = certificate::pem(&granted.authorities);
        files::replace(&self.ca, &authorities, Readable::All)?;
        let (key, chain) = (key.serialize_pem(), certificate::pem(&granted.chain));
        if self.key == self.certificate {
            files::replace(&self.key, &(key + &chain), Readable::Owner)?;
        } else {
            files::replace(&self.key, &key, Readable::Owner)?;
            files::replace(&self.certificate, &chain, Readable::All)?;
        }
        if let Some(text) = &self.config {
            files::replace(&places.config, text, Readable::All)?;
        }
        Ok(files::remove(&self.pending())?)
    }

    fn joined(self, token: &Token, facts: Facts, before: bool) -> Joined {
        Joined {
            probe: token.probe.clone(),
            until: facts.until,
            until_written: facts.until_written(),
            before,
            configured: self.config.is_some(),
            other_collector: self.other_collector,
            certificate: self.certificate,
        }
    }
}

/// A configuration that a probe can run with.
fn written(token: &Token, state: &Path) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let in_state = |name: &str| quoted(&state.join(name).to_string_lossy());
    format!(
        "# Written by `owl probe join`; packaging/probe.toml tells what else can be said here.\n\
         id = {id}\n\
         collector = {collector}\n\
         ca = {ca}\n\
         certificate = {identity}            # renewed by the running probe\n\
         key = {identity}\n\
         state = {state}\n",
        id = quoted(&token.probe),
        collector = quoted(&token.collector.to_string()),
        ca = in_state("authority.pem"),
        identity = in_state("identity.pem"),
        state = quoted(&state.to_string_lossy()),
    )
}

/// Joins with a token: makes the key, gets the certificate, and writes the configuration where there is none.
///
/// # Errors
/// When a file cannot be read or written, or the collector cannot be reached or gives no certificate. Then the same call
/// can be made again; until the token has run out it goes on where this one ended.
///
/// A host that joined with the same token before keeps its key: it gets its certificate anew while the token lasts, and
/// keeps the one it has afterwards.
pub fn join(token: &Token, places: &Places) -> Result<Joined, JoinError> {
    let files = Files::of(token, places)?;
    for file in [&files.ca, &files.certificate, &files.key, &places.config] {
        if let Some(directory) = file.parent() {
            files::directory(directory)?;
        }
    }
    let key = files.key()?;
    let request = Join {
        secret: token.secret,
        probe: token.probe.clone(),
        request: certificate::request(&key)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asked = runtime.block_on(ask(token, &request));
    let own = files.own_key();
    let (asked, key, before) = match (asked, own) {
        // Perhaps by this host, when it joined: then its own key is answered otherwise than any stranger's.
        (Err(JoinError::Denied(Denial::UsedToken)), Some(own)) => {
            // No certificate is for the key that was drawn for this attempt.
            files::remove(&files.pending())?;
            let request = Join {
                request: certificate::request(&own)?,
                ..request
            };
            let again = runtime.block_on(ask(token, &request));
            (again, own, true)
        }
        (Err(JoinError::Denied(denial)), Some(_)) if is_final(denial) => {
            files::remove(&files.pending())?;
            return Err(JoinError::Denied(denial));
        }
        (asked, _) => (asked, key, false),
    };
    let granted = match asked {
        // Another's key would have been told that the token was used.
        Err(JoinError::Denied(Denial::ExpiredToken)) if before && files.config.is_none() => {
            let facts = certificate::facts(&files.certificate)?;
            if now() >= facts.until {
                return Err(JoinError::Denied(Denial::ExpiredToken));
            }
            return Ok(files.joined(token, facts, before));
        }
        asked => asked?,
    };
    let first = granted.chain.first().and_then(|der| certificate::of(der));
    let facts = first.ok_or_else(|| CertificateError::NoCertificate {
        file: files.certificate.clone(),
    })?;
    files.keep(places, &key, &granted)?;
    Ok(files.joined(token, facts, before))
}

/// Whether the same key would be refused again with the same token.
fn is_final(denial: Denial) -> bool {
    !matches!(
        denial,
        Denial::TooOften | Denial::Unable | Denial::Unspecified
    )
}

/// Asks the collector of the token.
async fn ask(token: &Token, join: &Join) -> Result<Granted, JoinError> {
    let collector = token.collector;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let pinned = Arc::new(Pinned::new(token.fingerprint, Arc::clone(&provider)));
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| JoinError::Tls(error.into()))?
        .dangerous()
        .with_custom_certificate_verifier(pinned.clone())
        .with_no_client_auth();
    tls.alpn_protocols = vec![JOIN_ALPN.to_vec()];
    let quic = QuicClientConfig::try_from(tls).map_err(|error| JoinError::Tls(error.into()))?;
    let any: SocketAddr = if collector.is_ipv6() {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    };
    let endpoint = quinn::Endpoint::client(any)?;
    let talk = async {
        let connecting = endpoint
            .connect_with(
                quinn::ClientConfig::new(Arc::new(quic)),
                collector,
                COLLECTOR_NAME,
            )
            .map_err(|error| JoinError::Tls(error.into()))?;
        let broken = |error: ConnectionError| ended(collector, error, pinned.stranger.get());
        let connection = connecting.await.map_err(broken)?;
        let exchange = async {
            let (mut send, mut receive) = connection.open_bi().await?;
            // A collector that turns us away says why as it closes.
            let _ = say(&mut send, &join.encode()).await;
            Ok(hear(&mut receive).await)
        };
        match exchange.await.map_err(broken)? {
            Ok(Some(octets)) => decode_answer(&octets)?.map_err(JoinError::Denied),
            Ok(None) => Err(JoinError::Broken {
                collector,
                source: "its answer is too long".into(),
            }),
            Err(error) => Err(match connection.close_reason() {
                Some(reason) => broken(reason),
                None => JoinError::Broken {
                    collector,
                    source: error.into(),
                },
            }),
        }
    };
    let answer = tokio::time::timeout(PATIENCE, talk)
        .await
        .unwrap_or(Err(JoinError::NoAnswer { collector }));
    endpoint.close(0_u32.into(), b"");
    let _ = tokio::time::timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
    answer
}

/// Why there is no connection any more.
fn ended(collector: SocketAddr, error: ConnectionError, stranger: Option<&Stranger>) -> JoinError {
    match (stranger, error) {
        (Some(Stranger::Fingerprint), _) => JoinError::Stranger { collector },
        (Some(Stranger::Certificate(source)), _) => JoinError::Clock {
            collector,
            source: source.clone(),
        },
        (None, ConnectionError::TimedOut) => JoinError::NoAnswer { collector },
        (None, ConnectionError::ApplicationClosed(close)) if close.error_code != 0_u32.into() => {
            let code = i32::try_from(close.error_code.into_inner()).unwrap_or(0);
            JoinError::Denied(Denial::try_from(code).unwrap_or(Denial::Unspecified))
        }
        (None, error) => JoinError::Broken {
            collector,
            source: error.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use owl_measure::enrolment::{Fingerprint, Secret};

    use super::*;

    fn token() -> Token {
        Token {
            secret: Secret([1; 20]),
            fingerprint: Fingerprint([2; 32]),
            probe: "p-north".into(),
            collector: "192.0.2.1:4455".parse().unwrap(),
        }
    }

    fn places(directory: &Path) -> Places {
        Places {
            config: directory.join("etc/probe.toml"),
            state: directory.join("a \"state\""),
        }
    }

    fn granted() -> Granted {
        Granted {
            chain: vec![vec![1], vec![2]],
            authorities: vec![vec![2]],
        }
    }

    #[test]
    fn what_is_written_is_a_configuration_and_the_key_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let places = places(directory.path());
        let files = Files::of(&token(), &places).unwrap();
        for directory in [&places.state, &directory.path().join("etc")] {
            files::directory(directory).unwrap();
        }
        let key = files.key().unwrap();
        let again = files.key().unwrap();
        assert_eq!(
            key.serialize_pem(),
            again.serialize_pem(),
            "not drawn twice"
        );
        files.keep(&places, &key, &granted()).unwrap();
        assert!(!files.pending().exists());
        let config = Config::read(&places.config).unwrap();
        assert_eq!(
            (config.id.as_str(), config.collector, &config.state),
            ("p-north", token().collector.into(), &places.state)
        );
        assert_eq!(config.certificate, config.key);
        let mode = std::fs::metadata(&config.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(&config.key).unwrap();
        assert!(text.contains("PRIVATE KEY") && text.contains("BEGIN CERTIFICATE"));
        let joins_again = Files::of(&token(), &places).unwrap();
        assert!(joins_again.config.is_none() && joins_again.other_collector.is_none());
    }

    #[test]
    fn a_configuration_that_is_there_says_where_and_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("probe.toml");
        let text = "id = \"p-north\"\ncollector = \"192.0.2.9:1\"\nca = \"ca.pem\"\n\
                    certificate = \"c.pem\"\nkey = \"k.pem\"\nstate = \"s\"\n";
        std::fs::write(&file, text).unwrap();
        let places = Places {
            config: file.clone(),
            state: "/nowhere".into(),
        };
        let files = Files::of(&token(), &places).unwrap();
        assert_eq!(files.other_collector, "192.0.2.9:1".parse().ok());
        let key = files.key().unwrap();
        files.keep(&places, &key, &granted()).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        for (name, holds) in [("k.pem", "PRIVATE"), ("c.pem", "CERT"), ("ca.pem", "CERT")] {
            let text = std::fs::read_to_string(directory.path().join(name)).unwrap();
            assert!(text.contains(holds), "{name}");
        }
        let other = Token {
            probe: "p-south".into(),
            ..token()
        };
        let error = Files::of(&other, &places).err().unwrap().to_string();
        assert!(
            error.contains("for p-south") && error.contains("of p-north"),
            "{error}"
        );
    }
}
