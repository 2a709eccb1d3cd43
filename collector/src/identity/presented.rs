//! Which certificate the collector shows to whom.
//!
//! A probe that joins knows nothing but the fingerprint of the collector's own
//! authority, so it is shown what that has signed. Everybody else is shown the
//! certificate of the configuration, where there is one.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use owl_measure::enrolment::JOIN_ALPN;
use owl_measure::time::{Nanos, Timestamp};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::error;

use super::authority::{Authority, LIFE, SigningError};
use crate::now::now;

/// After two thirds of its life a certificate is signed anew.
const RENEW: Nanos = Nanos(LIFE.0 / 3 * 2);

pub(crate) struct Presented {
    given: Option<Arc<CertifiedKey>>,
    authority: Arc<Authority>,
    /// What the authority has signed for this collector, and when.
    own: Mutex<(Arc<CertifiedKey>, Timestamp)>,
}

impl Presented {
    pub(crate) fn new(
        given: Option<Arc<CertifiedKey>>,
        authority: Arc<Authority>,
    ) -> Result<Self, SigningError> {
        let signed_at = now();
        let own = authority.sign_own(signed_at)?;
        Ok(Self {
            given,
            authority,
            own: Mutex::new((own, signed_at)),
        })
    }

    fn own(&self, now: Timestamp) -> Arc<CertifiedKey> {
        // The pair is replaced as a whole, so it is whole whoever panicked.
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now - own.1;
        // A clock that was set back below the first instant makes it invalid, too.
        if age >= RENEW || age < Nanos::ZERO {
            match self.authority.sign_own(now) {
                Ok(signed) => *own = (signed, now),
                // Tried again in a minute: strangers cause these calls.
                Err(cause) => {
                    error!(
                        error = &cause as &dyn std::error::Error,
                        "the collector's own certificate cannot be renewed"
                    );
                    own.1 = now - RENEW + Nanos::from_secs(60);
                }
            }
        }
        Arc::clone(&own.0)
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let joins = hello
            .alpn()
            .is_some_and(|mut protocols| protocols.any(|name| name == JOIN_ALPN));
        match &self.given {
            Some(given) if !joins => Some(Arc::clone(given)),
            _ => Some(self.own(now())),
        }
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_certificate_is_renewed_long_before_it_runs_out() {
        let text = Authority::make(now()).unwrap();
        let authority = Arc::new(Authority::read(&text).unwrap());
        let presented = Presented::new(None, authority).unwrap();
        let begun = presented.own.lock().unwrap().1;
        let first = presented.own(begun);
        let shown = |days: i64| presented.own(begun + Nanos::from_secs(days * 86_400));
        assert!(Arc::ptr_eq(&first, &shown(19)));
        let second = shown(20);
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &shown(39)));
        assert!(!Arc::ptr_eq(&second, &shown(1)), "the clock was set back");
    }
}
