//! The sessions that a stateful session-reflector knows: a table of fixed size.
//!
//! A session is its source, its destination, its session identifier
//! (RFC 8972, section 3) and, within a link aggregation group, the sender's
//! member link (RFC 9534, section 2). When all places for a new one are taken,
//! one that has been quiet for long enough makes room; otherwise it has none.
//!
//! A session may lie in either of two sets, chosen by a seeded hash, and goes
//! to the emptier one. With twice as many places as sessions that evens the sets
//! out so well that those sessions find room, and nobody who does not know the
//! seed can fill the sets of another.
//!
//! A place takes 136 octets, and a session that was promised room has two: the
//! table of 16,384 sessions takes 4.25 MiB from the start and never more.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use owl_measure::sample::{Stamp, StampSource};
use owl_measure::time::{Monotonic, Nanos};

use super::replay::ReplayWindow;

/// Places in a set.
const WAYS: usize = 8;
/// Places for each session that is promised room.
const SLACK: usize = 2;
/// A session of more than one packet keeps its place for so long after its last one.
pub(super) const IDLE: Nanos = Nanos::from_secs(60);
/// A session of one packet keeps it only so long: what a flood of forged sources leaves behind.
const IDLE_SINGLE: Nanos = Nanos::from_secs(1);

/// What makes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) ssid: u16,
    /// The sender's member link; 0 outside of a group.
    pub(super) member_link: u16,
}

/// One session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    key: Key,
    last: Monotonic,
    /// Tells this session from others that had its place.
    born: u32,
    /// Packets received.
    pub(super) received: u32,
    /// Replies sent, and so the number of the next.
    pub(super) sent: u32,
    pub(super) window: ReplayWindow,
    /// The latest reply whose transmit stamp is known.
    pub(super) follow_up: Option<(u32, Stamp)>,
}

impl Session {
    fn new(key: Key, now: Monotonic, born: u32) -> Self {
        Self {
            key,
            last: now,
            born,
            received: 0,
            sent: 0,
            window: ReplayWindow::default(),
            follow_up: None,
        }
    }

    fn may_go(&self, now: Monotonic) -> bool {
        let idle = if self.received > 1 { IDLE } else { IDLE_SINGLE };
        now - self.last > idle
    }
}

/// Where a session is, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    set: u32,
    way: u8,
    born: u32,
}

/// A table of sessions.
#[derive(Debug)]
pub(super) struct Table {
    sets: Box<[[Option<Session>; WAYS]]>,
    seed: u64,
    births: u32,
}

impl Table {
    /// With room for at least so many sessions, up to 2²³.
    pub(super) fn new(sessions: usize, seed: u64) -> Self {
        Self {
            sets: vec![[None; WAYS]; Self::sets_for(sessions)].into_boxed_slice(),
            seed,
            births: 0,
        }
    }

    fn sets_for(sessions: usize) -> usize {
        sessions
            .saturating_mul(SLACK)
            .div_ceil(WAYS)
            .clamp(1, 1 << 21)
            .next_power_of_two()
    }

    /// The session of a packet, new if need be; `None` when there is no place for a new one.
    pub(super) fn enter(&mut self, now: Monotonic, key: Key) -> Option<(Place, &mut Session)> {
        let choices = self.choices(&key);
        let (set, way) = self
            .find(choices, &key)
            .or_else(|| self.vacancy(choices, now))?;
        let place = &mut self.sets[set][way];
        let kept = place.filter(|session| session.key == key && !session.may_go(now));
        let session = place.insert(match kept {
            Some(session) => session,
            None => {
                self.births = self.births.wrapping_add(1);
                Session::new(key, now, self.births)
            }
        });
        session.last = now;
        let place = Place {
            set: set as u32,
            way: way as u8,
            born: session.born,
        };
        Some((place, session))
    }

    /// The two sets in which a session may be, from either half of its hash.
    fn choices(&self, key: &Key) -> [usize; 2] {
        let mut hasher = DefaultHasher::new();
        (self.seed, key).hash(&mut hasher);
        let hash = hasher.finish();
        [hash as u32, (hash >> 32) as u32].map(|half| half as usize & (self.sets.len() - 1))
    }

    fn find(&self, choices: [usize; 2], key: &Key) -> Option<(usize, usize)> {
        choices.into_iter().find_map(|set| {
            let is_own =
                |place: &Option<Session>| place.as_ref().is_some_and(|session| session.key == *key);
            Some((set, self.sets[set].iter().position(is_own)?))
        })
    }

    /// A place for a new session in the emptier of its sets.
    fn vacancy(&self, choices: [usize; 2], now: Monotonic) -> Option<(usize, usize)> {
        let is_free =
            |place: &&Option<Session>| place.as_ref().is_none_or(|session| session.may_go(now));
        let free = |set: usize| self.sets[set].iter().filter(is_free).count();
        let [one, other] = choices;
        let set = if free(other) > free(one) { other } else { one };
        let way = self.sets[set].iter().position(|place| is_free(&place))?;
        Some((set, way))
    }

    /// The session at a place, if it is still the same.
    pub(super) fn at(&mut self, place: Place) -> Option<&mut Session> {
        self.sets
            .get_mut(place.set as usize)?
            .get_mut(usize::from(place.way))?
            .as_mut()
            .filter(|session| session.born == place.born)
    }

    /// Keeps a transmit stamp for the next reply of the session, unless a later reply's is known. What a process took
    /// itself is no better than the T3 that the reply carried.
    pub(super) fn transmitted(&mut self, place: Place, sequence: u32, stamp: Stamp) {
        let Some(session) = self.at(place) else {
            return;
        };
        let newer = session
            .follow_up
            .is_none_or(|(known, _)| sequence.wrapping_sub(known).cast_signed() > 0);
        if newer && stamp.source != StampSource::User {
            session.follow_up = Some((sequence, stamp));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Key {
        Key {
            source: SocketAddr::from((number.to_be_bytes(), 4_000)),
            destination: SocketAddr::from(([192, 0, 2, 2], 862)),
            ssid: 7,
            member_link: 0,
        }
    }

    #[test]
    fn as_many_sessions_as_were_promised_room_find_it_and_each_is_found_again() {
        for sessions in [100, 1_000, 10_000, 16_384] {
            for seed in 0..10 {
                let mut table = Table::new(sessions, seed);
                for round in 0..2 {
                    for number in 0..sessions as u32 {
                        let entered = table.enter(Monotonic(0), key(number));
                        let (_, session) = entered.unwrap_or_else(|| {
                            panic!("no place for {number} of {sessions}, seed {seed}")
                        });
                        assert_eq!(session.received, round, "{number}, seed {seed}");
                        session.received += 1;
                    }
                }
            }
        }
    }

    #[test]
    fn a_table_takes_the_memory_that_its_page_says_and_no_more() {
        assert_eq!(size_of::<Option<Session>>(), 136);
        for (sessions, sets) in [(0, 1), (16, 4), (16_384, 4_096), (usize::MAX, 1 << 21)] {
            assert_eq!(Table::sets_for(sessions), sets, "{sessions}");
        }
        let mut table = Table::new(16, 1);
        let entered = (0..1_000).filter(|&number| table.enter(Monotonic(0), key(number)).is_some());
        assert!(entered.count() <= 32);
    }
}
