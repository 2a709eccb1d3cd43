//! A one-way delay and how far to trust it.

use serde::{Deserialize, Serialize};

use crate::distribution::Bounds;
use crate::time::Nanos;
use crate::words::Lang;

/// What a one-way delay or a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// No clock claim was used: round trip, light and loss alone.
    Proved,
    /// The clocks' own bounds were used, and nothing contradicted them.
    Claimed,
    /// It was assumed that no more than a share of what light leaves open is asymmetric.
    Assumed,
}

impl Basis {
    /// The word that a person reads.
    pub fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::Proved => lang.pick("proved", "已证明"),
            Self::Claimed => lang.pick("claimed", "据声明"),
            Self::Assumed => lang.pick("assumed", "据假设"),
        }
    }
}

/// The difference of two clocks, the session-reflector's error minus the session-sender's.
///
/// Bounds of clocks are systematic: they add linearly and never average out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockDifference {
    /// At least this.
    #[serde(rename = "at_least_ns")]
    pub at_least: Nanos,
    /// At most this.
    #[serde(rename = "at_most_ns")]
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

    /// What holds when both do; empty, the lower end above the upper one, when they contradict each other.
    pub fn and(self, other: Self) -> Self {
        Self {
            at_least: self.at_least.max(other.at_least),
            at_most: self.at_most.min(other.at_most),
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Floors {
    /// Of the judged direction.
    #[serde(rename = "forward_ns")]
    pub forward: Nanos,
    /// Of the way back.
    #[serde(rename = "backward_ns")]
    pub backward: Nanos,
}

/// What a raw one-way difference says of the delay once the clocks are known between bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawEnds {
    /// `m − θ_hi − e`, or [`Nanos::MAX`] for a lost packet; `None` when nothing is said from below.
    pub(crate) lower: Option<Nanos>,
    /// `m − θ_lo`; `None` when nothing is said from above.
    pub(crate) upper: Option<Nanos>,
}

impl RawEnds {
    /// Of a difference as [`OneWayDelay::narrowed`] takes it.
    pub(crate) fn of(raw: Bounds, clocks: ClockDifference, stamp_error: Option<Nanos>) -> Self {
        Self {
            lower: match (raw.at_least, stamp_error) {
                (Nanos::MAX, _) => Some(Nanos::MAX),
                (Nanos::MIN, _) | (_, None) => None,
                (raw, Some(stamp_error)) => Some(raw - clocks.at_most - stamp_error),
            },
            upper: (raw.at_most != Nanos::MAX).then(|| raw.at_most - clocks.at_least),
        }
    }
}

impl OneWayDelay {
    /// What follows from a round trip and light alone: `[F_ij, RTT − F_ji]`. [`Nanos::MAX`] is a round trip without bound.
    pub fn proved(round_trip: Nanos, floors: Floors) -> Self {
        let hi = if round_trip == Nanos::MAX {
            Nanos::MAX
        } else {
            round_trip - floors.backward
        };
        Self {
            lo: floors.forward,
            hi,
            basis: Basis::Proved,
        }
    }

    /// Narrows a proved interval with a raw one-way difference and the clocks' claims; `None` when they contradict it.
    ///
    /// The difference may itself be known between bounds only: at least [`Nanos::MIN`] is not known at all, and
    /// [`Nanos::MAX`] is lost. `stamp_error` is how far it may exceed the true delay because software stamps are early on
    /// transmit and late on receipt; it only lowers `lo`, and without a bound on it nothing is said from below.
    pub fn narrowed(
        self,
        raw: Bounds,
        clocks: ClockDifference,
        stamp_error: Option<Nanos>,
    ) -> Option<Self> {
        self.narrowed_on(Basis::Claimed, raw, clocks, stamp_error)
    }

    /// As [`Self::narrowed`], where what is known of the clocks rests on something else than their claims.
    pub fn narrowed_on(
        self,
        basis: Basis,
        raw: Bounds,
        clocks: ClockDifference,
        stamp_error: Option<Nanos>,
    ) -> Option<Self> {
        let ends = RawEnds::of(raw, clocks, stamp_error);
        let lo = ends.lower.map_or(self.lo, |lower| self.lo.max(lower));
        let hi = ends.upper.map_or(self.hi, |upper| self.hi.min(upper));
        (lo <= hi).then_some(Self { lo, hi, basis })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: fn(i64) -> Nanos = Nanos::from_micros;

    fn exactly(raw: Nanos) -> Bounds {
        Bounds {
            at_least: raw,
            at_most: raw,
        }
    }

    #[test]
    fn the_true_delay_lies_inside_for_every_clock_error_within_the_claim() {
        // The way back is longer, and its floor is the one that the round trip is relieved of.
        let floors = Floors {
            forward: US(300),
            backward: US(800),
        };
        for theta in (-50..=50).map(US) {
            let (forward, backward) = (US(350), US(900));
            let proved = OneWayDelay::proved(forward + backward, floors);
            assert_eq!((proved.lo, proved.hi), (US(300), US(450)));
            let clocks = ClockDifference::within(US(20), US(30));
            let claimed = proved
                .narrowed(exactly(forward + theta), clocks, Some(US(0)))
                .expect("honest clocks");
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
        for raw in [US(3_500), US(-2_500)] {
            assert_eq!(
                proved.narrowed(
                    exactly(raw),
                    ClockDifference::within(US(20), US(20)),
                    Some(US(0))
                ),
                None
            );
        }
    }

    #[test]
    fn stamp_error_widens_only_downwards_and_without_a_bound_on_it_nothing_is_said_from_below() {
        let proved = OneWayDelay::proved(US(2_000), Floors::default());
        let clocks = ClockDifference::within(US(10), US(10));
        for (stamp_error, lo) in [(Some(US(25)), US(455)), (None, US(0))] {
            let narrowed = proved
                .narrowed(exactly(US(500)), clocks, stamp_error)
                .expect("no contradiction");
            assert_eq!((narrowed.lo, narrowed.hi), (lo, US(520)));
        }
    }

    #[test]
    fn a_lost_packet_is_infinitely_late_and_an_unknown_one_may_be_anything() {
        let proved = OneWayDelay::proved(
            Nanos::MAX,
            Floors {
                forward: US(400),
                backward: US(400),
            },
        );
        assert_eq!((proved.lo, proved.hi), (US(400), Nanos::MAX));
        let clocks = ClockDifference::within(US(10), US(10));
        let lost = proved
            .narrowed(exactly(Nanos::MAX), clocks, Some(US(0)))
            .expect("no contradiction");
        assert_eq!((lost.lo, lost.hi), (Nanos::MAX, Nanos::MAX));
        let unknown = Bounds {
            at_least: Nanos::MIN,
            at_most: Nanos::MAX,
        };
        let unknown = proved
            .narrowed(unknown, clocks, Some(US(0)))
            .expect("no contradiction");
        assert_eq!((unknown.lo, unknown.hi), (US(400), Nanos::MAX));
    }
}
