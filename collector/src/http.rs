//! What the collector serves over HTTP: pages, metrics, health and a JSON API.
//!
//! Everything is read-only and comes from this process: no script is needed, no
//! other host is asked. A request is bounded in size and time, and so are the
//! connections.

mod compliance;
mod explain;
mod findings;
mod history;
mod latency;
mod probes;
mod problem;
mod query;
mod revisions;
mod routes;
mod stored;
mod verdicts;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use owl_topology::Topology;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tracing::{debug, warn};

use self::problem::{Kind, Problem};
use self::query::Pairs;
use crate::live::Live;
use crate::metrics::{self, Own};
use crate::now::now;
use crate::page::{self, Frame, Zone};
use crate::store::{HistoryQuery, Reader, Store, StoreError};

/// Connections open at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 256;
/// From the first octet of a request's head to the last; also how long a connection may be quiet between requests.
const HEAD: Duration = Duration::from_secs(10);
/// Octets of a request's head.
const HEAD_OCTETS_MAX: usize = 16_384;
/// How long an answer may take to be made.
const ANSWER: Duration = Duration::from_secs(10);
/// A connection is closed after this, however slowly its peer reads.
const CONNECTION: Duration = Duration::from_secs(300);
/// Queries to the store at once; further ones wait within their request's time.
const QUERIES_MAX: usize = 4;
/// Windows on a path's page.
const PAGE_WINDOWS: usize = 120;
/// Changes of the hop count on a path's page.
const PAGE_HOP_CHANGES: usize = 20;
/// Verdicts given anew on a path's page.
const PAGE_REVISIONS: usize = 20;
/// Between two attempts to accept when the process has no descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The HTTP server cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot bind TCP {address}")]
pub struct HttpError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// What every answer is made from.
struct Web {
    topology: Topology,
    live: Arc<Live>,
    own: Arc<Own>,
    store: Store,
    queries: Arc<Semaphore>,
    grace: Nanos,
    zone: Zone,
    started_at: Timestamp,
}

pub(crate) struct Http {
    listener: TcpListener,
    web: Arc<Web>,
}

impl Http {
    pub(crate) async fn bind(
        address: SocketAddr,
        topology: Topology,
        store: Store,
        live: Arc<Live>,
        own: Arc<Own>,
        grace: Nanos,
    ) -> Result<Self, HttpError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| HttpError { address, source })?;
        let zone = Zone::named(&topology.timezone);
        let queries = Arc::new(Semaphore::new(QUERIES_MAX));
        Ok(Self {
            listener,
            web: Arc::new(Web {
                topology,
                live,
                own,
                store,
                queries,
                grace,
                zone,
                started_at: now(),
            }),
        })
    }

    /// Where it can be reached.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is done; answers under way are cut off then.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let service = TowerToHyperService::new(router(self.web));
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let accepted = async {
                let place = Arc::clone(&room).acquire_owned().await;
                (self.listener.accept().await, place)
            };
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                (accepted, place) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let connection = http1::Builder::new()
                            .timer(TokioTimer::new())
                            .header_read_timeout(HEAD)
                            .max_buf_size(HEAD_OCTETS_MAX)
                            .serve_connection(TokioIo::new(stream), service.clone());
                        connections.spawn(async move {
                            let _place = place;
                            if let Ok(Err(error)) = timeout(CONNECTION, connection).await {
                                debug!(%error, "an HTTP connection ended");
                            }
                        });
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept an HTTP connection");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                },
            }
        }
        connections.shutdown().await;
    }
}

fn router(web: Arc<Web>) -> Router {
    routes::router(web).layer(middleware::from_fn(bounded))
}

/// Bounds the time of every answer, and tells browsers what a page of ours never does.
async fn bounded(request: Request, next: Next) -> Response {
    let mut response = timeout(ANSWER, next.run(request))
        .await
        .unwrap_or_else(|_| Problem::plain(Kind::TooSlow).into_response());
    let headers = response.headers_mut();
    let policy = "default-src 'self'; style-src 'self'; script-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let fixed: [(HeaderName, &'static str); 3] = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The language of a page: `?lang=`, then Accept-Language, then English.
fn language(query: &[(String, String)], headers: &HeaderMap) -> Lang {
    let asked = query
        .iter()
        .find(|(name, _)| name == "lang")
        .and_then(|(_, lang)| lang.parse().ok());
    let accepted = || {
        let list = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        // In the order of the list: browsers write it by preference.
        list.split(',').find_map(|range| {
            let tag = range.split(';').next()?.trim().to_ascii_lowercase();
            match tag.split('-').next()? {
                "zh" => Some(Lang::Zh),
                "en" => Some(Lang::En),
                _ => None,
            }
        })
    };
    asked.or_else(accepted).unwrap_or_default()
}

impl Web {
    fn frame(&self, lang: Lang) -> Frame<'_> {
        Frame {
            lang,
            topology: &self.topology,
            zone: &self.zone,
            now: now(),
            grace: self.grace,
            started_at: self.started_at,
        }
    }

    /// Asks the store on a thread that may wait for the disk.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.queries).acquire_owned().await;
        let store = self.store.clone();
        let answer = spawn_blocking(move || {
            let _place = place;
            question(&store.reader()?)
        });
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                warn!(%error, "the store cannot be read");
                Err(Problem::plain(Kind::StoreFails))
            }
            Err(_) => Err(Problem::plain(Kind::StoreFails)),
        }
    }
}

fn json(value: &impl serde::Serialize) -> Response {
    let body =
        serde_json::to_string(value).expect("our own structs have string keys and finite numbers");
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn overview(
    State(web): State<Arc<Web>>,
    Query(query): Query<Pairs>,
    headers: HeaderMap,
) -> Html<String> {
    let frame = web.frame(language(&query, &headers));
    let table = web.live.read();
    Html(page::overview(&frame, &table).into_string())
}

async fn path(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    Query(query): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Html<String>, Problem> {
    if web.live.read().path(&id).is_none() {
        return Err(Problem::plain(Kind::UnknownName));
    }
    let wanted = id.clone();
    let mut past = web
        .ask(move |reader| {
            let windows = reader.history(HistoryQuery {
                path: Some(&wanted),
                since: Timestamp(i64::MIN),
                limit: PAGE_WINDOWS,
            })?;
            let hop_changes = reader.hop_changes(&wanted, PAGE_HOP_CHANGES)?;
            let ever = Timestamp(i64::MIN);
            let revisions = reader.revisions(Some(&wanted), ever, PAGE_REVISIONS)?;
            Ok(page::Past {
                windows,
                hop_changes,
                revisions,
            })
        })
        .await?;
    let frame = web.frame(language(&query, &headers));
    let table = web.live.read();
    let live = table.path(&id).ok_or(Problem::plain(Kind::UnknownName))?;
    // Windows that another profile judged have other lengths; one chart tells of one rule.
    past.windows
        .retain(|judgement| judgement.profile == live.path.profile.id);
    Ok(Html(page::path(&frame, &table, live, &past).into_string()))
}

async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, page::STYLE).into_response()
}

async fn scrape(State(web): State<Arc<Web>>) -> Response {
    let text = metrics::render(&web.live.read(), &web.own, now(), web.grace);
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}

async fn health(State(web): State<Arc<Web>>) -> Response {
    match web.live.read().store_failure.clone() {
        None => json(&serde_json::json!({ "status": "ok" })),
        Some(reason) => {
            let body = json(
                &serde_json::json!({ "status": "failing", "reason": format!("the store refuses: {reason}") }),
            );
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

#[cfg(test)]
mod tests;
