//! The accuracy of the mesh audit on simulated meshes: `owl-audit [--seeds N] [KIND]…`.
//!
//! With `--write DIR` it writes one run as the folder that `owl clock audit DIR` reads, and as truth.csv what that must
//! not see.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Parser;
use owl_bench::audit::{folder_of, table};
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
    if let (Some(dir), &[kind]) = (&args.write, &kinds[..]) {
        return write(dir, &Scenario::of(kind, args.seed));
    }
    io::stdout()
        .lock()
        .write_all(table(&kinds, args.seeds).as_bytes())
}

fn write(dir: &Path, scenario: &Scenario) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for (name, text) in folder_of(scenario) {
        fs::write(dir.join(name), text)?;
    }
    Ok(())
}
