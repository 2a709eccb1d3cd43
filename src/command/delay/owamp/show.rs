//! What OWAMP sessions found, as a table for a person and as JSON for a program.

use std::net::SocketAddr;

use owl_measure::delay::OneWayDelay;
use owl_measure::sample::Direction;
use owl_measure::summary::StampCounts;
use owl_measure::time::Nanos;
use owl_measure::words::Lang;
use owl_probe::control::owamp::Record;
use serde_json::{Value, json};

use super::findings::{Findings, Way};
use super::limit::Limit;
use crate::command::delay::findings::SHOWN;
use crate::command::delay::judged::Judged;
use crate::command::delay::route::Routes;
use crate::command::delay::table::{WayRow, name, or_dash, table};
use crate::command::delay::{lines, numbers};
use crate::command::own_clock;

/// A measurement that is over, and what it was.
pub(super) struct Result<'a> {
    pub(super) server: SocketAddr,
    pub(super) interval: Nanos,
    pub(super) found: &'a Findings,
    pub(super) routes: Routes,
    pub(super) judged: Option<Judged>,
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
        let (own, far) = (&self.found.own_clock, self.found.far_bound());
        lines.push(lines::clocks(own, far, lang));
        lines.push(lines::limit(&Limit::of(self.found).sentence(lang), lang));
        lines.extend(self.routes.line(lang));
        let judged = self.judged.iter();
        lines.extend(judged.flat_map(|judged| judged.lines(ends, lang)));
        lines.join("\n") + "\n"
    }

    fn table(&self, lang: Lang) -> String {
        let ways = self.found.ways.iter().map(|way| {
            let [p50, p95, p99] = SHOWN.map(|quantile| match way.raw_at(quantile) {
                Some(bounds) => bounds.at_most.to_string(),
                None => lang.pick("lost", "丢失").to_owned(),
            });
            WayRow {
                direction: way.direction,
                raw: [
                    or_dash(way.raw.min()),
                    p50,
                    p95,
                    p99,
                    or_dash(way.raw.max()),
                ],
                variation: [way.pdv_p95, way.ipdv_p95],
                counts: [way.lost, way.duplicated, way.reordered],
                one_way: Some(way.one_way),
            }
        });
        let none = lang.pick("round trip: none in OWAMP", "往返：OWAMP 没有往返");
        table(ways, ends, (none, Default::default()), lang)
    }

    /// The whole of it for a program. What was not measured is `null`; the round trip always is.
    pub(super) fn json(&self, lang: Lang) -> Value {
        let found = self.found;
        let limit = Limit::of(found);
        let way = |direction| {
            let way = found.ways.iter().find(|way| way.direction == direction);
            way.map(way_json)
        };
        json!({
            "kind": "result",
            "protocol": "owamp",
            "reflector": self.server.to_string(),
            "interval_ns": self.interval,
            "forward": way(Direction::Forward),
            "backward": way(Direction::Backward),
            "round_trip": null,
            "floor_ns": found.floors.forward,
            "clock": {
                "own": own_clock::described(&found.own_clock),
                "far_bound_ns": found.far_bound(),
            },
            "implied": self.routes.json(),
            "limit": { "code": limit.code(), "sentence": limit.sentence(lang) },
            "verdict": self.judged.as_ref().map(Judged::json),
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
    line.push_str(&lines::rest(rest, lang));
    line
}

fn stamps(way: &Way, lang: Lang) -> String {
    let told = |counts: Option<StampCounts>| match counts {
        Some(counts) => lines::stamps(counts, lang),
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

fn way_json(way: &Way) -> Value {
    let mut raw = json!({ "min_ns": way.raw.min(), "max_ns": way.raw.max() });
    let mut one_way = json!({});
    for (quantile, delay) in SHOWN.iter().zip(&way.one_way) {
        raw[quantile.to_string()] = numbers::bounds(way.raw_at(*quantile));
        one_way[quantile.to_string()] = numbers::one_way(delay);
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
        "pdv_p95": numbers::bounds(way.pdv_p95),
        "ipdv_p95": numbers::bounds(way.ipdv_p95),
        "ttl": way.ttl.map(|(min, max)| json!({ "min": min, "max": max })),
        "stamps": { "t1": numbers::stamps(way.transmit_stamps), "t2": way.receive_stamps.map(numbers::stamps) },
        "far_bound_ns": way.far_clock.bound(),
    })
}

/// One packet, for a program.
pub(super) fn record_json(direction: &str, record: &Record) -> Value {
    let lost = record.received_at.is_none();
    json!({
        "kind": "sample",
        "direction": direction,
        "sequence": record.sequence,
        "t1_ns": record.sent_at.at,
        "t1_source": numbers::source(record.sent_at.source),
        "t2_ns": record.received_at,
        "ttl": (!lost).then_some(record.ttl),
        "sender_bound_ns": numbers::claim(record.sender_clock),
        "receiver_bound_ns": numbers::claim(record.receiver_clock),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::delay::findings::tests::asked;
    use crate::command::delay::owamp::findings::tests::{HONEST, Path};
    use unicode_width::UnicodeWidthStr as _;

    fn shown<T>(path: &Path, show: impl Fn(&Result<'_>) -> T) -> T {
        let found = path.findings();
        show(&Result {
            server: "192.0.2.1:861".parse().unwrap(),
            interval: Nanos::from_millis(100),
            found: &found,
            routes: Routes::default(),
            judged: Some(found.judged(asked(Nanos::from_millis(2)))),
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
