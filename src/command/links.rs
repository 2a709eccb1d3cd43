//! `owl links`: the traffic of links, from their octet counters.

mod import;
mod per_second;
mod poll;
mod replay;
mod watch;

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
    Import(import::Args),
    Poll(poll::Args),
    Replay(replay::Args),
    Watch(watch::Args),
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    match args.action {
        Action::Import(args) => import::run(args, lang),
        Action::Poll(args) => poll::run(args, lang),
        Action::Replay(args) => replay::run(args, lang),
        Action::Watch(args) => watch::run(args, lang),
    }
}
