//! Randomness for keys, identifiers and padding, from the system.

use owl_protocol::session::control::ServerRandom;

/// The system gives no randomness; nothing can be protected without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random octets")]
pub struct NoRandomness;

/// Fills a buffer with random octets.
pub(super) fn fill(octets: &mut [u8]) -> Result<(), NoRandomness> {
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(octets)
        .map_err(|_| NoRandomness)
}

/// So many random octets.
pub(super) fn octets<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut octets = [0; N];
    fill(&mut octets)?;
    Ok(octets)
}

/// What a server needs for one connection.
pub(super) fn of_server() -> Result<ServerRandom, NoRandomness> {
    Ok(ServerRandom {
        challenge: octets()?,
        salt: octets()?,
        initial_vector: octets()?,
    })
}
