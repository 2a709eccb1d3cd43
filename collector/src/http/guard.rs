//! Who may call an address: asked before anything else is done for it.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::{Arc, RwLockReadGuard};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use owl_measure::delay::Floors;
use owl_measure::time::Nanos;
use owl_measure::verdict::Quantile;
use owl_measure::words::Lang;

use serde_json::Value;

use super::problem::{Kind, Problem};
use super::query::Pairs;
use super::routes::{About, Reader, Route};
use super::{Web, language};
use crate::access::{Peer, Refusal, Right, Viewer};
use crate::alert::Map;
use crate::event::Events;
use crate::history::LatestOf;
use crate::live::{Live, Table};
use crate::page::{self, Notice};

/// An address, as its guard knows it.
#[derive(Clone)]
pub(super) struct Entry {
    web: Arc<Web>,
    about: About,
    reader: Reader,
    path: &'static str,
}

impl Entry {
    pub(super) fn new(web: &Arc<Web>, route: &Route) -> Self {
        Self {
            web: Arc::clone(web),
            about: route.about,
            reader: route.reader,
            path: route.path,
        }
    }

    /// Whether the answer takes what is stored out of the house, and is recorded.
    fn is_export(&self) -> bool {
        self.reader == Reader::Program
            && matches!(
                self.about,
                About::Path | About::Paths | About::Probes | About::Deeds
            )
    }
}

/// Lets a request through to its answer, or refuses it.
pub(super) async fn guard(
    State(entry): State<Entry>,
    mut request: Request,
    next: Next,
) -> Response {
    let gate = &entry.web.gate;
    let caller = gate.caller(peer(request.extensions()), request.headers());
    let right = entry.about.right();
    let let_in = gate.let_in(&caller, request.headers(), right, entry.path);
    let let_in = match let_in.await {
        Ok(viewer) if entry.is_export() => {
            let target = request
                .uri()
                .path_and_query()
                .map_or("", |said| said.as_str());
            let recorded = gate.exports(&caller, &viewer, entry.path, target).await;
            recorded.map(|()| viewer)
        }
        other => other,
    };
    match let_in {
        Ok(viewer) => {
            request.extensions_mut().insert(viewer);
            next.run(request).await
        }
        Err(refusal) => refuse(entry.reader, refusal, request.uri(), request.headers()),
    }
}

/// The connection that a request came over. One that nobody told of is a stranger's.
pub(super) fn peer(extensions: &axum::http::Extensions) -> Peer {
    let stranger = Peer {
        address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        tls: false,
    };
    extensions.get().copied().unwrap_or(stranger)
}

fn refuse(reader: Reader, refusal: Refusal, uri: &Uri, headers: &HeaderMap) -> Response {
    if reader == Reader::Program {
        return problem(refusal).into_response();
    }
    let query = uri.query().unwrap_or_default();
    let pairs: Pairs = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let lang = language(&pairs, headers);
    let page = |status, notice| {
        let page = page::notice(lang, notice).into_string();
        (status, Html(page)).into_response()
    };
    match refusal {
        Refusal::LogIn | Refusal::Token => to_login(uri, lang),
        Refusal::NoUsers => page(StatusCode::FORBIDDEN, Notice::NoUsers),
        Refusal::Forbidden(_) => page(StatusCode::FORBIDDEN, Notice::NotAllowed),
        Refusal::InTheClear => page(StatusCode::FORBIDDEN, Notice::InTheClear),
        Refusal::StoreFails => problem(refusal).into_response(),
    }
}

fn problem(refusal: Refusal) -> Problem {
    let hint = |text: &str| Some(text.to_owned());
    match refusal {
        Refusal::LogIn => Problem::plain(Kind::NotLoggedIn),
        Refusal::NoUsers => Problem::plain(Kind::NotLoggedIn).hinting(hint(
            "there are no users yet: `owl collector user add NAME --role admin` makes the first one",
        )),
        Refusal::Token => {
            Problem::of(Kind::NotLoggedIn, "the token is none, or none any more")
        }
        Refusal::Forbidden(right) => {
            Problem::of(Kind::NotAllowed, format!("the role has no right to {}", right.words()))
        }
        Refusal::InTheClear => Problem::plain(Kind::InTheClear),
        Refusal::StoreFails => Problem::plain(Kind::StoreFails),
    }
}

/// To the form, which leads back here.
fn to_login(uri: &Uri, lang: Lang) -> Response {
    let here = uri.path_and_query().map_or("/", |said| said.as_str());
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("next", here)
        .append_pair("lang", lang.tag())
        .finish();
    let address = format!("/login?{query}");
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

/// Every handler that tells of the network takes one, and there is none without the guard.
impl<S: Sync> FromRequestParts<S> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let viewer = parts.extensions.get().cloned();
        viewer.ok_or_else(|| Problem::plain(Kind::NotLoggedIn).into_response())
    }
}

/// What is asked of all paths at once is bounded in number before it is known whose they are, so that who sees some
/// carriers only asks path by path.
pub(super) fn all_carriers(viewer: &Viewer) -> Result<(), Problem> {
    if viewer.scope().is_all() {
        Ok(())
    } else {
        let refused = "who sees some carriers only asks for the past path by path";
        let hint = "name one with path=FROM~TO; /api/v1/verdicts without anything lists them";
        Err(Problem::of(Kind::NotAllowed, refused).hinting(Some(hint.to_owned())))
    }
}

/// The table of the present, which nobody sees more of than his carriers.
pub(super) struct Shown(Arc<Live>);

/// The paths and probes that one viewer may hear of.
pub(super) struct Names {
    paths: HashSet<String>,
    probes: HashSet<String>,
}

impl Names {
    /// Whether all that an event (JSON) names is among them.
    pub(super) fn has(&self, event: &str) -> bool {
        let Ok(event) = serde_json::from_str::<Value>(event) else {
            return false;
        };
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let ends = |subject: &str| subject.split('~').all(|end| self.probes.contains(end));
        match (text("path"), text("probe"), text("subject")) {
            (Some(path), None, None) => self.paths.contains(path),
            (None, Some(probe), None) => self.probes.contains(probe),
            (None, None, Some(subject)) => ends(subject),
            _ => false,
        }
    }
}

/// What one viewer sees of it.
pub(super) enum Seen<'a> {
    /// Who sees all carriers looks at the table itself.
    Whole(RwLockReadGuard<'a, Table>),
    /// Who sees some has a copy of that part, from which nothing of the rest can be made.
    Part(Box<Table>),
}

impl Deref for Seen<'_> {
    type Target = Table;

    fn deref(&self) -> &Table {
        match self {
            Self::Whole(table) => table,
            Self::Part(table) => table,
        }
    }
}

impl Shown {
    pub(super) fn new(live: Arc<Live>) -> Self {
        Self(live)
    }

    pub(super) fn to(&self, viewer: &Viewer) -> Seen<'_> {
        let table = self.0.read();
        if viewer.scope().is_all() {
            Seen::Whole(table)
        } else {
            Seen::Part(Box::new(table.part(viewer.scope())))
        }
    }

    /// Where its paths begin and end.
    pub(super) fn map(&self) -> Arc<Map> {
        self.0.map()
    }

    /// All of it, as long as it is looked at; for those who see all carriers.
    pub(super) fn whole(&self, viewer: &Viewer) -> Result<Arc<Live>, Problem> {
        all_carriers(viewer)?;
        Ok(Arc::clone(&self.0))
    }

    /// What the paths that this viewer may hear of were like in their latest windows.
    pub(super) fn latest(
        &self,
        viewer: &Viewer,
        reach: Nanos,
        quantiles: &[Quantile],
    ) -> Vec<LatestOf> {
        let paths: Vec<(String, Floors)> = {
            let table = self.to(viewer);
            let floors = |path: &owl_topology::Path| Floors {
                forward: path.floor_forward,
                backward: path.floor_backward,
            };
            let paths = table.paths.iter();
            paths
                .map(|live| (live.path.id.clone(), floors(&live.path)))
                .collect()
        };
        let paths = paths.iter().map(|(path, floors)| (path.as_str(), *floors));
        self.0.latest().percentiles(paths, reach, quantiles)
    }

    /// Whom this viewer may hear of, as long as the topology is this one; `None` is everybody.
    pub(super) fn names(&self, viewer: &Viewer) -> Option<Names> {
        if viewer.scope().is_all() {
            return None;
        }
        let table = self.to(viewer);
        Some(Names {
            paths: table
                .paths
                .iter()
                .map(|live| live.path.id.clone())
                .collect(),
            probes: table.probe_names().map(str::to_owned).collect(),
        })
    }

    /// Tells what changes to those who listen, for ever.
    pub(super) async fn watch(&self, events: &Events, grace: Nanos) {
        events.watch(&self.0, grace).await;
    }

    /// Why the store refuses, while it does; told to whom the collector's workings are.
    pub(super) fn failure(&self, viewer: &Viewer) -> Option<Option<String>> {
        let failure = self.0.read().store_failure.clone()?;
        Some(viewer.has(Right::Workings).then_some(failure))
    }
}
