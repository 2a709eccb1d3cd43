//! `owl links import FILE.csv`: what bins of performance measurements say of links and indicators.

mod file;
mod show;
mod sums;

use std::path::PathBuf;

use owl_measure::words::Lang;

use self::file::Bins;
use crate::command::topology::accepted;
use crate::failure::{Failure, Outcome};
use crate::terminal::print;

/// Add up the bins of a carrier's performance measurements: links and indicators, each octet once, with bounds and 95th percentiles
///
/// FILE is CSV with a header. These columns are read, in any order, and others are passed over: port (its id in the topology),
/// start (RFC 3339, or seconds since 1970), seconds (the bin's length, one for all, 900 as a rule), received_octets and
/// sent_octets. A bin that is missing, or that holds more than the port can carry, is unknown: nothing is added for it to the
/// lower bound, and full lines to the upper one. The exit code is 0 for every file that can be read, and 2 otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// CSV file of bins
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// TOML file, or directory of *.toml, that declares the ports; the built-in Yancheng when it is not given
    #[arg(long, value_name = "TOPOLOGY")]
    topology: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    let topology = accepted(args.topology, lang)?;
    let path = args.file.display();
    let bins = Bins::read(&args.file).map_err(|error| {
        let hint = error.hint(lang);
        Failure::usage(lang.pick(format!("cannot import {path}"), format!("无法导入 {path}")))
            .because(error)
            .hint_if_any(hint)
    })?;
    let summed = sums::of(&topology, &bins);
    print(&if args.json {
        show::json(&bins, &summed)
    } else {
        show::text(&bins, &summed, lang)
    })
}
