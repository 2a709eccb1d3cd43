//! Every address that is served, in one table.
//!
//! The router is made from it, `docs/openapi.json` is held against it, and who may
//! call an address follows from what its answer is about.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request};
use axum::http::Method;
use axum::middleware::{self, Next, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, get, post};

use super::guard::{Entry, guard};
use super::problem::{Kind, Problem};
use super::query::{Pairs, Takes};
use super::refusal::for_people;
use super::{
    Web, alerts, alto, audit, compliance, entrance, events, explain, findings, gaps, history,
    latency, openapi, probes, problem, revisions, scrape, stored, topology, verdicts,
};
use crate::access::Right;
use crate::page;

/// What an answer tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Nothing of the network: what looks like what, and whether the process is well.
    Nothing,
    /// One path, which the address names: `{id}` in it, or `path=` after its `?`.
    Path,
    /// Paths, each by itself, so that an answer may be of some of them only.
    Paths,
    /// Probes and their clocks, of which one path is only a part.
    Probes,
    /// All carriers at once, in numbers.
    Network,
    /// The collector itself, in numbers.
    Collector,
    /// What people did.
    Deeds,
}

impl About {
    /// What is asked of who calls.
    pub(super) fn right(self) -> Right {
        match self {
            Self::Nothing => Right::Public,
            Self::Path | Self::Paths | Self::Probes => Right::Paths,
            Self::Network => Right::Network,
            Self::Collector => Right::Workings,
            Self::Deeds => Right::Audit,
        }
    }
}

/// For whom an answer is made, and so in which form a refusal comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A person with a browser.
    Person,
    /// A program.
    Program,
}

/// One address and one method.
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "what is held against the table is held against it by tests"
    )
)]
pub(super) struct Route {
    /// GET answers HEAD too.
    pub(super) method: Method,
    /// In the words of both axum and OpenAPI: `{name}` stands for one segment.
    pub(super) path: &'static str,
    pub(super) about: About,
    pub(super) reader: Reader,
    pub(super) takes: Takes,
    pub(super) handler: MethodRouter<Arc<Web>>,
}

impl Route {
    /// For a person, by GET.
    fn page(path: &'static str, about: About, handler: MethodRouter<Arc<Web>>) -> Self {
        Self {
            method: Method::GET,
            path,
            about,
            reader: Reader::Person,
            takes: Takes {
                once: &[],
                often: &[],
            },
            handler,
        }
    }

    /// What a form is sent to, by whoever fills it in.
    fn form(path: &'static str, handler: MethodRouter<Arc<Web>>) -> Self {
        Self {
            method: Method::POST,
            ..Self::page(path, About::Nothing, handler)
        }
    }

    /// For a program, by GET.
    fn data(path: &'static str, about: About, handler: MethodRouter<Arc<Web>>) -> Self {
        Self {
            reader: Reader::Program,
            ..Self::page(path, about, handler)
        }
    }

    /// What may be said once each after the `?`.
    fn once(self, names: &'static [&'static str]) -> Self {
        let takes = Takes {
            once: names,
            ..self.takes
        };
        Self { takes, ..self }
    }

    /// What may be said any number of times.
    fn often(self, names: &'static [&'static str]) -> Self {
        let takes = Takes {
            often: names,
            ..self.takes
        };
        Self { takes, ..self }
    }

    /// The handler behind the check of what is said after the `?`.
    fn checked(self) -> MethodRouter<Arc<Web>> {
        let takes = self.takes;
        let check = move |request: Request, next: Next| async move {
            let pairs = Query::<Pairs>::try_from_uri(request.uri());
            match pairs.map(|Query(pairs)| takes.check(&pairs)) {
                Ok(Ok(())) => next.run(request).await,
                Ok(Err(problem)) => problem.into_response(),
                Err(_) => Problem::query("the text after ? is no list of NAME=VALUE in UTF-8")
                    .into_response(),
            }
        };
        self.handler.route_layer(middleware::from_fn(check))
    }
}

/// All of them.
pub(super) fn routes() -> Vec<Route> {
    use About::{Collector, Deeds, Network, Nothing, Path, Paths, Probes};
    vec![
        Route::page("/", Paths, get(super::overview)),
        Route::page("/paths/{id}", Path, get(super::path)),
        Route::page("/paths/{id}/windows/{at}", Path, get(explain::page)),
        Route::page("/alerts", Probes, get(alerts::page)),
        Route::page("/findings", Probes, get(findings::page)),
        Route::page("/compliance", Paths, get(compliance::page))
            .once(&["path", "period", "profile"]),
        Route::page("/login", Nothing, get(entrance::show)).once(&["next"]),
        Route::form("/login", post(entrance::log_in)),
        Route::form("/logout", post(entrance::log_out)),
        Route::page(page::style_address(), Nothing, get(super::style)),
        Route::data("/healthz", Nothing, get(super::health)),
        Route::data("/metrics", Network, get(scrape::paths)).once(&["shard"]),
        Route::data("/metrics/self", Network, get(scrape::rest)),
        Route::data("/api/v1/alerts", Probes, get(alerts::api)).once(&["since", "limit"]),
        Route::data("/api/v1/alto", Nothing, get(alto::directory)),
        Route::data("/api/v1/alto/networkmap", Probes, get(alto::network_map)),
        Route::data(
            "/api/v1/alto/costmap/delay-ow/{stat}",
            Paths,
            get(alto::cost_map),
        ),
        Route::data("/api/v1/audit", Deeds, get(audit::api)).once(&["after", "limit"]),
        Route::data("/api/v1/compliance", Paths, get(compliance::api))
            .once(&["path", "period", "profile"]),
        Route::data("/api/v1/events", Probes, get(events::api)).once(&["after"]),
        Route::data("/api/v1/findings", Probes, get(findings::api))
            .once(&["open", "probe", "since", "limit"]),
        Route::data("/api/v1/latency", Paths, get(latency::api))
            .once(&["stat", "max_age"])
            .often(&["from", "to"]),
        Route::data("/api/v1/maintenance", Paths, get(alerts::maintenance)).once(&["since"]),
        Route::data("/api/v1/percentiles", Paths, get(history::percentiles))
            .once(&["reach"])
            .often(&["quantile"]),
        Route::data("/api/v1/openapi.json", Nothing, get(openapi::api)),
        Route::data("/api/v1/probes", Probes, get(probes::api)),
        Route::data("/api/v1/problems/{code}", Nothing, get(problem::api)),
        Route::data("/api/v1/revisions", Paths, get(revisions::api))
            .once(&["path", "since", "limit"]),
        Route::data("/api/v1/gaps", Probes, get(gaps::api)),
        Route::data("/api/v1/series", Path, get(history::series))
            .once(&["path", "from", "to", "step"])
            .often(&["quantile"]),
        Route::data("/api/v1/store", Collector, get(stored::api)),
        Route::data("/api/v1/topology", Probes, get(topology::api)),
        Route::data("/api/v1/verdicts", Paths, get(verdicts::api))
            .once(&["path", "since", "after", "limit"]),
        Route::data("/api/v1/verdicts/explain", Path, get(explain::api))
            .once(&["path", "at", "profile"]),
    ]
}

/// The router that they make.
pub(super) fn router(web: Arc<Web>) -> Router {
    let unknown = |kind| move || async move { Problem::plain(kind) };
    routes()
        .into_iter()
        .fold(Router::new(), |router, route| {
            let entry = Entry::new(&web, &route);
            let path = route.path;
            // What is asked last stands first: nobody learns what an address takes who may not call it.
            let guarded = route
                .checked()
                .route_layer(from_fn_with_state(entry, guard));
            router.route(path, guarded)
        })
        .fallback(unknown(Kind::UnknownAddress))
        .method_not_allowed_fallback(unknown(Kind::UnknownMethod))
        .layer(middleware::from_fn(for_people))
        .with_state(web)
}
