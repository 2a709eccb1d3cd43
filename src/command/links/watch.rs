//! `owl links watch`: what one of this host's own interfaces carries, and its bursts.

mod show;

use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread;

use clap::value_parser;
use owl_measure::time::Nanos;
use owl_measure::words::Lang;
use owl_probe::links::{InterfaceError, RATE_HZ_MAX, Sampled, Sampler};

use crate::command::duration::positive;
use crate::failure::{Failure, Outcome};
use crate::stop;
use crate::terminal::{LiveLine, print};

/// Watch one of this host's interfaces: its mean rate, and its peaks over 1, 10 and 100 ms
///
/// The kernel is asked for the interface's counters RATE times a second, which takes a few microseconds each time. A peak is the
/// highest rate in any window of that length, wherever it began, with hard bounds: no window carried more than the upper one.
/// Where a driver refreshes its counters only now and then, peaks that this hides are not told, and it is said how long
/// the counters stood still. Ends after DURATION or with Ctrl-C, and tells what was seen until then.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Interface to watch, as `ip link` names it
    #[arg(value_name = "IFACE")]
    interface: String,
    /// Readings a second
    #[arg(long, value_name = "RATE", default_value_t = RATE_HZ_MAX, value_parser = value_parser!(u32).range(1..=i64::from(RATE_HZ_MAX)))]
    rate_hz: u32,
    /// How long to watch
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = positive)]
    duration: Nanos,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How often what was seen is shown, and a signal is looked for.
const SHOWN_EACH: Nanos = Nanos::from_secs(1);

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    let interface = args.interface.clone();
    let cannot = |error: InterfaceError| {
        let what = lang.pick(
            format!("cannot watch {interface}"),
            format!("无法观察 {interface}"),
        );
        match error {
            InterfaceError::Absent { .. } => Failure::usage(what).because(error),
            InterfaceError::Read { .. } => Failure::unable(what).because(error),
        }
    };
    let stop = stop::on_signal()?;
    let mut sampler = Sampler::start(&args.interface, args.rate_hz).map_err(&cannot)?;
    let speed_bps = sampler.speed_bps();
    // One place: a terminal that is slow to show a second misses one, and the next one tells all the same.
    let (seconds, shown) = sync_channel::<Sampled>(1);
    let watching = thread::spawn(move || {
        let mut left = args.duration;
        loop {
            let span = left.min(SHOWN_EACH);
            let sampled = sampler.sample_for(span)?;
            left = left - span;
            if left <= Nanos::ZERO || stop.load(Ordering::Relaxed) {
                return Ok(sampled);
            }
            let _ = seconds.try_send(sampled);
        }
    });
    let live = LiveLine::new();
    let mut last: Option<Sampled> = None;
    for sampled in shown {
        live.show(&show::line(last.as_ref(), &sampled, lang));
        last = Some(sampled);
    }
    live.clear();
    let sampled = watching
        .join()
        .map_err(|_| Failure::unable(lang.pick("the watching thread died", "观察线程异常结束")))?
        .map_err(&cannot)?;
    print(&if args.json {
        show::json(&args.interface, speed_bps, &sampled)
    } else {
        show::text(&args.interface, speed_bps, &sampled, lang)
    })
}
