//! Every address that is served, in one table.
//!
//! The router is made from it, `docs/openapi.json` is held against it, and who may
//! call an address follows from what its answer is about.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use super::problem::{Kind, Problem};
use super::guard::{Entry, guard};
use super::{Web, api, audit, compliance, entrance, explain, findings, problem};
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
    pub(super) handler: MethodRouter<Arc<Web>>,
}

/// All of them.
pub(super) fn routes() -> Vec<Route> {
    use About::{Collector, Deeds, Network, Nothing, Path, Paths, Probes};
    let page = |path, about, handler| Route {
        method: Method::GET,
        path,
        about,
        reader: Reader::Person,
        handler,
    };
    let data = |path, about, handler| Route {
        method: Method::GET,
        path,
        about,
        reader: Reader::Program,
        handler,
    };
    let form = |path, handler| Route {
        method: Method::POST,
        path,
        about: Nothing,
        reader: Reader::Person,
        handler,
    };
    vec![
        page("/", Paths, get(super::overview)),
        page("/paths/{id}", Path, get(super::path)),
        page("/paths/{id}/windows/{at}", Path, get(explain::page)),
        page("/findings", Probes, get(findings::show)),
        page("/compliance", Paths, get(compliance::page)),
        page("/login", Nothing, get(entrance::show)),
        form("/login", post(entrance::log_in)),
        form("/logout", post(entrance::log_out)),
        page(page::style_address(), Nothing, get(super::style)),
        data("/healthz", Nothing, get(super::health)),
        data("/metrics", Network, get(super::scrape)),
        data("/api/v1/audit", Deeds, get(audit::api)),
        data("/api/v1/compliance", Paths, get(compliance::api)),
        data("/api/v1/findings", Probes, get(findings::findings)),
        data("/api/v1/probes", Probes, get(api::probes)),
        data("/api/v1/problems/{code}", Nothing, get(problem::api)),
        data("/api/v1/revisions", Paths, get(findings::revisions)),
        data("/api/v1/store", Collector, get(api::store)),
        data("/api/v1/verdicts", Paths, get(api::verdicts)),
        data("/api/v1/verdicts/explain", Path, get(explain::api)),
    ]
}

/// The router that they make.
pub(super) fn router(web: Arc<Web>) -> Router {
    let unknown = |kind| move || async move { Problem::plain(kind) };
    routes()
        .into_iter()
        .fold(Router::new(), |router, route| {
            let entry = Entry::new(&web, &route);
            let guarded = route.handler.route_layer(from_fn_with_state(entry, guard));
            router.route(route.path, guarded)
        })
        .fallback(unknown(Kind::UnknownAddress))
        .method_not_allowed_fallback(unknown(Kind::UnknownMethod))
        .with_state(web)
}
