//! What one clock claims for all of a window: its error between two hard ends, and what varies at random beside.
//!
//! The ends are hard and add linearly with those of another clock, since
//! nothing averages them away. What is random has one standard deviation and
//! enters three times; that of two clocks is independent, so there, and only
//! there, the root of the sum of squares is taken.

use super::ClockState;
use crate::delay::ClockDifference;
use crate::time::{Nanos, Timestamp};

/// As many standard deviations of what is random enter an interval: the true value is further off once in 370 times.
pub const SIGMAS: i64 = 3;

/// What a clock claims of its error (clock − UTC) for all of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockClaim {
    /// No smaller than this.
    at_least: Nanos,
    /// No larger than this.
    at_most: Nanos,
    /// One standard deviation of what varies at random.
    random: Nanos,
}

impl ClockClaim {
    /// As somebody claims it with nothing but a bound.
    pub fn within(bound: Nanos) -> Self {
        Self {
            at_least: -bound.abs(),
            at_most: bound.abs(),
            random: Nanos::ZERO,
        }
    }

    /// The same, with one standard deviation of what varies at random beside.
    pub fn with_random(self, random: Nanos) -> Self {
        Self { random, ..self }
    }

    /// Of a clock whose state is known, at an instant; `None` when it makes no claim then.
    ///
    /// The correction is applied here, and nowhere else: what is sent carries uncorrected stamps. Whoever disciplines the
    /// clock may be steering the error that it knows of to zero meanwhile, so the span reaches from zero to there: narrower
    /// than the bound by the correction, on one side.
    pub fn of(state: &ClockState, at: Timestamp) -> Option<Self> {
        let half = state.bound_at(at)? - state.correction.abs();
        let half = half.max(Nanos::ZERO);
        let known = -state.correction;
        Some(Self {
            at_least: known.min(Nanos::ZERO) - half,
            at_most: known.max(Nanos::ZERO) + half,
            random: state.random,
        })
    }

    /// The smallest error, the largest, and one standard deviation of what is random.
    pub(crate) fn parts(self) -> (Nanos, Nanos, Nanos) {
        (self.at_least, self.at_most, self.random)
    }

    /// From its parts.
    pub(crate) fn from_parts(at_least: Nanos, at_most: Nanos, random: Nanos) -> Self {
        Self {
            at_least,
            at_most,
            random,
        }
    }

    /// Every error that one of the two allows.
    pub fn or(self, other: Self) -> Self {
        Self {
            at_least: self.at_least.min(other.at_least),
            at_most: self.at_most.max(other.at_most),
            random: self.random.max(other.random),
        }
    }

    /// What holds when both do. Where they exclude each other, one of them is false, and the first is kept as it was: an
    /// audit finds out.
    pub fn and(self, other: Self) -> Self {
        let (at_least, at_most) = (
            self.at_least.max(other.at_least),
            self.at_most.min(other.at_most),
        );
        let random = self.random.max(other.random);
        if at_least > at_most {
            return Self { random, ..self };
        }
        Self {
            at_least,
            at_most,
            random,
        }
    }

    /// How far from UTC at most, three standard deviations included.
    pub fn bound(self) -> Nanos {
        self.at_least.abs().max(self.at_most.abs()) + self.random.times(SIGMAS)
    }

    /// One standard deviation of what is random in both, rounded up.
    pub fn random_beside(self, other: Self) -> Nanos {
        let square = |span: Nanos| span.0 as f64 * span.0 as f64;
        Nanos((square(self.random) + square(other.random)).sqrt().ceil() as i64)
    }

    /// The difference of two clocks, the other's error less this one's, three standard deviations included.
    pub fn difference(self, other: Self) -> ClockDifference {
        let guard = self.random_beside(other).times(SIGMAS);
        ClockDifference {
            at_least: other.at_least - self.at_most - guard,
            at_most: other.at_most - self.at_least + guard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{BoundBasis, ClockStatus};

    fn state(bound: i64, correction: i64, random: i64) -> ClockState {
        ClockState {
            status: ClockStatus::Synchronised,
            bound: Some((Nanos(bound), BoundBasis::Measured)),
            correction: Nanos(correction),
            random: Nanos(random),
            ..ClockState::default()
        }
    }

    fn claim(bound: i64, correction: i64, random: i64) -> ClockClaim {
        ClockClaim::of(&state(bound, correction, random), Timestamp(0)).unwrap()
    }

    #[test]
    fn bounds_add_linearly_and_what_is_random_three_times_by_its_squares() {
        for (own, peer, at_least, at_most) in [
            ((100, 0, 0), (50, 0, 0), -150, 150),
            ((100, 0, 30), (50, 0, 40), -300, 300),
            ((100, 0, 30), (50, 0, 0), -240, 240),
            // The peer is 400 behind as it knows, give or take 100, and may be caught up with meanwhile.
            ((100, 0, 0), (500, 400, 0), -600, 200),
            ((500, 400, 0), (100, 0, 0), -200, 600),
            ((100, 0, 0), (500, -400, 10), -230, 630),
        ] {
            let difference = claim(own.0, own.1, own.2).difference(claim(peer.0, peer.1, peer.2));
            assert_eq!(
                (difference.at_least, difference.at_most),
                (Nanos(at_least), Nanos(at_most)),
                "{own:?} {peer:?}"
            );
        }
    }

    #[test]
    fn a_correction_takes_its_size_off_one_side_of_the_bound_and_never_leaves_it() {
        for correction in [-700, -300, 0, 300, 700] {
            let narrowed = claim(1_000, correction, 0);
            let whole = narrowed.at_most - narrowed.at_least;
            assert_eq!(whole, Nanos(2_000 - correction.abs()), "{correction}");
            assert_eq!(narrowed.bound(), Nanos(1_000), "{correction}");
        }
    }

    /// A daemon that steers to zero what it knows of: the true error lies within at every moment of it.
    #[test]
    fn the_true_error_is_within_while_the_clock_is_steered() {
        for (known, doubt) in [(-400, 100), (250, 60), (0, 80)] {
            let claim = claim(known_bound(known, doubt), -known, 0);
            for part in 0..=10 {
                for unknown in [-doubt, 0, doubt] {
                    let truth = Nanos(known * part / 10 + unknown);
                    assert!(
                        claim.at_least <= truth && truth <= claim.at_most,
                        "{known}±{doubt} at {part}/10: {truth:?} in {claim:?}"
                    );
                }
            }
        }
    }

    fn known_bound(known: i64, doubt: i64) -> i64 {
        known.abs() + doubt
    }

    #[test]
    fn no_claim_is_made_of_a_clock_that_makes_none_and_two_that_exclude_each_other_leave_the_first()
    {
        assert_eq!(ClockClaim::of(&ClockState::default(), Timestamp(0)), None);
        let wire = ClockClaim::within(Nanos(100));
        assert_eq!(wire.and(claim(500, 400, 0)).at_least, Nanos(-100));
        let shifted = ClockClaim {
            at_least: Nanos(200),
            at_most: Nanos(300),
            random: Nanos(7),
        };
        let kept = wire.and(shifted);
        assert_eq!((kept.at_least, kept.at_most), (Nanos(-100), Nanos(100)));
        assert_eq!(kept.random, Nanos(7));
        let either = wire.or(shifted);
        assert_eq!((either.at_least, either.at_most), (Nanos(-100), Nanos(300)));
        assert_eq!(either.bound(), Nanos(321));
    }
}
