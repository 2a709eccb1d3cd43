//! Answers that stay the same for long: they may be kept, and asked after (RFC 9110, section 13).

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// The answer of `make` with its entity tag, or 304 when the caller has the one of this `tag` already.
pub(super) fn lasting(headers: &HeaderMap, tag: &str, make: impl FnOnce() -> Response) -> Response {
    let quoted = format!("\"{tag}\"");
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok());
    // Weak comparison (RFC 9110, section 13.1.2).
    let is_known = known.is_some_and(|tags| {
        let mut tags = tags
            .split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"));
        tags.any(|tag| tag == "*" || tag == quoted)
    });
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        make()
    };
    let headers = response.headers_mut();
    if let Ok(quoted) = HeaderValue::try_from(quoted) {
        headers.insert(header::ETAG, quoted);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
