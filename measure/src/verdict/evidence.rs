//! What a verdict is made from: one direction of one window.

use crate::delay::{Basis, ClockDifference, Floors, OneWayDelay};
use crate::distribution::Distribution;
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

    /// The smallest that the delay of a rank can be, when the unknown packets were the fastest of all.
    fn lower(&self, rank: u64, observed: &Distribution, floor: Nanos) -> Nanos {
        match rank.checked_sub(self.unknown()) {
            None | Some(0) => floor,
            Some(rank) => observed
                .at_rank(rank)
                .map_or(Nanos::MAX, |bounds| bounds.at_least),
        }
    }

    /// The interval of a quantile that needs no clock: light below, round trip above, infinite when lost.
    pub fn proved(&self, quantile: Quantile) -> OneWayDelay {
        let rank = quantile.rank(self.population());
        // Of the observed packets only "no faster than light" is proved, hence a floor for each of them.
        let lo = if rank.saturating_sub(self.unknown()) > self.raw.count() {
            Nanos::MAX
        } else {
            self.floors.forward
        };
        let hi = self
            .round_trip
            .at_rank(rank)
            .map_or(Nanos::MAX, |bounds| bounds.at_most - self.floors.backward);
        OneWayDelay {
            lo,
            hi,
            basis: Basis::Proved,
        }
    }

    /// The interval of a quantile with the clocks' claims; `None` when they contradict the proof.
    pub fn claimed(
        &self,
        quantile: Quantile,
        proved: OneWayDelay,
        clocks: ClockDifference,
    ) -> Option<OneWayDelay> {
        let rank = quantile.rank(self.population());
        let raw_lo = self.lower(rank, self.raw, Nanos::MIN);
        let raw_hi = self
            .raw
            .at_rank(rank)
            .map_or(Nanos::MAX, |bounds| bounds.at_most);
        let lo = match (raw_lo, self.stamp_error) {
            (Nanos::MAX, _) => Nanos::MAX,
            (Nanos::MIN, _) | (_, None) => proved.lo,
            (raw, Some(stamp_error)) => proved.lo.max(raw - clocks.at_most - stamp_error),
        };
        let hi = if raw_hi == Nanos::MAX {
            proved.hi
        } else {
            proved.hi.min(raw_hi - clocks.at_least)
        };
        (lo <= hi).then_some(OneWayDelay {
            lo,
            hi,
            basis: Basis::Claimed,
        })
    }

    /// Whether a packet, in either direction, was faster than light if the clocks were right.
    ///
    /// Stamps are early on transmit and late on receipt, so they only make a packet look slower: no allowance is needed.
    pub fn contradicts(&self, clocks: ClockDifference) -> bool {
        let faster = |min: Option<Nanos>, floor: Nanos, clocks: ClockDifference| {
            min.is_some_and(|min| min - clocks.at_least < floor)
        };
        faster(self.raw.min(), self.floors.forward, clocks)
            || faster(self.opposite_min, self.floors.backward, clocks.reversed())
    }
}
