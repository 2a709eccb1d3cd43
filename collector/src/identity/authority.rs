//! The collector's own authority, which signs what probes are given and, where
//! none was made by hand, the collector's own certificate.

use std::sync::Arc;

use data_encoding::BASE64;
use owl_measure::enrolment::Fingerprint;
use owl_measure::time::{Nanos, Timestamp};
use owl_topology::PLAN_SIGNER;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData as _, SanType, SerialNumber,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use super::roll::{Digest, Serial};

/// The name in every collector's certificate.
pub(crate) const COLLECTOR_NAME: &str = "owl-collector";
/// How long the authority itself lasts: ten years.
const AUTHORITY_LIFE: Nanos = Nanos::from_secs(3_652 * 86_400);
/// How long a certificate lasts that it signs. A probe renews its own after two thirds.
pub(crate) const LIFE: Nanos = Nanos::from_secs(30 * 86_400);
/// Certificates begin so long before they are made, for clocks that are behind.
const BEFORE: Nanos = Nanos::from_secs(3_600);
/// Octets of a serial number (RFC 5280, section 4.1.2.2: 20 at most).
const SERIAL_OCTETS: usize = 16;

/// A certificate or key that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The library refuses what it is told to sign with, or to sign.
    #[error("cannot sign a certificate")]
    Sign(#[from] rcgen::Error),
    /// TLS refuses what was just made.
    #[error("cannot use a certificate of the collector's own authority")]
    Tls(#[from] rustls::Error),
    /// The file of the authority holds no certificate or no key.
    #[error("cannot find {0} in it")]
    Missing(&'static str),
    /// The clock stands before 1950 or after 9999.
    #[error("cannot date a certificate: the clock of this host is set to no year of our time")]
    Date,
    /// The system gives no random numbers.
    #[error("cannot get random numbers")]
    Random,
}

/// A probe's request for a certificate, found good.
pub(crate) struct Request {
    params: CertificateSigningRequestParams,
    /// Of its public key.
    pub(crate) key: Digest,
}

impl Request {
    /// Reads a request (PKCS #10), and checks that who sent it has the key. Of what it asks only the key counts.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let der = CertificateSigningRequestDer::from(der);
        let params = CertificateSigningRequestParams::from_der(&der).ok()?;
        let kinds = [
            &PKCS_ECDSA_P256_SHA256,
            &PKCS_ECDSA_P384_SHA384,
            &PKCS_ED25519,
        ];
        let kind = params.public_key.algorithm();
        kinds.contains(&kind).then(|| Self {
            key: digest(&params.public_key.subject_public_key_info()),
            params,
        })
    }
}

/// SHA-256 in hex.
pub(crate) fn digest(octets: &[u8]) -> Digest {
    Digest(hex(&Sha256::digest(octets)))
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Random octets of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SigningError> {
    let mut octets = [0; N];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut octets).map_err(|_| SigningError::Random)?;
    Ok(octets)
}

/// A number for a certificate that is yet to be signed, drawn at random: nobody can tell the next.
pub(crate) struct SerialOctets([u8; SERIAL_OCTETS]);

impl SerialOctets {
    pub(crate) fn draw() -> Result<Self, SigningError> {
        let mut octets = random()?;
        // Positive, and with no zero in front, so that it is written in DER as it is here.
        octets[0] = octets[0] & 0x7F | 0x40;
        Ok(Self(octets))
    }

    pub(crate) fn serial(&self) -> Serial {
        Serial(hex(&self.0))
    }
}

/// The authority: its certificate, and the key that signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    subject: Vec<u8>,
}

impl Authority {
    /// Draws a key and signs itself; the text holds both (PEM).
    pub(crate) fn make(now: Timestamp) -> Result<String, SigningError> {
        let key = KeyPair::generate()?;
        let mut params = dated(now, AUTHORITY_LIFE)?;
        // Its name tells it from the authority of another collector, and from one that was lost.
        let number = hex(&random::<4>()?);
        let name = format!("owl authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key)?;
        Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
    }

    /// From the text that [`make`](Self::make) made.
    pub(crate) fn read(text: &str) -> Result<Self, SigningError> {
        let certificate = CertificateDer::from_pem_slice(text.as_bytes())
            .map_err(|_| SigningError::Missing("a certificate"))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| SigningError::Missing("a private key"))?;
        let subject = match X509Certificate::from_der(&certificate) {
            Ok((_, parsed)) => parsed.subject.as_raw().to_vec(),
            Err(_) => return Err(SigningError::Missing("a certificate")),
        };
        let key = KeyPair::try_from(&key)?;
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(&certificate, key)?,
            certificate,
            subject,
        })
    }

    /// Its certificate as text, for who is to believe what it signs.
    pub(crate) fn pem(&self) -> String {
        let lines = BASE64.encode(&self.certificate);
        let lines: Vec<&str> = lines
            .as_bytes()
            .chunks(64)
            .filter_map(|line| std::str::from_utf8(line).ok())
            .collect();
        let body = lines.join("\n");
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }

    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(&self.certificate).into())
    }

    /// A secret for another use, the same whenever the collector starts. Nothing follows from it about the key that signs.
    pub(crate) fn secret_for(&self, use_: &str) -> [u8; 32] {
        let key = self.issuer.key().serialize_der();
        Sha256::new()
            .chain_update(use_)
            .chain_update([0])
            .chain_update(key)
            .finalize()
            .into()
    }

    /// Whether it is named as who signed a certificate. TLS has checked the signature.
    pub(crate) fn signed(&self, certificate: &X509Certificate<'_>) -> bool {
        certificate.issuer.as_raw() == self.subject
    }

    /// A probe's certificate: to call with, and for nothing else.
    pub(crate) fn sign(
        &self,
        request: &Request,
        serial: &SerialOctets,
        uri: &str,
        now: Timestamp,
    ) -> Result<CertificateDer<'static>, SigningError> {
        let mut params = dated(now, LIFE)?;
        params.serial_number = Some(SerialNumber::from_slice(&serial.0));
        let probe = uri.rsplit('/').next().unwrap_or(uri);
        params.distinguished_name.push(DnType::CommonName, probe);
        params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(&request.params.public_key, &self.issuer)?;
        Ok(signed.der().clone())
    }

    /// A certificate (PEM) for a key that signs plans. Its name is not the collector's, so it opens no connection.
    pub(crate) fn certify_plan_key(
        &self,
        key: &KeyPair,
        now: Timestamp,
    ) -> Result<String, SigningError> {
        let mut params = dated(now, LIFE)?;
        let name = DnType::CommonName;
        params.distinguished_name.push(name, PLAN_SIGNER);
        params.subject_alt_names = vec![SanType::DnsName(PLAN_SIGNER.try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }

    /// A certificate for this collector itself, with a new key that is written down nowhere.
    pub(crate) fn sign_own(&self, now: Timestamp) -> Result<Arc<CertifiedKey>, SigningError> {
        self.sign_page(&[], now)
    }

    /// The same, which also says that the collector is reached by these names and addresses.
    pub(crate) fn sign_page(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<Arc<CertifiedKey>, SigningError> {
        let key = KeyPair::generate()?;
        let mut params = dated(now, LIFE)?;
        let name = DnType::CommonName;
        params.distinguished_name.push(name, COLLECTOR_NAME);
        params.subject_alt_names = vec![SanType::DnsName(COLLECTOR_NAME.try_into()?)];
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into()?),
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(&key, &self.issuer)?;
        let chain = vec![signed.der().clone(), self.certificate.clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider: CryptoProvider = rustls::crypto::ring::default_provider();
        Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider)?))
    }
}

/// Parameters of a certificate that lasts for `life` from now, and that name nobody yet.
fn dated(now: Timestamp, life: Nanos) -> Result<CertificateParams, SigningError> {
    let date = |at: Timestamp| {
        let seconds = at.0.div_euclid(Nanos::from_secs(1).0);
        ASN1Time::from_timestamp(seconds)
            .map(|date| date.to_datetime())
            .map_err(|_| SigningError::Date)
    };
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.not_before = date(now - BEFORE)?;
    params.not_after = date(now + life)?;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_000_000_000_000_000);

    #[test]
    fn a_probes_certificate_says_who_it_is_for_what_and_for_thirty_days() {
        let authority = Authority::read(&Authority::make(NOW).unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut asked = CertificateParams::new(vec!["owl-collector".into()]).unwrap();
        asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let asked = asked.serialize_request(&key).unwrap();
        let request = Request::read(asked.der()).unwrap();
        let serial = SerialOctets::draw().unwrap();
        let uri = "spiffe://owl/yc/probe/p-north";
        let signed = authority.sign(&request, &serial, uri, NOW).unwrap();
        let (_, certificate) = X509Certificate::from_der(&signed).unwrap();
        assert!(authority.signed(&certificate) && !certificate.is_ca());
        assert_eq!(hex(certificate.raw_serial()), serial.serial().0);
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        let names = format!("{:?}", names.value.general_names);
        assert!(
            names.contains(uri) && !names.contains("owl-collector"),
            "{names}"
        );
        let usage = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth);
        let (from, to) = (
            certificate.validity().not_before.timestamp(),
            certificate.validity().not_after.timestamp(),
        );
        assert_eq!(
            (from, to),
            (1_795_000_000 - 3_600, 1_795_000_000 + 30 * 86_400)
        );
    }

    #[test]
    fn a_request_by_somebody_who_has_not_the_key_is_none() {
        let key = KeyPair::generate().unwrap();
        let asked = CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        let der = asked.der().to_vec();
        assert!(Request::read(&der).is_some());
        for end in 0..der.len() {
            assert!(Request::read(&der[..end]).is_none());
        }
        for at in der.len() - 40..der.len() {
            let mut forged = der.clone();
            forged[at] ^= 1;
            assert!(Request::read(&forged).is_none(), "octet {at}");
        }
    }

    #[test]
    fn what_is_no_authority_is_refused() {
        let text = Authority::make(NOW).unwrap();
        let at = text.find("-----BEGIN CERTIFICATE").unwrap();
        for half in [&text[..at], &text[at..], ""] {
            assert!(Authority::read(half).is_err());
        }
    }
}
