//! Findings as a table for a person and as JSON for a program.

use std::net::SocketAddr;

use owl_measure::delay::OneWayDelay;
use owl_measure::distribution::Bounds;
use owl_measure::sample::{Sample, StampSource};
use owl_measure::time::Nanos;
use owl_measure::words::Lang;
use serde_json::{Value, json};

use super::findings::{DIRECTIONS, Findings, SHOWN, Spread, Way};
use super::flows;
use super::judged::Judged;
use super::limit::Limit;
use super::lines;
use super::member::Over;
use super::numbers;
use super::patterns;
use super::route::Routes;
use super::session::Ended;
use super::table::{WayRow, or_dash, table};
use super::told::Told;
use crate::command::own_clock;

/// A session that is over, and what it was.
pub(super) struct Result<'a> {
    pub(super) reflector: SocketAddr,
    pub(super) interval: Nanos,
    pub(super) found: &'a Findings,
    pub(super) told: Told<'a>,
    pub(super) ended: &'a Ended,
    pub(super) over: Option<Over<'a>>,
    pub(super) routes: Routes,
    pub(super) judged: Option<Judged>,
}

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

fn ends(delay: &OneWayDelay, lang: Lang) -> [String; 2] {
    [span(delay.lo, lang), span(delay.hi, lang)]
}

impl Result<'_> {
    /// The whole of it for a person.
    pub(super) fn text(&self, lang: Lang) -> String {
        let limit = Limit::of(self.found).sentence(lang);
        let mut lines = vec![self.packets(lang)];
        lines.extend(self.silence(lang));
        lines.extend(patterns::lines(self.found, lang));
        lines.extend([
            self.sender(lang),
            self.clocks(lang),
            lines::limit(&limit, lang),
        ]);
        lines.extend(self.over.as_ref().map(|over| over.line(lang)));
        lines.extend(self.routes.line(lang));
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
        let verdicts = self.judged.as_ref().map(|judged| judged.lines(ends, lang));
        for line in verdicts.into_iter().flatten() {
            text.push('\n');
            text.push_str(&line);
        }
        text.push('\n');
        text
    }

    fn table(&self, lang: Lang) -> String {
        let spread = |spread: &Spread| {
            let [p50, p95, p99] = spread.quantiles.map(|bounds| at_most(bounds, lang));
            [or_dash(spread.min), p50, p95, p99, or_dash(spread.max)]
        };
        let ways = self.found.ways.iter().zip(DIRECTIONS);
        let ways = ways.map(|(way, direction)| WayRow {
            direction,
            raw: spread(&way.raw),
            variation: [way.pdv_p95, way.ipdv_p95],
            counts: [way.lost, way.duplicated, way.reordered],
            // Faster than light: a line below says that the distance is wrong, and no interval follows from it.
            one_way: way.one_way,
        });
        let round_trip = (
            lang.pick("round trip", "往返"),
            spread(&self.found.round_trip),
        );
        table(ways, ends, round_trip, lang)
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
            (
                counts.own_loss,
                lang.pick(
                    "at most dropped at this host's own full socket, not on the path",
                    "其中因本机套接字已满而丢弃、与路径无关者至多",
                ),
            ),
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
        line.push_str(&lines::rest(rest, lang));
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
        let hops = match self.found.flows() {
            [] => self.told.hops(lang),
            _ => lang.pick("of each flow above", "见上表").to_owned(),
        };
        let mut line = lang.pick(
            format!(
                "stamps: T1 {}, T4 {}; hops: {hops}; sent late by {} at most",
                lines::stamps(counts.transmit_stamps, lang),
                lines::stamps(counts.receive_stamps, lang),
                counts.lateness_max
            ),
            format!(
                "时间戳：T1 {}，T4 {}；跳数：{hops}；发送最多晚 {}",
                lines::stamps(counts.transmit_stamps, lang),
                lines::stamps(counts.receive_stamps, lang),
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
        let far = self.found.counts.peer_clock.bound();
        let mut line = lines::clocks(&self.found.own_clock, far, lang);
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
                "own_loss": counts.own_loss,
                "skipped": counts.skipped,
                "unsent": self.ended.unsent,
                "strangers": self.ended.strangers,
                "not_shown": self.ended.unshown,
            },
            "silence_ns": self.ended.silence,
            "lateness_max_ns": counts.lateness_max,
            "stamps": { "t1": numbers::stamps(counts.transmit_stamps), "t4": numbers::stamps(counts.receive_stamps) },
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
            "member": self.over.as_ref().map(Over::json),
            "implied": self.routes.json(),
            "limit": { "code": limit.code(), "sentence": limit.sentence(lang) },
            "verdict": self.judged.as_ref().map(Judged::json),
        })
    }
}

fn spread_json(spread: &Spread) -> Value {
    let mut value = json!({ "min_ns": spread.min, "max_ns": spread.max });
    for (quantile, bounds) in SHOWN.iter().zip(spread.quantiles) {
        value[quantile.to_string()] = numbers::bounds(bounds);
    }
    value
}

fn way_json(way: &Way) -> Value {
    let mut one_way = json!({});
    for (quantile, delay) in SHOWN.iter().zip(way.one_way.iter().flatten()) {
        one_way[quantile.to_string()] = numbers::one_way(delay);
    }
    json!({
        "raw": spread_json(&way.raw),
        "one_way": one_way,
        "pdv_p95": numbers::bounds(way.pdv_p95),
        "ipdv_p95": numbers::bounds(way.ipdv_p95),
        "lost": way.lost,
        "duplicated": way.duplicated,
        "reordered": way.reordered,
        "patterns": patterns::json(&way.patterns),
    })
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
    json!({
        "kind": "sample",
        "sequence": sample.sequence,
        "flow": flow,
        "t1_sent_ns": sample.origin,
        "t1_ns": sample.sent_at.at,
        "t1_source": numbers::source(sample.sent_at.source),
        "t2_ns": sample.reflector_received_at,
        "t3_ns": sample.reflector_sent_at,
        "t4_ns": sample.received_at.at,
        "t4_source": numbers::source(sample.received_at.source),
        "ttl": sample.forward_header.ttl,
        "reply_ttl": sample.backward_header.ttl,
        "far_bound_ns": numbers::claim(sample.peer_clock),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::delay::findings::tests::{HONEST, Path, asked};
    use owl_protocol::session::sender::{Observations, Question, TrafficClass};
    use unicode_width::UnicodeWidthStr as _;

    fn shown(path: &Path, show: impl Fn(&Result<'_>) -> String) -> String {
        shown_of(&path.findings(), show)
    }

    fn shown_of(found: &Findings, show: impl Fn(&Result<'_>) -> String) -> String {
        let ended = Ended {
            reports: Vec::new(),
            observations: Observations::default(),
            source_ports: Vec::new(),
            replies_over: None,
            unsent: 0,
            strangers: 0,
            unshown: 0,
            silence: Some(Nanos::from_secs(12)),
        };
        show(&Result {
            reflector: "192.0.2.1:862".parse().unwrap(),
            interval: Nanos::from_millis(100),
            found,
            told: Told {
                seen: &ended.observations,
                asked: Question::default(),
                sent: TrafficClass::default(),
            },
            ended: &ended,
            over: None,
            routes: Routes::default(),
            judged: Some(found.judged(asked(Nanos::from_millis(2)))),
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
    fn what_this_host_dropped_itself_is_told_to_people_when_there_is_some_and_to_programs_always() {
        let shown = |own_loss, lang| {
            let mut found = HONEST.findings();
            found.counts.own_loss = own_loss;
            shown_of(&found, |result| {
                format!("{}{}", result.packets(lang), result.json(lang)["packets"])
            })
        };
        for (lang, told) in [
            (Lang::En, "3 at most dropped at this host's own full socket"),
            (Lang::Zh, "其中因本机套接字已满而丢弃、与路径无关者至多 3"),
        ] {
            let (none, some) = (shown(0, lang), shown(3, lang));
            assert!(
                none.contains("\"own_loss\":0") && !none.contains("at most"),
                "{none}"
            );
            assert!(
                some.contains("\"own_loss\":3") && some.contains(told),
                "{some}"
            );
        }
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
