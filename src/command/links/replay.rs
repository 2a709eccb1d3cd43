//! `owl links replay FILE`: what recorded counters say of the traffic between each two samples.

mod history;
mod show;

use std::path::PathBuf;

use owl_measure::counter::{CacheAge, series};
use owl_measure::time::Nanos;
use owl_measure::words::Lang;

use self::history::File;
use crate::failure::{Failure, Outcome};
use crate::terminal::print;

/// Turn recorded octet counters into rates, each with how far it may be off, or with the reason why there is none
///
/// FILE is JSON: {"speed_bps":n,"bits":32|64,"samples":[{"t":s,"rtt":s,"up":ticks,"disc":ticks,"v":"decimal"},…]} or a
/// list of such. t is the middle of the request on the collector's monotonic clock and rtt its round trip, both in seconds;
/// up is sysUpTime and disc ifCounterDiscontinuityTime, both in 1/100 s modulo 2^32; v is the counter, null when nobody
/// answered. Any field of a sample may be missing. One answer is given for each two consecutive samples in order of t; a
/// list of histories gives a list of such lists. An unknown answer is an answer: the exit code is 0 for every file that can
/// be read, and 2 otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// JSON file with one history or a list of them
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The agent may answer with values up to DURATION old, even if the history does not show it
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = cache_age)]
    cache: Nanos,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A duration that may be zero, but not below it.
fn cache_age(text: &str) -> Result<Nanos, String> {
    let age: Nanos = text.parse().map_err(|error| format!("{error}"))?;
    if age < Nanos::ZERO {
        return Err("a value cannot be older than nothing: write 0s or more".to_owned());
    }
    Ok(age)
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    let path = args.file.display();
    let file = File::read(&args.file).map_err(|error| {
        let hint = error.hint(lang);
        Failure::usage(lang.pick(format!("cannot replay {path}"), format!("无法回放 {path}")))
            .because(error)
            .hint_if_any(hint)
    })?;
    let judged = file.map(|mut history| {
        history.profile.cache = CacheAge::stated(args.cache);
        let judged = series::judge(&history.samples, &history.profile);
        (history, judged)
    });
    print(&if args.json {
        format!("{}\n", show::json(&judged))
    } else {
        show::text(&judged, lang)
    })
}
