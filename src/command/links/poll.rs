//! `owl links poll AGENT…`: what the ports of agents carry now, by SNMP.

mod agent;
mod show;

use std::collections::HashSet;
use std::path::PathBuf;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use owl_measure::time::{Monotonic, Nanos};
use owl_measure::words::Lang;
use owl_probe::snmp::{Credentials, Device, Lane, Meter, Polling, Profile};

use self::agent::Agent;
use self::show::Choice;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Reader, stream};

/// Packets, errors and discontinuities are asked for no less often than this; they tell whether octets are to be believed.
const HEALTH_EVERY: Nanos = Nanos::from_secs(60);

/// Ask agents for the octet counters of all their ports, and show rates with how far they may be off
///
/// Each round asks all agents at once, each with as many requests as make it faster and no more. Two readings make a rate, so
/// the first table comes with the second round. Ports are known by ifName, whatever their number is after a restart. The exit
/// code is 0, or 3 when an agent did not answer.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Agents, as HOST or HOST:PORT
    #[arg(value_name = "AGENT", required = true)]
    agents: Vec<Agent>,
    /// TOML file with `community` (SNMPv2c), or `user`, `authentication` and `privacy` (SNMPv3: SHA-256, AES-128); without it
    /// the community is "public"
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// What the agents put up with: generic, net-snmp, careful or short-id
    #[arg(long, value_name = "NAME", default_value = "generic", value_parser = profile)]
    profile: Profile,
    /// Time between the beginnings of two rounds
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = interval)]
    interval: Nanos,
    /// Rounds, the first one included
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Ask for packets, errors and discontinuities in each round, not once a minute
    #[arg(long)]
    health: bool,
    /// Show this port (ifName); may be given more than once
    #[arg(long, value_name = "NAME")]
    port: Vec<String>,
    /// Show the busiest ports, so many
    #[arg(long, value_name = "NUMBER", default_value_t = 20, conflicts_with_all = ["port", "all"])]
    top: usize,
    /// Show all ports
    #[arg(long)]
    all: bool,
    /// Print JSON, one line a round
    #[arg(long)]
    json: bool,
}

fn profile(text: &str) -> Result<Profile, String> {
    Profile::named(text).ok_or_else(|| {
        let names: Vec<_> = Profile::ALL.iter().map(|profile| profile.name).collect();
        format!("there is no such profile; there are {}", names.join(", "))
    })
}

fn interval(text: &str) -> Result<Nanos, String> {
    let interval: Nanos = text.parse().map_err(|error| format!("{error}"))?;
    if interval < Nanos::from_millis(100) {
        return Err("agents are asked no more often than each 100ms".to_owned());
    }
    Ok(interval)
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    let mut polling = Polling::new(devices(&args, lang)?, salt())
        .map_err(|error| Failure::unable(lang.pick("cannot poll", "无法轮询")).because(error))?;
    let mut meters: Vec<Meter> = Vec::new();
    meters.resize_with(polling.targets().len(), Meter::default);
    let choice = if !args.port.is_empty() {
        Choice::Named(&args.port)
    } else if args.all {
        Choice::All
    } else {
        Choice::Busiest(args.top)
    };
    let began = polling.now();
    let mut health_at: Option<Monotonic> = None;
    for number in 0..args.rounds {
        let due = began + args.interval.times(i64::from(number));
        thread::sleep((due - polling.now()).max(Nanos::ZERO).to_std());
        let now = polling.now();
        let lane = if args.health || health_at.is_none_or(|at| now - at >= HEALTH_EVERY) {
            health_at = Some(now);
            Lane::Health
        } else {
            Lane::Octets
        };
        polling.round(lane).map_err(|error| {
            Failure::unable(lang.pick("cannot go on polling", "无法继续轮询")).because(error)
        })?;
        for (meter, target) in meters.iter_mut().zip(polling.targets()) {
            meter.take(target);
        }
        let shown = show::Shown {
            polling: &polling,
            meters: &meters,
            round: number,
            choice: &choice,
        };
        let text = if args.json {
            format!("{}\n", shown.json())
        } else {
            shown.text(lang)
        };
        if stream(&text)? == Reader::Gone {
            break;
        }
    }
    let troubled = polling
        .targets()
        .iter()
        .any(|target| target.round().trouble.is_some());
    Ok(if troubled {
        Outcome::Undecided
    } else {
        Outcome::Ok
    })
}

fn devices(args: &Args, lang: Lang) -> Result<Vec<Device>, Failure> {
    let credentials = match &args.secret {
        Some(file) => Credentials::read(file).map_err(|error| {
            let hint = error.hint();
            Failure::usage(lang.pick(
                "cannot tell who asks the agents",
                "无法确定以何身份询问设备",
            ))
            .because(error)
            .hint_if_any(hint.as_deref())
        })?,
        None => Credentials::Community(b"public".to_vec()),
    };
    let mut seen = HashSet::new();
    let mut devices = Vec::new();
    for agent in &args.agents {
        let address = agent.address().map_err(|error| {
            Failure::usage(lang.pick(
                format!("cannot find agent {agent}"),
                format!("找不到设备 {agent}"),
            ))
            .because(error)
        })?;
        if !seen.insert(address) {
            return Err(Failure::usage(lang.pick(
                format!("cannot ask agent {agent} twice in a round"),
                format!("同一轮内不能重复询问设备 {agent}"),
            )));
        }
        devices.push(Device {
            name: agent.to_string(),
            address,
            credentials: credentials.clone(),
            profile: args.profile,
        });
    }
    Ok(devices)
}

/// A number that another process with the same keys does not begin with.
fn salt() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let ns = now.map_or(0, |passed| passed.as_nanos() as u64);
    ns ^ u64::from(std::process::id()) << 44
}
