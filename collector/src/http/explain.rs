//! A verdict explained, as JSON and as a page.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{Html, Response};
use owl_measure::words::Lang;

use super::problem::{Kind, Problem};
use super::query::{Asked, Pairs};
use super::{Web, json, language};
use crate::access::Viewer;
use crate::explain::{At, ExplainError, Explained, Question, explained};
use crate::page;

/// Why an explanation cannot be given.
fn refused(error: &ExplainError, lang: Lang) -> Problem {
    let kind = match error {
        error if error.is_damage() => Kind::Damaged,
        ExplainError::Store(_) => Kind::StoreFails,
        _ => Kind::NoVerdict,
    };
    Problem::of(kind, error.to_string()).hinting(error.hint(lang))
}

fn question(pairs: &[(String, String)]) -> Result<Question, Problem> {
    let asked = Asked(pairs);
    let at: At = asked
        .needed("at")?
        .parse()
        .map_err(|error| Problem::query(format!("{error}")))?;
    Ok(Question {
        path: asked.needed("path")?.to_owned(),
        at,
        profile: asked.one("profile").map(str::to_owned),
    })
}

async fn answer(
    web: &Web,
    viewer: &Viewer,
    question: Question,
    lang: Lang,
) -> Result<Explained, Problem> {
    let limited = !viewer.scope().is_all();
    // A refusal would name paths that are nearly called so.
    if limited && web.table(viewer).path(&question.path).is_none() {
        return Err(Problem::plain(Kind::UnknownName));
    }
    let told = web
        .ask(move |reader| Ok(reader.at_once(|reader| explained(reader, &question))))
        .await?
        .map_err(|error| refused(&error, lang))?;
    Ok(if limited { told.of_one_path() } else { told })
}

/// `GET /api/v1/verdicts/explain?path=…&at=…`, with `profile` when several judged that instant: what `owl verdict
/// explain` prints, as data.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let lang = language(&pairs, &headers);
    let told = answer(&web, &viewer, question(&pairs)?, lang).await?;
    Ok(json(&told))
}

/// `GET /paths/{id}/windows/{at}`: the same as a page.
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Path((path, at)): Path<(String, String)>,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Html<String>, Problem> {
    let lang = language(&pairs, &headers);
    let at: At = at
        .parse()
        .map_err(|error| Problem::query(format!("{error}")))?;
    let question = Question {
        path,
        at,
        profile: None,
    };
    let (path, here) = (
        question.path.clone(),
        format!("/paths/{}/windows/{at}", question.path),
    );
    let told = answer(&web, &viewer, question, lang).await?;
    let frame = web.frame(lang, &viewer);
    let table = web.table(&viewer);
    Ok(Html(
        page::why(&frame, &table, &path, &here, &told).into_string(),
    ))
}
