//! The page of alerts, and of announced work.

use maud::{Markup, html};
use owl_measure::words::Lang;

use super::Frame;
use super::headings::headings;
use crate::alert::{Alert, Ended, Map, Quiet, Severity};
use crate::live::{LivePath, Table};
use crate::maintenance::{Affected, Maintenance};

/// Paths of an alert that are linked to.
const LINKED: usize = 12;

/// What the store tells besides what goes on.
pub(crate) struct AlertsPast {
    /// Alerts that are over.
    pub(crate) ended: Vec<Ended>,
    /// Work that is announced, and that was.
    pub(crate) works: Vec<Maintenance>,
}

impl Severity {
    /// The sign and the class in the style sheet.
    fn sign(self) -> (&'static str, &'static str) {
        match self {
            Self::Critical => ("✗", "missed"),
            Self::Warning => ("?", "undecided"),
            Self::Info => ("○", "unmeasured"),
        }
    }

    fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::Critical => lang.pick("critical", "严重"),
            Self::Warning => lang.pick("warning", "警告"),
            Self::Info => lang.pick("for information", "提示"),
        }
    }
}

/// The page.
pub(crate) fn alerts(frame: &Frame<'_>, table: &Table, map: &Map, past: &AlertsPast) -> Markup {
    let lang = frame.lang;
    let board = &table.board;
    let body = html! {
        p.trail { a href=(frame.address("/")) { (lang.pick("Overview", "总览")) } }
        h1 { (lang.pick("What should somebody look at?", "有哪些需要处理的告警？")) }
        @if board.alerts.is_empty() {
            p { (lang.pick("Nothing at this moment.", "目前没有告警。")) }
        } @else {
            (list(frame, map, &board.alerts))
        }
        p.legend { (receivers(board.receivers, lang)) }
        h2 { (lang.pick("Announced work", "申报的维护")) }
        (works(frame, &past.works))
        @if !past.ended.is_empty() {
            h2 { (lang.pick("Over within the last day", "最近一天内已结束")) }
            (ended(frame, map, &past.ended))
        }
    };
    frame.page(table, "/alerts", lang.pick("Alerts", "告警"), &body)
}

fn receivers(receivers: usize, lang: Lang) -> String {
    match receivers {
        0 => lang
            .pick(
                "Alerts are shown here only: no receiver is configured. [[alertmanager]] or [[webhook]] in the collector's configuration names one.",
                "告警仅在此处显示：尚未配置接收方。请在采集器配置中以 [[alertmanager]] 或 [[webhook]] 指定。",
            )
            .to_owned(),
        1 => lang.pick("One receiver is told of them.", "告警会通知 1 个接收方。").to_owned(),
        many => lang.pick(
            format!("{many} receivers are told of them."),
            format!("告警会通知 {many} 个接收方。"),
        ),
    }
}

fn list(frame: &Frame<'_>, map: &Map, alerts: &[Alert]) -> Markup {
    let lang = frame.lang;
    html! {
        div.wide tabindex="0" role="region" aria-label=(lang.pick("Alerts", "告警")) {
            table {
                (headings(&[
                    lang.pick("Severity", "级别"),
                    lang.pick("What", "告警"),
                    lang.pick("Since", "开始"),
                    lang.pick("Told", "通知"),
                    lang.pick("In words", "说明"),
                    lang.pick("What to do", "处理建议"),
                ]))
                tbody {
                    @for alert in alerts {
                        @let (sign, style) = alert.severity().sign();
                        tr {
                            td.state { b class=(style) { (sign) } " " (alert.severity().word(lang)) }
                            th scope="row" { (alert.summary(map, lang)) }
                            td.n { (frame.zone.instant(alert.since)) }
                            td { (quiet(frame, map, alert)) }
                            td.words {
                                (alert.told(lang))
                                @for member in alert.paths.iter().take(LINKED) {
                                    " " a href=(frame.path_address(&member.path)) { (member.path) }
                                }
                            }
                            td.words { (alert.kind.action(lang)) }
                        }
                    }
                }
            }
        }
    }
}

fn quiet(frame: &Frame<'_>, map: &Map, alert: &Alert) -> String {
    let lang = frame.lang;
    match &alert.quiet {
        None => lang.pick("yes", "是").to_owned(),
        Some(Quiet::Maintenance { until }) => {
            let until = frame.zone.instant(*until);
            lang.pick(
                format!("muted: maintenance until {until}"),
                format!("静默：维护至 {until}"),
            )
        }
        Some(Quiet::Explained { kind, subject }) => {
            let (subject, word) = (map.said(subject, lang), kind.word(lang));
            lang.pick(
                format!("no: {subject}, {word}, explains it"),
                format!("否：由“{subject}：{word}”引起"),
            )
        }
    }
}

fn ended(frame: &Frame<'_>, map: &Map, ended: &[Ended]) -> Markup {
    let lang = frame.lang;
    html! {
        div.wide tabindex="0" role="region" aria-label=(lang.pick("Over", "已结束")) {
            table {
                (headings(&[
                    lang.pick("What", "告警"),
                    lang.pick("Since", "开始"),
                    lang.pick("Until", "结束"),
                    lang.pick("In words", "说明"),
                ]))
                tbody {
                    @for Ended { alert, at } in ended {
                        tr {
                            th scope="row" { (alert.summary(map, lang)) }
                            td.n { (frame.zone.instant(alert.since)) }
                            td.n { (frame.zone.instant(*at)) }
                            td.words { (alert.told(lang)) }
                        }
                    }
                }
            }
        }
    }
}

fn works(frame: &Frame<'_>, works: &[Maintenance]) -> Markup {
    let lang = frame.lang;
    html! {
        @if works.is_empty() {
            p {
                (lang.pick("None is announced: ", "目前没有申报："))
                code { "owl collector maintenance add" }
            }
        } @else {
            ul {
                @for works in works {
                    li {
                        @if (works.start..works.end).contains(&frame.now) { b { (lang.pick("now: ", "进行中：")) } }
                        (affected(frame, &works.affected)) ", "
                        (frame.zone.minute(works.start)) " – " (frame.zone.minute(works.end)) ", "
                        (works.reason) " (" (works.by) "); "
                        (lang.pick("announced ", "申报于 ")) (frame.zone.minute(works.declared_at))
                        @if works.is_late() { b { " — " (lang.pick("after it had begun, so it excuses nothing", "在开始之后申报，不予剔除")) } }
                        @if let Some(at) = works.ended_at { "; " (lang.pick("ended early ", "提前结束于 ")) (frame.zone.minute(at)) }
                        " · " code { (works.id) }
                    }
                }
            }
        }
    }
}

fn affected(frame: &Frame<'_>, affected: &Affected) -> String {
    let lang = frame.lang;
    match affected {
        Affected::Path(path) => path.clone(),
        Affected::Site(site) => {
            let name = frame.site(&site.as_str().into());
            lang.pick(format!("site {name}"), format!("站点 {name}"))
        }
        Affected::Carrier(carrier) => {
            let name = frame.carrier(&carrier.as_str().into());
            lang.pick(format!("carrier {name}"), format!("运营商 {name}"))
        }
    }
}

/// Until when a path is in maintenance; nothing when it is in none.
pub(super) fn maintenance(frame: &Frame<'_>, live: &LivePath) -> Markup {
    let lang = frame.lang;
    html! {
        @if let Some(until) = live.works_until(frame.now) {
            p.banner role="note" {
                (lang.pick("In announced maintenance until ", "申报的维护进行中，至 ")) (frame.zone.instant(until))
                (lang.pick("; alerts on it are muted.", "；其告警已静默。"))
            }
        }
    }
}

/// The link to the page, with how many of the alerts are told.
pub(super) fn link(frame: &Frame<'_>, table: &Table) -> Markup {
    let alerts = &table.board.alerts;
    let told = alerts.iter().filter(|alert| alert.quiet.is_none()).count();
    html! {
        a href=(frame.address("/alerts")) {
            (frame.lang.pick("Alerts", "告警")) @if told > 0 { " (" (told) ")" }
        }
    }
}
