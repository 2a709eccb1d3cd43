//! The certificate that browsers and Prometheus are shown.
//!
//! It is the one of the configuration, read again when its files change, or one
//! that the collector's own authority has signed, anew after two thirds of its
//! life. No restart is needed for either.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use owl_measure::time::{Nanos, Timestamp};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::config::{PageCertificate, Transport};
use crate::identity::{Authority, IdentityError, LIFE, read_chain};
use crate::now::now;

/// How often the files are looked at, and the age of an own certificate.
const LOOK: Duration = Duration::from_secs(5);
/// After two thirds of its life an own certificate is signed anew.
const RENEW: Nanos = Nanos(LIFE.0 / 3 * 2);

enum Source {
    Given(PageCertificate),
    Own {
        authority: Arc<Authority>,
        names: Vec<String>,
    },
}

/// Tells one content of a file from the next without reading it.
type Edition = Vec<(u64, i64, i64, u64)>;

struct Held {
    key: Arc<CertifiedKey>,
    signed_at: Timestamp,
    edition: Option<Edition>,
}

/// What is shown now.
pub(super) struct Certificate {
    source: Source,
    held: Mutex<Held>,
}

impl Certificate {
    /// `None` where HTTP is spoken.
    pub(super) fn open(
        transport: Transport,
        authority: &Arc<Authority>,
    ) -> Result<Option<Arc<Self>>, IdentityError> {
        let source = match transport {
            Transport::Plain => return Ok(None),
            Transport::Given(files) => Source::Given(files),
            Transport::Own(names) => Source::Own {
                authority: Arc::clone(authority),
                names,
            },
        };
        let held = source.hold()?;
        Ok(Some(Arc::new(Self {
            source,
            held: Mutex::new(held),
        })))
    }

    /// Whether it was made elsewhere, and so is one that browsers believe.
    pub(super) fn is_given(&self) -> bool {
        matches!(self.source, Source::Given(_))
    }

    /// Keeps it fresh, until the collector ends.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = None;
        loop {
            ticks.tick().await;
            let certificate = Arc::clone(&self);
            let known = failed.clone();
            let renewed = tokio::task::spawn_blocking(move || certificate.renew(now(), known));
            failed = renewed.await.unwrap_or(None);
        }
    }

    /// Renews it where that is due. Gives back the edition of files that cannot be used, so that it is said once.
    fn renew(&self, now: Timestamp, failed: Option<Edition>) -> Option<Edition> {
        let edition = self.source.edition();
        {
            let held = self.held();
            let age = now - held.signed_at;
            let due = match self.source {
                Source::Given(_) => edition != held.edition,
                // A clock that was set back makes it invalid, too.
                Source::Own { .. } => age >= RENEW || age < Nanos::ZERO,
            };
            if !due {
                return None;
            }
        }
        match self.source.hold() {
            Ok(newer) => {
                *self.held() = newer;
                info!("the pages have a new certificate");
                None
            }
            Err(error) if edition.is_none() || failed != edition => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "the new certificate of the pages cannot be used; the one before goes on"
                );
                edition
            }
            Err(_) => edition,
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        // It is replaced as a whole, so it is whole whoever panicked.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    fn edition(&self) -> Option<Edition> {
        let Self::Given(files) = self else {
            return None;
        };
        let look = |file: &Path| {
            let found = fs::metadata(file).ok()?;
            Some((found.ino(), found.ctime(), found.ctime_nsec(), found.len()))
        };
        [&files.chain, &files.key]
            .into_iter()
            .map(|file| look(file))
            .collect()
    }

    fn hold(&self) -> Result<Held, IdentityError> {
        // Looked at before it is read: what changes in between is read again.
        let edition = self.edition();
        let signed_at = now();
        let key = match self {
            Self::Given(files) => Arc::new(read_chain(&files.chain, &files.key)?),
            Self::Own { authority, names } => authority.sign_page(names, signed_at)?,
        };
        Ok(Held {
            key,
            signed_at,
            edition,
        })
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.held().key))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

/// TLS 1.3 alone: every browser of the last years speaks it, and so does Prometheus since it is built with Go 1.13.
pub(super) fn tls(certificate: Arc<Certificate>) -> Result<rustls::ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Early data can be replayed by anyone who saw it.
    tls.max_early_data_size = 0;
    Ok(tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(names: &[&str]) -> (Arc<Authority>, Transport) {
        let text = Authority::make(now()).unwrap();
        let names = names.iter().map(|&name| name.to_owned()).collect();
        (
            Arc::new(Authority::read(&text).unwrap()),
            Transport::Own(names),
        )
    }

    #[test]
    fn an_own_certificate_names_hosts_and_addresses_and_is_renewed_long_before_it_runs_out() {
        let (authority, transport) = own(&["owl.example", "192.0.2.1", "2001:db8::1"]);
        let certificate = Certificate::open(transport, &authority).unwrap().unwrap();
        let shown = || Arc::clone(&certificate.held().key);
        let (first, began) = (shown(), certificate.held().signed_at);
        let after = |days: i64| certificate.renew(began + Nanos::from_secs(days * 86_400), None);
        after(19);
        assert!(Arc::ptr_eq(&first, &shown()));
        after(20);
        assert!(!Arc::ptr_eq(&first, &shown()));
        let leaf = first.cert[0].clone();
        let (_, parsed) =
            <x509_parser::certificate::X509Certificate<'_> as x509_parser::prelude::FromDer<
                '_,
                _,
            >>::from_der(&leaf)
            .unwrap();
        let names = parsed.subject_alternative_name().unwrap().unwrap();
        let names = format!("{:?}", names.value.general_names);
        for expected in ["owl.example", "192, 0, 2, 1", "owl-collector"] {
            assert!(names.contains(expected), "{names}");
        }
        assert!(
            parsed
                .extended_key_usage()
                .unwrap()
                .unwrap()
                .value
                .server_auth
        );
    }

    #[test]
    fn given_files_are_read_again_when_both_fit_together_and_until_then_the_old_ones_are_shown() {
        let directory = tempfile::tempdir().unwrap();
        let files = PageCertificate {
            chain: directory.path().join("c.pem"),
            key: directory.path().join("k.pem"),
        };
        let made = || {
            let made = rcgen::generate_simple_self_signed(vec!["owl.example".into()]).unwrap();
            (made.cert.pem(), made.signing_key.serialize_pem())
        };
        let (chain, key) = made();
        fs::write(&files.chain, chain).unwrap();
        fs::write(&files.key, key).unwrap();
        let (authority, _) = own(&[]);
        let transport = Transport::Given(files.clone());
        let certificate = Certificate::open(transport, &authority).unwrap().unwrap();
        assert!(certificate.is_given());
        let shown = || Arc::clone(&certificate.held().key);
        let first = shown();
        let (chain, key) = made();
        // As a renewing program does it: another file in the place of the one before.
        let put = |file: &Path, text: &str| {
            fs::write(file.with_extension("new"), text).unwrap();
            fs::rename(file.with_extension("new"), file).unwrap();
        };
        put(&files.chain, &chain);
        let failed = certificate.renew(now(), None);
        assert!(failed.is_some(), "the certificate fits no key");
        assert!(Arc::ptr_eq(&first, &shown()));
        put(&files.key, &key);
        assert_eq!(certificate.renew(now(), failed), None);
        assert!(!Arc::ptr_eq(&first, &shown()));
        fs::remove_file(&files.key).unwrap();
        let second = shown();
        certificate.renew(now(), None);
        assert!(Arc::ptr_eq(&second, &shown()));
    }

    #[test]
    fn files_that_hold_no_certificate_are_named() {
        let files = PageCertificate {
            chain: "/nowhere/c.pem".into(),
            key: "/nowhere/k.pem".into(),
        };
        let (authority, _) = own(&[]);
        let refused = Certificate::open(Transport::Given(files), &authority).map(|_| ());
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("/nowhere/c.pem"), "{refused}");
    }
}
