//! Findings as a table for a person and as JSON for a program.

use std::net::SocketAddr;

use owl_measure::delay::OneWayDelay;
use owl_measure::distribution::Bounds;
use owl_measure::sample::{PeerClock, Sample, StampSource};
use owl_measure::summary::StampCounts;
use owl_measure::time::Nanos;
use owl_measure::verdict::{Quantile, Reason, Verdict};
use owl_measure::words::Lang;
use serde_json::{Value, json};

use super::findings::{Findings, SHOWN, Spread, Way, min_samples};
use super::flows;
use super::limit::Limit;
use super::patterns;
use super::session::Ended;
use super::told::Told;
use crate::command::own_clock;
use crate::terminal::{Side, Table};

/// A session that is over, and what it was.
pub(super) struct Result<'a> {
    pub(super) reflector: SocketAddr,
    pub(super) interval: Nanos,
    pub(super) found: &'a Findings,
    pub(super) told: Told<'a>,
    pub(super) ended: &'a Ended,
    pub(super) judged: Option<Judged>,
}

/// Verdicts, forward and backward, and the quantile they are about.
pub(super) struct Judged {
    pub(super) quantile: Quantile,
    pub(super) verdicts: [Verdict; 2],
}

const WAYS: [(&str, &str); 2] = [("forward", "前向"), ("backward", "反向")];

/// [`Nanos::MAX`] stands for a packet that did not come back.
fn span(span: Nanos, lang: Lang) -> String {
    if span == Nanos::MAX {
        lang.pick("lost", "丢失").to_owned()
    } else {
        span.to_string()
    }
}

fn at_most(bounds: Option<Bounds>, lang: Lang) -> String {
    span(bounds.map_or(Nanos::MAX, |bounds| bounds.at_most), lang)
}

fn or_dash(span: Option<Nanos>) -> String {
    span.map_or_else(|| "-".to_owned(), |span| span.to_string())
}

impl Result<'_> {
    /// The whole of it for a person.
    pub(super) fn text(&self, lang: Lang) -> String {
        let mut lines = vec![self.packets(lang)];
        lines.extend(self.silence(lang));
        lines.extend(patterns::lines(self.found, lang));
        lines.extend([self.sender(lang), self.clocks(lang), self.limit(lang)]);
        let first = match self.found.flows() {
            [] => "",
            _ => lang.pick("flow 0: ", "流 0："),
        };
        let told = self.told.lines(lang).into_iter();
        lines.extend(told.map(|line| format!("{first}{line}")));
        let mut text = format!("{}\n", self.table(lang));
        let flows = self.found.flows();
        if !flows.is_empty() {
            text.push_str(&flows::text(flows, &self.ended.source_ports, lang));
        }
        text.push_str(&lines.join("\n"));
        for line in self.verdicts(lang) {
            text.push('\n');
            text.push_str(&line);
        }
        text.push('\n');
        text
    }

    fn table(&self, lang: Lang) -> String {
        let right = |name| (name, Side::Right);
        let mut table = Table::new(&[
            ("", Side::Left),
            right(lang.pick("min", "最小")),
            right("p50"),
            right("p95"),
            right("p99"),
            right(lang.pick("max", "最大")),
            right("PDV p95"),
            right("IPDV p95"),
            right(lang.pick("lost", "丢失")),
            right(lang.pick("dup", "重复")),
            right(lang.pick("reord", "乱序")),
        ]);
        let spread = |spread: &Spread| {
            let [p50, p95, p99] = spread.quantiles.map(|bounds| at_most(bounds, lang));
            [or_dash(spread.min), p50, p95, p99, or_dash(spread.max)]
        };
        for (way, name) in self.found.ways.iter().zip(WAYS) {
            let name = lang.pick(name.0, name.1);
            let raw = lang.pick("clock difference included", "含时钟差");
            let [min, p50, p95, p99, max] = spread(&way.raw);
            let variation = [way.pdv_p95, way.ipdv_p95]
                .map(|bounds| or_dash(bounds.map(|bounds| bounds.at_most)));
            let [pdv, ipdv] = variation;
            let counts = [way.lost, way.duplicated, way.reordered].map(|count| count.to_string());
            let [lost, duplicated, reordered] = counts;
            table.row([
                format!("{name} ({raw})"),
                min,
                p50,
                p95,
                p99,
                max,
                pdv,
                ipdv,
                lost,
                duplicated,
                reordered,
            ]);
            // Faster than light: the last line says that the distance is wrong, and no interval follows from it.
            let Some(one_way) = way.one_way else { continue };
            let rests_on = one_way[1].basis.word(lang);
            let mut end = |label: &str, ends: [Nanos; 3]| {
                let mut row = <[String; 11]>::default();
                row[0] = format!("  {label} ({rests_on})");
                [row[2], row[3], row[4]] = ends.map(|end| span(end, lang));
                table.row(row);
            };
            end(
                lang.pick("one-way at least", "单向不小于"),
                one_way.map(|delay| delay.lo),
            );
            end(
                lang.pick("one-way at most", "单向不大于"),
                one_way.map(|delay| delay.hi),
            );
        }
        let mut row = <[String; 11]>::default();
        row[0] = lang.pick("round trip", "往返").to_owned();
        for (cell, value) in row[1..].iter_mut().zip(spread(&self.found.round_trip)) {
            *cell = value;
        }
        table.row(row);
        table.to_string()
    }

    fn packets(&self, lang: Lang) -> String {
        let counts = &self.found.counts;
        let share = 100.0 * counts.lost as f64 / counts.sent.max(1) as f64;
        let open = counts
            .sent
            .saturating_sub(counts.received + counts.late + counts.lost);
        let mut line = lang.pick(
            format!(
                "packets: {} sent, {} received, {} late, {} lost ({share:.2} %: {} forward, {} backward, {} unknown which way)",
                counts.sent, counts.received, counts.late, counts.lost, self.found.ways[0].lost, self.found.ways[1].lost, counts.lost_somewhere
            ),
            format!(
                "报文：发送 {}，接收 {}，迟到 {}，丢失 {}（{share:.2} %：前向 {}，反向 {}，方向未知 {}）",
                counts.sent, counts.received, counts.late, counts.lost, self.found.ways[0].lost, self.found.ways[1].lost, counts.lost_somewhere
            ),
        );
        let rest = [
            (open, lang.pick("unanswered when stopped", "停止时尚未应答")),
            (
                self.ended.unsent,
                lang.pick("refused by the kernel", "内核拒绝发送"),
            ),
            (
                self.ended.strangers,
                lang.pick("datagrams of strangers", "无关报文"),
            ),
            (
                self.ended.unshown,
                lang.pick("samples not shown", "未显示的样本"),
            ),
        ];
        for (count, name) in rest.into_iter().filter(|(count, _)| *count > 0) {
            line.push_str(&lang.pick(format!(", {count} {name}"), format!("，{name} {count}")));
        }
        line
    }

    fn silence(&self, lang: Lang) -> Option<String> {
        let silence = self.ended.silence?;
        Some(lang.pick(
            format!("nothing came back for the last {silence}"),
            format!("最后 {silence} 没有任何应答"),
        ))
    }

    fn sender(&self, lang: Lang) -> String {
        let counts = &self.found.counts;
        let stamps = |counts: StampCounts| {
            let all = counts.hardware + counts.kernel + counts.user;
            lang.pick(
                format!("kernel {}/{all}", counts.kernel),
                format!("内核 {}/{all}", counts.kernel),
            )
        };
        let hops = match self.found.flows() {
            [] => self.told.hops(lang),
            _ => lang.pick("of each flow above", "见上表").to_owned(),
        };
        let mut line = lang.pick(
            format!(
                "stamps: T1 {}, T4 {}; hops: {hops}; sent late by {} at most",
                stamps(counts.transmit_stamps),
                stamps(counts.receive_stamps),
                counts.lateness_max
            ),
            format!(
                "时间戳：T1 {}，T4 {}；跳数：{hops}；发送最多晚 {}",
                stamps(counts.transmit_stamps),
                stamps(counts.receive_stamps),
                counts.lateness_max
            ),
        );
        if counts.skipped > 0 {
            line.push_str(&lang.pick(
                format!("; {} send times went by unused", counts.skipped),
                format!("；错过 {} 个发送时刻", counts.skipped),
            ));
        }
        line
    }

    fn clocks(&self, lang: Lang) -> String {
        let own = own_clock::sentence(&self.found.own_clock, lang);
        let far = match self.found.counts.peer_clock.bound() {
            Some(bound) => lang.pick(
                format!("within {bound} of UTC, it says"),
                format!("自称与 UTC 相差不超过 {bound}"),
            ),
            None => lang.pick("no claim", "不作声明").to_owned(),
        };
        let mut line = lang.pick(
            format!("clocks: here {own}; there {far}"),
            format!("时钟：本端{own}；远端{far}"),
        );
        if let Some(apart) = self.found.clocks_apart() {
            line.push_str(&lang.pick(
                format!(
                    "; they differ by {apart} at least, so one of them is off by {} or more",
                    Nanos(apart.0 / 2)
                ),
                format!(
                    "；两者至少相差 {apart}，因此其中之一至少偏差 {}",
                    Nanos(apart.0 / 2)
                ),
            ));
        }
        line
    }

    fn limit(&self, lang: Lang) -> String {
        let sentence = Limit::of(self.found).sentence(lang);
        lang.pick(
            format!("what limits the certainty: {sentence}"),
            format!("确定性受限于：{sentence}"),
        )
    }

    fn verdicts(&self, lang: Lang) -> Vec<String> {
        let Some(judged) = &self.judged else {
            return Vec::new();
        };
        let line = |(verdict, name): (&Verdict, (&str, &str))| {
            let (state, name) = (verdict.state, lang.pick(name.0, name.1));
            let mut line = format!(
                "{} {name} {} ≤ {}: {}",
                state.sign(),
                judged.quantile,
                verdict.target,
                state.word(lang)
            );
            if let Some(delay) = verdict.delay {
                let (lo, hi) = (span(delay.lo, lang), span(delay.hi, lang));
                line.push_str(&format!(" [{lo}, {hi}] {}", delay.basis.word(lang)));
            }
            if let Some(class) = verdict.class {
                line.push_str(&lang.pick(
                    format!(", class {}", class.code()),
                    format!("，{} 类证据", class.code()),
                ));
            }
            if let Some(reason) = verdict.reason {
                line.push_str(&format!(": {}", reason.sentence(lang)));
                if reason == Reason::Samples {
                    let needed = min_samples(judged.quantile);
                    line.push_str(&lang.pick(
                        format!(" ({needed} are needed)"),
                        format!("（至少需要 {needed} 个）"),
                    ));
                }
            }
            line
        };
        judged.verdicts.iter().zip(WAYS).map(line).collect()
    }

    /// The whole of it for a program.
    pub(super) fn json(&self, lang: Lang) -> Value {
        let (found, counts) = (self.found, &self.found.counts);
        let limit = Limit::of(found);
        json!({
            "kind": "result",
            "reflector": self.reflector.to_string(),
            "interval_ns": self.interval,
            "packets": {
                "sent": counts.sent,
                "received": counts.received,
                "late": counts.late,
                "lost": counts.lost,
                "lost_somewhere": counts.lost_somewhere,
                "skipped": counts.skipped,
                "unsent": self.ended.unsent,
                "strangers": self.ended.strangers,
                "not_shown": self.ended.unshown,
            },
            "silence_ns": self.ended.silence,
            "lateness_max_ns": counts.lateness_max,
            "stamps": { "t1": stamps_json(counts.transmit_stamps), "t4": stamps_json(counts.receive_stamps) },
            "forward": way_json(&found.ways[0]),
            "backward": way_json(&found.ways[1]),
            "somewhere": patterns::json(&found.somewhere),
            "round_trip": spread_json(&found.round_trip),
            "floor_ns": found.floors.forward,
            "clock": {
                "own": own_clock::described(&found.own_clock),
                "far_bound_ns": counts.peer_clock.bound(),
                "apart_at_least_ns": found.clocks_apart(),
            },
            "told": self.told.json(),
            "flows": flows::json(found.flows(), &self.ended.source_ports),
            "limit": { "code": limit.code(), "sentence": limit.sentence(lang) },
            "verdict": self.judged.as_ref().map(|judged| json!({
                "quantile": judged.quantile,
                "forward": verdict_json(&judged.verdicts[0]),
                "backward": verdict_json(&judged.verdicts[1]),
            })),
        })
    }
}

/// A span without end is `null`.
fn ns(span: Nanos) -> Value {
    if span == Nanos::MAX {
        Value::Null
    } else {
        json!(span)
    }
}

pub(super) fn bounds_json(bounds: Option<Bounds>) -> Value {
    json!(
        bounds
            .map(|bounds| json!({ "at_least_ns": bounds.at_least, "at_most_ns": bounds.at_most }))
    )
}

fn spread_json(spread: &Spread) -> Value {
    let mut value = json!({ "min_ns": spread.min, "max_ns": spread.max });
    for (quantile, bounds) in SHOWN.iter().zip(spread.quantiles) {
        value[quantile.to_string()] = bounds_json(bounds);
    }
    value
}

fn one_way_json(delay: &OneWayDelay) -> Value {
    json!({ "lo_ns": ns(delay.lo), "hi_ns": ns(delay.hi), "basis": delay.basis })
}

fn way_json(way: &Way) -> Value {
    let mut one_way = json!({});
    for (quantile, delay) in SHOWN.iter().zip(way.one_way.iter().flatten()) {
        one_way[quantile.to_string()] = one_way_json(delay);
    }
    json!({
        "raw": spread_json(&way.raw),
        "one_way": one_way,
        "pdv_p95": bounds_json(way.pdv_p95),
        "ipdv_p95": bounds_json(way.ipdv_p95),
        "lost": way.lost,
        "duplicated": way.duplicated,
        "reordered": way.reordered,
        "patterns": patterns::json(&way.patterns),
    })
}

fn stamps_json(counts: StampCounts) -> Value {
    json!({ "hardware": counts.hardware, "kernel": counts.kernel, "user": counts.user })
}

fn verdict_json(verdict: &Verdict) -> Value {
    let mut value = json!(verdict);
    if let Some(delay) = &verdict.delay {
        value["delay"] = one_way_json(delay);
    }
    value
}

/// Where a stamp was taken, for a person.
pub(super) fn stamp_source(source: StampSource, lang: Lang) -> &'static str {
    match source {
        StampSource::Hardware => lang.pick("by the interface", "由网卡"),
        StampSource::Kernel => lang.pick("by the kernel", "由内核"),
        StampSource::User => lang.pick("by this process", "由本进程"),
    }
}

/// One packet that came back, for a program.
pub(super) fn sample_json(sample: &Sample, flow: u32) -> Value {
    let source = |source| match source {
        StampSource::Hardware => "hardware",
        StampSource::Kernel => "kernel",
        StampSource::User => "user",
    };
    json!({
        "kind": "sample",
        "sequence": sample.sequence,
        "flow": flow,
        "t1_sent_ns": sample.origin,
        "t1_ns": sample.sent_at.at,
        "t1_source": source(sample.sent_at.source),
        "t2_ns": sample.reflector_received_at,
        "t3_ns": sample.reflector_sent_at,
        "t4_ns": sample.received_at.at,
        "t4_source": source(sample.received_at.source),
        "ttl": sample.forward_header.ttl,
        "reply_ttl": sample.backward_header.ttl,
        "far_bound_ns": match sample.peer_clock {
            PeerClock::Within(bound) => Some(bound),
            PeerClock::NoClaim => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::delay::findings::tests::{HONEST, Path};
    use owl_protocol::session::sender::{Observations, Question, TrafficClass};
    use unicode_width::UnicodeWidthStr as _;

    fn shown(path: &Path, show: impl Fn(&Result<'_>) -> String) -> String {
        let found = path.findings();
        let ended = Ended {
            reports: Vec::new(),
            observations: Observations::default(),
            source_ports: Vec::new(),
            unsent: 0,
            strangers: 0,
            unshown: 0,
            silence: Some(Nanos::from_secs(12)),
        };
        let verdicts = found.judged(Nanos::from_millis(2), Quantile::P95);
        show(&Result {
            reflector: "192.0.2.1:862".parse().unwrap(),
            interval: Nanos::from_millis(100),
            found: &found,
            told: Told {
                seen: &ended.observations,
                asked: Question::default(),
                sent: TrafficClass::default(),
            },
            ended: &ended,
            judged: Some(Judged {
                quantile: Quantile::P95,
                verdicts,
            }),
        })
    }

    #[test]
    fn both_languages_say_the_same_in_as_many_lines() {
        let lines = |lang| shown(&HONEST, |result| result.text(lang)).lines().count();
        assert_eq!(lines(Lang::En), lines(Lang::Zh));
        let (heading_and_rows, gap, sentences, verdicts) = (8, 1, 5, 2);
        assert_eq!(
            lines(Lang::En),
            heading_and_rows + gap + sentences + verdicts
        );
        let silence = "nothing came back for the last 12.000 s\n";
        assert!(shown(&HONEST, |result| result.text(Lang::En)).contains(silence));
    }

    #[test]
    fn no_line_of_the_table_is_wider_than_a_wide_terminal() {
        for lang in [Lang::En, Lang::Zh] {
            let table = shown(
                &Path {
                    theta: -3_000_000,
                    ..HONEST
                },
                |result| result.table(lang),
            );
            for line in table.lines() {
                assert!(line.width() <= 150, "{} columns: {line}", line.width());
            }
        }
    }

    #[test]
    fn clocks_that_cannot_agree_are_said_to_be_off() {
        let text = shown(
            &Path {
                theta: -3_000,
                ..HONEST
            },
            |result| result.text(Lang::En),
        );
        assert!(
            text.contains("differ by 2.500 ms at least, so one of them is off by 1.250 ms or more"),
            "{text}"
        );
    }

    #[test]
    fn json_holds_no_infinite_number() {
        let json = shown(&HONEST, |result| result.json(Lang::En).to_string());
        assert!(!json.contains(&i64::MAX.to_string()), "{json}");
    }
}
