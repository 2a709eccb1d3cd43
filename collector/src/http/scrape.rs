//! Metrics: all of them, a shard of the paths, or what is not of a path.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::Web;
use super::links::wants_ports;
use super::problem::Problem;
use super::query::{Asked, Pairs};
use crate::access::Viewer;
use crate::metrics::{self, Detail, Form, Part, Scrape};
use crate::now::now;

/// The text format of Prometheus.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The messages of its client library, each preceded by its length.
const PROTOBUF: HeaderValue = HeaderValue::from_static(
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
);

/// `/metrics`, or with `?shard=K/N` the series of a part of the paths alone; with `?ports=true` those of single ports, too.
pub(super) async fn paths(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(query): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let part = match Asked(&query).one("shard") {
        None => Part::Whole,
        Some(shard) => shard
            .parse()
            .map_err(|error: metrics::ShardError| Problem::query(error.to_string()))?,
    };
    let detail = match wants_ports(&query)? {
        true => Detail::Ports,
        false => Detail::Sums,
    };
    answer(&web, &viewer, (part, detail), &headers)
}

/// `/metrics/self`: probes, findings and the collector.
pub(super) async fn rest(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&web, &viewer, (Part::Rest, Detail::Sums), &headers)
}

fn answer(
    web: &Web,
    viewer: &Viewer,
    (part, detail): (Part, Detail),
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let form = wanted_form(headers);
    let (live, own) = (web.shown.whole(viewer)?, Arc::clone(&web.own));
    let scrape = Scrape::new(live, own, (part, detail), form, (now(), web.grace));
    let kind = match form {
        Form::Text => TEXT,
        Form::Protobuf => PROTOBUF,
    };
    let vary = HeaderValue::from_static("accept, accept-encoding");
    let kind = [(header::CONTENT_TYPE, kind), (header::VARY, vary)];
    if takes_gzip(headers) {
        let packed = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
        return Ok((kind, packed, Body::new(metrics::Body::packed(scrape))).into_response());
    }
    Ok((kind, Body::new(metrics::Body::plain(scrape))).into_response())
}

/// The items of a header that is a list, over all its lines.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(','))
}

/// The name of an item, its parameters and its weight (RFC 9110, section 12.4.2).
fn item(text: &str) -> (&str, Vec<(&str, &str)>, f64) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let weight = parameters
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("q"));
    let weight = weight.map_or(1.0, |(_, weight)| weight.trim().parse().unwrap_or(0.0));
    (name, parameters, weight)
}

/// Messages for those who ask for nothing else as much, text for all others.
fn wanted_form(headers: &HeaderMap) -> Form {
    let (mut protobuf, mut others) = (0.0, 0.0_f64);
    for (name, parameters, weight) in items(headers, &header::ACCEPT).map(item) {
        let has = |wanted: &str, value: &str| {
            parameters
                .iter()
                .any(|(name, given)| *name == wanted && given.trim_matches('"') == value)
        };
        let ours = name.eq_ignore_ascii_case("application/vnd.google.protobuf")
            && has("proto", "io.prometheus.client.MetricFamily")
            && has("encoding", "delimited");
        if ours {
            protobuf = weight;
        } else if name.eq_ignore_ascii_case("text/plain") || name == "*/*" {
            others = others.max(weight);
        }
    }
    if protobuf > others {
        Form::Protobuf
    } else {
        Form::Text
    }
}

/// Whether Accept-Encoding names gzip and does not rule it out (RFC 9110, section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut codings = items(headers, &header::ACCEPT_ENCODING).map(item);
    codings.any(|(name, _, weight)| name.eq_ignore_ascii_case("gzip") && weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_to_those_who_prefer_them_and_text_to_all_others() {
        let messages = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        for (accept, form) in [
            (String::new(), Form::Text),
            ("*/*".into(), Form::Text),
            (messages.into(), Form::Protobuf),
            // Prometheus 2.42 with native histograms.
            (
                format!("{messages},application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
                Form::Protobuf,
            ),
            // And without.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1".into(),
                Form::Text,
            ),
            (format!("text/plain;q=0.9, {messages};q=0.2"), Form::Text),
            (messages.replace("delimited", "text"), Form::Text),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(wanted_form(&headers), form, "{accept}");
        }
    }

    #[test]
    fn answers_are_packed_for_those_who_say_that_they_unpack_them() {
        for (accepted, packed) in [
            ("", false),
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
            assert_eq!(takes_gzip(&headers), packed, "{accepted}");
        }
    }
}
