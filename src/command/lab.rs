//! `owl lab`: the whole system on this machine.

use std::path::PathBuf;

use owl_lab::{Form, LabError, Network, Options};
use owl_measure::time::Nanos;
use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};

/// Run a collector, probes and a simulated network on this machine, and hold every verdict against the truth
///
/// Delays and clocks are injected, and three troubles are planted: a detour, a clock that lies by 3 ms, and a path too
/// near to its target to decide. Ends with 0 when no verdict was false and the troubles were judged rightly, with 1
/// when not, and with 3 when there was nothing to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End after this long; without it the lab runs until Ctrl-C
    #[arg(long, value_name = "DURATION")]
    duration: Option<Nanos>,
    /// Number from which everything random is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Port of the page on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    http: u16,
    /// Give every probe a network namespace of its own, with the delay box as a bridge between them (needs root)
    #[arg(long)]
    netns: bool,
    /// Keep all files of the lab (topology, certificates, configurations, stores, logs) in DIR
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print a line of JSON for each event instead of the table, and last the summary
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    let duration = match args.duration {
        Some(duration) if duration <= Nanos::ZERO => {
            return Err(Failure::usage(format!("cannot run a lab for {duration}"))
                .hint("for example --duration 60s"));
        }
        duration => duration.map(Nanos::to_std),
    };
    let options = Options {
        duration,
        seed: args.seed,
        http: args.http,
        network: if args.netns {
            Network::Namespaces
        } else {
            Network::Loopback
        },
        keep: args.keep,
        form: if args.json { Form::Json } else { Form::Text },
        lang,
    };
    let summary = owl_lab::run(&options, &mut std::io::stdout()).map_err(explain)?;
    Ok(if !summary.compared_anything() {
        Outcome::Undecided
    } else if summary.is_right() {
        Outcome::Ok
    } else {
        Outcome::Missed
    })
}

fn explain(error: LabError) -> Failure {
    let hint = match &error {
        LabError::NotRoot => {
            Some("run it as root, or leave --netns out: the loopback lab needs no privilege")
        }
        LabError::Port { .. } => Some("--http 0 takes a free port"),
        LabError::Command { .. } => Some(
            "--netns needs the command `ip` (package iproute2) and a kernel with namespaces and veth",
        ),
        LabError::Write { .. } => {
            Some("--keep DIR wants a directory that is empty or not there yet")
        }
        LabError::Collector { .. } => Some("--keep DIR keeps the logs of all parts"),
        _ => None,
    };
    let failure = Failure::unable("cannot run the lab").because(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
