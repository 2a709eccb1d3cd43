//! `owl collector aside`: reports that were refused, with the reason, and looking at them once more.

use clap::Subcommand;
use owl_collector::aside::{self, Kept, Refusal};
use owl_collector::{Config, StoreError, enrolment};
use owl_measure::words::Lang;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::terminal::{Side, Table, print};

/// List the reports that were refused and are kept aside, with the reason
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
    /// Have all of them looked at once more, after what they were refused for was mended: those in order now are stored and
    /// judged
    Take,
}

impl Args {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        match self.action {
            None => list(config, self.json, lang),
            Some(Action::Take) => take(config, self.json, lang),
        }
    }
}

fn list(config: &Config, as_json: bool, lang: Lang) -> Result<Outcome, Failure> {
    let kept = aside::list(&config.store).map_err(|error| explain(error, lang))?;
    if as_json {
        return print(&format!("{}\n", json!({ "aside": kept })));
    }
    if kept.is_empty() {
        return print(lang.pick("no report is kept aside\n", "没有被搁置的报告\n"));
    }
    let mut table = Table::new(&[
        (lang.pick("probe", "探针"), Side::Left),
        (lang.pick("number", "序号"), Side::Right),
        (lang.pick("came", "到达"), Side::Left),
        (lang.pick("octets", "字节"), Side::Right),
        (lang.pick("refused because", "拒绝原因"), Side::Left),
    ]);
    for kept in &kept {
        table.row([
            kept.probe.clone(),
            kept.sequence.to_string(),
            enrolment::written(config, kept.received_at_ns),
            kept.octets.to_string(),
            reason(kept, lang),
        ]);
    }
    print(&table.to_string())
}

fn take(config: &Config, as_json: bool, lang: Lang) -> Result<Outcome, Failure> {
    let asked = aside::ask(&config.store).map_err(|error| explain(error, lang))?;
    if as_json {
        return print(&format!("{}\n", json!({ "asked": asked })));
    }
    print(&lang.pick(
        format!("{asked} reports are looked at by the running collector within seconds, or by the next one at its start\n"),
        format!("{asked} 份报告将在数秒内由运行中的采集器重新检查，或在下次启动时检查\n"),
    ))
}

/// One that a newer collector wrote is told by its name.
fn reason(kept: &Kept, lang: Lang) -> String {
    let known = Refusal::of(&kept.reason);
    known.map_or_else(
        || kept.reason.clone(),
        |refusal| refusal.said(lang).to_owned(),
    )
}

fn explain(error: StoreError, lang: Lang) -> Failure {
    let what = lang.pick("cannot see what is kept aside", "无法查看被搁置的报告");
    Failure::unable(what).because(error).hint(lang.pick(
        "run it on the collector's host, as the user that the collector runs as, or as root",
        "请在采集器主机上以采集器的运行用户或 root 身份运行",
    ))
}
