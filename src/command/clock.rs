//! `owl clock`: what is known of clocks, this host's and those of a mesh.

mod audit;
mod state;
mod words;

use clap::Subcommand;
use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};

/// Show how far this host's clock may be off, why, which targets that can decide, and what would better it
///
/// Whoever disciplines the clock is asked: ClockBound, chronyd, ptp4l or ntpd-rs, the first that claims something.
/// Nothing is changed. Exit code 0 when a bound can be claimed, 3 otherwise.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    state: state::StateArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    Audit(audit::Args),
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    match args.action {
        None => state::run(args.state, lang),
        Some(Action::Audit(args)) => audit::run(args, lang),
    }
}
