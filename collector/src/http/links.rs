//! What links carry: page and JSON.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{Html, Response};
use owl_measure::time::{Nanos, Timestamp};
use serde::Serialize;

use super::problem::Problem;
use super::query::{Asked, Pairs};
use super::{Web, json, language};
use crate::access::Viewer;
use crate::links::{Indicated, LinkFigure, PonFigure, PortFigure};
use crate::now::now;
use crate::page;

#[derive(Serialize)]
struct Links<'a> {
    generated_at_ns: Timestamp,
    simulated: bool,
    window_start_ns: Timestamp,
    window_ns: Nanos,
    links: &'a [LinkFigure],
    pons: &'a [PonFigure],
    indicators: &'a [Indicated],
    /// Only when they are asked for.
    ports: Option<&'a [PortFigure]>,
}

/// What `ports=` says: `true` or `false`.
pub(super) fn wants_ports(query: &Pairs) -> Result<bool, Problem> {
    let said = Asked(query).one("ports").map(str::parse);
    let said = said.transpose();
    let said = said.map_err(|_| Problem::query("ports is true or false"))?;
    Ok(said.unwrap_or(false))
}

/// `GET /api/v1/links`: the latest minute of links, optical networks and indicators; with `ports=true` of single ports, too.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(query): Query<Pairs>,
) -> Result<Response, Problem> {
    let with_ports = wants_ports(&query)?;
    let at = now();
    let figures = web.shown.links(&viewer, at);
    Ok(json(&Links {
        generated_at_ns: at,
        simulated: web.table(&viewer).simulated(),
        window_start_ns: figures.start,
        window_ns: figures.length,
        links: &figures.links,
        pons: &figures.pons,
        indicators: &figures.indicators,
        ports: with_ports.then_some(&figures.ports),
    }))
}

/// `GET /links`: the page.
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(query): Query<Pairs>,
    headers: HeaderMap,
) -> Html<String> {
    let figures = web.shown.links(&viewer, now());
    let frame = web.frame(language(&query, &headers), &viewer);
    let table = web.table(&viewer);
    Html(page::links(&frame, &table, &figures).into_string())
}
