//! What every answer tells browsers: what a page of ours never does.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Nothing but this collector's own style sheet and forms. There is no script, and none can be slipped in.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Of every answer.
const FIXED: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), camera=(), clipboard-read=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), microphone=(), midi=(), payment=(), serial=(), usb=()",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];
/// A year (RFC 6797). Only where browsers believe the certificate: with one that they do not, nobody could get in.
const HSTS: &str = "max-age=31536000";

/// How strict the headers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hardened {
    /// What holds for every transport.
    Always,
    /// And that the host is to be called by HTTPS from now on.
    Certified,
}

impl Hardened {
    pub(super) fn put(self, headers: &mut HeaderMap) {
        for (name, value) in FIXED {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if self == Self::Certified {
            let value = HeaderValue::from_static(HSTS);
            headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
        }
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
}

#[cfg(test)]
pub(super) fn of_every_answer() -> impl Iterator<Item = (HeaderName, &'static str)> {
    FIXED.into_iter()
}
