//! What a summary says of a delay: the same formulas as a verdict's, with less to go on.
//!
//! Its percentiles rest on wider edges, its clocks are known by the widest claim
//! of all intervals, and what the other pairs of a mesh prove of two clocks is
//! not kept. So its intervals hold those of the reports, and never say more.

use super::summary::TierSummary;
use crate::clock::live::MeshBounds;
use crate::delay::{ClockDifference, Floors};
use crate::distribution::Distribution;
use crate::sample::Direction;
use crate::time::Nanos;
use crate::verdict::{Claim, Correlation, Evidence};

/// The spreads of one direction of a summary, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Raw one-way differences of the direction.
    pub raw: Distribution,
    /// Those of the opposite one.
    pub opposite: Distribution,
    /// Round-trip delays.
    pub round_trip: Distribution,
}

impl TierSummary {
    /// Its spreads, seen in a direction.
    pub fn told(&self, direction: Direction) -> Told {
        let (own, opposite) = match direction {
            Direction::Forward => (&self.forward, &self.backward),
            Direction::Backward => (&self.backward, &self.forward),
        };
        Told {
            raw: Distribution::from(&own.raw),
            opposite: Distribution::from(&opposite.raw),
            round_trip: Distribution::from(&self.round_trip),
        }
    }

    /// The evidence on one direction over a span of time; `floors` are seen in that direction.
    pub fn evidence<'a>(
        &self,
        direction: Direction,
        span: Nanos,
        floors: Floors,
        told: &'a Told,
    ) -> Evidence<'a> {
        let clocks = self.clocks().map(|clocks| match direction {
            Direction::Forward => clocks,
            Direction::Backward => clocks.reversed(),
        });
        let hardware = self.hardware(direction);
        Evidence {
            planned: u64::try_from(span.0.max(0) / self.packet_interval.0.max(1)).unwrap_or(0),
            sent: self.sent,
            lost: self.direction(direction).lost,
            raw: &told.raw,
            opposite_min: told.opposite.min(),
            round_trip: &told.round_trip,
            // Nothing is known of how near two ends are whose places are not.
            floors: if self.believed.misplaced > 0 {
                Floors::default()
            } else {
                floors
            },
            claim: match clocks {
                Some(_) if self.believed.withdrawn > 0 => Claim::Withdrawn,
                Some(clocks) => Claim::Clocks(clocks),
                None => Claim::None,
            },
            mesh: MeshBounds::default(),
            stamp_error: self.stamp_error(direction),
            hardware_stamps: hardware,
            random: self.random(),
            correlation: Correlation::default(),
        }
    }

    /// What both clocks claimed all the time, seen forward; `None` when one of them did not.
    pub fn clocks(&self) -> Option<ClockDifference> {
        Some(self.own_clock.claim()?.difference(self.peer_clock.claim()?))
    }

    fn random(&self) -> Nanos {
        let claims = self.own_clock.claim().zip(self.peer_clock.claim());
        claims.map_or(Nanos::ZERO, |(own, peer)| own.random_beside(peer))
    }

    /// How far a raw difference may exceed the delay by its stamps; `None` when nothing bounds that.
    fn stamp_error(&self, direction: Direction) -> Option<Nanos> {
        match direction {
            Direction::Forward => {
                (self.transmit_stamps.user == 0).then_some(self.transmit_stamp_error)
            }
            Direction::Backward => {
                let corrected = self
                    .reflector_stamps
                    .kernel
                    .saturating_add(self.reflector_stamps.hardware);
                (corrected >= self.received && self.receive_stamps.user == 0)
                    .then_some(self.receive_stamp_error)
            }
        }
    }

    /// Whether interfaces took all stamps that matter for a direction.
    fn hardware(&self, direction: Direction) -> bool {
        let soft = [
            self.transmit_stamps.user,
            self.transmit_stamps.kernel,
            self.receive_stamps.kernel,
            self.receive_stamps.user,
        ];
        let reflector = self.reflector_stamps.hardware >= self.received;
        soft.iter().all(|count| *count == 0) && (reflector || direction == Direction::Forward)
    }
}
