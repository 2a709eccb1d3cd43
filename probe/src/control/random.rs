//! Randomness for keys, identifiers and padding, from the system.

use std::net::{IpAddr, Ipv4Addr};

use owl_protocol::session::control::ServerRandom;
use owl_protocol::wire::NtpTimestamp;
use owl_protocol::wire::owamp::{SessionKeys, Sid};

use crate::clock::Clock;

/// The system gives no randomness; nothing can be protected without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random octets")]
pub struct NoRandomness;

/// Fills a buffer with random octets.
pub(crate) fn fill(octets: &mut [u8]) -> Result<(), NoRandomness> {
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(octets)
        .map_err(|_| NoRandomness)
}

/// So many random octets.
pub(crate) fn octets<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut octets = [0; N];
    fill(&mut octets)?;
    Ok(octets)
}

/// What a server needs for one connection.
pub(crate) fn of_server() -> Result<ServerRandom, NoRandomness> {
    Ok(ServerRandom {
        challenge: octets()?,
        salt: octets()?,
        initial_vector: octets()?,
    })
}

/// Keys of a connection, which its Control-Client makes up.
pub(crate) fn session_keys() -> Result<SessionKeys, NoRandomness> {
    Ok(SessionKeys {
        aes: octets()?,
        hmac: octets()?,
    })
}

/// An identifier for a session that is received at this address; of IPv6 the last four octets count (RFC 4656, section
/// 3.5).
pub(crate) fn sid(own: IpAddr, clock: Clock) -> Result<Sid, NoRandomness> {
    let host = match own {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => {
            let [.., a, b, c, d] = address.octets();
            Ipv4Addr::new(a, b, c, d)
        }
    };
    let made_at = NtpTimestamp::from_timestamp(clock.now());
    Ok(Sid::new(host, made_at, u32::from_be_bytes(octets()?)))
}
