//! The past of a path, and the last minutes of all of them.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use owl_measure::delay::Floors;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Quantile;
use serde::Serialize;

use super::problem::{Kind, Problem};
use super::query::{Asked, Pairs};
use super::{Web, json};
use crate::access::Viewer;
use crate::explain::At;
use crate::history::{HistoryError, HistoryQuestion, LatestOf, answer};
use crate::now::now;
use crate::store::StoreError;

/// Percentiles unless others are asked for.
const QUANTILES: [Quantile; 3] = [Quantile::P50, Quantile::P95, Quantile::P99];
/// Percentiles in one answer at most.
const QUANTILES_MAX: usize = 8;
/// How far back the last minutes reach unless asked otherwise.
const REACH: Nanos = Nanos::from_secs(300);
/// How long ago a series begins unless asked otherwise.
const SINCE: Nanos = Nanos::from_secs(86_400);

#[derive(Serialize)]
struct Percentiles {
    generated_at_ns: Timestamp,
    simulated: bool,
    reach_ns: Nanos,
    paths: Vec<LatestOf>,
}

fn quantiles(asked: Asked<'_>) -> Result<Vec<Quantile>, Problem> {
    let quantiles: Vec<Quantile> = asked
        .all("quantile")
        .map(|text| text.parse().map_err(Problem::query))
        .collect::<Result<_, _>>()?;
    match quantiles.len() {
        0 => Ok(QUANTILES.to_vec()),
        1..=QUANTILES_MAX => Ok(quantiles),
        _ => Err(Problem::query(format!(
            "quantile is said {QUANTILES_MAX} times at most"
        ))),
    }
}

fn floors(path: &owl_topology::Path) -> Floors {
    Floors {
        forward: path.floor_forward,
        backward: path.floor_backward,
    }
}

/// `GET /api/v1/percentiles`: percentiles of every path over its latest judged windows, from memory alone.
pub(super) async fn percentiles(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Problem> {
    let asked = Asked(&pairs);
    let reach = asked.span("reach")?.unwrap_or(REACH);
    let quantiles = quantiles(asked)?;
    Ok(json(&Percentiles {
        generated_at_ns: now(),
        simulated: web.table(&viewer).simulated(),
        reach_ns: reach,
        paths: web.shown.latest(&viewer, reach, &quantiles),
    }))
}

/// `GET /api/v1/series`: the past of a path, step by step, from whatever the store keeps of it.
pub(super) async fn series(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Problem> {
    let asked = Asked(&pairs);
    let path = asked.needed("path")?.to_owned();
    let now = now();
    let to = asked.instant("to")?.unwrap_or(now);
    let from = asked.instant("from")?.unwrap_or(to - SINCE);
    let question = HistoryQuestion {
        from: At::Instant(from),
        to: At::Instant(to),
        step: asked.span("step")?,
        quantiles: quantiles(asked)?,
        path,
    };
    let known = {
        let table = web.table(&viewer);
        table.path(&question.path).map(|live| floors(&live.path))
    };
    let floors = known.ok_or_else(|| Problem::plain(Kind::UnknownName))?;
    let zone = web.topology().timezone.clone();
    let told = web
        .ask(
            move |reader| match answer(reader, &question, (from, to), floors, &zone) {
                Ok(told) => Ok(Ok(told)),
                Err(HistoryError::Store(error)) => Err::<_, StoreError>(error),
                Err(error) => Ok(Err(error.to_string())),
            },
        )
        .await?;
    told.map(|told| json(&told)).map_err(Problem::query)
}
