//! Problems as a person sees them: a browser that asks for a page gets one.

use axum::body::Body;
use axum::extract::{Query, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::language;
use super::problem::Problem;
use super::query::Pairs;
use crate::page;

/// Turns a problem into a page where the caller takes HTML and asked for no data.
pub(super) async fn for_people(request: Request, next: Next) -> Response {
    let is_data = request.uri().path().starts_with("/api/");
    let pairs = Query::<Pairs>::try_from_uri(request.uri());
    let pairs = pairs.map_or_else(|_| Pairs::new(), |Query(pairs)| pairs);
    let lang = language(&pairs, request.headers());
    let takes_html = takes_html(request.headers());
    let response = next.run(request).await;
    let problem = match response.extensions().get::<Problem>() {
        Some(problem) if takes_html && !is_data => problem,
        _ => return response,
    };
    let page = page::refusal(lang, problem.words(lang), problem.detail(lang)).into_string();
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    head.headers.insert(header::CONTENT_TYPE, html);
    Response::from_parts(head, Body::from(page))
}

/// Programs that take anything say `*/*`; a browser names HTML.
fn takes_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut lines = accepted.filter_map(|line| line.to_str().ok());
    lines.any(|line| {
        line.split([',', ';'])
            .any(|kind| kind.trim() == "text/html")
    })
}
