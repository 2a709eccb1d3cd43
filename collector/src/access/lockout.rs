//! Who guesses passwords waits longer and longer.
//!
//! Failures are counted for each address and for each name. Five are free;
//! then a second, two, four, and so on up to a quarter of an hour. A name is
//! counted for all strangers together; an address from which that user has
//! logged in before, and this host itself, have a count of their own, so a
//! stranger who keeps guessing locks himself out and never the user.
//!
//! An attempt counts as failed as soon as it is made, so a hundred of them at
//! once are a hundred. Everything is told the time.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;

use owl_measure::time::{Nanos, Timestamp};

/// Failures without a lock: slips of the finger.
const FREE: u32 = 5;
/// The first lock.
const FIRST: Nanos = Nanos::from_secs(1);
/// The longest lock.
const LONGEST: Nanos = Nanos::from_secs(900);
/// Failures are forgotten this long after the last of them.
const FORGOTTEN: Nanos = Nanos::from_secs(86_400);
/// Names, addresses, and pairs of both, that are counted; at the bound the one that would be free soonest makes room.
const COUNTED_MAX: usize = 4_096;
/// Addresses that are remembered of one user; at the bound the oldest goes.
const KNOWN_MAX: usize = 16;
/// Users whose addresses are remembered; at the bound no further ones are.
const USERS_MAX: usize = 1_024;

/// Where somebody calls from: an IPv4 address, or the /64 of an IPv6 address, which one host has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Origin(IpAddr);

impl Origin {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                IpAddr::V6((u128::from(address) >> 64 << 64).into())
            }
            address => address,
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    last: Timestamp,
}

impl Count {
    /// Until when nothing is tried.
    fn locked_until(self) -> Timestamp {
        match self.failures.checked_sub(FREE) {
            None => self.last,
            Some(beyond) => {
                let doubled = FIRST.0.saturating_mul(1_i64 << beyond.min(32));
                self.last + Nanos(doubled).min(LONGEST)
            }
        }
    }
}

#[derive(Debug)]
struct Counts<K>(HashMap<K, Count>);

impl<K: Eq + Hash + Clone> Counts<K> {
    fn left(&self, key: &K, now: Timestamp) -> Nanos {
        let count = self.0.get(key);
        // A clock that was set back leaves no lock that is longer than the longest.
        count.map_or(Nanos::ZERO, |count| {
            (count.locked_until() - now).min(LONGEST).max(Nanos::ZERO)
        })
    }

    fn fail(&mut self, key: K, now: Timestamp) {
        if !self.0.contains_key(&key) && self.0.len() >= COUNTED_MAX {
            self.0.retain(|_, count| now - count.last < FORGOTTEN);
            if self.0.len() >= COUNTED_MAX {
                let soonest = self.0.iter().min_by_key(|(_, count)| count.locked_until());
                if let Some(soonest) = soonest.map(|(key, _)| key.clone()) {
                    self.0.remove(&soonest);
                }
            }
        }
        let count = self.0.entry(key).or_insert(Count {
            failures: 0,
            last: now,
        });
        if now - count.last >= FORGOTTEN {
            count.failures = 0;
        }
        count.failures = count.failures.saturating_add(1);
        count.last = now;
    }
}

/// What is remembered of failures.
#[derive(Debug)]
pub(crate) struct Lockout {
    origins: Counts<Origin>,
    names: Counts<String>,
    pairs: Counts<(String, Origin)>,
    known: HashMap<String, VecDeque<Origin>>,
}

impl Lockout {
    pub(crate) fn new() -> Self {
        Self {
            origins: Counts(HashMap::new()),
            names: Counts(HashMap::new()),
            pairs: Counts(HashMap::new()),
            known: HashMap::new(),
        }
    }

    fn knows(&self, name: &str, origin: Origin) -> bool {
        let known = self.known.get(name);
        origin.0.is_loopback() || known.is_some_and(|known| known.contains(&origin))
    }

    /// Counts an attempt to be `name`, or says how long none is made.
    ///
    /// # Errors
    /// With the time that is left, while it is locked; nothing is counted then.
    pub(crate) fn attempt(
        &mut self,
        name: &str,
        origin: Origin,
        now: Timestamp,
    ) -> Result<(), Nanos> {
        let pair = (name.to_owned(), origin);
        if self.knows(name, origin) {
            let left = self.pairs.left(&pair, now);
            if left > Nanos::ZERO {
                return Err(left);
            }
            self.pairs.fail(pair, now);
            return Ok(());
        }
        let name = pair.0;
        let left = self
            .names
            .left(&name, now)
            .max(self.origins.left(&origin, now));
        if left > Nanos::ZERO {
            return Err(left);
        }
        self.names.fail(name, now);
        self.origins.fail(origin, now);
        Ok(())
    }

    /// The attempt of `name` was right. What strangers failed goes on being counted; only this address is forgiven.
    pub(crate) fn succeeded(&mut self, name: &str, origin: Origin) {
        let was_known = self.knows(name, origin);
        self.pairs.0.remove(&(name.to_owned(), origin));
        if !was_known {
            // Its own attempt is taken back, and no other one.
            if let Some(count) = self.names.0.get_mut(name) {
                count.failures = count.failures.saturating_sub(1);
            }
            self.origins.0.remove(&origin);
        }
        self.know(name, origin);
    }

    /// `name` has logged in from there before.
    pub(crate) fn know(&mut self, name: &str, origin: Origin) {
        if self.known.len() >= USERS_MAX && !self.known.contains_key(name) {
            return;
        }
        let known = self.known.entry(name.to_owned()).or_default();
        if !known.contains(&origin) {
            if known.len() >= KNOWN_MAX {
                known.pop_front();
            }
            known.push_back(origin);
        }
    }

    /// Forgets those who are no users any more: a new one of that name begins anew.
    pub(crate) fn keep(&mut self, is_user: impl Fn(&str) -> bool) {
        self.known.retain(|name, _| is_user(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "192.0.2.7";
    const STRANGER: &str = "203.0.113.9";

    fn at(ms: i64) -> Timestamp {
        Timestamp(1_795_000_000_000_000_000) + Nanos::from_millis(ms)
    }

    fn origin(text: &str) -> Origin {
        Origin::of(text.parse().unwrap())
    }

    /// Attempts from one address, each as soon as it is allowed: how long each of them had to wait, in milliseconds.
    fn waits(lockout: &mut Lockout, from: &str, count: usize) -> Vec<i64> {
        let mut clock = 0;
        let mut waited = Vec::new();
        for _ in 0..count {
            let left = match lockout.attempt("admin", origin(from), at(clock)) {
                Ok(()) => 0,
                Err(left) => {
                    let left = left.0 / 1_000_000;
                    clock += left;
                    lockout
                        .attempt("admin", origin(from), at(clock))
                        .expect("the lock is over");
                    left
                }
            };
            waited.push(left);
        }
        waited
    }

    #[test]
    fn five_failures_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let mut lockout = Lockout::new();
        let waited = waits(&mut lockout, STRANGER, 18);
        let expected = [
            0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900,
        ];
        assert_eq!(waited, expected.map(|seconds| seconds * 1_000));
    }

    #[test]
    fn a_hundred_attempts_at_once_are_a_hundred() {
        let mut lockout = Lockout::new();
        let made = (0..100).filter(|_| lockout.attempt("admin", origin(STRANGER), at(0)).is_ok());
        assert_eq!(made.count(), 5);
    }

    #[test]
    fn who_guesses_a_name_from_many_addresses_waits_too() {
        let mut lockout = Lockout::new();
        let made = (0..100).filter(|k| {
            let from = origin(&format!("203.0.113.{k}"));
            lockout.attempt("admin", from, at(0)).is_ok()
        });
        assert_eq!(made.count(), 5);
        let mut lockout = Lockout::new();
        let made = (0..100).filter(|k| {
            let name = format!("user-{k}");
            lockout.attempt(&name, origin(STRANGER), at(0)).is_ok()
        });
        assert_eq!(made.count(), 5, "one address, many names");
    }

    #[test]
    fn a_stranger_never_locks_a_user_out_of_his_own_place_or_of_this_host() {
        let mut lockout = Lockout::new();
        lockout.attempt("admin", origin(HOME), at(0)).unwrap();
        lockout.succeeded("admin", origin(HOME));
        waits(&mut lockout, STRANGER, 40);
        for from in [HOME, "127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(
                lockout.attempt("admin", origin(from), at(0)).is_ok(),
                "{from}"
            );
        }
        let elsewhere = lockout.attempt("admin", origin("198.51.100.3"), at(0));
        assert!(elsewhere.is_err(), "another stranger shares the count");
        let other = lockout.attempt("viewer", origin("198.51.100.3"), at(0));
        assert!(other.is_ok(), "another user does not");
    }

    #[test]
    fn a_place_of_ones_own_is_no_place_to_guess_from() {
        let mut lockout = Lockout::new();
        lockout.know("admin", origin(HOME));
        assert_eq!(waits(&mut lockout, HOME, 7)[4..], [0, 1_000, 2_000]);
        let mut lockout = Lockout::new();
        assert_eq!(waits(&mut lockout, "127.0.0.1", 7)[4..], [0, 1_000, 2_000]);
    }

    #[test]
    fn a_right_password_forgives_the_slips_before_it_and_not_those_of_others() {
        let mut lockout = Lockout::new();
        for _ in 0..4 {
            lockout.attempt("admin", origin(STRANGER), at(0)).unwrap();
        }
        lockout.attempt("admin", origin(HOME), at(0)).unwrap();
        lockout.succeeded("admin", origin(HOME));
        assert!(lockout.attempt("admin", origin(STRANGER), at(0)).is_ok());
        assert!(lockout.attempt("admin", origin(STRANGER), at(0)).is_err());
    }

    #[test]
    fn failures_are_forgotten_after_a_day() {
        let mut lockout = Lockout::new();
        for _ in 0..5 {
            lockout.attempt("admin", origin(STRANGER), at(0)).unwrap();
        }
        let day = 86_400_000;
        for _ in 0..5 {
            lockout.attempt("admin", origin(STRANGER), at(day)).unwrap();
        }
        assert!(lockout.attempt("admin", origin(STRANGER), at(day)).is_err());
    }

    #[test]
    fn a_host_has_a_64_of_ipv6_for_itself() {
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_eq!(origin("::ffff:192.0.2.7"), origin("192.0.2.7"));
        assert_ne!(origin("192.0.2.7"), origin("192.0.2.8"));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_longest_lock_stays() {
        let mut lockout = Lockout::new();
        for ms in 0..12 {
            let _ = lockout.attempt("admin", origin(STRANGER), at(ms * 1_000_000));
        }
        for k in 0..(2 * COUNTED_MAX as u32) {
            let from = Origin::of(IpAddr::V4(k.into()));
            let _ = lockout.attempt(&format!("name-{k}"), from, at(11_000_001));
        }
        assert_eq!(lockout.names.0.len(), COUNTED_MAX);
        assert_eq!(lockout.origins.0.len(), COUNTED_MAX);
        assert!(
            lockout
                .attempt("admin", origin(STRANGER), at(11_000_002))
                .is_err()
        );
        for k in 0..100_u8 {
            lockout.know("admin", origin(&format!("192.0.2.{k}")));
        }
        assert_eq!(lockout.known["admin"].len(), KNOWN_MAX);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_for_a_quarter_of_an_hour_at_most() {
        let mut lockout = Lockout::new();
        for _ in 0..6 {
            let _ = lockout.attempt("admin", origin(STRANGER), at(86_400_000));
        }
        let left = lockout.attempt("admin", origin(STRANGER), at(0));
        assert_eq!(left, Err(LONGEST));
    }
}
