//! What the collector serves over HTTP: pages, metrics, health and a JSON API.
//!
//! Everything comes from this process: no script is needed, no other host is
//! asked. Who may call an address is asked first ([`guard`]). A request is
//! bounded in size and time, and so are the connections ([`listener`]).

mod alerts;
mod alto;
mod audit;
mod certificate;
mod compliance;
mod entrance;
mod events;
mod explain;
mod findings;
mod gaps;
mod guard;
mod headers;
mod history;
mod lasting;
pub(crate) mod latency;
mod listener;
mod openapi;
mod probes;
mod problem;
mod query;
mod refusal;
mod revisions;
mod routes;
mod scrape;
mod stored;
mod topology;
mod verdicts;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use owl_topology::Topology;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use self::certificate::Certificate;
use self::guard::{Seen, Shown};
use self::headers::Hardened;
use self::lasting::lasting;
use self::problem::{Kind, Problem};
use self::query::Pairs;
use crate::access::{Gate, Viewer};
use crate::config::Config;
use crate::event::Events;
use crate::identity::{Authority, IdentityError};
use crate::live::Live;
use crate::metrics::Own;
use crate::now::now;
use crate::page::{self, Frame, Zone};
use crate::store::{HistoryQuery, Reader, Store, StoreError};

/// How long an answer may take to be made.
const ANSWER: Duration = Duration::from_secs(10);
/// Queries to the store at once; further ones wait within their request's time.
const QUERIES_MAX: usize = 4;
/// How often it is seen whether another topology is judged by, for the audit log.
const FOLLOWED: Duration = Duration::from_secs(1);
/// Windows on a path's page.
const PAGE_WINDOWS: usize = 120;
/// Changes of the hop count on a path's page.
const PAGE_HOP_CHANGES: usize = 20;
/// Verdicts given anew on a path's page.
const PAGE_REVISIONS: usize = 20;

/// The HTTP server cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is taken, or not this host's.
    #[error("cannot bind TCP {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The pages have no certificate.
    #[error("cannot serve the pages over TLS")]
    Certificate(#[from] IdentityError),
    /// TLS refuses it.
    #[error("cannot serve the pages over TLS")]
    Tls(#[from] rustls::Error),
    /// Who may log in cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What every answer is made from.
struct Web {
    live: Arc<Live>,
    shown: Shown,
    gate: Arc<Gate>,
    own: Arc<Own>,
    store: Store,
    queries: Arc<Semaphore>,
    events: Arc<Events>,
    listeners: Arc<Semaphore>,
    grace: Nanos,
    zone: Zone,
    started_at: Timestamp,
}

pub(crate) struct Http {
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    tls: Option<Arc<rustls::ServerConfig>>,
    web: Arc<Web>,
}

impl Http {
    pub(crate) async fn bind(
        config: &Config,
        authority: &Arc<Authority>,
        store: Store,
        live: Arc<Live>,
        own: Arc<Own>,
    ) -> Result<Self, HttpError> {
        let address = config.http;
        let transport = config.pages.transport(address.ip());
        let certificate = Certificate::open(transport, authority)?;
        let tls = certificate.clone().map(certificate::tls).transpose()?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| HttpError::Bind { address, source })?;
        let gate = Gate::open(&config.pages, address.ip(), store.clone(), Arc::clone(&own))?;
        let zone = Zone::named(&config.topology.timezone);
        let queries = Arc::new(Semaphore::new(QUERIES_MAX));
        let started_at = now();
        Ok(Self {
            listener,
            certificate,
            tls: tls.map(Arc::new),
            web: Arc::new(Web {
                shown: Shown::new(Arc::clone(&live)),
                live,
                gate: Arc::new(gate),
                own,
                store,
                queries,
                events: Arc::new(Events::new(started_at)),
                listeners: Arc::new(Semaphore::new(events::LISTENERS_MAX)),
                grace: config.grace,
                zone,
                started_at,
            }),
        })
    }

    /// Where it can be reached.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Whether it speaks TLS.
    pub(crate) fn tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves until `stop` is done; answers under way are cut off then.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let hardened = match &self.certificate {
            Some(certificate) if certificate.is_given() => Hardened::Certified,
            _ => Hardened::Always,
        };
        let (gate, web) = (Arc::clone(&self.web.gate), Arc::clone(&self.web));
        let followed = async {
            let mut recorded = None;
            loop {
                let followed = web.live.followed();
                if recorded != Some(followed.edition) {
                    let topology = &followed.topology;
                    gate.follows_plan(&topology.name, &topology.generation)
                        .await;
                    recorded = Some(followed.edition);
                }
                sleep(FOLLOWED).await;
            }
        };
        let renewed = async {
            match self.certificate {
                Some(certificate) => certificate.follow().await,
                None => std::future::pending().await,
            }
        };
        info!(tls = self.tls.is_some(), "the pages are served");
        let served = listener::serve(self.listener, router(self.web, hardened), self.tls, stop);
        tokio::select! {
            () = served => {}
            // Neither ends before the collector does.
            () = Arc::clone(&gate).follow() => {}
            () = followed => {}
            () = web.shown.watch(&web.events, web.grace) => {}
            () = renewed => {}
        }
    }
}

fn router(web: Arc<Web>, hardened: Hardened) -> Router {
    routes::router(web).layer(middleware::from_fn_with_state(hardened, bounded))
}

/// Bounds the time of every answer, and tells browsers what a page of ours never does.
async fn bounded(State(hardened): State<Hardened>, request: Request, next: Next) -> Response {
    let mut response = timeout(ANSWER, next.run(request))
        .await
        .unwrap_or_else(|_| Problem::plain(Kind::TooSlow).into_response());
    hardened.put(response.headers_mut());
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
    /// The topology that is judged by.
    fn topology(&self) -> Arc<Topology> {
        self.live.followed().topology
    }

    /// Tells what this viewer sees of the topology from every other part and every other topology.
    fn tag(&self, viewer: &Viewer) -> String {
        format!("{}{}", self.topology().generation, viewer.scope().tag())
    }

    /// What this viewer sees of the present.
    fn table(&self, viewer: &Viewer) -> Seen<'_> {
        self.shown.to(viewer)
    }

    fn frame<'a>(&'a self, lang: Lang, viewer: &'a Viewer) -> Frame<'a> {
        Frame {
            lang,
            user: viewer.user(),
            topology: self.topology(),
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
    json_of(octets(value))
}

fn octets(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("our own structs have string keys and finite numbers")
}

fn json_of(octets: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], octets).into_response()
}

async fn overview(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(query): Query<Pairs>,
    headers: HeaderMap,
) -> Html<String> {
    let frame = web.frame(language(&query, &headers), &viewer);
    let table = web.table(&viewer);
    Html(page::overview(&frame, &table).into_string())
}

async fn path(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(query): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Html<String>, Problem> {
    if web.table(&viewer).path(&id).is_none() {
        return Err(Problem::plain(Kind::UnknownName));
    }
    let wanted = id.clone();
    let mut past = web
        .ask(move |reader| {
            let windows = reader.history(HistoryQuery {
                path: Some(&wanted),
                since: Timestamp(i64::MIN),
                after: None,
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
    let frame = web.frame(language(&query, &headers), &viewer);
    let table = web.table(&viewer);
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

async fn health(State(web): State<Arc<Web>>, viewer: Viewer) -> Response {
    let Some(failure) = web.shown.failure(&viewer) else {
        return json(&serde_json::json!({ "status": "ok" }));
    };
    let body = match failure {
        Some(reason) => {
            serde_json::json!({ "status": "failing", "reason": format!("the store refuses: {reason}") })
        }
        None => serde_json::json!({ "status": "failing" }),
    };
    (StatusCode::SERVICE_UNAVAILABLE, json(&body)).into_response()
}

#[cfg(test)]
mod tests;
