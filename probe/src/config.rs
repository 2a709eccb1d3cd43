//! What a probe is told by its configuration file. What it measures it is told
//! by its collector.

mod collectors;
mod reflector;
mod sender;
mod uplink;

pub use collectors::{COLLECTORS_MAX, Collectors};
pub use reflector::ReflectorConfig;
pub use sender::{Protects, SenderConfig};
pub use uplink::UplinkConfig;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use owl_measure::time::Nanos;
use serde::Deserialize;

use crate::clock::settings::SourceChoice;
use crate::clock::{Clock, ClockConfig};
use crate::control::ControlConfig;
use crate::keys::LiveKeys;
use crate::reflector::{ReflectorEngine, ReflectorSettings, STAMP_PORT};
use crate::sender::{Pace, SPIN_MAX};
use crate::spool::SpoolConfig;

/// The configuration of one probe. Relative paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its name in the topology and in its certificate.
    pub id: String,
    /// Where its session-reflector listens; all addresses on port 862 when it is not said.
    #[serde(default = "everywhere")]
    pub listen: Vec<SocketAddr>,
    /// Whom its session-reflector answers, what it does for them, and how it runs.
    #[serde(default)]
    pub reflector: ReflectorConfig,
    /// How its session-senders run, and how they protect their sessions.
    #[serde(default)]
    pub sender: SenderConfig,
    /// The address its session-senders send from; the kernel chooses when it is not said.
    pub source: Option<IpAddr>,
    /// The collector's intake, or those of several collectors with one store, tried in turn.
    pub collector: Collectors,
    /// Certificate of the authority that signed the collector's certificate (PEM).
    pub ca: PathBuf,
    /// This probe's certificate (PEM). It names the probe by its URI when a collector signed it, and the running probe
    /// renews it then; one that was made by hand by its first DNS name.
    pub certificate: PathBuf,
    /// The key of that certificate (PEM).
    pub key: PathBuf,
    /// Directory for unacknowledged reports and the last plan.
    pub state: PathBuf,
    /// How much is kept there, and for how long.
    #[serde(default)]
    pub spool: SpoolConfig,
    /// How it reports.
    #[serde(default)]
    pub uplink: UplinkConfig,
    /// Where to serve this probe's own metrics; nowhere when it is not said.
    pub metrics: Option<SocketAddr>,
    /// Who tells of the clock, and what is declared of it.
    #[serde(default)]
    pub clock: ClockConfig,
    /// The servers that are asked over TCP for a session.
    #[serde(default)]
    pub control: ControlConfig,
    /// Set in a lab only.
    pub lab: Option<LabConfig>,
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
    /// Port → the traffic that its simulated counters count.
    #[serde(default)]
    pub ports: BTreeMap<String, LabTraffic>,
}

/// Simulated traffic of a port. It begins anew when it is over, so that it never ends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabTraffic {
    /// Received: pieces of so many nanoseconds at so many b/s.
    pub received: Vec<(u64, u64)>,
    /// Sent.
    pub sent: Vec<(u64, u64)>,
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
        if let Some(nonsense) = config.clock.nonsense() {
            return refused(nonsense);
        }
        if config.clock.source == SourceChoice::Simulated && config.lab.is_none() {
            return refused("clock.source = \"simulated\" belongs to a lab, and there is no [lab]");
        }
        if config.listen.is_empty() {
            return refused("listen names no address");
        }
        if let Some(what) = config.reflector.refused() {
            return refused(what);
        }
        if let Some(what) = config.spool.refused().or(config.uplink.refused()) {
            return refused(what);
        }
        if !(Nanos::ZERO..=SPIN_MAX).contains(&config.sender.spin) {
            return refused("sender.spin must be 0s to 1ms");
        }
        let beside = file.parent().unwrap_or(Path::new("."));
        let paths = [
            &mut config.ca,
            &mut config.certificate,
            &mut config.key,
            &mut config.state,
        ];
        let keys = [
            &mut config.reflector.keys,
            &mut config.sender.keys,
            &mut config.sender.twamp_users,
        ];
        for path in paths.into_iter().chain(keys.into_iter().flatten()) {
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

    /// What its session-reflector is told, with these keys.
    pub fn reflector_settings(&self, keys: Arc<LiveKeys>) -> ReflectorSettings {
        self.reflector.settings(keys, self.clock.declared().source)
    }

    /// How its session-senders run.
    pub fn sender_pace(&self) -> Pace {
        Pace {
            pin: self.sender.pin,
            real_time: self.sender.real_time,
            spin: self.sender.spin,
        }
    }

    /// How its session-reflector runs.
    pub fn reflector_engine(&self) -> ReflectorEngine {
        self.reflector.engine()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Declared;
    use owl_measure::clock::ClockSource;

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
owamp = ["0.0.0.0:861"]
users = "users.toml"
ports = "18760-19960"
"#;

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = Config::parse(Path::new("/etc/owl/probe.toml"), WHOLE).unwrap();
        assert_eq!(config.ca, Path::new("/etc/owl/ca.pem"));
        assert_eq!(config.certificate, Path::new("/etc/owl/p.pem"));
        assert_eq!(
            config.clock.declared(),
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
        assert_eq!(
            (control.twamp[0].port(), control.owamp[0].port()),
            (862, 861)
        );
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
        let said = |more: &str| said(&format!("{WHOLE}{more}"));
        assert!(said("[reflector]\nthreads = 65\n").contains("1 to 64"));
        assert!(said("[reflector]\ncolour = 1\n").contains("unknown field"));
        assert!(said("[sender]\nauthentication = \"half\"\n").contains("half"));
        assert!(said("[spool]\noctets_max = 1\n").contains("64 KiB"));
        assert!(said("[spool]\nreplay = \"60d\"\n").contains("0s to 31d"));
        assert!(said("[uplink]\ndrain_octets_per_second = 1\n").contains("must be 1000"));
        for spin in ["-1us", "2ms"] {
            assert!(said(&format!("[sender]\nspin = \"{spin}\"\n")).contains("0s to 1ms"));
        }
    }

    #[test]
    fn the_senders_sleep_and_wait_their_turn_unless_they_are_told_otherwise() {
        let pace = |text: &str| {
            Config::parse(Path::new("p.toml"), text)
                .unwrap()
                .sender_pace()
        };
        assert_eq!(pace(WHOLE), Pace::default());
        let told = format!("{WHOLE}[sender]\npin = 1\nreal_time = true\nspin = \"30us\"\n");
        let expected = Pace {
            pin: Some(1),
            real_time: true,
            spin: Nanos::from_micros(30),
        };
        assert_eq!(pace(&told), expected);
    }

    #[test]
    fn key_files_are_beside_the_configuration_unless_named_whole() {
        let text = format!(
            "{WHOLE}[reflector]\nkeys = \"keys.toml\"\n[sender]\nkeys = \"/run/keys.toml\"\nauthentication = \"tlv\"\n"
        );
        let config = Config::parse(Path::new("/etc/owl/probe.toml"), &text).unwrap();
        assert_eq!(
            config.reflector.keys.as_deref(),
            Some(Path::new("/etc/owl/keys.toml"))
        );
        assert_eq!(
            (config.sender.keys.as_deref(), config.sender.authentication),
            (Some(Path::new("/run/keys.toml")), Protects::Tlv)
        );
    }
}
