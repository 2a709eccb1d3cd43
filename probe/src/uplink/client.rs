//! The certificates of a probe, as TLS wants them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::UplinkError;
use crate::config::Config;
use crate::enrolment::{self, Facts};

/// The application protocol (ALPN) of the uplink.
const ALPN: &[u8] = b"owl/1";
/// A connection is given up when the far end is silent for so long, and kept alive well within that.
const IDLE: Duration = Duration::from_secs(4);
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// The certificates, ready to be used.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) quic: quinn::ClientConfig,
    pub(super) https: Arc<rustls::ClientConfig>,
    pub(super) facts: Facts,
}

impl Client {
    /// When the probe's own certificate runs out.
    pub(crate) fn until_ns(&self) -> i64 {
        self.facts.until.0
    }
}

/// Reads the certificates.
pub(crate) fn client(config: &Config) -> Result<Client, UplinkError> {
    let pem = |file: &Path| {
        let file = file.to_owned();
        move |source| UplinkError::Pem { file, source }
    };
    let read = |file: &Path| -> Result<Vec<CertificateDer<'static>>, UplinkError> {
        CertificateDer::pem_file_iter(file)
            .map_err(pem(file))?
            .collect::<Result<_, _>>()
            .map_err(pem(file))
    };
    let tls = |error: rustls::Error| UplinkError::Tls(error.into());
    let mut roots = rustls::RootCertStore::empty();
    for certificate in read(&config.ca)? {
        roots.add(certificate).map_err(tls)?;
    }
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(pem(&config.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut rustls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .with_root_certificates(roots)
        .with_client_auth_cert(read(&config.certificate)?, key)
        .map_err(tls)?;
    let mut https = rustls.clone();
    https.alpn_protocols = vec![b"http/1.1".to_vec()];
    rustls.alpn_protocols = vec![ALPN.to_vec()];
    let quic =
        QuicClientConfig::try_from(rustls).map_err(|error| UplinkError::Tls(error.into()))?;
    let mut client = quinn::ClientConfig::new(Arc::new(quic));
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_idle_timeout(Some(
            IDLE.try_into()
                .expect("four seconds fit a QUIC idle timeout"),
        ))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_bidi_streams(0_u8.into())
        .max_concurrent_uni_streams(0_u8.into());
    client.transport_config(Arc::new(transport));
    Ok(Client {
        quic: client,
        https: Arc::new(https),
        facts: enrolment::facts(&config.certificate)?,
    })
}
