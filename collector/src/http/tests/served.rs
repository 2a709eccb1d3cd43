//! A collector's HTTP side over a store with a few judged windows.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Profile;
use owl_topology::Topology;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::super::events::LISTENERS_MAX;
use super::super::guard::Shown;
use super::super::headers::Hardened;
use super::super::{QUERIES_MAX, Web, router};
use crate::access::{Gate, Peer};
use crate::alert::Watch;
use crate::config::Pages;
use crate::event::Events;
use crate::judge::Judge;
use crate::live::{Caller, Live};
use crate::metrics::Own;
use crate::now::now;
use crate::page::Zone;
use crate::store::{Admitted, Arrival, Store, Windowing, Work};
use crate::testing::{Link, QUIET, SECOND, report_of};

pub(super) const OUT: &str = "yannan-ct~supercomputing-ct";
pub(super) const OTHER: &str = "yannan-cm~binhaigang-cm";
pub(super) const BACK: &str = "supercomputing-ct~yannan-ct";
/// Judged windows of ten seconds of both.
pub(super) const WINDOWS: usize = 3;

pub(super) struct Served {
    pub(super) live: Arc<Live>,
    pub(super) gate: Arc<Gate>,
    pub(super) store: Store,
    /// Over which connection requests come.
    pub(super) peer: Peer,
    pub(super) events: Arc<Events>,
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
    pub(super) fn new() -> Self {
        Self::bound_to("127.0.0.1")
    }

    /// Pages that are bound to an address.
    pub(super) fn bound_to(address: &str) -> Self {
        Self::made(address, &[(OUT, QUIET), (BACK, QUIET)])
    }

    /// The same, and a third probe's clock is 5 ms off.
    pub(super) fn with_a_wrong_clock() -> Self {
        let wrong = Link {
            ahead: 5_000_000,
            ..QUIET
        };
        Self::made("127.0.0.1", &[(OUT, QUIET), (BACK, QUIET), (OTHER, wrong)])
    }

    /// The probes have reported on three windows that ended a few seconds ago; all of them are judged.
    fn made(address: &str, links: &[(&str, Link)]) -> Self {
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
                for (path, link) in links {
                    arrive(&store, (path, *link), start_s..end_s);
                }
                let since = Timestamp(start_s * SECOND);
                let (seen, live) = (Arc::clone(&live), Arc::clone(&live));
                let grace = Nanos::from_secs(3);
                let mut judge =
                    Judge::new(store.clone(), &topology, live, windowing, grace, since).unwrap();
                judge.round(Timestamp((end_s + 3) * SECOND)).unwrap();
                let zone = Zone::named("Asia/Shanghai");
                let (changed, _) = tokio::sync::watch::channel(0);
                let mut watch = Watch::new(store.clone(), seen, zone, grace, changed);
                watch.round(now()).unwrap();
            });
        });
        let pages = Pages::default();
        let bound = address.parse().unwrap();
        let gate = Gate::open(&pages, bound, store.clone(), Arc::clone(&own)).unwrap();
        let gate = Arc::new(gate);
        let peer = Peer {
            address: SocketAddr::from(([127, 0, 0, 1], 1_024)),
            tls: false,
        };
        let events = Arc::new(Events::new(now()));
        let web = Web {
            zone: Zone::named(&topology.timezone),
            shown: Shown::new(Arc::clone(&live)),
            live: Arc::clone(&live),
            gate: Arc::clone(&gate),
            own,
            store: store.clone(),
            queries: Arc::new(Semaphore::new(QUERIES_MAX)),
            events: Arc::clone(&events),
            listeners: Arc::new(Semaphore::new(LISTENERS_MAX)),
            grace: Nanos::from_secs(3),
            started_at: now(),
        };
        Self {
            live,
            gate,
            store,
            peer,
            events,
            service: TowerToHyperService::new(router(Arc::new(web), Hardened::Always)),
            _directory: directory,
        }
    }

    /// When the latest judged window of a path began, in nanoseconds.
    pub(super) fn latest(&self, path: &str) -> i64 {
        let table = self.live.read();
        let latest = table.path(path).unwrap().latest.as_ref();
        latest.unwrap().window_start.0
    }

    /// An address that the template of a route stands for, and that has an answer.
    pub(super) fn example(&self, template: &str) -> String {
        let at = self.latest(OUT);
        let address = template
            .replace("{id}", OUT)
            .replace("{at}", &at.to_string())
            .replace("{code}", "bad-query")
            .replace("{stat}", "p95");
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
        self.ask_with(method, address, &[]).await
    }

    /// With these headers besides.
    pub(super) async fn ask_with(
        &self,
        method: Method,
        address: &str,
        headers: &[(HeaderName, &str)],
    ) -> Got {
        let answer = self.call(method, address, headers).await;
        Self::got(answer).await
    }

    /// A request as it is.
    pub(super) async fn send(&self, request: Request<Body>) -> Got {
        Self::got(self.answer(request).await).await
    }

    async fn got(answer: Response<Body>) -> Got {
        let (head, body) = answer.into_parts();
        let is_endless = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind == "text/event-stream");
        let body = if is_endless {
            drop(body);
            Vec::new()
        } else {
            to_bytes(body, 64 << 20).await.unwrap().to_vec()
        };
        Got {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// An answer that goes on.
    pub(super) async fn listen(&self, address: &str, headers: &[(HeaderName, &str)]) -> Heard {
        Heard(self.call(Method::GET, address, headers).await.into_body())
    }

    async fn call(
        &self,
        method: Method,
        address: &str,
        headers: &[(HeaderName, &str)],
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(address);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        self.answer(request.body(Body::empty()).unwrap()).await
    }

    async fn answer(&self, mut request: Request<Body>) -> Response<Body> {
        request.extensions_mut().insert(self.peer);
        self.service.call(request).await.unwrap()
    }
}

/// The body of an answer, piece by piece.
pub(super) struct Heard(Body);

impl Heard {
    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<String> {
        let next = poll_fn(|context| Pin::new(&mut self.0).poll_frame(context));
        let data = next.await?.unwrap().into_data().unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    }
}

/// A probe calls, and reports on each of these seconds of its path.
fn arrive(store: &Store, (path, link): (&str, Link), seconds: std::ops::Range<i64>) {
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
        let report = report_of(path, second, link);
        Ok(Admitted {
            body: report.encode(),
            report,
        })
    });
    let arrival = Arrival {
        probe,
        epoch: 1,
        first_sequence: 1,
        received_at,
        can_be_asked: false,
        reports: reports.collect(),
    };
    store.write_blocking(Work::Arrival(arrival.into())).unwrap();
}
