//! `owl links`: the traffic of links, from their octet counters.

mod per_second;
mod poll;
mod replay;

use clap::Subcommand;
use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};

/// Say what the octet counters of links are worth
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Poll(poll::Args),
    Replay(replay::Args),
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    match args.action {
        Action::Poll(args) => poll::run(args, lang),
        Action::Replay(args) => replay::run(args, lang),
    }
}
