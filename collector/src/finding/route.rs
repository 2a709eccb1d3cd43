//! Routes that change: the floor of the round trip between two probes moves and stays.
//!
//! A round trip needs no clock. No queue makes it shorter, so two windows below
//! the floor are another route; queues make it longer, so that takes three.

use std::collections::{BTreeMap, HashMap, VecDeque};

use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::window::SessionOf;

use super::{Evidence, Kind, Symptom, pair_of};

/// Windows of a pair that are remembered; the oldest makes room. So long a changed floor stays news.
const REMEMBERED: usize = 15;
/// The latest windows that must all be longer.
const LONGER: usize = 3;
/// The latest windows that must all be shorter.
const SHORTER: usize = 2;
/// Windows before these that must be known.
const BEFORE: usize = 3;
/// A smaller move is none, whatever it is part of: kernels stamp no better.
const LEAST: Nanos = Nanos::from_micros(50);
/// Nor is one that is less than this part of the floor.
const PART: i64 = 50;
/// Nor is one within this many times of what the floors differ by anyway, before the move or behind it: on a path that is
/// never empty, the fastest packet of a window is no fixed thing.
const NOISES: i64 = 3;

/// The floors of the pairs, as far as they are remembered. After a start they are learnt anew.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    floors: HashMap<String, BTreeMap<Timestamp, Nanos>>,
}

impl Routes {
    /// Takes note of a window's round trips, and tells of which pairs the floor has moved. The number of pairs is the
    /// topology's.
    pub(crate) fn note(&mut self, start: Timestamp, sessions: &[SessionOf<'_>]) -> Vec<Symptom> {
        let mut lowest: BTreeMap<String, Nanos> = BTreeMap::new();
        for session in sessions {
            if let Some(least) = session.window.round_trip().min() {
                let known = lowest
                    .entry(pair_of(session.from, session.to))
                    .or_insert(least);
                *known = least.min(*known);
            }
        }
        let mut symptoms = Vec::new();
        for (pair, least) in lowest {
            let known = self.floors.entry(pair.clone()).or_default();
            known.insert(start, least);
            let past: VecDeque<Nanos> = known.range(..=start).map(|(_, &floor)| floor).collect();
            if let Some((before, after)) = moved(&past) {
                symptoms.push(Symptom {
                    kind: Kind::RouteChange,
                    subject: pair,
                    size: Some(after - before),
                    within: None,
                    evidence: vec![Evidence::Floor { before, after }],
                    alternatives: Vec::new(),
                });
            }
            while known.len() > REMEMBERED {
                known.pop_first();
            }
        }
        symptoms
    }
}

/// The floor before and the floor now, when it has moved.
fn moved(floors: &VecDeque<Nanos>) -> Option<(Nanos, Nanos)> {
    let latest = |count: usize| floors.iter().rev().take(count).copied();
    let earlier = |count: usize| {
        let before = floors
            .len()
            .checked_sub(count)
            .filter(|&left| left >= BEFORE)?;
        floors.iter().take(before).copied().min()
    };
    let quiet = |count: usize, by: Nanos| {
        let mut before: Vec<Nanos> = floors.iter().rev().skip(count).copied().collect();
        before.sort_unstable();
        let scatter = before[before.len() / 2] - before[0];
        let (low, high) = (latest(count).min(), latest(count).max());
        let unrest = low.zip(high).map_or(Nanos::ZERO, |(low, high)| high - low);
        by > scatter.max(unrest).times(NOISES)
    };
    let enough = |from: Nanos, to: Nanos| to - from > LEAST.max(Nanos(from.0 / PART));
    let longer = earlier(LONGER)
        .zip(latest(LONGER).min())
        .filter(|&(before, after)| enough(before, after) && quiet(LONGER, after - before));
    let shorter = earlier(SHORTER)
        .zip(latest(SHORTER).max())
        .filter(|&(before, after)| enough(after, before) && quiet(SHORTER, before - after));
    longer.or_else(|| {
        let (before, _) = shorter?;
        Some((before, latest(SHORTER).min()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(floors_us: &[i64], expected_us: Option<(i64, i64)>) {
        let floors = floors_us.iter().map(|&us| Nanos::from_micros(us)).collect();
        let expected = expected_us
            .map(|(before, after)| (Nanos::from_micros(before), Nanos::from_micros(after)));
        assert_eq!(moved(&floors), expected, "{floors_us:?}");
    }

    #[test]
    fn a_longer_route_shows_after_three_windows_and_a_shorter_one_after_two() {
        check(&[1_500; 8], None);
        check(&[1_500, 1_500, 1_500, 1_800], None);
        check(&[1_500, 1_500, 1_500, 1_800, 1_800], None);
        check(
            &[1_500, 1_510, 1_500, 1_800, 1_810, 1_800],
            Some((1_500, 1_800)),
        );
        check(&[1_500, 1_500, 1_500, 1_200], None);
        check(&[1_500, 1_510, 1_500, 1_200, 1_205], Some((1_500, 1_200)));
    }

    #[test]
    fn a_queue_that_goes_away_and_a_move_within_the_stamps_are_no_route() {
        check(&[1_500, 1_500, 1_500, 1_900, 1_500, 1_900], None);
        check(&[1_500, 1_500, 1_500, 1_540, 1_540, 1_540], None);
        check(&[9_000, 9_000, 9_000, 9_150, 9_150, 9_150], None);
        check(&[1_860, 1_810, 1_900, 1_850, 1_706, 1_700], None);
        check(&[1_810, 1_810, 1_810, 1_810, 1_700, 1_740], None);
    }

    #[test]
    fn what_is_not_known_before_has_not_changed() {
        check(&[1_500, 1_500, 1_900, 1_900, 1_900], None);
    }
}
