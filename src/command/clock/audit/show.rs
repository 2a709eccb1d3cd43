//! What the audit found, for a person and for a program.

use owl_measure::clock::audit::{Audit, WINDOW};
use owl_measure::clock::suspicion::{ProbeAudit, ProbeKind, ProbeVerdict};
use owl_measure::time::Nanos;
use owl_measure::verdict::RunVerdict;
use owl_measure::words::Lang;
use serde_json::{Map, Value, json};

use super::folder::Folder;
use crate::terminal::{Side, Table};

/// So many bad lines are printed; the JSON has more of them.
const SAID_MAX: usize = 20;

/// Says on standard error what could not be used.
#[expect(
    clippy::print_stderr,
    reason = "standard output may be JSON that a program reads"
)]
pub(super) fn complain(folder: &Folder, lang: Lang) {
    if folder.without_claims {
        eprintln!(
            "owl: {}",
            lang.pick(
                "there is no claims.csv: no clock claims anything",
                "没有 claims.csv：视为所有时钟均未作声明",
            )
        );
    }
    for complaint in folder.complaints.first.iter().take(SAID_MAX) {
        let (file, line, reason) = (&complaint.file, complaint.line, &complaint.reason);
        eprintln!("owl: {file}:{line}: {reason}");
    }
    let more = folder.complaints.count.saturating_sub(SAID_MAX as u64);
    if more > 0 {
        eprintln!(
            "owl: {}",
            lang.pick(
                format!("{more} more lines could not be used"),
                format!("另有 {more} 行无法使用"),
            )
        );
    }
}

pub(super) fn json(folder: &Folder, audit: &Audit, verdicts: &[RunVerdict]) -> Value {
    let name = |probe: usize| &folder.names[probe];
    let probes: Map<String, Value> = audit
        .probes
        .iter()
        .enumerate()
        .map(|(probe, told)| {
            let alternatives: Vec<_> = told.alternatives.iter().map(|&other| name(other)).collect();
            let told = json!({
                "verdict": verdict_code(told.verdict),
                "kind": told.kind.map(kind_code),
                "offset_ns": told.offsets,
                "alternatives": alternatives,
            });
            (name(probe).clone(), told)
        })
        .collect();
    let pairs: Map<String, Value> = verdicts
        .iter()
        .map(|verdict| {
            let of = verdict.of;
            let told = json!({
                "target": of.target,
                "verdict": verdict.state,
                "evidence": verdict.basis(),
                "a_star": verdict.a_star,
                "since_ns": verdict.since,
                "interval_p95": verdict.delay.map_or([None; 2], |delay| [end(delay.lo), end(delay.hi)]),
            });
            (format!("{}>{}", name(of.from), name(of.to)), told)
        })
        .collect();
    let malformed: Vec<Value> = folder
        .complaints
        .first
        .iter()
        .map(|c| json!({ "file": c.file, "line": c.line, "reason": c.reason }))
        .collect();
    json!({
        "window_s": WINDOW.0 / Nanos::from_secs(1).0,
        "probes": probes,
        "pairs": pairs,
        "malformed": malformed,
        "malformed_count": folder.complaints.count,
        "search_cut": audit.cut,
    })
}

/// An end of an interval; `None` when it has no bound.
fn end(span: Nanos) -> Option<Nanos> {
    (span != Nanos::MAX).then_some(span)
}

fn verdict_code(verdict: ProbeVerdict) -> &'static str {
    match verdict {
        ProbeVerdict::Ok => "ok",
        ProbeVerdict::Suspect => "suspect",
        ProbeVerdict::Faulty => "faulty",
    }
}

fn kind_code(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Offset => "offset",
        ProbeKind::Step => "step",
        ProbeKind::Drift => "drift",
        ProbeKind::Timescale => "timescale",
        ProbeKind::ClockOrAccessAsymmetry => "clock-or-access-asymmetry",
        ProbeKind::Contradiction => "contradiction",
        ProbeKind::Coordinates => "coordinates",
    }
}

pub(super) fn text(folder: &Folder, audit: &Audit, verdicts: &[RunVerdict], lang: Lang) -> String {
    let mut probes = Table::new(&[
        (lang.pick("probe", "探针"), Side::Left),
        (lang.pick("clock", "时钟"), Side::Left),
        (lang.pick("offset", "偏差"), Side::Right),
        (lang.pick("what", "情况"), Side::Left),
    ]);
    for (name, told) in folder.names.iter().zip(&audit.probes) {
        let last = told.offsets.iter().rev().flatten().next();
        probes.row([
            name.clone(),
            verdict_word(told.verdict, lang).to_owned(),
            last.map_or_else(|| "–".to_owned(), ToString::to_string),
            what(told, folder, lang),
        ]);
    }
    let mut paths = Table::new(&[
        (lang.pick("path", "路径"), Side::Left),
        (lang.pick("target", "目标"), Side::Right),
        (lang.pick("verdict", "结论"), Side::Left),
        (lang.pick("p95 at least", "p95 下限"), Side::Right),
        (lang.pick("at most", "上限"), Side::Right),
        (lang.pick("rests on", "依据"), Side::Left),
        ("a*", Side::Right),
    ]);
    for verdict in verdicts {
        let of = verdict.of;
        let shown = |span: Option<Nanos>| span.map_or_else(|| "∞".to_owned(), |s| s.to_string());
        paths.row([
            format!("{}>{}", folder.names[of.from], folder.names[of.to]),
            of.target.to_string(),
            format!("{} {}", verdict.state.sign(), verdict.state.word(lang)),
            verdict
                .delay
                .map_or_else(|| "–".to_owned(), |delay| shown(end(delay.lo))),
            verdict
                .delay
                .map_or_else(|| "–".to_owned(), |delay| shown(end(delay.hi))),
            verdict
                .basis()
                .map_or("–", |basis| basis.word(lang))
                .to_owned(),
            verdict
                .a_star
                .map_or_else(|| "–".to_owned(), |share| format!("{share:.2}")),
        ]);
    }
    let cut = if audit.cut {
        lang.pick(
            "The search for the fewest faulty sources was cut: there may be simpler explanations.\n",
            "对最少故障时间源的搜索被截断：可能存在更简单的解释。\n",
        )
    } else {
        ""
    };
    format!("{probes}{cut}\n{paths}")
}

fn verdict_word(verdict: ProbeVerdict, lang: Lang) -> &'static str {
    match verdict {
        ProbeVerdict::Ok => lang.pick("✓ ok", "✓ 正常"),
        ProbeVerdict::Suspect => lang.pick("? suspect", "? 可疑"),
        ProbeVerdict::Faulty => lang.pick("✗ faulty", "✗ 故障"),
    }
}

/// What seems wrong, and who else it might be.
fn what(told: &ProbeAudit, folder: &Folder, lang: Lang) -> String {
    let Some(kind) = told.kind else {
        return String::new();
    };
    let mut text = match kind {
        ProbeKind::Offset => lang.pick("further off than it claims", "偏差超出其声明"),
        ProbeKind::Step => lang.pick("stepped", "发生跳变"),
        ProbeKind::Drift => lang.pick("drifts", "发生漂移"),
        ProbeKind::Timescale => lang.pick("follows another time scale", "采用了不同的时标"),
        ProbeKind::ClockOrAccessAsymmetry => {
            lang.pick("clock or access asymmetry", "时钟偏差或接入链路不对称")
        }
        ProbeKind::Contradiction => lang.pick("contradicts others", "与其他时钟矛盾"),
        ProbeKind::Coordinates => lang.pick(
            "round trips faster than light: coordinates",
            "往返快于光速：坐标有误",
        ),
    }
    .to_owned();
    if !told.alternatives.is_empty() {
        let others: Vec<&str> = told
            .alternatives
            .iter()
            .map(|&other| folder.names[other].as_str())
            .collect();
        text.push_str(lang.pick("; or it is ", "；或者是 "));
        text.push_str(&others.join(", "));
    }
    text
}
