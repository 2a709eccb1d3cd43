//! `owl verdict`: what is to be said of verdicts that were made.

mod ask;
mod compliance;
mod explain;
mod fetch;

use clap::Subcommand;
use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};

/// Tell what the verdicts of a collector come to, and what one of them was made from
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Compliance(compliance::Args),
    Explain(explain::Args),
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    match args.action {
        Action::Compliance(args) => compliance::run(args, lang),
        Action::Explain(args) => explain::run(args, lang),
    }
}
