//! What a probe is told by its configuration file. What it measures it is told
//! by its collector.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use owl_measure::clock::ClockSource;
use owl_measure::time::Nanos;
use serde::Deserialize;

use crate::clock::{Clock, Declared};
use crate::control::ControlConfig;
use crate::reflector::{Memory, Priority, ReflectorEngine, STAMP_PORT, THREADS_MAX};

/// The configuration of one probe. Relative paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its name in the topology and in its certificate.
    pub id: String,
    /// Where its session-reflector listens; all addresses on port 862 when it is not said.
    #[serde(default = "everywhere")]
    pub listen: Vec<SocketAddr>,
    /// How its session-reflector runs.
    #[serde(default)]
    pub reflector: ReflectorConfig,
    /// The address its session-senders send from; the kernel chooses when it is not said.
    pub source: Option<IpAddr>,
    /// The collector's intake.
    pub collector: SocketAddr,
    /// Certificate of the authority that signed the collector's certificate (PEM).
    pub ca: PathBuf,
    /// This probe's certificate (PEM); its first DNS name is the id.
    pub certificate: PathBuf,
    /// The key of that certificate (PEM).
    pub key: PathBuf,
    /// Directory for unacknowledged reports and the last plan.
    pub state: PathBuf,
    /// Where to serve this probe's own metrics; nowhere when it is not said.
    pub metrics: Option<SocketAddr>,
    /// What is claimed of the clock.
    #[serde(default)]
    pub clock: ClockConfig,
    /// The servers that are asked over TCP for a session.
    #[serde(default)]
    pub control: ControlConfig,
    /// Set in a lab only.
    pub lab: Option<LabConfig>,
}

/// What is claimed of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockConfig {
    /// What disciplines it.
    #[serde(default)]
    pub source: ClockSource,
    /// How far from UTC at most.
    pub bound: Option<Nanos>,
}

/// How the session-reflector runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReflectorConfig {
    /// Its threads, 1 to 64, which share the sessions among them; 1 when it is not said.
    pub threads: usize,
    /// Processors that they keep to, in turn; they run where the kernel wants when none is said.
    pub pin: Vec<usize>,
    /// Whether they run before every ordinary thread of the host (`SCHED_FIFO`).
    pub real_time: bool,
    /// Whether it keeps no sessions: loss then has no direction, and T3 is not followed up.
    pub stateless: bool,
}

impl Default for ReflectorConfig {
    fn default() -> Self {
        Self {
            threads: ReflectorEngine::default().threads,
            pin: Vec::new(),
            real_time: false,
            stateless: false,
        }
    }
}

/// What a lab injects. Its presence marks every report as simulated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabConfig {
    /// Added to every stamp of this process.
    #[serde(default)]
    pub lie: Nanos,
    /// Path → where its packets are sent instead of to the peer.
    #[serde(default)]
    pub via: BTreeMap<String, SocketAddr>,
}

fn everywhere() -> Vec<SocketAddr> {
    vec![
        SocketAddr::from(([0_u16; 8], STAMP_PORT)),
        SocketAddr::from(([0; 4], STAMP_PORT)),
    ]
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {file}", file = .file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no TOML, or says something that a probe does not know.
    #[error("cannot understand the configuration {file}", file = .file.display())]
    Parse {
        /// Which.
        file: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A claim that cannot be meant.
    #[error("cannot use the configuration {file}: {what}", file = .file.display())]
    Refused {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read or understood; the message says where.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read {
            file: file.into(),
            source,
        })?;
        Self::parse(file, &text)
    }

    fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|source| ConfigError::Parse {
            file: file.into(),
            source: Box::new(source),
        })?;
        let refused = |what| {
            Err(ConfigError::Refused {
                file: file.into(),
                what,
            })
        };
        if config.clock.bound.is_some_and(|bound| bound <= Nanos::ZERO) {
            return refused("clock.bound must be above zero; leave it out to claim nothing");
        }
        if config.clock.source == ClockSource::Simulated && config.lab.is_none() {
            return refused("clock.source = \"simulated\" belongs to a lab, and there is no [lab]");
        }
        if config.listen.is_empty() {
            return refused("listen names no address");
        }
        if !(1..=THREADS_MAX).contains(&config.reflector.threads) {
            return refused("reflector.threads must be 1 to 64");
        }
        let beside = file.parent().unwrap_or(Path::new("."));
        for path in [
            &mut config.ca,
            &mut config.certificate,
            &mut config.key,
            &mut config.state,
        ] {
            *path = beside.join(&*path);
        }
        if let Some(users) = &mut config.control.users {
            *users = beside.join(&*users);
        }
        Ok(config)
    }

    /// The clock that its stamps are shown on.
    pub fn shown_clock(&self) -> Clock {
        self.lab
            .as_ref()
            .map_or(Clock::honest(), |lab| Clock::lying(lab.lie))
    }

    /// How its session-reflector runs.
    pub fn reflector_engine(&self) -> ReflectorEngine {
        ReflectorEngine {
            threads: self.reflector.threads,
            pin: self.reflector.pin.clone(),
            priority: if self.reflector.real_time {
                Priority::RealTime
            } else {
                Priority::Ordinary
            },
            memory: if self.reflector.stateless {
                Memory::Stateless
            } else {
                Memory::Stateful
            },
        }
    }

    /// What it claims of its clock.
    pub fn declared(&self) -> Declared {
        Declared {
            source: self.clock.source,
            bound: self.clock.bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
id = "yannan-ct"
listen = ["127.0.0.2:18862"]
source = "127.0.0.2"
collector = "127.0.0.1:4455"
ca = "ca.pem"
certificate = "/etc/owl/p.pem"
key = "p.key"
state = "state"
[clock]
source = "gnss"
bound = "1us"
[control]
twamp = ["0.0.0.0:862"]
users = "users.toml"
ports = "18760-19960"
"#;

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = Config::parse(Path::new("/etc/owl/probe.toml"), WHOLE).unwrap();
        assert_eq!(config.ca, Path::new("/etc/owl/ca.pem"));
        assert_eq!(config.certificate, Path::new("/etc/owl/p.pem"));
        assert_eq!(
            config.declared(),
            Declared {
                source: ClockSource::Gnss,
                bound: Some(Nanos(1_000))
            }
        );
        assert_eq!(config.shown_clock(), Clock::honest());
        let control = config.control;
        assert_eq!(
            control.users.as_deref(),
            Some(Path::new("/etc/owl/users.toml"))
        );
        assert_eq!(control.ports, "18760-19960".parse().ok());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        let said = |text: &str| {
            let error = Config::parse(Path::new("p.toml"), text).unwrap_err();
            let cause = std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("{error}: {cause}")
        };
        assert!(
            said(&WHOLE.replace("1us", "1 parsec")).contains("line 12"),
            "{}",
            said(&WHOLE.replace("1us", "1 parsec"))
        );
        assert!(said(&format!("colour = 1\n{WHOLE}")).contains("colour"));
        assert!(said(&WHOLE.replace("19960", "7")).contains("range of UDP ports"));
        assert!(said(&WHOLE.replace("gnss", "simulated")).contains("[lab]"));
        assert!(said(&WHOLE.replace("1us", "0ms")).contains("above zero"));
        assert!(said(&WHOLE.replace("[\"127.0.0.2:18862\"]", "[]")).contains("listen"));
        for threads in [0, 65] {
            let text = format!("{WHOLE}[reflector]\nthreads = {threads}\n");
            assert!(said(&text).contains("1 to 64"), "{}", said(&text));
        }
    }

    #[test]
    fn the_reflector_is_one_ordinary_thread_with_sessions_unless_it_is_told_otherwise() {
        let settings = |text: &str| {
            Config::parse(Path::new("p.toml"), text)
                .unwrap()
                .reflector_engine()
        };
        let usual = settings(WHOLE);
        assert_eq!(
            (usual.threads, usual.pin.len(), usual.priority),
            (1, 0, Priority::Ordinary)
        );
        assert_eq!(usual.memory, Memory::Stateful);
        let told = settings(&format!(
            "{WHOLE}[reflector]\nthreads = 2\npin = [1, 3]\nreal_time = true\nstateless = true\n"
        ));
        assert_eq!(
            (told.threads, told.pin, told.priority),
            (2, vec![1, 3], Priority::RealTime)
        );
        assert_eq!(told.memory, Memory::Stateless);
    }
}
