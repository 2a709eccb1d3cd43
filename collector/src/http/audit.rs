//! What people did, as JSON.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use owl_measure::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::problem::Problem;
use super::query::{Asked, LIMIT_DEFAULT, Pairs};
use super::{Web, json};
use crate::now::now;

#[derive(Serialize)]
struct Records {
    generated_at_ns: Timestamp,
    /// In order. `jq -cS .records[]` writes them as `owl collector audit verify` takes them.
    records: Vec<Value>,
}

/// `GET /api/v1/audit`: the records after the one with the number `after`, or from the first; with `limit`, no more of
/// them.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Problem> {
    let asked = Asked(&pairs);
    let read = |after: &str| {
        let after: Result<u64, _> = after.parse();
        after.map_err(|_| Problem::query("after is the number of a record"))
    };
    let after = asked.one("after").map(read).transpose()?.unwrap_or(0);
    let most = asked.limit()?.unwrap_or(LIMIT_DEFAULT);
    let lines = web
        .ask(move |reader| reader.audit_after(after, most))
        .await?;
    let records = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok());
    Ok(json(&Records {
        generated_at_ns: now(),
        records: records.collect(),
    }))
}
