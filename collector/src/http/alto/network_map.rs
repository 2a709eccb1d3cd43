//! The network map (RFC 7285, section 11.2.1): which addresses are whose.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use owl_topology::Probe;
use serde_json::json;

use super::{ELSEWHERE, NETWORK_MAP, of_type, pid};
use crate::access::Viewer;
use crate::http::{self, Web, lasting};

pub(super) const MEDIA_TYPE: &str = "application/alto-networkmap+json";

/// `GET /api/v1/alto/networkmap`
pub(in crate::http) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    headers: HeaderMap,
) -> Response {
    let topology = &*web.topology();
    let tag = web.tag(&viewer);
    lasting(&headers, &tag, || {
        let mut map: BTreeMap<String, BTreeMap<&str, Vec<String>>> = BTreeMap::new();
        let scope = viewer.scope();
        let seen = |probe: &&Probe| scope.sees_carrier(probe.carrier.as_str());
        for probe in topology.probes.iter().filter(seen) {
            let groups = map.entry(pid(&probe.id)).or_default();
            for address in &probe.addr {
                let (kind, prefix) = if address.is_ipv4() {
                    ("ipv4", format!("{address}/32"))
                } else {
                    ("ipv6", format!("{address}/128"))
                };
                groups.entry(kind).or_default().push(prefix);
            }
        }
        let all = [("ipv4", "0.0.0.0/0"), ("ipv6", "::/0")];
        let all = all.map(|(kind, prefix)| (kind, vec![prefix.to_owned()]));
        map.insert(ELSEWHERE.to_owned(), all.into());
        let tag = json!({ "resource-id": NETWORK_MAP, "tag": tag });
        let body = http::json(&json!({ "meta": { "vtag": tag }, "network-map": map }));
        of_type(body, MEDIA_TYPE)
    })
}
