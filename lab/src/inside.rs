//! The packets inside the delay box, and what becomes of them.
//!
//! Knows no socket: a packet enters with a stamp, comes out when it is due, and
//! is noted with the stamp of its leaving. Both boxes, the one on loopback and
//! the one between namespaces, are this with different sockets around it.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use owl_measure::sample::Direction;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Quantile;
use owl_sim::{Crossing, Link, SeededLink};

use crate::record::{Fate, Record};

/// Packets inside the box at once; at the bound the new one is lost, truly.
const INSIDE_MAX: usize = 65_536;
/// From 1900 (NTP) to 1970 (RFC 868).
const NTP_EPOCH_S: i64 = 2_208_988_800;
/// T1 in a session-sender's packet (RFC 8762, section 4.2.1).
const SENDER_T1: usize = 4;
/// T1 in a session-reflector's packet (RFC 8762, section 4.3.1).
const REFLECTOR_T1: usize = 28;

/// T1 as it stands in a test packet; `None` for what is too short to be one.
fn origin(datagram: &[u8], direction: Direction) -> Option<Timestamp> {
    let at = match direction {
        Direction::Forward => SENDER_T1,
        Direction::Backward => REFLECTOR_T1,
    };
    let field: [u8; 8] = datagram.get(at..at + 8)?.try_into().ok()?;
    let ntp = u64::from_be_bytes(field);
    let nanos = ((ntp & 0xFFFF_FFFF) * 1_000_000_000) >> 32;
    // Era 0 until 2036; a later second has wrapped around.
    let seconds = i64::try_from(ntp >> 32).unwrap_or(0) - NTP_EPOCH_S;
    let seconds = if seconds < 0 {
        seconds + (1 << 32)
    } else {
        seconds
    };
    Some(Timestamp(seconds * 1_000_000_000 + nanos as i64))
}

/// What a session's packets go through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes {
    /// The way there, and its seed.
    pub(crate) forward: (Link, u64),
    /// The way back, and its seed.
    pub(crate) backward: (Link, u64),
    /// Where the quantile of the way there is held, if anywhere.
    pub(crate) held_at: Option<(Nanos, Quantile)>,
}

/// The record that the box writes and others read.
pub(crate) type Shared = Arc<Mutex<Record>>;

/// The record, also when a thread that held it panicked: its notes are whole.
pub(crate) fn open(record: &Shared) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A packet on its way in.
#[derive(Debug)]
pub(crate) struct Entering<'a> {
    pub(crate) session: usize,
    pub(crate) direction: Direction,
    pub(crate) at: Timestamp,
    /// The UDP payload.
    pub(crate) datagram: &'a [u8],
}

/// A packet inside the box, ordered by when it leaves.
#[derive(Debug)]
pub(crate) struct Packet {
    leaves_at: Timestamp,
    /// Breaks ties by arrival.
    order: u64,
    entered_at: Timestamp,
    origin: Option<Timestamp>,
    pub(crate) session: usize,
    pub(crate) direction: Direction,
    pub(crate) datagram: Box<[u8]>,
}

impl PartialEq for Packet {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Packet {}

impl PartialOrd for Packet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packet {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.leaves_at, self.order).cmp(&(other.leaves_at, other.order))
    }
}

/// A forward way whose quantile is held at a value, however late the box wakes: what the last packets really took
/// corrects what is planned for the next.
#[derive(Debug)]
struct Held {
    at: Nanos,
    quantile: Quantile,
    lately: Vec<Nanos>,
    correction: Nanos,
}

impl Held {
    /// Packets from which a correction is made.
    const PACKETS: usize = 20;
    /// More than this is not corrected: a machine that is so late has other troubles.
    const MOST: Nanos = Nanos::from_micros(400);

    fn new((at, quantile): (Nanos, Quantile)) -> Self {
        Self {
            at,
            quantile,
            lately: Vec::with_capacity(Self::PACKETS),
            correction: Nanos::ZERO,
        }
    }

    /// Takes note of what a packet really took.
    fn note(&mut self, delay: Nanos) {
        self.lately.push(delay);
        if self.lately.len() < Self::PACKETS {
            return;
        }
        self.lately.sort_unstable();
        let rank =
            usize::try_from(self.quantile.rank(Self::PACKETS as u64)).unwrap_or(Self::PACKETS);
        let excess = self.lately[rank.clamp(1, Self::PACKETS) - 1] - self.at;
        self.lately.clear();
        // A quarter of what is seen, since twenty packets tell little of a 95th percentile.
        let corrected = self.correction.0.saturating_sub(excess.0 / 4);
        self.correction = Nanos(corrected.clamp(-Self::MOST.0, Self::MOST.0));
    }
}

#[derive(Debug)]
struct Session {
    links: [SeededLink; 2],
    held: Option<Held>,
}

/// All packets inside the box.
#[derive(Debug)]
pub(crate) struct Inside {
    sessions: Vec<Session>,
    packets: BinaryHeap<Reverse<Packet>>,
    order: u64,
    record: Option<Shared>,
}

impl Session {
    fn new(lanes: Lanes) -> Self {
        let (forward, backward) = (lanes.forward, lanes.backward);
        Self {
            // Two sessions use one way, each with randomness of its own.
            links: [forward.0.seeded(forward.1), backward.0.seeded(!backward.1)],
            held: lanes.held_at.map(Held::new),
        }
    }
}

impl Inside {
    /// For these sessions; what happens is noted in `record` by their positions.
    pub(crate) fn new(lanes: impl IntoIterator<Item = Lanes>, record: Shared) -> Self {
        Self {
            record: Some(record),
            ..Self::unrecorded(lanes)
        }
    }

    /// For packets that are no test packets: nothing is noted.
    pub(crate) fn unrecorded(lanes: impl IntoIterator<Item = Lanes>) -> Self {
        Self {
            sessions: lanes.into_iter().map(Session::new).collect(),
            packets: BinaryHeap::new(),
            order: 0,
            record: None,
        }
    }

    /// What the packets of a session go through from now on; those inside come out as they were to.
    pub(crate) fn change(&mut self, session: usize, lanes: Lanes) {
        if let Some(session) = self.sessions.get_mut(session) {
            *session = Session::new(lanes);
        }
    }

    /// Takes a packet in; one of a session that nobody knows goes nowhere.
    pub(crate) fn enter(&mut self, entering: &Entering<'_>) {
        let &Entering {
            session: index,
            direction,
            at,
            datagram,
        } = entering;
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        let origin = self
            .record
            .as_ref()
            .and_then(|_| origin(datagram, direction));
        let crossing = session.links[direction as usize].cross(at.0);
        let (first, second) = match crossing {
            Crossing::Arrives { at_ns } if self.packets.len() < INSIDE_MAX => (at_ns, None),
            Crossing::Twice { at_ns, again_at_ns } if self.packets.len() + 1 < INSIDE_MAX => {
                (at_ns, Some(again_at_ns))
            }
            _ => {
                if let Some((origin, record)) = origin.zip(self.record.as_ref()) {
                    open(record).note(index, direction, origin, Fate::Lost);
                }
                return;
            }
        };
        let held = session
            .held
            .as_ref()
            .filter(|_| direction == Direction::Forward);
        let first = (Timestamp(first) + held.map_or(Nanos::ZERO, |held| held.correction)).max(at);
        // Of two copies the first one counts; the second is sent and not noted.
        for (leaves_at, origin) in [(Some(first), origin), (second.map(Timestamp), None)] {
            let Some(leaves_at) = leaves_at else { continue };
            self.order += 1;
            self.packets.push(Reverse(Packet {
                leaves_at,
                order: self.order,
                entered_at: at,
                origin,
                session: index,
                direction,
                datagram: datagram.into(),
            }));
        }
    }

    /// When the next packet is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.packets.peek().map(|Reverse(packet)| packet.leaves_at)
    }

    /// The next packet, if it is due.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<Packet> {
        self.next_due().filter(|&due| due <= now)?;
        self.packets.pop().map(|Reverse(packet)| packet)
    }

    /// Notes that a packet left, or with `None` that it could not be sent.
    pub(crate) fn left(&mut self, packet: &Packet, at: Option<Timestamp>) {
        let Some((origin, record)) = packet.origin.zip(self.record.as_ref()) else {
            return;
        };
        let fate = at.map_or(Fate::Lost, |at| Fate::Crossed(at - packet.entered_at));
        let session = self.sessions.get_mut(packet.session);
        let held = session.and_then(|session| session.held.as_mut());
        if let (Fate::Crossed(delay), Some(held), Direction::Forward) =
            (fate, held, packet.direction)
        {
            held.note(delay);
        }
        open(record).note(packet.session, packet.direction, origin, fate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_way_is_corrected_towards_its_value_and_no_further_than_the_bound() {
        let mut held = Held::new((Nanos::from_micros(1_000), Quantile::P95));
        for _ in 0..1_000 {
            // The box is 90 µs late, and planned is 1000 µs.
            let took = Nanos::from_micros(1_090) + held.correction;
            held.note(took);
        }
        assert!(
            (held.correction + Nanos::from_micros(90)).abs() <= Nanos(10),
            "{held:?}"
        );
        (0..10_000).for_each(|_| held.note(Nanos::from_secs(1)));
        assert_eq!(held.correction, -Held::MOST);
    }

    #[test]
    fn t1_is_read_where_the_rfc_puts_it() {
        let mut packet = [0; 44];
        packet[4..12]
            .copy_from_slice(&(((NTP_EPOCH_S as u64 + 7) << 32) | (1 << 31)).to_be_bytes());
        assert_eq!(
            origin(&packet, Direction::Forward),
            Some(Timestamp(7_500_000_000))
        );
        packet[28..36].copy_from_slice(&((NTP_EPOCH_S as u64 + 9) << 32).to_be_bytes());
        assert_eq!(
            origin(&packet, Direction::Backward),
            Some(Timestamp(9_000_000_000))
        );
        assert_eq!(origin(&packet[..30], Direction::Backward), None);
    }

    #[test]
    fn packets_come_out_when_they_are_due_and_what_was_late_is_the_truth() {
        let link = |us: u64| {
            (
                Link {
                    propagation_ns: us * 1_000,
                    ..Link::default()
                },
                1,
            )
        };
        let record = Arc::new(Mutex::new(Record::new(
            Timestamp(0),
            Nanos::from_secs(3_600),
            Quantile::P50,
        )));
        let lanes = Lanes {
            forward: link(700),
            backward: link(900),
            held_at: None,
        };
        let mut inside = Inside::new([lanes], Arc::clone(&record));
        let mut datagram = [0; 44];
        datagram[4..12].copy_from_slice(&((NTP_EPOCH_S as u64) << 32).to_be_bytes());
        inside.enter(&Entering {
            session: 0,
            direction: Direction::Forward,
            at: Timestamp(50),
            datagram: &datagram,
        });
        inside.enter(&Entering {
            session: 7,
            direction: Direction::Forward,
            at: Timestamp(50),
            datagram: &datagram,
        });
        assert!(inside.pop(Timestamp(700_049)).is_none());
        let packet = inside.pop(Timestamp(700_050)).unwrap();
        inside.left(&packet, Some(Timestamp(700_090)));
        assert!(inside.pop(Timestamp(i64::MAX)).is_none());
        let truth = open(&record)
            .window(0, Direction::Forward, Timestamp(0))
            .unwrap();
        assert_eq!(
            (truth.sent, truth.lost, truth.quantile),
            (1, 0, Nanos(700_040))
        );
    }
}
