//! Whether an order is believed: who signed it, what for, and when.
//!
//! Whoever signs has a certificate of an authority in the probe's `ca` file,
//! which it learnt when it joined or was given by hand. That it is newer than
//! what the probe has had is asked elsewhere ([`super::PlanKeeper`]).

use std::path::Path;
use std::sync::Arc;

use owl_measure::report::PlanFault;
use owl_measure::time::{Nanos, Timestamp};
use owl_topology::{PLAN_SIGNER, Plan, PlanOrder, SignedPlan};
use prost::Message as _;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::uplink::COLLECTOR_NAME;

/// Certificates of one chain.
const CHAIN_MAX: usize = 8;

/// Why an order is not believed, with what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disbelief {
    pub(super) fault: PlanFault,
    /// The generation that it says it has, believed or not; 0 when it says none.
    pub(super) generation: u64,
    pub(super) detail: String,
}

/// An order that is believed, and may be followed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Believed {
    pub(super) plan: Plan,
    pub(super) topology: String,
    pub(super) generation: u64,
    pub(super) trial: Nanos,
}

fn no(fault: PlanFault, detail: impl ToString) -> Disbelief {
    Disbelief {
        fault,
        generation: 0,
        detail: detail.to_string(),
    }
}

/// Reads a signed order for `probe`, and believes it if somebody with a certificate under `ca` signed it and it holds `now`.
pub(super) fn believe(
    octets: &[u8],
    probe: &str,
    ca: &Path,
    now: Timestamp,
) -> Result<Believed, Disbelief> {
    let signed = SignedPlan::decode(octets).map_err(|error| no(PlanFault::Unreadable, error))?;
    if signed.signature.is_empty() || signed.chain.is_empty() {
        return Err(no(PlanFault::Unsigned, ""));
    }
    if signed.chain.len() > CHAIN_MAX {
        return Err(no(PlanFault::Unreadable, "too many certificates"));
    }
    let claimed = PlanOrder::decode(signed.order.as_slice()).map_or(0, |order| order.generation);
    let claiming = |told: Disbelief| Disbelief {
        generation: claimed,
        ..told
    };
    let chain: Vec<CertificateDer<'_>> = signed
        .chain
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    certified(&chain, ca, now).map_err(claiming)?;
    authentic(&signed, &chain[0]).map_err(claiming)?;
    let believed = understood(&signed.order).map_err(claiming)?;
    let of_it = |fault, detail: String| claiming(no(fault, detail));
    let (plan, order) = &believed;
    if plan.probe != probe {
        return Err(of_it(PlanFault::OtherProbe, plan.probe.clone()));
    }
    if now.0 < order.valid_from_ns || now.0 >= order.valid_until_ns {
        let now = now.0.div_euclid(Nanos::from_secs(1).0);
        let detail = format!("this host's clock says {now} s after 1970");
        return Err(of_it(PlanFault::NotValid, detail));
    }
    Ok(of(believed))
}

/// An order that was believed when it was kept.
pub(super) fn kept(octets: &[u8]) -> Option<Believed> {
    let signed = SignedPlan::decode(octets).ok()?;
    understood(&signed.order).ok().map(of)
}

fn of((plan, order): (Plan, PlanOrder)) -> Believed {
    Believed {
        plan,
        topology: order.topology,
        generation: order.generation,
        trial: Nanos(i64::try_from(order.trial_ns).unwrap_or(i64::MAX)),
    }
}

fn understood(octets: &[u8]) -> Result<(Plan, PlanOrder), Disbelief> {
    let mut order = PlanOrder::decode(octets).map_err(|error| no(PlanFault::Unreadable, error))?;
    let plan = order.plan.take();
    let plan = plan.ok_or_else(|| no(PlanFault::Unreadable, "it holds no plan"))?;
    // Reports echo the plan's text, and whoever compares numbers must mean the same.
    if order.generation == 0 || plan.generation != order.generation.to_string() {
        return Err(no(
            PlanFault::Unreadable,
            "its plan is of another generation",
        ));
    }
    Ok((plan, order))
}

/// Whether an authority of `ca` certified who signs, as a signer of plans or as a collector.
fn certified(chain: &[CertificateDer<'_>], ca: &Path, now: Timestamp) -> Result<(), Disbelief> {
    let foreign = |detail: String| no(PlanFault::Foreign, detail);
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::pem_file_iter(ca)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| foreign(format!("cannot read {}: {error}", ca.display())))?;
    roots.add_parsable_certificates(trusted);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| foreign(error.to_string()))?;
    let seconds = u64::try_from(now.0.div_euclid(Nanos::from_secs(1).0)).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let named = |name: &'static str| {
        let name = ServerName::try_from(name).expect("both are DNS names");
        verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], at)
    };
    named(PLAN_SIGNER)
        .or_else(|_| named(COLLECTOR_NAME))
        .map_err(|error| foreign(error.to_string()))?;
    Ok(())
}

fn authentic(signed: &SignedPlan, leaf: &CertificateDer<'_>) -> Result<(), Disbelief> {
    let forged = || no(PlanFault::Forged, "");
    // As TLS 1.3 numbers them (RFC 8446, section 4.2.3).
    let algorithm: &dyn VerificationAlgorithm = match signed.scheme {
        0x0807 => &ED25519,
        0x0403 => &ECDSA_P256_SHA256_ASN1,
        0x0503 => &ECDSA_P384_SHA384_ASN1,
        0x0804 => &RSA_PSS_2048_8192_SHA256,
        other => return Err(no(PlanFault::Forged, format!("scheme {other:#06x}"))),
    };
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| forged())?;
    let key = UnparsedPublicKey::new(algorithm, &leaf.public_key().subject_public_key.data);
    let octets = SignedPlan::signed_octets(&signed.order);
    key.verify(&octets, &signed.signature).map_err(|_| forged())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{NOW, Signer};

    #[track_caller]
    fn check(signer: &Signer, octets: &[u8], now: Timestamp, expected: Result<u64, PlanFault>) {
        let told = believe(octets, "a", &signer.ca(), now);
        let told = told.map(|believed| believed.generation);
        assert_eq!(told.map_err(|told| told.fault), expected);
    }

    #[test]
    fn what_an_authority_certified_is_believed_within_its_time() {
        let signer = Signer::new();
        let order = signer.order(7, &["a~b"]);
        check(&signer, &order, NOW, Ok(7));
        let day = Nanos::from_secs(86_400);
        for later in [day, -day] {
            check(&signer, &order, NOW + later, Err(PlanFault::NotValid));
        }
        check(
            &signer,
            &order,
            NOW + day.times(400),
            Err(PlanFault::Foreign),
        );
    }

    #[test]
    fn every_changed_octet_is_noticed() {
        let signer = Signer::new();
        let order = signer.order(7, &["a~b"]);
        for at in 0..order.len() {
            let mut changed = order.clone();
            changed[at] ^= 1;
            let told = believe(&changed, "a", &signer.ca(), NOW);
            // The certificate of the authority itself is not needed, as the probe has it.
            let same = told.is_ok_and(|told| kept(&order).as_ref() == Some(&told));
            let believed = believe(&changed, "a", &signer.ca(), NOW).is_ok();
            assert!(same || !believed, "octet {at}");
        }
        for end in 0..order.len() {
            let told = believe(&order[..end], "a", &signer.ca(), NOW);
            assert!(told.is_err(), "{end}");
        }
    }

    #[test]
    fn what_is_unsigned_foreign_or_for_another_is_refused_by_name() {
        let signer = Signer::new();
        let mut signed = SignedPlan::decode(signer.order(7, &["a~b"]).as_slice()).unwrap();
        let other = Signer::new();
        check(
            &signer,
            &other.order(7, &["a~b"]),
            NOW,
            Err(PlanFault::Foreign),
        );
        let told = believe(&signer.order(7, &["a~b"]), "b", &signer.ca(), NOW);
        let told = told.unwrap_err();
        assert_eq!((told.fault, told.generation), (PlanFault::OtherProbe, 7));
        check(&signer, b"no plan", NOW, Err(PlanFault::Unreadable));
        signed.signature.clear();
        check(
            &signer,
            &signed.encode_to_vec(),
            NOW,
            Err(PlanFault::Unsigned),
        );
        signed.signature = vec![1; 64];
        check(
            &signer,
            &signed.encode_to_vec(),
            NOW,
            Err(PlanFault::Forged),
        );
        signed.scheme = 1;
        check(
            &signer,
            &signed.encode_to_vec(),
            NOW,
            Err(PlanFault::Forged),
        );
    }
}
