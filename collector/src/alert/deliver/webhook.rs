//! What a webhook is told: the JSON that Alertmanager sends to one (version 4), and its signature.

use axum::http::{HeaderName, HeaderValue};
use data_encoding::HEXLOWER;
use owl_measure::time::Timestamp;
use ring::hmac;
use serde::Serialize;

use super::told::{PagesAt, Pairs, annotations, fingerprint, labels, rfc3339};
use crate::alert::{Alert, Key, Kind, Map};

/// Holds `sha256=` and the HMAC-SHA256 (RFC 2104) of the body in hexadecimal.
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-owl-signature-256");
/// What Alertmanager writes for an end that is not known.
const NO_END: &str = "0001-01-01T00:00:00Z";

/// One request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
    status: &'static str,
    receiver: &'static str,
    group_labels: Pairs,
    common_labels: Pairs,
    common_annotations: Pairs,
    #[serde(rename = "externalURL")]
    external_url: PagesAt,
    alerts: Vec<HookAlert>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HookAlert {
    status: &'static str,
    labels: Pairs,
    annotations: Pairs,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

/// One that goes on.
pub(super) fn firing(map: &Map, alert: &Alert, pages: &PagesAt) -> HookAlert {
    let labels = labels(map, &alert.key());
    HookAlert {
        status: "firing",
        annotations: annotations(map, alert),
        starts_at: rfc3339(alert.since),
        ends_at: NO_END.to_owned(),
        generator_url: pages.alerts(),
        fingerprint: fingerprint(&labels),
        labels,
    }
}

/// One that is over.
pub(super) fn resolved(
    map: &Map,
    (key, since): (&Key, Timestamp),
    now: Timestamp,
    pages: &PagesAt,
) -> HookAlert {
    let labels = labels(map, key);
    HookAlert {
        status: "resolved",
        annotations: Pairs::new(),
        starts_at: rfc3339(since),
        ends_at: rfc3339(now),
        generator_url: pages.alerts(),
        fingerprint: fingerprint(&labels),
        labels,
    }
}

/// All of one kind that is told at once.
pub(super) fn message(kind: Kind, alerts: Vec<HookAlert>, pages: &PagesAt) -> Message {
    let common = |pick: fn(&HookAlert) -> &Pairs| {
        let mut common = alerts.first().map(pick).cloned().unwrap_or_default();
        common.retain(|name, value| {
            alerts
                .iter()
                .all(|alert| pick(alert).get(name) == Some(value))
        });
        common
    };
    let fires = alerts.iter().any(|alert| alert.status == "firing");
    Message {
        version: "4",
        group_key: format!("{{}}:{{alertname=\"{}\"}}", kind.name()),
        truncated_alerts: 0,
        status: if fires { "firing" } else { "resolved" },
        receiver: "owl",
        group_labels: Pairs::from([("alertname".to_owned(), kind.name().to_owned())]),
        common_labels: common(|alert| &alert.labels),
        common_annotations: common(|alert| &alert.annotations),
        external_url: pages.clone(),
        alerts,
    }
}

/// The signature of a body.
pub(super) fn signed(key: &str, body: &[u8]) -> HeaderValue {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, body);
    let text = format!("sha256={}", HEXLOWER.encode(tag.as_ref()));
    HeaderValue::try_from(text).expect("hexadecimal digits are a header's value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_as_rfc_4231_has_it() {
        // Test case 2 of RFC 4231, section 4.3.
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signed("Jefe", b"what do ya want for nothing?"), expected);
    }
}
