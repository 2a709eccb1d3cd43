//! The one binary: parse, dispatch, print the error, exit code.

mod command;
mod failure;
mod stop;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = command::Cli::parse();
    let lang = cli.lang();
    match cli.run() {
        Ok(outcome) => outcome.into(),
        Err(failure) => failure.report(lang),
    }
}
