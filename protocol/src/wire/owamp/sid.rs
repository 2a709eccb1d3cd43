//! The session identifier (RFC 4656, section 3.5): made by the receiving side,
//! unlike any other there ever was.

use std::fmt;
use std::net::Ipv4Addr;

use crate::wire::NtpTimestamp;

/// A session identifier. It is no secret, but it seeds the send schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sid(pub [u8; 16]);

impl Sid {
    /// Of an address of the receiving host, the time, and a random number. A host with IPv6 alone gives the last
    /// four octets of its address.
    pub fn new(host: Ipv4Addr, made_at: NtpTimestamp, random: u32) -> Self {
        let mut octets = [0; 16];
        octets[0..4].copy_from_slice(&host.octets());
        octets[4..12].copy_from_slice(&made_at.0.to_be_bytes());
        octets[12..16].copy_from_slice(&random.to_be_bytes());
        Self(octets)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_address_time_and_chance() {
        let sid = Sid::new(
            Ipv4Addr::new(192, 0, 2, 7),
            NtpTimestamp(0xEB0F_1234_8000_0000),
            0x0102_0304,
        );
        assert_eq!(sid.to_string(), "c0000207eb0f12348000000001020304");
    }
}
