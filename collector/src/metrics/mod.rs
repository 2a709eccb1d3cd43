//! The answer to a Prometheus scrape (text format 0.0.4).
//!
//! The collector's own few counters come from the `prometheus` crate. The
//! series of paths and probes are written straight from the live table, so none
//! can outlive what it tells of.

mod compliance;
mod findings;
mod flows;
mod own;
mod table;

use std::fmt::Write as _;

use owl_measure::patterns::LATE_UNIT;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{Quantile, Reason, State};

pub(crate) use own::Own;
use table::Metric;

use crate::judgement::{Judgement, Percentile, Span};
use crate::live::{LivePath, LiveProbe, Table};
use crate::totals::{
    EXTENT, LATE_OFFSET, LOSS_DISTANCE, LOSS_PERIOD, LOST, N_REORDERING, Tally, Totals, WAYS,
    WITHIN,
};
use crate::way::Variation;

/// The percentiles that are shown, by their label.
const PERCENTILES: [(&str, Quantile); 3] = [
    ("50", Quantile::P50),
    ("95", Quantile::P95),
    ("99", Quantile::P99),
];

/// Everything that can be scraped, at `now`.
pub(crate) fn render(live: &Table, own: &Own, now: Timestamp, grace: Nanos) -> String {
    // About 60 series of 100 octets a path; a wrong guess costs one copy.
    let mut page = Page {
        out: String::with_capacity(8_192 + live.paths.len() * 6_000),
    };
    let flag = |yes: bool| f64::from(u8::from(yes));
    page.series(table::SIMULATED, [(vec![], flag(live.simulated()))]);
    paths(&mut page, &live.paths, now, grace);
    compliance::series(&mut page, live);
    probes(&mut page, live.probes.values());
    findings::series(&mut page, &live.findings);
    page.series(
        table::BUILD_INFO,
        [(vec![env!("CARGO_PKG_VERSION").into()], 1.0)],
    );
    page.series(
        table::STORE_UP,
        [(vec![], flag(live.store_failure.is_none()))],
    );
    page.series(
        table::CERTIFICATE,
        live.certificate_until.map(|until| (vec![], instant(until))),
    );
    own.write(&mut page.out);
    page.out
}

/// How lengths are shown.
#[derive(Clone, Copy)]
struct Ruler {
    /// The buckets that are, by number.
    buckets: &'static [usize],
    /// What a length of one is in the metric's unit.
    unit: f64,
}

/// A length up to 1 024 packets is told apart by a factor of two or four.
const PACKETS: Ruler = Ruler {
    buckets: &[0, 1, 2, 3, 4, 6, 8, 10],
    unit: 1.0,
};
/// From 0.1 ms up to 1.6 s, by a factor of four.
const LATE_OFFSETS: Ruler = Ruler {
    buckets: &[0, 2, 4, 6, 8, 10, 12, 14],
    unit: LATE_UNIT.0 as f64 / 1e9,
};

/// n of n-reordering with the bucket below it: a sender takes a packet for lost after three others (RFC 5681).
const N: [(&str, Option<usize>); 4] = [("1", None), ("2", Some(0)), ("3", Some(1)), ("5", Some(2))];

/// Lengths since the store was made, of paths and directions that have any: most have none.
fn lengths(page: &mut Page, reported: &[&LivePath]) {
    let ways = |what: usize| {
        reported.iter().flat_map(move |live| {
            (0..LOST.len()).filter_map(move |k| {
                let tally = &live.totals.lengths[what][k];
                (tally.count() > 0).then(|| {
                    let path = &live.path;
                    (
                        vec![path.id.clone(), path.class.to_string(), LOST[k].into()],
                        tally,
                    )
                })
            })
        })
    };
    page.histogram(table::PATH_EXTENT, PACKETS, ways(EXTENT));
    page.histogram(table::PATH_LATE_OFFSET, LATE_OFFSETS, ways(LATE_OFFSET));
    page.series(
        table::PATH_N_REORDERED,
        reported.iter().flat_map(|live| {
            let Totals { lengths, .. } = &live.totals;
            (0..LOST.len())
                .filter(|&k| lengths[EXTENT][k].count() > 0)
                .flat_map(|k| {
                    let tally = &lengths[N_REORDERING][k];
                    N.map(|(n, below)| {
                        let path = &live.path;
                        let labels = [path.id.as_str(), path.class.as_str(), LOST[k], n];
                        let fewer = below.map_or(0, |bucket| tally.up_to(bucket));
                        let count = tally.count().saturating_sub(fewer);
                        (labels.map(str::to_owned).to_vec(), count as f64)
                    })
                })
        }),
    );
    page.histogram(table::PATH_LOSS_PERIOD, PACKETS, ways(LOSS_PERIOD));
    page.histogram(table::PATH_LOSS_DISTANCE, PACKETS, ways(LOSS_DISTANCE));
}

/// Delay variation and the longest loss period of the latest windows.
fn variations(page: &mut Page, judged: &[(&LivePath, &Judgement)]) {
    let labels = |live: &LivePath, more: &[&str]| {
        let mut labels = vec![live.path.id.clone(), live.path.class.to_string()];
        labels.extend(more.iter().map(|label| (*label).to_owned()));
        labels
    };
    let variation = |pick: fn(&Variation) -> Option<Span>| {
        judged.iter().flat_map(move |(live, judgement)| {
            judgement.ways.iter().flat_map(move |way| {
                PERCENTILES
                    .into_iter()
                    .filter_map(move |(label, quantile)| {
                        Some((label, pick(way.variation(quantile)?)?))
                    })
                    .flat_map(move |(label, span)| {
                        [("lower", span.lo), ("upper", span.hi)].map(|(bound, ns)| {
                            (
                                labels(live, &[way.direction.code(), label, bound]),
                                seconds(ns),
                            )
                        })
                    })
            })
        })
    };
    page.series(table::PATH_PDV, variation(|variation| variation.pdv));
    page.series(table::PATH_IPDV, variation(|variation| variation.ipdv));
    page.series(
        table::PATH_HOPS,
        judged.iter().flat_map(|(live, judgement)| {
            let told = judgement.ways.iter();
            told.filter_map(|way| Some((way.direction.code(), way.hops?)))
                .flat_map(|(way, (fewest, most))| {
                    [("lower", fewest), ("upper", most)]
                        .map(|(bound, hops)| (labels(live, &[way, bound]), f64::from(hops)))
                })
        }),
    );
    page.series(
        table::PATH_LOSS_LONGEST,
        judged.iter().flat_map(|(live, judgement)| {
            judgement.ways.iter().map(|way| {
                (
                    labels(live, &[way.direction.code()]),
                    way.longest_loss_period as f64,
                )
            })
        }),
    );
}

/// One of the plain counters of a path.
type Count = fn(&LivePath) -> u64;
/// One of those that count each direction.
type CountEachWay = fn(&Totals) -> [u64; 2];

fn paths(page: &mut Page, paths: &[LivePath], now: Timestamp, grace: Nanos) {
    let labels = |live: &LivePath| vec![live.path.id.clone(), live.path.class.to_string()];
    let with = |live: &LivePath, more: &[&str]| {
        let mut labels = labels(live);
        labels.extend(more.iter().map(|label| (*label).to_owned()));
        labels
    };
    page.series(
        table::PATH_INFO,
        paths.iter().map(|live| {
            let path = &live.path;
            let ends = [
                path.from.as_str(),
                path.to.as_str(),
                path.from_site.as_str(),
                path.to_site.as_str(),
            ];
            let carriers = [path.from_carrier.as_str(), path.to_carrier.as_str()];
            (with(live, &[&ends[..], &carriers[..]].concat()), 1.0)
        }),
    );
    page.series(
        table::PATH_TARGET,
        paths
            .iter()
            .map(|live| (labels(live), live.path.target.as_secs_f64())),
    );
    page.series(
        table::PATH_FLOOR,
        paths
            .iter()
            .map(|live| (labels(live), live.path.floor_forward.as_secs_f64())),
    );

    let judged: Vec<(&LivePath, &Judgement)> = paths
        .iter()
        .filter_map(|live| {
            Some((
                live,
                live.latest
                    .as_ref()
                    .filter(|latest| latest.is_current(now, grace))?,
            ))
        })
        .collect();
    page.series(
        table::PATH_IMPLIED,
        judged.iter().flat_map(|(live, judgement)| {
            judgement.implied.into_iter().flat_map(|implied| {
                let most = implied.at_most_km.unwrap_or(f64::INFINITY);
                [("lower", implied.at_least_km), ("upper", most)]
                    .map(|(bound, km)| (with(live, &[bound]), km * 1e3))
            })
        }),
    );
    page.series(
        table::PATH_VERDICT,
        judged.iter().flat_map(|(live, judgement)| {
            State::ALL.map(|state| {
                (
                    with(live, &[state.code()]),
                    f64::from(u8::from(judgement.verdict.state == state)),
                )
            })
        }),
    );
    page.series(
        table::PATH_REASON,
        judged.iter().flat_map(|(live, judgement)| {
            let now = judgement.verdict.reason;
            Reason::ALL.map(|reason| {
                (
                    with(live, &[reason.code()]),
                    f64::from(u8::from(now == Some(reason))),
                )
            })
        }),
    );
    let bounds = |pick: fn(&Percentile) -> Option<Span>| {
        judged.iter().flat_map(move |(live, judgement)| {
            PERCENTILES
                .into_iter()
                .filter_map(move |(label, quantile)| Some((label, judgement.percentile(quantile)?)))
                .filter_map(move |(label, percentile)| Some((label, pick(percentile)?)))
                .flat_map(move |(label, span)| {
                    [("lower", span.lo), ("upper", span.hi)]
                        .map(|(bound, ns)| (with(live, &[label, bound]), seconds(ns)))
                })
        })
    };
    page.series(
        table::PATH_ONE_WAY,
        bounds(|percentile| percentile.one_way.map(Span::from)),
    );
    page.series(
        table::PATH_ROUND_TRIP,
        bounds(|percentile| Some(percentile.round_trip)),
    );
    variations(page, &judged);
    flows::series(page, &judged);
    page.series(
        table::PATH_CLOCK,
        judged.iter().filter_map(|(live, judgement)| {
            Some((labels(live), seconds(judgement.clock_error_bound?)))
        }),
    );
    page.series(
        table::PATH_WINDOW,
        judged
            .iter()
            .map(|(live, judgement)| (labels(live), instant(judgement.window_end()))),
    );

    let reported: Vec<&LivePath> = paths.iter().filter(|live| live.totals.sent > 0).collect();
    let counters: [(Metric, Count); 5] = [
        (table::PATH_SENT, |live| live.totals.sent),
        (table::PATH_RECEIVED, |live| live.totals.received),
        (table::PATH_LATE, |live| live.totals.late),
        (table::PATH_SKIPPED, |live| live.totals.skipped),
        (table::PATH_OWN_LOSS, |live| live.totals.own_loss),
    ];
    for (metric, count) in counters {
        page.series(
            metric,
            reported
                .iter()
                .map(|live| (labels(live), count(live) as f64)),
        );
    }
    page.series(
        table::PATH_LOST,
        reported.iter().flat_map(|live| {
            [0, 1, 2].map(|k| (with(live, &[LOST[k]]), live.totals.lost[k] as f64))
        }),
    );
    let each_way: [(Metric, CountEachWay); 5] = [
        (table::PATH_DUPLICATED, |totals| totals.duplicated),
        (table::PATH_HOP_CHANGES, |totals| totals.hop_changes),
        (table::PATH_DSCP_TOLD, |totals| totals.dscp_told),
        (table::PATH_REMARKED, |totals| totals.remarked),
        (table::PATH_CONGESTION, |totals| totals.congestion),
    ];
    for (metric, count) in each_way {
        page.series(
            metric,
            reported.iter().flat_map(|live| {
                let counts = count(&live.totals);
                [0, 1].map(|k| (with(live, &[WAYS[k]]), counts[k] as f64))
            }),
        );
    }
    page.series(
        table::PATH_REORDERED,
        reported.iter().flat_map(|live| {
            [0, 1, 2].map(|k| (with(live, &[LOST[k]]), live.totals.reordered[k] as f64))
        }),
    );
    lengths(page, &reported);
    page.series(
        table::PATH_WITHIN,
        reported
            .iter()
            .filter_map(|live| Some((live, live.totals.within.get(&live.path.target.0)?)))
            .flat_map(|(live, counts)| {
                let target = live.path.target.as_secs_f64().to_string();
                [0, 1, 2].map(|k| (with(live, &[WITHIN[k], &target]), counts[k] as f64))
            }),
    );
    page.series(
        table::PATH_REPORTED,
        paths
            .iter()
            .filter_map(|live| Some((labels(live), instant(live.reported_at?)))),
    );
}

fn probes<'a>(page: &mut Page, probes: impl Iterator<Item = &'a LiveProbe> + Clone) {
    page.series(
        table::PROBE_INFO,
        probes.clone().filter_map(|probe| {
            let caller = probe.caller.as_ref()?;
            let simulated = caller.simulated.to_string();
            Some((
                vec![
                    probe.id.clone(),
                    probe.site.clone(),
                    probe.carrier.clone(),
                    caller.software.clone(),
                    simulated,
                ],
                1.0,
            ))
        }),
    );
    page.series(
        table::PROBE_UP,
        probes.clone().map(|probe| {
            (
                vec![probe.id.clone()],
                f64::from(u8::from(probe.connections > 0)),
            )
        }),
    );
    page.series(
        table::PROBE_CLOCK,
        probes
            .clone()
            .filter_map(|probe| Some((vec![probe.id.clone()], seconds(probe.clock_bound()?)))),
    );
    page.series(
        table::PROBE_REPORTED,
        probes
            .clone()
            .filter_map(|probe| Some((vec![probe.id.clone()], instant(probe.reported_at?)))),
    );
    page.series(
        table::PROBE_AWAITED,
        probes
            .clone()
            .map(|probe| (vec![probe.id.clone()], probe.awaited.count() as f64)),
    );
    page.series(
        table::PROBE_CERTIFICATE,
        probes
            .filter_map(|probe| Some((vec![probe.id.clone()], instant(probe.certificate_until?)))),
    );
}

/// Seconds; the delay of a lost packet is infinite.
fn seconds(span: Nanos) -> f64 {
    if span == Nanos::MAX {
        f64::INFINITY
    } else {
        span.as_secs_f64()
    }
}

fn instant(at: Timestamp) -> f64 {
    (at - Timestamp(0)).as_secs_f64()
}

struct Page {
    out: String,
}

impl Page {
    /// One metric with its series; nothing at all when there are none.
    fn series(&mut self, metric: Metric, series: impl IntoIterator<Item = (Vec<String>, f64)>) {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return;
        }
        self.head(metric);
        for (values, value) in series {
            let labels = metric.labels.iter().zip(&values);
            self.line(metric.name, labels, value);
        }
    }

    /// A histogram with its series; nothing at all when there are none.
    fn histogram<'a>(
        &mut self,
        metric: Metric,
        ruler: Ruler,
        series: impl Iterator<Item = (Vec<String>, &'a Tally)>,
    ) {
        let mut series = series.peekable();
        if series.peek().is_none() {
            return;
        }
        self.head(metric);
        let [bucket, sum, count] =
            ["bucket", "sum", "count"].map(|part| format!("{}_{part}", metric.name));
        for (values, tally) in series {
            let labels = || metric.labels.iter().zip(&values);
            for &edge in ruler.buckets {
                let at_most = ((1_u64 << edge) as f64 * ruler.unit).to_string();
                let held = tally.up_to(edge);
                self.line(&bucket, labels().chain([(&"le", &at_most)]), held as f64);
            }
            let all = tally.count() as f64;
            self.line(&bucket, labels().chain([(&"le", &"+Inf".to_owned())]), all);
            self.line(&sum, labels(), tally.sum as f64 * ruler.unit);
            self.line(&count, labels(), all);
        }
    }

    fn head(
        &mut self,
        Metric {
            name, kind, help, ..
        }: Metric,
    ) {
        let written = writeln!(
            self.out,
            "# HELP {name} {help}\n# TYPE {name} {}",
            kind.code()
        );
        written.expect("writing to a String cannot fail");
    }

    fn line<'a>(
        &mut self,
        name: &str,
        labels: impl Iterator<Item = (&'a &'static str, &'a String)>,
        value: f64,
    ) {
        self.out.push_str(name);
        let mut open = false;
        for (label, value) in labels {
            self.out.push(if open { ',' } else { '{' });
            open = true;
            self.out.push_str(label);
            self.out.push_str("=\"");
            escape(&mut self.out, value);
            self.out.push('"');
        }
        let end = if open { "}" } else { "" };
        let value = if value.is_infinite() {
            "+Inf".to_owned()
        } else {
            value.to_string()
        };
        writeln!(self.out, "{end} {value}").expect("writing to a String cannot fail");
    }
}

/// A label value: backslash, quote and newline are escaped (Prometheus text format 0.0.4).
fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
