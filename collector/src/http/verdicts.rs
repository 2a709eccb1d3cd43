//! Verdicts: the latest of every path, or those of the past.
//!
//! Times are nanoseconds since 1970 (UTC), spans nanoseconds. The largest `i64`
//! stands for an infinite delay: that of a lost packet.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use owl_measure::delay::OneWayDelay;
use owl_measure::implied::ImpliedRoute;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{EvidenceClass, Leaning, Population, Quantile, Ranked};
use owl_measure::words::Lang;
use owl_topology::Impossible;
use serde::Serialize;

use super::guard::all_carriers;
use super::problem::{Kind, Problem};
use super::query::{Asked, LIMIT_DEFAULT, Pairs};
use super::{Web, json, language};
use crate::access::Viewer;
use crate::flow::FlowResult;
use crate::judgement::{Judgement, NoDataWhy, Percentile, Seat};
use crate::live::{LivePath, Table};
use crate::now::now;
use crate::page::Zone;
use crate::store::{HistoryQuery, VerdictName};
use crate::way::Way;

#[derive(Serialize)]
struct Verdicts<'a> {
    generated_at_ns: Timestamp,
    simulated: bool,
    verdicts: Vec<View<'a>>,
}

/// A path with its verdict; the verdict's fields are absent before the first one.
#[derive(Serialize)]
struct View<'a> {
    path: &'a str,
    from: &'a str,
    to: &'a str,
    from_site: &'a str,
    to_site: &'a str,
    from_carrier: &'a str,
    to_carrier: &'a str,
    /// The path class.
    class: &'a str,
    target_ns: Nanos,
    /// What of the target is against physics, before anything is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    impossible: Option<&'a str>,
    profile: &'a str,
    /// One of its two probes says that delays or clocks are injected.
    simulated: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    verdict: Option<VerdictView<'a>>,
}

#[derive(Serialize)]
struct VerdictView<'a> {
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// A sentence on the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a NoDataWhy>,
    /// The class of the evidence, when decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<EvidenceClass>,
    quantile: Quantile,
    /// What the quantile speaks of.
    population: Population,
    /// Between which packets it lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    ranked: Option<Ranked>,
    /// What an undecided verdict leans to.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaning: Option<Leaning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<OneWayDelay>,
    window_start_ns: Timestamp,
    window_ns: Nanos,
    judged_at_ns: Timestamp,
    /// The window is one of the last few: the verdict tells of the present.
    current: bool,
    sent: u64,
    received: u64,
    /// Lost in the judged direction.
    lost: u64,
    /// Lost, nobody knows which way.
    lost_unknown: u64,
    /// Lost, and dropped by the measuring host itself, at most.
    own_loss: u64,
    late: u64,
    /// Whose packets were judged: the session's of the path itself, or the opposite one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    seat: Option<Seat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_error_bound_ns: Option<Nanos>,
    /// Three standard deviations of what is random in that bound; absent when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_random_ns: Option<Nanos>,
    /// The length of route that the fastest packets imply.
    #[serde(skip_serializing_if = "Option::is_none")]
    implied: Option<ImpliedView<'a>>,
    percentiles: &'a [Percentile],
    /// Delay variation, loss periods and reordering, each way.
    ways: &'a [Way],
    /// The flows of the path one by one, when there are several.
    #[serde(skip_serializing_if = "<[FlowResult]>::is_empty")]
    flows: &'a [FlowResult],
}

/// The length of route that the fastest packets imply, with what follows from it.
#[derive(Serialize)]
struct ImpliedView<'a> {
    #[serde(flatten)]
    implied: &'a ImpliedRoute,
    /// Times the great circle, at least and at most; `null` at most is without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    stretch: Option<(f64, Option<f64>)>,
    /// Kilometres at least beyond the declared route, when that is a detour.
    #[serde(skip_serializing_if = "Option::is_none")]
    detour_km: Option<f64>,
}

impl<'a> ImpliedView<'a> {
    fn of(implied: &'a ImpliedRoute) -> Self {
        Self {
            implied,
            stretch: implied.stretch(),
            detour_km: implied.detour_km(),
        }
    }
}

/// What a verdict is told with.
struct Teller<'a> {
    lang: Lang,
    zone: &'a Zone,
    now: Timestamp,
    grace: Nanos,
}

impl Teller<'_> {
    fn view<'a>(
        &self,
        table: &Table,
        live: &'a LivePath,
        judgement: Option<&'a Judgement>,
    ) -> View<'a> {
        let path = &live.path;
        let simulated = |probe: &str| {
            table
                .probes
                .get(probe)
                .is_some_and(crate::live::LiveProbe::simulated)
        };
        View {
            path: &path.id,
            from: path.from.as_str(),
            to: path.to.as_str(),
            from_site: path.from_site.as_str(),
            to_site: path.to_site.as_str(),
            from_carrier: path.from_carrier.as_str(),
            to_carrier: path.to_carrier.as_str(),
            class: path.class.as_str(),
            target_ns: judgement.map_or(path.target, |judgement| judgement.verdict.target),
            impossible: path.impossible().map(Impossible::code),
            profile: judgement.map_or(&path.profile.id, |judgement| &judgement.profile),
            simulated: simulated(path.from.as_str()) || simulated(path.to.as_str()),
            verdict: judgement.map(|judgement| self.verdict(judgement)),
        }
    }

    fn verdict<'a>(&self, judgement: &'a Judgement) -> VerdictView<'a> {
        let verdict = &judgement.verdict;
        VerdictView {
            state: verdict.state.code(),
            reason: verdict.reason.map(|reason| reason.code()),
            detail: judgement.detail(self.lang, |at| self.zone.instant(at)),
            why: judgement.why.as_ref(),
            evidence: verdict.class,
            quantile: judgement.quantile,
            population: verdict.population,
            ranked: verdict.ranked,
            leaning: verdict.leaning,
            delay: verdict.delay,
            window_start_ns: judgement.window_start,
            window_ns: judgement.window,
            judged_at_ns: judgement.judged_at,
            current: judgement.is_current(self.now, self.grace),
            sent: verdict.sent,
            received: verdict.received,
            lost: judgement.lost,
            lost_unknown: judgement.lost_unknown,
            own_loss: judgement.own_loss,
            late: judgement.late,
            seat: judgement.seat,
            clock_error_bound_ns: judgement.clock_error_bound,
            clock_random_ns: judgement.clock_random,
            implied: judgement.implied.as_ref().map(ImpliedView::of),
            percentiles: &judgement.percentiles,
            ways: &judgement.ways,
            flows: &judgement.flows,
        }
    }
}

/// `GET /api/v1/verdicts`: the latest of every path, or with `path` or `since` those of the past, newest first; with
/// `limit`, no more of them, and a `Link` to the next ones.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked(&pairs);
    let (path, since, limit) = (asked.one("path"), asked.instant("since")?, asked.limit()?);
    let now = now();
    let lang = language(&pairs, &headers);
    let teller = Teller {
        lang,
        zone: &web.zone,
        now,
        grace: web.grace,
    };
    if path.is_none() && since.is_none() && asked.one("after").is_none() {
        let table = web.table(&viewer);
        let verdicts = table
            .paths
            .iter()
            .take(limit.unwrap_or(usize::MAX))
            .map(|live| teller.view(&table, live, live.latest.as_ref()))
            .collect();
        return Ok(json(&Verdicts {
            generated_at_ns: now,
            simulated: table.simulated(),
            verdicts,
        }));
    }
    if path.is_some_and(|path| web.table(&viewer).path(path).is_none()) {
        return Err(Problem::plain(Kind::UnknownName));
    }
    if path.is_none() {
        all_carriers(&viewer)?;
    }
    let page = Page {
        path: path.map(str::to_owned),
        since: since.unwrap_or(Timestamp(i64::MIN)),
        after: asked.one("after").map(name).transpose()?,
        limit: limit.unwrap_or(LIMIT_DEFAULT),
    };
    let asked = page.clone();
    let mut history = web
        .ask(move |reader| {
            reader.history(HistoryQuery {
                path: asked.path.as_deref(),
                since: asked.since,
                after: asked.after.as_ref(),
                // One more tells whether there are more.
                limit: asked.limit + 1,
            })
        })
        .await?;
    let more = history.len() > page.limit;
    history.truncate(page.limit);
    let table = web.table(&viewer);
    let verdicts = history
        .iter()
        .filter_map(|judgement| {
            Some(teller.view(&table, table.path(&judgement.path)?, Some(judgement)))
        })
        .collect();
    let mut response = json(&Verdicts {
        generated_at_ns: now,
        simulated: table.simulated(),
        verdicts,
    });
    if let Some(last) = history.last().filter(|_| more) {
        let next = HeaderValue::try_from(page.next(last, lang));
        let next = next.expect("the names of a topology and numbers are visible ASCII");
        response.headers_mut().insert(header::LINK, next);
    }
    Ok(response)
}

/// Some of the verdicts of the past.
#[derive(Debug, Clone)]
struct Page {
    path: Option<String>,
    since: Timestamp,
    after: Option<VerdictName>,
    limit: usize,
}

impl Page {
    /// Where those behind its last one are, as a link (RFC 8288).
    fn next(&self, last: &Judgement, lang: Lang) -> String {
        let path = self.path.as_ref();
        let path = path.map_or(String::new(), |path| format!("path={path}&"));
        let (since, limit, lang) = (self.since.0, self.limit, lang.tag());
        let (start, of, profile) = (last.window_start.0, &last.path, &last.profile);
        format!(
            "</api/v1/verdicts?{path}since={since}&limit={limit}&after={start},{of},{profile}&lang={lang}>; rel=\"next\""
        )
    }
}

/// A verdict as `after` names it: `START,PATH,PROFILE`.
fn name(text: &str) -> Result<VerdictName, Problem> {
    let mut parts = text.split(',');
    let mut read = || -> Option<VerdictName> {
        let start = parts.next()?.parse().ok()?;
        let [path, profile] = [parts.next()?, parts.next()?].map(str::to_owned);
        parts.next().is_none().then_some(VerdictName {
            start: Timestamp(start),
            path,
            profile,
        })
    };
    read().ok_or_else(|| {
        Problem::query(
            "after is what the Link header of the answer before says: START,PATH,PROFILE",
        )
    })
}
