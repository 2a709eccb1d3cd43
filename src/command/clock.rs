//! `owl clock`: what is known of clocks, this host's and those of a mesh.

mod audit;

use clap::Subcommand;
use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};

/// Audit the clocks of a mesh of probes against what their packets prove
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Audit(audit::Args),
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    match args.action {
        Action::Audit(args) => audit::run(args, lang),
    }
}
