//! `docs/openapi.json` against the table of routes, and against what is really answered.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::header;
use owl_measure::time::Timestamp;
use serde_json::{Value, json};

use super::served::{BACK, OTHER, OUT, Served};
use super::{EVENTS, schema};
use crate::event::Event;
use crate::http::openapi::DOCUMENT;
use crate::http::routes::{Reader, Route, routes};

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

fn for_programs() -> Vec<Route> {
    let mut routes = routes();
    routes.retain(|route| route.reader == Reader::Program);
    routes
}

/// What an address is described as.
fn operation<'a>(document: &'a Value, path: &str) -> &'a Value {
    &document["paths"][path]["get"]
}

/// The names of its parameters of one kind, and whether each may be said often.
fn parameters(document: &Value, path: &str, kind: &str) -> BTreeMap<String, bool> {
    let all = operation(document, path)["parameters"].as_array().unwrap();
    let all = all.iter().map(|told| match told.get("$ref") {
        Some(to) => schema::resolved(document, to),
        None => told,
    });
    all.filter(|told| told["in"] == kind)
        .map(|told| {
            let is_list = told["schema"]["type"] == "array";
            (told["name"].as_str().unwrap().to_owned(), is_list)
        })
        .collect()
}

#[test]
fn what_is_served_to_programs_is_described_and_nothing_else() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let described: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let served: BTreeSet<&str> = for_programs().iter().map(|route| route.path).collect();
    assert_eq!(described, served);
    for route in for_programs() {
        let once = route.takes.once.iter().map(|name| (name, false));
        let often = route.takes.often.iter().map(|name| (name, true));
        let mut takes: BTreeMap<String, bool> = once
            .chain(often)
            .map(|(name, often)| ((*name).to_owned(), often))
            .collect();
        takes.insert("lang".to_owned(), false);
        assert_eq!(
            parameters(&document, route.path, "query"),
            takes,
            "{}",
            route.path
        );
        let of_path: BTreeSet<String> = route
            .path
            .split('/')
            .filter_map(|part| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned()))
            .collect();
        let told = parameters(&document, route.path, "path")
            .into_keys()
            .collect();
        assert_eq!(of_path, told, "{}", route.path);
    }
}

#[tokio::test]
async fn every_field_of_every_answer_is_described_and_of_its_type() {
    let (served, document) = (Served::with_a_wrong_clock(), document());
    let mut asked: Vec<(&str, String)> = Vec::new();
    for route in for_programs() {
        if route.path != EVENTS {
            asked.push((route.path, served.example(route.path)));
        }
    }
    for (path, query) in [
        ("/api/v1/verdicts", format!("path={OUT}")),
        ("/api/v1/verdicts", "since=0&lang=zh-CN".to_owned()),
        ("/api/v1/latency", "max_age=1ns".to_owned()),
        ("/api/v1/latency", "stat=p50&max_age=1h".to_owned()),
        ("/api/v1/compliance", format!("path={BACK}&profile=all")),
        ("/api/v1/findings", "open=true".to_owned()),
        (
            "/api/v1/verdicts/explain",
            format!("path={OTHER}&at={}", served.latest(OTHER)),
        ),
    ] {
        asked.push((path, format!("{path}?{query}")));
    }
    for (path, address) in asked {
        let got = served.get(&address).await;
        let kind = got.headers[header::CONTENT_TYPE].to_str().unwrap();
        let content = &operation(&document, path)["responses"]["200"]["content"];
        let told = content
            .get(kind)
            .unwrap_or_else(|| panic!("{address}: {kind} is not described"));
        let value = if kind.ends_with("json") {
            got.json()
        } else {
            got.text().into()
        };
        let faults = schema::faults(&document, &told["schema"], &value);
        assert!(faults.is_empty(), "{address}: {faults:#?}");
    }
    let refused = served.get("/api/v1/verdicts?limit=0").await;
    let problem = json!({ "$ref": "#/components/schemas/Problem" });
    assert_eq!(
        schema::faults(&document, &problem, &refused.json()),
        Vec::<String>::new()
    );
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_event_is_described() {
    let (served, document) = (Served::new(), document());
    let told = &operation(&document, EVENTS)["responses"]["200"]["content"]["text/event-stream"];
    let subject = || "a".to_owned();
    let (kind, since_ns) = ("step", Timestamp(0));
    let mut heard = served.listen(&format!("{EVENTS}?after=1-1"), &[]).await;
    let mut pieces = heard.next().await.unwrap();
    served.events.tell(
        Timestamp(1),
        &[
            Event::Verdict {
                path: OUT.to_owned(),
                state: "undecided",
                reason: Some("clock"),
                before: "met",
                window_start_ns: Some(since_ns),
            },
            Event::FindingOpened {
                kind,
                subject: subject(),
                since_ns,
            },
            Event::FindingClosed {
                kind,
                subject: subject(),
                since_ns,
            },
            Event::ProbeConnected { probe: subject() },
            Event::ProbeDisconnected { probe: subject() },
            Event::Gap {
                probe: subject(),
                lost: 1,
            },
            Event::StoreFails,
            Event::StoreWorks,
        ],
    );
    pieces.push_str(&heard.next().await.unwrap());
    let mut kinds = BTreeSet::new();
    for data in pieces
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
    {
        let value: Value = serde_json::from_str(data).unwrap();
        let faults = schema::faults(&document, &told["schema"], &value);
        assert!(faults.is_empty(), "{value}: {faults:#?}");
        kinds.insert(value["event"].to_string());
    }
    let described = schema::resolved(&document, &told["schema"]["$ref"]);
    assert_eq!(kinds.len(), described["oneOf"].as_array().unwrap().len());
}
