//! `owl verdict`: what is to be said of a verdict that was made.

mod ask;
mod explain;

use clap::Subcommand;
use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};

/// Explain a verdict that a collector made
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Explain(explain::Args),
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    match args.action {
        Action::Explain(args) => explain::run(args, lang),
    }
}
