//! The sessions that a stateful session-reflector knows: a table of fixed size.
//!
//! A session is its source, its destination, its session identifier
//! (RFC 8972, section 3) and, within a link aggregation group, the sender's
//! member link (RFC 9534, section 2). When all places for a new one are taken,
//! one that has been quiet for long enough makes room; otherwise it has none.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use owl_measure::sample::{Stamp, StampSource};
use owl_measure::time::{Monotonic, Nanos};

use super::replay::ReplayWindow;

/// Places that a session may take.
const WAYS: usize = 8;
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
        let sets = sessions
            .div_ceil(WAYS)
            .clamp(1, 1 << 20)
            .next_power_of_two();
        Self {
            sets: vec![[None; WAYS]; sets].into_boxed_slice(),
            seed,
            births: 0,
        }
    }

    /// The session of a packet, new if need be; `None` when there is no place for a new one.
    pub(super) fn enter(&mut self, now: Monotonic, key: Key) -> Option<(Place, &mut Session)> {
        let mut hasher = DefaultHasher::new();
        (self.seed, key).hash(&mut hasher);
        let set = hasher.finish() as usize & (self.sets.len() - 1);
        let places = &mut self.sets[set];
        let own = places
            .iter()
            .position(|place| place.is_some_and(|session| session.key == key));
        let way = match own {
            Some(way) => way,
            None => places
                .iter()
                .position(|place| place.is_none_or(|session| session.may_go(now)))?,
        };
        let kept = places[way].filter(|session| session.key == key && !session.may_go(now));
        let session = places[way].insert(match kept {
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
