//! Which way lost packets were lost.
//!
//! A loss waits for the next answered packet behind it, whose number from a
//! counting reflector tells how many of those between got there.

use std::collections::VecDeque;

use owl_measure::loss::{Loss, LossSplit, split};
use owl_measure::reordering::ReplyNumbers;
use owl_measure::sample::Direction;
use owl_measure::time::{Monotonic, Nanos, Timestamp};

/// The losses of a session, told and untold. As many at most as packets are remembered.
#[derive(Debug)]
pub(super) struct Losses {
    numbers: ReplyNumbers,
    last_answered: Option<u32>,
    /// Behind the last answered packet: number and T1.
    waiting: Vec<(u32, Timestamp)>,
    /// So many behind the last answered packet, before those that wait, were told without a direction.
    given_up: u32,
    since: Monotonic,
    told: VecDeque<Loss>,
}

impl Losses {
    pub(super) fn new(numbers: ReplyNumbers) -> Self {
        Self {
            numbers,
            last_answered: None,
            waiting: Vec::new(),
            given_up: 0,
            since: Monotonic(0),
            told: VecDeque::new(),
        }
    }

    /// The reflector has shown that it counts.
    pub(super) fn reflector_counts(&mut self) {
        self.numbers = ReplyNumbers::Counted;
    }

    /// What the numbers in replies are, as far as the reflector has shown.
    pub(super) fn numbers(&self) -> ReplyNumbers {
        self.numbers
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.told.is_empty()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The next packet in order was lost.
    pub(super) fn lost(&mut self, now: Monotonic, sequence: u32, origin: Timestamp) {
        if self.waiting.is_empty() {
            self.since = now;
        }
        self.waiting.push((sequence, origin));
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
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let lost = waiting.saturating_add(self.given_up);
        let counted = self.numbers == ReplyNumbers::Counted;
        let split = match (self.last_answered, answered) {
            (Some(before), Some(after)) if counted => split(lost, before, after),
            // Nothing was answered before: an own reflector counts a new session from 0.
            (None, Some(after)) if counted => split(lost, u32::MAX, after),
            _ => LossSplit::Unknown,
        };
        let only = split.only();
        let mut forward_left = match split {
            LossSplit::Known { forward, .. } => forward,
            LossSplit::Unknown => 0,
        };
        // When some went missing each way, which of them did is anybody's guess: the counts are right, the order is not told.
        // With losses given up before these, not even the counts are.
        let guessed = split != LossSplit::Unknown && (only.is_some() || self.given_up == 0);
        let period = only.filter(|_| self.given_up == 0);
        for (sequence, origin) in self.waiting.drain(..) {
            let direction = if !guessed {
                None
            } else if forward_left > 0 {
                forward_left -= 1;
                Some(Direction::Forward)
            } else {
                Some(Direction::Backward)
            };
            self.told.push_back(Loss {
                sequence,
                origin,
                direction,
                period,
            });
        }
        self.given_up = if answered.is_some() { 0 } else { lost };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of replies in the order of their packets; `None` for a packet that was lost, and what is told of those.
    #[track_caller]
    fn check(packets: &[Option<u32>], give_up_after: usize, told: &[(Option<Direction>, bool)]) {
        let mut losses = Losses::new(ReplyNumbers::Counted);
        for (k, packet) in packets.iter().enumerate() {
            let sequence = k as u32;
            match *packet {
                Some(number) => losses.answered(number),
                None => losses.lost(Monotonic(0), sequence, Timestamp(0)),
            }
            if k == give_up_after {
                losses.give_up(Monotonic(1), Nanos::ZERO);
            }
        }
        let seen: Vec<_> = std::iter::from_fn(|| losses.poll())
            .map(|loss| (loss.direction, loss.period.is_some()))
            .collect();
        assert_eq!(seen, told, "{packets:?}");
    }

    #[test]
    fn a_loss_period_has_a_direction_when_all_of_it_went_missing_one_way() {
        use Direction::{Backward, Forward};
        let never = usize::MAX;
        let (forward, backward) = ((Some(Forward), true), (Some(Backward), true));
        check(&[Some(0), None, None, Some(1)], never, &[forward; 2]);
        check(&[Some(0), None, None, Some(3)], never, &[backward; 2]);
        check(
            &[Some(0), None, None, Some(2)],
            never,
            &[(Some(Forward), false), (Some(Backward), false)],
        );
    }

    #[test]
    fn what_was_given_up_counts_when_the_next_reply_divides_the_rest() {
        use Direction::{Backward, Forward};
        let unknown = (None, false);
        // Of three lost the reflector saw two, and one was told already: nobody knows which the others are.
        check(&[Some(0), None, None, None, Some(3)], 1, &[unknown; 3]);
        check(
            &[Some(0), None, None, None, Some(1)],
            1,
            &[unknown, (Some(Forward), false), (Some(Forward), false)],
        );
        check(
            &[Some(0), None, None, None, Some(4)],
            1,
            &[unknown, (Some(Backward), false), (Some(Backward), false)],
        );
    }
}
