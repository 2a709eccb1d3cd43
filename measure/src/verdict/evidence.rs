//! What a verdict is made from: one direction of one window.

use crate::clock::live::MeshBounds;
use crate::clock::mesh::StampErrors;
use crate::delay::{Basis, ClockDifference, Floors, OneWayDelay};
use crate::distribution::{Bounds, Distribution};
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
    /// What the other pairs of the mesh tell of these two clocks, seen in this direction; nothing where nobody asked them.
    pub mesh: MeshBounds,
    /// How far a raw difference may exceed the delay through early transmit and late receive stamps; `None` when
    /// nothing bounds that (a stamp taken in user space), so that nothing can be said from below.
    pub stamp_error: Option<Nanos>,
    /// Every stamp was taken by an interface.
    pub hardware_stamps: bool,
}

impl Evidence<'_> {
    /// Packets in the denominator: all that were sent, or more when the counts contradict that.
    fn population(&self) -> u64 {
        self.sent.max(self.raw.count().saturating_add(self.lost))
    }

    /// Packets whose delay in this direction nobody knows: lost on the other way, lost somewhere, or late.
    fn unknown(&self) -> u64 {
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
        let round_trip = self.round_trip.at_rank(rank);
        let proved = OneWayDelay::proved(
            round_trip.map_or(Nanos::MAX, |bounds| bounds.at_most),
            self.floors,
        );
        // Of the observed packets only "no faster than light" is proved, hence the floor for each of them; beyond them, were
        // the unknown ones the fastest of all, the rank is a lost packet's.
        let lost = rank.saturating_sub(self.unknown()) > self.raw.count();
        Some(OneWayDelay {
            lo: if lost { Nanos::MAX } else { proved.lo },
            ..proved
        })
    }

    /// A proved interval narrowed by what the packets of the whole mesh prove of the two clocks; the same interval where
    /// they prove nothing, or where some clock of the mesh did what no clock does.
    ///
    /// From below only stamps of interfaces say something: of no other stamp is there a bound for every packet.
    pub fn proved_by_mesh(&self, quantile: Quantile, proved: OneWayDelay) -> OneWayDelay {
        let Some(clocks) = self.mesh.proved else {
            return proved;
        };
        let hard = self.hard_stamp_error();
        proved
            .narrowed_on(Basis::Proved, self.raw_bounds(quantile), clocks, hard)
            .unwrap_or(proved)
    }

    /// How far a raw difference may exceed the delay when that shall be proved: only of stamps of interfaces is there a
    /// bound for every packet.
    pub(super) fn hard_stamp_error(&self) -> Option<Nanos> {
        self.stamp_error
            .filter(|_| self.hardware_stamps)
            .map(|error| error.max(StampErrors::HARDWARE.both))
    }

    /// What the believed claims say of the two clocks' difference: their own, and those of others by way of the mesh.
    /// `None` when no believed claim says anything; an empty interval is a contradiction among them.
    pub fn believed_clocks(&self) -> Option<ClockDifference> {
        match (self.claim, self.mesh.claimed) {
            (Claim::Clocks(own), Some(mesh)) => Some(own.and(mesh)),
            (Claim::Clocks(own), None) => Some(own),
            (Claim::None | Claim::Withdrawn, mesh) => mesh,
        }
    }

    /// The narrowest interval of a quantile that something bears: proved, or with the believed claims where they narrow it.
    /// `None` when the round trip was faster than light.
    pub fn known(&self, quantile: Quantile) -> Option<OneWayDelay> {
        let proved = self.proved_by_mesh(quantile, self.proved(quantile)?);
        let claimed = self
            .believed_clocks()
            .filter(|&clocks| !self.contradicts(clocks))
            .and_then(|clocks| self.claimed(quantile, proved, clocks));
        Some(claimed.unwrap_or(proved))
    }

    /// The interval of a quantile with the clocks' claims; `None` when they contradict the proof.
    pub fn claimed(
        &self,
        quantile: Quantile,
        proved: OneWayDelay,
        clocks: ClockDifference,
    ) -> Option<OneWayDelay> {
        proved.narrowed(self.raw_bounds(quantile), clocks, self.stamp_error)
    }

    /// Between which the raw difference of the quantile's packet lies.
    fn raw_bounds(&self, quantile: Quantile) -> Bounds {
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

    /// Whether the quantile is the delay of a packet that came back; if not, no clock can help to know it.
    pub fn is_observed(&self, quantile: Quantile) -> bool {
        quantile.rank(self.population()) <= self.raw.count()
    }

    /// Whether a packet, in either direction, was faster than light if the clocks were right, or the clocks cannot be so.
    ///
    /// Stamps are early on transmit and late on receipt, so they only make a packet look slower: no allowance is needed.
    pub fn contradicts(&self, clocks: ClockDifference) -> bool {
        let faster = |min: Option<Nanos>, floor: Nanos, clocks: ClockDifference| {
            min.is_some_and(|min| min - clocks.at_least < floor)
        };
        clocks.at_least > clocks.at_most
            || faster(self.raw.min(), self.floors.forward, clocks)
            || faster(self.opposite_min, self.floors.backward, clocks.reversed())
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
            mesh: MeshBounds::default(),
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
                mesh: MeshBounds::default(),
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
