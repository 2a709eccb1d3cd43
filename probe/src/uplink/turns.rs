//! Which intake is tried next, and when.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The wait after a round in which no intake answered doubles from the first to the last of these.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LAST: Duration = Duration::from_secs(15);

/// The intakes of one probe, in turn. Within a round they are tried one right after the other; the wait comes between
/// rounds, and never ends: a probe without its collector keeps what it measures and goes on asking.
#[derive(Debug)]
pub(super) struct Turns {
    intakes: usize,
    turn: usize,
    /// Tried in this round.
    tried: usize,
    wait: Duration,
}

impl Turns {
    pub(super) fn of(intakes: usize) -> Self {
        Self {
            intakes,
            turn: 0,
            tried: 0,
            wait: RETRY_FIRST,
        }
    }

    /// Counted on for ever; which intake it is, its remainder says.
    pub(super) fn turn(&self) -> usize {
        self.turn
    }

    /// Goes on to the next intake. Tells how long to wait before it is tried; `drawn`, from 0 to 1, spreads probes that lost
    /// one collector in the same instant over the time in which they come back.
    pub(super) fn pass(&mut self, was_connected: bool, drawn: f64) -> Duration {
        self.turn = self.turn.wrapping_add(1);
        self.tried += 1;
        if was_connected {
            (self.tried, self.wait) = (0, RETRY_FIRST);
            return RETRY_FIRST.mul_f64(2.0 * drawn);
        }
        if self.tried < self.intakes {
            return Duration::ZERO;
        }
        self.tried = 0;
        let wait = self.wait.mul_f64(0.5 + drawn);
        self.wait = (self.wait * 2).min(RETRY_LAST);
        wait
    }
}

/// A number from 0 to 1 that another probe does not draw.
pub(super) fn draw() -> f64 {
    let drawn = RandomState::new().hash_one(());
    // 2^32 steps are exact in a double.
    f64::from((drawn >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_intake_is_tried_at_once_and_all_of_them_ever_more_rarely() {
        let mut turns = Turns::of(3);
        let mut pass = |was_connected: bool| {
            let wait = turns.pass(was_connected, 0.5);
            (turns.turn() % 3, wait.as_millis())
        };
        let failing: Vec<_> = (0..6).map(|_| pass(false)).collect();
        let expected = [(1, 0), (2, 0), (0, 250), (1, 0), (2, 0), (0, 500)];
        assert_eq!(failing, expected);
        for _ in 0..30 {
            assert!(pass(false).1 <= RETRY_LAST.as_millis());
        }
        assert_eq!(pass(true), (1, 250), "a connection begins it anew");
    }

    #[test]
    fn probes_that_lost_a_collector_together_do_not_come_back_together() {
        for drawn in [0.0, 0.25, 1.0] {
            let wait = Turns::of(1).pass(true, drawn);
            assert_eq!(wait, Duration::from_millis(500).mul_f64(drawn));
        }
        assert_ne!(draw(), draw());
        assert!((0..100).all(|_| (0.0..=1.0).contains(&draw())));
    }
}
