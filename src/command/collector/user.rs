//! `owl collector user`: who may log in.

use clap::Subcommand;
use owl_collector::{Config, Console, Grant, Known, Role};
use owl_measure::words::Lang;
use serde_json::json;

use super::access::{explain, written};
use super::password;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Side, Table, print};

/// Make, list and remove the users who may log in to the pages
///
/// A running collector takes a change over within seconds. Every change stands in the audit log.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Add(Add),
    Passwd(Passwd),
    List(List),
    Remove(Remove),
}

/// Make a user
///
/// The password is asked for on the terminal, twice, or read from a file; it has 15 characters at least. With the first
/// user the pages ask for a login, on this host too.
#[derive(Debug, clap::Args)]
struct Add {
    /// Name: letters, digits, `-`, `_`, `.` and `@`
    #[arg(value_name = "NAME")]
    name: String,
    /// What the user may see: admin, operator, viewer or regulator
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// Carrier whose paths a regulator sees, by its id in the topology; may be repeated
    #[arg(long = "carrier", value_name = "CARRIER")]
    carriers: Vec<String>,
    #[command(flatten)]
    password: password::From,
}

/// Give a user another password
///
/// Sessions that were begun with the old one end.
#[derive(Debug, clap::Args)]
struct Passwd {
    /// The user
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    password: password::From,
}

/// List the users
#[derive(Debug, clap::Args)]
struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Remove a user; all sessions end
#[derive(Debug, clap::Args)]
struct Remove {
    /// The user
    #[arg(value_name = "NAME")]
    name: String,
}

impl Args {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let who = super::access::who();
        let console = Console::new(config, &who);
        match self.action {
            Action::Add(add) => add.run(&console, lang),
            Action::Passwd(passwd) => passwd.run(&console, lang),
            Action::List(list) => list.run(&console, config, lang),
            Action::Remove(remove) => remove.run(&console, lang),
        }
    }
}

impl Add {
    fn run(self, console: &Console<'_>, lang: Lang) -> Result<Outcome, Failure> {
        let name = &self.name;
        let what = || {
            format!(
                "{} {name}",
                lang.pick("cannot add the user", "无法添加用户")
            )
        };
        let grant = Grant::new(self.role, self.carriers)
            .map_err(|error| explain(what(), error.into(), lang))?;
        let password = self.password.read(lang)?;
        console
            .add_user(name, grant, &password)
            .map_err(|error| explain(what(), error, lang))?;
        let role = self.role;
        print(&lang.pick(
            format!("{name} may log in as {role}.\n"),
            format!("{name} 现可以 {role} 角色登录。\n"),
        ))
    }
}

impl Passwd {
    fn run(self, console: &Console<'_>, lang: Lang) -> Result<Outcome, Failure> {
        let name = &self.name;
        let password = self.password.read(lang)?;
        console.set_password(name, &password).map_err(|error| {
            let what = lang.pick("cannot change the password of", "无法更改密码：");
            explain(format!("{what} {name}"), error, lang)
        })?;
        print(&lang.pick(
            format!("{name} has a new password; sessions of the old one have ended.\n"),
            format!("{name} 的密码已更改，原有会话均已结束。\n"),
        ))
    }
}

impl Remove {
    fn run(self, console: &Console<'_>, lang: Lang) -> Result<Outcome, Failure> {
        let name = &self.name;
        console.remove_user(name).map_err(|error| {
            let what = lang.pick("cannot remove the user", "无法删除用户");
            explain(format!("{what} {name}"), error, lang)
        })?;
        print(&lang.pick(
            format!("{name} is no user any more.\n"),
            format!("{name} 已删除。\n"),
        ))?;
        let left = console.users().map_err(|error| {
            let what = lang.pick("cannot list the users", "无法列出用户");
            explain(what.to_owned(), error, lang)
        })?;
        if !left.is_empty() {
            return Ok(Outcome::Ok);
        }
        print(lang.pick(
            "Nobody is left: everybody on the collector's host sees its pages again, without a login.\n",
            "已无任何用户：采集器主机上的任何人又可免登录查看页面。\n",
        ))
    }
}

impl List {
    fn run(self, console: &Console<'_>, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let users = console.users().map_err(|error| {
            let what = lang.pick("cannot list the users", "无法列出用户");
            explain(what.to_owned(), error, lang)
        })?;
        if self.json {
            return print(&format!("{}\n", json!({ "users": users })));
        }
        let mut table = Table::new(&[
            (lang.pick("user", "用户"), Side::Left),
            (lang.pick("role", "角色"), Side::Left),
            (lang.pick("carriers", "运营商"), Side::Left),
            (lang.pick("password since", "密码设于"), Side::Left),
            (lang.pick("last seen", "最近使用"), Side::Left),
        ]);
        for user in users {
            let Known {
                name, since, used, ..
            } = &user;
            table.row([
                name.clone(),
                user.role.to_string(),
                carriers(&user, lang),
                written(config, Some(*since)),
                written(config, *used),
            ]);
        }
        print(&table.to_string())
    }
}

/// Whose paths somebody sees.
pub(super) fn carriers(known: &Known, lang: Lang) -> String {
    if known.carriers.is_empty() {
        lang.pick("all", "全部").to_owned()
    } else {
        known.carriers.join(", ")
    }
}
