//! Verdicts that were given anew.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use owl_measure::time::Timestamp;
use serde::Serialize;

use super::guard::all_carriers;
use super::problem::{Kind, Problem};
use super::query::{Asked, LIMIT_DEFAULT, Pairs};
use super::{Web, json};
use crate::access::Viewer;
use crate::now::now;
use crate::revision::Revision;

#[derive(Serialize)]
struct Revisions {
    generated_at_ns: Timestamp,
    revisions: Vec<Revision>,
}

/// `GET /api/v1/revisions`: verdicts that were given anew, the latest first; with `path`, of one path; with `since`, on
/// windows that began then or later; with `limit`, no more of them.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Problem> {
    let asked = Asked(&pairs);
    let path = asked.one("path").map(str::to_owned);
    let unknown = |path: &String| web.table(&viewer).path(path).is_none();
    if path.as_ref().is_some_and(unknown) {
        return Err(Problem::plain(Kind::UnknownName));
    }
    if path.is_none() {
        all_carriers(&viewer)?;
    }
    let since = asked.instant("since")?.unwrap_or(Timestamp(i64::MIN));
    let limit = asked.limit()?.unwrap_or(LIMIT_DEFAULT);
    let revisions = web
        .ask(move |reader| reader.revisions(path.as_deref(), since, limit))
        .await?;
    Ok(json(&Revisions {
        generated_at_ns: now(),
        revisions,
    }))
}
