//! What a verdict is made from: one direction of one window.

use crate::clock::live::MeshBounds;
use crate::clock::mesh::StampErrors;
use crate::delay::{Basis, ClockDifference, Floors, OneWayDelay};
use crate::distribution::{Bounds, Distribution};
use crate::sample::Direction;
use crate::time::Nanos;
use crate::verdict::{Correlation, EvidenceClass, Population, Profile, Quantile, Ranked, Ranks};

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
    /// One standard deviation of what varies at random in the clocks' difference; three are in what they claim.
    pub random: Nanos,
    /// How alike the delays of consecutive packets of this direction are.
    pub correlation: Correlation,
}

impl Evidence<'_> {
    /// Packets in the denominator: all that were sent, or more when the counts contradict that.
    fn population(&self) -> u64 {
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

    /// The ranks of a quantile of the packets that were sent.
    pub fn ranks(&self, quantile: Quantile) -> Ranks {
        Ranks::of_packets(quantile, self.population())
    }

    /// As many independent packets as tell what those that were sent do.
    pub fn effective(&self) -> u64 {
        self.correlation.effective(self.population())
    }

    /// The ranks of a profile's quantile, of what the profile speaks of. Of the path, they are those of as many packets
    /// as are independent.
    pub fn judged_ranks(&self, profile: &Profile) -> Ranks {
        match profile.population {
            Population::Packets => self.ranks(profile.quantile),
            Population::Path => {
                let effective = self.effective();
                Ranks::of_path(profile.quantile, effective).spread_to(self.population(), effective)
            }
        }
    }

    /// Two ranks, and among how many packets.
    pub fn ranked(&self, ranks: Ranks) -> Ranked {
        Ranked {
            ranks,
            of: self.population(),
            effective: self.effective(),
        }
    }

    /// The interval of a quantile that needs no clock: light below, round trip above, infinite when lost.
    ///
    /// `None` when some round trip was faster than light there and back: no clock can explain that, so the coordinates
    /// behind the floors are wrong and nothing follows from them.
    pub fn proved(&self, ranks: Ranks) -> Option<OneWayDelay> {
        let both_floors = self.floors.forward + self.floors.backward;
        if self.round_trip.min().is_some_and(|min| min < both_floors) {
            return None;
        }
        let proved = OneWayDelay::proved(self.round_trip_bound(ranks), self.floors);
        // Of the observed packets only "no faster than light" is proved, hence the floor for each of them; beyond them, were
        // the unknown ones the fastest of all, the rank is a lost packet's.
        let lost = ranks.lower.saturating_sub(self.unknown()) > self.raw.count();
        Some(OneWayDelay {
            lo: if lost { Nanos::MAX } else { proved.lo },
            ..proved
        })
    }

    /// The most that the round trip of the quantile's packet may be; [`Nanos::MAX`] when nothing bounds it.
    pub(super) fn round_trip_bound(&self, ranks: Ranks) -> Nanos {
        let bounds = ranks.upper.and_then(|rank| self.round_trip.at_rank(rank));
        bounds.map_or(Nanos::MAX, |bounds| bounds.at_most)
    }

    /// A proved interval narrowed by what the packets of the whole mesh prove of the two clocks; the same interval where
    /// they prove nothing, or where some clock of the mesh did what no clock does.
    ///
    /// From below only stamps of interfaces say something: of no other stamp is there a bound for every packet.
    pub fn proved_by_mesh(&self, ranks: Ranks, proved: OneWayDelay) -> OneWayDelay {
        self.narrowed_by_mesh(self.raw_bounds(ranks), proved)
    }

    fn narrowed_by_mesh(&self, raw: Bounds, proved: OneWayDelay) -> OneWayDelay {
        let Some(clocks) = self.mesh.proved else {
            return proved;
        };
        let hard = self.hard_stamp_error();
        proved
            .narrowed_on(Basis::Proved, raw, clocks, hard)
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

    /// The narrowest interval of a quantile of the packets that something bears: proved, or with the believed claims where
    /// they narrow it. `None` when the round trip was faster than light.
    pub fn known(&self, quantile: Quantile) -> Option<OneWayDelay> {
        let ranks = self.ranks(quantile);
        let proved = self.proved_by_mesh(ranks, self.proved(ranks)?);
        let claimed = self
            .believed_clocks()
            .filter(|&clocks| !self.contradicts(clocks))
            .and_then(|clocks| self.claimed(ranks, proved, clocks));
        Some(claimed.unwrap_or(proved))
    }

    /// Between which the smallest one-way delay of the packets that came back lies, by whatever bears it. `None` without a
    /// packet, and when the round trip was faster than light.
    pub fn fastest(&self) -> Option<OneWayDelay> {
        let raw = self.raw.min()?;
        let round_trip = self.round_trip.min().unwrap_or(Nanos::MAX);
        if round_trip < self.floors.forward + self.floors.backward {
            return None;
        }
        let raw = Bounds {
            at_least: raw,
            at_most: raw,
        };
        let proved = self.narrowed_by_mesh(raw, OneWayDelay::proved(round_trip, self.floors));
        let claimed = self
            .believed_clocks()
            .filter(|&clocks| !self.contradicts(clocks))
            .and_then(|clocks| proved.narrowed(raw, clocks, self.stamp_error));
        Some(claimed.unwrap_or(proved))
    }

    /// How good a statement about a target is that rests on what is believed of the clocks; `None` when they are known less
    /// closely than a quarter of it.
    pub(super) fn class(&self, clocks: ClockDifference, target: Nanos) -> Option<EvidenceClass> {
        let uncertainty = self.uncertainty(clocks);
        if self.hardware_stamps && uncertainty.times(10) <= target {
            Some(EvidenceClass::A)
        } else {
            (uncertainty.times(4) <= target).then_some(EvidenceClass::C)
        }
    }

    /// Half the width of what is known of the clocks, and how far the stamps may be off.
    pub(super) fn uncertainty(&self, clocks: ClockDifference) -> Nanos {
        clocks.uncertainty() + self.stamp_error.unwrap_or(Nanos::ZERO)
    }

    /// The interval of a quantile with the clocks' claims; `None` when they contradict the proof.
    pub fn claimed(
        &self,
        ranks: Ranks,
        proved: OneWayDelay,
        clocks: ClockDifference,
    ) -> Option<OneWayDelay> {
        proved.narrowed(self.raw_bounds(ranks), clocks, self.stamp_error)
    }

    /// Between which the raw difference of the quantile's packet lies.
    pub(super) fn raw_bounds(&self, ranks: Ranks) -> Bounds {
        Bounds {
            // From below, the unknown packets may have been the fastest of all; from above, the slowest.
            at_least: match ranks.lower.checked_sub(self.unknown()) {
                None | Some(0) => Nanos::MIN,
                Some(rank) => self
                    .raw
                    .at_rank(rank)
                    .map_or(Nanos::MAX, |bounds| bounds.at_least),
            },
            at_most: ranks
                .upper
                .and_then(|rank| self.raw.at_rank(rank))
                .map_or(Nanos::MAX, |bounds| bounds.at_most),
        }
    }

    /// Whether the quantile is the delay of a packet that came back; if not, no clock can help to know it. No packet stands
    /// for an end that nothing bounds.
    pub fn is_observed(&self, ranks: Ranks) -> bool {
        ranks.upper.is_some_and(|rank| rank <= self.raw.count())
    }

    /// Whether a packet, in either direction, was faster than light if the clocks were right, or the clocks cannot be so.
    ///
    /// Stamps are early on transmit and late on receipt, so they only make a packet look slower: no allowance is needed.
    pub fn contradicts(&self, clocks: ClockDifference) -> bool {
        clocks.at_least > clocks.at_most || self.contradiction(clocks).is_some()
    }

    /// In which direction a packet was faster than light if the clocks were right, its raw difference, and the floor.
    pub(super) fn contradiction(
        &self,
        clocks: ClockDifference,
    ) -> Option<(Direction, Nanos, Nanos)> {
        let floors = self.floors;
        let (there, back) = (self.raw.min(), self.opposite_min);
        [
            (Direction::Forward, there, floors.forward, clocks),
            (
                Direction::Backward,
                back,
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
    use crate::verdict::{Reason, State, judge};

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
            random: Nanos::ZERO,
            correlation: Correlation::default(),
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
                random: Nanos::ZERO,
                correlation: Correlation::default(),
            };
            let truth = Nanos(delays[189]);
            let ranks = evidence.ranks(Quantile::P95);
            let proved = evidence.proved(ranks).expect("slower than light");
            assert!(
                proved.lo <= truth && truth <= proved.hi,
                "{unknown} unknown: {proved:?}"
            );
            let clocks = ClockDifference::within(Nanos::ZERO, Nanos::ZERO);
            let claimed = evidence
                .claimed(ranks, proved, clocks)
                .expect("honest clocks");
            assert!(
                claimed.lo <= truth && truth <= claimed.hi,
                "{unknown} unknown: {claimed:?}"
            );
        }
    }

    /// Packets that all take 700 µs but for so many at the end that take 1,300, judged against 1 ms with a proof alone.
    #[track_caller]
    fn judged(
        population: Population,
        sent: u64,
        slow: u64,
        neighbours: f64,
    ) -> (State, Option<Reason>) {
        let repeat = |fast: i64, slow_one: i64| {
            let mut recorder = HistogramRecorder::default();
            (0..sent - slow).for_each(|_| recorder.record(Nanos::from_micros(fast)));
            (0..slow).for_each(|_| recorder.record(Nanos::from_micros(slow_one)));
            Distribution::of(&[recorder.finish()])
        };
        let (raw, round_trip) = (repeat(700, 1_300), repeat(1_390, 1_990));
        let zero = ClockDifference::within(Nanos::ZERO, Nanos::ZERO);
        let evidence = Evidence {
            planned: sent,
            sent,
            lost: 0,
            raw: &raw,
            opposite_min: None,
            round_trip: &round_trip,
            floors: Floors {
                forward: Nanos::from_micros(600),
                backward: Nanos::from_micros(600),
            },
            claim: Claim::Clocks(zero),
            mesh: MeshBounds::default(),
            stamp_error: Some(Nanos::ZERO),
            hardware_stamps: true,
            random: Nanos::ZERO,
            correlation: Correlation::with_neighbours(neighbours),
        };
        let profile = Profile {
            population,
            min_samples: 1,
            ..Profile::plan_2026()
        };
        let verdict = judge(&evidence, Nanos::from_millis(1), &profile);
        assert_eq!(verdict.population, population);
        (verdict.state, verdict.reason)
    }

    #[test]
    fn of_the_path_a_sample_says_less_than_of_its_own_packets() {
        use Population::{Packets, Path};
        use State::{Met, Missed, Undecided};
        let samples = Some(Reason::Samples);
        let clock = Some(Reason::Clock);
        for (population, sent, slow, neighbours, said) in [
            // Rank 285 of 300 decides of the packets; 277 and 293 of the path.
            (Packets, 300, 15, 0.0, (Met, None)),
            (Packets, 300, 16, 0.0, (Missed, None)),
            (Path, 300, 7, 0.0, (Met, None)),
            (Path, 300, 8, 0.0, (Undecided, clock)),
            (Path, 300, 23, 0.0, (Undecided, clock)),
            (Path, 300, 24, 0.0, (Missed, None)),
            // 71 packets can never say "met" of a path's p95.
            (Packets, 71, 0, 0.0, (Met, None)),
            (Path, 71, 0, 0.0, (Undecided, samples)),
            (Path, 72, 0, 0.0, (Met, None)),
            (Path, 71, 71, 0.0, (Missed, None)),
            // Of 300 that are alike by a half, 100 are independent: ranks 90 and 100 of 100, 270 and 300 of 300.
            (Path, 300, 0, 0.5, (Met, None)),
            (Path, 300, 1, 0.5, (Undecided, clock)),
            (Path, 300, 0, 0.7, (Undecided, samples)),
        ] {
            assert_eq!(
                judged(population, sent, slow, neighbours),
                said,
                "{population:?}: {slow} slow of {sent}, r {neighbours}"
            );
        }
    }
}
