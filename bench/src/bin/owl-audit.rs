//! The accuracy of the mesh audit on simulated meshes: `owl-audit [--seeds N] [KIND]…`.
//!
//! With `--write DIR` it writes one run as the folder that `owl clock audit DIR` reads, and as truth.csv what that must
//! not see.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Parser;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use owl_bench::audit::{
    audit_envelopes, audit_window, envelopes, folder_of, large_window, live_table, table,
};
use owl_sim::mesh::{Kind, Scenario};

/// Audit simulated meshes whose truth is known, and print how right the answers are
#[derive(Debug, Parser)]
struct Args {
    /// Runs of each kind
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// Write run number --seed of the one KIND that is named into this folder instead
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Which run to write
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Time the audit of one window of this many probes, all pairs, 600 packets a direction, instead; with --live, of the
    /// 60 points a direction that reports hold of them
    #[arg(long, value_name = "PROBES")]
    time: Option<usize>,
    /// Audit and judge each minute by itself, as the collector does, instead of whole runs
    #[arg(long)]
    live: bool,
    /// Kinds of trouble; all of them when none is named
    #[arg(value_parser = kind)]
    kinds: Vec<Kind>,
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::named(name).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("the kinds are {}", known.join(", "))
    })
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let kinds = if args.kinds.is_empty() {
        Kind::ALL.to_vec()
    } else {
        args.kinds
    };
    if let Some(probes) = args.time {
        return if args.live {
            time_live(probes)
        } else {
            time(probes)
        };
    }
    if let (Some(dir), &[kind]) = (&args.write, &kinds[..]) {
        return write(dir, &Scenario::of(kind, args.seed));
    }
    let table = if args.live {
        live_table(&kinds, args.seeds)
    } else {
        table(&kinds, args.seeds)
    };
    io::stdout().lock().write_all(table.as_bytes())
}

fn write(dir: &Path, scenario: &Scenario) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for (name, text) in folder_of(scenario) {
        fs::write(dir.join(name), text)?;
    }
    Ok(())
}

/// Ten audits of the same window on this one thread, each with the processor time that it took: what else the machine
/// does at the same time does not count.
fn time(probes: usize) -> io::Result<()> {
    let pairs = large_window(probes, 600);
    let mut out = io::stdout().lock();
    for _ in 0..10 {
        let begin = processor_us()?;
        let known = audit_window(probes, &pairs);
        let took_us = processor_us()? - begin;
        writeln!(
            out,
            "{known} clocks, {} pairs: {:.1} ms",
            pairs.len(),
            took_us as f64 / 1e3
        )?;
    }
    Ok(())
}

/// The same of the collector's audit.
fn time_live(probes: usize) -> io::Result<()> {
    let pairs = large_window(probes, 60);
    let envelopes = envelopes(&pairs);
    let mut out = io::stdout().lock();
    for _ in 0..10 {
        let begin = processor_us()?;
        let disbelieved = audit_envelopes(&pairs, &envelopes);
        let took_us = processor_us()? - begin;
        let took_ms = took_us as f64 / 1e3;
        writeln!(
            out,
            "{disbelieved} clocks not believed, {} pairs: {took_ms:.1} ms",
            pairs.len()
        )?;
    }
    Ok(())
}

fn processor_us() -> io::Result<i64> {
    let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
    Ok(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
}
