//! Which way lost packets were lost.
//!
//! A loss waits for the next answered packet behind it, whose number from a
//! counting reflector tells how many of those between got there.

use std::collections::VecDeque;

use owl_measure::loss::{LossSplit, split};
use owl_measure::sample::Direction;
use owl_measure::time::{Monotonic, Nanos, Timestamp};

/// A packet that did not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// T1 of the packet.
    pub origin: Timestamp,
    /// Where it was lost, when the reflector's numbers tell.
    pub direction: Option<Direction>,
}

/// The losses of a session, told and untold. As many at most as packets are remembered.
#[derive(Debug)]
pub(super) struct Losses {
    /// Whether the reflector counts its replies.
    reflector_counts: bool,
    last_answered: Option<u32>,
    /// Behind the last answered packet.
    waiting: Vec<Timestamp>,
    since: Monotonic,
    told: VecDeque<Loss>,
}

impl Losses {
    pub(super) fn new(reflector_counts: bool) -> Self {
        Self {
            reflector_counts,
            last_answered: None,
            waiting: Vec::new(),
            since: Monotonic(0),
            told: VecDeque::new(),
        }
    }

    /// The reflector has shown that it counts.
    pub(super) fn reflector_counts(&mut self) {
        self.reflector_counts = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.told.is_empty()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The next packet in order was lost.
    pub(super) fn lost(&mut self, now: Monotonic, origin: Timestamp) {
        if self.waiting.is_empty() {
            self.since = now;
        }
        self.waiting.push(origin);
    }

    /// The next packet in order was answered, by this number.
    pub(super) fn answered(&mut self, reflector_sequence: u32) {
        self.tell(Some(reflector_sequence));
        self.last_answered = Some(reflector_sequence);
    }

    /// Losses that have waited longer than `patience` are told without a direction.
    pub(super) fn give_up(&mut self, now: Monotonic, patience: Nanos) {
        if !self.waiting.is_empty() && now - self.since > patience {
            self.tell(None);
        }
    }

    /// When losses will have waited longer than `patience`.
    pub(super) fn deadline(&self, patience: Nanos) -> Option<Monotonic> {
        (!self.waiting.is_empty()).then(|| self.since + patience + Nanos(1))
    }

    /// The next that is told.
    pub(super) fn poll(&mut self) -> Option<Loss> {
        self.told.pop_front()
    }

    fn tell(&mut self, answered: Option<u32>) {
        let lost = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let split = match (self.last_answered, answered) {
            (Some(before), Some(after)) if self.reflector_counts => split(lost, before, after),
            // Nothing was answered before: an own reflector counts a new session from 0.
            (None, Some(after)) if self.reflector_counts => split(lost, u32::MAX, after),
            _ => LossSplit::Unknown,
        };
        let mut forward_left = match split {
            LossSplit::Known { forward, .. } => forward,
            LossSplit::Unknown => 0,
        };
        // When some went missing each way, which of them did is anybody's guess: the counts are right, the order is not told.
        for origin in self.waiting.drain(..) {
            let direction = match split {
                LossSplit::Unknown => None,
                LossSplit::Known { .. } if forward_left > 0 => {
                    forward_left -= 1;
                    Some(Direction::Forward)
                }
                LossSplit::Known { .. } => Some(Direction::Backward),
            };
            self.told.push_back(Loss { origin, direction });
        }
    }
}
