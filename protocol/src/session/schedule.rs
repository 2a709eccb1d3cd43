//! When test packets are sent.
//!
//! Deadlines are absolute, so lateness of one packet does not move the next.
//! A sender that woke too late for a deadline lets it go by: a burst of
//! catching-up packets would measure the sender's own queue. Too late is more
//! than a gap, and more than a timer takes to wake a thread: what a wake
//! overslept of a stream that is as dense as that still leaves at its pace.

use owl_measure::time::{Monotonic, Nanos};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// The gaps between packets.
#[derive(Debug, Clone)]
enum Gaps {
    Periodic,
    Poisson(Box<Pcg64>),
}

/// The send times of a session.
#[derive(Debug, Clone)]
pub struct Schedule {
    mean_gap: Nanos,
    gaps: Gaps,
    next: Monotonic,
    /// Send times to come; without end when `None`.
    left: Option<u64>,
}

/// A send time that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// How long ago it was.
    pub lateness: Nanos,
    /// How many send times before it went by unused.
    pub skipped: u64,
}

/// The shortest mean gap; a schedule asked for less is given this.
const MEAN_GAP_MIN: Nanos = Nanos(1_000);

/// A send time that went by so long ago at most is used even when the next has come: a thread that is woken sleeps longer
/// than it wanted by some ten microseconds, and a stream with gaps shorter than that would never keep its pace. The
/// packets that catch up are those that were due within this time, so they are a hundred at the shortest gap.
const OVERSLEPT_MAX: Nanos = Nanos::from_micros(100);

/// Most gaps drawn in one go after a long sleep; the rest of the time is skipped in one step.
const SKIPS_MAX: u64 = 10_000;

impl Schedule {
    /// One packet every `gap` (RFC 3432), the first at `start`.
    pub fn periodic(gap: Nanos, start: Monotonic) -> Self {
        Self {
            mean_gap: gap.max(MEAN_GAP_MIN),
            gaps: Gaps::Periodic,
            next: start,
            left: None,
        }
    }

    /// Exponentially distributed gaps of this mean (RFC 2330, section 11.1.1), the same for the same seed.
    pub fn poisson(mean_gap: Nanos, start: Monotonic, seed: u64) -> Self {
        let gaps = Gaps::Poisson(Box::new(Pcg64::seed_from_u64(seed)));
        Self {
            mean_gap: mean_gap.max(MEAN_GAP_MIN),
            gaps,
            next: start,
            left: None,
        }
    }

    /// Ends after so many send times, whether they are used or go by, so that a session of a host that cannot keep the
    /// pace is not longer for it. The last one is used however late it is: what went by before it is told with it.
    #[must_use]
    pub fn ending_after(self, send_times: u64) -> Self {
        Self {
            left: Some(send_times),
            ..self
        }
    }

    /// Whether there are no more send times.
    pub fn is_over(&self) -> bool {
        self.left == Some(0)
    }

    fn gap(&mut self) -> Nanos {
        match &mut self.gaps {
            Gaps::Periodic => self.mean_gap,
            Gaps::Poisson(random) => {
                let unit = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
                Nanos((-(1.0 - unit).ln() * self.mean_gap.0 as f64) as i64)
            }
        }
    }

    /// When the next packet is due.
    pub fn next(&self) -> Monotonic {
        self.next
    }

    /// Takes the send time that has come, if one has. Those that a later one has already overtaken are skipped.
    pub fn take(&mut self, now: Monotonic) -> Option<Due> {
        if now < self.next || self.is_over() {
            return None;
        }
        let mut skipped = 0;
        loop {
            let due = self.next;
            self.next = due + self.gap();
            // A Poisson stream has short gaps by nature: only what is late by more than a mean gap has been slept through.
            let slept_through = now - due >= self.mean_gap.max(OVERSLEPT_MAX);
            let is_last = self.left == Some(skipped + 1);
            if is_last || now < self.next || !slept_through {
                self.left = self.left.map(|left| left.saturating_sub(skipped + 1));
                return Some(Due {
                    lateness: now - due,
                    skipped,
                });
            }
            skipped += 1;
            if skipped >= SKIPS_MAX {
                let rest = (now - self.next).0 / self.mean_gap.0;
                skipped = skipped.saturating_add(u64::try_from(rest).unwrap_or(0));
                // All but the last of those that are left.
                skipped = skipped.min(self.left.map_or(u64::MAX, |left| left.saturating_sub(1)));
                self.next = now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = Nanos::from_millis(1);

    #[test]
    fn lateness_does_not_move_the_next_deadline() {
        let mut schedule = Schedule::periodic(MS, Monotonic(0));
        assert_eq!(
            schedule.take(Monotonic(300_000)),
            Some(Due {
                lateness: Nanos(300_000),
                skipped: 0
            })
        );
        assert_eq!(schedule.next(), Monotonic(1_000_000));
        assert_eq!(schedule.take(Monotonic(999_999)), None);
    }

    #[test]
    fn what_was_slept_through_is_skipped_and_never_sent_in_a_burst() {
        let mut schedule = Schedule::periodic(MS, Monotonic(0));
        assert_eq!(
            schedule.take(Monotonic(5_400_000)),
            Some(Due {
                lateness: Nanos(400_000),
                skipped: 5
            })
        );
        assert_eq!(schedule.take(Monotonic(5_400_000)), None);
        assert_eq!(schedule.next(), Monotonic(6_000_000));
        let due = schedule.take(Monotonic(3_600_000_000_000)).unwrap();
        assert!((3_599_990..=3_600_000).contains(&due.skipped), "{due:?}");
        assert_eq!(schedule.take(Monotonic(3_600_000_000_000)), None);
    }

    #[test]
    fn what_a_wake_overslept_by_a_few_gaps_is_sent_one_by_one() {
        let us = |us: i64| Monotonic(us * 1_000);
        let mut schedule = Schedule::periodic(Nanos::from_micros(20), us(0));
        // Woken 250 µs late: 0 to 150 µs have been slept through, and what was due in the last 100 µs has not.
        for (due_us, skipped) in [(160, 8), (180, 0), (200, 0), (220, 0), (240, 0)] {
            let due = Due {
                lateness: us(250) - us(due_us),
                skipped,
            };
            assert_eq!(schedule.take(us(250)), Some(due));
        }
        assert_eq!(schedule.take(us(250)), None);
    }

    #[test]
    fn send_times_that_go_by_count_towards_the_end() {
        // Sleeps of these lengths, until a schedule of so many send times is over.
        for (send_times, sleep_us, packets, end_ms) in [
            (10, 1_000, 10, 9),
            (10, 2_000, 6, 10),
            (10, 100_000, 2, 100),
            (1, 7_000, 1, 0),
            (0, 1_000, 0, 0),
            // Further than gaps are drawn one by one.
            (50_000, 40_000_000, 3, 80_000),
        ] {
            for schedule in [
                Schedule::periodic(MS, Monotonic(0)),
                Schedule::poisson(MS, Monotonic(0), 3),
            ] {
                let periodic = matches!(schedule.gaps, Gaps::Periodic);
                let mut schedule = schedule.ending_after(send_times);
                let (mut now, mut sent, mut skipped, mut end) = (Monotonic(0), 0, 0, Monotonic(0));
                while !schedule.is_over() {
                    if let Some(due) = schedule.take(now) {
                        sent += 1;
                        skipped += due.skipped;
                        end = now;
                    }
                    now = now + Nanos::from_micros(sleep_us);
                }
                assert_eq!(sent + skipped, send_times);
                assert_eq!(schedule.take(now), None);
                if periodic {
                    assert_eq!(
                        (sent, end.0),
                        (packets, end_ms * MS.0),
                        "{send_times} {sleep_us}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_poisson_stream_repeats_with_its_seed_and_has_its_mean() {
        let times = |seed| {
            let mut schedule = Schedule::poisson(MS, Monotonic(0), seed);
            (0..20_000)
                .map(|_| {
                    let at = schedule.next();
                    assert!(schedule.take(at).is_some());
                    at
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(times(3), times(3));
        assert_ne!(times(3), times(4));
        let mean = times(5).last().unwrap().0 / 20_000;
        assert!((mean - 1_000_000).abs() < 30_000, "mean gap {mean} ns");
    }
}
