//! `owl collector token`: which programs may ask.

use clap::Subcommand;
use owl_collector::{Config, Console, Grant, Role};
use owl_measure::time::{Nanos, ParseNanosError};
use owl_measure::words::Lang;
use serde_json::json;

use super::access::{explain, written};
use super::user::carriers;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Side, Table, print};

/// A token that lasts for less is of no use; one that lasts for more is never renewed.
const VALID_MIN: Nanos = Nanos::from_secs(60);
const VALID_MAX: Nanos = Nanos::from_secs(400 * 86_400);

/// Make, list and revoke the tokens with which programs read metrics and the API
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
    List(List),
    Revoke(Revoke),
}

/// Make a token, and print it
///
/// It is kept nowhere: the collector keeps its hash. Programs send it as `Authorization: Bearer TOKEN`; Prometheus takes it
/// as `credentials_file`.
#[derive(Debug, clap::Args)]
struct Add {
    /// Name of the token, which stands in the audit log
    #[arg(value_name = "NAME")]
    name: String,
    /// What it may see: admin, operator, viewer or regulator
    #[arg(long, value_name = "ROLE", default_value = "viewer")]
    role: Role,
    /// Carrier whose paths a regulator sees, by its id in the topology; may be repeated
    #[arg(long = "carrier", value_name = "CARRIER")]
    carriers: Vec<String>,
    /// How long it lasts, one minute to 400 days
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = valid)]
    valid: Nanos,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List the tokens: until when each lasts, and when it was last used
#[derive(Debug, clap::Args)]
struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Make a token void
#[derive(Debug, clap::Args)]
struct Revoke {
    /// Name of the token
    #[arg(value_name = "NAME")]
    name: String,
}

fn valid(text: &str) -> Result<Nanos, String> {
    let span: Nanos = text
        .parse()
        .map_err(|error: ParseNanosError| error.to_string())?;
    if (VALID_MIN..=VALID_MAX).contains(&span) {
        Ok(span)
    } else {
        Err("one minute to 400 days (400d) is possible".to_owned())
    }
}

impl Args {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let who = super::access::who();
        let console = Console::new(config, &who);
        match self.action {
            Action::Add(add) => add.run(&console, config, lang),
            Action::List(list) => list.run(&console, config, lang),
            Action::Revoke(revoke) => revoke.run(&console, lang),
        }
    }
}

impl Add {
    fn run(self, console: &Console<'_>, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let name = &self.name;
        let failed = |error| {
            let what = lang.pick("cannot make the token", "无法创建令牌");
            explain(format!("{what} {name}"), error, lang)
        };
        let grant = Grant::new(self.role, self.carriers).map_err(|error| failed(error.into()))?;
        let made = console.add_token(name, grant, self.valid);
        let (secret, expires) = made.map_err(failed)?;
        let value = secret.reveal();
        if self.json {
            let made = json!({ "name": name, "token": value, "expires_ns": expires });
            return print(&format!("{made}\n"));
        }
        let until = written(config, Some(expires));
        print(&lang.pick(
            format!("The token {name}, until {until}; it is shown once:\n\n{value}\n"),
            format!("令牌 {name}，有效至 {until}，仅显示一次：\n\n{value}\n"),
        ))
    }
}

impl List {
    fn run(self, console: &Console<'_>, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let tokens = console.tokens().map_err(|error| {
            let what = lang.pick("cannot list the tokens", "无法列出令牌");
            explain(what.to_owned(), error, lang)
        })?;
        if self.json {
            return print(&format!("{}\n", json!({ "tokens": tokens })));
        }
        let mut table = Table::new(&[
            (lang.pick("token", "令牌"), Side::Left),
            (lang.pick("role", "角色"), Side::Left),
            (lang.pick("carriers", "运营商"), Side::Left),
            (lang.pick("until", "有效至"), Side::Left),
            (lang.pick("last used", "最近使用"), Side::Left),
        ]);
        for token in tokens {
            table.row([
                token.name.clone(),
                token.role.to_string(),
                carriers(&token, lang),
                written(config, token.expires),
                written(config, token.used),
            ]);
        }
        print(&table.to_string())
    }
}

impl Revoke {
    fn run(self, console: &Console<'_>, lang: Lang) -> Result<Outcome, Failure> {
        let name = &self.name;
        console.revoke_token(name).map_err(|error| {
            let what = lang.pick("cannot revoke the token", "无法吊销令牌");
            explain(format!("{what} {name}"), error, lang)
        })?;
        print(&lang.pick(
            format!("The token {name} is void.\n"),
            format!("令牌 {name} 已失效。\n"),
        ))
    }
}
