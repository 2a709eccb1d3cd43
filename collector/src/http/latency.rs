//! The feed for schedulers: what the delay between sites is at this moment, and what that is worth.
//!
//! Made from the table in memory alone. What is older than asked for is told as
//! stale and has no value.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use owl_measure::delay::OneWayDelay;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{EvidenceClass, Quantile};
use owl_measure::words::Lang;
use owl_topology::{Path, SiteId, Topology};
use serde::{Serialize, Serializer};

use super::problem::{Kind, Problem};
use super::query::{Asked, Pairs};
use super::{Web, json_of, language, octets};
use crate::access::Viewer;
use crate::live::{Live, LivePath, Table};
use crate::now::now;
use crate::page::Zone;
use crate::reading::{Reading, Wanted};

/// Percentiles that every verdict holds.
pub(super) const STATS: [Quantile; 3] = [Quantile::P50, Quantile::P95, Quantile::P99];

#[derive(Serialize)]
struct Latency<P: Serialize> {
    generated_at_ns: Timestamp,
    simulated: bool,
    /// As asked for; without it three windows of each path, and the judge's patience.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age_ns: Option<Nanos>,
    paths: P,
}

#[derive(Serialize)]
struct View<'a> {
    path: &'a str,
    from: &'a str,
    to: &'a str,
    from_site: &'a str,
    to_site: &'a str,
    from_carrier: &'a str,
    to_carrier: &'a str,
    class: &'a str,
    target_ns: Nanos,
    /// `met`, `missed` or `undecided` of the verdict; `no-data` or `stale`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// A sentence on why it is neither met nor missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// `p95` and the like: what value and interval speak of.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    stat: Option<Quantile>,
    /// The upper end of the interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_ns: Option<Nanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<OneWayDelay>,
    /// The class of the verdict's evidence, when decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<EvidenceClass>,
    /// The end of the window it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_at_ns: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ns: Option<Nanos>,
}

fn shown<S: Serializer>(stat: &Option<Quantile>, serializer: S) -> Result<S::Ok, S::Error> {
    match stat {
        Some(stat) => serializer.collect_str(stat),
        None => serializer.serialize_none(),
    }
}

/// Which percentile is asked for.
pub(super) fn stat(text: &str) -> Result<Quantile, Problem> {
    let found = STATS.into_iter().find(|stat| stat.to_string() == text);
    found.ok_or_else(|| Problem::query("stat is p50, p95 or p99"))
}

/// The sites that are named; none of them means all.
fn sites<'a>(
    topology: &Topology,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<SiteId>, Problem> {
    names
        .map(|name| {
            let site = topology.site(&SiteId::from(name));
            let unknown = || Problem::of(Kind::UnknownName, format!("no site is called {name}"));
            Ok(site.ok_or_else(unknown)?.id.clone())
        })
        .collect()
}

/// A list that is made while it is written, so that no second one of its length is held.
struct Each<F>(F);

impl<I: Iterator<Item: Serialize>, F: Fn() -> I> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// What is asked for, and how it is told.
struct Question<'a> {
    /// Where paths begin, and where they end; everywhere when none is named.
    from: Vec<SiteId>,
    to: Vec<SiteId>,
    wanted: Wanted,
    lang: Lang,
    zone: &'a Zone,
}

impl Question<'_> {
    fn is_about(&self, path: &Path) -> bool {
        let is_one_of = |sites: &[SiteId], site| sites.is_empty() || sites.contains(site);
        is_one_of(&self.from, &path.from_site) && is_one_of(&self.to, &path.to_site)
    }

    fn view<'a>(&self, live: &'a LivePath) -> View<'a> {
        let reading = Reading::of(live, self.wanted);
        let verdict = reading.judgement().map(|judgement| &judgement.verdict);
        let path = &live.path;
        View {
            path: &path.id,
            from: path.from.as_str(),
            to: path.to.as_str(),
            from_site: path.from_site.as_str(),
            to_site: path.to_site.as_str(),
            from_carrier: path.from_carrier.as_str(),
            to_carrier: path.to_carrier.as_str(),
            class: path.class.as_str(),
            target_ns: verdict.map_or(path.target, |verdict| verdict.target),
            state: reading.standing.code(),
            reason: verdict
                .and_then(|verdict| verdict.reason)
                .map(|reason| reason.code()),
            detail: reading.detail(self.lang, |at| self.zone.instant(at)),
            stat: reading.stat,
            value_ns: reading.at_most(),
            interval: reading.delay,
            evidence: verdict.and_then(|verdict| verdict.class),
            measured_at_ns: reading.measured_at,
            age_ns: reading.age,
        }
    }

    fn answer(&self, table: &Table) -> Vec<u8> {
        let paths = || {
            let chosen = table.paths.iter().filter(|live| self.is_about(&live.path));
            chosen.map(|live| self.view(live))
        };
        octets(&Latency {
            generated_at_ns: self.wanted.now,
            simulated: table.simulated(),
            max_age_ns: self.wanted.max_age,
            paths: Each(paths),
        })
    }
}

/// `GET /api/v1/latency`: the delay of every path, or of those from the sites `from` to the sites `to`; its percentile
/// `stat`, no older than `max_age`.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked(&pairs);
    let question = Question {
        from: sites(&web.topology(), asked.all("from"))?,
        to: sites(&web.topology(), asked.all("to"))?,
        wanted: Wanted {
            stat: asked.one("stat").map(stat).transpose()?,
            max_age: asked.span("max_age")?,
            grace: web.grace,
            now: now(),
        },
        lang: language(&pairs, &headers),
        zone: &web.zone,
    };
    Ok(json_of(question.answer(&web.table(&viewer))))
}

/// The feed of all paths at an instant, for who measures what it costs.
pub(crate) fn feed(live: &Live, now: Timestamp) -> Vec<u8> {
    let question = Question {
        from: Vec::new(),
        to: Vec::new(),
        wanted: Wanted {
            stat: None,
            max_age: None,
            grace: Nanos::ZERO,
            now,
        },
        lang: Lang::En,
        zone: &Zone::named("Asia/Shanghai"),
    };
    question.answer(&live.read())
}
