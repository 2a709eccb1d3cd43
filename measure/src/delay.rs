//! A one-way delay and how far to trust it.

use serde::{Deserialize, Serialize};

use crate::time::Nanos;

/// What a one-way delay or a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// No clock claim was used: round trip, light and loss alone.
    Proved,
    /// The clocks' own bounds were used, and nothing contradicted them.
    Claimed,
}

/// The difference of two clocks, the session-reflector's error minus the session-sender's.
///
/// Bounds of clocks are systematic: they add linearly and never average out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDifference {
    /// At least this.
    pub at_least: Nanos,
    /// At most this.
    pub at_most: Nanos,
}

impl ClockDifference {
    /// Two clocks, each within its bound of UTC.
    pub fn within(bound_a: Nanos, bound_b: Nanos) -> Self {
        let sum = bound_a.abs() + bound_b.abs();
        Self {
            at_least: -sum,
            at_most: sum,
        }
    }

    /// The same pair of clocks seen from the other end.
    pub fn reversed(self) -> Self {
        Self {
            at_least: -self.at_most,
            at_most: -self.at_least,
        }
    }

    /// Half the width: the U of a statement that uses it.
    pub fn uncertainty(self) -> Nanos {
        Nanos((self.at_most - self.at_least).0 / 2)
    }
}

/// A one-way delay and how far to trust it.
///
/// The true delay lies in `[lo, hi]` as far as `basis` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneWayDelay {
    /// No smaller than this.
    #[serde(rename = "lo_ns")]
    pub lo: Nanos,
    /// No larger than this; [`Nanos::MAX`] when nothing bounds it, or when the packet was lost.
    #[serde(rename = "hi_ns")]
    pub hi: Nanos,
    /// What that rests on.
    pub basis: Basis,
}

/// The two light floors of a pair of sites: no packet is faster, whatever the clocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floors {
    /// Of the judged direction.
    pub forward: Nanos,
    /// Of the way back.
    pub backward: Nanos,
}

impl OneWayDelay {
    /// What follows from a round trip and light alone: `[F_ij, RTT − F_ji]`.
    pub fn proved(round_trip: Nanos, floors: Floors) -> Self {
        Self {
            lo: floors.forward,
            hi: round_trip - floors.backward,
            basis: Basis::Proved,
        }
    }

    /// Narrows a proved interval with a raw one-way difference and the clocks' claims.
    ///
    /// `stamp_error` is how far the raw difference may exceed the true delay because software stamps are early on
    /// transmit and late on receipt; it only lowers `lo`. `None` when the claims contradict the proof.
    pub fn narrowed(self, raw: Nanos, clocks: ClockDifference, stamp_error: Nanos) -> Option<Self> {
        let lo = self.lo.max(raw - clocks.at_most - stamp_error);
        let hi = self.hi.min(raw - clocks.at_least);
        (lo <= hi).then_some(Self {
            lo,
            hi,
            basis: Basis::Claimed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: fn(i64) -> Nanos = Nanos::from_micros;

    #[test]
    fn the_true_delay_lies_inside_for_every_clock_error_within_the_claim() {
        let floors = Floors {
            forward: US(400),
            backward: US(400),
        };
        for theta in (-50..=50).map(US) {
            let (forward, backward) = (US(600), US(900));
            let proved = OneWayDelay::proved(forward + backward, floors);
            assert!(proved.lo <= forward && forward <= proved.hi);
            let claimed = proved
                .narrowed(
                    forward + theta,
                    ClockDifference::within(US(20), US(30)),
                    US(0),
                )
                .unwrap();
            assert!(
                claimed.lo <= forward && forward <= claimed.hi,
                "theta {theta}: {claimed:?}"
            );
            assert!(claimed.hi - claimed.lo <= US(100));
        }
    }

    #[test]
    fn a_claim_against_the_round_trip_is_a_contradiction() {
        let proved = OneWayDelay::proved(
            US(1_000),
            Floors {
                forward: US(400),
                backward: US(400),
            },
        );
        assert_eq!(
            proved.narrowed(US(3_500), ClockDifference::within(US(20), US(20)), US(0)),
            None
        );
        assert_eq!(
            proved.narrowed(US(-2_500), ClockDifference::within(US(20), US(20)), US(0)),
            None
        );
    }

    #[test]
    fn stamp_error_widens_only_downwards() {
        let proved = OneWayDelay::proved(US(2_000), Floors::default());
        let clocks = ClockDifference::within(US(10), US(10));
        let narrowed = proved.narrowed(US(500), clocks, US(25)).unwrap();
        assert_eq!((narrowed.lo, narrowed.hi), (US(455), US(520)));
    }
}
