//! What a probe knows of its own clock, and claims.
//!
//! A bound is hard: the clock is never further from UTC than that, as far as
//! its basis holds. The kernel's `maxerror` is not such a bound (under phc2sys
//! and systemd-timesyncd it is 0), so it is carried for cross-checks and never
//! used as one.

use serde::{Deserialize, Serialize};

use crate::time::{Monotonic, Nanos, Timestamp};

/// What disciplines the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockSource {
    /// Nobody said.
    #[default]
    Unknown,
    /// Precision Time Protocol (IEEE 1588).
    Ptp,
    /// A satellite receiver.
    Gnss,
    /// Network Time Protocol.
    Ntp,
    /// A lab's injected clock: not a measurement of anything.
    Simulated,
}

/// Whether the clock follows its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockStatus {
    /// It follows its source.
    Synchronised,
    /// Its source is silent; the bound still holds, and grows with the drift allowance.
    Holdover,
    /// It follows nothing; no bound holds.
    #[default]
    Free,
    /// It stepped; stamps before and after do not belong together, and no bound holds.
    Disrupted,
}

impl ClockStatus {
    /// Whether a bound may hold.
    pub fn bounded(self) -> bool {
        matches!(self, Self::Synchronised | Self::Holdover)
    }

    /// The one of the two that promises less.
    pub fn worse(self, other: Self) -> Self {
        let rank = |status| match status {
            Self::Synchronised => 0,
            Self::Holdover => 1,
            Self::Free => 2,
            Self::Disrupted => 3,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

/// Where the bound comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoundBasis {
    /// Read from the clock's source while it ran.
    Measured,
    /// From an engineered timing budget.
    Engineered,
    /// From the configuration: somebody says so.
    Declared,
}

impl BoundBasis {
    /// The one of the two that is worth less: what rests on both rests on the weaker.
    pub fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Declared, _) | (_, Self::Declared) => Self::Declared,
            (Self::Engineered, _) | (_, Self::Engineered) => Self::Engineered,
            (Self::Measured, Self::Measured) => Self::Measured,
        }
    }
}

/// What `adjtimex` reads; for cross-checks, never a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KernelClock {
    /// STA_UNSYNC is clear.
    pub synchronised: bool,
    /// `maxerror`.
    pub max_error: Nanos,
    /// `esterror`.
    pub estimated_error: Nanos,
    /// TAI − UTC as the kernel knows it, in seconds; 0 until someone tells it.
    pub tai_offset_s: i32,
    /// How much the kernel speeds the clock up, in parts per billion.
    pub frequency_ppb: i32,
}

/// The state of a probe's clock at one instant, or at its worst in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockState {
    /// When this was so, on the clock itself.
    pub as_of: Timestamp,
    /// The same instant on the clock that never steps; differences within one run of one probe mean something.
    pub as_of_monotonic: Monotonic,
    /// What disciplines it.
    pub source: ClockSource,
    /// Whether it does.
    pub status: ClockStatus,
    /// How far from UTC at most as it stands, uncorrected, and where that comes from; `None` is no claim.
    pub bound: Option<(Nanos, BoundBasis)>,
    /// What added to a stamp brings it to the middle of what the bound allows; part of the bound already, and never
    /// applied to what is sent.
    pub correction: Nanos,
    /// One standard deviation of what varies at random; hard bounds do not hold it.
    pub random: Nanos,
    /// How much the bound grows with its age, in parts per billion.
    pub drift_ppb: u32,
    /// After this, on the clock itself, nothing is claimed any more; `None` never ends.
    pub void_after: Option<Timestamp>,
    /// Steps of the clock in the time that this speaks of. An interval with one holds stamps of two clocks.
    pub steps: u32,
    /// How early a transmit stamp may be at most.
    pub transmit_stamp_error: Nanos,
    /// How late a receive stamp may be at most.
    pub receive_stamp_error: Nanos,
    /// The kernel's own view.
    pub kernel: KernelClock,
}

impl ClockState {
    /// The bound at an instant: what it was, plus the drift since; `None` when the clock makes no claim or runs free.
    pub fn bound_at(&self, at: Timestamp) -> Option<Nanos> {
        let (bound, _) = self.bound?;
        let void = self.void_after.is_some_and(|void_after| at > void_after);
        (self.status.bounded() && !void).then(|| bound + self.drift_until(at))
    }

    /// Between which two values the clock's error (clock − UTC) lies at an instant; narrower than the bound when the
    /// correction is not zero. `None` when the clock makes no claim.
    pub fn error_at(&self, at: Timestamp) -> Option<(Nanos, Nanos)> {
        let half = self.bound_at(at)? - self.correction.abs();
        let half = half.max(Nanos::ZERO);
        Some((-self.correction - half, -self.correction + half))
    }

    /// The same state at a later instant: the bound has grown by the drift since.
    pub fn aged_to(mut self, at: Timestamp) -> Self {
        let aged = self.bound_at(at);
        match (&mut self.bound, aged) {
            (Some((bound, _)), Some(aged)) => *bound = aged,
            _ if self.status.bounded() => self.status = ClockStatus::Free,
            _ => {}
        }
        self.as_of_monotonic = self.as_of_monotonic + (at - self.as_of);
        self.as_of = at;
        self
    }

    /// What an interval that saw both states may claim: every error that one of them allows.
    ///
    /// The instant is that of the later one, so the earlier one has to be aged to where the later one takes over.
    pub fn worse(self, other: Self) -> Self {
        let (earlier, later) = if other.as_of >= self.as_of {
            (self, other)
        } else {
            (other, self)
        };
        let errors = earlier
            .error_at(earlier.as_of)
            .zip(later.error_at(later.as_of))
            .map(|((a, b), (c, d))| (a.min(c), b.max(d)));
        let basis = earlier.bound.zip(later.bound).map(|(a, b)| a.1.worse(b.1));
        let status = earlier.status.worse(later.status);
        let (status, bound, correction) = match errors.zip(basis) {
            Some(((low, high), basis)) => {
                let correction = Nanos(-(low.0 / 2 + high.0 / 2));
                let bound = low.abs().max(high.abs());
                (status, Some((bound, basis)), correction)
            }
            None => {
                let wider = earlier.bound.zip(later.bound).map(|(a, b)| a.0.max(b.0));
                // One that was void already makes the whole interval free.
                (
                    status.worse(ClockStatus::Free),
                    wider.zip(basis),
                    Nanos::ZERO,
                )
            }
        };
        Self {
            status,
            bound,
            correction,
            random: earlier.random.max(later.random),
            drift_ppb: earlier.drift_ppb.max(later.drift_ppb),
            steps: earlier.steps.saturating_add(later.steps),
            transmit_stamp_error: earlier.transmit_stamp_error.max(later.transmit_stamp_error),
            receive_stamp_error: earlier.receive_stamp_error.max(later.receive_stamp_error),
            ..later
        }
    }

    /// What an interval may claim, from its states in their order: each of them held from when it was read to the next
    /// one, the first also since the start and the last until the end. `None` without a state.
    pub fn over(
        states: impl IntoIterator<Item = Self>,
        (from, to): (Timestamp, Timestamp),
    ) -> Option<Self> {
        let mut states = states.into_iter();
        let mut held = states.next()?;
        if held.as_of > from {
            held = held.aged_to(from);
        }
        let mut worst: Option<Self> = None;
        let join =
            |worst: Option<Self>, held: Self| Some(worst.map_or(held, |worst| worst.worse(held)));
        for next in states {
            worst = join(worst, held.aged_to(next.as_of));
            held = next;
        }
        join(worst, held.aged_to(to.max(held.as_of)))
    }

    fn drift_until(&self, at: Timestamp) -> Nanos {
        let age = i128::from((at - self.as_of).abs().0);
        // Rounded up: a bound is never told too small.
        let drift = (age * i128::from(self.drift_ppb) + 999_999_999) / 1_000_000_000;
        Nanos(i64::try_from(drift).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn state(bound: Option<i64>, status: ClockStatus) -> ClockState {
        ClockState {
            source: ClockSource::Gnss,
            status,
            bound: bound.map(|ns| (Nanos(ns), BoundBasis::Declared)),
            drift_ppb: 1_000,
            ..ClockState::default()
        }
    }

    #[test]
    fn a_bound_grows_with_its_age_and_a_clock_that_follows_nothing_has_none() {
        let claim = |bound, status, at| state(bound, status).bound_at(Timestamp(at));
        let bound = Some(Nanos(1_000));
        assert_eq!(claim(Some(1_000), ClockStatus::Synchronised, 0), bound);
        assert_eq!(claim(Some(1_000), ClockStatus::Holdover, 0), bound);
        assert_eq!(
            claim(Some(1_000), ClockStatus::Synchronised, SECOND),
            Some(Nanos(2_000))
        );
        assert_eq!(
            claim(Some(1_000), ClockStatus::Synchronised, 1),
            Some(Nanos(1_001))
        );
        assert_eq!(claim(Some(1_000), ClockStatus::Free, 0), None);
        assert_eq!(claim(Some(1_000), ClockStatus::Disrupted, 0), None);
        assert_eq!(claim(None, ClockStatus::Synchronised, 0), None);
    }

    #[test]
    fn nothing_is_claimed_after_the_end_that_was_told() {
        let mut state = state(Some(1_000), ClockStatus::Synchronised);
        state.void_after = Some(Timestamp(5 * SECOND));
        assert_eq!(state.bound_at(Timestamp(5 * SECOND)), Some(Nanos(6_000)));
        assert_eq!(state.bound_at(Timestamp(5 * SECOND + 1)), None);
        assert_eq!(
            state.aged_to(Timestamp(6 * SECOND)).status,
            ClockStatus::Free
        );
    }

    #[test]
    fn a_correction_narrows_the_error_and_is_part_of_the_bound() {
        let mut state = state(Some(700), ClockStatus::Synchronised);
        state.correction = Nanos(500);
        // The clock is 500 behind, give or take 200.
        assert_eq!(
            state.error_at(Timestamp(0)),
            Some((Nanos(-700), Nanos(-300)))
        );
        assert_eq!(
            state.error_at(Timestamp(SECOND)),
            Some((Nanos(-1_700), Nanos(700)))
        );
        assert_eq!(state.bound_at(Timestamp(0)), Some(Nanos(700)));
    }

    #[test]
    fn an_interval_claims_no_more_than_its_worst_moment() {
        let good = state(Some(1_000), ClockStatus::Synchronised);
        for (status, expected) in [
            (ClockStatus::Holdover, ClockStatus::Holdover),
            (ClockStatus::Free, ClockStatus::Free),
            (ClockStatus::Disrupted, ClockStatus::Disrupted),
        ] {
            let bad = state(Some(1), status);
            assert_eq!(good.worse(bad).status, expected);
            assert_eq!(bad.worse(good).status, expected);
        }
        let silent = state(None, ClockStatus::Synchronised);
        assert_eq!(good.worse(silent).bound_at(Timestamp(0)), None);
    }

    #[test]
    fn an_interval_allows_every_error_that_one_of_its_moments_allows() {
        let corrected = |correction, bound, at| ClockState {
            correction: Nanos(correction),
            as_of: Timestamp(at),
            drift_ppb: 0,
            ..state(Some(bound), ClockStatus::Synchronised)
        };
        for (a, b, errors, bound) in [
            ((500, 700), (-500, 700), (-700, 700), 700),
            ((500, 700), (300, 400), (-700, -200), 700),
            ((0, 100), (0, 900), (-900, 900), 900),
        ] {
            let both = corrected(a.0, a.1, 0).worse(corrected(b.0, b.1, 1));
            assert_eq!(both.as_of, Timestamp(1));
            assert_eq!(
                both.error_at(Timestamp(1)),
                Some((Nanos(errors.0), Nanos(errors.1)))
            );
            assert_eq!(both.bound_at(Timestamp(1)), Some(Nanos(bound)));
        }
    }

    #[test]
    fn an_interval_is_as_wide_as_each_moment_had_grown_until_the_next() {
        let at = |second: i64, bound| ClockState {
            as_of: Timestamp(second * SECOND),
            ..state(Some(bound), ClockStatus::Synchronised)
        };
        let over = |states: &[ClockState], from: i64, to: i64| {
            let ends = (Timestamp(from * SECOND), Timestamp(to * SECOND));
            let worst = ClockState::over(states.iter().copied(), ends)?;
            worst.bound_at(Timestamp(to * SECOND))
        };
        // 1000 ns a second: ten states a second apart grow by one second each, not by ten.
        let ten: Vec<_> = (0..10).map(|second| at(second, 100)).collect();
        assert_eq!(over(&ten, 0, 10), Some(Nanos(1_100)));
        assert_eq!(
            over(&[at(3, 100)], 0, 10),
            Some(Nanos(100 + 3_000 + 10_000))
        );
        assert_eq!(over(&[at(3, 100), at(4, 5_000)], 3, 4), Some(Nanos(5_000)));
        assert_eq!(over(&[], 0, 10), None);
    }

    #[test]
    fn steps_are_added_up_and_the_weaker_basis_stays() {
        let mut one = state(Some(1_000), ClockStatus::Disrupted);
        one.steps = 1;
        let mut measured = state(Some(1_000), ClockStatus::Synchronised);
        measured.bound = Some((Nanos(5), BoundBasis::Measured));
        assert_eq!(one.worse(one).steps, 2);
        assert_eq!(
            measured
                .worse(state(Some(5), ClockStatus::Synchronised))
                .bound,
            Some((Nanos(5), BoundBasis::Declared))
        );
    }
}
