//! Who stands at the door: callers that have not shown yet who they are.
//!
//! A handshake costs a millisecond of a processor, so an address may have only
//! so many under way, and one from which nothing good comes is not heard for
//! the rest of its minute. A source address is proved before it is counted, so
//! nobody is shut out in somebody else's name.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::ration::{Ration, network};

/// Handshakes of one address under way. Further ones are not heard, and QUIC's clients say it again within a second, so many
/// probes behind one address come in one after the other.
const AT_ONCE: usize = 32;
/// Handshakes of one address that came to nothing, a minute, and since one that did not: probes that share an address in an
/// overload are not shut out by each other.
const FAILURES: u32 = 60;
/// Addresses with handshakes under way; further ones are not heard.
const ADDRESSES_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) struct Door {
    at: Mutex<HashMap<IpAddr, usize>>,
    failures: Ration,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            at: Mutex::default(),
            failures: Ration::of(FAILURES),
        }
    }
}

impl Door {
    /// Lets a caller try; nothing when he is not heard now.
    pub(super) fn knock(&self, from: IpAddr, now: Instant) -> Option<Knock<'_>> {
        let from = network(from);
        if !self.failures.left(from, now) {
            return None;
        }
        let mut at = self.at();
        let full = at.len() >= ADDRESSES_MAX && !at.contains_key(&from);
        if full || at.get(&from).is_some_and(|&count| count >= AT_ONCE) {
            return None;
        }
        *at.entry(from).or_default() += 1;
        Some(Knock {
            door: self,
            from,
            failed: true,
        })
    }

    fn at(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Every change is one insertion or removal, so the table is whole whoever panicked.
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One caller at the door.
#[derive(Debug)]
pub(super) struct Knock<'a> {
    door: &'a Door,
    from: IpAddr,
    failed: bool,
}

impl Knock<'_> {
    /// He has shown who he is.
    pub(super) fn let_in(mut self) {
        self.failed = false;
        self.door.failures.forgive(self.from);
    }
}

impl Drop for Knock<'_> {
    fn drop(&mut self) {
        let mut at = self.door.at();
        if let Some(count) = at.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                at.remove(&self.from);
            }
        }
        drop(at);
        if self.failed {
            self.door.failures.take(self.from, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(n: u32) -> IpAddr {
        Ipv4Addr::from(n).into()
    }

    #[test]
    fn an_address_tries_a_few_at_once_and_others_are_not_in_its_way() {
        let (door, now) = (Door::default(), Instant::now());
        let mut knocks: Vec<_> = (0..33).map(|_| door.knock(address(1), now)).collect();
        assert!(knocks[31].is_some() && knocks[32].is_none());
        assert!(door.knock(address(2), now).is_some());
        knocks.remove(0).unwrap().let_in();
        assert!(door.knock(address(1), now).is_some());
    }

    #[test]
    fn who_fails_sixty_times_is_not_heard_for_the_rest_of_the_minute() {
        let door = Door::default();
        let heard = |n: u32| door.knock(address(n), Instant::now()).is_some();
        assert!((0..60).all(|_| heard(1)));
        assert!(!heard(1));
        assert!(
            (0..90).all(|_| match door.knock(address(2), Instant::now()) {
                Some(knock) => {
                    knock.let_in();
                    true
                }
                None => false,
            })
        );
    }

    #[test]
    fn the_table_is_bounded() {
        let (door, now) = (Door::default(), Instant::now());
        let all: Vec<_> = (0..1_025).map(|n| door.knock(address(n), now)).collect();
        assert!(all[1_023].is_some() && all[1_024].is_none());
        drop(all);
        assert!(door.at().is_empty());
    }
}
