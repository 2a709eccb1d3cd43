//! Packets as they crossed from one probe to another, on the common time line.

use std::collections::BTreeMap;

use super::envelope::Point;
use super::mesh::{Mesh, Session};
use super::timeline::Timeline;
use crate::time::{Nanos, Timestamp};

/// A packet that arrived.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Crossing {
    /// Nanoseconds on the common time line.
    pub(crate) at: f64,
    /// The raw one-way difference, the rough errors of both clocks taken off.
    pub(crate) raw: f64,
    /// The round trip that it was part of; `None` when that was not completed.
    pub(crate) round_trip: Option<Nanos>,
}

/// What became of a packet in one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    /// It arrived.
    Crossed(Crossing),
    /// It was sent this way at this place of the time line and did not arrive.
    Lost(f64),
    /// It was lost, and nobody knows on which way.
    Unknown(f64),
}

/// All packets from one probe to another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Way {
    /// The test packets of its own session.
    pub(crate) asked: Vec<Fate>,
    /// The answers in the session of the opposite direction.
    pub(crate) answered: Vec<Fate>,
}

impl Fate {
    /// Its place on the common time line.
    pub(crate) fn at(&self) -> f64 {
        match self {
            Self::Crossed(crossing) => crossing.at,
            Self::Lost(at) | Self::Unknown(at) => *at,
        }
    }
}

impl Way {
    pub(crate) fn crossings(&self) -> impl Iterator<Item = &Crossing> {
        self.asked
            .iter()
            .chain(&self.answered)
            .filter_map(|fate| match fate {
                Fate::Crossed(crossing) => Some(crossing),
                Fate::Lost(_) | Fate::Unknown(_) => None,
            })
    }

    /// The crossings of a span of the time line, seen from a moment, in the order of time.
    pub(crate) fn points(&self, from: f64, to: f64, seen_from: f64) -> Vec<Point> {
        let mut points: Vec<Point> = self
            .crossings()
            .filter(|crossing| from <= crossing.at && crossing.at < to)
            .map(|crossing| Point {
                at: crossing.at - seen_from,
                raw: crossing.raw,
            })
            .collect();
        points.sort_unstable_by(|a, b| a.at.total_cmp(&b.at));
        points
    }
}

/// The ways of a mesh by (from, to).
pub(crate) type Ways = BTreeMap<(usize, usize), Way>;

/// Sorts every packet of a mesh by its ways.
pub(crate) fn ways(mesh: &Mesh, line: &Timeline) -> Ways {
    let mut ways = Ways::new();
    let mut records = vec![Record::Replies; mesh.probes.len()];
    for session in &mesh.sessions {
        if session
            .exchanges
            .iter()
            .any(|exchange| exchange.t3.is_some() && exchange.t4.is_none())
        {
            records[session.to] = Record::Receipts;
        }
    }
    for session in &mesh.sessions {
        let (asked, answered) = fates(session, line, records[session.to]);
        ways.entry((session.from, session.to))
            .or_default()
            .asked
            .extend(asked);
        ways.entry((session.to, session.from))
            .or_default()
            .answered
            .extend(answered);
    }
    ways
}

/// Whose record the stamps T2 and T3 are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Record {
    /// The session-sender's: without a reply it knows nothing of a packet.
    Replies,
    /// The session-reflector's own, for it knows of packets whose reply was lost: one that it does not know never came.
    Receipts,
}

fn fates(session: &Session, line: &Timeline, record: Record) -> (Vec<Fate>, Vec<Fate>) {
    let (from, to) = (session.from, session.to);
    let crossed = |sender: usize, sent: Timestamp, receiver: usize, got: Timestamp, round_trip| {
        let base = line.base(receiver).saturating_sub(line.base(sender));
        Fate::Crossed(Crossing {
            at: f64::midpoint(line.at(sender, sent), line.at(receiver, got)),
            raw: (got - sent - Nanos(base)).0 as f64,
            round_trip,
        })
    };
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    for exchange in &session.exchanges {
        let round_trip = exchange.round_trip();
        let sent = line.at(from, exchange.t1);
        asked.push(match exchange.t2 {
            Some(t2) => crossed(from, exchange.t1, to, t2, round_trip),
            None if record == Record::Receipts => Fate::Lost(sent),
            None => Fate::Unknown(sent),
        });
        match (exchange.t3, exchange.t4) {
            (Some(t3), Some(t4)) => answered.push(crossed(to, t3, from, t4, round_trip)),
            // The session-reflector had it, so it is the answer that was lost.
            (Some(_), None) => answered.push(Fate::Lost(sent)),
            // It never came, so nothing was sent this way.
            (None, _) if record == Record::Receipts => {}
            (None, _) => answered.push(Fate::Unknown(sent)),
        }
    }
    (asked, answered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::mesh::{Exchange, MeshProbe, StampErrors};

    /// One packet that came back, one whose reply was lost where the reflector tells, one of which only T1 is known.
    fn fates_of(reflector_tells: bool) -> (Vec<Fate>, Vec<Fate>) {
        let exchange = |t1, t2: Option<i64>, t4: Option<i64>| Exchange {
            t1: Timestamp(t1),
            t2: t2.map(Timestamp),
            t3: t2.map(Timestamp),
            t4: t4.map(Timestamp),
        };
        let mesh = Mesh {
            probes: vec![MeshProbe::default(); 2],
            sessions: vec![Session {
                from: 0,
                to: 1,
                exchanges: vec![
                    exchange(0, Some(100), Some(220)),
                    exchange(1_000, reflector_tells.then_some(1_100), None),
                    exchange(2_000, None, None),
                ],
            }],
            floors: vec![vec![Nanos::ZERO; 2]; 2],
            stamps: StampErrors::HARDWARE,
        };
        let mut ways = ways(&mesh, &Timeline::of(&mesh));
        let (there, back) = (ways.remove(&(0, 1)), ways.remove(&(1, 0)));
        (there.unwrap().asked, back.unwrap().answered)
    }

    #[test]
    fn a_packet_is_lost_on_the_way_that_the_records_tell_and_on_an_unknown_one_when_they_do_not() {
        use Fate::{Crossed, Lost, Unknown};
        let (there, back) = fates_of(true);
        assert!(matches!(there[..], [Crossed(_), Crossed(_), Lost(_)]));
        assert!(matches!(back[..], [Crossed(_), Lost(_)]));
        let (there, back) = fates_of(false);
        assert!(matches!(there[..], [Crossed(_), Unknown(_), Unknown(_)]));
        assert!(matches!(back[..], [Crossed(_), Unknown(_), Unknown(_)]));
    }
}
