//! The page of one path: the verdict, what it rests on, and its past.

use maud::{Markup, html};
use owl_measure::verdict::{Population, Quantile};

use super::Frame;
use super::chart::chart;
use super::findings::{concerning, open, revisions};
use super::flows::flows;
use super::headings::headings;
use super::matrix::{carriers, ends};
use super::physics;
use super::sample::{population, ranked};
use super::say::{Standing, basis, between, evidence, limits, target};
use super::ways::{hop_changes, ways};
use crate::judgement::{Judgement, Span};
use crate::live::{LivePath, Table};
use crate::revision::Revision;
use crate::store::HopChange;

/// Windows that are listed in words beside the chart.
const ROWS: usize = 30;

/// What the store tells of a path's past, newest first.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(crate) windows: Vec<Judgement>,
    pub(crate) hop_changes: Vec<HopChange>,
    pub(crate) revisions: Vec<Revision>,
}

/// The page of one path.
pub(crate) fn path(frame: &Frame<'_>, table: &Table, live: &LivePath, past: &Past) -> Markup {
    let lang = frame.lang;
    let judgement = frame.current(live);
    let standing = Standing::of(judgement);
    let id = &live.path.id;
    let title = format!("{} ({})", ends(frame, &live.path), carriers(&live.path));
    let back = format!("{}~{}", live.path.to, live.path.from);
    let body = html! {
        p.trail {
            a href=(frame.address("/")) { (lang.pick("Overview", "总览")) }
            " · " a href=(format!("/compliance?path={id}&lang={}", lang.tag())) { (lang.pick("this month by every rule", "本月，按各规则")) }
            @if table.path(&back).is_some() { " · " a href=(frame.path_address(&back)) { (lang.pick("the way back", "反向路径")) } }
        }
        h1 { (title) }
        p class=(format!("verdict {}", standing.style())) {
            b { (standing.sign()) " " (standing.word(lang)) } " — " (frame.sentence(judgement))
            @if let Some(judgement) = judgement {
                " " a href=(frame.why_address(id, judgement.window_start)) { (lang.pick("why?", "依据")) }
            }
        }
        (super::alerts::maintenance(frame, live))
        (facts(frame, live, judgement))
        h2 { (lang.pick("One-way delay over time", "单向时延变化")) }
        (chart(frame, &past.windows, live.path.target))
        @if let Some(judgement) = judgement { (flows(&judgement.flows, lang)) }
        (open(frame, &concerning(table, live)))
        (hop_changes(frame, &past.hop_changes))
        (revisions(frame, &past.revisions))
        (windows(frame, &past.windows))
    };
    frame.page(table, &format!("/paths/{id}"), &title, &body)
}

fn facts(frame: &Frame<'_>, live: &LivePath, judgement: Option<&Judgement>) -> Markup {
    let lang = frame.lang;
    let path = &live.path;
    let row = |name: &'static str, value: String| html! { div { dt { (name) } dd { (value) } } };
    let p = |percentile: Quantile| format!("p{}", percentile.as_f64() * 100.0);
    let window = format!("{} s", path.profile.interval.as_secs_f64());
    html! {
        dl.facts {
            (row(lang.pick("Path", "路径"), path.id.clone()))
            (row(lang.pick("Carriers", "运营商"), format!("{} → {}", frame.carrier(&path.from_carrier), frame.carrier(&path.to_carrier))))
            (row(lang.pick("Target", "目标"), target(path.target)))
            (row(
                lang.pick("Judged by", "判定规则"),
                lang.pick(
                    format!("profile {}: {} of {}, {}", path.profile.id, p(path.profile.quantile), window, population(path.profile.population, lang)),
                    format!("规则 {}：每 {} 的 {}，{}", path.profile.id, window, p(path.profile.quantile), population(path.profile.population, lang)),
                ),
            ))
            @for (name, value) in physics::rows(path, judgement, lang) { (row(name, value)) }
            @if let Some(judgement) = judgement {
                @if let Some(delay) = judgement.verdict.delay {
                    (row(
                        lang.pick("Interval", "区间"),
                        format!("{} ({})", between(delay.lo, delay.hi), basis(delay.basis, lang)),
                    ))
                }
                @if judgement.coordinates_are_wrong() {
                    (row(
                        lang.pick("Interval", "区间"),
                        lang.pick("none: the coordinates are wrong", "无：站点坐标有误").into(),
                    ))
                }
                @if let Some(ranked) = judgement.verdict.ranked.filter(|_| judgement.verdict.population == Population::Path) {
                    (row(lang.pick("Sample", "样本"), self::ranked(ranked, lang)))
                }
                @if let Some(leaning) = judgement.verdict.leaning {
                    (row(lang.pick("Leans to", "倾向"), leaning.sentence(lang)))
                }
                @if let Some(class) = judgement.verdict.class {
                    (row(lang.pick("Evidence", "证据等级"), format!("{}: {}", class.code(), evidence(class, lang))))
                }
                (row(lang.pick("What limits certainty", "确定性受限于"), limits(judgement, lang)))
                (row(
                    lang.pick("Packets", "报文"),
                    lang.pick(
                        format!(
                            "{} sent, {} received, {} lost this way, {} lost somewhere, {} late",
                            judgement.verdict.sent, judgement.verdict.received, judgement.lost, judgement.lost_unknown, judgement.late
                        ),
                        format!(
                            "发送 {}，收到 {}，本方向丢失 {}，方向不明丢失 {}，迟到 {}",
                            judgement.verdict.sent, judgement.verdict.received, judgement.lost, judgement.lost_unknown, judgement.late
                        ),
                    ),
                ))
                @if judgement.own_loss > 0 {
                    (row(
                        lang.pick("Own loss", "自身丢弃"),
                        lang.pick(
                            format!(
                                "{} of the lost packets at most were dropped at the measuring host's own full socket, not on the path",
                                judgement.own_loss
                            ),
                            format!("丢失报文中至多 {} 个因测量主机自身套接字已满而丢弃，与路径无关", judgement.own_loss),
                        ),
                    ))
                }
                @for (name, value) in ways(&judgement.ways, lang) { (row(name, value)) }
                (row(
                    lang.pick("Window", "窗口"),
                    format!("{} … {}", frame.zone.instant(judgement.window_start), frame.zone.clock(judgement.window_end())),
                ))
            }
        }
    }
}

/// The same as the chart, as text.
fn windows(frame: &Frame<'_>, history: &[Judgement]) -> Markup {
    let lang = frame.lang;
    let span =
        |span: Option<Span>| span.map_or_else(|| "–".into(), |span| between(span.lo, span.hi));
    html! {
        div.wide tabindex="0" role="region" aria-label=(lang.pick("Windows", "窗口")) {
            table {
                caption { (lang.pick("The last windows, newest first: bounds of the one-way delay", "最近的窗口（新的在前）：单向时延的上下界")) }
                (headings(&[
                    lang.pick("Begin", "开始"),
                    lang.pick("Verdict", "判定"),
                    "p50",
                    "p95",
                    "p99",
                    lang.pick("Round trip p95", "往返 p95"),
                    lang.pick("Sent", "发送"),
                    lang.pick("Received", "收到"),
                    lang.pick("In words", "说明"),
                ]))
                tbody {
                    @for judgement in history.iter().take(ROWS) {
                        @let standing = Standing::of(Some(judgement));
                        @let one_way = |quantile| judgement.percentile(quantile).and_then(|p| p.one_way).map(Span::from);
                        tr {
                            th scope="row" { (frame.zone.clock(judgement.window_start)) }
                            td.state { b class=(standing.style()) { (standing.sign()) } " " (standing.word(lang)) }
                            td.n { (span(one_way(Quantile::P50))) }
                            td.n { (span(one_way(Quantile::P95))) }
                            td.n { (span(one_way(Quantile::P99))) }
                            td.n { (span(judgement.percentile(Quantile::P95).map(|p| p.round_trip))) }
                            td.n { (judgement.verdict.sent) }
                            td.n { (judgement.verdict.received) }
                            td.words {
                                (frame.sentence(Some(judgement))) " "
                                a href=(frame.why_address(&judgement.path, judgement.window_start)) { (lang.pick("why?", "依据")) }
                            }
                        }
                    }
                }
            }
        }
    }
}
