//! What an Alertmanager is told: `POST /api/v2/alerts`.

use owl_measure::time::{Nanos, Timestamp};
use serde::Serialize;

use super::told::{PagesAt, Pairs, annotations, labels, rfc3339};
use crate::alert::{Alert, Key, Map};

/// So long after it was told last an Alertmanager takes an alert for over by itself: five times missed.
const LASTS: Nanos = Nanos::from_secs(300);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostableAlert {
    labels: Pairs,
    annotations: Pairs,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
}

/// One that goes on.
pub(super) fn firing(map: &Map, alert: &Alert, now: Timestamp, pages: &PagesAt) -> PostableAlert {
    PostableAlert {
        labels: labels(map, &alert.key()),
        annotations: annotations(map, alert),
        starts_at: rfc3339(alert.since),
        ends_at: rfc3339(now + LASTS),
        generator_url: pages.alerts(),
    }
}

/// One that is over.
pub(super) fn resolved(
    map: &Map,
    (key, since): (&Key, Timestamp),
    now: Timestamp,
    pages: &PagesAt,
) -> PostableAlert {
    PostableAlert {
        labels: labels(map, key),
        annotations: Pairs::new(),
        starts_at: rfc3339(since),
        ends_at: rfc3339(now),
        generator_url: pages.alerts(),
    }
}
