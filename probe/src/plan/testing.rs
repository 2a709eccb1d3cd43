//! A collector's authority and its plan key, for tests.

use std::path::PathBuf;

use owl_measure::time::{Nanos, Timestamp};
use owl_topology::{PLAN_SIGNER, Plan, PlanOrder, PlannedSession, SignedPlan};
use prost::Message as _;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519, SigningKey as _,
    date_time_ymd,
};

/// 2026-11-18.
pub(crate) const NOW: Timestamp = Timestamp(1_795_000_000_000_000_000);

pub(crate) struct Signer {
    folder: tempfile::TempDir,
    key: KeyPair,
    chain: Vec<Vec<u8>>,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dated = |name: &str| {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.not_before = date_time_ymd(2026, 1, 1);
            params.not_after = date_time_ymd(2027, 6, 1);
            params
        };
        let mut authority = dated("authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let certificate = authority.self_signed(&authority_key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let leaf = dated(PLAN_SIGNER).signed_by(&key, &issuer).unwrap();
        Self {
            folder,
            key,
            chain: vec![leaf.der().to_vec(), certificate.der().to_vec()],
        }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A plan for the probe a, with a session for each path, on trial for a minute.
    pub(crate) fn order(&self, generation: u64, paths: &[&str]) -> Vec<u8> {
        let session = |path: &&str| PlannedSession {
            path: (*path).to_owned(),
            report_interval_ns: 1_000_000_000,
            ..PlannedSession::default()
        };
        self.sign(&PlanOrder {
            plan: Some(Plan {
                generation: generation.to_string(),
                probe: "a".into(),
                sessions: paths.iter().map(session).collect(),
                ..Plan::default()
            }),
            topology: "t".into(),
            generation,
            valid_from_ns: (NOW - Nanos::from_secs(3_600)).0,
            valid_until_ns: (NOW + Nanos::from_secs(3_600)).0,
            trial_ns: 60_000_000_000,
        })
    }

    pub(crate) fn sign(&self, order: &PlanOrder) -> Vec<u8> {
        let order = order.encode_to_vec();
        let signature = self.key.sign(&SignedPlan::signed_octets(&order)).unwrap();
        SignedPlan {
            order,
            chain: self.chain.clone(),
            scheme: 0x0807,
            signature,
        }
        .encode_to_vec()
    }
}
