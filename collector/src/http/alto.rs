//! Application-Layer Traffic Optimization: the delays as an ALTO server tells them (RFC 7285, metric of RFC 9439).
//!
//! Each probe is a group of endpoints (a PID) of its own, so each path is one
//! cost. A delay that is stale, or that nobody knows, is no cost: its pair is left
//! out of the map, which is what RFC 7285 (section 11.2.3.6) has for costs that
//! are not defined, and a map of which nothing is left is refused with 503.

mod cost_map;
mod network_map;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use owl_measure::verdict::Quantile;
use owl_topology::ProbeId;
use serde::Serialize;
use serde_json::{Value, json};

pub(super) use cost_map::api as cost_map;
pub(super) use network_map::api as network_map;

use super::latency::STATS;
use super::{Web, lasting};

/// The id of the network map in the directory.
const NETWORK_MAP: &str = "probes";
/// The group of all addresses that are no probe's.
const ELSEWHERE: &str = "elsewhere";

/// The name of a probe's group. A `.` has a meaning of its own in these names (RFC 7285, section 10.1); `:` is in no probe's.
fn pid(probe: &ProbeId) -> String {
    probe.as_str().replace('.', ":")
}

/// The cost type of a percentile (RFC 7285, section 10.7; RFC 9439, sections 3 and 4.1).
fn cost_type(stat: Quantile) -> Value {
    json!({
        "cost-mode": "numerical",
        "cost-metric": format!("delay-ow:{stat}"),
        "cost-context": {
            "cost-source": "estimation",
            "parameters": {
                "bound": "upper end of the interval in which the percentile lies",
                "over": "packets sent in the latest window of the path",
                "not-older-than": "three windows",
            },
        },
    })
}

/// Gives an answer the media type of ALTO.
fn of_type(mut response: Response, media_type: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

#[derive(Serialize)]
struct Resource {
    uri: String,
    #[serde(rename = "media-type")]
    media_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Value>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    uses: &'static [&'static str],
}

/// `GET /api/v1/alto`: the information resource directory (RFC 7285, section 9).
pub(super) async fn directory(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let name = |stat: Quantile| format!("delay-ow-{stat}");
    let types: BTreeMap<String, Value> = STATS.map(|stat| (name(stat), cost_type(stat))).into();
    let mut resources = BTreeMap::from([(
        NETWORK_MAP.to_owned(),
        Resource {
            uri: "/api/v1/alto/networkmap".to_owned(),
            media_type: network_map::MEDIA_TYPE,
            capabilities: None,
            uses: &[],
        },
    )]);
    resources.extend(STATS.map(|stat| {
        let map = Resource {
            uri: format!("/api/v1/alto/costmap/delay-ow/{stat}"),
            media_type: cost_map::MEDIA_TYPE,
            capabilities: Some(json!({ "cost-type-names": [name(stat)] })),
            uses: &[NETWORK_MAP],
        };
        (name(stat), map)
    }));
    lasting(&headers, &web.topology().generation, || {
        let directory = super::json(&json!({
            "meta": { "cost-types": types, "default-alto-network-map": NETWORK_MAP },
            "resources": resources,
        }));
        of_type(directory, "application/alto-directory+json")
    })
}
