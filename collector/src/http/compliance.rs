//! Periods: the page and the API.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{Html, Response};
use owl_measure::time::Timestamp;
use owl_topology::{Path, Topology};

use super::problem::{Kind, Problem};
use super::query::{self, Pairs};
use super::{Web, json, language};
use crate::access::Viewer;
use crate::compliance::{AskError, Asked, AskedProfiles, ComplianceAnswer, Scene, Span};
use crate::now::now;
use crate::page::{self, ComplianceView};

fn asked(pairs: &[(String, String)], without_profile: AskedProfiles) -> Asked {
    let query = query::Asked(pairs);
    Asked {
        paths: query.one("path").map(str::to_owned).into_iter().collect(),
        period: query.one("period").map(str::to_owned),
        profiles: match query.one("profile") {
            None => without_profile,
            Some("all") => AskedProfiles::All,
            Some(profile) => AskedProfiles::One(profile.to_owned()),
        },
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Path(_) => Self::of(Kind::UnknownName, error.to_string()),
            error => Self::query(error.to_string()),
        }
    }
}

async fn answer(
    web: &Arc<Web>,
    viewer: &Viewer,
    asked: Asked,
) -> Result<ComplianceAnswer, Problem> {
    let paths: Vec<Path> = {
        let table = web.table(viewer);
        table.paths.iter().map(|live| live.path.clone()).collect()
    };
    let now = now();
    fn scene<'a>(web: &'a Web, topology: &'a Topology, now: Timestamp) -> Scene<'a> {
        Scene {
            topology,
            zone: web.zone.zone(),
            now,
            grace: web.grace,
        }
    }
    let topology = web.topology();
    let resolved = asked.resolve(&scene(web, &topology, now), paths)?;
    let there = Arc::clone(web);
    web.ask(move |reader| resolved.answer(reader, &scene(&there, &topology, now)))
        .await
}

/// `GET /api/v1/compliance`: the paths (or the one of `path`) over `period` (or the running month), held against
/// `profile` (an id, `all`, or without it `plan-2026`).
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Problem> {
    let asked = asked(&pairs, AskedProfiles::Default);
    Ok(json(&answer(&web, &viewer, asked).await?))
}

/// `GET /compliance`: all paths under one profile, or one path under all of them.
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Html<String>, Problem> {
    let one_path = pairs.iter().any(|(name, _)| name == "path");
    let without = if one_path {
        AskedProfiles::All
    } else {
        AskedProfiles::Default
    };
    let asked = asked(&pairs, without);
    let path = asked.paths.first().cloned();
    let answer = answer(&web, &viewer, asked).await?;
    let zone = web.zone.zone();
    let (day, month) = (
        Span::day(zone, answer.generated_at),
        Span::month(zone, answer.generated_at),
    );
    let before = |span: &Span| span.before(zone);
    let periods = [
        Some(month.text.clone()),
        before(&month),
        Some(day.text.clone()),
        before(&day),
    ];
    let view = ComplianceView {
        answer: &answer,
        path: path.as_deref(),
        periods: periods.into_iter().flatten().collect(),
    };
    let frame = web.frame(language(&pairs, &headers), &viewer);
    let table = web.table(&viewer);
    Ok(Html(page::compliance(&frame, &table, &view).into_string()))
}
