//! The page of findings, and what other pages say of them.

use maud::{Markup, html};

use super::Frame;
use super::headings::headings;
use crate::finding::Finding;
use crate::live::{LivePath, Table};
use crate::revision::{Revision, Said};

/// Findings that another page names; the page of findings has them all.
const NAMED: usize = 5;

/// The page of findings.
pub(crate) fn findings(frame: &Frame<'_>, table: &Table, found: &[Finding]) -> Markup {
    let lang = frame.lang;
    let body = html! {
        p.trail { a href=(frame.address("/")) { (lang.pick("Overview", "总览")) } }
        h1 { (lang.pick("What is wrong with clocks, coordinates and routes?", "时钟、坐标与路由有何问题？")) }
        @if found.is_empty() {
            p { (lang.pick("Nothing was found so far.", "目前没有发现问题。")) }
        } @else {
            (list(frame, found))
        }
        p.legend {
            (lang.pick(
                "A finding that is proved opens with the first window that shows it, a suspicion with the third of five; it closes when five windows in a row have seen the probe without it.",
                "已证明的问题在首个显示它的窗口即开启，可疑问题需五个窗口中有三个显示；连续五个窗口未再显示则关闭。",
            ))
        }
    };
    let title = lang.pick("Findings", "发现的问题");
    frame.page(table, "/findings", title, &body)
}

fn list(frame: &Frame<'_>, found: &[Finding]) -> Markup {
    let lang = frame.lang;
    html! {
        div.wide tabindex="0" role="region" aria-label=(lang.pick("Findings", "发现的问题")) {
            table {
                (headings(&[
                    lang.pick("State", "状态"),
                    lang.pick("What", "问题"),
                    lang.pick("Where", "对象"),
                    lang.pick("Since", "开始"),
                    lang.pick("Last seen", "最近显示"),
                    lang.pick("Size", "大小"),
                    lang.pick("In words", "说明"),
                ]))
                tbody {
                    @for finding in found {
                        tr {
                            td.state {
                                @if finding.open { b.missed { "✗" } " " (lang.pick("open", "未解决")) }
                                @else { b.met { "✓" } " " (lang.pick("over", "已结束")) }
                            }
                            td { (finding.last.kind.word(lang)) }
                            th scope="row" { (finding.last.subject) }
                            td.n { (frame.zone.instant(finding.since)) }
                            td.n { (frame.zone.instant(finding.seen_until)) }
                            td.n { (finding.size().unwrap_or_else(|| "–".into())) }
                            td.words { (frame.finding(finding)) }
                        }
                    }
                }
            }
        }
    }
}

/// The open findings in a few lines; nothing when there are none.
pub(super) fn open(frame: &Frame<'_>, found: &[&Finding]) -> Markup {
    let lang = frame.lang;
    html! {
        @if !found.is_empty() {
            h2 { (lang.pick("Clocks, coordinates and routes", "时钟、坐标与路由")) }
            ul.findings {
                @for finding in found.iter().take(NAMED) {
                    li {
                        a.chip.missed href=(frame.address("/findings")) { b { "✗" } " " (finding.last.kind.word(lang)) }
                        " " (frame.finding(finding))
                    }
                }
            }
            p {
                a href=(frame.address("/findings")) {
                    (lang.pick(format!("All findings ({} open)", found.len()), format!("全部问题（{} 个未解决）", found.len())))
                }
            }
        }
    }
}

/// Of the open findings those that concern a path.
pub(super) fn concerning<'a>(table: &'a Table, live: &LivePath) -> Vec<&'a Finding> {
    let (from, to) = (live.path.from.as_str(), live.path.to.as_str());
    let found = table.findings.iter();
    found.filter(|finding| finding.concerns(from, to)).collect()
}

/// Verdicts of a path that were given anew; nothing when there are none.
pub(super) fn revisions(frame: &Frame<'_>, revisions: &[Revision]) -> Markup {
    let lang = frame.lang;
    let said = |said: &Said| {
        let state = format!("{} {}", said.state.sign(), said.state.word(lang));
        match said.delay {
            Some(delay) => {
                format!("{state}, {}", super::say::between(delay.lo, delay.hi))
            }
            None => state,
        }
    };
    html! {
        @if !revisions.is_empty() {
            h2 { (lang.pick("Verdicts given anew", "重新判定的记录")) }
            div.wide tabindex="0" role="region" aria-label=(lang.pick("Verdicts given anew", "重新判定的记录")) {
                table {
                    (headings(&[
                        lang.pick("When", "时间"),
                        lang.pick("Window", "窗口"),
                        lang.pick("Before", "原判定"),
                        lang.pick("Since", "现判定"),
                        lang.pick("Why", "原因"),
                    ]))
                    tbody {
                        @for revision in revisions {
                            tr {
                                th scope="row" { (frame.zone.instant(revision.after.judged_at)) }
                                td.n { (frame.zone.instant(revision.window_start)) }
                                td { (said(&revision.before)) }
                                td { (said(&revision.after)) }
                                td.words { (revision.why.sentence(lang)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Frame<'_> {
    fn finding(&self, finding: &Finding) -> String {
        finding.sentence(self.lang, |at| self.zone.instant(at))
    }
}
