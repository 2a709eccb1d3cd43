//! What a verdict is made from: one direction of one window.

use crate::delay::{ClockDifference, Floors, OneWayDelay};
use crate::distribution::{Bounds, Distribution};
use crate::sample::Direction;
use crate::time::Nanos;
use crate::verdict::Quantile;

/// What the two clocks of a path claim together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Both make a claim; their difference lies within this.
    Clocks(ClockDifference),
    /// At least one makes none.
    None,
    /// At least one was contradicted in this window, here or on another path of that probe.
    Withdrawn,
}

/// One direction of one window, with all that bears on its delay.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// Packets that the plan wanted sent.
    pub planned: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets known to be lost in this direction: of infinite delay.
    pub lost: u64,
    /// Raw one-way differences of this direction.
    pub raw: &'a Distribution,
    /// The smallest raw one-way difference of the opposite direction.
    pub opposite_min: Option<Nanos>,
    /// Round-trip delays of the same packets.
    pub round_trip: &'a Distribution,
    /// The light floors of this direction and the opposite one.
    pub floors: Floors,
    /// What the clocks claim.
    pub claim: Claim,
    /// How far a raw difference may exceed the delay through early transmit and late receive stamps; `None` when
    /// nothing bounds that (a stamp taken in user space), so that nothing can be said from below.
    pub stamp_error: Option<Nanos>,
    /// Every stamp was taken by an interface.
    pub hardware_stamps: bool,
}

impl Evidence<'_> {
    /// Packets in the denominator: all that were sent, or more when the counts contradict that.
    pub(super) fn population(&self) -> u64 {
        self.sent.max(self.raw.count().saturating_add(self.lost))
    }

    /// Packets whose delay in this direction nobody knows: lost on the other way, lost somewhere, or late.
    pub(super) fn unknown(&self) -> u64 {
        self.population()
            - self
                .raw
                .count()
                .saturating_add(self.lost)
                .min(self.population())
    }

    /// The interval of a quantile that needs no clock: light below, round trip above, infinite when lost.
    ///
    /// `None` when some round trip was faster than light there and back: no clock can explain that, so the coordinates
    /// behind the floors are wrong and nothing follows from them.
    pub fn proved(&self, quantile: Quantile) -> Option<OneWayDelay> {
        let both_floors = self.floors.forward + self.floors.backward;
        if self.round_trip.min().is_some_and(|min| min < both_floors) {
            return None;
        }
        let rank = quantile.rank(self.population());
        let proved = OneWayDelay::proved(self.round_trip_at(quantile), self.floors);
        // Of the observed packets only "no faster than light" is proved, hence the floor for each of them; beyond them, were
        // the unknown ones the fastest of all, the rank is a lost packet's.
        let lost = rank.saturating_sub(self.unknown()) > self.raw.count();
        Some(OneWayDelay {
            lo: if lost { Nanos::MAX } else { proved.lo },
            ..proved
        })
    }

    /// The most that the round trip of a quantile's packet may be; [`Nanos::MAX`] when that packet never came back.
    pub(super) fn round_trip_at(&self, quantile: Quantile) -> Nanos {
        let rank = quantile.rank(self.population());
        let bounds = self.round_trip.at_rank(rank);
        bounds.map_or(Nanos::MAX, |bounds| bounds.at_most)
    }

    /// Between which the raw difference of a quantile's packet lies.
    pub(super) fn raw_at(&self, quantile: Quantile) -> Bounds {
        let rank = quantile.rank(self.population());
        Bounds {
            // From below, the unknown packets may have been the fastest of all; from above, the slowest.
            at_least: match rank.checked_sub(self.unknown()) {
                None | Some(0) => Nanos::MIN,
                Some(rank) => self
                    .raw
                    .at_rank(rank)
                    .map_or(Nanos::MAX, |bounds| bounds.at_least),
            },
            at_most: self
                .raw
                .at_rank(rank)
                .map_or(Nanos::MAX, |bounds| bounds.at_most),
        }
    }

    /// The interval of a quantile with the clocks' claims; `None` when they contradict the proof.
    pub fn claimed(
        &self,
        quantile: Quantile,
        proved: OneWayDelay,
        clocks: ClockDifference,
    ) -> Option<OneWayDelay> {
        proved.narrowed(self.raw_at(quantile), clocks, self.stamp_error)
    }

    /// Whether the quantile is the delay of a packet that came back; if not, no clock can help to know it.
    pub fn is_observed(&self, quantile: Quantile) -> bool {
        quantile.rank(self.population()) <= self.raw.count()
    }

    /// Whether a packet, in either direction, was faster than light if the clocks were right.
    ///
    /// Stamps are early on transmit and late on receipt, so they only make a packet look slower: no allowance is needed.
    pub fn contradicts(&self, clocks: ClockDifference) -> bool {
        self.contradiction(clocks).is_some()
    }

    /// In which direction such a packet was seen, its raw difference, and the floor that it breaks.
    pub(super) fn contradiction(
        &self,
        clocks: ClockDifference,
    ) -> Option<(Direction, Nanos, Nanos)> {
        let floors = self.floors;
        [
            (Direction::Forward, self.raw.min(), floors.forward, clocks),
            (
                Direction::Backward,
                self.opposite_min,
                floors.backward,
                clocks.reversed(),
            ),
        ]
        .into_iter()
        .find_map(|(direction, min, floor, clocks)| {
            let min = min.filter(|&min| min - clocks.at_least < floor)?;
            Some((direction, min, floor))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::HistogramRecorder;

    /// A packet at the light floor of 400 each way, seen by clocks whose difference is `theta`; both claim ±50.
    #[track_caller]
    fn check(theta: i64, contradiction: bool) {
        let one = |value: i64| {
            let mut recorder = HistogramRecorder::default();
            recorder.record(Nanos(value));
            Distribution::of(&[recorder.finish()])
        };
        let (raw, round_trip) = (one(400 + theta), one(800));
        let evidence = Evidence {
            planned: 1,
            sent: 1,
            lost: 0,
            raw: &raw,
            opposite_min: Some(Nanos(400 - theta)),
            round_trip: &round_trip,
            floors: Floors {
                forward: Nanos(400),
                backward: Nanos(400),
            },
            claim: Claim::None,
            stamp_error: None,
            hardware_stamps: false,
        };
        let clocks = ClockDifference::within(Nanos(50), Nanos(50));
        assert_eq!(evidence.contradicts(clocks), contradiction, "theta {theta}");
    }

    #[test]
    fn honest_clocks_are_never_contradicted_and_a_lie_shows_by_the_nanosecond_at_the_floor() {
        for theta in [-100, -99, 0, 99, 100] {
            check(theta, false);
        }
        for theta in [-101, 101, 3_000] {
            check(theta, true);
        }
    }

    #[test]
    fn the_true_quantile_lies_between_the_bounds_also_where_cells_are_wide_and_packets_unknown() {
        let delays: Vec<i64> = (0..200).map(|k| 1_000_000 + k * k * 731).collect();
        let recorded = |values: &mut dyn Iterator<Item = i64>| {
            let mut recorder = HistogramRecorder::default();
            values.for_each(|value| recorder.record(Nanos(value)));
            Distribution::of(&[recorder.finish()])
        };
        let back = 2_000_000;
        for unknown in [0, 5, 9] {
            // Whichever packets are the unknown ones: the slowest here, so that the truth is at the upper end.
            let seen = delays.len() - unknown;
            let raw = recorded(&mut delays[..seen].iter().copied());
            let round_trip = recorded(&mut delays[..seen].iter().map(|delay| delay + back));
            let evidence = Evidence {
                planned: 200,
                sent: 200,
                lost: 0,
                raw: &raw,
                opposite_min: None,
                round_trip: &round_trip,
                floors: Floors {
                    forward: Nanos(900_000),
                    backward: Nanos(back),
                },
                claim: Claim::None,
                stamp_error: Some(Nanos::ZERO),
                hardware_stamps: false,
            };
            let truth = Nanos(delays[189]);
            let proved = evidence.proved(Quantile::P95).expect("slower than light");
            assert!(
                proved.lo <= truth && truth <= proved.hi,
                "{unknown} unknown: {proved:?}"
            );
            let clocks = ClockDifference::within(Nanos::ZERO, Nanos::ZERO);
            let claimed = evidence
                .claimed(Quantile::P95, proved, clocks)
                .expect("honest clocks");
            assert!(
                claimed.lo <= truth && truth <= claimed.hi,
                "{unknown} unknown: {claimed:?}"
            );
        }
    }
}
