//! The commands, one a file: what each takes, and what it prints.

mod clock;
mod collector;
mod delay;
mod doctor;
mod duration;
mod key_file;
mod lab;
mod links;
mod own_clock;
mod probe;
mod reflect;
mod stamp_format;
mod topology;
mod verdict;

use clap::{Parser, Subcommand};
use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};

/// Measure one-way delay and judge it, with the certainty of every number
#[derive(Debug, Parser)]
#[command(name = "owl", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Language of the output: en or zh-CN; the locale decides when it is not given
    #[arg(long, global = true, value_name = "LANG")]
    lang: Option<Lang>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Lab(lab::Args),
    Delay(Box<delay::Args>),
    Reflect(Box<reflect::Args>),
    Probe(probe::Args),
    Collector(collector::Args),
    Clock(clock::Args),
    Doctor(doctor::Args),
    Links(links::Args),
    Topology(topology::Args),
    Verdict(verdict::Args),
}

impl Cli {
    /// The language of the output.
    pub(crate) fn lang(&self) -> Lang {
        self.lang.unwrap_or_else(locale)
    }

    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let lang = self.lang();
        match self.command {
            Command::Lab(args) => lab::run(args, lang),
            Command::Delay(args) => delay::run(*args, lang),
            Command::Clock(args) => clock::run(args, lang),
            Command::Doctor(args) => doctor::run(args, lang),
            Command::Links(args) => links::run(args, lang),
            Command::Reflect(args) => reflect::run(*args, lang),
            Command::Collector(args) => collector::run(args, lang),
            Command::Probe(args) => probe::run(args, lang),
            Command::Topology(args) => topology::run(args, lang),
            Command::Verdict(args) => verdict::run(args, lang),
        }
    }
}

/// The language of the POSIX locale: the first of these variables that is set counts (POSIX.1-2017, 8.2).
fn locale() -> Lang {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .map_or(Lang::En, |value| Lang::from_locale(&value))
}

/// Log lines of the daemons go to standard error; `RUST_LOG` chooses which (default: info).
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
}
