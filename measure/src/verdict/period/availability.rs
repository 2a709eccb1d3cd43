//! Available time (ITU-T Y.1540, clause 7, "IP service availability").
//!
//! Y.1540 calls an IP service available in an evaluation interval when the loss
//! ratio (IPLR) is at most a threshold c1; since the edition of 2016 the
//! interval is one minute and c1 = 0.20, before it was five minutes and 0.75.
//! (The numbers are cited from memory: the text is not freely available.) What
//! is used here is exactly this: a window is *unavailable* when more than a
//! fifth of the packets sent in it were lost in the judged direction for
//! certain, *available* when no more than a fifth can have been, and *unknown*
//! between: packets lost nobody knows which way, or late. A window in which
//! nothing was sent is unknown too. Recommendations that ask for ten seconds in
//! a row (ITU-T Y.1563, MEF 10) judge shorter intervals than are kept.

use serde::{Deserialize, Serialize};

use super::window::PeriodWindow;

/// The threshold of the loss ratio, c1, in millionths.
const LOSS_MAX_PPM: u128 = 200_000;

/// Whether a window belongs to available time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// At most a fifth was lost.
    Available,
    /// More than a fifth was lost.
    Unavailable,
    /// It cannot be told.
    Unknown,
}

impl Availability {
    /// Of one window.
    pub fn of(window: &PeriodWindow) -> Self {
        let above =
            |lost: u64| u128::from(lost) * 1_000_000 > u128::from(window.sent) * LOSS_MAX_PPM;
        if window.is_gap() {
            Self::Unknown
        } else if above(window.lost) {
            Self::Unavailable
        } else if above(window.sent.saturating_sub(window.received)) {
            Self::Unknown
        } else {
            Self::Available
        }
    }
}

/// The available time of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AvailableTime {
    /// Windows that were available.
    pub available: u64,
    /// Windows that were not.
    pub unavailable: u64,
    /// Windows of which it cannot be told, those without measurement among them.
    pub unknown: u64,
    /// The longest run of unavailable windows.
    pub longest_unavailable: u64,
    #[serde(skip)]
    running: u64,
}

impl AvailableTime {
    /// Counts the next window of the period; `None` when nothing is kept of it.
    pub(super) fn count(&mut self, availability: Option<Availability>) {
        let unavailable = availability == Some(Availability::Unavailable);
        self.running = if unavailable { self.running + 1 } else { 0 };
        self.longest_unavailable = self.longest_unavailable.max(self.running);
        match availability {
            Some(Availability::Available) => self.available += 1,
            Some(Availability::Unavailable) => self.unavailable += 1,
            Some(Availability::Unknown) | None => self.unknown += 1,
        }
    }

    /// Between what the share of available time lies: what cannot be told may be either. `None` for an empty period.
    pub fn share(&self) -> Option<(f64, f64)> {
        let all = self.available + self.unavailable + self.unknown;
        let of_all = |count: u64| count as f64 / all as f64;
        (all > 0).then(|| {
            (
                of_all(self.available),
                of_all(self.available + self.unknown),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::window;
    use super::*;

    #[test]
    fn a_window_is_unavailable_only_when_a_fifth_was_lost_for_certain_in_its_direction() {
        use Availability::{Available, Unavailable, Unknown};
        // (sent, received, lost in this direction, availability)
        for (sent, received, lost, availability) in [
            (600, 600, 0, Available),
            (600, 480, 120, Available),
            (600, 479, 121, Unavailable),
            (600, 480, 0, Available),
            (600, 479, 0, Unknown),
            (600, 479, 120, Unknown),
            (600, 0, 600, Unavailable),
            (600, 0, 0, Unknown),
            (0, 0, 0, Unknown),
        ] {
            let window = PeriodWindow {
                sent,
                received,
                lost,
                ..window(0)
            };
            assert_eq!(
                Availability::of(&window),
                availability,
                "{sent} {received} {lost}"
            );
        }
    }

    #[test]
    fn the_longest_outage_ends_where_something_arrived_or_nobody_knows() {
        use Availability::{Available, Unavailable, Unknown};
        let mut time = AvailableTime::default();
        for availability in [
            Some(Unavailable),
            Some(Unavailable),
            None,
            Some(Unavailable),
            Some(Available),
            Some(Unknown),
        ] {
            time.count(availability);
        }
        assert_eq!((time.longest_unavailable, time.unavailable), (2, 3));
        assert_eq!(time.share(), Some((1.0 / 6.0, 3.0 / 6.0)));
        assert_eq!(AvailableTime::default().share(), None);
    }
}
