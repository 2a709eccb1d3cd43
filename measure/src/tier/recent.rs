//! The latest windows of one path, small enough to be held of every path.
//!
//! A collector that is asked for percentiles of all paths over the last minutes
//! answers from these: no row is read and no report decoded. They are made from
//! the windows that were judged, and can be made from them again.

use std::collections::VecDeque;

use super::evidence::Told;
use super::merger::Merger;
use super::spread::Spread;
use crate::clock::live::MeshBounds;
use crate::delay::{ClockDifference, Floors};
use crate::sample::Direction;
use crate::time::{Nanos, Timestamp};
use crate::verdict::window::{Claims, Heard, Places};
use crate::verdict::{Claim, Correlation, Evidence, SessionWindow};

/// Octets that the windows of one path take at most; the oldest ones go when a new one does not fit.
pub const OCTETS_MAX: usize = 6_000;
/// How far back the windows of a path reach at most.
pub const REACH: Nanos = Nanos::from_secs(360);

/// One judged window of a path: what its percentiles are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RecentWindow {
    start: Timestamp,
    length: Nanos,
    sent: u64,
    lost: u64,
    raw: Spread,
    round_trip: Spread,
    opposite_min: Option<Nanos>,
    /// `None` when a clock claimed nothing, and nobody needs to know why.
    clocks: Option<ClockDifference>,
    heard: (Claims, Places),
    stamp_error: Option<Nanos>,
    hardware_stamps: bool,
    planned: u64,
    random: Nanos,
}

impl RecentWindow {
    fn octets(&self) -> usize {
        size_of::<Self>() + self.raw.octets().len() + self.round_trip.octets().len()
    }
}

/// The latest windows of one path, in the order of time and without gaps in it that matter.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    windows: VecDeque<RecentWindow>,
    octets: usize,
}

/// What is needed to ask, kept for the next question.
#[derive(Debug, Clone, Default)]
pub struct Room {
    raw: Merger,
    round_trip: Merger,
    told: Told,
}

/// What some of the latest windows of a path tell together.
#[derive(Debug)]
pub struct Gathered<'a> {
    /// When the first of them began.
    pub start: Timestamp,
    /// When the last of them ended.
    pub end: Timestamp,
    /// How many there are.
    pub windows: u64,
    /// What they say of the delay.
    pub evidence: Evidence<'a>,
}

impl Recent {
    /// Takes in a window that was judged, in the place of the same one if it was judged before.
    ///
    /// `direction` is the one of the path in the session that measured it, and `heard` what an audit told of its ends.
    pub fn note(
        &mut self,
        start: Timestamp,
        length: Nanos,
        (session, direction): (&SessionWindow, Direction),
        heard: Heard,
    ) {
        let evidence = session.evidence(direction, length, Floors::default(), heard);
        let window = RecentWindow {
            start,
            length,
            sent: evidence.sent,
            lost: evidence.lost,
            raw: evidence.raw.into(),
            round_trip: evidence.round_trip.into(),
            opposite_min: evidence.opposite_min,
            clocks: session.clocks().map(|clocks| match direction {
                Direction::Forward => clocks,
                Direction::Backward => clocks.reversed(),
            }),
            heard: (heard.claims, heard.places),
            stamp_error: evidence.stamp_error,
            hardware_stamps: evidence.hardware_stamps,
            planned: evidence.planned,
            random: evidence.random,
        };
        let place = self.windows.partition_point(|other| other.start < start);
        self.octets += window.octets();
        match self.windows.get_mut(place) {
            Some(same) if same.start == start => {
                self.octets -= same.octets();
                *same = window;
            }
            _ => self.windows.insert(place, window),
        }
        let newest = self.windows.back().map_or(start, |window| window.start);
        while let Some(oldest) = self.windows.front()
            && (self.octets > OCTETS_MAX || oldest.start + REACH <= newest)
        {
            self.octets -= oldest.octets();
            self.windows.pop_front();
        }
    }

    /// When the newest window ended; `None` when there is none.
    pub fn end(&self) -> Option<Timestamp> {
        self.windows
            .back()
            .map(|window| window.start + window.length)
    }

    /// Octets that the windows take.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// The windows that lie wholly in a span of time, put together; `None` when there are none. `floors` are seen along the
    /// path.
    pub fn gather<'a>(
        &self,
        (from, to): (Timestamp, Timestamp),
        floors: Floors,
        room: &'a mut Room,
    ) -> Option<Gathered<'a>> {
        let inside = || {
            self.windows
                .iter()
                .filter(move |window| window.start >= from && window.start + window.length <= to)
        };
        room.raw.clear();
        room.round_trip.clear();
        for window in inside() {
            room.raw.add(&window.raw);
            room.round_trip.add(&window.round_trip);
        }
        room.raw.tell(&mut room.told.raw);
        room.round_trip.tell(&mut room.told.round_trip);
        let told = &room.told;
        let (first, last) = (inside().next()?, inside().next_back()?);
        let total =
            |count: fn(&RecentWindow) -> u64| inside().map(count).fold(0, u64::saturating_add);
        // Without a packet that came back there were no clocks to compare.
        let heard = || inside().filter(|window| window.raw.count() > 0);
        let misplaced = inside().any(|window| window.heard.1 == Places::Disproved);
        let withdrawn = heard().any(|window| window.heard.0 == Claims::Withdrawn);
        let clocks = heard().map(|window| window.clocks).reduce(|one, two| {
            let (one, two) = (one?, two?);
            Some(ClockDifference {
                at_least: one.at_least.min(two.at_least),
                at_most: one.at_most.max(two.at_most),
            })
        });
        let stamp_error = inside()
            .map(|window| window.stamp_error)
            .reduce(|one, two| Some(one?.max(two?)));
        Some(Gathered {
            start: first.start,
            end: last.start + last.length,
            windows: inside().count() as u64,
            evidence: Evidence {
                planned: total(|window| window.planned),
                sent: total(|window| window.sent),
                lost: total(|window| window.lost),
                raw: &told.raw,
                opposite_min: inside().filter_map(|window| window.opposite_min).min(),
                round_trip: &told.round_trip,
                // Nothing is known of how near two ends are whose places are not.
                floors: if misplaced { Floors::default() } else { floors },
                claim: match clocks.flatten() {
                    Some(_) if withdrawn => Claim::Withdrawn,
                    Some(clocks) => Claim::Clocks(clocks),
                    None => Claim::None,
                },
                mesh: MeshBounds::default(),
                stamp_error: stamp_error.flatten(),
                hardware_stamps: inside().all(|window| window.hardware_stamps),
                random: inside()
                    .map(|window| window.random)
                    .max()
                    .unwrap_or_default(),
                correlation: Correlation::default(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::TierSummary;
    use crate::tier::tests::{Case, PLAIN, measured};
    use crate::verdict::Quantile;

    const MINUTE: Nanos = Nanos::from_secs(60);

    fn noted(case: &Case) -> (Recent, Vec<crate::report::Report>) {
        let (reports, _) = measured(case);
        let mut recent = Recent::default();
        for (k, minute) in (0..).zip(reports.chunks(6)) {
            let session = SessionWindow::of(minute).unwrap();
            let start = Timestamp(0) + MINUTE.times(k);
            let told = (&session, Direction::Forward);
            // Once too early and once again, as a late report has it.
            recent.note(
                start,
                MINUTE,
                (
                    &SessionWindow::of(&minute[1..]).unwrap(),
                    Direction::Forward,
                ),
                Claims::Stand.into(),
            );
            recent.note(start, MINUTE, told, Claims::Stand.into());
        }
        (recent, reports)
    }

    #[test]
    fn the_latest_windows_tell_what_a_summary_of_their_reports_tells() {
        let (recent, reports) = noted(&Case {
            loss_ppm: 10_000,
            ..PLAIN
        });
        let floors = Floors {
            forward: Nanos::from_micros(600),
            backward: Nanos::from_micros(600),
        };
        let mut room = Room::default();
        for (from, to) in [(0, 300), (60, 120), (60, 240)] {
            let (first, last) = (from / 10, to / 10);
            let summary = TierSummary::of(&reports[first..last]).unwrap();
            let told = summary.told(Direction::Forward);
            let span = Nanos::from_secs((to - from) as i64);
            let kept = summary.evidence(Direction::Forward, span, floors, &told);
            let at = |second: usize| Timestamp(second as i64 * 1_000_000_000);
            let gathered = recent
                .gather((at(from), at(to)), floors, &mut room)
                .unwrap();
            assert_eq!((gathered.start, gathered.end), (at(from), at(to)));
            let evidence = gathered.evidence;
            assert_eq!(
                (evidence.sent, evidence.lost, evidence.planned),
                (kept.sent, kept.lost, kept.planned)
            );
            for quantile in [Quantile::P50, Quantile::P95, Quantile::P99] {
                assert_eq!(
                    evidence.known(quantile),
                    kept.known(quantile),
                    "{from}..{to} {quantile}"
                );
            }
        }
        assert!(
            recent
                .gather((Timestamp(1), Timestamp(60_000_000_000)), floors, &mut room)
                .is_none()
        );
    }

    #[test]
    fn a_path_takes_no_more_room_than_it_is_given_and_the_oldest_windows_go() {
        for queueing_us in [1, 40, 3_000] {
            let (recent, _) = noted(&Case {
                intervals: 90,
                queueing_us,
                ..PLAIN
            });
            assert!(
                recent.octets() <= OCTETS_MAX,
                "{queueing_us}: {}",
                recent.octets()
            );
            assert_eq!(
                recent.octets(),
                recent
                    .windows
                    .iter()
                    .map(RecentWindow::octets)
                    .sum::<usize>()
            );
            assert_eq!(recent.end(), Some(Timestamp(900_000_000_000)));
            assert!(recent.windows.len() <= 6);
        }
    }

    #[test]
    fn a_window_without_a_claim_or_with_a_withdrawn_one_leaves_the_proof() {
        let (mut recent, reports) = noted(&PLAIN);
        let floors = Floors::default();
        let all = (Timestamp(0), Timestamp(300_000_000_000));
        let mut room = Room::default();
        let claim = |recent: &Recent, room: &mut Room| {
            recent.gather(all, floors, room).unwrap().evidence.claim
        };
        assert!(matches!(claim(&recent, &mut room), Claim::Clocks(_)));
        let session = SessionWindow::of(&reports[..6]).unwrap();
        recent.note(
            Timestamp(0),
            MINUTE,
            (&session, Direction::Forward),
            Claims::Withdrawn.into(),
        );
        assert_eq!(claim(&recent, &mut room), Claim::Withdrawn);
        let mut silent = reports[..6].to_vec();
        silent[2].clock.bound = None;
        let session = SessionWindow::of(&silent).unwrap();
        recent.note(
            Timestamp(0),
            MINUTE,
            (&session, Direction::Forward),
            Claims::Stand.into(),
        );
        assert_eq!(claim(&recent, &mut room), Claim::None);
    }
}
