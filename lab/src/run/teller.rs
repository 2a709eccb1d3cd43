//! What a run says, as a table or as JSON lines.

use std::collections::BTreeMap;
use std::env;
use std::io::{IsTerminal as _, Write};

use owl_measure::words::Lang;
use serde_json::json;

use super::{Form, Lab, Options, PRINT_FIRST, Summary};
use crate::api::Found;
use crate::child::Change;
use crate::sys;
use crate::table::{Paint, Room, draw};

/// Tells of the lab in the form that was asked for.
pub(super) struct Teller {
    form: Form,
    lang: Lang,
    on_terminal: bool,
    paint: Paint,
    printed_verdicts: u64,
    printed_first: bool,
}

impl Teller {
    pub(super) fn new(options: &Options) -> Self {
        let on_terminal = options.form == Form::Text && std::io::stdout().is_terminal();
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            form: options.form,
            lang: options.lang,
            on_terminal,
            paint: if on_terminal && !no_colour {
                Paint::Colour
            } else {
                Paint::Plain
            },
            printed_verdicts: 0,
            printed_first: false,
        }
    }

    /// Nobody reading standard output is no reason to stop a lab.
    pub(super) fn write(out: &mut dyn Write, text: &str) {
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    pub(super) fn json(&self, out: &mut dyn Write, value: &serde_json::Value) {
        if self.form == Form::Json {
            Self::write(out, &format!("{value}\n"));
        }
    }

    pub(super) fn begin(&self, lab: &Lab, out: &mut dyn Write) {
        let probes: BTreeMap<&str, Option<u32>> = lab
            .probes
            .iter()
            .map(|(id, child)| (id.as_str(), child.pid()))
            .collect();
        self.json(
            out,
            &json!({ "lab": {
                "http": format!("http://{}", lab.places.http),
                "intake": lab.places.intake,
                "pid": std::process::id(),
                "collector_pid": lab.collector.pid(),
                "probes": probes,
                "seed": lab.truth.seed,
                "troubles": lab.truth.troubles,
                "clocks": lab.truth.clocks,
                "windows_from_ns": lab.aligned_to,
                "simulated": true,
            }}),
        );
    }

    pub(super) fn change(
        &self,
        name: &str,
        change: Change,
        pid: Option<u32>,
        out: &mut dyn Write,
    ) -> String {
        let key = match change {
            Change::Died => "died",
            Change::Restarted => "restarted",
        };
        self.json(out, &json!({ key: { "name": name, "pid": pid } }));
        let line = match change {
            Change::Died => self
                .lang
                .pick(format!("{name} died"), format!("{name} 已退出")),
            Change::Restarted => self.lang.pick(
                format!("{name} was started again"),
                format!("{name} 已重新启动"),
            ),
        };
        if self.form == Form::Text && !self.on_terminal {
            Self::write(out, &format!("{line}\n"));
        }
        line
    }

    pub(super) fn verdict(&self, compared: &crate::comparison::Compared, out: &mut dyn Write) {
        let told = &compared.told;
        self.json(
            out,
            &json!({ "verdict": {
                "path": told.path,
                "window_start_ns": told.window_start,
                "target_ns": told.target,
                "state": told.state,
                "reason": told.reason,
                "detail": told.detail,
                "evidence": told.evidence,
                "delay": told.delay,
                "sent": told.sent,
                "received": told.received,
                "truth_ns": compared.truth.map(|truth| truth.quantile),
                "truth_sent": compared.truth.map(|truth| truth.sent),
                "truth_lost": compared.truth.map(|truth| truth.lost),
                "against": compared.against,
            }}),
        );
    }

    /// On a terminal the picture is drawn anew; elsewhere it is printed once early and then once for each window.
    pub(super) fn show(&mut self, lab: &Lab, out: &mut dyn Write) {
        if self.form == Form::Json {
            return;
        }
        if self.on_terminal {
            let (columns, rows) = sys::terminal_size().unwrap_or((120, 40));
            let room = Room {
                columns,
                rows: Some(rows),
            };
            let text = draw(&lab.view(self.lang), room, self.paint, self.lang);
            let lines: String = text.lines().map(|line| format!("{line}\x1b[K\n")).collect();
            // Home, the lines, and nothing of the former picture below.
            Self::write(out, &format!("\x1b[H{}\x1b[J", lines.trim_end()));
            return;
        }
        let verdicts = lab.comparison.counts().verdicts;
        let paths = lab.truth.ways.len() as u64;
        let early = !self.printed_first && lab.began.elapsed() >= PRINT_FIRST;
        if early || verdicts >= self.printed_verdicts + paths {
            self.printed_first = true;
            self.printed_verdicts = verdicts;
            self.print(lab, out);
        }
    }

    pub(super) fn print(&self, lab: &Lab, out: &mut dyn Write) {
        let room = Room {
            columns: usize::MAX,
            rows: None,
        };
        Self::write(
            out,
            &format!(
                "{}\n",
                draw(&lab.view(self.lang), room, self.paint, self.lang)
            ),
        );
    }

    pub(super) fn end(&self, lab: &Lab, summary: &Summary, out: &mut dyn Write) {
        self.json(out, &json!({ "summary": summary }));
        if self.form == Form::Text {
            if self.on_terminal {
                Self::write(out, "\x1b[H\x1b[J");
            }
            self.print(lab, out);
            Self::write(out, &said(summary, self.lang));
            Self::write(out, &audit(&summary.audit, self.lang));
        }
    }
}

/// What the collector found wrong; it was not told what was planted.
fn audit(found: &[Found], lang: Lang) -> String {
    if found.is_empty() {
        return String::new();
    }
    let head = lang.pick("found by the mesh's own audit:", "由探针互测审计发现：");
    let lines: String = found
        .iter()
        .map(|found| format!("- {}\n", found.sentence))
        .collect();
    format!("{head}\n{lines}")
}

/// The summary for a person.
fn said(summary: &Summary, lang: Lang) -> String {
    let counts = &summary.counts;
    if counts.verdicts == 0 {
        return lang
            .pick(
                format!("the lab ended after {} s, before its first verdict: nothing to hold against the truth (a window takes 10 s, its verdict comes about 3 s later)\n", summary.seconds),
                format!("实验在 {} 秒后结束，尚无任何判定：没有可与真值对照的内容（一个窗口 10 秒，约 3 秒后给出判定）\n", summary.seconds),
            );
    }
    let sign = |right: bool| if right { "✓" } else { "✗" };
    let found = summary.findings;
    let reasons: Vec<String> = counts
        .undecided_by_reason
        .iter()
        .map(|(reason, n)| format!("{reason} {n}"))
        .collect();
    let reasons = reasons.join(", ");
    lang.pick(
        format!(
            "{} paths, {} verdicts in {} s (SIMULATED): met {}, missed {}, undecided {} ({reasons})\n\
             decided by proof {}, by claimed clocks {}; not compared {}\n\
             {} false verdicts: {}\n\
             {} the detour missed its target\n\
             {} the path near its target was left undecided\n\
             {} the lying clock was noticed and never believed\n\
             reports: {} made, {} stored, {} doubled, {} missing, {} waiting on probes\n",
            summary.paths, counts.verdicts, summary.seconds, counts.met, counts.missed, counts.undecided,
            counts.proved, counts.claimed, counts.not_compared,
            sign(counts.false_verdicts == 0), counts.false_verdicts,
            sign(found.detour_missed), sign(found.near_undecided), sign(found.lie_never_believed),
            summary.reports_made, summary.reports_stored, summary.reports_doubled, summary.reports_missing,
            summary.reports_waiting,
        ),
        format!(
            "{} 条路径，{} 秒内 {} 次判定（模拟）：达标 {}，未达标 {}，无法判定 {}（{reasons}）\n\
             无需时钟即可证明 {}，依据时钟声明 {}；未对照 {}\n\
             {} 误判：{}\n\
             {} 绕行路径判为未达标\n\
             {} 紧贴目标的路径未作判定\n\
             {} 谎报的时钟被发现，且从未被采信\n\
             报告：生成 {}，入库 {}，重复 {}，缺失 {}，探针待传 {}\n",
            summary.paths, summary.seconds, counts.verdicts, counts.met, counts.missed, counts.undecided,
            counts.proved, counts.claimed, counts.not_compared,
            sign(counts.false_verdicts == 0), counts.false_verdicts,
            sign(found.detour_missed), sign(found.near_undecided), sign(found.lie_never_believed),
            summary.reports_made, summary.reports_stored, summary.reports_doubled, summary.reports_missing,
            summary.reports_waiting,
        ),
    )
}
