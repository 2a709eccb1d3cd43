//! `owl collector`: the daemon that takes reports, judges, and shows; and who may call it.

mod access;
mod aside;
mod audit;
mod authority;
mod copy;
mod enrolment;
mod history;
mod maintenance;
mod password;
mod plan;
mod token;
mod user;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use owl_collector::{Config, ConfigError, Error, IdentityError, IntakeError, Place};
use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};

/// Take reports from probes, judge every path, and serve pages, metrics and JSON
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration file (TOML)
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "/etc/owl/collector.toml"
    )]
    config: PathBuf,
    /// Store instead of the configuration's: postgres://USER@HOST/DATABASE, or a FILE of SQLite
    ///
    /// Whoever lists this host's processes can read a password in it; one in the configuration is as safe as that file.
    #[arg(long, global = true, value_name = "STORE")]
    store: Option<Place>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    Enroll(enrolment::Enroll),
    Revoke(enrolment::Revoke),
    Probes(enrolment::Probes),
    Aside(aside::Args),
    User(user::Args),
    Token(token::Args),
    Audit(audit::Args),
    Authority(authority::Authority),
    Backup(copy::Backup),
    Restore(copy::Restore),
    Verify(copy::Verify),
    History(history::History),
    Maintenance(maintenance::Args),
    Plan(plan::Args),
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    let Some(action) = args.action else {
        super::log_to_stderr();
        return collect(read(&args.config, args.store, lang)?);
    };
    // An export is checked wherever it was carried to.
    let action = match action {
        Action::Audit(audit) => match audit.offline() {
            Ok(verify) => return verify.run(lang),
            Err(audit) => Action::Audit(audit),
        },
        action => action,
    };
    let config = read(&args.config, args.store, lang)?;
    match action {
        Action::User(user) => user.run(&config, lang),
        Action::Token(token) => token.run(&config, lang),
        Action::Audit(audit) => audit.run(&config, lang),
        Action::Authority(authority) => authority.run(&config, lang),
        Action::Backup(backup) => backup.run(&config, lang),
        Action::Restore(restore) => restore.run(&config, lang),
        Action::Verify(verify) => verify.run(&config, lang),
        Action::Enroll(enroll) => enroll.run(&config, lang),
        Action::Revoke(revoke) => revoke.run(&config, lang),
        Action::Probes(probes) => probes.run(&config, lang),
        Action::Aside(aside) => aside.run(&config, lang),
        Action::History(history) => history.run(&config, lang),
        Action::Maintenance(maintenance) => maintenance.run(&config, lang),
        Action::Plan(plan) => plan.run(&config, lang),
    }
}

/// The configuration, with another store where one was given.
fn read(file: &Path, store: Option<Place>, lang: Lang) -> Result<Config, Failure> {
    let mut config = Config::read(file).map_err(|error| unreadable(error, lang))?;
    if let Some(store) = store {
        config.store = store;
    }
    Ok(config)
}

fn unreadable(error: ConfigError, lang: Lang) -> Failure {
    match error {
        ConfigError::Topology {
            ref name,
            ref source,
        } => {
            let found: Vec<String> = source
                .0
                .iter()
                .map(|diagnostic| diagnostic.said(lang).to_string())
                .collect();
            Failure::usage(format!(
                "cannot use the topology {name}\n{}",
                found.join("\n")
            ))
        }
        error => {
            let failure = Failure::usage("cannot read the configuration");
            let is_read = matches!(error, ConfigError::Read { .. });
            let failure = failure.because(error);
            if is_read {
                failure.hint("--config FILE names a TOML file; its `topology` a TOML file or a directory of them, as seen from that file, and without it the built-in Yancheng topology is taken")
            } else {
                failure
            }
        }
    }
}

fn collect(config: Config) -> Result<Outcome, Failure> {
    let stop = owl_collector::told_to_end();
    owl_collector::run(config, ready, stop).map_err(|error| {
        let failure = match error {
            // What it keeps of probes is the host's; what was made by hand is configuration.
            Error::Intake(IntakeError::Identity(IdentityError::Registry(_))) => {
                Failure::unable("cannot run the collector")
            }
            Error::Intake(IntakeError::Identity(_)) => {
                Failure::usage("cannot use the certificates")
            }
            _ => Failure::unable("cannot run the collector"),
        };
        failure.because(error)
    })?;
    Ok(Outcome::Ok)
}

/// The one line on standard output, for whoever started this.
#[expect(clippy::print_stdout, reason = "the command's output")]
fn ready(addresses: owl_collector::Addresses) {
    let scheme = if addresses.tls { "https" } else { "http" };
    println!(
        "owl collector: {scheme}://{} intake {}",
        addresses.http, addresses.intake
    );
}
