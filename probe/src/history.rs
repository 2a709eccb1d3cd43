//! The clock's states of the last minutes.

use std::collections::VecDeque;

use owl_measure::clock::ClockState;
use owl_measure::time::{Nanos, Timestamp};

/// States kept: ten minutes at one a second; older ones go.
const STATES_MAX: usize = 600;

/// A step is noticed no later than this after it happened.
const NOTICED_WITHIN: Nanos = Nanos::from_secs(1);

/// The clock's states, one a second, oldest first.
#[derive(Debug, Default)]
pub struct ClockHistory {
    states: VecDeque<ClockState>,
    /// Steps of the clock since the start.
    steps: u64,
}

impl ClockHistory {
    /// Adds the newest state.
    pub fn push(&mut self, state: ClockState) {
        if self.states.len() >= STATES_MAX {
            self.states.pop_front();
        }
        self.steps = self.steps.saturating_add(state.steps.into());
        self.states.push_back(state);
    }

    /// The newest state.
    pub fn latest(&self) -> Option<ClockState> {
        self.states.back().copied()
    }

    /// Steps of the clock since the start.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// What may be claimed between two instants; from the newest state when none lies there.
    ///
    /// A step is noticed a moment after it happened, so one that was noticed just after the end counts too.
    pub fn worst(&self, from: Timestamp, to: Timestamp) -> Option<ClockState> {
        let noticed_by = to + NOTICED_WITHIN;
        let within = self.states.iter().filter(|state| {
            (from..=to).contains(&state.as_of)
                || state.steps > 0 && (to..=noticed_by).contains(&state.as_of)
        });
        ClockState::over(within.copied(), (from, to)).or_else(|| Some(self.latest()?.aged_to(to)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::report;
    use owl_measure::clock::{BoundBasis, ClockStatus};

    #[test]
    fn an_interval_is_told_by_its_worst_moment() {
        let mut history = ClockHistory::default();
        for (second, bound) in [(0, 5), (1, 90), (2, 7), (3, 6)] {
            let at = Timestamp(second * 1_000_000_000);
            history.push(ClockState {
                as_of: at,
                status: ClockStatus::Synchronised,
                bound: Some((Nanos(bound), BoundBasis::Declared)),
                ..report("a~b").clock
            });
        }
        let bound = |from: i64, to: i64| {
            history
                .worst(
                    Timestamp(from * 1_000_000_000),
                    Timestamp(to * 1_000_000_000),
                )
                .and_then(|state| state.bound)
                .map(|b| b.0.0)
        };
        assert_eq!(
            (bound(0, 3), bound(2, 3), bound(70, 80)),
            (Some(90), Some(7), Some(6))
        );
    }
}
