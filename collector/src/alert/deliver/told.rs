//! An alert as programs are told it: labels, annotations and instants, as Alertmanager has them.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use owl_measure::time::Timestamp;
use owl_measure::words::Lang;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::alert::{Alert, Key, Map};
use crate::config::Pages;
use crate::{Addresses, host_name};

/// Labels or annotations by their names.
pub(super) type Pairs = BTreeMap<String, String>;

/// What tells an alert from every other: the same at its beginning and at its end.
pub(super) fn labels(map: &Map, (kind, subject): &Key) -> Pairs {
    let fixed = [
        ("alertname", kind.name().to_owned()),
        ("severity", kind.severity(subject).code().to_owned()),
        ("source", "owl".to_owned()),
        ("network", map.network.clone()),
    ];
    fixed
        .into_iter()
        .chain(map.labels(subject))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// What is said with it, in both languages.
pub(super) fn annotations(map: &Map, alert: &Alert) -> Pairs {
    let mut said = Pairs::new();
    for (lang, suffix) in [(Lang::En, ""), (Lang::Zh, "_zh")] {
        let description = format!("{} {}", alert.told(lang), alert.kind.action(lang));
        said.insert(format!("summary{suffix}"), alert.summary(map, lang));
        said.insert(
            format!("description{suffix}"),
            description.trim().to_owned(),
        );
    }
    said
}

/// RFC 3339, in UTC.
pub(super) fn rfc3339(at: Timestamp) -> String {
    let instant = jiff::Timestamp::from_nanosecond(i128::from(at.0));
    instant.map_or_else(|_| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}

/// 16 hexadecimal digits that follow from the labels.
pub(super) fn fingerprint(labels: &Pairs) -> String {
    let mut digest = Sha256::new();
    for (name, value) in labels {
        for text in [name, value] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
    }
    HEXLOWER.encode(&digest.finalize()[..8])
}

/// Where somebody can look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct PagesAt(pub(crate) String);

impl PagesAt {
    /// Where the pages are reached: by the first name that they have; else as this host is called, or on it alone.
    pub(crate) fn of(pages: &Pages, addresses: Addresses) -> Self {
        let scheme = if addresses.tls { "https" } else { "http" };
        let (address, port) = (addresses.http.ip(), addresses.http.port());
        let host = match pages.names.first() {
            Some(name) => name.clone(),
            None if address.is_unspecified() => host_name(),
            None if address.is_ipv6() => format!("[{address}]"),
            None => address.to_string(),
        };
        Self(format!("{scheme}://{host}:{port}"))
    }

    /// The page of all alerts.
    pub(super) fn alerts(&self) -> String {
        format!("{}/alerts", self.0)
    }
}
