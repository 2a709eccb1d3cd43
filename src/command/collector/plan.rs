//! `owl collector plan`: how the plans stand, and rolling out, releasing and taking back.

use std::path::PathBuf;

use clap::Subcommand;
use owl_collector::plan::console::{
    Course, PlanStatus, ProbeStatus, StageError, release, stage_from, status, withdraw,
};
use owl_collector::{Config, Console, Deed, enrolment};
use owl_measure::words::Lang;
use serde_json::json;

use super::access;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Side, Table, print};

/// Show which plans the probes follow, and roll out, release or take back the newest
///
/// A new topology is rolled out by itself as soon as its file changes: to a few probes first, and further when they report under
/// it. A running collector takes over what is said here within a second.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print each generation of plans, and which of them every probe follows (the same as without a word)
    ///
    /// Exit code 1 when the roll-out of the newest has stopped.
    Status,
    /// Check a topology and roll it out from the first stage on, also one that was withdrawn
    Stage {
        /// Topology to roll out, a TOML file or a directory of them; that of the configuration when it is not given
        #[arg(value_name = "TOPOLOGY")]
        topology: Option<PathBuf>,
    },
    /// Give the newest plans to every probe now, without waiting for the stages that are left
    Release,
    /// Take the newest plans back: every probe gets those before them, under a new number
    Withdraw,
}

impl Args {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        match &self.action {
            None | Some(Action::Status) => show(config, self.json, lang),
            Some(Action::Stage { topology }) => {
                let staged = stage_from(config, topology.as_deref());
                let what = lang.pick("cannot roll out", "无法下发");
                let generation = staged.map_err(|error| explain(what, error, lang))?;
                let said = lang.pick(
                    "is rolled out; `owl collector plan status` shows how far it is",
                    "开始分阶段下发；`owl collector plan status` 查看进度",
                );
                self.done(config, ("stage", generation), said, lang)
            }
            Some(Action::Release) => {
                let what = lang.pick("cannot release", "无法放行");
                let generation = release(config).map_err(|error| explain(what, error, lang))?;
                let said = lang.pick("goes to every probe now", "现下发给所有探针");
                self.done(config, ("release", generation), said, lang)
            }
            Some(Action::Withdraw) => {
                let what = lang.pick("cannot withdraw", "无法撤回");
                let generation = withdraw(config).map_err(|error| explain(what, error, lang))?;
                let said = lang.pick(
                    "holds the plans from before, and goes to every probe now",
                    "为之前的计划，现下发给所有探针",
                );
                self.done(config, ("withdraw", generation), said, lang)
            }
        }
    }

    fn done(
        &self,
        config: &Config,
        (deed, generation): (&str, u64),
        said: &str,
        lang: Lang,
    ) -> Result<Outcome, Failure> {
        let recorded = Console::new(config, &access::who())
            .record(Deed::PlanChanged, &format!("{deed} {generation}"));
        recorded.map_err(|error| {
            let what = lang.pick("cannot write the audit log", "无法写入审计日志");
            access::explain(what.to_owned(), error, lang)
        })?;
        if self.json {
            return print(&format!("{}\n", json!({ "generation": generation })));
        }
        let generation = format!("{} {generation}", lang.pick("generation", "版本"));
        print(&format!("{generation} {said}\n"))
    }
}

fn show(config: &Config, as_json: bool, lang: Lang) -> Result<Outcome, Failure> {
    let what = lang.pick("cannot show the plans", "无法显示计划");
    let told = status(config, lang).map_err(|error| explain(what, error, lang))?;
    let newest = told.generations.last();
    let stopped = newest.is_some_and(|newest| newest.course == Course::Stopped);
    if as_json {
        print(&format!("{}\n", json!(told)))?;
    } else {
        print(&generations(config, &told.generations, lang))?;
        print(&format!("\n{}", probes(&told.probes, lang)))?;
    }
    Ok(if stopped {
        Outcome::Missed
    } else {
        Outcome::Ok
    })
}

fn generations(config: &Config, told: &[PlanStatus], lang: Lang) -> String {
    let mut table = Table::new(&[
        (lang.pick("generation", "版本"), Side::Left),
        (lang.pick("topology", "拓扑"), Side::Left),
        (lang.pick("made", "生成于"), Side::Left),
        (lang.pick("state", "状态"), Side::Left),
    ]);
    for of in told {
        let stage = lang.pick(
            format!("stage {} of {}", of.stage, of.stages),
            format!("第 {}/{} 阶段", of.stage, of.stages),
        );
        let failure = of.failed_probe.as_deref().zip(of.failure.as_deref());
        let (probe, why) = failure.unwrap_or_default();
        let state = match of.course {
            Course::Rolling => format!("{} {stage}", lang.pick("rolling out,", "下发中，")),
            Course::Stopped => format!(
                "{} {stage}: {probe}: {why}",
                lang.pick("stopped in", "停止于")
            ),
            Course::Released => lang.pick("released", "已放行").to_owned(),
            Course::Withdrawn => lang.pick("withdrawn", "已撤回").to_owned(),
        };
        table.row([
            of.generation.to_string(),
            of.hash.chars().take(12).collect(),
            enrolment::written(config, of.made_at),
            state,
        ]);
    }
    table.to_string()
}

fn probes(told: &[ProbeStatus], lang: Lang) -> String {
    let mut table = Table::new(&[
        (lang.pick("probe", "探针"), Side::Left),
        (lang.pick("stage", "阶段"), Side::Right),
        (lang.pick("is to follow", "应执行"), Side::Left),
        (lang.pick("follows", "执行"), Side::Left),
        (lang.pick("reports under", "上报所依"), Side::Left),
        (lang.pick("turned down", "拒绝"), Side::Left),
    ]);
    let number = |of: Option<u64>| of.map_or_else(|| "–".to_owned(), |of| of.to_string());
    for of in told {
        let trial = if of.on_trial {
            lang.pick(" (on trial)", "（试行）")
        } else {
            ""
        };
        let turned_down = match (of.turned_down, &of.reason) {
            (Some(generation), Some(reason)) => format!("{generation}: {reason}"),
            _ => "–".to_owned(),
        };
        table.row([
            of.probe.clone(),
            of.stage.map_or_else(|| "–".to_owned(), |of| of.to_string()),
            of.wanted.to_string(),
            format!("{}{trial}", number(of.follows)),
            number(of.reports),
            turned_down,
        ]);
    }
    table.to_string()
}

fn explain(what: &str, error: StageError, lang: Lang) -> Failure {
    match error {
        StageError::Topology(error) => super::unreadable(error, lang),
        error @ StageError::Store(_) => {
            let hint = lang.pick(
                "run it on the collector's host, as the user that the collector runs as, or as root",
                "请在采集器主机上以采集器的运行用户或 root 身份运行",
            );
            Failure::unable(what).because(error).hint(hint)
        }
        error => Failure::usage(what).because(error),
    }
}
