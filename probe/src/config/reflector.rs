//! `[reflector]`: whom the session-reflector answers, what it does for them,
//! and how it runs.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use owl_measure::clock::ClockSource;
use owl_protocol::session::reflector::{Authentication, Dscps};
use serde::Deserialize;

use crate::clock;
use crate::keys::LiveKeys;
use crate::network::Network;
use crate::reflector::{
    Memory, Priority, REPLY_COUNT_MAX, REPLY_OCTETS_MAX, ReflectorEngine, ReflectorSettings,
    THREADS_MAX, sync_source,
};

/// Networks that a reflector may be told to answer: they are looked through for each packet.
const ALLOWED_MAX: usize = 1_024;
/// The shortest reply (RFC 8762, section 4.3.1).
const PACKET_OCTETS: u16 = 44;

/// Whom the session-reflector answers, what it does for them, and how it runs.
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
    /// How many replies to one request they may ask for, 64 at most; one when it is not said.
    pub reply_count_max: u16,
    /// The member link of an aggregation group over which packets come (RFC 9534); not known when it is not said.
    pub member_link: Option<u16>,
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
            keys: None,
            authenticated_only: false,
            allow: Vec::new(),
            return_path_to: Vec::new(),
            tell_location: true,
            reply_dscp: None,
            reply_octets_max: None,
            reply_count_max: 1,
            member_link: None,
            threads: ReflectorEngine::default().threads,
            pin: Vec::new(),
            real_time: false,
            stateless: false,
        }
    }
}

impl ReflectorConfig {
    /// What cannot be meant of it.
    pub(super) fn refused(&self) -> Option<&'static str> {
        let octets = self.reply_octets_max.unwrap_or(PACKET_OCTETS);
        let dscps = self.reply_dscp.iter().flatten();
        [
            (
                self.authenticated_only && self.keys.is_none(),
                "reflector.authenticated_only answers nobody without reflector.keys",
            ),
            (
                self.allow.len() > ALLOWED_MAX,
                "reflector.allow names more than 1024 networks",
            ),
            (
                !(PACKET_OCTETS..=REPLY_OCTETS_MAX).contains(&octets),
                "reflector.reply_octets_max must be 44 to 9000",
            ),
            (
                !(1..=REPLY_COUNT_MAX).contains(&self.reply_count_max),
                "reflector.reply_count_max must be 1 to 64",
            ),
            (
                self.reply_count_max > 1 && self.reply_octets_max.is_none(),
                "reflector.reply_count_max goes with reflector.reply_octets_max",
            ),
            (
                dscps.into_iter().any(|&dscp| dscp > 63),
                "reflector.reply_dscp must hold numbers from 0 to 63",
            ),
            (
                self.member_link == Some(0),
                "reflector.member_link must be 1 to 65535",
            ),
            (
                !(1..=THREADS_MAX).contains(&self.threads),
                "reflector.threads must be 1 to 64",
            ),
        ]
        .into_iter()
        .find_map(|(wrong, what)| wrong.then_some(what))
    }

    /// What the reflector is told, with these keys.
    pub(super) fn settings(&self, keys: Arc<LiveKeys>, source: ClockSource) -> ReflectorSettings {
        let defaults = ReflectorSettings::default();
        ReflectorSettings {
            keys,
            authentication: if self.authenticated_only {
                Authentication::Required
            } else {
                Authentication::Accepted
            },
            allow: self.allow.iter().map(|network| network.0).collect(),
            return_path_to: self.return_path_to.clone(),
            tell_location: self.tell_location,
            dscps: self
                .reply_dscp
                .as_ref()
                .map_or(defaults.dscps, |dscps| Dscps::of(dscps.iter().copied())),
            reply_octets_max: self.reply_octets_max,
            reply_count_max: self.reply_count_max,
            member_link: self.member_link,
            tai_offset: clock::tai_offset(),
            sync_source: sync_source(source),
            ..defaults
        }
    }

    /// How the reflector runs.
    pub(super) fn engine(&self) -> ReflectorEngine {
        ReflectorEngine {
            threads: self.threads,
            pin: self.pin.clone(),
            priority: if self.real_time {
                Priority::RealTime
            } else {
                Priority::Ordinary
            },
            memory: if self.stateless {
                Memory::Stateless
            } else {
                Memory::Stateful
            },
            // What probes ask has TLVs, which come to the threads anyway.
            xdp: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ReflectorConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_reflector_is_open_and_withholds_nothing_unless_told_otherwise() {
        let settings = |text: &str| config(text).settings(Arc::default(), ClockSource::Ptp);
        let plain = settings("");
        assert_eq!(plain.authentication, Authentication::Accepted);
        assert!(plain.allow.is_empty() && plain.return_path_to.is_empty() && plain.tell_location);
        assert_eq!((plain.dscps, plain.reply_octets_max), (Dscps::ALL, None));
        let told = settings(
            "keys = \"keys.toml\"\nauthenticated_only = true\nallow = [\"10.0.0.0/8\", \"::1\"]\n\
             return_path_to = [\"192.0.2.9\"]\ntell_location = false\nreply_dscp = [0, 46]\n\
             reply_octets_max = 1400\nmember_link = 7",
        );
        assert_eq!(told.authentication, Authentication::Required);
        assert_eq!((told.allow.len(), told.return_path_to.len()), (2, 1));
        assert!(!told.tell_location && told.dscps == Dscps::of([0, 46]));
        assert_eq!(
            (told.reply_octets_max, told.member_link),
            (Some(1_400), Some(7))
        );
    }

    #[test]
    fn the_reflector_is_one_ordinary_thread_with_sessions_unless_it_is_told_otherwise() {
        let usual = config("").engine();
        assert_eq!(
            (usual.threads, usual.pin.len(), usual.priority),
            (1, 0, Priority::Ordinary)
        );
        assert_eq!(usual.memory, Memory::Stateful);
        let told =
            config("threads = 2\npin = [1, 3]\nreal_time = true\nstateless = true\n").engine();
        assert_eq!(
            (told.threads, told.pin, told.priority),
            (2, vec![1, 3], Priority::RealTime)
        );
        assert_eq!(told.memory, Memory::Stateless);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, hint) in [
            ("authenticated_only = true", "without reflector.keys"),
            ("reply_octets_max = 43", "44 to 9000"),
            ("reply_octets_max = 9001", "44 to 9000"),
            ("reply_octets_max = 900\nreply_count_max = 65", "1 to 64"),
            ("reply_count_max = 2", "goes with"),
            ("reply_dscp = [64]", "0 to 63"),
            ("member_link = 0", "1 to 65535"),
            ("threads = 0", "1 to 64"),
            ("threads = 65", "1 to 64"),
        ] {
            let said = config(text).refused();
            assert!(said.is_some_and(|said| said.contains(hint)), "{text}");
        }
        let many = vec!["\"10.0.0.0/8\""; ALLOWED_MAX + 1].join(",");
        assert!(config(&format!("allow = [{many}]")).refused().is_some());
        for bad in ["allow = [\"everybody\"]", "colour = 1"] {
            assert!(toml::from_str::<ReflectorConfig>(bad).is_err(), "{bad}");
        }
        assert_eq!(
            config("keys = \"k\"\nauthenticated_only = true").refused(),
            None
        );
    }
}
