//! Knowing a collector at first sight, by the fingerprint that a token carries.

use std::sync::{Arc, OnceLock};

use owl_measure::enrolment::Fingerprint;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};

/// Why the far end is not the collector of the token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stranger {
    /// It shows no authority with that fingerprint.
    Fingerprint,
    /// It shows that authority, and a certificate that is not that authority's, or not of this time.
    Certificate(Error),
}

/// Trusts one authority: the one with the fingerprint, which the far end has to show.
#[derive(Debug)]
pub(super) struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
    /// Why the far end was refused, if it was.
    pub(super) stranger: OnceLock<Stranger>,
}

impl Pinned {
    pub(super) fn new(fingerprint: Fingerprint, provider: Arc<CryptoProvider>) -> Self {
        Self {
            fingerprint,
            provider,
            stranger: OnceLock::new(),
        }
    }

    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Stranger> {
        let is_pinned = |certificate: &&CertificateDer<'_>| {
            Sha256::digest(certificate)[..] == self.fingerprint.0
        };
        let authority = intermediates.iter().find(is_pinned);
        let authority = authority.ok_or(Stranger::Fingerprint)?;
        let mut roots = RootCertStore::empty();
        roots
            .add(authority.clone().into_owned())
            .map_err(Stranger::Certificate)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|error| Stranger::Certificate(Error::General(error.to_string())))?;
        verifier
            .verify_server_cert(end_entity, &[], server_name, &[], now)
            .map_err(Stranger::Certificate)
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self.check(end_entity, intermediates, server_name, now);
        checked.map_err(|stranger| {
            let error = match &stranger {
                Stranger::Fingerprint => Error::InvalidCertificate(CertificateError::UnknownIssuer),
                Stranger::Certificate(error) => error.clone(),
            };
            self.stranger.get_or_init(|| stranger);
            error
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = &self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;
    use crate::uplink::COLLECTOR_NAME;

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn leaf(name: &str, of: &CertifiedIssuer<'static, KeyPair>) -> CertificateDer<'static> {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, of).unwrap().der().clone()
    }

    #[test]
    fn only_the_authority_of_the_token_and_what_it_signed_is_believed() {
        let (ours, theirs) = (authority(), authority());
        let fingerprint = Fingerprint(Sha256::digest(ours.der()).into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let name = ServerName::try_from(COLLECTOR_NAME).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_795_000_000));
        let good = leaf(COLLECTOR_NAME, &ours);
        let check = |end: &CertificateDer<'_>, shown: &[CertificateDer<'_>]| {
            let pinned = Pinned::new(fingerprint, Arc::clone(&provider));
            let believed = pinned.verify_server_cert(end, shown, &name, &[], now);
            assert_eq!(believed.is_ok(), pinned.stranger.get().is_none());
            pinned.stranger.get().cloned()
        };
        let (shown, theirs_shown) = ([ours.der().clone()], [theirs.der().clone()]);
        assert_eq!(check(&good, &shown), None);
        assert_eq!(check(&good, &[]), Some(Stranger::Fingerprint));
        assert_eq!(
            check(&leaf(COLLECTOR_NAME, &theirs), &theirs_shown),
            Some(Stranger::Fingerprint)
        );
        for end in [leaf(COLLECTOR_NAME, &theirs), leaf("p-north", &ours)] {
            let stranger = check(&end, &shown);
            assert!(
                matches!(stranger, Some(Stranger::Certificate(_))),
                "{stranger:?}"
            );
        }
    }
}
