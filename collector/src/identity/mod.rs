//! Who this collector is, whom it trusts, and how a caller's certificate names it.

mod authority;
mod plan_signer;
mod presented;
mod registry;
mod roll;
mod roster;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use owl_measure::enrolment::JOIN_ALPN;
use owl_measure::time::{Nanos, Timestamp};

use quinn::crypto::rustls::{HandshakeData, NoInitialCipherSuite, QuicServerConfig};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use tracing::warn;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use authority::COLLECTOR_NAME;
pub use authority::SigningError;
pub(crate) use authority::{Authority, LIFE, Request, SerialOctets, digest, random};
pub(crate) use plan_signer::{PlanSigner, PlanSigningError};
pub use registry::RegistryError;
pub(crate) use registry::{Registry, hand_over};
pub(crate) use roll::{Issued, Joining, Record, Roll, Signer, Ticket};
pub(crate) use roster::Roster;

use crate::config::{Config, GivenCertificates};
use presented::Presented;

/// The protocol between probes and collectors, for ALPN (RFC 7301).
pub const ALPN: &[u8] = b"owl/1";

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A PEM file cannot be read, or holds nothing of what it should.
    #[error("cannot read {what} from {file}")]
    Pem {
        /// What it should hold.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The authorities make no verifier.
    #[error("cannot trust the authorities of {file}")]
    Authorities {
        /// The file.
        file: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
    /// TLS refuses the certificate, the key, or both together.
    #[error("cannot use the certificate {file} with its key")]
    Tls {
        /// The certificate's file.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// What is known of probes' certificates cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The collector's own authority cannot sign.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The TLS library has no cipher for QUIC's first packets.
    #[error("cannot speak QUIC")]
    Quic(#[from] NoInitialCipherSuite),
}

fn certificates(
    what: &'static str,
    file: &Path,
) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let fault = |source| IdentityError::Pem {
        what,
        file: file.to_owned(),
        source,
    };
    let found = CertificateDer::pem_file_iter(file)
        .map_err(fault)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(fault)?;
    if found.is_empty() {
        Err(fault(pem::Error::NoItemsFound))
    } else {
        Ok(found)
    }
}

/// What the intake needs to know who calls.
pub(crate) struct Identity {
    pub(crate) tls: QuicServerConfig,
    /// For the intake over TCP, where nobody joins.
    pub(crate) https: Arc<rustls::ServerConfig>,
    pub(crate) authority: Arc<Authority>,
    /// Who may have signed the collector's certificate, in DER.
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) roster: Roster,
    pub(crate) plan_signer: Arc<PlanSigner>,
    /// When the certificate of the configuration runs out; `None` where the collector signs its own.
    pub(crate) until: Option<Timestamp>,
}

impl Identity {
    /// Reads the certificates of the configuration, and the collector's own authority and roll.
    pub(crate) fn open(config: &Config) -> Result<Self, IdentityError> {
        // What was made by hand first: who cannot be a collector leaves no state behind.
        let given = config.given.as_ref().map(read_given);
        let given = given.transpose()?;
        let registry = Registry::open(&config.state)?;
        let roster = Roster::open(registry)?;
        let authority = Arc::new(roster.registry().authority()?);
        let mut trusted = vec![authority.certificate().clone()];
        let (mut shown, mut until) = (None, None);
        if let Some(given) = given {
            until = given.certified.cert.first().and_then(|leaf| until_of(leaf));
            given.warn_if_joining_is_in_vain();
            trusted.extend(given.authorities);
            shown = Some(given.certified);
        }
        let file = config.given.as_ref().map(|given| given.ca.clone());
        let file = file.unwrap_or_else(|| config.state.clone());
        let shown = shown.map(Arc::new);
        let plan_signer = PlanSigner::new(
            shown.clone(),
            roster.registry().clone(),
            Arc::clone(&authority),
        );
        let presented = Arc::new(Presented::new(shown, Arc::clone(&authority))?);
        let anybody = server_config(&trusted, Callers::Anybody, Arc::clone(&presented), &file)?;
        let known = server_config(&trusted, Callers::Known, presented, &file)?;
        Ok(Self {
            tls: QuicServerConfig::try_from(anybody)?,
            https: Arc::new(known),
            authority,
            authorities: trusted.iter().map(|der| der.to_vec()).collect(),
            roster,
            plan_signer: Arc::new(plan_signer),
            until,
        })
    }
}

struct Given {
    authorities: Vec<CertificateDer<'static>>,
    certified: CertifiedKey,
}

impl Given {
    /// Probes that join know the collector by the authorities of the configuration, so one of them must have signed its
    /// certificate. A set-up where another one did serves probes that were told of that one by hand.
    fn warn_if_joining_is_in_vain(&self) {
        let believed = || -> Result<(), Box<dyn Error>> {
            let mut roots = RootCertStore::empty();
            for authority in &self.authorities {
                roots.add(authority.clone())?;
            }
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            let (leaf, rest) = self.certified.cert.split_first().ok_or("it is empty")?;
            let name = ServerName::try_from(COLLECTOR_NAME)?;
            verifier.verify_server_cert(leaf, rest, &name, &[], UnixTime::now())?;
            Ok(())
        };
        if let Err(why) = believed() {
            warn!(
                why = why.to_string(),
                "probes that join will not believe this collector: no authority of `ca` has signed its certificate for {COLLECTOR_NAME}"
            );
        }
    }
}

fn read_given(given: &GivenCertificates) -> Result<Given, IdentityError> {
    Ok(Given {
        authorities: certificates("certificates of authorities", &given.ca)?,
        certified: read_chain(&given.certificate, &given.key)?,
    })
}

/// A certificate with its chain and its key, from PEM files.
pub(crate) fn read_chain(chain: &Path, key: &Path) -> Result<CertifiedKey, IdentityError> {
    let provider = rustls::crypto::ring::default_provider();
    let certificates = certificates("a certificate", chain)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| IdentityError::Pem {
        what: "a private key",
        file: key.to_owned(),
        source,
    })?;
    CertifiedKey::from_der(certificates, private, &provider).map_err(|source| IdentityError::Tls {
        file: chain.to_owned(),
        source,
    })
}

/// With whom a handshake is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callers {
    /// Who shows no certificate can join and nothing else: QUIC.
    Anybody,
    /// Who shows a certificate: TCP.
    Known,
}

/// TLS for the intake: TLS 1.3, no early data, no secret kept for a stranger.
///
/// Who shows a certificate must have one of `trusted`. `file` is named when they cannot be used.
fn server_config(
    trusted: &[CertificateDer<'static>],
    callers: Callers,
    presented: Arc<Presented>,
    file: &Path,
) -> Result<rustls::ServerConfig, IdentityError> {
    let fault = |source| IdentityError::Tls {
        file: file.to_owned(),
        source,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in trusted {
        roots.add(authority.clone()).map_err(fault)?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = match callers {
        Callers::Anybody => verifier.allow_unauthenticated().build(),
        Callers::Known => verifier.build(),
    };
    let verifier = verifier.map_err(|source| IdentityError::Authorities {
        file: file.to_owned(),
        source,
    })?;
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(fault)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(presented);
    tls.alpn_protocols = match callers {
        Callers::Anybody => vec![ALPN.to_vec(), JOIN_ALPN.to_vec()],
        Callers::Known => vec![b"http/1.1".to_vec()],
    };
    // Early data can be replayed by anyone who saw it; there is nothing here that needs it.
    tls.max_early_data_size = 0;
    // A connection lasts, so there is nothing to resume, and the certificate is looked at each time.
    tls.send_tls13_tickets = 0;
    Ok(tls)
}

/// What a caller's certificate, which TLS has verified, says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passport {
    pub(crate) probe: String,
    pub(crate) signer: Signer,
    /// When it runs out.
    pub(crate) until: Timestamp,
}

/// What a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A probe reports.
    Report(Passport),
    /// Somebody without a certificate wants one.
    Join,
}

/// Who calls, and what for; `None` when the certificate names nobody.
pub(crate) fn purpose(connection: &quinn::Connection, authority: &Authority) -> Option<Purpose> {
    let agreed = connection
        .handshake_data()?
        .downcast::<HandshakeData>()
        .ok()?;
    if agreed.protocol.as_deref() == Some(JOIN_ALPN) {
        return Some(Purpose::Join);
    }
    let chain = connection
        .peer_identity()?
        .downcast::<Vec<CertificateDer<'static>>>()
        .ok()?;
    passport(chain.first()?, authority).map(Purpose::Report)
}

/// A certificate of our own authority names a probe by its URI, one that was made by hand by its first DNS name.
pub(crate) fn passport(
    certificate: &CertificateDer<'_>,
    authority: &Authority,
) -> Option<Passport> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let own = authority.signed(&certificate);
    let names = certificate.subject_alternative_name().ok()??;
    let probe = names
        .value
        .general_names
        .iter()
        .find_map(|name| match name {
            GeneralName::URI(uri) if own => probe_of(uri).map(str::to_owned),
            GeneralName::DNSName(name) if !own => Some((*name).to_owned()),
            _ => None,
        })?;
    let serial = || roll::Serial(authority::hex(certificate.raw_serial()));
    Some(Passport {
        probe,
        signer: if own {
            Signer::Own(serial())
        } else {
            Signer::Given
        },
        until: instant(certificate.validity().not_after.timestamp()),
    })
}

fn until_of(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(instant(certificate.validity().not_after.timestamp()))
}

fn instant(seconds: i64) -> Timestamp {
    Timestamp(0) + Nanos(seconds.saturating_mul(Nanos::from_secs(1).0))
}

/// The name of a probe in its certificate (after SPIFFE): `spiffe://owl/TOPOLOGY/probe/PROBE`.
///
/// The topology's name is for people: it is a text of any kind, so what is not unreserved in a URI (RFC 3986, section
/// 2.3) is written as `%XX`. Which collector it is of, the signature says.
pub(crate) fn uri_of(topology: &str, probe: &str) -> String {
    let mut uri = "spiffe://owl/".to_owned();
    for octet in topology.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(octet));
            }
            _ => uri.push_str(&format!("%{octet:02X}")),
        }
    }
    uri + "/probe/" + probe
}

fn probe_of(uri: &str) -> Option<&str> {
    let (_, probe) = uri.strip_prefix("spiffe://owl/")?.split_once("/probe/")?;
    Some(probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_found_in_its_uri_and_in_no_other() {
        for (topology, uri) in [
            ("yancheng-2026", "spiffe://owl/yancheng-2026/probe/p-north"),
            (
                "盐城/x",
                "spiffe://owl/%E7%9B%90%E5%9F%8E%2Fx/probe/p-north",
            ),
        ] {
            assert_eq!(uri_of(topology, "p-north"), uri);
            assert_eq!(probe_of(uri), Some("p-north"));
        }
        for uri in ["spiffe://owl/probe", "spiffe://other/x/probe/p", "p", ""] {
            assert_eq!(probe_of(uri), None, "{uri}");
        }
    }
}
