//! `owl collector history PATH`: what a path was like, step by step, from what the store keeps of it.

use std::io::IsTerminal as _;

use owl_collector::explain::At;
use owl_collector::{
    Config, HistoryAnswer, HistoryError, HistoryPoint, HistoryQuestion, StoreError, read_history,
};
use owl_measure::delay::Basis;
use owl_measure::time::Nanos;
use owl_measure::verdict::Quantile;
use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};
use crate::terminal::{Side, Table, print};

/// Lengths of a bar, from the shortest to the longest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Characters of an interval of a percentile, two ends of up to six digits.
const WIDTH: usize = 16;

/// Print what a path was like: percentiles of its one-way delay and its losses, step by step
///
/// Each percentile is an interval, of the packets sent: a lost packet is infinitely late. What is kept of the past decides how
/// fine it is told (reports, five minutes, hours); a step is longer where less is kept. Nothing is changed, and a collector that
/// uses the store may go on.
/// Exit code 0 when something was measured, 3 when nothing was.
#[derive(Debug, clap::Args)]
pub(super) struct History {
    /// Path to tell of, as FROM~TO
    #[arg(value_name = "PATH")]
    path: String,
    /// Begin: 2026-11-23T08:00:00+08:00, without an offset in the topology's time zone, or now-24h
    #[arg(long, value_name = "T", default_value = "now-24h")]
    from: At,
    /// End, in the same words
    #[arg(long, value_name = "T", default_value = "now-0s")]
    to: At,
    /// Length of a step; one that makes 60 steps at most when it is not given
    #[arg(long, value_name = "DURATION")]
    step: Option<Nanos>,
    /// Percentiles to tell, in percent
    #[arg(long, value_name = "P,…", value_delimiter = ',', default_value = "50,95,99", value_parser = percentile)]
    percentiles: Vec<Quantile>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A percentile such as 99.9.
fn percentile(text: &str) -> Result<Quantile, String> {
    let percent: f64 = text
        .parse()
        .map_err(|_| format!("cannot read \"{text}\" as a percentile such as 99.9"))?;
    Quantile::try_from(percent / 100.0).map_err(|error| error.to_string())
}

impl History {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let question = HistoryQuestion {
            path: self.path,
            from: self.from,
            to: self.to,
            step: self.step,
            quantiles: self.percentiles,
        };
        let answer = read_history(config, &question).map_err(|error| untold(error, lang))?;
        print(&if self.json {
            json(&answer)
        } else {
            told(&answer, lang)
        })?;
        Ok(if answer.points.is_empty() {
            Outcome::Undecided
        } else {
            Outcome::Ok
        })
    }
}

fn untold(error: HistoryError, lang: Lang) -> Failure {
    let what = lang.pick("cannot tell of the past", "无法给出历史数据");
    match &error {
        HistoryError::NoPath { known, .. } => {
            let known = known.join(", ");
            let hint = lang.pick(
                format!("a path is FROM~TO, for example {known}"),
                format!("路径写作 FROM~TO，例如 {known}"),
            );
            Failure::usage(what).because(error).hint(hint)
        }
        HistoryError::Backwards | HistoryError::TooMany { .. } => {
            Failure::usage(what).because(error)
        }
        HistoryError::Store(StoreError::Damaged { .. }) => Failure::found(what).because(error),
        HistoryError::Store(_) => Failure::unable(what).because(error),
    }
}

fn json(answer: &HistoryAnswer) -> String {
    let text = serde_json::to_string_pretty(answer)
        .expect("our own structs have string keys and finite numbers");
    format!("{text}\n")
}

fn told(answer: &HistoryAnswer, lang: Lang) -> String {
    let quantiles: Vec<Quantile> = answer
        .points
        .iter()
        .find_map(|point| {
            let quantiles: Vec<Quantile> =
                point.percentiles.iter().map(|told| told.quantile).collect();
            (!quantiles.is_empty()).then_some(quantiles)
        })
        .unwrap_or_default();
    let bars = if std::io::stdout().is_terminal() {
        bars(answer)
    } else {
        Vec::new()
    };
    let beside = |cells: Vec<String>| {
        let cells: Vec<String> = cells
            .into_iter()
            .map(|cell| format!("{cell:>WIDTH$}"))
            .collect();
        cells.join("  ")
    };
    let names = beside(
        quantiles
            .iter()
            .map(|quantile| format!("{quantile} ms"))
            .collect(),
    );
    let mut table = Table::new(&[
        (lang.pick("from", "开始"), Side::Left),
        (lang.pick("sent", "发送"), Side::Right),
        (lang.pick("lost", "丢失"), Side::Right),
        (lang.pick("reported", "上报"), Side::Right),
        (&names, Side::Left),
        (lang.pick("kept as", "来源"), Side::Left),
        ("", Side::Left),
    ]);
    for (k, point) in answer.points.iter().enumerate() {
        let percentile = |quantile: &Quantile| {
            let told = point
                .percentiles
                .iter()
                .find(|told| told.quantile == *quantile);
            told.and_then(|told| told.one_way).map_or_else(
                || "–".to_owned(),
                |delay| {
                    let mark = if delay.basis == Basis::Proved {
                        "*"
                    } else {
                        " "
                    };
                    format!("{}–{}{mark}", delay.lo.millis_down(), upper(delay.hi))
                },
            )
        };
        table.row([
            answer.instant(point.start),
            point.sent.to_string(),
            point.lost.saturating_add(point.lost_somewhere).to_string(),
            format!("{}/{}", point.intervals, point.expected),
            beside(quantiles.iter().map(percentile).collect()),
            kept(point, lang),
            bars.get(k).map(char::to_string).unwrap_or_default(),
        ]);
    }
    let mut text = lang.pick(
        format!("{}, steps of {}\n\n", answer.path, answer.step),
        format!("{}，步长 {}\n\n", answer.path, answer.step),
    );
    if answer.points.is_empty() {
        text.push_str(lang.pick("nothing was reported\n", "无上报\n"));
        return text;
    }
    text.push_str(&table.to_string());
    text.push_str(lang.pick(
        "\nA percentile lies between its two ends; * rests on no clock. lost: on this path or nobody knows where.\n",
        "\n百分位位于两端之间；* 不依赖任何时钟。丢失：本路径丢失，或无法判断方向。\n",
    ));
    text
}

/// The upper end of an interval in milliseconds.
fn upper(end: Nanos) -> String {
    match end {
        Nanos::MAX => "∞".to_owned(),
        end => end.millis_up(),
    }
}

/// From what a point was put together.
fn kept(point: &HistoryPoint, lang: Lang) -> String {
    let parts = [
        (point.from.hours, lang.pick("hours", "小时")),
        (point.from.five_minutes, lang.pick("5 min", "5 分钟")),
        (point.from.reports, lang.pick("reports", "上报")),
    ];
    let used: Vec<&str> = parts
        .into_iter()
        .filter_map(|(count, name)| (count > 0).then_some(name))
        .collect();
    used.join(" + ")
}

/// A bar for the upper end of the last percentile of each point, from nothing to the longest that is not without bound.
fn bars(answer: &HistoryAnswer) -> Vec<char> {
    let upper = |point: &HistoryPoint| {
        let delay = point.percentiles.last()?.one_way?;
        (delay.hi != Nanos::MAX).then_some(delay.hi)
    };
    let longest = answer.points.iter().filter_map(upper).max();
    let scale = longest.map_or(1, |longest| longest.0.max(1));
    let bar = |point: &HistoryPoint| {
        upper(point).map_or(' ', |delay| {
            let eighths = i128::from(delay.0.max(0)) * (BARS.len() as i128 - 1) / i128::from(scale);
            BARS[usize::try_from(eighths).unwrap_or(0).min(BARS.len() - 1)]
        })
    };
    answer.points.iter().map(bar).collect()
}
