//! How many requests an agent has before it at once.
//!
//! An agent works on one request after the other. With more requests than fill the way to it and back, the answers come no
//! faster, only later, and other askers wait. So the window grows while answers come as fast as they did alone, and then stays
//! at what the way holds at the agent's own pace, and one more, so that the agent never waits for us.

use owl_measure::time::{Monotonic, Nanos};

/// Answers that take so much longer than the fastest one have queued: a quarter of it, and what two busy hosts take.
const QUEUED: (i64, i64) = (5, 4);
const SCHEDULING: Nanos = Nanos::from_millis(1);
/// Turns whose best pace is believed: a host that is held up for a moment is no slower agent.
const PACES: usize = 4;
/// Of so many requests one may be lost before the agent is taken to be overrun; lines lose some, too.
const LOSS_ENDURED: u32 = 8;

/// The window of one agent.
#[derive(Debug, Clone)]
pub(super) struct Window {
    size: u32,
    most: u32,
    /// Nothing has queued yet.
    starting: bool,
    /// The fastest answer of the last round and of this one: before anything queued.
    fastest: [Option<Nanos>; 2],
    /// Requests a second, by the last turns.
    paces: [f64; PACES],
    turn: Turn,
}

/// A window's worth of answers.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    began: Option<Monotonic>,
    /// All that came.
    answers: u32,
    lost: u32,
    /// Of requests that left in this turn: earlier ones were asked by another window.
    own_answers: u32,
    own_response: Nanos,
    number: usize,
}

impl Window {
    /// For an agent that may have `most` requests before it.
    pub(super) fn new(most: u32) -> Self {
        Self {
            size: most.min(2),
            most,
            starting: true,
            fastest: [None; 2],
            paces: [0.0; PACES],
            turn: Turn::default(),
        }
    }

    /// How many requests may be on their way.
    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// A round begins: nothing is on its way, so the next answer shows how fast an idle agent is.
    pub(super) fn begin_round(&mut self) {
        if self.fastest[1].is_some() {
            self.fastest = [self.fastest[1], None];
        }
        self.idle();
    }

    /// There was less to ask than the window holds: what comes now says nothing of the agent's pace.
    pub(super) fn idle(&mut self) {
        self.turn = Turn {
            number: self.turn.number,
            ..Turn::default()
        };
    }

    /// A request left.
    pub(super) fn sent(&mut self, now: Monotonic) {
        self.turn.began.get_or_insert(now);
    }

    /// The answer to a request came, so long after it left.
    pub(super) fn answered(&mut self, now: Monotonic, response: Nanos) {
        let [_, latest] = &mut self.fastest;
        *latest = Some(latest.map_or(response, |known| known.min(response)));
        self.turn.answers += 1;
        if self.turn.began.is_some_and(|began| now >= began + response) {
            self.turn.own_answers += 1;
            self.turn.own_response += response;
        }
        if self.turn.own_answers + self.turn.lost >= self.size {
            self.end_turn(now);
        }
    }

    /// A request was not answered in time.
    pub(super) fn lost(&mut self, now: Monotonic) {
        self.turn.lost += 1;
        if self.turn.own_answers + self.turn.lost >= self.size {
            self.end_turn(now);
        }
    }

    /// How long the agent takes when it has nothing else to do.
    pub(super) fn fastest(&self) -> Option<Nanos> {
        self.fastest.iter().flatten().min().copied()
    }

    fn end_turn(&mut self, now: Monotonic) {
        let turn = self.turn;
        self.turn = Turn {
            began: Some(now),
            number: turn.number + 1,
            ..Turn::default()
        };
        if turn.lost > 0
            && turn.lost.saturating_mul(LOSS_ENDURED) > turn.answers + turn.lost
            && turn.lost > 1
        {
            self.size = (self.size / 2).max(1);
            self.starting = false;
            return;
        }
        let (Some(began), Some(fastest), 1..) = (turn.began, self.fastest(), turn.own_answers)
        else {
            return;
        };
        let took = (now - began).max(Nanos(1));
        self.paces[turn.number % PACES] = f64::from(turn.answers) * 1e9 / took.0 as f64;
        let mean = Nanos(turn.own_response.0 / i64::from(turn.own_answers));
        let queued = mean > Nanos(fastest.0 * QUEUED.0 / QUEUED.1) + SCHEDULING;
        if self.starting && !queued {
            self.size = (self.size * 2).min(self.most);
            return;
        }
        self.starting = false;
        let pace = self.paces.iter().copied().fold(0.0, f64::max);
        let on_the_way = (pace * fastest.as_secs_f64()).ceil() as u32;
        let wanted = on_the_way.saturating_add(1);
        self.size = if wanted > self.size {
            self.size + 1
        } else {
            // Not all at once: the pace of a few turns is no certainty.
            wanted.max(self.size - self.size.div_ceil(8))
        }
        .clamp(1, self.most);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Asks an agent so far away that works so long on a request: the largest window, the last one, and requests a second
    /// over the last nine tenths.
    fn drive(round_trip: Nanos, service: Nanos, requests: u32, most: u32) -> (u32, u32, f64) {
        let mut window = Window::new(most);
        let mut now = Monotonic(0);
        let mut free = Monotonic(0);
        let mut flight: VecDeque<(Monotonic, Monotonic)> = VecDeque::new();
        let (mut largest, mut sent) = (0, 0);
        let mut marked = None;
        window.begin_round();
        loop {
            while sent < requests && (flight.len() as u32) < window.size() {
                let begun = Monotonic((now + Nanos(round_trip.0 / 2)).0.max(free.0));
                free = begun + service;
                flight.push_back((now, free + Nanos(round_trip.0 / 2)));
                window.sent(now);
                sent += 1;
                largest = largest.max(flight.len() as u32);
            }
            if sent == requests {
                let (at, count) = marked.unwrap();
                let pace = f64::from(sent - count) * 1e9 / (now - at).0 as f64;
                return (largest, window.size(), pace);
            }
            let (left, came) = flight.pop_front().unwrap();
            now = Monotonic(now.0.max(came.0));
            window.answered(now, now - left);
            if sent >= requests / 10 && marked.is_none() {
                marked = Some((now, sent));
            }
        }
    }

    #[test]
    fn the_window_stops_where_more_would_only_queue() {
        for (round_trip_ms, service_us, largest_allowed, share) in [
            // 57 bindings at 10,000 a second: two fill the way, and none may wait for long.
            (5, 5_700, 4, 0.99),
            (5, 50_000, 4, 0.99),
            (50, 5_700, 16, 0.99),
            // What two busy hosts take hides a queue of a millisecond.
            (1, 1_000, 8, 0.99),
        ] {
            let (largest, last, pace) = drive(
                Nanos::from_millis(round_trip_ms),
                Nanos::from_micros(service_us),
                2_000,
                64,
            );
            let ceiling = 1e6 / service_us as f64;
            assert!(
                largest <= largest_allowed && pace >= share * ceiling,
                "{round_trip_ms} ms, {service_us} µs: up to {largest}, {last} at last, {pace} of {ceiling}"
            );
        }
    }

    #[test]
    fn an_agent_that_never_tires_is_asked_as_much_as_is_allowed() {
        let (largest, last, _) = drive(Nanos::from_millis(5), Nanos(0), 5_000, 64);
        assert_eq!((largest, last), (64, 64));
        let (largest, ..) = drive(Nanos::from_millis(5), Nanos(0), 500, 1);
        assert_eq!(largest, 1);
    }

    #[test]
    fn an_agent_that_drops_what_it_cannot_hold_is_asked_less() {
        let mut window = Window::new(64);
        let mut now = Monotonic(0);
        for _ in 0..64 {
            window.sent(now);
            now = now + Nanos::from_millis(5);
            window.answered(now, Nanos::from_millis(5));
        }
        let before = window.size();
        for k in 0..before {
            if k % 2 == 0 {
                window.lost(now);
            } else {
                window.answered(now, Nanos::from_millis(5));
            }
        }
        assert!(
            window.size() <= before / 2 + 1,
            "{} of {before}",
            window.size()
        );
    }
}
