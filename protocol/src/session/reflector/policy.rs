//! Which wishes of a session-sender a session-reflector fulfils.

use std::net::IpAddr;

use crate::wire::tlv::ReflectedControl;

/// A set of DSCPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dscps(u64);

impl Dscps {
    /// All 64.
    pub const ALL: Self = Self(u64::MAX);

    /// These, each 0 to 63; others are left out.
    pub fn of(dscps: impl IntoIterator<Item = u8>) -> Self {
        let bit = |dscp: u8| 1_u64.checked_shl(u32::from(dscp)).unwrap_or(0);
        Self(dscps.into_iter().fold(0, |all, dscp| all | bit(dscp)))
    }

    /// Whether one is among them.
    pub fn permits(self, dscp: u8) -> bool {
        self.0 & 1_u64.checked_shl(u32::from(dscp)).unwrap_or(0) != 0
    }
}

/// How far Reflected Test Packet Control (RFC 10052) may go. It can make a small request into much traffic, so it works
/// only for requests whose HMAC is right and whose number is new, and each reply counts against the rations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlLimits {
    /// Length of a reply at most, as UDP payload.
    pub octets_max: u16,
    /// Replies to one request at most.
    pub count_max: u16,
    /// Octets of all replies to one request at most.
    pub volume_octets_max: u32,
    /// Octets a second at most, as the wanted length and interval make them.
    pub rate_octets_per_second_max: u64,
}

impl ControlLimits {
    pub(super) fn allow(&self, control: ReflectedControl) -> bool {
        let octets = u64::from(control.octets);
        let volume = octets * u64::from(control.count);
        // One reply has no rate; several without an interval have one without end.
        let rate = match (control.count, u64::from(control.interval_ns)) {
            (0 | 1, _) => 0,
            (_, 0) => u64::MAX,
            (_, interval_ns) => octets * 1_000_000_000 / interval_ns,
        };
        control.octets <= self.octets_max
            && control.count <= self.count_max
            && volume <= u64::from(self.volume_octets_max)
            && rate <= self.rate_octets_per_second_max
    }
}

/// Which wishes are fulfilled. The default is what harms nobody.
#[derive(Debug, Clone)]
pub struct Policy {
    /// DSCPs that a sender may choose for the reply (RFC 8972, section 4.4); by default all, since a reply has the DSCP
    /// of its request anyway.
    pub dscps: Dscps,
    /// Whether ports and addresses are told (RFC 8972, section 4.2).
    pub tell_location: bool,
    /// Addresses of this host besides the one that a request was sent to (RFC 9503, section 3).
    pub addresses: Vec<IpAddr>,
    /// Addresses other than its source to which a sender may have its replies sent (RFC 9503, section 4.1.2); by default
    /// none, or anyone could point a reflector at anyone.
    pub return_addresses: Vec<IpAddr>,
    /// How far RFC 10052 may go; by default not at all.
    pub reflected_control: Option<ControlLimits>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            dscps: Dscps::ALL,
            tell_location: true,
            addresses: Vec::new(),
            return_addresses: Vec::new(),
            reflected_control: None,
        }
    }
}
