//! What an operator tells a session-reflector: whom it answers, and which wishes
//! it fulfils.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use owl_measure::clock::ClockSource;
use owl_protocol::session::reflector::{
    Authentication, ControlLimits, Dscps, Policy, ReflectorConfig, State,
};
use owl_protocol::wire::tlv::SyncSource;
use owl_protocol::wire::{TaiOffset, TimestampFormat};

use super::Memory;
use crate::keys::LiveKeys;

/// Sessions that a reflector knows, all its threads together, at 272 octets each, taken from the start. A further one is
/// not answered until one has been quiet for a while.
const SESSIONS: usize = 16_384;
/// The longest reply that a sender may be allowed to ask for: what a jumbo frame carries.
pub const REPLY_OCTETS_MAX: u16 = 9_000;

/// The most replies to one request that a sender may be allowed to ask for.
pub const REPLY_COUNT_MAX: u16 = 64;
/// All replies to one request together, and how fast they may follow each other: 10 Mb/s. Without a distance between them
/// several are too fast.
const VOLUME_OCTETS_MAX: u32 = 65_536;
const OCTETS_PER_SECOND_MAX: u64 = 1_250_000;

/// What an operator tells a session-reflector. The default answers everybody and sends nobody anything that he did not
/// ask for from his own address.
#[derive(Debug, Clone)]
pub struct ReflectorSettings {
    /// The keys, which may change while it runs.
    pub keys: Arc<LiveKeys>,
    /// Which requests are answered.
    pub authentication: Authentication,
    /// Where the session-senders are that are answered; empty for anywhere.
    pub allow: Vec<IpNet>,
    /// Addresses other than its source to which a sender may have its replies sent (RFC 9503, section 4.1.2).
    pub return_path_to: Vec<IpAddr>,
    /// Whether ports and addresses are told (RFC 8972, section 4.2).
    pub tell_location: bool,
    /// DSCPs that a sender may choose for the reply (RFC 8972, section 4.4).
    pub dscps: Dscps,
    /// The longest reply, as UDP payload, for which a sender whose HMAC is right may ask (RFC 10052). `None` gives replies as
    /// long as requests.
    pub reply_octets_max: Option<u16>,
    /// How many replies to one request such a sender may ask for, [`REPLY_COUNT_MAX`] at most; one without
    /// `reply_octets_max`.
    pub reply_count_max: u16,
    /// The member link of an aggregation group over which packets come (RFC 9534), as far as the operator knows: no
    /// socket is bound to it.
    pub member_link: Option<u16>,
    /// Format of T2 and T3.
    pub format: TimestampFormat,
    /// TAI less UTC, for the PTP format of either end.
    pub tai_offset: TaiOffset,
    /// What disciplines this host's clock, as Timestamp Information tells it (RFC 8972, section 4.3).
    pub sync_source: SyncSource,
}

impl Default for ReflectorSettings {
    fn default() -> Self {
        Self {
            keys: Arc::default(),
            authentication: Authentication::Accepted,
            allow: Vec::new(),
            return_path_to: Vec::new(),
            tell_location: true,
            dscps: Dscps::ALL,
            reply_octets_max: None,
            reply_count_max: 1,
            member_link: None,
            format: TimestampFormat::Ntp,
            tai_offset: TaiOffset::SINCE_2017,
            sync_source: SyncSource::UNKNOWN,
        }
    }
}

impl ReflectorSettings {
    /// Whether a base packet is answered by its octets and address alone, which is all that a program in a driver sees.
    pub(super) fn is_open(&self) -> bool {
        self.keys.current().is_empty()
            && self.authentication == Authentication::Accepted
            && self.allow.is_empty()
            && self.format == TimestampFormat::Ntp
    }

    /// The reflector as a whole. `addresses` are this host's; the seed is a number that strangers do not know.
    pub(super) fn config(
        &self,
        memory: Memory,
        addresses: Vec<IpAddr>,
        seed: u64,
    ) -> ReflectorConfig {
        ReflectorConfig {
            state: match memory {
                Memory::Stateful => State::Stateful { sessions: SESSIONS },
                Memory::Stateless => State::Stateless,
            },
            authentication: self.authentication,
            keys: self.keys.current(),
            allow: self.allow.clone(),
            policy: Policy {
                dscps: self.dscps,
                tell_location: self.tell_location,
                addresses,
                return_addresses: self.return_path_to.clone(),
                reflected_control: self
                    .reply_octets_max
                    .map(|octets_max| limits(octets_max, self.reply_count_max)),
            },
            ..ReflectorConfig::open(SESSIONS, seed)
        }
    }
}

/// Whatever the operator allows, a request makes no more than this of replies.
fn limits(octets_max: u16, count_max: u16) -> ControlLimits {
    ControlLimits {
        octets_max: octets_max.min(REPLY_OCTETS_MAX),
        count_max: count_max.min(REPLY_COUNT_MAX),
        volume_octets_max: VOLUME_OCTETS_MAX,
        rate_octets_per_second_max: OCTETS_PER_SECOND_MAX,
    }
}

/// A clock's source in the words of STAMP.
pub fn sync_source(source: ClockSource) -> SyncSource {
    match source {
        ClockSource::Gnss => SyncSource::GNSS,
        ClockSource::Ptp => SyncSource::PTP,
        ClockSource::Ntp => SyncSource::NTP,
        ClockSource::Simulated | ClockSource::Unknown => SyncSource::UNKNOWN,
    }
}
