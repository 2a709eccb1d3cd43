//! What hostile callers cost honest probes: `owl-hostile OWL`, where OWL is the binary of the appliance.
//!
//! Two honest probes send a report each 20 ms and time its acknowledgement,
//! in rounds without and with a thousand hostile connections of one kind, in
//! turn. The attack runs as a process of its own at the lowest priority,
//! because it stands for other hosts' processors, of which this one has none.

mod attack;
mod honest;
mod network;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::Parser;

use attack::Kind;
use network::Network;

/// Measure how long honest probes wait for an acknowledgement, without and with hostile connections to the intake
#[derive(Debug, Parser)]
struct Args {
    /// The binary of owl
    owl: PathBuf,
    /// Hostile connections at once
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Addresses that they come from
    #[arg(long, default_value_t = 10)]
    addresses: u8,
    /// Seconds of each round
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Rounds of each kind, and as many without an attack
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Be the attack of this kind on the intake of --network, until killed
    #[arg(long, value_name = "KIND", requires = "intake", hide = true)]
    attack: Option<Kind>,
    #[arg(long, hide = true)]
    intake: Option<SocketAddr>,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    if let (Some(kind), Some(intake)) = (args.attack, args.intake) {
        // Here OWL is the folder of the network, for its authority's certificate.
        let ca = args.owl.join("ca.pem");
        return runtime.block_on(attack::run(
            kind,
            intake,
            &ca,
            args.connections,
            args.addresses,
        ));
    }
    let network = Network::make()?;
    let mut collector = network.collector(&args.owl)?;
    let measured = runtime.block_on(measure(&args, &network));
    let _ = collector.kill();
    let _ = collector.wait();
    measured
}

async fn measure(args: &Args, network: &Network) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut out = io::stdout();
    let honest = honest::Honest::call(network).await?;
    let round = Duration::from_secs(args.seconds);
    writeln!(
        out,
        "| attack | idle p50 / p99 ms | attacked p50 / p99 ms | p99 ratio |"
    )?;
    writeln!(out, "|---|---|---|---|")?;
    for kind in Kind::ALL {
        let (mut idle, mut attacked) = (Vec::new(), Vec::new());
        for _ in 0..args.rounds {
            idle.push(honest.round(round).await?);
            let mut attack = attacking(args, kind, network)?;
            // Until all of its connections were tried.
            tokio::time::sleep(Duration::from_secs(3)).await;
            attacked.push(honest.round(round).await?);
            let _ = attack.kill();
            let _ = attack.wait();
        }
        let [idle, attacked] = [idle, attacked].map(median);
        let ratio = attacked.1 / idle.1;
        writeln!(
            out,
            "| {} | {:.1} / {:.1} | {:.1} / {:.1} | {ratio:.2} |",
            kind.said(),
            idle.0,
            idle.1,
            attacked.0,
            attacked.1
        )?;
    }
    Ok(())
}

/// The medians of rounds, each by itself.
fn median(rounds: Vec<(f64, f64)>) -> (f64, f64) {
    let of = |pick: fn(&(f64, f64)) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(pick).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    (of(|round| round.0), of(|round| round.1))
}

fn attacking(args: &Args, kind: Kind, network: &Network) -> io::Result<Child> {
    Command::new("nice")
        .args(["-n", "19"])
        .arg(std::env::current_exe()?)
        .arg(network.folder())
        .args(["--attack", kind.name()])
        .args(["--intake", &network.intake().to_string()])
        .args(["--connections", &args.connections.to_string()])
        .args(["--addresses", &args.addresses.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
