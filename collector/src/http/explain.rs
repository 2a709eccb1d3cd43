//! A verdict explained, as JSON and as a page.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use owl_measure::words::Lang;
use serde_json::json;

use super::{Failed, Pairs, Web, json, language};
use crate::explain::{At, ExplainError, Explained, Question, explained};
use crate::page;

/// What an explanation that cannot be given says instead, and how a program tells.
struct Refused {
    status: StatusCode,
    error: String,
    hint: Option<String>,
}

impl Refused {
    fn query(error: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error: error.into(),
            hint: None,
        }
    }

    fn of(error: &ExplainError, lang: Lang) -> Self {
        Self {
            status: match error {
                error if error.is_damage() => StatusCode::INTERNAL_SERVER_ERROR,
                ExplainError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::NOT_FOUND,
            },
            error: error.to_string(),
            hint: error.hint(lang),
        }
    }
}

impl From<Failed> for Refused {
    fn from(_: Failed) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "the store cannot be read".to_owned(),
            hint: None,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = match self.hint {
            Some(hint) => json!({ "error": self.error, "hint": hint }),
            None => json!({ "error": self.error }),
        };
        (self.status, json(&body)).into_response()
    }
}

/// Reads what an address asks; anything that it does not know is an error, so that no slip passes for an answer.
fn question(pairs: &[(String, String)]) -> Result<Question, Refused> {
    let (mut path, mut at, mut profile) = (None, None, None);
    for (name, value) in pairs {
        let place = match name.as_str() {
            "path" => &mut path,
            "at" => &mut at,
            "profile" => &mut profile,
            "lang" => continue,
            _ => {
                let error =
                    format!("nothing is called {name}; there are path, at, profile and lang");
                return Err(Refused::query(error));
            }
        };
        if place.replace(value.clone()).is_some() {
            return Err(Refused::query(format!("{name} is given twice")));
        }
    }
    let missing = |name| Refused::query(format!("{name} is missing"));
    let at: At = at
        .ok_or_else(|| missing("at"))?
        .parse()
        .map_err(|error| Refused::query(format!("{error}")))?;
    Ok(Question {
        path: path.ok_or_else(|| missing("path"))?,
        at,
        profile,
    })
}

async fn answer(web: &Web, question: Question, lang: Lang) -> Result<Explained, Refused> {
    web.ask(move |reader| Ok(reader.at_once(|reader| explained(reader, &question))))
        .await?
        .map_err(|error| Refused::of(&error, lang))
}

/// `GET /api/v1/verdicts/explain?path=…&at=…`, with `profile` when several judged that instant: what `owl verdict
/// explain` prints, as data.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, impl IntoResponse> {
    let lang = language(&pairs, &headers);
    match question(&pairs) {
        Ok(question) => answer(&web, question, lang).await.map(|told| json(&told)),
        Err(refused) => Err(refused),
    }
}

/// `GET /paths/{id}/windows/{at}`: the same as a page.
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Path((path, at)): Path<(String, String)>,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Html<String>, Response> {
    let lang = language(&pairs, &headers);
    let at: At = at
        .parse()
        .map_err(|error| Refused::query(format!("{error}")).into_response())?;
    let question = Question {
        path,
        at,
        profile: None,
    };
    let (path, here) = (
        question.path.clone(),
        format!("/paths/{}/windows/{at}", question.path),
    );
    let told = answer(&web, question, lang)
        .await
        .map_err(IntoResponse::into_response)?;
    let frame = web.frame(lang);
    let table = web.live.read();
    Ok(Html(
        page::why(&frame, &table, &path, &here, &told).into_string(),
    ))
}
