//! What somebody should look at, and what work is announced: page and JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{Html, Response};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use serde::Serialize;

use super::problem::Problem;
use super::query::{Asked, Pairs};
use super::{Web, json, language};
use crate::access::Viewer;
use crate::alert::{self, Alert, Ended, Map, Quiet, Severity, Subject};
use crate::live::Table;
use crate::maintenance::Maintenance;
use crate::now::now;
use crate::page;

/// How far back alerts are told that are over, unless another instant is asked for.
const ENDED: Nanos = Nanos::from_secs(86_400);
/// Of these, unless another number is asked for.
const ENDED_MAX: usize = 200;
/// How far back announced work is shown that is over.
const WORKS: Nanos = Nanos::from_secs(31 * 86_400);

#[derive(Serialize)]
struct Alerts<'a> {
    generated_at_ns: Timestamp,
    simulated: bool,
    /// How many receivers are told.
    receivers: usize,
    alerts: Vec<View<'a>>,
    ended: Vec<View<'a>>,
}

/// One alert.
#[derive(Serialize)]
struct View<'a> {
    kind: &'static str,
    name: &'static str,
    severity: Severity,
    subject: &'a Subject,
    labels: BTreeMap<&'static str, String>,
    since_ns: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at_ns: Option<Timestamp>,
    summary: String,
    detail: String,
    action: &'static str,
    flapping: bool,
    paths: Vec<PathView<'a>>,
    /// Why receivers are not told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet: Option<&'a Quiet>,
}

#[derive(Serialize)]
struct PathView<'a> {
    path: &'a str,
    since_ns: Timestamp,
}

fn view<'a>(map: &Map, alert: &'a Alert, ended_at_ns: Option<Timestamp>, lang: Lang) -> View<'a> {
    let members = alert.paths.iter();
    View {
        kind: alert.kind.code(),
        name: alert.kind.name(),
        severity: alert.severity(),
        subject: &alert.subject,
        labels: map.labels(&alert.subject).into_iter().collect(),
        since_ns: alert.since,
        ended_at_ns,
        summary: alert.summary(map, lang),
        detail: alert.told(lang),
        action: alert.kind.action(lang),
        flapping: alert.is_flapping(),
        paths: members
            .map(|member| PathView {
                path: &member.path,
                since_ns: member.since,
            })
            .collect(),
        quiet: alert.quiet.as_ref().filter(|_| ended_at_ns.is_none()),
    }
}

/// Those that this viewer may be told.
fn told(ended: &[Ended], viewer: &Viewer, table: &Table) -> Vec<Ended> {
    let told = |ended: &Ended| {
        let at = ended.at;
        let told = alert::told(&ended.alert, viewer.scope(), table).into_iter();
        told.map(move |alert| Ended { alert, at })
    };
    ended.iter().flat_map(told).collect()
}

/// `GET /api/v1/alerts`: those that go on, the gravest first, and those that ended within the last day, or since `since`.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked(&pairs);
    let since = asked.instant("since")?.unwrap_or_else(|| now() - ENDED);
    let limit = asked.limit()?.unwrap_or(ENDED_MAX);
    let ended = web
        .ask(move |reader| reader.ended_alerts(since, limit))
        .await?;
    let lang = language(&pairs, &headers);
    let table = web.table(&viewer);
    let ended = told(&ended, &viewer, &table);
    let map = web.shown.map();
    Ok(json(&Alerts {
        generated_at_ns: now(),
        simulated: table.simulated(),
        receivers: table.board.receivers,
        alerts: table
            .board
            .alerts
            .iter()
            .map(|alert| view(&map, alert, None, lang))
            .collect(),
        ended: ended
            .iter()
            .map(|ended| view(&map, &ended.alert, Some(ended.at), lang))
            .collect(),
    }))
}

/// `GET /alerts`: the page.
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(query): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Html<String>, Problem> {
    let asked = web.ask(|reader| {
        let ended = reader.ended_alerts(now() - ENDED, ENDED_MAX)?;
        Ok((ended, reader.maintenance_after(now() - WORKS)?))
    });
    let (ended, works) = asked.await?;
    let frame = web.frame(language(&query, &headers), &viewer);
    let table = web.table(&viewer);
    let past = page::AlertsPast {
        ended: told(&ended, &viewer, &table),
        works: touching(works, &viewer, &table),
    };
    let page = page::alerts(&frame, &table, &web.shown.map(), &past);
    Ok(Html(page.into_string()))
}

/// The work that this viewer may hear of.
fn touching(works: Vec<Maintenance>, viewer: &Viewer, table: &Table) -> Vec<Maintenance> {
    let is_seen = |works: &Maintenance| viewer.scope().is_all() || table.is_touched_by(works);
    works.into_iter().filter(is_seen).collect()
}

#[derive(Serialize)]
struct Announced {
    generated_at_ns: Timestamp,
    maintenance: Vec<Work>,
}

#[derive(Serialize)]
struct Work {
    #[serde(flatten)]
    maintenance: Maintenance,
    /// It was announced after it had begun, so it excuses nothing.
    late: bool,
    /// It goes on.
    running: bool,
}

/// `GET /api/v1/maintenance`: what is announced to the collector and not over, or ended at `since` or later; the latest first.
pub(super) async fn maintenance(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Problem> {
    let now = now();
    let since = Asked(&pairs).instant("since")?.unwrap_or(now);
    let works = web
        .ask(move |reader| reader.maintenance_after(since))
        .await?;
    let table = web.table(&viewer);
    let works = touching(works, &viewer, &table).into_iter();
    Ok(json(&Announced {
        generated_at_ns: now,
        maintenance: works
            .map(|maintenance| Work {
                late: maintenance.is_late(),
                running: (maintenance.start..maintenance.end).contains(&now),
                maintenance,
            })
            .collect(),
    }))
}
