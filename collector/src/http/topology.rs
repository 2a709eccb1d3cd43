//! The network that is judged: who is where, what connects them, and what is promised.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use owl_topology::{Carrier, Link, Path, PathClass, Probe, Site};
use serde::Serialize;
use std::net::IpAddr;

use super::{Web, json, lasting};
use crate::access::Viewer;

#[derive(Serialize)]
struct View<'a> {
    name: &'a str,
    /// SHA-256 of the files, in hexadecimal.
    generation: &'a str,
    timezone: &'a str,
    carriers: Vec<&'a Carrier>,
    sites: Vec<&'a Site>,
    links: Vec<&'a Link>,
    classes: &'a [PathClass],
    probes: Vec<ProbeView<'a>>,
    paths: Vec<&'a Path>,
}

/// A probe without how it is managed, which is nobody's business here.
#[derive(Serialize)]
struct ProbeView<'a> {
    probe: &'a str,
    site: &'a str,
    carrier: &'a str,
    addresses: &'a [IpAddr],
    port: u16,
}

/// `GET /api/v1/topology`: sites, carriers, links, classes, probes and the paths that they make; of the carriers that the
/// caller sees.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    headers: HeaderMap,
) -> Response {
    let topology = &*web.topology();
    let scope = viewer.scope();
    lasting(&headers, &web.tag(&viewer), || {
        let table = web.table(&viewer);
        let seen = |probe: &&Probe| scope.sees_carrier(probe.carrier.as_str());
        let probes: Vec<&Probe> = topology.probes.iter().filter(seen).collect();
        let has_site =
            |site: &&Site| scope.is_all() || probes.iter().any(|probe| probe.site == site.id);
        let carriers = topology.carriers.iter();
        let links = topology.links.iter();
        json(&View {
            name: &topology.name,
            generation: &topology.generation,
            timezone: &topology.timezone,
            carriers: carriers
                .filter(|carrier| scope.sees_carrier(carrier.id.as_str()))
                .collect(),
            sites: topology.sites.iter().filter(has_site).collect(),
            links: links
                .filter(|link| scope.sees_carrier(link.carrier.as_str()))
                .collect(),
            classes: &topology.classes,
            probes: probes
                .iter()
                .map(|probe| ProbeView {
                    probe: probe.id.as_str(),
                    site: probe.site.as_str(),
                    carrier: probe.carrier.as_str(),
                    addresses: &probe.addr,
                    port: probe.port,
                })
                .collect(),
            paths: table.paths.iter().map(|live| &live.path).collect(),
        })
    })
}
