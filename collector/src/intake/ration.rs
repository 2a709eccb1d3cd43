//! How often somebody whom we do not know may try something in a minute.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// Addresses that are counted; when there are more within a minute, further ones are refused.
const ADDRESSES_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) struct Ration {
    tries_max: u32,
    tries: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

/// Of IPv6 the first 64 bits: whoever has one address there has all the others.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn over(begun: &Instant, now: Instant) -> bool {
    now.duration_since(*begun) >= MINUTE
}

impl Ration {
    /// So many attempts a minute of each address.
    pub(super) fn of(tries_max: u32) -> Self {
        Self {
            tries_max,
            tries: Mutex::default(),
        }
    }

    /// Whether another attempt would be within the ration.
    pub(super) fn left(&self, from: IpAddr, now: Instant) -> bool {
        let tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let made = tries.get(&network(from));
        made.is_none_or(|(begun, count)| over(begun, now) || *count < self.tries_max)
    }

    /// Forgets the attempts of an address.
    pub(super) fn forgive(&self, from: IpAddr) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.remove(&network(from));
    }

    /// Counts an attempt, and tells whether it is within the ration.
    pub(super) fn take(&self, from: IpAddr, now: Instant) -> bool {
        let from = network(from);
        // Every change is one insertion, so the table is whole whoever panicked.
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= ADDRESSES_MAX && !tries.contains_key(&from) {
            tries.retain(|_, (begun, _)| !over(begun, now));
            if tries.len() >= ADDRESSES_MAX {
                return false;
            }
        }
        let (begun, count) = tries.entry(from).or_insert((now, 0));
        if over(begun, now) {
            (*begun, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= self.tries_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_a_minute_are_heard_of_each_address() {
        let (ration, begun) = (Ration::of(10), Instant::now());
        let take =
            |from: &str, s: u64| ration.take(from.parse().unwrap(), begun + Duration::from_secs(s));
        let heard = |from: &str, s: u64| (0..30).filter(|_| take(from, s)).count();
        assert_eq!(heard("192.0.2.1", 0), 10);
        assert_eq!(heard("192.0.2.1", 59), 0);
        assert_eq!(heard("192.0.2.2", 59), 10, "another address");
        assert_eq!(heard("192.0.2.1", 60), 10, "another minute");
        assert_eq!(heard("::ffff:192.0.2.1", 60), 0, "the same address");
        assert_eq!(heard("2001:db8::1", 60), 10);
        assert_eq!(heard("2001:db8::2", 60), 0, "the same network");
        assert_eq!(heard("2001:db8:0:1::1", 60), 10);
    }

    #[test]
    fn the_table_is_bounded_and_makes_room_after_a_minute() {
        let (ration, begun) = (Ration::of(10), Instant::now());
        let take = |n: u32, s: u64| {
            ration.take(
                IpAddr::from(n.to_be_bytes()),
                begun + Duration::from_secs(s),
            )
        };
        let full = u32::try_from(ADDRESSES_MAX).unwrap();
        assert!((0..full).all(|n| take(n, 0)));
        assert!(!take(full, 30) && take(0, 30), "the known are still heard");
        assert!(take(full, 60));
    }
}
