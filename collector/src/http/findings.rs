//! What is wrong, and verdicts given anew: page and JSON.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{Html, Response};
use owl_measure::time::Timestamp;
use serde::Serialize;

use super::api::{instant, limit};
use super::problem::{Kind, Problem};
use super::{Pairs, Web, json, language};
use crate::access::Viewer;
use crate::finding::Finding;
use crate::live::Table;
use crate::now::now;
use crate::page;
use crate::revision::Revision;
use crate::store::FindingsQuery;

/// Findings, or revisions, in one answer, unless another number is asked for.
const LIMIT_DEFAULT: usize = 1_000;
/// Findings on the page.
const PAGE_FINDINGS: usize = 200;

/// What the address of a question may say; anything else is an error, so that no slip passes for an answer.
#[derive(Debug, Default)]
struct Asked {
    open: Option<bool>,
    path: Option<String>,
    probe: Option<String>,
    since: Option<Timestamp>,
    limit: Option<usize>,
}

impl Asked {
    fn read(pairs: &[(String, String)], known: &[&str]) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (k, (name, value)) in pairs.iter().enumerate() {
            if pairs.iter().take(k).any(|(before, _)| before == name) {
                return Err(Problem::query(format!("{name} is given twice")));
            }
            if name != "lang" && !known.contains(&name.as_str()) {
                return Err(Problem::query(format!(
                    "nothing is called {name}; there are {} and lang",
                    known.join(", ")
                )));
            }
            match name.as_str() {
                "open" => {
                    let open = value.parse();
                    asked.open =
                        Some(open.map_err(|_| Problem::query("open is true or false".to_owned()))?);
                }
                "path" => asked.path = Some(value.clone()),
                "probe" => asked.probe = Some(value.clone()),
                "since" => asked.since = Some(instant(value)?),
                "limit" => asked.limit = Some(limit(value)?),
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// What of the findings this viewer may be told.
fn told(found: &[Finding], viewer: &Viewer, table: &Table) -> Vec<Finding> {
    let told = found.iter();
    told.filter_map(|finding| viewer.scope().tell(finding, table))
        .collect()
}

/// What is asked of all paths at once is bounded in number before it is known whose they are, so that who sees some
/// carriers only asks path by path.
pub(super) fn all_carriers(viewer: &Viewer) -> Result<(), Problem> {
    if viewer.scope().is_all() {
        Ok(())
    } else {
        let refused = "who sees some carriers only asks for the past path by path";
        let hint = "name one with path=FROM~TO; /api/v1/verdicts without anything lists them";
        Err(Problem::of(Kind::NotAllowed, refused).hinting(Some(hint.to_owned())))
    }
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
pub(super) async fn findings(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::read(&pairs, &["open", "probe", "since", "limit"])?;
    let lang = language(&pairs, &headers);
    let query = FindingsQuery {
        open: asked.open,
        since: asked.since.unwrap_or(Timestamp(i64::MIN)),
        limit: asked.limit.unwrap_or(LIMIT_DEFAULT),
    };
    let found = web.ask(move |reader| reader.findings(query)).await?;
    let table = web.table(&viewer);
    let found = told(&found, &viewer, &table);
    let of_probe = |finding: &&Finding| {
        let subject = &finding.last.subject;
        let is_end = |probe: &String| subject.split('~').any(|end| end == probe);
        asked.probe.as_ref().is_none_or(is_end)
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

#[derive(Serialize)]
struct Revisions {
    generated_at_ns: Timestamp,
    revisions: Vec<Revision>,
}

/// `GET /api/v1/revisions`: verdicts that were given anew, the latest first; with `path`, of one path; with `since`, on
/// windows that began then or later; with `limit`, no more of them.
pub(super) async fn revisions(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Problem> {
    let asked = Asked::read(&pairs, &["path", "since", "limit"])?;
    let unknown = |path: &String| web.table(&viewer).path(path).is_none();
    if asked.path.is_none() {
        all_carriers(&viewer)?;
    }
    if asked.path.as_ref().is_some_and(unknown) {
        return Err(Problem::plain(Kind::UnknownName));
    }
    let since = asked.since.unwrap_or(Timestamp(i64::MIN));
    let limit = asked.limit.unwrap_or(LIMIT_DEFAULT);
    let revisions = web
        .ask(move |reader| reader.revisions(asked.path.as_deref(), since, limit))
        .await?;
    Ok(json(&Revisions {
        generated_at_ns: now(),
        revisions,
    }))
}

/// `GET /findings`: the page.
pub(super) async fn show(
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
