//! `owl probe`: the daemon that measures, and how it becomes known to its collector.

mod join;

use std::error::Error as _;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use clap::Subcommand;
use owl_measure::words::Lang;
use owl_probe::config::{Config, ConfigError};
use owl_probe::control::{ListenError, ServersError};
use owl_probe::daemon::{Probe, ProbeError};
use owl_probe::net::SocketError;
use owl_probe::uplink::UplinkError;

use crate::failure::{Failure, Outcome};

/// Measure what the collector plans, reflect for other probes, and report; runs until SIGTERM or Ctrl-C
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration file (TOML)
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "/etc/owl/probe.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    Join(join::Args),
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    if let Some(Action::Join(join)) = args.action {
        return join::run(join, &args.config, lang);
    }
    super::log_to_stderr();
    let config = Config::read(&args.config).map_err(unreadable)?;
    let id = config.id.clone();
    let probe = Probe::prepare(config).map_err(|error| explain(&id, error))?;
    let listening = probe
        .reflector()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    // Nobody reading standard output is no reason not to measure.
    let _ = writeln!(std::io::stdout(), "owl probe {id}: reflector {listening}");
    probe.run().map_err(|error| explain(&id, error))?;
    Ok(Outcome::Ok)
}

/// A probe's configuration that cannot be used.
pub(super) fn unreadable(error: ConfigError) -> Failure {
    match error {
        ConfigError::Read { file, source } => {
            Failure::usage(format!("cannot read the configuration {}", file.display()))
                .because(source)
                .hint("`--config FILE` wants a file like packaging/probe.toml of the source; `owl probe join TOKEN` writes one")
        }
        ConfigError::Parse { .. } | ConfigError::Refused { .. } => {
            let failure = Failure::usage(&error);
            match error.source() {
                Some(cause) => failure.because(cause.to_string()),
                None => failure,
            }
        }
    }
}

fn explain(id: &str, error: ProbeError) -> Failure {
    let what = format!("cannot start the probe {id}: {error}");
    // Certificates are configuration; the rest is the host's.
    let failure = match error {
        ProbeError::Uplink(
            UplinkError::Pem { .. } | UplinkError::Tls(_) | UplinkError::Certificate(_),
        )
        | ProbeError::Keys(_)
        | ProbeError::Users(_)
        | ProbeError::Control(ServersError::Users(_)) => Failure::usage(what),
        _ => Failure::unable(what),
    };
    let failure = match error.source() {
        Some(cause) => failure.because(cause.to_string()),
        None => failure,
    };
    match error {
        ProbeError::Socket(SocketError::Bind { source, .. }) => match source.kind() {
            ErrorKind::PermissionDenied => failure.hint(
                "ports below 1024 need CAP_NET_BIND_SERVICE; `owl doctor` lists what is missing",
            ),
            ErrorKind::AddrInUse => failure.hint("another program listens there: `ss -lunp` shows which"),
            ErrorKind::AddrNotAvailable => {
                failure.hint("no interface of this host has that address: `ip address` shows which they have")
            }
            _ => failure,
        },
        ProbeError::Keys(error) => failure.hint(error.hint()),
        ProbeError::Control(ServersError::Listen(ListenError { source, .. })) => {
            match source.kind() {
                ErrorKind::PermissionDenied => failure
                    .hint("ports below 1024 need CAP_NET_BIND_SERVICE; `owl doctor` lists what is missing"),
                ErrorKind::AddrInUse => {
                    failure.hint("another program listens there: `ss -ltnp` shows which")
                }
                _ => failure,
            }
        }
        ProbeError::Users(error) | ProbeError::Control(ServersError::Users(error)) => {
            failure.hint(error.hint())
        }
        ProbeError::Spool(_) => {
            failure.hint("the state directory must be writable and its disk not full")
        }
        ProbeError::Uplink(_) => failure.hint(
            "ca, certificate and key are PEM files that belong together; `owl probe join` makes them; one that was made by hand has the probe's id as its first DNS name",
        ),
        ProbeError::Socket(_) | ProbeError::Reflector(_) | ProbeError::Runtime(_) | ProbeError::Metrics { .. } => failure,
    }
}
