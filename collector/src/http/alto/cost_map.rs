//! The cost map (RFC 7285, section 11.2.3) of `delay-ow` (RFC 9439, section 4.1): microseconds, one way.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use super::{NETWORK_MAP, cost_type, of_type, pid};
use crate::access::Viewer;
use crate::http::latency::STATS;
use crate::http::problem::{Kind, Problem};
use crate::http::{self, Web};
use crate::now::now;
use crate::reading::{Reading, Wanted};

pub(super) const MEDIA_TYPE: &str = "application/alto-costmap+json";

/// `GET /api/v1/alto/costmap/delay-ow/{stat}`: the upper end of each path's interval. Pairs of which nothing is known at
/// this moment are left out.
pub(in crate::http) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Path(stat): Path<String>,
) -> Result<Response, Problem> {
    let found = STATS.into_iter().find(|known| known.to_string() == stat);
    let stat = found.ok_or(Problem::plain(Kind::UnknownAddress))?;
    let wanted = Wanted {
        stat: Some(stat),
        max_age: None,
        grace: web.grace,
        now: now(),
    };
    let mut map: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for live in &web.table(&viewer).paths {
        if let Some(most) = Reading::of(live, wanted).at_most() {
            let of_source = map.entry(pid(&live.path.from)).or_default();
            of_source.insert(pid(&live.path.to), most.0 as f64 / 1e3);
        }
    }
    if map.is_empty() {
        return Err(Problem::of(
            Kind::Stale,
            "no path has a delay that is young enough to be a cost",
        ));
    }
    let tag = json!({ "resource-id": NETWORK_MAP, "tag": web.tag(&viewer) });
    let meta = json!({ "dependent-vtags": [tag], "cost-type": cost_type(stat) });
    let body = http::json(&json!({ "meta": meta, "cost-map": map }));
    Ok(of_type(body, MEDIA_TYPE))
}
