//! What OWAMP sessions found, as a table for a person and as JSON for a program.

use std::net::SocketAddr;

use owl_measure::delay::OneWayDelay;
use owl_measure::distribution::Bounds;
use owl_measure::sample::{Direction, PeerClock, StampSource};
use owl_measure::summary::StampCounts;
use owl_measure::time::Nanos;
use owl_measure::verdict::{Quantile, Reason, Verdict};
use owl_measure::words::Lang;
use owl_probe::control::owamp::Record;
use serde_json::{Value, json};

use super::findings::{Findings, Way};
use super::limit::Limit;
use crate::command::delay::findings::{SHOWN, min_samples};
use crate::command::own_clock;
use crate::terminal::{Side, Table};

/// A measurement that is over, and what it was.
pub(super) struct Result<'a> {
    pub(super) server: SocketAddr,
    pub(super) interval: Nanos,
    pub(super) found: &'a Findings,
    pub(super) judged: Option<Judged>,
}

/// A verdict for each way that was measured, and the quantile they are about.
pub(super) struct Judged {
    pub(super) quantile: Quantile,
    pub(super) verdicts: Vec<Verdict>,
}

fn name(direction: Direction, lang: Lang) -> &'static str {
    match direction {
        Direction::Forward => lang.pick("forward", "前向"),
        Direction::Backward => lang.pick("backward", "反向"),
    }
}

fn or_dash(span: Option<Nanos>) -> String {
    span.map_or_else(|| "-".to_owned(), |span| span.to_string())
}

/// The ends of an interval. Nothing but a lost packet is late without end from below; from above nothing may be known.
fn ends(delay: &OneWayDelay, lang: Lang) -> [String; 2] {
    let lost = || lang.pick("lost", "丢失").to_owned();
    let lo = if delay.lo == Nanos::MAX {
        lost()
    } else {
        delay.lo.to_string()
    };
    let hi = match (delay.lo, delay.hi) {
        (Nanos::MAX, Nanos::MAX) => lost(),
        (_, Nanos::MAX) => lang.pick("unknown", "未知").to_owned(),
        (_, hi) => hi.to_string(),
    };
    [lo, hi]
}

impl Result<'_> {
    /// The whole of it for a person.
    pub(super) fn text(&self, lang: Lang) -> String {
        let mut lines = vec![self.table(lang)];
        lines.extend(self.found.ways.iter().map(|way| packets(way, lang)));
        lines.extend(self.found.ways.iter().map(|way| stamps(way, lang)));
        lines.push(self.clocks(lang));
        lines.push(self.limit(lang));
        lines.extend(self.verdicts(lang));
        lines.join("\n") + "\n"
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
        for way in &self.found.ways {
            let (name, raw) = (
                name(way.direction, lang),
                lang.pick("clock difference included", "含时钟差"),
            );
            let [p50, p95, p99] = SHOWN.map(|quantile| match way.raw_at(quantile) {
                Some(bounds) => bounds.at_most.to_string(),
                None => lang.pick("lost", "丢失").to_owned(),
            });
            let variation = [way.pdv_p95, way.ipdv_p95];
            let [pdv, ipdv] = variation.map(|bounds| or_dash(bounds.map(|bounds| bounds.at_most)));
            let counts = [way.lost, way.duplicated, way.reordered].map(|count| count.to_string());
            let [lost, duplicated, reordered] = counts;
            table.row([
                format!("{name} ({raw})"),
                or_dash(way.raw.min()),
                p50,
                p95,
                p99,
                or_dash(way.raw.max()),
                pdv,
                ipdv,
                lost,
                duplicated,
                reordered,
            ]);
            let rests_on = way.one_way[1].basis.word(lang);
            let between = way.one_way.each_ref().map(|delay| ends(delay, lang));
            let labels = [
                lang.pick("one-way at least", "单向不小于"),
                lang.pick("one-way at most", "单向不大于"),
            ];
            for (end, label) in labels.into_iter().enumerate() {
                let mut row = <[String; 11]>::default();
                row[0] = format!("  {label} ({rests_on})");
                for (cell, between) in row[2..5].iter_mut().zip(&between) {
                    cell.clone_from(&between[end]);
                }
                table.row(row);
            }
        }
        let mut row = <[String; 11]>::default();
        row[0] = lang
            .pick("round trip: none in OWAMP", "往返：OWAMP 没有往返")
            .to_owned();
        table.row(row);
        table.to_string()
    }

    fn clocks(&self, lang: Lang) -> String {
        let own = own_clock::sentence(&self.found.own_clock, lang);
        let far = match self.found.far_bound() {
            Some(bound) => lang.pick(
                format!("within {bound} of UTC, it says"),
                format!("自称与 UTC 相差不超过 {bound}"),
            ),
            None => lang.pick("no claim", "不作声明").to_owned(),
        };
        lang.pick(
            format!("clocks: here {own}; there {far}"),
            format!("时钟：本端{own}；远端{far}"),
        )
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
        let line = |(verdict, way): (&Verdict, &Way)| {
            let (state, name) = (verdict.state, name(way.direction, lang));
            let mut line = format!(
                "{} {name} {} ≤ {}: {}",
                state.sign(),
                judged.quantile,
                verdict.target,
                state.word(lang)
            );
            if let Some(delay) = &verdict.delay {
                let [lo, hi] = ends(delay, lang);
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
        judged
            .verdicts
            .iter()
            .zip(&self.found.ways)
            .map(line)
            .collect()
    }

    /// The whole of it for a program. What was not measured is `null`; the round trip always is.
    pub(super) fn json(&self, lang: Lang) -> Value {
        let found = self.found;
        let limit = Limit::of(found);
        let of = |direction| found.ways.iter().position(|way| way.direction == direction);
        let (forward, backward) = (of(Direction::Forward), of(Direction::Backward));
        let way = |at: Option<usize>| at.map(|at| way_json(&found.ways[at]));
        let verdict = |at: Option<usize>| {
            let judged = self.judged.as_ref()?;
            Some(verdict_json(&judged.verdicts[at?]))
        };
        json!({
            "kind": "result",
            "protocol": "owamp",
            "reflector": self.server.to_string(),
            "interval_ns": self.interval,
            "forward": way(forward),
            "backward": way(backward),
            "round_trip": null,
            "floor_ns": found.floors.forward,
            "clock": {
                "own": own_clock::described(&found.own_clock),
                "far_bound_ns": found.far_bound(),
            },
            "limit": { "code": limit.code(), "sentence": limit.sentence(lang) },
            "verdict": self.judged.as_ref().map(|judged| json!({
                "quantile": judged.quantile,
                "forward": verdict(forward),
                "backward": verdict(backward),
            })),
        })
    }
}

fn packets(way: &Way, lang: Lang) -> String {
    let share = 100.0 * way.lost as f64 / way.sent.max(1) as f64;
    let name = name(way.direction, lang);
    let mut line = lang.pick(
        format!(
            "packets {name}: {} sent, {} received, {} lost ({share:.2} %)",
            way.sent, way.received, way.lost
        ),
        format!(
            "{name}报文：发送 {}，接收 {}，丢失 {}（{share:.2} %）",
            way.sent, way.received, way.lost
        ),
    );
    let rest = [
        (
            way.open(),
            lang.pick("too young to be judged", "停止时尚未可判定"),
        ),
        (
            way.skipped,
            lang.pick("left out by the sender", "发送端略过"),
        ),
        (
            way.unsent.unwrap_or(0),
            lang.pick("of these refused by the kernel", "其中内核拒绝发送"),
        ),
        (
            way.out_of_time.unwrap_or(0),
            lang.pick("came outside of --timeout", "到达时已超出 --timeout"),
        ),
    ];
    for (count, name) in rest.into_iter().filter(|(count, _)| *count > 0) {
        line.push_str(&lang.pick(format!(", {count} {name}"), format!("，{name} {count}")));
    }
    line
}

fn stamps(way: &Way, lang: Lang) -> String {
    let told = |counts: Option<StampCounts>| match counts {
        Some(counts) => {
            let all = counts.hardware + counts.kernel + counts.user;
            lang.pick(
                format!("kernel {}/{all}", counts.kernel),
                format!("内核 {}/{all}", counts.kernel),
            )
        }
        None => lang
            .pick("as the server took it", "由服务器读取")
            .to_owned(),
    };
    let own_t1 = (way.direction == Direction::Forward).then_some(way.transmit_stamps);
    let hops = match way.ttl {
        None => "-".to_owned(),
        Some((low, high)) if low == high => (255 - low).to_string(),
        Some((low, high)) => format!("{} … {}", 255 - high, 255 - low),
    };
    let (name, t1, t2) = (
        name(way.direction, lang),
        told(own_t1),
        told(way.receive_stamps),
    );
    lang.pick(
        format!("stamps {name}: T1 {t1}, T2 {t2}; hops: {hops}"),
        format!("{name}时间戳：T1 {t1}，T2 {t2}；跳数：{hops}"),
    )
}

/// A span without end is `null`.
fn ns(span: Nanos) -> Value {
    if span == Nanos::MAX {
        Value::Null
    } else {
        json!(span)
    }
}

fn bounds_json(bounds: Option<Bounds>) -> Value {
    json!(
        bounds
            .map(|bounds| json!({ "at_least_ns": bounds.at_least, "at_most_ns": bounds.at_most }))
    )
}

fn one_way_json(delay: &OneWayDelay) -> Value {
    json!({ "lo_ns": ns(delay.lo), "hi_ns": ns(delay.hi), "basis": delay.basis })
}

fn stamps_json(counts: StampCounts) -> Value {
    json!({ "hardware": counts.hardware, "kernel": counts.kernel, "user": counts.user })
}

fn way_json(way: &Way) -> Value {
    let mut raw = json!({ "min_ns": way.raw.min(), "max_ns": way.raw.max() });
    let mut one_way = json!({});
    for (quantile, delay) in SHOWN.iter().zip(&way.one_way) {
        raw[quantile.to_string()] = bounds_json(way.raw_at(*quantile));
        one_way[quantile.to_string()] = one_way_json(delay);
    }
    json!({
        "sent": way.sent,
        "received": way.received,
        "lost": way.lost,
        "too_young": way.open(),
        "skipped": way.skipped,
        "unsent": way.unsent,
        "out_of_time": way.out_of_time,
        "duplicated": way.duplicated,
        "reordered": way.reordered,
        "raw": raw,
        "one_way": one_way,
        "pdv_p95": bounds_json(way.pdv_p95),
        "ipdv_p95": bounds_json(way.ipdv_p95),
        "ttl": way.ttl.map(|(min, max)| json!({ "min": min, "max": max })),
        "stamps": { "t1": stamps_json(way.transmit_stamps), "t2": way.receive_stamps.map(stamps_json) },
        "far_bound_ns": way.far_clock.bound(),
    })
}

fn verdict_json(verdict: &Verdict) -> Value {
    let mut value = json!(verdict);
    if let Some(delay) = &verdict.delay {
        value["delay"] = one_way_json(delay);
    }
    value
}

/// One packet, for a program.
pub(super) fn record_json(direction: &str, record: &Record) -> Value {
    let bound = |clock| match clock {
        PeerClock::Within(bound) => Some(bound),
        PeerClock::NoClaim => None,
    };
    let lost = record.received_at.is_none();
    json!({
        "kind": "sample",
        "direction": direction,
        "sequence": record.sequence,
        "t1_ns": record.sent_at.at,
        "t1_source": match record.sent_at.source {
            StampSource::Hardware => "hardware",
            StampSource::Kernel => "kernel",
            StampSource::User => "user",
        },
        "t2_ns": record.received_at,
        "ttl": (!lost).then_some(record.ttl),
        "sender_bound_ns": bound(record.sender_clock),
        "receiver_bound_ns": bound(record.receiver_clock),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::delay::owamp::findings::tests::{HONEST, Path};
    use unicode_width::UnicodeWidthStr as _;

    fn shown<T>(path: &Path, show: impl Fn(&Result<'_>) -> T) -> T {
        let found = path.findings();
        let verdicts = found.judged(Nanos::from_millis(2), Quantile::P95);
        show(&Result {
            server: "192.0.2.1:861".parse().unwrap(),
            interval: Nanos::from_millis(100),
            found: &found,
            judged: Some(Judged {
                quantile: Quantile::P95,
                verdicts,
            }),
        })
    }

    #[test]
    fn both_languages_say_the_same_in_as_many_lines() {
        let lines = |lang| shown(&HONEST, |result| result.text(lang)).lines().count();
        let (heading_and_rows, gap, sentences, verdicts) = (8, 1, 6, 2);
        assert_eq!(
            lines(Lang::En),
            heading_and_rows + gap + sentences + verdicts
        );
        assert_eq!(lines(Lang::En), lines(Lang::Zh));
    }

    #[test]
    fn no_line_of_the_table_is_wider_than_a_wide_terminal() {
        for lang in [Lang::En, Lang::Zh] {
            for line in shown(&HONEST, |result| result.table(lang)).lines() {
                assert!(line.width() <= 150, "{} columns: {line}", line.width());
            }
        }
    }

    #[test]
    fn what_nothing_bounds_is_unknown_and_what_never_came_is_lost() {
        let silent = Path {
            bound: None,
            ..HONEST
        };
        let text = shown(&silent, |result| result.text(Lang::En));
        assert!(
            text.contains("unknown") && !text.contains("[lost"),
            "{text}"
        );
        assert!(
            text.contains("no round trip") || text.contains("none in OWAMP"),
            "{text}"
        );
        let deaf = Path {
            lost: 100,
            ..HONEST
        };
        let text = shown(&deaf, |result| result.text(Lang::En));
        assert!(text.contains("[lost, lost] proved"), "{text}");
    }

    #[test]
    fn json_holds_no_infinite_number_and_no_round_trip() {
        for path in [
            HONEST,
            Path {
                bound: None,
                lost: 30,
                ..HONEST
            },
        ] {
            let json = shown(&path, |result| result.json(Lang::En));
            assert!(!json.to_string().contains(&i64::MAX.to_string()), "{json}");
            assert!(json["round_trip"].is_null());
            assert_eq!(json["forward"]["sent"], 100);
        }
    }
}
