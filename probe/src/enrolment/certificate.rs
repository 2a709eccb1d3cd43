//! What this probe's own certificate says.

use std::path::{Path, PathBuf};

use owl_measure::time::{Nanos, Timestamp};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use x509_parser::prelude::{ASN1Time, FromDer as _, GeneralName, X509Certificate};

/// A certificate or key of this probe that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read, or is no PEM.
    #[error("cannot read {file}", file = .file.display())]
    Pem {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: pem::Error,
    },
    /// It holds no certificate (RFC 5280).
    #[error("cannot understand the certificate {file}", file = .file.display())]
    NoCertificate {
        /// Which.
        file: PathBuf,
    },
    /// Its key makes no request for another certificate.
    #[error("cannot ask for a certificate with the key {file}", file = .file.display())]
    Key {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: rcgen::Error,
    },
}

/// What matters of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The first instant at which it counts.
    pub(crate) from: Timestamp,
    /// The last one.
    pub(crate) until: Timestamp,
    /// Whether a collector signed it, who can sign the next.
    pub(crate) enrolled: bool,
}

impl Facts {
    /// When it is to be renewed: after two thirds of its life.
    pub(crate) fn renew_at(&self) -> Timestamp {
        let life = self.until - self.from;
        self.from + Nanos(life.0 / 3 * 2)
    }

    /// Its end as people write it.
    pub(crate) fn until_written(&self) -> String {
        let seconds = self.until.0.div_euclid(Nanos::from_secs(1).0);
        ASN1Time::from_timestamp(seconds)
            .map_or_else(|_| format!("second {seconds}"), |date| date.to_string())
    }
}

/// What the first certificate of a file says.
pub(crate) fn facts(file: &Path) -> Result<Facts, CertificateError> {
    let der = CertificateDer::from_pem_file(file).map_err(|source| CertificateError::Pem {
        file: file.to_owned(),
        source,
    })?;
    of(&der).ok_or_else(|| CertificateError::NoCertificate {
        file: file.to_owned(),
    })
}

/// What a certificate in DER says; `None` when it is none.
pub(super) fn of(der: &[u8]) -> Option<Facts> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let instant = |date: &ASN1Time| {
        let seconds = date.timestamp();
        Timestamp(0) + Nanos(seconds.saturating_mul(Nanos::from_secs(1).0))
    };
    let validity = certificate.validity();
    let names = certificate.subject_alternative_name().ok()?;
    let enrolled = names.is_some_and(|names| {
        let mut names = names.value.general_names.iter();
        names.any(|name| matches!(name, GeneralName::URI(uri) if uri.starts_with("spiffe://owl/")))
    });
    Some(Facts {
        from: instant(&validity.not_before),
        until: instant(&validity.not_after),
        enrolled,
    })
}

/// A request (PKCS #10, DER) for a certificate for a key. It names nobody: whose it is the collector decides.
pub(super) fn request(key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

/// Certificates in DER as PEM (RFC 7468), one after the other.
pub(super) fn pem(certificates: &[Vec<u8>]) -> String {
    let one = |der: &Vec<u8>| {
        let text = data_encoding::BASE64.encode(der);
        let lines = text.as_bytes().chunks(64);
        let lines = lines.map(|line| String::from_utf8_lossy(line) + "\n");
        let body: String = lines.collect();
        format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
    };
    certificates.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life() {
        let day = |d: i64| Timestamp(0) + Nanos::from_secs(d * 86_400);
        let facts = Facts {
            from: day(20_000),
            until: day(20_030),
            enrolled: true,
        };
        assert_eq!(facts.renew_at(), day(20_020));
        assert!(
            facts.until_written().contains("2024"),
            "{}",
            facts.until_written()
        );
    }

    #[test]
    fn what_is_written_as_pem_is_read_again() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["p".into()]).unwrap();
        let by_hand = params.self_signed(&key).unwrap().der().to_vec();
        params.subject_alt_names = vec![rcgen::SanType::URI(
            "spiffe://owl/t/probe/p".try_into().unwrap(),
        )];
        let enrolled = params.self_signed(&key).unwrap().der().to_vec();
        assert!(of(&enrolled).unwrap().enrolled && !of(&by_hand).unwrap().enrolled);
        let text = pem(&[by_hand.clone(), enrolled.clone()]);
        let read: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(text.as_bytes())
            .map(|der| der.unwrap().to_vec())
            .collect();
        assert_eq!(read, [by_hand, enrolled]);
    }

    #[test]
    fn what_is_no_certificate_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("p.pem");
        assert!(facts(&file).unwrap_err().to_string().contains("p.pem"));
        std::fs::write(&file, pem(&[vec![1, 2, 3]])).unwrap();
        assert!(matches!(
            facts(&file),
            Err(CertificateError::NoCertificate { .. })
        ));
    }
}
