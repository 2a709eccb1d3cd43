//! The key that signs plans.
//!
//! An Ed25519 key (RFC 8032) of its own, drawn by the collector and certified by
//! its authority, so that a probe that knows the authority believes it; the
//! certificate travels with each plan. It is kept beside the authority, and
//! replaced when two thirds of its certificate's life are over. Where
//! certificates were made by hand, probes know no authority of ours: then the
//! key of the collector's given certificate signs.

use std::sync::{Arc, Mutex, PoisonError};

use owl_measure::time::{Nanos, Timestamp};
use owl_topology::{PlanOrder, SignedPlan};
use prost::Message as _;
use rcgen::{KeyPair, PKCS_ED25519};
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::authority::{Authority, LIFE, SigningError};
use super::registry::Registry;
use super::{RegistryError, until_of};

/// A key is replaced when its certificate lasts no longer than this.
const REPLACE: Nanos = Nanos(LIFE.0 / 3);
/// How a plan may be signed, the first that the key can.
const SCHEMES: [SignatureScheme; 4] = [
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
];

/// A plan that cannot be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanSigningError {
    /// The key cannot be read, drawn or kept.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The key of the given certificate signs nothing that a probe reads.
    #[error("the key of the given certificate is none of Ed25519, ECDSA P-256 or P-384, and RSA")]
    Kind,
    /// The library refuses.
    #[error("cannot sign a plan")]
    Sign(#[from] rustls::Error),
}

/// Signs plans.
pub(crate) struct PlanSigner {
    given: Option<Arc<CertifiedKey>>,
    registry: Registry,
    authority: Arc<Authority>,
    /// The own key, once it was needed, and until when its certificate lasts.
    own: Mutex<Option<(Arc<CertifiedKey>, Timestamp)>>,
}

impl std::fmt::Debug for PlanSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlanSigner")
    }
}

impl PlanSigner {
    pub(crate) fn new(
        given: Option<Arc<CertifiedKey>>,
        registry: Registry,
        authority: Arc<Authority>,
    ) -> Self {
        Self {
            given,
            registry,
            authority,
            own: Mutex::new(None),
        }
    }

    /// Signs an order. Waits for the disk when there is no key yet, or it is to be replaced.
    pub(crate) fn sign(
        &self,
        order: &PlanOrder,
        now: Timestamp,
    ) -> Result<SignedPlan, PlanSigningError> {
        let key = match &self.given {
            Some(given) => Arc::clone(given),
            None => self.own(now)?,
        };
        let signer = key
            .key
            .choose_scheme(&SCHEMES)
            .ok_or(PlanSigningError::Kind)?;
        let order = order.encode_to_vec();
        let signature = signer.sign(&SignedPlan::signed_octets(&order))?;
        Ok(SignedPlan {
            order,
            chain: key.cert.iter().map(|der| der.to_vec()).collect(),
            scheme: u32::from(u16::from(signer.scheme())),
            signature,
        })
    }

    /// Draws, reads or replaces the key where that is due, so that who signs need not wait for the disk.
    pub(crate) fn prepare(&self, now: Timestamp) -> Result<(), RegistryError> {
        if self.given.is_none() {
            self.own(now)?;
        }
        Ok(())
    }

    fn own(&self, now: Timestamp) -> Result<Arc<CertifiedKey>, RegistryError> {
        // The pair is replaced as a whole, so it is whole whoever panicked.
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, until)) = &*own
            && now < *until - REPLACE
        {
            return Ok(Arc::clone(key));
        }
        let signed = |text: &str| read(text, &self.authority);
        let (key, until) = self.registry.plan_key(
            |text| signed(text).is_ok_and(|(_, until)| now < until - REPLACE),
            || make(&self.authority, now),
            signed,
        )?;
        *own = Some((Arc::clone(&key), until));
        Ok(key)
    }
}

/// Draws a key and certifies it; the text holds both (PEM).
fn make(authority: &Authority, now: Timestamp) -> Result<String, SigningError> {
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let certificate = authority.certify_plan_key(&key, now)?;
    Ok(format!("{}{certificate}", key.serialize_pem()))
}

/// From the text that [`make`] made under the same authority; also until when it lasts.
fn read(text: &str, authority: &Authority) -> Result<(Arc<CertifiedKey>, Timestamp), SigningError> {
    let certificate = CertificateDer::from_pem_slice(text.as_bytes())
        .map_err(|_| SigningError::Missing("a certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| SigningError::Missing("a private key"))?;
    let of_ours =
        X509Certificate::from_der(&certificate).is_ok_and(|(_, parsed)| authority.signed(&parsed));
    let until = until_of(&certificate).filter(|_| of_ours);
    let until = until.ok_or(SigningError::Missing("a certificate of this authority"))?;
    let chain = vec![certificate, authority.certificate().clone()];
    let provider = rustls::crypto::ring::default_provider();
    let key = CertifiedKey::from_der(chain, key, &provider)?;
    Ok((Arc::new(key), until))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_000_000_000_000_000);
    const DAY: Nanos = Nanos::from_secs(86_400);

    #[test]
    fn the_key_is_kept_and_replaced_before_its_certificate_runs_out() {
        let state = tempfile::tempdir().unwrap();
        let registry = Registry::open(state.path()).unwrap();
        let authority = Arc::new(registry.authority().unwrap());
        let signer = || PlanSigner::new(None, registry.clone(), Arc::clone(&authority));
        let leaf = |signer: &PlanSigner, now| {
            let order = PlanOrder::default();
            let signed = signer.sign(&order, now).unwrap();
            assert_eq!(signed.scheme, 0x0807, "Ed25519 in RFC 8446");
            signed.chain[0].clone()
        };
        let first = signer();
        let key = leaf(&first, NOW);
        assert_eq!(
            leaf(&signer(), NOW + DAY.times(19)),
            key,
            "kept on the disk"
        );
        let next = leaf(&first, NOW + DAY.times(21));
        assert_ne!(next, key);
        assert_eq!(leaf(&signer(), NOW + DAY.times(21)), next);
    }

    #[test]
    fn a_key_of_another_authority_is_replaced() {
        let state = tempfile::tempdir().unwrap();
        let registry = Registry::open(state.path()).unwrap();
        let sign = |authority: Authority| {
            let signer = PlanSigner::new(None, registry.clone(), Arc::new(authority));
            signer.sign(&PlanOrder::default(), NOW).unwrap().chain
        };
        let text = Authority::make(NOW).unwrap();
        let before = sign(Authority::read(&text).unwrap());
        let after = sign(registry.authority().unwrap());
        assert_ne!(before[0], after[0]);
        assert_ne!(before[1], after[1]);
    }
}
