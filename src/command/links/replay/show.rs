//! Rates and reasons, for a person and for a program.

use std::collections::BTreeMap;

use owl_measure::counter::series::{Judged, Step};
use owl_measure::counter::{Rate, Unknown};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use serde_json::{Value, json};

use super::history::{File, History};
use crate::command::links::per_second::per_second;
use crate::terminal::{Side, Table};

pub(super) fn json(judged: &File<(History, Judged)>) -> Value {
    let answers = |(_, judged): &(History, Judged)| judged.steps.iter().map(answer).collect();
    match judged {
        File::One(one) => answers(one),
        File::List(list) => list.iter().map(answers).collect(),
    }
}

fn answer(step: &Step) -> Value {
    match step.outcome {
        Ok(increase) => {
            let rate = increase.rate();
            json!({
                "state": "ok",
                "bytes": increase.octets.to_string(),
                "bps": rate.bps,
                "u_bps": rate.u_bps,
            })
        }
        Err(reason) => json!({ "state": "unknown", "reason": reason.code() }),
    }
}

pub(super) fn text(judged: &File<(History, Judged)>, lang: Lang) -> String {
    match judged {
        File::One((history, judged)) => history_text(history, judged, lang),
        File::List(list) => {
            let mut text = String::new();
            for (number, (history, judged)) in list.iter().enumerate() {
                let number = number + 1;
                text.push_str(&lang.pick(
                    format!("history {number}\n"),
                    format!("历史记录 {number}\n"),
                ));
                text.push_str(&history_text(history, judged, lang));
                text.push('\n');
            }
            text
        }
    }
}

fn history_text(history: &History, judged: &Judged, lang: Lang) -> String {
    let steps = &judged.steps;
    let mut table = Table::new(&[
        (lang.pick("from s", "起 s"), Side::Right),
        (lang.pick("to s", "止 s"), Side::Right),
        (lang.pick("octets", "字节"), Side::Right),
        (lang.pick("rate", "速率"), Side::Right),
        (lang.pick("known to", "误差不超过"), Side::Right),
        (lang.pick("unknown because", "未知原因"), Side::Left),
    ]);
    let mut reasons: BTreeMap<Unknown, usize> = BTreeMap::new();
    for step in steps {
        let (from, to) = (history.samples[step.from].at, history.samples[step.to].at);
        let (from, to) = (at(from), at(to));
        table.row(match step.outcome {
            Ok(increase) => {
                let Rate { bps, u_bps } = increase.rate();
                let octets = increase.octets.to_string();
                let (rate, error) = per_second(bps, u_bps);
                [from, to, octets, rate, error, String::new()]
            }
            Err(reason) => {
                *reasons.entry(reason).or_default() += 1;
                let none = || "–".to_owned();
                [
                    from,
                    to,
                    none(),
                    none(),
                    none(),
                    reason.sentence(lang).to_owned(),
                ]
            }
        });
    }
    let unknown: usize = reasons.values().sum();
    let (count, known) = (steps.len(), steps.len() - unknown);
    let age = judged.cache.at_most;
    let copies = if age > Nanos::ZERO {
        lang.pick(
            format!("the agent may answer with values up to {age} old\n"),
            format!("设备可能以最长 {age} 之前的缓存值作答\n"),
        )
    } else {
        String::new()
    };
    format!(
        "{table}{copies}{}",
        lang.pick(
            format!("{known} of {count} intervals known, {unknown} unknown\n"),
            format!("{count} 个区间中 {known} 个已知，{unknown} 个未知\n"),
        )
    )
}

fn at(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "–".to_owned(), |at| format!("{:.3}", at.0 as f64 / 1e9))
}
