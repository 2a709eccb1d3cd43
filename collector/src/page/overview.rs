//! The first page: the targets, what misses them or cannot be told, the matrix, the probes.

use maud::{Markup, html};
use owl_measure::clock::{BoundBasis, ClockSource};
use owl_measure::verdict::{EvidenceClass, State};
use owl_measure::words::Lang;
use owl_topology::PathClass;

use super::Frame;
use super::findings::open;
use super::headings::headings;
use super::matrix::{carriers, ends, matrix};
use super::say::{Standing, class_name, target};
use crate::judgement::Judgement;
use crate::live::{LivePath, LiveProbe, Table};

/// Paths that are listed one by one; the matrix shows all.
const FINDINGS_MAX: usize = 8;

/// The first page.
pub(crate) fn overview(frame: &Frame<'_>, table: &Table) -> Markup {
    let lang = frame.lang;
    let body = html! {
        h1 { (lang.pick("Are the targets met?", "目标达成了吗？")) }
        div.cards {
            @for class in &frame.topology.classes { (scorecard(frame, table, class)) }
        }
        (findings(frame, table))
        (open(frame, &table.findings.iter().collect::<Vec<_>>()))
        h2 { (lang.pick("Site by site", "站点矩阵")) }
        p.legend {
            @for standing in Standing::ALL {
                span class=(format!("chip {}", standing.style())) { b { (standing.sign()) } " " (standing.word(lang)) } " "
            }
            span { "– " (lang.pick("not planned", "未规划")) }
        }
        (matrix(frame, table))
        h2 { (lang.pick("Probes", "探针")) }
        (probes(frame, table))
    };
    frame.page(table, "/", lang.pick("Overview", "总览"), &body)
}

/// Paths of one class, by how they stand.
#[derive(Default)]
struct Tally {
    counts: [usize; 4],
    /// Of the decided ones, those that rest on what the clocks claim.
    claimed: usize,
}

impl Tally {
    fn of(&self, standing: Standing) -> usize {
        Standing::ALL
            .iter()
            .position(|one| *one == standing)
            .map_or(0, |k| self.counts[k])
    }

    fn count(&mut self, judgement: Option<&Judgement>) {
        let standing = Standing::of(judgement);
        if let Some(k) = Standing::ALL.iter().position(|one| *one == standing) {
            self.counts[k] += 1;
        }
        let class = judgement.and_then(|judgement| judgement.verdict.class);
        self.claimed += usize::from(class.is_some_and(|class| class != EvidenceClass::B));
    }

    fn all(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Between what the share of met paths lies, in percent: whatever is not known may be either.
    fn share(&self) -> Option<(f64, f64)> {
        let percent = |count: usize| 100.0 * count as f64 / self.all() as f64;
        let met = self.of(Standing::Judged(State::Met));
        (self.all() > 0).then(|| {
            (
                percent(met),
                percent(self.all() - self.of(Standing::Judged(State::Missed))),
            )
        })
    }
}

fn scorecard(frame: &Frame<'_>, table: &Table, class: &PathClass) -> Markup {
    let lang = frame.lang;
    let paths: Vec<&LivePath> = table
        .paths
        .iter()
        .filter(|live| live.path.class == class.id)
        .collect();
    let mut tally = Tally::default();
    paths
        .iter()
        .for_each(|live| tally.count(frame.current(live)));
    let worst = paths
        .iter()
        .filter_map(|live| Some((*live, frame.current(live)?)))
        .max_by_key(|(_, judgement)| badness(judgement));
    let (met, all) = (tally.of(Standing::Judged(State::Met)), tally.all());
    html! {
        section.card aria-label=(class_name(class, lang)) {
            h2 { (class_name(class, lang)) " " span.goal { "≤ " (target(class.target)) } }
            p.score { b { (met) } " / " (all) " " span { (lang.pick("paths met", "条路径达标")) } }
            @if let Some((lo, hi)) = tally.share() {
                p.share { @if (hi - lo).abs() < 0.05 { (format!("{lo:.0} %")) } @else { (format!("{lo:.0} – {hi:.0} %")) } }
                (bar(&tally, lang))
            }
            ul.tally {
                @for standing in Standing::ALL {
                    li { b class=(standing.style()) { (standing.sign()) } " " (tally.of(standing)) " " (standing.word(lang)) }
                }
            }
            p.words { (in_words(&tally, lang)) }
            @if let Some((live, judgement)) = worst {
                p.worst {
                    (lang.pick("Worst: ", "最差："))
                    a href=(frame.path_address(&live.path.id)) { (ends(frame, &live.path)) " (" (carriers(&live.path)) ")" }
                    (lang.pick(": ", "：")) (frame.sentence(Some(judgement)))
                }
            }
        }
    }
}

/// The same shares as a bar; the numbers stand beside it.
fn bar(tally: &Tally, lang: Lang) -> Markup {
    let width = |standing| 300.0 * tally.of(standing) as f64 / tally.all().max(1) as f64;
    let parts = Standing::ALL.iter().scan(0.0, |x, &standing| {
        let start = *x;
        *x += width(standing);
        Some((standing, start))
    });
    html! {
        svg.bar viewBox="0 0 300 10" preserveAspectRatio="none" role="img" aria-label=(in_words(tally, lang)) {
            @for (standing, x) in parts {
                rect class=(standing.style()) x=(format!("{x:.1}")) y="0" width=(format!("{:.1}", width(standing))) height="10" {}
            }
        }
    }
}

/// The tally as a sentence. "For certain" is said only of proofs; what rests on clocks is as good as their claims.
fn in_words(tally: &Tally, lang: Lang) -> &'static str {
    let of = |state| tally.of(Standing::Judged(state));
    let unknown = of(State::Undecided) + tally.of(Standing::NotMeasured);
    let proved = tally.claimed == 0;
    match (of(State::Met), of(State::Missed), unknown) {
        (0, 0, _) => lang.pick("Nothing can be said yet.", "目前还无法下结论。"),
        (_, 0, 0) if proved => lang.pick(
            "Every path keeps the target, for certain.",
            "所有路径确定达标。",
        ),
        (_, 0, 0) => lang.pick(
            "Every path keeps the target, as far as the clocks' own bounds hold.",
            "所有路径达标，前提是时钟自身的误差界成立。",
        ),
        (_, 0, _) => lang.pick(
            "No path is known to miss the target; some cannot be told.",
            "没有已知未达标的路径；部分无法判定。",
        ),
        (_, _, 0) if proved => lang.pick(
            "Some paths miss the target, for certain.",
            "部分路径确定未达标。",
        ),
        (_, _, 0) => lang.pick(
            "Some paths miss the target, as far as the clocks' own bounds hold.",
            "部分路径未达标，前提是时钟自身的误差界成立。",
        ),
        _ if proved => lang.pick(
            "Some paths miss the target for certain; others cannot be told.",
            "部分路径确定未达标，部分无法判定。",
        ),
        _ => lang.pick(
            "Some paths miss the target, as far as the clocks' own bounds hold; others cannot be told.",
            "部分路径未达标，前提是时钟自身的误差界成立；部分无法判定。",
        ),
    }
}

/// Missed before undecided before met, then by how far the judged quantile may be from the target.
fn badness(judgement: &Judgement) -> (u8, i64) {
    let verdict = &judgement.verdict;
    let state = match verdict.state {
        State::Missed => 2,
        State::Undecided => 1,
        State::Met => 0,
    };
    let far = verdict.delay.map_or(0, |delay| {
        if verdict.state == State::Missed {
            delay.lo.0
        } else {
            delay.hi.0
        }
    });
    (state, far.saturating_mul(1_000) / verdict.target.0.max(1))
}

/// The paths that miss the target, are undecided or were not measured; the worst first.
fn findings(frame: &Frame<'_>, table: &Table) -> Markup {
    let lang = frame.lang;
    let judged = table
        .paths
        .iter()
        .filter_map(|live| Some((live, frame.current(live)?)));
    let mut found: Vec<_> = judged
        .filter(|(_, judgement)| judgement.verdict.state != State::Met)
        .collect();
    found.sort_by_key(|(_, judgement)| std::cmp::Reverse(badness(judgement)));
    html! {
        @if !found.is_empty() {
            h2 { (lang.pick("Missed, undecided or not measured", "未达标、无法判定或未测量的路径")) }
            ul.findings {
                @for (live, judgement) in found.iter().take(FINDINGS_MAX) {
                    @let standing = Standing::of(Some(judgement));
                    li {
                        a class=(format!("chip {}", standing.style())) href=(frame.path_address(&live.path.id)) {
                            b { (standing.sign()) } " " (standing.word(lang))
                        }
                        " " (ends(frame, &live.path)) " (" (carriers(&live.path)) ")" (lang.pick(": ", "：")) (frame.sentence(Some(judgement)))
                    }
                }
            }
            @if found.len() > FINDINGS_MAX {
                p { (lang.pick("and more in the matrix below: ", "更多见下方矩阵：")) (found.len() - FINDINGS_MAX) }
            }
        }
    }
}

fn probes(frame: &Frame<'_>, table: &Table) -> Markup {
    let lang = frame.lang;
    html! {
        div.wide tabindex="0" role="region" aria-label=(lang.pick("Probes", "探针")) {
            table {
                (headings(&[
                    lang.pick("Probe", "探针"),
                    lang.pick("Site", "站点"),
                    lang.pick("Carrier", "运营商"),
                    lang.pick("Connection", "连接"),
                    lang.pick("Clock error at most", "时钟误差界"),
                    lang.pick("Source", "时钟源"),
                    lang.pick("Last report", "最近上报"),
                    lang.pick("Plan", "计划"),
                ]))
                tbody { @for probe in table.probes.values() { (probe_row(frame, probe)) } }
            }
        }
    }
}

fn probe_row(frame: &Frame<'_>, probe: &LiveProbe) -> Markup {
    let lang = frame.lang;
    let site = frame.site(&probe.site.as_str().into());
    let carrier = frame.carrier(&probe.carrier.as_str().into());
    html! {
        tr {
            th scope="row" { (probe.id) }
            td { (site) }
            td { (carrier) }
            td {
                @if probe.is_connected() { b.met { "✓" } " " (lang.pick("connected", "已连接")) }
                @else if probe.caller.is_some() { b.missed { "✗" } " " (lang.pick("not connected", "未连接")) }
                @else { "– " (lang.pick("never called", "从未连接")) }
            }
            td {
                @match (&probe.clock, probe.clock_bound()) {
                    (_, Some(bound)) => { "±" (bound) }
                    (Some(_), None) => { (lang.pick("no claim", "无声明")) }
                    (None, None) => { "–" }
                }
            }
            td { @if let Some((clock, _)) = &probe.clock { (source(clock.source, lang)) @if let Some((_, basis)) = clock.bound { ", " (bound_basis(basis, lang)) } } @else { "–" } }
            td { @match probe.reported_at { Some(at) => (frame.zone.instant(at)), None => "–" } }
            td { (plan(probe, lang)) }
        }
    }
}

/// The generation that a probe follows, the one that it is to follow, and why it does not.
fn plan(probe: &LiveProbe, lang: Lang) -> Markup {
    let (plan, wanted) = (&probe.plan, probe.wanted);
    let follows = plan.generation();
    html! {
        @if follows == 0 { "–" }
        @else if follows >= wanted { (follows) }
        @else { (follows) " " b.unknown { "→" } " " (wanted) }
        @if plan.on_trial { " (" (lang.pick("on trial", "试行")) ")" }
        @if let Some(stage) = probe.stage { ", " (lang.pick("stage", "阶段")) " " (stage) }
        @if let Some(told) = plan.turned_down() {
            br; b.missed { "✗" } " " (told.generation) ": " (told.said(lang))
        }
    }
}

fn source(source: ClockSource, lang: Lang) -> &'static str {
    match source {
        ClockSource::Unknown => lang.pick("unknown", "未知"),
        ClockSource::Ptp => "PTP",
        ClockSource::Gnss => "GNSS",
        ClockSource::Ntp => "NTP",
        ClockSource::Simulated => lang.pick("simulated", "模拟"),
    }
}

fn bound_basis(basis: BoundBasis, lang: Lang) -> &'static str {
    match basis {
        BoundBasis::Measured => lang.pick("measured", "实测"),
        BoundBasis::Engineered => lang.pick("engineered", "工程设计"),
        BoundBasis::Declared => lang.pick("declared", "声明"),
    }
}
