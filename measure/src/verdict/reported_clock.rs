//! What a probe's reports of a window tell of its clock to those who send to it.
//!
//! Packets carry a bound and nothing else. A report carries the whole state of
//! the clock, so a collector knows of both ends what the correction is and what
//! is random; it applies them once, to its own intervals.

use crate::clock::ClockClaim;
use crate::report::Report;
use crate::time::{Nanos, Timestamp};

/// How long a packet that is not late may still be under way when its interval is over: twice the loss threshold of a plan.
const UNDER_WAY_MAX: Nanos = Nanos::from_secs(2);

/// A clock over a whole window, as its own probe reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedClock {
    /// What it claims, as long as packets of the window are under way.
    pub(super) claim: ClockClaim,
    /// The begin of the first interval.
    pub(super) from: Timestamp,
    /// The end of the last one; there is no gap between.
    pub(super) until: Timestamp,
}

impl ReportedClock {
    /// `None` when an interval made no claim, or the intervals leave a gap.
    pub(super) fn of(reports: &[&Report]) -> Option<Self> {
        let claim = widest(reports, |report| {
            ClockClaim::of(&report.clock, report.summary.end() + UNDER_WAY_MAX)
        })?;
        let mut intervals: Vec<(Timestamp, Timestamp)> = reports
            .iter()
            .map(|report| (report.summary.start, report.summary.end()))
            .collect();
        intervals.sort_unstable();
        let (from, mut until) = *intervals.first()?;
        for (start, end) in intervals {
            if start > until {
                return None;
            }
            until = until.max(end);
        }
        Some(Self { claim, from, until })
    }
}

/// Over the reports with packets that came back, what each allows.
pub(super) fn widest(
    reports: &[&Report],
    claim: impl Fn(&Report) -> Option<ClockClaim>,
) -> Option<ClockClaim> {
    let heard = reports.iter().filter(|report| report.summary.received > 0);
    let mut claims = heard.map(|report| claim(report));
    let first = claims.next()??;
    claims.try_fold(first, |widest, claim| Some(widest.or(claim?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delay::ClockDifference;
    use crate::sample::PeerClock;
    use crate::verdict::SessionWindow;
    use crate::verdict::window::tests::reports;

    /// A probe's reports of ten seconds; its clock has this correction, within a bound of 10 µs, and varies by so much.
    fn told(correction: i64, random: i64) -> Vec<Report> {
        let mut told = reports(900_000, 900_000, 0);
        for report in &mut told {
            report.clock.correction = Nanos(correction);
            report.clock.random = Nanos(random);
        }
        told
    }

    fn difference(own: &[Report], peer: &[Report]) -> (ClockDifference, Nanos) {
        let mut window = SessionWindow::of(own).unwrap();
        if let Some(peer) = SessionWindow::of(peer).and_then(|peer| peer.reported_clock()) {
            window.hear_peer(peer);
        }
        (window.clocks().unwrap(), window.clocks_random())
    }

    #[track_caller]
    fn check(own: &[Report], peer: &[Report], ends: (i64, i64), random: i64) {
        let (clocks, found) = difference(own, peer);
        assert_eq!(
            (clocks.at_least.0, clocks.at_most.0, found.0),
            (ends.0, ends.1, random)
        );
    }

    #[test]
    fn corrections_and_what_is_random_of_both_ends_enter_once() {
        let wire = match crate::summary::tests::sample(0, 0, 0, 0).peer_clock {
            PeerClock::Within(bound) => bound.0,
            PeerClock::NoClaim => panic!("the sample claims something"),
        };
        let plain = told(0, 0);
        check(&plain, &[], (-10_000 - wire, 10_000 + wire), 0);
        // The own clock is 4 µs behind as it knows: it errs between −10 and +6 µs.
        check(&told(4_000, 0), &[], (-6_000 - wire, 10_000 + wire), 0);
        check(&told(0, 300), &[], (-10_900 - wire, 10_900 + wire), 300);
        // Its peer reports the same kind of thing, and its packets bound it too.
        let most = |ns: i64| ns.min(wire);
        check(
            &plain,
            &told(4_000, 0),
            (-10_000 - most(10_000), 10_000 + most(6_000)),
            0,
        );
        // Behind by 9.7 µs, give or take 0.3: it errs between −10 and +0.3 µs.
        check(&plain, &told(9_700, 0), (-10_000 - wire, 10_000 + 300), 0);
        let both = 3 * 500;
        check(
            &told(0, 300),
            &told(0, 400),
            (-10_000 - most(10_000) - both, 10_000 + most(10_000) + both),
            500,
        );
    }

    #[test]
    fn a_peer_that_tells_of_a_part_of_the_window_is_not_heard() {
        let whole = told(4_000, 300);
        let plain = told(0, 0);
        let unheard = difference(&plain, &[]);
        assert_ne!(difference(&plain, &whole), unheard);
        assert_eq!(difference(&plain, &whole[1..]), unheard);
        let gap: Vec<Report> = [&whole[..2], &whole[3..]].concat();
        assert_eq!(difference(&plain, &gap), unheard);
        let mut silent = whole;
        silent[2].clock.bound = None;
        assert_eq!(difference(&plain, &silent), unheard);
    }
}
