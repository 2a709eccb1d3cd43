//! Site × site: who reaches whom, by carrier.

use std::collections::BTreeMap;

use maud::{Markup, html};
use owl_topology::{Path, Site};

use super::Frame;
use super::say::{Standing, bound};
use crate::live::{LivePath, Table};

/// The matrix of all sites that have a path; a pair that nobody planned stays empty, which is no bad mark.
pub(super) fn matrix(frame: &Frame<'_>, table: &Table) -> Markup {
    let lang = frame.lang;
    let mut cells: BTreeMap<(&str, &str), Vec<&LivePath>> = BTreeMap::new();
    for live in &table.paths {
        cells
            .entry((live.path.from_site.as_str(), live.path.to_site.as_str()))
            .or_default()
            .push(live);
    }
    let measured = |site: &&Site| {
        cells
            .keys()
            .any(|(from, to)| [*from, *to].contains(&site.id.as_str()))
    };
    let sites: Vec<&Site> = frame.topology.sites.iter().filter(measured).collect();
    html! {
        div.wide tabindex="0" role="region" aria-label=(lang.pick("Site by site", "站点矩阵")) {
            table.matrix {
                thead {
                    tr {
                        th scope="col" { (lang.pick("from \\ to", "起 \\ 止")) }
                        @for to in &sites { th scope="col" { (to.name.pick(lang)) } }
                    }
                }
                tbody {
                    @for from in &sites {
                        tr {
                            th scope="row" { (from.name.pick(lang)) }
                            @for to in &sites {
                                @match cells.get(&(from.id.as_str(), to.id.as_str())) {
                                    Some(paths) => td { @for live in paths { (chip(frame, live)) } },
                                    None if from.id == to.id => td.self aria-hidden="true" {},
                                    None => td.unplanned {
                                        span title=(lang.pick("not planned", "未规划")) { "–" }
                                    },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One path of one carrier: sign, carrier, and the end of the interval that decides.
fn chip(frame: &Frame<'_>, live: &LivePath) -> Markup {
    let judgement = frame.current(live);
    let standing = Standing::of(judgement);
    let bound = judgement.and_then(|judgement| bound(&judgement.verdict));
    let told = format!(
        "{} {}: {} — {}",
        ends(frame, &live.path),
        carriers(&live.path),
        standing.word(frame.lang),
        frame.sentence(judgement)
    );
    html! {
        a class=(format!("chip {}", standing.style())) href=(frame.path_address(&live.path.id)) title=(told) aria-label=(told) {
            b { (standing.sign()) } " " (carriers(&live.path))
            @if let Some(bound) = bound { " " small { (bound) } }
        }
    }
}

/// `ct`, or `ct→cm` between two.
pub(super) fn carriers(path: &Path) -> String {
    if path.from_carrier == path.to_carrier {
        path.from_carrier.to_string()
    } else {
        format!("{}→{}", path.from_carrier, path.to_carrier)
    }
}

/// `Yannan → Shanghai core`
pub(super) fn ends(frame: &Frame<'_>, path: &Path) -> String {
    format!(
        "{} → {}",
        frame.site(&path.from_site),
        frame.site(&path.to_site)
    )
}
