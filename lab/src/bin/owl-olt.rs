//! Simulated OLTs for benches and for trying things out: prints where they are, and answers until it is ended.
#![expect(clippy::print_stdout, reason = "the addresses go to standard output")]

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use clap::Parser;
use owl_lab::olt::{Olts, Options, User};
use owl_measure::time::Nanos;

/// Simulate OLTs that answer SNMP, and print the address of each
#[derive(Debug, Parser)]
struct Args {
    /// OLTs, at one UDP port each
    #[arg(long, default_value_t = 1)]
    olts: u32,
    /// PON ports of each
    #[arg(long, default_value_t = 16)]
    ports: u32,
    /// The address
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// The first UDP port; 0 takes free ones
    #[arg(long, default_value_t = 0)]
    first_port: u16,
    /// The community of SNMPv2c
    #[arg(long, default_value = "public")]
    community: String,
    /// Answer this user by SNMPv3 (SHA-256, AES-128), too
    #[arg(long, value_name = "NAME", requires = "passphrase")]
    user: Option<String>,
    /// The user's pass phrase, for both keys: simulated agents keep no secrets
    #[arg(long)]
    passphrase: Option<String>,
    /// The largest answer, in octets of UDP payload
    #[arg(long, default_value_t = 1_472)]
    answer_octets_max: usize,
    /// The round trip to each
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    round_trip: Nanos,
    /// How long an OLT works on one variable binding
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    service: Nanos,
    /// Datagrams lost each way, in millionths
    #[arg(long, default_value_t = 0)]
    loss_ppm: u32,
    /// How long an OLT answers with the same copy of its counters
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    cache: Nanos,
    /// Restart each OLT again and again after this time
    #[arg(long, value_name = "DURATION")]
    restart_every: Option<Nanos>,
    /// Give each port another number at a restart
    #[arg(long, requires = "restart_every")]
    renumber: bool,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(never) => match never {},
        Err(error) => {
            println!("owl-olt: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<std::convert::Infallible, Box<dyn std::error::Error>> {
    let user = match (args.user, args.passphrase) {
        (Some(name), Some(phrase)) => Some(User::new(&name, &phrase, &phrase)?),
        _ => None,
    };
    let options = Options {
        ports: args.ports,
        community: args.community,
        user,
        answer_octets_max: args.answer_octets_max,
        round_trip: args.round_trip,
        service: args.service,
        loss_ppm: args.loss_ppm,
        cache: args.cache,
        restart_every: args.restart_every,
        renumbers: args.renumber,
    };
    let olts = Olts::start(&options, args.olts, args.address, args.first_port)?;
    for address in olts.addresses() {
        println!("{address}");
    }
    loop {
        std::thread::park();
    }
}
