//! Which key protects which session.
//!
//! RFC 8762, section 4.4, lets each session have its own key. Here it is chosen
//! by the other host's address and the session identifier: the first entry that
//! fits counts, so a key for the rest stands last.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipnet::IpNet;

use super::Key;

/// The key of some sessions, and during a change a second one.
#[derive(Debug, Clone)]
pub struct KeyEntry {
    /// Session identifiers that it is for.
    pub ssids: RangeInclusive<u16>,
    /// Where the other host may be; empty for anywhere.
    pub peers: Vec<IpNet>,
    /// What packets are sent with, and one that is believed.
    pub key: Key,
    /// Another one that is believed: the one that comes, or the one that goes.
    pub accept: Option<Key>,
}

impl From<(u16, Key)> for KeyEntry {
    /// One key for one session identifier, wherever the other host is.
    fn from((ssid, key): (u16, Key)) -> Self {
        Self {
            ssids: ssid..=ssid,
            peers: Vec::new(),
            key,
            accept: None,
        }
    }
}

impl KeyEntry {
    fn fits(&self, peer: IpAddr, ssid: u16) -> bool {
        self.ssids.contains(&ssid)
            && (self.peers.is_empty() || self.peers.iter().any(|net| net.contains(&peer)))
    }
}

/// The keys of a host. Copies share them; to change one, make a new store and swap it whole.
///
/// Entries are looked at one after the other for each packet that needs a key, so who fills the store bounds it.
#[derive(Debug, Clone, Default)]
pub struct KeyStore(Arc<[KeyEntry]>);

impl KeyStore {
    /// Of entries, the one that is to count first first.
    pub fn new(entries: impl IntoIterator<Item = impl Into<KeyEntry>>) -> Self {
        Self(entries.into_iter().map(Into::into).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a session with a peer: first the one to send with. A reply is made with the one that its request had.
    pub fn of(&self, peer: IpAddr, ssid: u16) -> impl Iterator<Item = &Key> {
        self.0
            .iter()
            .find(|entry| entry.fits(peer, ssid))
            .into_iter()
            .flat_map(|entry| std::iter::once(&entry.key).chain(&entry.accept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(octet: u8) -> Key {
        Key::new(&[octet; 16]).unwrap()
    }

    #[test]
    fn the_first_entry_that_fits_peer_and_session_identifier_counts() {
        let entry = |ssids, peers: &[&str], octet, accept: Option<u8>| KeyEntry {
            ssids,
            peers: peers.iter().map(|net| net.parse().unwrap()).collect(),
            key: key(octet),
            accept: accept.map(key),
        };
        let store = KeyStore::new([
            entry(7..=7, &[], 1, Some(2)),
            entry(0..=9, &["192.0.2.0/24", "2001:db8::/32"], 3, None),
            entry(0..=u16::MAX, &["198.51.100.1/32"], 4, None),
        ]);
        for (peer, ssid, octets) in [
            ("192.0.2.1", 7, &[1, 2][..]),
            ("203.0.113.1", 7, &[1, 2]),
            ("192.0.2.1", 8, &[3]),
            ("2001:db8::5", 9, &[3]),
            ("192.0.2.1", 10, &[]),
            ("198.51.100.1", 8, &[4]),
            ("198.51.100.1", u16::MAX, &[4]),
            ("203.0.113.1", 8, &[]),
        ] {
            let sign = |key: &Key| key.sign([b"x", b""]);
            let found: Vec<_> = store.of(peer.parse().unwrap(), ssid).map(sign).collect();
            let expected: Vec<_> = octets.iter().map(|&octet| sign(&key(octet))).collect();
            assert_eq!(found, expected, "{peer}, {ssid}");
        }
        assert!(KeyStore::default().is_empty() && !store.is_empty());
    }
}
