//! The description of this API, as a program reads it (OpenAPI 3.1).

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::lasting;
use crate::rulebook::hex;

/// The document. Tests hold it against the table of routes and against real answers.
pub(super) const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

static DIGEST: LazyLock<String> = LazyLock::new(|| hex(&Sha256::digest(DOCUMENT)));

/// `GET /api/v1/openapi.json`
pub(super) async fn api(headers: HeaderMap) -> Response {
    lasting(&headers, &DIGEST, || {
        let mut response = DOCUMENT.into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        response
    })
}
