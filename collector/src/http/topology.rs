//! The network that is judged: who is where, what connects them, and what is promised.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use owl_topology::{Carrier, Link, Path, PathClass, Site};
use serde::Serialize;
use std::net::IpAddr;

use super::{Web, json, lasting};

#[derive(Serialize)]
struct View<'a> {
    name: &'a str,
    /// SHA-256 of the files, in hexadecimal.
    generation: &'a str,
    timezone: &'a str,
    carriers: &'a [Carrier],
    sites: &'a [Site],
    links: &'a [Link],
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

/// `GET /api/v1/topology`: sites, carriers, links, classes, probes and the paths that they make.
pub(super) async fn api(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let topology = &web.topology;
    lasting(&headers, &topology.generation, || {
        let table = web.live.read();
        json(&View {
            name: &topology.name,
            generation: &topology.generation,
            timezone: &topology.timezone,
            carriers: &topology.carriers,
            sites: &topology.sites,
            links: &topology.links,
            classes: &topology.classes,
            probes: topology
                .probes
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
