//! What a probe is told by its configuration file. What it measures it is told
//! by its collector.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use owl_measure::clock::ClockSource;
use owl_measure::time::Nanos;
use owl_protocol::session::reflector::{Authentication, Dscps};
use owl_protocol::session::sender::Protection;
use owl_protocol::wire::authentication::Key;
use serde::Deserialize;

use crate::clock::{self, Clock, Declared};
use crate::keys::LiveKeys;
use crate::network::Network;
use crate::reflector::{REPLY_OCTETS_MAX, ReflectorSettings, STAMP_PORT, sync_source};

/// Networks that a reflector may be told to answer: they are looked through for each packet.
const ALLOWED_MAX: usize = 1_024;
/// The shortest reply (RFC 8762, section 4.3.1).
const PACKET_OCTETS: u16 = 44;

/// The configuration of one probe. Relative paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its name in the topology and in its certificate.
    pub id: String,
    /// Where its session-reflector listens; all addresses on port 862 when it is not said.
    #[serde(default = "everywhere")]
    pub listen: Vec<SocketAddr>,
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
    /// Whom its session-reflector answers, and what it does for them.
    #[serde(default)]
    pub reflector: ReflectorConfig,
    /// How its session-senders protect their sessions.
    #[serde(default)]
    pub sender: SenderConfig,
    /// What is claimed of the clock.
    #[serde(default)]
    pub clock: ClockConfig,
    /// Set in a lab only.
    pub lab: Option<LabConfig>,
}

/// Whom the session-reflector answers, and what it does for them: `[reflector]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReflectorConfig {
    /// Key file of the sessions that are protected.
    pub keys: Option<PathBuf>,
    /// Answer nothing but authenticated packets.
    pub authenticated_only: bool,
    /// Networks whose session-senders are answered; everybody when it names none.
    pub allow: Vec<Network>,
    /// Addresses to which senders may have their replies sent beside their own (RFC 9503, section 4.1.2).
    pub return_path_to: Vec<IpAddr>,
    /// Whether addresses and ports are told (RFC 8972, section 4.2).
    pub tell_location: bool,
    /// DSCPs that a sender may choose for its replies (RFC 8972, section 4.4); all when it is not said.
    pub reply_dscp: Option<Vec<u8>>,
    /// The longest reply, as UDP payload, that a sender may ask for whose HMAC is right (RFC 10052); none when it is not
    /// said.
    pub reply_octets_max: Option<u16>,
}

impl Default for ReflectorConfig {
    fn default() -> Self {
        Self {
            keys: None,
            authenticated_only: false,
            allow: Vec::new(),
            return_path_to: Vec::new(),
            tell_location: true,
            reply_dscp: None,
            reply_octets_max: None,
        }
    }
}

/// How session-senders protect their sessions: `[sender]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SenderConfig {
    /// Key file. A session whose reflector has a key there is protected, any other is open.
    pub keys: Option<PathBuf>,
    /// What a key protects.
    pub authentication: Protects,
}

/// What a key protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protects {
    /// Packets as a whole: authenticated mode (RFC 8762, section 4.4).
    #[default]
    Whole,
    /// Only their TLVs (RFC 8972, section 4.8).
    Tlv,
}

impl Protects {
    /// The protection with a key.
    pub fn with(self, key: Key) -> Protection {
        match self {
            Self::Whole => Protection::Authenticated(key),
            Self::Tlv => Protection::Tlvs(key),
        }
    }
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
        let reflector = &config.reflector;
        if reflector.authenticated_only && reflector.keys.is_none() {
            return refused("reflector.authenticated_only answers nobody without reflector.keys");
        }
        if reflector.allow.len() > ALLOWED_MAX {
            return refused("reflector.allow names more than 1024 networks");
        }
        if reflector
            .reply_octets_max
            .is_some_and(|octets| !(PACKET_OCTETS..=REPLY_OCTETS_MAX).contains(&octets))
        {
            return refused("reflector.reply_octets_max is from 44 to 9000");
        }
        if reflector.reply_dscp.iter().flatten().any(|&dscp| dscp > 63) {
            return refused("reflector.reply_dscp holds numbers from 0 to 63");
        }
        let beside = file.parent().unwrap_or(Path::new("."));
        let paths = [
            &mut config.ca,
            &mut config.certificate,
            &mut config.key,
            &mut config.state,
        ];
        let keys = [&mut config.reflector.keys, &mut config.sender.keys];
        for path in paths.into_iter().chain(keys.into_iter().flatten()) {
            *path = beside.join(&*path);
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
        let told = &self.reflector;
        let defaults = ReflectorSettings::default();
        ReflectorSettings {
            keys,
            authentication: if told.authenticated_only {
                Authentication::Required
            } else {
                Authentication::Accepted
            },
            allow: told.allow.iter().map(|network| network.0).collect(),
            return_path_to: told.return_path_to.clone(),
            tell_location: told.tell_location,
            dscps: told
                .reply_dscp
                .as_ref()
                .map_or(defaults.dscps, |dscps| Dscps::of(dscps.iter().copied())),
            reply_octets_max: told.reply_octets_max,
            tai_offset: clock::tai_offset(),
            sync_source: sync_source(self.clock.source),
            ..defaults
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
        assert!(said(&WHOLE.replace("gnss", "simulated")).contains("[lab]"));
        assert!(said(&WHOLE.replace("1us", "0ms")).contains("above zero"));
        assert!(said(&WHOLE.replace("[\"127.0.0.2:18862\"]", "[]")).contains("listen"));
        for (line, hint) in [
            ("authenticated_only = true", "without reflector.keys"),
            ("reply_octets_max = 9001", "44 to 9000"),
            ("reply_dscp = [64]", "0 to 63"),
            ("allow = [\"everybody\"]", "an address or a network"),
            ("colour = 1", "unknown field"),
        ] {
            let said = said(&format!("{WHOLE}[reflector]\n{line}\n"));
            assert!(said.contains(hint), "{line}: {said}");
        }
        assert!(said(&format!("{WHOLE}[sender]\nauthentication = \"half\"\n")).contains("half"));
    }

    #[test]
    fn a_reflector_is_open_and_withholds_nothing_unless_told_otherwise() {
        let settings = |more: &str| {
            let text = format!("{WHOLE}{more}");
            let config = Config::parse(Path::new("/etc/owl/probe.toml"), &text).unwrap();
            (config.reflector_settings(Arc::default()), config)
        };
        let (plain, _) = settings("");
        assert_eq!(plain.authentication, Authentication::Accepted);
        assert!(plain.allow.is_empty() && plain.return_path_to.is_empty() && plain.tell_location);
        assert_eq!((plain.dscps, plain.reply_octets_max), (Dscps::ALL, None));
        let (told, config) = settings(
            "[reflector]\nkeys = \"keys.toml\"\nauthenticated_only = true\nallow = [\"10.0.0.0/8\", \"::1\"]\n\
             return_path_to = [\"192.0.2.9\"]\ntell_location = false\nreply_dscp = [0, 46]\nreply_octets_max = 1400\n\
             [sender]\nkeys = \"/run/keys.toml\"\nauthentication = \"tlv\"\n",
        );
        assert_eq!(told.authentication, Authentication::Required);
        assert_eq!((told.allow.len(), told.return_path_to.len()), (2, 1));
        assert!(!told.tell_location && told.dscps == Dscps::of([0, 46]));
        assert_eq!(told.reply_octets_max, Some(1_400));
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
