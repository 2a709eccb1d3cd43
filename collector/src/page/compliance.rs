//! Periods: all paths under one profile, or one path under all of them; made for reading and for printing.

use maud::{Markup, html};
use owl_measure::time::Timestamp;
use owl_measure::verdict::State;
use owl_measure::verdict::period::{Compliance, Day, Maintenance, Outcome, PeriodProfile, Tally};
use owl_measure::words::Lang;

use super::headings::headings;
use super::matrix::{carriers, ends};
use super::say::{Standing, target};
use super::{Frame, Renewal, Sheet};
use crate::compliance::{ComplianceAnswer, PathCompliance, compared, percents};
use crate::live::Table;

/// What the page tells of.
pub(crate) struct ComplianceView<'a> {
    pub(crate) answer: &'a ComplianceAnswer,
    /// The one path, when one was asked for.
    pub(crate) path: Option<&'a str>,
    /// Periods that are one step away.
    pub(crate) periods: Vec<String>,
}

/// The page.
pub(crate) fn compliance(frame: &Frame<'_>, table: &Table, view: &ComplianceView<'_>) -> Markup {
    let lang = frame.lang;
    let answer = view.answer;
    let body = html! {
        h1 { (lang.pick("Compliance over a period", "周期达标情况")) }
        p { (answer.heading(lang)) }
        (choices(frame, view))
        @match view.path.and_then(|id| answer.paths.iter().find(|path| path.path == id)) {
            Some(path) => (one_path(frame, table, answer, path)),
            None => (all_paths(frame, table, answer)),
        }
        (meaning(lang))
    };
    let other = lang.pick(Lang::Zh, Lang::En);
    let profile = match (view.path, answer.profiles.as_slice()) {
        (None, [profile]) => Some(profile.id.as_str()),
        _ => None,
    };
    let sheet = Sheet {
        title: lang.pick("Compliance", "周期达标"),
        translated: address(&answer.period, profile, view.path, other),
        renewal: Renewal::Never,
    };
    frame.sheet(table, &sheet, &body)
}

/// An address of this page. Periods, profiles and paths are words of letters, digits, `-` and `~`.
fn address(period: &str, profile: Option<&str>, path: Option<&str>, lang: Lang) -> String {
    let mut address = format!("/compliance?period={period}");
    for (name, value) in [("profile", profile), ("path", path)] {
        if let Some(value) = value {
            address.push_str(&format!("&{name}={value}"));
        }
    }
    format!("{address}&lang={}", lang.tag())
}

/// Links to other periods and profiles.
fn choices(frame: &Frame<'_>, view: &ComplianceView<'_>) -> Markup {
    let (lang, answer) = (frame.lang, view.answer);
    let profile = match (view.path, answer.profiles.as_slice()) {
        (None, [profile]) => Some(profile.id.as_str()),
        _ => None,
    };
    html! {
        nav.choices aria-label=(lang.pick("Periods and profiles", "周期与规则")) {
            p {
                (lang.pick("Period: ", "周期："))
                @for period in &view.periods {
                    a href=(address(period, profile, view.path, lang)) { (period) } " "
                }
            }
            @if view.path.is_some() {
                p { a href=(address(&answer.period, None, None, lang)) { (lang.pick("all paths", "全部路径")) } }
            } @else {
                p {
                    (lang.pick("Profile: ", "规则："))
                    @for other in PeriodProfile::all() {
                        @if Some(other.id.as_str()) == profile { b { (other.id) } " " } @else {
                            a href=(address(&answer.period, Some(&other.id), None, lang)) { (other.id) } " "
                        }
                    }
                }
            }
        }
    }
}

/// How a period stands. Where nothing at all was measured that is no bad mark, whatever the rule makes of it.
fn standing(compliance: &Compliance) -> Standing {
    let tally = &compliance.deciding().tally;
    if tally.windows() == tally.gap && tally.unavailable == 0 {
        Standing::NotMeasured
    } else {
        Standing::Judged(compliance.state)
    }
}

fn chip(compliance: &Compliance, lang: Lang) -> Markup {
    let standing = standing(compliance);
    html! { span class=(format!("chip {}", standing.style())) { b { (standing.sign()) } " " (standing.word(lang)) } }
}

fn all_paths(frame: &Frame<'_>, table: &Table, answer: &ComplianceAnswer) -> Markup {
    let lang = frame.lang;
    html! {
        @for profile in &answer.profiles { (rule(profile, lang)) }
        div.wide tabindex="0" role="region" aria-label=(lang.pick("All paths", "全部路径")) {
            table.compliance {
                (headings(&[
                    lang.pick("Path", "路径"),
                    lang.pick("Target", "目标"),
                    lang.pick("Result", "结果"),
                    lang.pick("What is compared", "比较的数值"),
                    lang.pick("Met / missed / undecided / not measured", "达标／未达标／无法判定／未测量"),
                    lang.pick("Coverage", "覆盖率"),
                    lang.pick("Available", "可用率"),
                    lang.pick("In words", "说明"),
                ]))
                tbody {
                    @for path in &answer.paths {
                        @for result in &path.results {
                            tr {
                                th scope="row" {
                                    a href=(address(&answer.period, None, Some(&path.path), lang)) { (name(frame, table, path)) }
                                }
                                td.n { (target(path.target)) }
                                td.state { (chip(result, lang)) }
                                (numbers(result.deciding(), lang))
                                td.words { (words(frame, result)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn one_path(
    frame: &Frame<'_>,
    table: &Table,
    answer: &ComplianceAnswer,
    path: &PathCompliance,
) -> Markup {
    let lang = frame.lang;
    let results = || answer.profiles.iter().zip(&path.results);
    html! {
        h2 { a href=(frame.path_address(&path.path)) { (name(frame, table, path)) } }
        p {
            (lang.pick("Target", "目标")) " " (target(path.target)) " · "
            (lang.pick("layer", "层次")) " " code { (path.layer) } " · "
            (lang.pick("windows of", "窗口")) " " (path.window.to_string()) " · "
            (lang.pick("judged by", "判定规则")) " " code { (path.judged_by) }
        }
        div.wide tabindex="0" role="region" aria-label=(lang.pick("All profiles", "全部规则")) {
            table.compliance {
                (headings(&[
                    lang.pick("Profile", "规则"),
                    lang.pick("Result", "结果"),
                    lang.pick("What is compared", "比较的数值"),
                    lang.pick("Met / missed / undecided / not measured", "达标／未达标／无法判定／未测量"),
                    lang.pick("Coverage", "覆盖率"),
                    lang.pick("Available", "可用率"),
                    lang.pick("In words", "说明"),
                ]))
                tbody {
                    @for (profile, result) in results() {
                        tr {
                            th scope="row" { (profile.id) br; small { (profile.name.pick(lang)) } }
                            td.state { (chip(result, lang)) }
                            (numbers(result.deciding(), lang))
                            td.words { (words(frame, result)) }
                        }
                    }
                }
            }
        }
        @if let Some(first) = path.results.first() {
            (maintenance(frame, first))
            h2 { (lang.pick("Day by day", "逐日")) ", " (first.profile) }
            (days(frame, &first.counted.days))
        }
        h2 { (lang.pick("The rules", "规则")) }
        @for profile in &answer.profiles { (rule(profile, lang)) }
    }
}

/// The rule in words, with its source and what is to be known of its layer.
fn rule(profile: &PeriodProfile, lang: Lang) -> Markup {
    let kept = match profile.maintenance {
        Maintenance::Counted => lang.pick("announced maintenance counts", "申报的维护窗口计入"),
        Maintenance::Excluded => {
            lang.pick("announced maintenance is left out", "申报的维护窗口剔除")
        }
    };
    let (colon, stop) = (lang.pick(": ", "："), lang.pick(". ", "。"));
    html! {
        section.rule {
            p { b { (profile.id) } " — " (profile.name.pick(lang)) (colon) (profile.sentence.pick(lang)) (stop) }
            p.source {
                (lang.pick("Source", "来源")) (colon) (profile.source.pick(lang)) (stop)
                (lang.pick("Layer", "层次")) (colon) (profile.layer.pick(lang)) (stop)
                (lang.pick("Period", "周期")) (colon) (profile.period.pick(lang)) "; " (kept) (stop)
            }
        }
    }
}

/// The cells that hold numbers.
fn numbers(outcome: &Outcome, lang: Lang) -> Markup {
    let Tally {
        met,
        missed,
        undecided,
        gap,
        ..
    } = outcome.tally;
    let available = outcome.available.share();
    html! {
        td.n { @for line in compared(outcome, lang) { div { (line) } } }
        td.n { (met) " / " (missed) " / " (undecided) " / " (gap) }
        td.n { (outcome.coverage.map_or_else(|| "–".to_owned(), |coverage| percents((coverage, coverage)))) }
        td.n { (available.map_or_else(|| "–".to_owned(), percents)) }
    }
}

/// One or two sentences on a result.
fn words(frame: &Frame<'_>, result: &Compliance) -> Markup {
    let lang = frame.lang;
    let outcome = result.deciding();
    let not_tested = standing(result) == Standing::NotMeasured && result.state == State::Missed;
    let out = outcome.available.unavailable;
    html! {
        @if not_tested {
            p { (lang.pick("nothing was measured; under this rule a test that was not made has failed", "没有测量数据；按此规则，未进行的测试视为失败")) }
        }
        @if let Some(why) = result.why { p { (why.sentence(lang)) } }
        @if out > 0 {
            p {
                (out) " " (lang.pick("windows were not available, at most ", "个窗口不可用，最长连续 "))
                (outcome.available.longest_unavailable) (lang.pick(" of them in a row", " 个"))
                @if outcome.tally.unavailable > 0 { "; " (lang.pick("they are left out of the share", "不计入占比")) }
            }
        }
        @if let Some(excused) = &result.excused {
            p {
                (lang.pick("all counted: ", "全部计入：")) (result.counted.state.word(lang)) "; "
                (lang.pick("without announced maintenance: ", "剔除申报的维护：")) (excused.state.word(lang))
            }
        }
        @if result.works.iter().any(|seen| seen.retroactive) {
            p { (lang.pick("maintenance was announced after it had begun: it excuses nothing", "有维护在开始之后才申报：不予剔除")) }
        }
    }
}

/// Maintenance that touches the period, whatever it excuses.
fn maintenance(frame: &Frame<'_>, result: &Compliance) -> Markup {
    let lang = frame.lang;
    let at = |at: Timestamp| frame.zone.minute(at);
    html! {
        @if !result.works.is_empty() {
            h2 { (lang.pick("Maintenance", "维护窗口")) }
            ul {
                @for seen in &result.works {
                    @let works = &seen.works;
                    li {
                        (works.id) ": " (at(works.start)) " – " (at(works.end)) ", " (works.reason) " (" (works.by) "); "
                        (lang.pick("announced ", "申报于 ")) (at(works.declared_at))
                        @if seen.retroactive { b { " — " (lang.pick("after it had begun, so nothing is left out for it", "在开始之后申报，不予剔除")) } }
                    }
                }
            }
        }
    }
}

/// Days as columns: how their windows stand, from the bottom met, missed, undecided, not measured.
fn days(frame: &Frame<'_>, days: &[Day]) -> Markup {
    let lang = frame.lang;
    let parts = |tally: &Tally| {
        [
            (Standing::Judged(State::Met), tally.met),
            (Standing::Judged(State::Missed), tally.missed),
            (Standing::Judged(State::Undecided), tally.undecided),
            (
                Standing::NotMeasured,
                tally.gap + tally.unavailable + tally.excluded,
            ),
        ]
    };
    let bar = |tally: &Tally| {
        let all = parts(tally)
            .iter()
            .map(|(_, count)| count)
            .sum::<u64>()
            .max(1);
        let mut x = 0.0;
        parts(tally).map(|(standing, count)| {
            let width = 300.0 * count as f64 / all as f64;
            x += width;
            (standing, x - width, width)
        })
    };
    html! {
        div.wide tabindex="0" role="region" aria-label=(lang.pick("Day by day", "逐日")) {
            table.compliance {
                (headings(&[
                    lang.pick("Day", "日期"),
                    "",
                    lang.pick("Met", "达标"),
                    lang.pick("Missed", "未达标"),
                    lang.pick("Undecided", "无法判定"),
                    lang.pick("Not measured", "未测量"),
                    lang.pick("Unavailable", "不可用"),
                ]))
                tbody {
                    @for day in days {
                        tr {
                            th scope="row" { (frame.zone.date(day.start)) }
                            td.strip {
                                svg.bar viewBox="0 0 300 10" preserveAspectRatio="none" aria-hidden="true" {
                                    @for (standing, x, width) in bar(&day.tally) {
                                        rect class=(standing.style()) x=(format!("{x:.1}")) y="0" width=(format!("{width:.1}")) height="10" {}
                                    }
                                }
                            }
                            td.n { (day.tally.met) }
                            td.n { (day.tally.missed) }
                            td.n { (day.tally.undecided) }
                            td.n { (day.tally.gap) }
                            td.n { (day.tally.unavailable) }
                        }
                    }
                }
            }
        }
    }
}

/// How the numbers are to be read.
fn meaning(lang: Lang) -> Markup {
    html! {
        p.legend {
            (lang.pick(
                "A share is an interval: at least what is met for certain, at most what is not missed for certain. It is met when its lower end reaches what is required, missed when its upper end does not, and undecided between. What was not measured is neither good nor bad. A clock's error is in every number and does not shrink by averaging. A window is unavailable when more than a fifth of its packets were lost in this direction for certain (ITU-T Y.1540, clause 7, c1 = 0.2 over a window).",
                "占比是一个区间：下端为确定达标的部分，上端为未确定超标的部分。下端达到要求即为达标，上端达不到要求即为未达标，介于其间则无法判定。未测量既不算好也不算坏。时钟误差计入每个数值，不因平均而缩小。某窗口在本方向确定丢失超过五分之一的报文时为不可用（ITU-T Y.1540 第 7 章，c1 = 0.2，以窗口为单位）。",
            ))
        }
    }
}

/// A path in words, or its id when the topology has it no more.
fn name(frame: &Frame<'_>, table: &Table, path: &PathCompliance) -> String {
    table.path(&path.path).map_or_else(
        || path.path.clone(),
        |live| format!("{} ({})", ends(frame, &live.path), carriers(&live.path)),
    )
}
