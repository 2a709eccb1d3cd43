//! The key of one session, as the key file has it at the moment.

use std::net::IpAddr;
use std::sync::Arc;

use owl_protocol::wire::authentication::Key;

use crate::keys::LiveKeys;

/// Where a session's key comes from.
#[derive(Debug)]
pub(super) struct SessionKeys {
    live: Arc<LiveKeys>,
    seen: u64,
    peer: IpAddr,
    ssid: u16,
}

impl SessionKeys {
    pub(super) fn new(live: Arc<LiveKeys>, peer: IpAddr, ssid: u16) -> Self {
        Self {
            live,
            seen: 0,
            peer,
            ssid,
        }
    }

    /// The key, if the keys have changed since the last look. A session whose key was taken away goes on with the last
    /// one: its reflector decides whether that is still believed.
    pub(super) fn changed(&mut self) -> Option<Key> {
        let store = self.live.since(&mut self.seen)?;
        store.of(self.peer, self.ssid).next().cloned()
    }
}
