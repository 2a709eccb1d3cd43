//! `owl collector audit`: what people did, and whether somebody changed the log of it.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use owl_collector::explain::At;
use owl_collector::{AccessError, Config, Console, Verified, read_line, verify};
use owl_measure::words::Lang;
use serde_json::{Map, Value, json};

use super::access::explain;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Reader, print, stream};

/// Print the audit log: logins, refusals, exports, and every change of users, tokens, probes and the plan
///
/// Each record has the hash of the one before it in its own. `owl collector audit --json` is the export that
/// `owl collector audit verify` checks without a collector.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Leave out what happened before this instant: 2026-11-23T08:00:00+08:00, a local time without the offset, or now-7d
    #[arg(long, value_name = "INSTANT")]
    since: Option<At>,
    /// Print a line of JSON for each record, as an export
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    Verify(Verify),
}

/// Check an export: whether a record was changed, removed, moved or put in, and which one
///
/// Ends with 0 when the export is a whole chain, and with 1 when it is not, or is empty. A chain does not tell that its last
/// records are missing; with --end it does.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// Export to check, as `owl collector audit --json` prints it; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Hash that was noted as the end of an earlier export: its record must still be there
    #[arg(long, value_name = "HASH")]
    end: Option<String>,
    /// Print JSON
    #[arg(long = "json")]
    as_json: bool,
}

/// Why the log is not printed any further.
enum End {
    Access(AccessError),
    Output(Failure),
    /// Who reads has seen enough.
    Gone,
}

impl From<AccessError> for End {
    fn from(error: AccessError) -> Self {
        Self::Access(error)
    }
}

impl Args {
    /// Whether it needs no configuration, and so no collector.
    pub(super) fn offline(self) -> Result<Verify, Self> {
        match self.action {
            Some(Action::Verify(verify)) => Ok(verify),
            None => Err(self),
        }
    }

    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let who = super::access::who();
        let printed = Console::new(config, &who).audit(self.since.as_ref(), |line| {
            let told = if self.json {
                line.to_owned()
            } else {
                told(line)
            };
            match stream(&format!("{told}\n")) {
                Ok(Reader::There) => Ok(()),
                Ok(Reader::Gone) => Err(End::Gone),
                Err(failure) => Err(End::Output(failure)),
            }
        });
        match printed {
            Ok(()) | Err(End::Gone) => Ok(Outcome::Ok),
            Err(End::Output(failure)) => Err(failure),
            Err(End::Access(error)) => {
                let what = lang.pick("cannot print the audit log", "无法输出审计日志");
                Err(explain(what.to_owned(), error, lang))
            }
        }
    }
}

/// A record for a person: when, who, from where, what.
fn told(line: &str) -> String {
    let Some((number, fields)) = read_line(line) else {
        return line.to_owned();
    };
    let text = |name: &str| plain(&fields, name);
    let at = text("at");
    let at = at.split('.').next().unwrap_or_default();
    let (who, from, deed, what) = (text("who"), text("from"), text("deed"), text("what"));
    format!("{number:>6} {at}Z {who:<20} {from:<15} {deed:<16} {what}")
}

/// What stands there, without what a terminal would obey.
fn plain(fields: &Map<String, Value>, name: &str) -> String {
    let text = fields.get(name).and_then(Value::as_str).unwrap_or_default();
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

impl Verify {
    pub(super) fn run(self, lang: Lang) -> Result<Outcome, Failure> {
        let failed = |error: io::Error| {
            let what = lang.pick("cannot read", "无法读取");
            Failure::usage(format!("{what} {}", self.file.display())).because(error)
        };
        let input: Box<dyn BufRead> = if self.file == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(&self.file).map_err(failed)?))
        };
        let verified = verify(input.lines(), self.end.as_deref()).map_err(failed)?;
        let outcome = if verified.faults.is_empty() && verified.records > 0 {
            Outcome::Ok
        } else {
            Outcome::Missed
        };
        print(&if self.as_json {
            as_json(&verified)
        } else {
            in_words(&verified, lang)
        })?;
        Ok(outcome)
    }
}

fn as_json(verified: &Verified) -> String {
    let faults: Vec<String> = verified.faults.iter().map(ToString::to_string).collect();
    let told = json!({
        "whole": faults.is_empty() && verified.records > 0,
        "records": verified.records,
        "first": verified.first,
        "end": verified.end,
        "faults": faults,
    });
    format!("{told}\n")
}

fn in_words(verified: &Verified, lang: Lang) -> String {
    if !verified.faults.is_empty() {
        let faults = verified.faults.iter().map(|fault| format!("✗ {fault}\n"));
        return faults.collect();
    }
    let records = verified.records;
    let (Some(first), Some(end)) = (verified.first, verified.end.as_deref()) else {
        let nothing = lang.pick("no record, so nothing is proved", "没有记录，无从证明");
        return format!("? {nothing}\n");
    };
    let told = lang.pick(
        format!(
            "✓ {records} records from number {first} on, each follows from the one before\n  end {end}\n"
        ),
        format!("✓ 共 {records} 条记录，自第 {first} 条起逐条相连\n  末条哈希 {end}\n"),
    );
    if first == 1 {
        return told;
    }
    let older = lang.pick(
        format!(
            "  the {} before are not in it: records are kept 400 days, and `--since` leaves out older ones\n",
            first - 1
        ),
        format!("  此前 {} 条不在其中：记录保留 400 天，--since 会略去更早的记录\n", first - 1),
    );
    told + &older
}
