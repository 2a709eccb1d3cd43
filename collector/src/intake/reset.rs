//! A collector that begins anew tells callers of its old connections that these are gone (stateless reset, RFC 9000,
//! section 10.3).
//!
//! The tokens and the names of connections come from a secret that is kept, so
//! the probe of a collector that was killed believes the next one, and calls
//! again as soon as it says its next word, instead of waiting until the
//! connection has been silent for too long.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{Endpoint, EndpointConfig, ServerConfig, TokioRuntime};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;

/// An endpoint whose connections the next one with the same secret can end.
pub(super) fn endpoint(
    server: ServerConfig,
    address: SocketAddr,
    secret: &[u8; 32],
) -> io::Result<Endpoint> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    // Which names are ours is told by a keyed hash in them; it keeps strangers' packets from being answered at all.
    let tag = hmac::sign(&key, b"connection identifiers");
    let (first, _) = tag
        .as_ref()
        .split_first_chunk()
        .expect("32 octets begin with eight");
    let names = u64::from_be_bytes(*first);
    let mut endpoint = EndpointConfig::new(Arc::new(key));
    endpoint.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(names)));
    let socket = UdpSocket::bind(address)?;
    Endpoint::new(endpoint, Some(server), socket, Arc::new(TokioRuntime))
}
