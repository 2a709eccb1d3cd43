//! An explanation for a person: sections of lines, for a terminal and for a page.
//!
//! Spans are written in microseconds with three digits, which is to the
//! nanosecond: a reader with a pocket calculator comes to the same ends.

use owl_measure::clock::{BoundBasis, ClockSource, ClockStatus};
use owl_measure::delay::Basis;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{Quantile, State};
use owl_measure::words::Lang;

use super::check::{Check, Difference};
use super::told::{ReportTold, RuleTold};
use super::{Explained, ground, interval};
use crate::judgement::Seat;
use crate::page::Zone;

/// Epochs, plans and clocks are told once for each run of reports that agree on them; so many runs at most.
const RUNS_MAX: usize = 24;

/// A heading, and what stands below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) lines: Vec<String>,
}

/// A window as it is told where no language is known yet: its begin and its length.
pub(super) fn window(zone: &str, start: Timestamp, length: Nanos) -> String {
    let zone = Zone::named(zone);
    format!("{} + {} s", zone.instant(start), length.as_secs_f64())
}

/// A span to the nanosecond; `∞` for one without bound.
pub(super) fn us(span: Nanos) -> String {
    if span == Nanos::MAX {
        return "∞".into();
    }
    // By whole numbers: a float has not enough digits for every span.
    let (sign, ns) = (if span.0 < 0 { "−" } else { "" }, span.0.unsigned_abs());
    format!("{sign}{}.{:03} µs", ns / 1_000, ns % 1_000)
}

pub(super) fn percentile(quantile: Quantile) -> String {
    quantile.to_string()
}

impl Explained {
    /// The explanation as text.
    pub fn text(&self, lang: Lang) -> String {
        let (headline, sections) = self.sections(lang);
        let mut text = format!("{headline}\n");
        for Section { title, lines } in sections {
            text.push_str(&format!("\n{title}\n"));
            for line in lines {
                text.push_str(&format!("  {line}\n"));
            }
        }
        text
    }

    /// The headline, and the sections below it.
    pub(crate) fn sections(&self, lang: Lang) -> (String, Vec<Section>) {
        let zone = Zone::named(self.rule.as_ref().map_or("UTC", |rule| &rule.timezone));
        let mut sections = vec![Section {
            title: lang.pick("Rule", "规则"),
            lines: self.rule_lines(lang),
        }];
        sections.push(Section {
            title: lang.pick("Reports", "上报"),
            lines: self.report_lines(&zone, lang),
        });
        if let Some(mesh) = &self.mesh {
            sections.push(Section {
                title: lang.pick("Clocks, audited by the mesh", "时钟（全网审计）"),
                lines: mesh.lines(lang),
            });
        }
        if let Some(told) = &self.explanation {
            sections.push(Section {
                title: lang.pick("Packets", "报文"),
                lines: interval::packets(told, &self.verdict, lang),
            });
            for step in &told.steps {
                sections.push(Section {
                    title: match step.basis {
                        Basis::Proved => lang.pick("Interval, proved", "区间（已证明）"),
                        Basis::Claimed => lang.pick("Interval, claimed", "区间（据声明）"),
                        Basis::Assumed => lang.pick("Interval, assumed", "区间（据假设）"),
                    },
                    lines: interval::lines(step, told, lang),
                });
            }
        }
        sections.push(Section {
            title: lang.pick("Decision", "判定"),
            lines: self.decision(&zone, lang),
        });
        sections.push(Section {
            title: lang.pick("Recomputed from the store", "依据存储重新计算"),
            lines: self.check_lines(lang),
        });
        (self.headline(&zone, lang), sections)
    }

    fn headline(&self, zone: &Zone, lang: Lang) -> String {
        let judgement = &self.verdict;
        let state = judgement.verdict.state;
        format!(
            "{}  {}  {} s\n{} {}{}",
            judgement.path,
            zone.instant(judgement.window_start),
            judgement.window.as_secs_f64(),
            state.sign(),
            state.word(lang),
            self.tail(zone, lang),
        )
    }

    /// What stands behind the state: the reason, or the interval and what it is worth.
    fn tail(&self, zone: &Zone, lang: Lang) -> String {
        let judgement = &self.verdict;
        let mut tail = String::new();
        if let Some(detail) = judgement.detail(lang, |at| zone.instant(at)) {
            tail.push_str(&format!(" — {detail}"));
        }
        if let Some(delay) = judgement.verdict.delay {
            tail.push_str(&format!(
                " · {} {} {} … {} ({})",
                percentile(judgement.quantile),
                lang.pick("in", "区间"),
                us(delay.lo),
                us(delay.hi),
                delay.basis.word(lang),
            ));
        }
        let target = us(judgement.verdict.target);
        tail.push_str(&format!(" · {} {target}", lang.pick("target", "目标")));
        if let Some(class) = judgement.verdict.class {
            let class = class.code();
            tail.push_str(&format!(" · {} {class}", lang.pick("evidence", "证据等级")));
        }
        tail
    }

    fn rule_lines(&self, lang: Lang) -> Vec<String> {
        let mut lines = match &self.rule {
            None => vec![
                lang.pick(
                    "not kept with this verdict; what follows is what the store says of it",
                    "该判定未保存规则，以下仅为存储中的记录",
                )
                .to_owned(),
            ],
            Some(rule) => rule_lines(rule, lang),
        };
        if !self.also_judged_by.is_empty() {
            let others = self.also_judged_by.join(", ");
            lines.push(lang.pick(
                format!("other profiles judged this instant, too: {others} (--profile)"),
                format!("该时刻另有其他规则的判定：{others}（--profile）"),
            ));
        }
        lines
    }

    fn report_lines(&self, zone: &Zone, lang: Lang) -> Vec<String> {
        let Some(seat) = self.verdict.seat else {
            return vec![
                lang.pick(
                    "none, neither of the path's own session nor of the opposite one",
                    "无：本路径与反向路径的会话均无上报",
                )
                .to_owned(),
            ];
        };
        let mut lines = vec![match seat {
            Seat::Own => lang.pick(
                format!("{} of the path's own session, forward", self.reports.len()),
                format!("本路径自身会话的 {} 份，取前向", self.reports.len()),
            ),
            Seat::Opposite => lang.pick(
                format!(
                    "{} of the opposite session, backward, because the own one did not report",
                    self.reports.len()
                ),
                format!(
                    "反向路径会话的 {} 份，取后向（本路径会话无上报）",
                    self.reports.len()
                ),
            ),
        }];
        for report in &self.reports {
            lines.push(report_line(report, zone, lang));
        }
        lines.extend(clock_lines(&self.reports, lang));
        if self.kept_inputs {
            lines.push(
                lang.pick(
                    "the reports themselves are no longer kept: all of this is from the window's kept inputs, which were digested when it was judged",
                    "上报原文已不再保存：以上均取自该窗口保留的判定输入，其摘要在判定时生成",
                )
                .to_owned(),
            );
        }
        if let Some(inputs) = &self.verdict.inputs {
            lines.push(lang.pick(
                format!(
                    "judged from {} reports, sha256 {}",
                    inputs.reports, inputs.sha256
                ),
                format!(
                    "判定时依据 {} 份上报，sha256 {}",
                    inputs.reports, inputs.sha256
                ),
            ));
        }
        lines
    }

    fn decision(&self, zone: &Zone, lang: Lang) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(told) = &self.explanation {
            lines.extend(ground::lines(told, lang));
        } else {
            lines.extend(self.verdict.detail(lang, |at| zone.instant(at)));
        }
        if self.verdict.why.is_some() {
            lines.push(
                lang.pick(
                    "why nothing was measured is told as it was stored: it depends on who was connected then",
                    "未测量的原因按存储原样给出：它取决于当时的连接情况，无法重新计算",
                )
                .to_owned(),
            );
        }
        lines
    }

    fn check_lines(&self, lang: Lang) -> Vec<String> {
        let mut lines = match &self.recomputed {
            Check::Identical => {
                let why = self.verdict.why.is_some();
                vec![match why {
                    false => lang.pick(
                        "identical, octet for octet (all but the instant of the judgement)",
                        "一致：逐字节相同（判定时刻除外）",
                    ),
                    true => lang.pick(
                        "identical, octet for octet (all but the instant of the judgement, and why nothing was measured)",
                        "一致：逐字节相同（判定时刻与未测量原因除外）",
                    ),
                }
                .to_owned()]
            }
            Check::Differs { differences } => self.difference_lines(differences, lang),
            Check::RulesNotKept => vec![
                lang.pick(
                    "not possible: it was judged by a version of owl that kept no rules with its verdicts",
                    "无法进行：该判定由不保存规则的旧版本作出",
                )
                .to_owned(),
            ],
            Check::OtherJudge { method } => vec![lang.pick(
                format!("not possible here: it was judged by method {method}, which this version of owl does not have"),
                format!("此版本无法进行：该判定采用方法 {method}"),
            )],
        };
        if self.pending {
            lines.push(
                lang.pick(
                    "reports came since that this verdict has not seen: it will be judged again",
                    "此后又收到该判定未计入的上报，窗口将重新判定",
                )
                .to_owned(),
            );
        }
        lines
    }

    fn difference_lines(&self, differences: &[Difference], lang: Lang) -> Vec<String> {
        let mut lines = vec![
            lang.pick("it DIFFERS from what is stored:", "与存储内容不一致：")
                .to_owned(),
        ];
        let said = |value: &Option<serde_json::Value>| {
            value
                .as_ref()
                .map_or_else(|| "–".to_owned(), ToString::to_string)
        };
        for difference in differences {
            let (stored, now) = (said(&difference.stored), said(&difference.recomputed));
            lines.push(lang.pick(
                format!("{}: stored {stored}, recomputed {now}", difference.field),
                format!("{}：存储为 {stored}，重算为 {now}", difference.field),
            ));
        }
        let of_inputs = |name: &str| differences.iter().any(|d| d.field == name);
        let cause = if of_inputs("inputs.reports") {
            lang.pick(
                "the store holds another number of reports of this window than were judged",
                "存储中该窗口的上报数量与判定时不同",
            )
        } else if of_inputs("inputs.sha256") {
            lang.pick(
                "the reports in the store are not the ones that were judged",
                "存储中的上报不是判定时所依据的上报",
            )
        } else {
            lang.pick(
                "the reports of this path are those that were judged; so the stored verdict was changed, or reports of other paths in this window were",
                "本路径的上报与判定时一致；因此要么存储的判定被改动，要么该窗口内其他路径的上报被改动",
            )
        };
        lines.push(cause.to_owned());
        lines
    }
}

fn rule_lines(rule: &RuleTold, lang: Lang) -> Vec<String> {
    let profile = &rule.profile;
    let coverage = f64::from(profile.min_coverage_ppm) / 1e4;
    let (quantile, seconds) = (percentile(profile.quantile), profile.interval.as_secs_f64());
    let generation = rule.generation.get(..12).unwrap_or(&rule.generation);
    let mut lines = vec![
        lang.pick(
            format!(
                "target {} for class {} in topology {}, generation {generation}, by which the window began",
                us(rule.target),
                rule.class,
                rule.topology
            ),
            format!(
                "目标 {}：拓扑 {}（版本 {generation}，窗口开始时有效）的路径类 {}",
                us(rule.target),
                rule.topology,
                rule.class
            ),
        ),
        lang.pick(
            format!(
                "profile {}: {quantile} of {seconds} s over the packets sent, a lost one infinitely late; {} packets back \
                 and {coverage} % of the plan sent at the least",
                profile.id, profile.min_samples
            ),
            format!(
                "规则 {}：每 {seconds} s 已发报文的 {quantile}，丢失视为时延无穷；至少返回 {} 个报文、发送计划的 {coverage} %",
                profile.id, profile.min_samples
            ),
        ),
    ];
    let floors = rule.floors;
    lines.push(lang.pick(
        format!(
            "floors F_ij = {}, F_ji = {}: light in vacuum over 0.995 × {:.3} km, less the accuracy of both coordinates",
            us(floors.forward),
            us(floors.backward),
            rule.declared.great_circle_km
        ),
        format!(
            "下限 F_ij = {}，F_ji = {}：真空中的光走过 0.995 × {:.3} km，再减去两端坐标精度",
            us(floors.forward),
            us(floors.backward),
            rule.declared.great_circle_km
        ),
    ));
    for site in &rule.sites {
        lines.push(format!(
            "{}: {}° N {}° E ± {} km",
            site.id, site.place.lat, site.place.lon, site.place.accuracy_km
        ));
    }
    lines.push(lang.pick(
        format!("method {}, rulebook sha256 {}", rule.method, rule.rulebook),
        format!("方法 {}，规则集 sha256 {}", rule.method, rule.rulebook),
    ));
    lines
}

fn report_line(report: &ReportTold, zone: &Zone, lang: Lang) -> String {
    let number = &report.number;
    let received = report
        .received_at
        .map_or_else(|| "–".into(), |at| zone.instant(at));
    lang.pick(
        format!(
            "no. {} of {} (epoch {:016x}): {} + {} s, flow {}, {} sent, {} back, {} late, {} lost ({} there, {} back), received {received}",
            number.sequence, number.probe, number.epoch, zone.instant(report.start), report.length.as_secs_f64(), report.flow,
            report.sent, report.received, report.late, report.lost, report.lost_forward, report.lost_backward
        ),
        format!(
            "{1} 的第 {0} 份（纪元 {2:016x}）：{3} + {4} s，流 {5}，发送 {6}，返回 {7}，迟到 {8}，丢失 {9}（去程 {10}，回程 {11}），收到于 {received}",
            number.sequence, number.probe, number.epoch, zone.instant(report.start), report.length.as_secs_f64(), report.flow,
            report.sent, report.received, report.late, report.lost, report.lost_forward, report.lost_backward
        ),
    )
}

/// The clocks of both ends, once for each run of reports that say the same.
fn clock_lines(reports: &[ReportTold], lang: Lang) -> Vec<String> {
    let mut runs: Vec<(u64, u64, String)> = Vec::new();
    for report in reports {
        let said = clocks(report, lang);
        match runs.last_mut() {
            Some((_, last, before)) if *before == said => *last = report.number.sequence,
            _ => runs.push((report.number.sequence, report.number.sequence, said)),
        }
    }
    let more = runs.len().saturating_sub(RUNS_MAX);
    let mut lines: Vec<String> = runs
        .into_iter()
        .take(RUNS_MAX)
        .map(|(first, last, said)| {
            lang.pick(
                format!("clocks in no. {first} to {last}: {said}"),
                format!("第 {first} 至 {last} 份的时钟：{said}"),
            )
        })
        .collect();
    if more > 0 {
        lines.push(lang.pick(
            format!("and {more} more, all in the JSON"),
            format!("另有 {more} 段，见 JSON"),
        ));
    }
    lines
}

fn clocks(report: &ReportTold, lang: Lang) -> String {
    let clock = &report.clock;
    let status = match clock.status {
        ClockStatus::Synchronised => lang.pick("synchronised", "已同步"),
        ClockStatus::Holdover => lang.pick("in holdover", "保持"),
        ClockStatus::Free => lang.pick("free", "自由运行"),
        ClockStatus::Disrupted => lang.pick("disrupted", "中断"),
    };
    let source = match clock.source {
        ClockSource::Unknown => lang.pick("source unknown", "来源未知"),
        ClockSource::Ptp => "PTP",
        ClockSource::Gnss => "GNSS",
        ClockSource::Ntp => "NTP",
        ClockSource::Simulated => lang.pick("simulated", "模拟"),
    };
    let own = match clock.bound {
        None => lang.pick("claims nothing".to_owned(), "不作声明".to_owned()),
        Some(bound) => {
            let basis = match clock.basis {
                Some(BoundBasis::Measured) => lang.pick("measured", "实测"),
                Some(BoundBasis::Engineered) => lang.pick("engineered", "设计"),
                Some(BoundBasis::Declared) | None => lang.pick("declared", "声明"),
            };
            let bound = us(bound);
            lang.pick(
                format!("within {bound} of UTC ({basis})"),
                format!("与 UTC 相差不超过 {bound}（{basis}）"),
            )
        }
    };
    let peer = &report.peer_clock;
    let far = if peer.claims > 0 && peer.no_claims == 0 {
        let widest = us(peer.widest);
        lang.pick(
            format!("the far end's clock claims {widest} in every reply"),
            format!("对端在每个应答中声明不超过 {widest}"),
        )
    } else {
        lang.pick(
            format!(
                "the far end's clock claims nothing in {} of {} replies",
                peer.no_claims,
                peer.claims.saturating_add(peer.no_claims)
            ),
            format!(
                "对端在 {} / {} 个应答中不作声明",
                peer.no_claims,
                peer.claims.saturating_add(peer.no_claims)
            ),
        )
    };
    let steps = if clock.steps > 0 {
        lang.pick(
            format!(", {} steps: its delays are not used", clock.steps),
            format!("，发生 {} 次跳变，其时延不采用", clock.steps),
        )
    } else {
        String::new()
    };
    let (early, late) = (
        us(clock.transmit_stamp_error),
        us(clock.receive_stamp_error),
    );
    lang.pick(
        format!("the sender's is {status} ({source}), {own}{steps}, stamps {early} early or {late} late at most; {far}"),
        format!("发送端{status}（{source}），{own}{steps}，时间戳至多早 {early} 或晚 {late}；{far}"),
    )
}

/// The word for a decided state's comparison with the target.
pub(super) fn compared(state: State, lo: Nanos, hi: Nanos, target: Nanos, lang: Lang) -> String {
    let (lo, hi, target) = (us(lo), us(hi), us(target));
    match state {
        State::Met => lang.pick(
            format!("the upper end {hi} ≤ target {target}: met"),
            format!("上限 {hi} ≤ 目标 {target}：达标"),
        ),
        State::Missed => lang.pick(
            format!("the lower end {lo} > target {target}: missed"),
            format!("下限 {lo} > 目标 {target}：未达标"),
        ),
        State::Undecided => lang.pick(
            format!("the target {target} lies between {lo} and {hi}: undecided"),
            format!("目标 {target} 介于 {lo} 与 {hi} 之间：无法判定"),
        ),
    }
}
