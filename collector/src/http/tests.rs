//! Every address, asked in this process: no socket, one store in a directory of its own.

mod access;
mod alto;
mod events;
mod openapi;
mod schema;
mod served;

use axum::http::{Method, StatusCode, header};
use serde_json::Value;

use self::served::{BACK, OUT, Served};
use super::routes::{About, Reader, routes};

const EVENTS: &str = "/api/v1/events";
const PROBLEM: &str = "application/problem+json";

#[test]
fn no_address_stands_twice_in_the_table_and_what_names_a_path_is_about_one() {
    let routes = routes();
    for (k, route) in routes.iter().enumerate() {
        let twice = routes
            .iter()
            .skip(k + 1)
            .any(|other| (other.path, &other.method) == (route.path, &route.method));
        assert!(!twice, "{}", route.path);
        if route.path.contains("{id}") {
            assert_eq!(route.about, About::Path, "{}", route.path);
        }
        // A program's address says so.
        let of_programs = !route.path.starts_with("/api/") || route.reader == Reader::Program;
        assert!(of_programs, "{}", route.path);
        // Nothing that changes anything is asked for by GET; forms alone change something.
        let is_form = ["/login", "/logout"].contains(&route.path);
        assert!(route.method == Method::GET || is_form, "{}", route.path);
    }
}

#[tokio::test]
async fn every_address_answers_get_and_head_and_refuses_the_rest() {
    let served = Served::new();
    // Forms are sent to by POST; tests of their own do that.
    for route in routes()
        .into_iter()
        .filter(|route| route.method == Method::GET)
    {
        let address = served.example(route.path);
        let got = served.get(&address).await;
        assert_eq!(got.status, StatusCode::OK, "{address}: {}", got.text());
        assert!(!got.body.is_empty() || route.path == EVENTS, "{address}");
        assert!(got.headers.contains_key(header::CACHE_CONTROL), "{address}");
        let head = served.ask(Method::HEAD, &address).await;
        assert_eq!(
            (head.status, head.body.len()),
            (StatusCode::OK, 0),
            "{address}"
        );
        assert_eq!(
            head.headers[header::CONTENT_TYPE],
            got.headers[header::CONTENT_TYPE],
            "{address}"
        );
        if address == "/login" {
            continue;
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let refused = served.ask(method, &address).await;
            assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{address}");
            assert_eq!(refused.headers[header::ALLOW], "GET,HEAD", "{address}");
            refused.is_problem("unknown-method");
        }
    }
}

#[tokio::test]
async fn nobody_keeps_an_answer_that_changes_and_one_that_lasts_is_asked_after_by_its_tag() {
    let served = Served::new();
    for route in routes() {
        if !route.path.starts_with("/api/") {
            continue;
        }
        let address = served.example(route.path);
        let got = served.get(&address).await;
        let Some(tag) = got.headers.get(header::ETAG) else {
            assert_eq!(got.headers[header::CACHE_CONTROL], "no-store", "{address}");
            continue;
        };
        assert_eq!(got.headers[header::CACHE_CONTROL], "no-cache", "{address}");
        let tag = tag.to_str().unwrap();
        for (known, status) in [
            (tag.to_owned(), StatusCode::NOT_MODIFIED),
            (format!("\"old\", W/{tag}"), StatusCode::NOT_MODIFIED),
            ("*".to_owned(), StatusCode::NOT_MODIFIED),
            ("\"old\"".to_owned(), StatusCode::OK),
        ] {
            let asked = [(header::IF_NONE_MATCH, known.as_str())];
            let again = served.ask_with(Method::GET, &address, &asked).await;
            assert_eq!(again.status, status, "{address} {known}");
            assert_eq!(
                again.body.is_empty(),
                status != StatusCode::OK,
                "{address} {known}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_the_reason_and_a_hint() {
    let served = Served::new();
    for (address, status, code, detail) in [
        ("/nothing", 404, "unknown-address", ""),
        ("/api/v2/verdicts", 404, "unknown-address", ""),
        (
            "/api/v1/alto/costmap/delay-ow/p90",
            404,
            "unknown-address",
            "",
        ),
        ("/api/v1/problems/none", 404, "unknown-address", ""),
        ("/paths/a~b", 404, "unknown-name", ""),
        ("/api/v1/verdicts?path=a~b", 404, "unknown-name", ""),
        (
            "/api/v1/verdicts?colour=1",
            400,
            "bad-query",
            "nothing is called colour",
        ),
        (
            "/api/v1/verdicts?after=5",
            400,
            "bad-query",
            "START,PATH,PROFILE",
        ),
        (
            "/api/v1/verdicts?limit=0",
            400,
            "bad-query",
            "between 1 and 10000",
        ),
        (
            "/api/v1/verdicts?limit=10001",
            400,
            "bad-query",
            "between 1 and 10000",
        ),
        (
            "/api/v1/verdicts?since=yesterday",
            400,
            "bad-query",
            "+08:00",
        ),
        (
            "/api/v1/verdicts?limit=1&limit=2",
            400,
            "bad-query",
            "limit is given twice",
        ),
        (
            "/api/v1/findings?open=maybe",
            400,
            "bad-query",
            "true or false",
        ),
        (
            "/api/v1/findings?path=a~b",
            400,
            "bad-query",
            "nothing is called path",
        ),
        ("/api/v1/revisions?path=a~b", 404, "unknown-name", ""),
        ("/api/v1/compliance?path=a~b", 404, "unknown-name", "a~b"),
        ("/api/v1/compliance?period=soon", 400, "bad-query", "soon"),
        ("/api/v1/compliance?profile=none", 400, "bad-query", "none"),
        (
            "/api/v1/verdicts/explain",
            400,
            "bad-query",
            "at is missing",
        ),
        (
            "/api/v1/verdicts/explain?at=2026-01-01T00:00:00Z",
            400,
            "bad-query",
            "path is missing",
        ),
        (
            "/api/v1/verdicts/explain?path=a~b&at=0",
            404,
            "no-verdict",
            "a~b",
        ),
        ("/paths/a~b/windows/never", 400, "bad-query", "never"),
    ] {
        let got = served.get(address).await;
        assert_eq!(got.status.as_u16(), status, "{address}: {}", got.text());
        let told = got.is_problem(code);
        let said = told["detail"].as_str().unwrap_or_default();
        assert!(said.contains(detail), "{address}: {told}");
        let meaning = served.get(told["type"].as_str().unwrap()).await.json();
        assert_eq!(
            (&meaning["title"], &meaning["status"]),
            (&told["title"], &told["status"]),
            "{address}"
        );
    }
}

#[tokio::test]
async fn a_verdict_is_told_alike_as_the_latest_in_the_past_and_explained() {
    let served = Served::new();
    let all = served.get("/api/v1/verdicts").await.json();
    let of = |path: &str| -> Value {
        let verdicts = all["verdicts"].as_array().unwrap();
        let found = verdicts.iter().find(|verdict| verdict["path"] == path);
        found.cloned().unwrap()
    };
    let (out, back) = (of(OUT), of(BACK));
    assert_eq!(
        (&out["state"], &out["current"]),
        (&"met".into(), &true.into())
    );
    assert_eq!(back["from"], out["to"]);
    let past = served
        .get(&format!("/api/v1/verdicts?path={OUT}"))
        .await
        .json();
    let past = past["verdicts"].as_array().unwrap();
    assert_eq!(past.len(), served::WINDOWS);
    assert_eq!(past[0]["window_start_ns"], out["window_start_ns"]);
    assert!(past[0]["window_start_ns"].as_i64() > past[1]["window_start_ns"].as_i64());
    let one = served
        .get(&format!("/api/v1/verdicts?path={OUT}&limit=1"))
        .await
        .json();
    assert_eq!(one["verdicts"].as_array().unwrap().len(), 1);
    let since = out["window_start_ns"].as_i64().unwrap();
    let since = served
        .get(&format!("/api/v1/verdicts?path={OUT}&since={since}"))
        .await
        .json();
    assert_eq!(since["verdicts"].as_array().unwrap().len(), 1);
    let at = out["window_start_ns"].to_string();
    let told = served
        .get(&format!("/api/v1/verdicts/explain?path={OUT}&at={at}"))
        .await
        .json();
    assert_eq!(told["recomputed"]["outcome"], "identical", "{told}");
}

#[tokio::test]
async fn probes_and_the_store_are_told_in_numbers() {
    let served = Served::new();
    let probes = served.get("/api/v1/probes").await.json();
    let probes = probes["probes"].as_array().unwrap();
    let known = probes
        .iter()
        .find(|probe| probe["probe"] == "yannan-ct")
        .unwrap();
    assert_eq!(known["software"], "t");
    assert_eq!(known["clock"]["bound_ns"], 10_000);
    let stored = served.get("/api/v1/store").await.json();
    assert_eq!(stored["reports"], 2 * 10 * served::WINDOWS);
}

#[tokio::test]
async fn a_store_that_refuses_is_no_good_health() {
    let served = Served::new();
    assert_eq!(served.get("/healthz").await.json()["status"], "ok");
    served.live.write().store_failure = Some("the disk is full".into());
    let got = served.get("/healthz").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(got.json()["status"], "failing");
}

#[tokio::test]
async fn a_scheduler_is_told_the_delay_between_sites_or_that_it_is_too_old() {
    let served = Served::new();
    let all = served.get("/api/v1/latency").await.json();
    let of = |told: &Value, path: &str| -> Value {
        let paths = told["paths"].as_array().unwrap();
        paths
            .iter()
            .find(|told| told["path"] == path)
            .cloned()
            .unwrap()
    };
    let paths = served.live.read().paths.len();
    assert_eq!(all["paths"].as_array().unwrap().len(), paths);
    let out = of(&all, OUT);
    assert_eq!(
        (&out["state"], &out["stat"]),
        (&"met".into(), &"p95".into())
    );
    assert_eq!(out["value_ns"], out["interval"]["hi_ns"]);
    assert!(out["age_ns"].as_i64().unwrap() > 0 && out["value_ns"].as_i64().unwrap() > 0);
    let (from, to) = (&out["from_site"], &out["to_site"]);
    let sites = format!(
        "from={}&to={}",
        from.as_str().unwrap(),
        to.as_str().unwrap()
    );
    let p50 = served
        .get(&format!("/api/v1/latency?{sites}&stat=p50"))
        .await
        .json();
    let between = p50["paths"].as_array().unwrap();
    assert!((1..paths).contains(&between.len()));
    assert!(
        between
            .iter()
            .all(|told| told["from_site"] == *from && told["to_site"] == *to)
    );
    assert!(of(&p50, OUT)["value_ns"].as_i64() <= out["value_ns"].as_i64());
    let old = served
        .get(&format!("/api/v1/latency?{sites}&max_age=1ns"))
        .await
        .json();
    let old = of(&old, OUT);
    assert_eq!(old["state"], "stale");
    assert!(
        old.get("value_ns").is_none() && old.get("interval").is_none(),
        "{old}"
    );
    let unmeasured = all["paths"]
        .as_array()
        .unwrap()
        .iter()
        .find(|told| told["from"] == "binhaigang-ct");
    let unmeasured = unmeasured.unwrap();
    assert_eq!(unmeasured["state"], "no-data");
    assert!(
        unmeasured["detail"]
            .as_str()
            .unwrap()
            .contains("has never called"),
        "{unmeasured}"
    );
    let back = format!(
        "from={}&from={}",
        from.as_str().unwrap(),
        to.as_str().unwrap()
    );
    let both = served.get(&format!("/api/v1/latency?{back}")).await.json();
    assert_eq!(of(&both, BACK)["to_site"], *from);
}

#[tokio::test]
async fn verdicts_of_the_past_come_page_by_page_and_each_once() {
    let served = Served::new();
    for (query, limit) in [
        ("since=0", 7),
        (&*format!("path={OUT}"), 2),
        ("since=0&lang=zh-CN", 1),
    ] {
        let whole = served.get(&format!("/api/v1/verdicts?{query}")).await;
        assert!(!whole.headers.contains_key(header::LINK));
        let whole = whole.json()["verdicts"].as_array().unwrap().clone();
        let mut pages = Vec::new();
        let mut next = Some(format!("/api/v1/verdicts?{query}&limit={limit}"));
        while let Some(address) = next {
            let got = served.get(&address).await;
            next = got.headers.get(header::LINK).map(|link| {
                let link = link.to_str().unwrap().strip_suffix(">; rel=\"next\"");
                link.unwrap().strip_prefix('<').unwrap().to_owned()
            });
            let told = got.json()["verdicts"].as_array().unwrap().clone();
            assert!(told.len() == limit || next.is_none(), "{address}");
            pages.extend(told);
        }
        assert_eq!(pages.len(), whole.len(), "{query}");
        let named = |told: &Value| (told["window_start_ns"].clone(), told["path"].clone());
        assert!(
            pages.iter().map(named).eq(whole.iter().map(named)),
            "{query}"
        );
    }
}
