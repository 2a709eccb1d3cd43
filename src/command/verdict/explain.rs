//! `owl verdict explain PATH --at T`: from which reports, by which rule and formula a verdict was made, and whether the
//! store still gives the same.

use std::path::PathBuf;

use owl_collector::StoreError;
use owl_collector::explain::{At, ExplainError, Explained, Question, Recomputed, explain};
use owl_measure::words::Lang;

use super::ask::{AskError, ask};
use super::fetch::{Collector, WayIn};
use crate::failure::{Failure, Outcome};
use crate::terminal::print;

/// Print what a verdict was made from, the formula with its numbers, and whether the store still gives the same
///
/// The judge's own function judges the stored reports again, by the rules that were in force then, and the result is
/// compared octet for octet with what is stored. Nothing is changed, and a collector that uses the store may go on.
/// Exit code 0 when it is identical, 1 when it differs or the store is damaged, 3 when there is nothing to explain.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Path that was judged, as FROM~TO
    #[arg(value_name = "PATH")]
    path: String,
    /// Instant of the window: 2026-11-23T08:00:00+08:00, without an offset in the topology's time zone, or now-5m
    #[arg(long, value_name = "T")]
    at: At,
    /// Verdict by this profile; the one that was made last when several judged that instant
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// State directory of the collector
    #[arg(long, value_name = "DIR", default_value = "/var/lib/owl/collector")]
    store: PathBuf,
    /// Ask a running collector instead, as http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL", conflicts_with = "store")]
    collector: Option<Collector>,
    #[command(flatten)]
    way_in: WayIn,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    let question = Question {
        path: args.path,
        at: args.at,
        profile: args.profile,
    };
    let told = match &args.collector {
        None => explain(&args.store, &question).map_err(|error| unexplained(error, lang))?,
        Some(collector) => {
            ask(collector, &args.way_in, &question, lang).map_err(|error| unasked(error, lang))?
        }
    };
    print(&if args.json {
        json(&told)
    } else {
        told.text(lang)
    })?;
    Ok(match told.recomputed() {
        Recomputed::Identical => Outcome::Ok,
        Recomputed::Differs => Outcome::Missed,
        Recomputed::Impossible => Outcome::Undecided,
    })
}

fn json(told: &Explained) -> String {
    let text = serde_json::to_string_pretty(told)
        .expect("our own structs have string keys and finite numbers");
    format!("{text}\n")
}

fn unexplained(error: ExplainError, lang: Lang) -> Failure {
    let hint = error.hint(lang);
    let failure = match &error {
        error if error.is_damage() => Failure::found(lang.pick(
            "the store is not as a collector left it",
            "存储已不是采集器写入时的样子",
        )),
        ExplainError::Store(StoreError::Database { .. } | StoreError::Version { .. }) => {
            let failure = Failure::usage(lang.pick("cannot explain the verdict", "无法解释该判定"));
            return failure.because(error).hint(hint.unwrap_or_else(|| {
                lang.pick(
                    "--store names the directory that the collector's configuration calls `state`",
                    "--store 为采集器配置中 `state` 所指的目录",
                )
                .to_owned()
            }));
        }
        _ => Failure::unable(lang.pick("nothing to explain", "没有可解释的判定")),
    };
    failure.because(error).hint_if_any(hint.as_deref())
}

fn unasked(error: AskError, lang: Lang) -> Failure {
    let what = lang.pick("cannot have the verdict explained", "无法取得该判定的解释");
    let hint = error.hint(lang);
    let failure = match &error {
        AskError::Refused { status: 400, .. } => Failure::usage(what),
        AskError::Refused { status: 500, .. } => Failure::found(what),
        _ => Failure::unable(what),
    };
    failure.because(error).hint_if_any(hint.as_deref())
}
