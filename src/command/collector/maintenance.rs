//! `owl collector maintenance`: work that is announced.

use clap::{ArgGroup, Subcommand};
use owl_collector::explain::At;
use owl_collector::{Affected, Config, Console, Maintenance, MaintenanceError};
use owl_measure::words::Lang;
use serde_json::json;

use super::access::{explain, written};
use crate::failure::{Failure, Outcome};
use crate::terminal::{Side, Table, print};

/// Announce work on paths, so that it raises no alarm and is told from a fault in compliance
///
/// The announcement is dated by this host's clock and stands in the audit log. Work that is announced before it begins is left
/// out of compliance where the profile says so; what is announced later is listed, and excuses nothing. A running collector
/// takes it over within seconds.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Add(Add),
    List(List),
    End(End),
}

/// Announce work, as of now
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("affected").required(true).args(["path", "site", "carrier"])))]
struct Add {
    /// One path, one direction, as FROM~TO
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// All paths that begin or end at a site
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// All paths that begin or end in a carrier's network
    #[arg(long, value_name = "CARRIER")]
    carrier: Option<String>,
    /// When it begins, such as 2026-11-28T01:00:00+08:00, without offset in the topology's time zone [default: now]
    #[arg(long, value_name = "T")]
    from: Option<At>,
    /// When it ends
    #[arg(long, value_name = "T")]
    to: At,
    /// Why, one line; it stands in compliance reports
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List announced work, the latest first
#[derive(Debug, clap::Args)]
struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// End work before its time, or call it off before it begins
///
/// What it excused until now stays excused.
#[derive(Debug, clap::Args)]
struct End {
    /// Its id, as `list` has it
    #[arg(value_name = "ID")]
    id: String,
}

impl Args {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let who = super::access::who();
        let console = Console::new(config, &who);
        match self.action {
            Action::Add(add) => add.run(&console, config, lang),
            Action::List(list) => list.run(&console, config, lang),
            Action::End(end) => end.run(&console, lang),
        }
    }
}

/// What was asked wrongly is usage; what the host refuses is not.
fn refused(what: String, error: MaintenanceError, lang: Lang) -> Failure {
    match error {
        MaintenanceError::Access(error) => explain(what, error, lang),
        MaintenanceError::Unknown { .. } => Failure::usage(what).because(error).hint(lang.pick(
            "`owl topology show` names paths, sites and carriers",
            "`owl topology show` 可列出路径、站点与运营商",
        )),
        error => Failure::usage(what).because(error),
    }
}

impl Add {
    fn run(self, console: &Console<'_>, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let what = || {
            lang.pick("cannot announce the work", "无法申报维护")
                .to_owned()
        };
        let affected = self
            .path
            .map(Affected::Path)
            .or(self.site.map(Affected::Site))
            .or(self.carrier.map(Affected::Carrier));
        let Some(affected) = affected else {
            return Err(Failure::usage(what()));
        };
        let made = console
            .add_maintenance(affected, self.from, self.to, &self.reason)
            .map_err(|error| refused(what(), error, lang))?;
        if self.json {
            return print(&format!("{}\n", row(&made)));
        }
        let (id, late) = (&made.id, made.is_late());
        let (from, to) = (
            written(config, Some(made.start)),
            written(config, Some(made.end)),
        );
        let mut said = lang.pick(
            format!("{id}: {from} to {to}.\n"),
            format!("{id}：{from} 至 {to}。\n"),
        );
        if late {
            said.push_str(lang.pick(
                "It began before this announcement, so compliance lists it and leaves nothing out for it.\n",
                "其开始早于本次申报，达标统计仅列出而不予剔除。\n",
            ));
        }
        print(&said)
    }
}

impl End {
    fn run(self, console: &Console<'_>, lang: Lang) -> Result<Outcome, Failure> {
        let id = &self.id;
        console.end_maintenance(id).map_err(|error| {
            let what = lang.pick("cannot end the work", "无法结束维护");
            refused(format!("{what} {id}"), error, lang)
        })?;
        print(&lang.pick(format!("{id} is over.\n"), format!("{id} 已结束。\n")))
    }
}

/// As JSON, with whether it was announced late.
fn row(works: &Maintenance) -> serde_json::Value {
    let mut row = json!(works);
    row["late"] = works.is_late().into();
    row
}

impl List {
    fn run(self, console: &Console<'_>, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let all = console.maintenance().map_err(|error| {
            let what = lang.pick("cannot list the work", "无法列出维护");
            explain(what.to_owned(), error, lang)
        })?;
        if self.json {
            let all: Vec<_> = all.iter().map(row).collect();
            return print(&format!("{}\n", json!({ "maintenance": all })));
        }
        let mut table = Table::new(&[
            (lang.pick("id", "编号"), Side::Left),
            (lang.pick("on", "对象"), Side::Left),
            (lang.pick("from", "开始"), Side::Left),
            (lang.pick("to", "结束"), Side::Left),
            (lang.pick("announced", "申报于"), Side::Left),
            (lang.pick("by", "申报人"), Side::Left),
            (lang.pick("reason", "原因"), Side::Left),
        ]);
        for works in all {
            let late = match works.is_late() {
                true => lang.pick(" (late)", "（事后）"),
                false => "",
            };
            table.row([
                works.id.clone(),
                format!("{} {}", works.affected.code(), works.affected.name()),
                written(config, Some(works.start)),
                written(config, Some(works.end)),
                format!("{}{late}", written(config, Some(works.declared_at))),
                works.by.clone(),
                works.reason.clone(),
            ]);
        }
        print(&table.to_string())
    }
}
