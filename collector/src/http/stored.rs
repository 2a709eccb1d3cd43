//! What is stored, counted in the store itself.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use owl_measure::time::Timestamp;
use serde::Serialize;

use super::problem::Problem;
use super::{Web, json};
use crate::now::now;
use crate::store::ProbeRows;

#[derive(Serialize)]
struct Stored {
    generated_at_ns: Timestamp,
    /// Reports in the store.
    reports: u64,
    probes: Vec<ProbeRows>,
}

/// `GET /api/v1/store`: what is stored, counted in the store itself.
pub(super) async fn api(State(web): State<Arc<Web>>) -> Result<Response, Problem> {
    let probes = web.ask(|reader| reader.probe_rows()).await?;
    let reports = probes.iter().map(|probe| probe.rows).sum();
    Ok(json(&Stored {
        generated_at_ns: now(),
        reports,
        probes,
    }))
}
