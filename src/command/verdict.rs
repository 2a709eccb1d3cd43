//! `owl verdict`: what is to be said of verdicts that were made.

mod compliance;
mod fetch;

use clap::Subcommand;
use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};

/// Tell what the verdicts of a collector come to
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Compliance(compliance::Args),
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    match args.action {
        Action::Compliance(args) => compliance::run(args, lang),
    }
}
