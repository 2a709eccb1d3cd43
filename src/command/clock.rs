//! `owl clock`: what is known of this host's clock.

mod state;
mod words;

use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};

/// Show how far this host's clock may be off, why, which targets that can decide, and what would better it
///
/// Whoever disciplines the clock is asked: ClockBound, chronyd, ptp4l or ntpd-rs, the first that claims something.
/// Nothing is changed. Exit code 0 when a bound can be claimed, 3 otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    state: state::StateArgs,
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    state::run(args.state, lang)
}
