//! Letting probes in and shutting them out, beside a running collector or
//! without one: what the commands of `owl collector` do.

use std::io;
use std::net::SocketAddr;

use owl_measure::enrolment::{Secret, Token};
use owl_measure::time::{Nanos, Timestamp};
use owl_topology::{ReflectorKind, Topology};
use serde::Serialize;

use crate::config::Config;
use crate::identity::{
    Authority, Record, Registry, RegistryError, Roll, SigningError, Ticket, digest, random,
};
use crate::now::now;
use crate::page::Zone;
use crate::store::{StoreError, last_seen};

/// A probe that cannot be let in or shut out.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// Nobody has this name.
    #[error("the topology {topology} has no probe {probe}")]
    UnknownProbe {
        /// The name.
        probe: String,
        /// The topology.
        topology: String,
    },
    /// It only answers, so it has nothing to report.
    #[error("{probe} only reflects; it never calls a collector")]
    OnlyReflects {
        /// Which.
        probe: String,
    },
    /// A probe could not call at the address of the intake.
    #[error("no probe can call the collector at {intake}")]
    NoAddress {
        /// The intake's address.
        intake: SocketAddr,
    },
    /// What is known of probes' certificates cannot be read or written.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No secret can be drawn.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The store cannot tell when probes were last heard of.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state directory cannot be looked at.
    #[error("cannot use the state directory {directory}", directory = .directory.display())]
    State {
        /// The directory.
        directory: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A token that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// What is carried to the probe.
    pub token: Token,
    /// Until when it can be used.
    pub expires: Timestamp,
}

/// How a probe stands with the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has a certificate of this collector.
    Enrolled,
    /// It has a token, and no certificate yet.
    Invited,
    /// It was revoked, and not let in again since.
    Revoked,
    /// It has called with a certificate that was made by hand.
    ByHand,
    /// It never called, and nobody invited it.
    Unknown,
}

/// What is known of one probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownProbe {
    /// Its id.
    pub probe: String,
    /// How it stands.
    pub standing: Standing,
    /// When its newest certificate runs out; `None` without one of this collector.
    #[serde(rename = "certificate_until_ns")]
    pub certificate_until: Option<Timestamp>,
    /// When its token runs out; `None` without one that can be used.
    #[serde(rename = "token_until_ns")]
    pub token_until: Option<Timestamp>,
    /// When it was revoked.
    #[serde(rename = "revoked_at_ns")]
    pub revoked: Option<Timestamp>,
    /// When it last called or reported.
    #[serde(rename = "seen_at_ns")]
    pub seen: Option<Timestamp>,
}

/// Makes a token with which `probe` can join until `valid` from now. An older token of it is void.
///
/// `reached_at` is where the probe reaches the intake; without it the configuration's address counts.
///
/// # Errors
/// When the topology has no such probe, there is no address to call, or the state directory cannot be written.
pub fn enroll(
    config: &Config,
    probe: &str,
    valid: Nanos,
    reached_at: Option<SocketAddr>,
) -> Result<Enrolled, EnrolmentError> {
    let known = config
        .topology
        .probes
        .iter()
        .find(|known| known.id.as_str() == probe);
    match known.map(|known| known.reflector) {
        None => return Err(unknown(config, probe)),
        Some(ReflectorKind::Owl) => {}
        Some(_) => {
            return Err(EnrolmentError::OnlyReflects {
                probe: probe.to_owned(),
            });
        }
    }
    let intake = config.intake;
    let collector = reached_at.or(config.reached_at).unwrap_or(intake);
    if collector.ip().is_unspecified() || collector.port() == 0 {
        return Err(EnrolmentError::NoAddress { intake: collector });
    }
    let registry = Registry::open(&config.state)?;
    let authority: Authority = registry.authority()?;
    let token = Token {
        secret: Secret(random()?),
        fingerprint: authority.fingerprint(),
        probe: probe.to_owned(),
        collector,
    };
    let expires = now() + valid;
    change(&registry, |roll| {
        let ticket = Ticket {
            secret: digest(&token.secret.0),
            expires,
            used_by: None,
        };
        roll.enroll(probe, ticket);
    })?;
    Ok(Enrolled { token, expires })
}

/// The certificate of the collector's own authority (PEM), by which browsers and Prometheus know its pages.
///
/// # Errors
/// When the state directory cannot be read or written.
pub fn authority(config: &Config) -> Result<String, EnrolmentError> {
    Ok(Registry::open(&config.state)?.authority()?.pem())
}

/// Lets no certificate of `probe` in any more, whoever signed it, nor its token. A running collector ends its call
/// within seconds.
///
/// # Errors
/// When nobody of this name is known, or the state directory cannot be written.
pub fn revoke(config: &Config, probe: &str) -> Result<(), EnrolmentError> {
    let registry = Registry::open(&config.state)?;
    let in_topology = has(&config.topology, probe);
    // One that the topology has no longer may still have a certificate.
    if !in_topology && !registry.roll()?.probes.contains_key(probe) {
        return Err(unknown(config, probe));
    }
    change(&registry, |roll| roll.revoke(probe, now()))
}

/// Every probe of the topology that calls a collector, and everyone else who was let in; by name.
///
/// # Errors
/// When the state directory cannot be read.
pub fn probes(config: &Config) -> Result<Vec<KnownProbe>, EnrolmentError> {
    let roll = match config.state.try_exists() {
        Ok(false) => Roll::default(),
        Ok(true) => Registry::open(&config.state)?.roll()?,
        Err(source) => {
            return Err(EnrolmentError::State {
                directory: config.state.clone(),
                source,
            });
        }
    };
    let seen = last_seen(&config.store)?;
    let now = now();
    let calling = config
        .topology
        .probes
        .iter()
        .filter(|probe| probe.reflector == ReflectorKind::Owl);
    let mut names: Vec<String> = calling.map(|probe| probe.id.to_string()).collect();
    names.extend(roll.probes.keys().cloned());
    names.sort_unstable();
    names.dedup();
    let known = names.into_iter().map(|probe| {
        let empty = Record::default();
        let record = roll.probes.get(&probe).unwrap_or(&empty);
        let seen = seen.get(&probe).copied();
        let open = record.token.as_ref();
        let open = open.filter(|token| token.used_by.is_none() && now < token.expires);
        KnownProbe {
            standing: match (record.until(), open, record.revoked, seen) {
                (Some(_), ..) => Standing::Enrolled,
                (None, Some(_), ..) => Standing::Invited,
                (None, None, Some(_), _) => Standing::Revoked,
                (None, None, None, Some(_)) => Standing::ByHand,
                (None, None, None, None) => Standing::Unknown,
            },
            certificate_until: record.until(),
            token_until: open.map(|token| token.expires),
            revoked: record.revoked,
            seen,
            probe,
        }
    });
    Ok(known.collect())
}

/// An instant as people of the topology's time zone write it: `2026-11-23 14:05:10 +08:00`.
pub fn written(config: &Config, at: Timestamp) -> String {
    Zone::named(&config.topology.timezone).instant(at)
}

fn has(topology: &Topology, probe: &str) -> bool {
    topology
        .probes
        .iter()
        .any(|known| known.id.as_str() == probe)
}

fn unknown(config: &Config, probe: &str) -> EnrolmentError {
    EnrolmentError::UnknownProbe {
        probe: probe.to_owned(),
        topology: config.topology.name.clone(),
    }
}

fn change(registry: &Registry, change: impl FnOnce(&mut Roll)) -> Result<(), EnrolmentError> {
    let changed = registry.change(|roll| {
        change(roll);
        Ok::<_, std::convert::Infallible>(())
    })?;
    let Ok(()) = changed;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TEXT: &str = "state = \"state\"\nintake = \"192.0.2.1:4455\"\nhttp = \"127.0.0.1:0\"\n";

    fn config(directory: &Path) -> Config {
        Config::parse("owl.toml", TEXT, directory).unwrap()
    }

    const HOUR: Nanos = Nanos::from_secs(3_600);

    #[test]
    fn the_secret_of_a_token_is_nowhere_on_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        let made = enroll(&config, "yannan-ct", HOUR, None).unwrap();
        assert_eq!(made.token.collector, config.intake);
        let secret = digest(&made.token.secret.0).0;
        let roll = std::fs::read_to_string(config.state.join("identity/probes.json")).unwrap();
        assert!(roll.contains(&secret), "its hash is");
        let spelt: String = made
            .token
            .secret
            .0
            .iter()
            .map(|o| format!("{o:02x}"))
            .collect();
        assert!(!roll.contains(&spelt) && !roll.contains(&made.token.to_string()));
    }

    #[test]
    fn a_list_tells_how_each_probe_stands() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        let standing = |probe: &str| {
            let known = probes(&config).unwrap();
            known.into_iter().find(|known| known.probe == probe)
        };
        let unknown = standing("yannan-ct").unwrap();
        assert_eq!((unknown.standing, unknown.seen), (Standing::Unknown, None));
        assert!(
            !config.state.exists(),
            "who only looks leaves nothing behind"
        );
        let made = enroll(&config, "yannan-ct", HOUR, None).unwrap();
        let invited = standing("yannan-ct").unwrap();
        assert_eq!(
            (invited.standing, invited.token_until),
            (Standing::Invited, Some(made.expires))
        );
        revoke(&config, "yannan-ct").unwrap();
        let revoked = standing("yannan-ct").unwrap();
        assert_eq!(revoked.standing, Standing::Revoked);
        assert!(revoked.revoked.is_some() && revoked.token_until.is_none());
    }

    #[test]
    fn only_who_calls_from_somewhere_to_somewhere_is_enrolled() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = config(directory.path());
        let said = |config: &Config, probe: &str| {
            enroll(config, probe, HOUR, None).unwrap_err().to_string()
        };
        assert!(said(&config, "nobody").contains("has no probe nobody"));
        assert!(revoke(&config, "nobody").is_err());
        config.intake = "0.0.0.0:4455".parse().unwrap();
        assert!(said(&config, "yannan-ct").contains("0.0.0.0:4455"));
        let seen = "198.51.100.7:4455".parse().unwrap();
        config.reached_at = Some(seen);
        let made = enroll(&config, "yannan-ct", HOUR, None).unwrap();
        assert_eq!(made.token.collector, seen);
        let other = "198.51.100.8:4455".parse().unwrap();
        let made = enroll(&config, "yannan-ct", HOUR, Some(other)).unwrap();
        assert_eq!(made.token.collector, other);
    }
}
