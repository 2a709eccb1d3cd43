//! What people did, as JSON.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use owl_measure::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::api::limit;
use super::problem::Problem;
use super::{Pairs, Web, json};
use crate::now::now;

/// Records in one answer, unless another number is asked for.
const LIMIT_DEFAULT: usize = 1_000;

#[derive(Serialize)]
struct Records {
    generated_at_ns: Timestamp,
    /// In order; each as `owl collector audit verify` takes it, one a line.
    records: Vec<Box<RawValue>>,
}

/// `GET /api/v1/audit`: the records after the one with the number `after`, or from the first; with `limit`, no more of
/// them.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Problem> {
    let (mut after, mut most) = (None, None);
    for (name, value) in &pairs {
        let twice = || Problem::query(format!("{name} is given twice"));
        match name.as_str() {
            "after" => {
                let number: u64 = value
                    .parse()
                    .map_err(|_| Problem::query("after is the number of a record"))?;
                if after.replace(number).is_some() {
                    return Err(twice());
                }
            }
            "limit" => {
                if most.replace(limit(value)?).is_some() {
                    return Err(twice());
                }
            }
            "lang" => {}
            _ => {
                let error = format!("nothing is called {name}; there are after, limit and lang");
                return Err(Problem::query(error));
            }
        }
    }
    let (after, most) = (after.unwrap_or(0), most.unwrap_or(LIMIT_DEFAULT));
    let lines = web
        .ask(move |reader| reader.audit_after(after, most))
        .await?;
    let records = lines
        .into_iter()
        .filter_map(|line| RawValue::from_string(line).ok());
    Ok(json(&Records {
        generated_at_ns: now(),
        records: records.collect(),
    }))
}
