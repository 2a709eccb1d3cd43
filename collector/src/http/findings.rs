//! What is wrong: page and JSON.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{Html, Response};
use owl_measure::time::Timestamp;
use serde::Serialize;

use super::problem::Problem;
use super::query::{Asked, LIMIT_DEFAULT, Pairs};
use super::{Web, json, language};
use crate::access::Viewer;
use crate::finding::Finding;
use crate::live::Table;
use crate::now::now;
use crate::page;
use crate::store::FindingsQuery;

/// Findings on the page.
const PAGE_FINDINGS: usize = 200;

/// What of the findings this viewer may be told.
fn told(found: &[Finding], viewer: &Viewer, table: &Table) -> Vec<Finding> {
    let told = found.iter();
    told.filter_map(|finding| viewer.scope().tell(finding, table))
        .collect()
}

#[derive(Serialize)]
struct Findings<'a> {
    generated_at_ns: Timestamp,
    simulated: bool,
    findings: Vec<View<'a>>,
}

#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    /// One sentence: what, since when, how sure, what to look at.
    sentence: String,
}

/// `GET /api/v1/findings`: what is wrong or was, open ones first; with `open`, only those that are or are not; with
/// `probe`, of one probe and its pairs; with `since`, seen then or later; with `limit`, no more of them.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked(&pairs);
    let read = |open: &str| {
        let open = open.parse();
        open.map_err(|_| Problem::query("open is true or false"))
    };
    let lang = language(&pairs, &headers);
    let query = FindingsQuery {
        open: asked.one("open").map(read).transpose()?,
        since: asked.instant("since")?.unwrap_or(Timestamp(i64::MIN)),
        limit: asked.limit()?.unwrap_or(LIMIT_DEFAULT),
    };
    let found = web.ask(move |reader| reader.findings(query)).await?;
    let table = web.table(&viewer);
    let found = told(&found, &viewer, &table);
    let of_probe = |finding: &&Finding| {
        let subject = &finding.last.subject;
        let is_end = |probe| subject.split('~').any(|end| end == probe);
        asked.one("probe").is_none_or(is_end)
    };
    Ok(json(&Findings {
        generated_at_ns: now(),
        simulated: table.simulated(),
        findings: found
            .iter()
            .filter(of_probe)
            .map(|finding| View {
                finding,
                sentence: finding.sentence(lang, |at| web.zone.instant(at)),
            })
            .collect(),
    }))
}

/// `GET /findings`: the page.
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(query): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Html<String>, Problem> {
    let all = FindingsQuery {
        open: None,
        since: Timestamp(i64::MIN),
        limit: PAGE_FINDINGS,
    };
    let found = web.ask(move |reader| reader.findings(all)).await?;
    let frame = web.frame(language(&query, &headers), &viewer);
    let table = web.table(&viewer);
    let found = told(&found, &viewer, &table);
    Ok(Html(page::findings(&frame, &table, &found).into_string()))
}
