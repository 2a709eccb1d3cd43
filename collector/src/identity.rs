//! Who this collector is, whom it trusts, and how a caller's certificate names it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::config::Config;

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

/// TLS for the intake: TLS 1.3, mutual, no early data, no secret kept for a stranger.
pub(crate) fn server_config(config: &Config) -> Result<QuicServerConfig, IdentityError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in certificates("certificates of authorities", &config.ca)? {
        roots.add(authority).map_err(|source| IdentityError::Tls {
            file: config.ca.clone(),
            source,
        })?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|source| IdentityError::Authorities {
                file: config.ca.clone(),
                source,
            })?;
    let chain = certificates("a certificate", &config.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|source| IdentityError::Pem {
        what: "a private key",
        file: config.key.clone(),
        source,
    })?;
    let fault = |source| IdentityError::Tls {
        file: config.certificate.clone(),
        source,
    };
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(fault)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(fault)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // Early data can be replayed by anyone who saw it; there is nothing here that needs it.
    tls.max_early_data_size = 0;
    Ok(QuicServerConfig::try_from(tls)?)
}

/// The first DNS name of the caller's certificate, which TLS has verified.
pub(crate) fn caller(connection: &quinn::Connection) -> Option<String> {
    let chain = connection
        .peer_identity()?
        .downcast::<Vec<CertificateDer<'static>>>()
        .ok()?;
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    names
        .value
        .general_names
        .iter()
        .find_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
}
