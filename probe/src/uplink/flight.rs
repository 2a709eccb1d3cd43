//! What may be sent on a connection at this moment.
//!
//! Reports of now go before those of an outage: windows are judged soon after
//! they end, so a report of now is worth more than one of yesterday, and with
//! ranges the collector takes both in any order. A collector that knows no
//! ranges is told everything in order, because it takes a number to mean all
//! before it.

use std::ops::RangeInclusive;
use std::time::Instant;

use owl_measure::report::{Abilities, Loss, Numbers};
use owl_measure::sequences::Sequences;

use super::pace::Pace;

/// Reports that are sent and not answered, at most; then the uplink waits for the collector.
const LIVE_WINDOW: u64 = 4_096;
/// The same of an outage's: few, because what is under way stands before the reports of now.
const BACKLOG_WINDOW: u64 = 1_024;
/// Ranges of numbers that are to be said gone. At the bound they are left out; the collector asks again when it is next
/// connected.
const GONE_MAX: usize = 256;

/// Of which reports the next batch is, and how many it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) numbers: RangeInclusive<u64>,
    pub(super) reports_max: u64,
    pub(super) paced: bool,
}

#[derive(Debug)]
pub(super) struct Flight {
    epoch: u64,
    /// The last number that was made when the connection began.
    begun_at: u64,
    /// What both ends can do; nothing is sent before that is known.
    agreed: Option<Abilities>,
    /// Whether the collector has told the highest number that it has; one that can is waited for.
    highest_told: bool,
    /// Sent, and not answered.
    sent: Sequences,
    gone: Vec<(Numbers, Loss)>,
    pace: Pace,
}

impl Flight {
    pub(super) fn new(epoch: u64, begun_at: u64, pace: Pace) -> Self {
        Self {
            epoch,
            begun_at,
            agreed: None,
            highest_told: false,
            sent: Sequences::default(),
            gone: Vec::new(),
            pace,
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What the collector can do; it says so first, or it is of a version that can do nothing of it.
    pub(super) fn agree(&mut self, collector: Abilities) {
        self.agreed.get_or_insert(collector);
    }

    /// Notes that no number up to the collector's highest will be given out again; for that, those up to `renumbered_to` were
    /// given out anew.
    pub(super) fn go_on(&mut self, renumbered_to: Option<u64>) {
        self.highest_told = true;
        self.begun_at = renumbered_to.unwrap_or(self.begun_at);
    }

    /// Whether numbers can be sent that the collector has not seen.
    fn open(&self) -> bool {
        self.agreed
            .is_some_and(|agreed| self.highest_told || !agreed.include(Abilities::HIGHEST))
    }

    fn ranges(&self) -> bool {
        self.agreed
            .is_some_and(|agreed| agreed.include(Abilities::RANGES))
    }

    /// Whether the collector wants to know which plan is followed.
    pub(super) fn plans(&self) -> bool {
        self.agreed
            .is_some_and(|agreed| agreed.include(Abilities::PLANS))
    }

    /// What is sent already, and whose reports may go now: the first lane before the second. None before the collector spoke.
    pub(super) fn lanes(&self, now: Instant) -> (Sequences, Vec<Lane>) {
        let mut lanes = Vec::new();
        let due = self.pace.next_at() <= now;
        let lane = |numbers: RangeInclusive<u64>, window: u64, paced| {
            let under_way: u64 = self
                .sent
                .within(numbers.clone())
                .map(|range| range.end() - range.start() + 1)
                .sum();
            Lane {
                numbers,
                reports_max: window.saturating_sub(under_way),
                paced,
            }
        };
        if !self.open() {
            return (self.sent.clone(), lanes);
        }
        if self.ranges() {
            lanes.push(lane(self.begun_at + 1..=u64::MAX, LIVE_WINDOW, false));
            if due {
                lanes.push(lane(1..=self.begun_at, BACKLOG_WINDOW, true));
            }
        } else if due {
            lanes.push(lane(1..=u64::MAX, LIVE_WINDOW, true));
        }
        lanes.retain(|lane| lane.reports_max > 0);
        (self.sent.clone(), lanes)
    }

    /// When a lane opens that only the pace keeps shut.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.pace.next_at();
        (self.open() && due > now).then_some(due)
    }

    /// Notes that a batch goes.
    pub(super) fn send(&mut self, lane: &Lane, numbers: &Numbers, octets: usize, now: Instant) {
        self.sent.insert(numbers.range());
        if lane.paced {
            self.pace.pay(octets, now);
        }
    }

    /// Notes that the collector has answered for numbers.
    pub(super) fn answered(&mut self, numbers: RangeInclusive<u64>) {
        self.sent.remove(numbers);
    }

    /// To be told to the collector, if it wants to know such things.
    pub(super) fn lose(&mut self, losses: Vec<(RangeInclusive<u64>, Loss)>) {
        if !self.ranges() {
            return;
        }
        let room = GONE_MAX.saturating_sub(self.gone.len());
        let epoch = self.epoch;
        let told = losses
            .into_iter()
            .map(|(range, loss)| (Numbers::of(epoch, &range), loss));
        self.gone.extend(told.take(room));
    }

    pub(super) fn take_gone(&mut self) -> Vec<(Numbers, Loss)> {
        std::mem::take(&mut self.gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn flight(now: Instant) -> Flight {
        Flight::new(7, 100, Pace::of(1_000, now))
    }

    fn numbers(range: RangeInclusive<u64>) -> Numbers {
        Numbers::of(7, &range)
    }

    #[track_caller]
    fn check(flight: &Flight, now: Instant, expected: &[(RangeInclusive<u64>, u64)]) {
        let (_, lanes) = flight.lanes(now);
        let lanes: Vec<_> = lanes
            .into_iter()
            .map(|lane| (lane.numbers, lane.reports_max))
            .collect();
        assert_eq!(lanes, expected);
    }

    #[test]
    fn reports_of_now_go_before_those_of_the_outage_which_keep_to_their_pace() {
        let now = Instant::now();
        let mut flight = flight(now);
        check(&flight, now, &[]);
        flight.agree(Abilities::OURS);
        check(&flight, now, &[]);
        flight.go_on(None);
        let (live, backlog) = ((101..=u64::MAX, LIVE_WINDOW), (1..=100, BACKLOG_WINDOW));
        check(&flight, now, &[live.clone(), backlog]);
        let (_, lanes) = flight.lanes(now);
        flight.send(&lanes[1], &numbers(1..=10), 2_000, now);
        flight.send(&lanes[0], &numbers(101..=103), 9_000, now);
        check(&flight, now, &[(101..=u64::MAX, LIVE_WINDOW - 3)]);
        let due = flight.due(now).unwrap();
        assert_eq!(due, now + Duration::from_secs(2));
        flight.answered(101..=103);
        check(&flight, due, &[live, (1..=100, BACKLOG_WINDOW - 10)]);
        assert_eq!(flight.due(due), None);
    }

    #[test]
    fn a_collector_of_the_version_before_is_told_everything_in_order_and_no_loss() {
        let now = Instant::now();
        let mut flight = flight(now);
        flight.agree(Abilities::NONE);
        flight.agree(Abilities::OURS);
        check(&flight, now, &[(1..=u64::MAX, LIVE_WINDOW)]);
        flight.lose(vec![(1..=2, Loss::Full)]);
        assert_eq!(flight.take_gone(), []);
    }

    #[test]
    fn nothing_more_is_sent_than_the_window_holds_and_losses_are_bounded() {
        let now = Instant::now();
        let mut flight = flight(now);
        flight.agree(Abilities::OURS);
        flight.go_on(None);
        let (_, lanes) = flight.lanes(now);
        flight.send(&lanes[0], &numbers(101..=100 + LIVE_WINDOW), 1, now);
        check(&flight, now, &[(1..=100, BACKLOG_WINDOW)]);
        for sequence in 0..2 * GONE_MAX as u64 {
            flight.lose(vec![(sequence + 1..=sequence + 1, Loss::Full)]);
        }
        assert_eq!(flight.take_gone().len(), GONE_MAX);
        assert_eq!(flight.take_gone(), []);
    }
}
