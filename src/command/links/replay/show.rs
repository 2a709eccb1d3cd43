//! Rates and reasons, for a person and for a program.

use std::collections::BTreeMap;

use owl_measure::counter::series::{Judged, Step};
use owl_measure::counter::{Rate, Unknown};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use serde_json::{Value, json};

use super::history::{File, History};
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

/// A rate in the unit that fits it, and how far it may be off in the same unit: two digits of that, and the rate as fine. The
/// error is rounded up and holds what the rate's rounding added, so the interval that is shown holds the one that is known.
fn per_second(bps: f64, u_bps: f64) -> (String, String) {
    let (scale, unit) = match bps {
        ..1e3 => (1.0, "b/s"),
        ..1e6 => (1e3, "kb/s"),
        ..1e9 => (1e6, "Mb/s"),
        ..1e12 => (1e9, "Gb/s"),
        _ => (1e12, "Tb/s"),
    };
    let (rate, error) = (bps / scale, u_bps / scale);
    // A double has no more than fifteen digits to show.
    let places = if error > 0.0 {
        (1.0 - error.log10().floor()).clamp(0.0, 12.0) as usize
    } else {
        3
    };
    let shown = format!("{rate:.places$}");
    let rounded = shown
        .parse::<f64>()
        .map_or(0.0, |shown| (shown - rate).abs());
    let grain = 10_f64.powi(places as i32);
    let error = ((error + rounded) * grain).ceil() / grain;
    (
        format!("{shown} {unit}"),
        format!("± {error:.places$} {unit}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_shown_as_fine_as_it_is_known_and_never_as_surer() {
        for (bps, u_bps, rate, error) in [
            (1_000_440.0, 113.396, "1.00044 Mb/s", "± 0.00012 Mb/s"),
            (1_234_571_738.0, 317_473.0, "1.23457 Gb/s", "± 0.00032 Gb/s"),
            (500.250_4, 500.250_4, "500 b/s", "± 501 b/s"),
            (3.2, 0.000_3, "3.20000 b/s", "± 0.00030 b/s"),
            (0.0, 0.0, "0.000 b/s", "± 0.000 b/s"),
            (8e9, 6e9, "8.0 Gb/s", "± 6.0 Gb/s"),
        ] {
            assert_eq!(per_second(bps, u_bps), (rate.into(), error.into()));
        }
    }
}
