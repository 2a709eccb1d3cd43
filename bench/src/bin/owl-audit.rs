//! The accuracy of the mesh audit on simulated meshes: `owl-audit [--seeds N] [KIND]…`.

use std::io::{self, Write as _};

use clap::Parser;
use owl_bench::audit::table;
use owl_sim::mesh::Kind;

/// Audit simulated meshes whose truth is known, and print how right the answers are
#[derive(Debug, Parser)]
struct Args {
    /// Runs of each kind
    #[arg(long, default_value_t = 100)]
    seeds: u64,
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
    io::stdout()
        .lock()
        .write_all(table(&kinds, args.seeds).as_bytes())
}
