//! What the delay box did to each packet, gathered by the windows that are judged.
//!
//! A packet belongs to the window in which its T1 lies, as it stands in the
//! packet: that is how its session-sender counts it, whatever its clock says.

use std::collections::BTreeMap;

use owl_measure::sample::Direction;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Quantile;

/// Windows kept for each session and direction; the oldest go first. At ten seconds a window that is an hour, and a
/// verdict is compared within seconds.
const WINDOWS_MAX: usize = 360;
/// Packets kept of one window; what comes beyond is not recorded, and the window then counts as unknown.
const PACKETS_MAX: usize = 100_000;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It left the box after this long.
    Crossed(Nanos),
    /// It never left.
    Lost,
}

/// What truly happened in one direction of one session in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowTruth {
    /// Packets that entered the box.
    pub sent: u64,
    /// Of these, those that never left.
    pub lost: u64,
    /// The judged quantile over all of them; [`Nanos::MAX`] when it is a lost one.
    pub quantile: Nanos,
}

/// One session and one of its directions.
type Lane = (usize, bool);

/// The record of a delay box.
#[derive(Debug)]
pub struct Record {
    origin: Timestamp,
    length: Nanos,
    quantile: Quantile,
    lanes: BTreeMap<Lane, BTreeMap<Timestamp, Vec<Nanos>>>,
}

fn lane(session: usize, direction: Direction) -> Lane {
    (session, direction == Direction::Forward)
}

impl Record {
    /// For windows of this length, counted from `origin`, of which this quantile is judged.
    pub fn new(origin: Timestamp, length: Nanos, quantile: Quantile) -> Self {
        Self {
            origin,
            length,
            quantile,
            lanes: BTreeMap::new(),
        }
    }

    /// Notes the fate of a packet.
    pub fn note(&mut self, session: usize, direction: Direction, sent_at: Timestamp, fate: Fate) {
        let window = sent_at.period_start(self.length, self.origin);
        let windows = self.lanes.entry(lane(session, direction)).or_default();
        let packets = windows.entry(window).or_default();
        if packets.len() <= PACKETS_MAX {
            packets.push(match fate {
                Fate::Crossed(delay) => delay,
                Fate::Lost => Nanos::MAX,
            });
        }
        while windows.len() > WINDOWS_MAX {
            windows.pop_first();
        }
    }

    /// What happened in a window; `None` when nothing is known of it.
    pub fn window(
        &self,
        session: usize,
        direction: Direction,
        window: Timestamp,
    ) -> Option<WindowTruth> {
        let packets = self.lanes.get(&lane(session, direction))?.get(&window)?;
        (packets.len() <= PACKETS_MAX).then(|| self.truth(packets.clone()))
    }

    /// What happened in the latest two windows together, for showing.
    pub fn lately(&self, session: usize, direction: Direction) -> Option<WindowTruth> {
        let windows = self.lanes.get(&lane(session, direction))?;
        let packets: Vec<Nanos> = windows.values().rev().take(2).flatten().copied().collect();
        (!packets.is_empty()).then(|| self.truth(packets))
    }

    fn truth(&self, mut packets: Vec<Nanos>) -> WindowTruth {
        packets.sort_unstable();
        let sent = packets.len() as u64;
        let lost = packets
            .iter()
            .rev()
            .take_while(|&&delay| delay == Nanos::MAX)
            .count() as u64;
        let rank = usize::try_from(self.quantile.rank(sent)).unwrap_or(usize::MAX);
        let quantile = rank
            .checked_sub(1)
            .and_then(|index| packets.get(index))
            .copied();
        WindowTruth {
            sent,
            lost,
            quantile: quantile.unwrap_or(Nanos::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Nanos = Nanos(10);

    fn record() -> Record {
        Record::new(Timestamp(5), TEN, Quantile::P95)
    }

    #[test]
    fn a_packet_belongs_to_the_window_of_its_t1_and_a_lost_one_is_slower_than_all() {
        let mut record = record();
        for k in 0..100_i64 {
            let fate = if k < 5 {
                Fate::Lost
            } else {
                Fate::Crossed(Nanos(k))
            };
            record.note(3, Direction::Forward, Timestamp(5 + k % 10), fate);
        }
        record.note(3, Direction::Forward, Timestamp(15), Fate::Lost);
        record.note(3, Direction::Backward, Timestamp(5), Fate::Lost);
        let truth = record.window(3, Direction::Forward, Timestamp(5));
        assert_eq!(
            truth,
            Some(WindowTruth {
                sent: 100,
                lost: 5,
                quantile: Nanos(99)
            })
        );
        let next = record.window(3, Direction::Forward, Timestamp(15));
        assert_eq!(
            next,
            Some(WindowTruth {
                sent: 1,
                lost: 1,
                quantile: Nanos::MAX
            })
        );
        assert_eq!(record.window(4, Direction::Forward, Timestamp(5)), None);
    }

    #[test]
    fn the_oldest_windows_go_first() {
        let mut record = record();
        for k in 0..=WINDOWS_MAX as i64 {
            record.note(
                0,
                Direction::Forward,
                Timestamp(5 + 10 * k),
                Fate::Crossed(Nanos(k)),
            );
        }
        assert_eq!(record.window(0, Direction::Forward, Timestamp(5)), None);
        assert!(
            record
                .window(0, Direction::Forward, Timestamp(15))
                .is_some()
        );
    }
}
