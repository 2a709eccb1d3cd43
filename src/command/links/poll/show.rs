//! What a round brought, for a person and for a program.

use std::cmp::Reverse;

use owl_measure::counter::{Increase, Unknown};
use owl_measure::words::Lang;
use owl_probe::snmp::{Column, Lane, Meter, Polling, Target, Way};
use serde_json::{Value, json};

use super::super::per_second::per_second;
use crate::terminal::{Side, Table};

/// Agents in a person's table: the slowest ones.
const AGENTS_SHOWN: usize = 10;

/// Which ports are shown.
pub(super) enum Choice<'a> {
    Busiest(usize),
    Named(&'a [String]),
    All,
}

/// What a round brought.
pub(super) struct Shown<'a> {
    pub(super) polling: &'a Polling,
    pub(super) meters: &'a [Meter],
    /// Counted from zero.
    pub(super) round: u32,
    pub(super) choice: &'a Choice<'a>,
}

type Outcome = Option<Result<Increase, Unknown>>;

/// A port that is shown.
struct Line<'a> {
    target: &'a Target,
    meter: &'a Meter,
    row: usize,
    place: usize,
    ways: [Outcome; 2],
}

impl Shown<'_> {
    fn lines(&self) -> Vec<Line<'_>> {
        if matches!(self.choice, Choice::Busiest(0)) {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for (target, meter) in self.polling.targets().iter().zip(self.meters) {
            let directory = target.directory();
            for (row, place) in directory.rows().iter().enumerate() {
                let place = place.port;
                let name = &directory.ports()[place].name;
                if let Choice::Named(names) = self.choice
                    && !names.contains(name)
                {
                    continue;
                }
                lines.push(Line {
                    target,
                    meter,
                    row,
                    place,
                    ways: [Way::In, Way::Out].map(|way| meter.outcome(place, way)),
                });
            }
        }
        if let &Choice::Busiest(count) = self.choice {
            let bps = |line: &Line<'_>| {
                let known = line.ways.iter().flatten().flatten();
                Reverse(known.map(|increase| increase.rate().bps as u64).max())
            };
            lines.sort_by_cached_key(bps);
            lines.truncate(count);
        }
        lines
    }

    /// The slowest first, and before them those that did not answer.
    fn agents(&self) -> Vec<&Target> {
        let mut agents: Vec<&Target> = self.polling.targets().iter().collect();
        agents.sort_by_key(|target| {
            let round = target.round();
            Reverse((round.trouble.is_some(), (round.ended - round.began).0))
        });
        agents
    }

    pub(super) fn json(&self) -> Value {
        let agents: Vec<Value> = self.agents().into_iter().map(agent).collect();
        let ports: Vec<Value> = self.lines().iter().map(port).collect();
        let unheard = self.polling.unheard();
        json!({
            "round": self.round,
            "agents": agents,
            "ports": ports,
            "unheard": {
                "strangers": unheard.strangers,
                "malformed": unheard.malformed,
                "not_authentic": unheard.not_authentic,
            },
        })
    }

    pub(super) fn text(&self, lang: Lang) -> String {
        let mut text = lang.pick(
            format!("round {}\n", self.round + 1),
            format!("第 {} 轮\n", self.round + 1),
        );
        let lines = self.lines();
        if self.round > 0 && !lines.is_empty() {
            text.push_str(&ports_table(&lines, lang).to_string());
            text.push('\n');
        }
        text.push_str(&self.agents_text(lang));
        text
    }

    fn agents_text(&self, lang: Lang) -> String {
        let mut table = Table::new(&[
            (lang.pick("agent", "设备"), Side::Left),
            (lang.pick("ports", "端口"), Side::Right),
            (lang.pick("answered", "已应答"), Side::Right),
            (lang.pick("took", "耗时"), Side::Right),
            (lang.pick("fastest answer", "最快应答"), Side::Right),
            (lang.pick("requests", "请求"), Side::Right),
            (lang.pick("lost", "丢失"), Side::Right),
            (lang.pick("at once", "并发"), Side::Right),
            (lang.pick("trouble", "异常"), Side::Left),
        ]);
        let agents = self.agents();
        for target in agents.iter().take(AGENTS_SHOWN) {
            let round = target.round();
            table.row([
                target.device().name.clone(),
                target.directory().rows().len().to_string(),
                target.table().answered().to_string(),
                (round.ended - round.began).to_string(),
                round
                    .fastest
                    .map_or_else(|| "–".to_owned(), |fastest| fastest.to_string()),
                round.requests.to_string(),
                round.lost.to_string(),
                round.window.to_string(),
                match round.trouble {
                    Some(trouble) => trouble.to_string(),
                    None if round.restarted => lang
                        .pick("the agent restarted", "设备代理已重启")
                        .to_owned(),
                    None => String::new(),
                },
            ]);
        }
        let hidden = agents.len().saturating_sub(AGENTS_SHOWN);
        let more = if hidden > 0 {
            lang.pick(
                format!("and {hidden} agents that were faster\n"),
                format!("另有 {hidden} 台更快的设备未列出\n"),
            )
        } else {
            String::new()
        };
        format!("{table}{more}\n")
    }
}

fn ports_table(lines: &[Line<'_>], lang: Lang) -> Table<8> {
    let mut table = Table::new(&[
        (lang.pick("agent", "设备"), Side::Left),
        (lang.pick("port", "端口"), Side::Left),
        (lang.pick("speed", "速率上限"), Side::Right),
        (lang.pick("in", "入向"), Side::Right),
        (lang.pick("known to", "误差不超过"), Side::Right),
        (lang.pick("out", "出向"), Side::Right),
        (lang.pick("known to", "误差不超过"), Side::Right),
        (lang.pick("unknown because", "未知原因"), Side::Left),
    ]);
    for line in lines {
        let port = &line.target.directory().ports()[line.place];
        let mut reasons: Vec<&str> = Vec::new();
        let mut cells = line.ways.iter().map(|outcome| match outcome {
            Some(Ok(increase)) => {
                let rate = increase.rate();
                per_second(rate.bps, rate.u_bps)
            }
            Some(Err(reason)) => {
                let reason = reason.sentence(lang);
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
                ("–".to_owned(), "–".to_owned())
            }
            None => ("–".to_owned(), "–".to_owned()),
        });
        let [(received, received_to), (sent, sent_to)] =
            std::array::from_fn(|_| cells.next().unwrap_or_default());
        drop(cells);
        let speed = port.speed_bps.map_or_else(
            || "–".to_owned(),
            |bps| format!("{:.1} Gb/s", bps as f64 / 1e9),
        );
        table.row([
            line.target.device().name.clone(),
            port.name.clone(),
            speed,
            received,
            received_to,
            sent,
            sent_to,
            reasons.join("; "),
        ]);
    }
    table
}

fn agent(target: &Target) -> Value {
    let round = target.round();
    json!({
        "agent": target.device().name,
        "ports": target.directory().rows().len(),
        "answered": target.table().answered(),
        "took_s": (round.ended - round.began).as_secs_f64(),
        "fastest_answer_s": round.fastest.map(|fastest| fastest.as_secs_f64()),
        "requests": round.requests,
        "lost": round.lost,
        "at_once": round.window,
        "restarted": round.restarted,
        "trouble": round.trouble.map(|trouble| trouble.to_string()),
    })
}

fn port(line: &Line<'_>) -> Value {
    let port = &line.target.directory().ports()[line.place];
    let mut told = json!({
        "agent": line.target.device().name,
        "port": port.name,
        "alias": port.alias,
        "speed_bps": port.speed_bps,
        "up": port.up,
        "in": way(line.ways[0]),
        "out": way(line.ways[1]),
        "withdrawn_since_s": line
            .meter
            .withdrawn_since(line.place)
            .map(|since| since.0 as f64 / 1e9),
    });
    let table = line.target.table();
    if table.lane() == Lane::Health {
        for (key, column) in [
            ("in_packets", Column::InPackets),
            ("out_packets", Column::OutPackets),
            ("in_errors", Column::InErrors),
            ("out_errors", Column::OutErrors),
        ] {
            told[key] = table
                .value(line.row, column)
                .map_or(Value::Null, |count| count.to_string().into());
        }
    }
    told
}

/// The same words as `owl links replay`, with the time that the rate is an average over.
fn way(outcome: Outcome) -> Value {
    match outcome {
        None => Value::Null,
        Some(Ok(increase)) => {
            let rate = increase.rate();
            json!({
                "state": "ok",
                "bytes": increase.octets.to_string(),
                "bps": rate.bps,
                "u_bps": rate.u_bps,
                "from_s": increase.from.0 as f64 / 1e9,
                "to_s": increase.to.0 as f64 / 1e9,
            })
        }
        Some(Err(reason)) => json!({ "state": "unknown", "reason": reason.code() }),
    }
}
