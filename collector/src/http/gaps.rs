//! Reports that did not come, by probe and number: those that are asked for again, and those that never will.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use owl_measure::time::Timestamp;
use serde::Serialize;

use super::problem::Problem;
use super::{Web, json};
use crate::now::now;
use crate::store::Gap;

#[derive(Serialize)]
struct Gaps {
    generated_at_ns: Timestamp,
    gaps: Vec<Gap>,
}

/// `GET /api/v1/gaps`: what is asked for again, and then the last thousand gaps that no report will fill.
pub(super) async fn api(State(web): State<Arc<Web>>) -> Result<Response, Problem> {
    let gaps = web.ask(|reader| reader.gaps()).await?;
    Ok(json(&Gaps {
        generated_at_ns: now(),
        gaps,
    }))
}
