//! A collector's HTTP side over a store with a few judged windows.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Profile;
use owl_topology::Topology;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::super::{QUERIES_MAX, Web, router};
use crate::judge::Judge;
use crate::live::{Caller, Live};
use crate::metrics::Own;
use crate::now::now;
use crate::page::Zone;
use crate::store::{Admitted, Arrival, Store, Windowing, Work};
use crate::testing::{SECOND, report};

pub(super) const OUT: &str = "yannan-ct~supercomputing-ct";
pub(super) const BACK: &str = "supercomputing-ct~yannan-ct";
/// Judged windows of ten seconds of both.
pub(super) const WINDOWS: usize = 3;

pub(super) struct Served {
    pub(super) live: Arc<Live>,
    service: TowerToHyperService<axum::Router>,
    _directory: tempfile::TempDir,
}

/// An answer.
pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// What a refusal of this kind says.
    #[track_caller]
    pub(super) fn is_problem(&self, code: &str) -> Value {
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            super::PROBLEM,
            "{}",
            self.text()
        );
        let told = self.json();
        assert_eq!(told["type"], format!("/api/v1/problems/{code}"), "{told}");
        assert_eq!(told["status"], self.status.as_u16(), "{told}");
        assert!(
            told["title"].is_string() && told["hint"].is_string(),
            "{told}"
        );
        told
    }
}

impl Served {
    /// Two probes have reported on three windows that ended a few seconds ago; all of them are judged.
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let topology = Topology::yancheng();
        let live = Arc::new(Live::new(&topology, Some(&Profile::lab())));
        let own = Arc::new(Own::new());
        let windowing = Windowing::of(&live, Timestamp(0));
        let (store, _) = Store::open(directory.path(), windowing.clone(), &live, &own).unwrap();
        let end_s = now().0 / SECOND / 10 * 10 - 10;
        let start_s = end_s - 10 * WINDOWS as i64;
        // The writer is told from a plain thread, as the judge does.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for path in [OUT, BACK] {
                    arrive(&store, path, start_s..end_s);
                }
                let since = Timestamp(start_s * SECOND);
                let (live, grace) = (Arc::clone(&live), Nanos::from_secs(3));
                let mut judge =
                    Judge::new(store.clone(), &topology, live, windowing, grace, since).unwrap();
                judge.round(Timestamp((end_s + 3) * SECOND)).unwrap();
            });
        });
        let web = Web {
            zone: Zone::named(&topology.timezone),
            topology,
            live: Arc::clone(&live),
            own,
            store,
            queries: Arc::new(Semaphore::new(QUERIES_MAX)),
            grace: Nanos::from_secs(3),
            started_at: now(),
        };
        Self {
            live,
            service: TowerToHyperService::new(router(Arc::new(web))),
            _directory: directory,
        }
    }

    /// An address that the template of a route stands for, and that has an answer.
    pub(super) fn example(&self, template: &str) -> String {
        let latest = self.live.read().path(OUT).unwrap().latest.clone().unwrap();
        let at = latest.window_start.0.to_string();
        let address = template
            .replace("{id}", OUT)
            .replace("{at}", &at)
            .replace("{code}", "bad-query");
        match template {
            // All paths over a month are more than a test has to wait for.
            "/compliance" | "/api/v1/compliance" => format!("{address}?path={OUT}"),
            "/api/v1/series" => format!("{address}?path={OUT}"),
            "/api/v1/verdicts/explain" => format!("{address}?path={OUT}&at={at}"),
            _ => address,
        }
    }

    pub(super) async fn get(&self, address: &str) -> Got {
        self.ask(Method::GET, address).await
    }

    pub(super) async fn ask(&self, method: Method, address: &str) -> Got {
        let request = Request::builder().method(method).uri(address);
        let request = request.body(Body::empty()).unwrap();
        let (head, body) = self.service.call(request).await.unwrap().into_parts();
        Got {
            status: head.status,
            headers: head.headers,
            body: to_bytes(body, 64 << 20).await.unwrap().to_vec(),
        }
    }
}

/// A probe calls, and reports on each of these seconds of its path.
fn arrive(store: &Store, path: &str, seconds: std::ops::Range<i64>) {
    let probe = path.split('~').next().unwrap().to_owned();
    let received_at = Timestamp(seconds.end * SECOND);
    let caller = Caller {
        epoch: 1,
        software: "t".into(),
        simulated: false,
        called_at: received_at,
    };
    let call = Work::Call {
        probe: probe.clone(),
        caller,
    };
    store.write_blocking(call).unwrap();
    let reports = seconds.map(|second| {
        let report = report(path, second);
        Some(Admitted {
            body: report.encode(),
            report,
        })
    });
    let arrival = Arrival {
        probe,
        epoch: 1,
        first_sequence: 1,
        received_at,
        reports: reports.collect(),
    };
    store.write_blocking(Work::Arrival(arrival)).unwrap();
}
