//! The verdicts against the truth.
//!
//! A verdict is false when it says met and the truth missed, or missed and the
//! truth met. Undecided is never false. A window of which the delay box knows
//! nothing is not compared, and that is counted too.

use std::collections::BTreeMap;

use owl_measure::delay::Basis;
use owl_measure::sample::Direction;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{Reason, State};
use serde::Serialize;

pub use crate::api::Told;
use crate::record::{Record, WindowTruth};
use crate::truth::{Trouble, Truth, Way};

/// Windows of a path that are kept one by one; older ones live on in the counts.
const WINDOWS_MAX: usize = 360;

/// How a verdict stands against the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// Decided, and so it was.
    Right,
    /// Decided, and it was not so.
    False,
    /// Not decided, which is never false.
    Undecided,
    /// Decided on a window of which the delay box knows nothing.
    NotCompared,
}

impl Against {
    /// Holds a verdict against what happened.
    pub fn of(state: State, target: Nanos, truth: Option<WindowTruth>) -> Self {
        match (state, truth) {
            (State::Undecided, _) => Self::Undecided,
            (_, None) => Self::NotCompared,
            (State::Met, Some(truth)) if truth.quantile <= target => Self::Right,
            (State::Missed, Some(truth)) if truth.quantile > target => Self::Right,
            _ => Self::False,
        }
    }
}

/// One verdict with what it was held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The verdict.
    pub told: Told,
    /// What really happened.
    pub truth: Option<WindowTruth>,
    /// How it stands against that.
    pub against: Against,
    /// Whose packets were judged.
    pub seat: Seat,
}

/// The session that a verdict on a path rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// The path's own, forward.
    Own,
    /// That of the opposite path, backward.
    Opposite,
}

/// Counts of verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// All of them; a window that was judged again counts once, by its last verdict.
    pub verdicts: u64,
    /// False ones; here every verdict counts that was ever false, also when a later one corrected it.
    pub false_verdicts: u64,
    /// Those of which the delay box knows nothing.
    pub not_compared: u64,
    /// By state.
    pub met: u64,
    /// By state.
    pub missed: u64,
    /// By state.
    pub undecided: u64,
    /// The undecided ones by reason.
    pub undecided_by_reason: BTreeMap<&'static str, u64>,
    /// Decided without any clock.
    pub proved: u64,
    /// Decided with the clocks' claims.
    pub claimed: u64,
    /// Packets that reports hold beyond those that were sent, in windows where both are known.
    pub packets_doubled: u64,
    /// Packets that were sent and that no report holds, in windows where both are known.
    pub packets_unreported: u64,
}

impl Counts {
    fn add(&mut self, compared: &Compared) {
        let told = &compared.told;
        self.verdicts += 1;
        self.not_compared += u64::from(compared.against == Against::NotCompared);
        match told.state {
            State::Met => self.met += 1,
            State::Missed => self.missed += 1,
            State::Undecided => self.undecided += 1,
        }
        if let Some(reason) = told.reason {
            *self.undecided_by_reason.entry(reason.code()).or_default() += 1;
        }
        match told.delay.map(|delay| delay.basis) {
            Some(Basis::Proved) if told.state != State::Undecided => self.proved += 1,
            Some(Basis::Claimed) if told.state != State::Undecided => self.claimed += 1,
            _ => {}
        }
        // Of the opposite session, what was lost on its way there never came to the way back.
        let own = compared.seat == Seat::Own;
        if let Some(truth) = compared.truth.filter(|_| own) {
            self.packets_doubled += told.sent.saturating_sub(truth.sent);
            self.packets_unreported += truth.sent.saturating_sub(told.sent);
        }
    }
}

/// Whether the planted troubles were judged rightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The detour was judged missed at least once, and never met.
    pub detour_missed: bool,
    /// Each window whose truth was near the target was left undecided because of the clocks, and there was one.
    pub near_undecided: bool,
    /// On no path of the liar a verdict was false or rested on its clock, and the contradiction was noticed.
    pub lie_never_believed: bool,
}

/// Where a trouble has been seen.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    rightly: u64,
    wrongly: u64,
}

/// All verdicts of a run, held against its truth.
#[derive(Debug, Default)]
pub struct Comparison {
    paths: BTreeMap<String, BTreeMap<Timestamp, Compared>>,
    settled: Counts,
    false_verdicts: u64,
    detour: Seen,
    near: Seen,
    lie: Seen,
}

impl Comparison {
    /// Takes a verdict in; `None` when it was known already, or is on no path of the lab.
    pub fn take(&mut self, told: Told, truth: &Truth, record: &Record) -> Option<&Compared> {
        let way = truth.ways.iter().find(|way| way.path.id == told.path)?;
        let windows = self.paths.entry(told.path.clone()).or_default();
        if windows
            .get(&told.window_start)
            .is_some_and(|known| known.told.judged_at >= told.judged_at)
        {
            return None;
        }
        // What has been counted for good is not counted again.
        if windows.len() >= WINDOWS_MAX
            && windows
                .first_key_value()
                .is_some_and(|(first, _)| told.window_start < *first)
        {
            return None;
        }
        let (seat, happened) = happened(&told, truth, way, record);
        let against = Against::of(told.state, told.target, happened);
        let compared = Compared {
            told,
            truth: happened,
            against,
            seat,
        };
        self.false_verdicts += u64::from(against == Against::False);
        for trouble in truth.troubles_of(&way.path) {
            match trouble {
                Trouble::Detour { .. } => self.detour.note_detour(&compared),
                Trouble::Near { within, .. } => self.near.note_near(&compared, *within),
                Trouble::Lie { .. } => self.lie.note_lie(&compared),
            }
        }
        let at = compared.told.window_start;
        windows.insert(at, compared);
        while windows.len() > WINDOWS_MAX {
            if let Some((_, oldest)) = windows.pop_first() {
                self.settled.add(&oldest);
            }
        }
        windows.get(&at)
    }

    /// The latest verdict on a path.
    pub fn latest(&self, path: &str) -> Option<&Compared> {
        self.paths
            .get(path)?
            .last_key_value()
            .map(|(_, compared)| compared)
    }

    /// Everything counted.
    pub fn counts(&self) -> Counts {
        let mut counts = self.settled.clone();
        self.paths
            .values()
            .flat_map(BTreeMap::values)
            .for_each(|compared| counts.add(compared));
        counts.false_verdicts = self.false_verdicts;
        counts
    }

    /// What became of the troubles.
    pub fn findings(&self) -> Findings {
        let found = |seen: Seen| seen.rightly > 0 && seen.wrongly == 0;
        Findings {
            detour_missed: found(self.detour),
            near_undecided: found(self.near),
            lie_never_believed: found(self.lie),
        }
    }
}

impl Seen {
    fn note(&mut self, rightly: bool) {
        if rightly {
            self.rightly += 1;
        } else {
            self.wrongly += 1;
        }
    }

    /// A window of the detour whose probes were dead or started late says nothing.
    fn note_detour(&mut self, compared: &Compared) {
        if compared.told.state != State::Undecided {
            self.note(compared.told.state == State::Missed);
        }
    }

    /// Only windows whose truth was near count; a stall of the machine may carry one away from the target.
    fn note_near(&mut self, compared: &Compared, within: Nanos) {
        let told = &compared.told;
        let near = compared
            .truth
            .is_some_and(|truth| (truth.quantile - told.target).abs() <= within);
        match told.reason {
            Some(Reason::Clock) if near => self.note(true),
            None if near => self.note(false),
            _ => {}
        }
    }

    fn note_lie(&mut self, compared: &Compared) {
        let claimed = compared
            .told
            .delay
            .is_some_and(|delay| delay.basis == Basis::Claimed);
        if compared.told.reason == Some(Reason::Contradiction) {
            self.note(true);
        } else if compared.told.state != State::Undecided
            && (claimed || compared.against == Against::False)
        {
            self.note(false);
        }
    }
}

/// What happened to the packets that a verdict judged, and by which session.
fn happened(told: &Told, truth: &Truth, way: &Way, record: &Record) -> (Seat, Option<WindowTruth>) {
    let window =
        |path: &str, direction| record.window(truth.position(path)?, direction, told.window_start);
    let back = &truth.back(way).path.id;
    let own = window(&way.path.id, Direction::Forward);
    // Without packets there was no session to judge; the path's own is what the verdict is about.
    let seat = match told.seat.as_deref() {
        Some("opposite") => Seat::Opposite,
        _ => Seat::Own,
    };
    match seat {
        Seat::Own => (seat, own),
        Seat::Opposite => (seat, window(back, Direction::Backward)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::delay::OneWayDelay;
    use owl_measure::verdict::Quantile;
    use owl_topology::Topology;

    use crate::record::Fate;

    const MS: fn(i64) -> Nanos = Nanos::from_millis;

    #[track_caller]
    fn check(state: State, truth_us: Option<i64>, expected: Against) {
        let truth = truth_us.map(|us| WindowTruth {
            sent: 100,
            lost: 0,
            quantile: Nanos::from_micros(us),
        });
        assert_eq!(Against::of(state, MS(1), truth), expected);
    }

    #[test]
    fn a_verdict_is_false_when_it_decides_against_the_truth_and_only_then() {
        check(State::Met, Some(1_000), Against::Right);
        check(State::Met, Some(1_001), Against::False);
        check(State::Missed, Some(1_001), Against::Right);
        check(State::Missed, Some(1_000), Against::False);
        check(State::Undecided, Some(5_000), Against::Undecided);
        check(State::Undecided, None, Against::Undecided);
        check(State::Met, None, Against::NotCompared);
    }

    fn told(path: &str, window: i64, state: State, reason: Option<Reason>, basis: Basis) -> Told {
        Told {
            path: path.into(),
            target: MS(1),
            state,
            reason,
            detail: None,
            evidence: None,
            delay: Some(OneWayDelay {
                lo: MS(0),
                hi: MS(1),
                basis,
            }),
            window_start: Timestamp(window),
            window: Nanos::from_secs(10),
            judged_at: Timestamp(window + 1),
            sent: 100,
            received: 100,
            seat: None,
        }
    }

    struct Play {
        truth: Truth,
        record: Record,
        comparison: Comparison,
    }

    impl Play {
        fn new() -> Self {
            let record = Record::new(Timestamp(0), Nanos::from_secs(10), Quantile::P95);
            let truth = Truth::draw(Topology::yancheng(), 1).unwrap();
            Self {
                truth,
                record,
                comparison: Comparison::default(),
            }
        }

        fn trouble(&self, pick: fn(&Trouble) -> bool) -> String {
            let trouble = self
                .truth
                .troubles
                .iter()
                .find(|trouble| pick(trouble))
                .unwrap();
            self.truth
                .ways
                .iter()
                .find(|way| trouble.touches(&way.path))
                .unwrap()
                .path
                .id
                .clone()
        }

        /// All packets of the path's first window took this long.
        fn happens(&mut self, path: &str, delay: Nanos) {
            let session = self.truth.position(path).unwrap();
            for k in 0..100 {
                self.record.note(
                    session,
                    Direction::Forward,
                    Timestamp(k),
                    Fate::Crossed(delay),
                );
            }
        }

        fn take(&mut self, told: Told) -> Option<Against> {
            self.comparison
                .take(told, &self.truth, &self.record)
                .map(|compared| compared.against)
        }
    }

    #[test]
    fn a_window_counts_once_by_its_last_verdict_and_a_false_one_is_not_forgiven() {
        let mut play = Play::new();
        let path = play.truth.ways[0].path.id.clone();
        play.happens(&path, MS(2));
        let met = told(&path, 0, State::Met, None, Basis::Proved);
        assert_eq!(play.take(met.clone()), Some(Against::False));
        assert_eq!(play.take(met.clone()), None);
        let again = Told {
            state: State::Missed,
            judged_at: Timestamp(9),
            sent: 120,
            ..met
        };
        assert_eq!(play.take(again), Some(Against::Right));
        let counts = play.comparison.counts();
        assert_eq!(
            (
                counts.verdicts,
                counts.false_verdicts,
                counts.met,
                counts.missed
            ),
            (1, 1, 0, 1)
        );
        assert_eq!(
            (
                counts.proved,
                counts.packets_doubled,
                counts.packets_unreported
            ),
            (1, 20, 0)
        );
    }

    #[test]
    fn a_session_that_was_cut_short_is_not_taken_for_the_one_that_was_judged() {
        let mut play = Play::new();
        let path = play.truth.ways[0].path.id.clone();
        let back = play.truth.back(&play.truth.ways[0]).path.id.clone();
        play.happens(&back, MS(2));
        let (own, opposite) = (0, play.truth.position(&back).unwrap());
        let fate = Fate::Crossed(MS(2));
        (0..60).for_each(|k| {
            play.record
                .note(own, Direction::Forward, Timestamp(k), fate)
        });
        let fate = Fate::Crossed(Nanos(1));
        (0..99).for_each(|k| {
            play.record
                .note(opposite, Direction::Backward, Timestamp(k), fate)
        });
        // Met by the opposite session's way back, which was fast; the packets of the own session are another count.
        let met = Told {
            seat: Some("opposite".into()),
            ..told(&path, 0, State::Met, None, Basis::Proved)
        };
        assert_eq!(play.take(met), Some(Against::Right));
        let counts = play.comparison.counts();
        assert_eq!((counts.packets_doubled, counts.packets_unreported), (0, 0));
    }

    #[test]
    fn the_troubles_are_found_when_each_was_judged_rightly() {
        let mut play = Play::new();
        assert!(!play.comparison.findings().detour_missed);
        let detour = play.trouble(|trouble| matches!(trouble, Trouble::Detour { .. }));
        play.happens(&detour, MS(3));
        play.take(told(&detour, 0, State::Missed, None, Basis::Claimed));
        let near = play.trouble(|trouble| matches!(trouble, Trouble::Near { .. }));
        let at_target = play.truth.ways[play.truth.position(&near).unwrap()]
            .path
            .target;
        play.happens(&near, at_target);
        play.take(Told {
            target: at_target,
            ..told(
                &near,
                0,
                State::Undecided,
                Some(Reason::Clock),
                Basis::Claimed,
            )
        });
        let liars = play.trouble(|trouble| matches!(trouble, Trouble::Lie { .. }));
        play.happens(&liars, MS(0));
        play.take(told(
            &liars,
            0,
            State::Undecided,
            Some(Reason::Contradiction),
            Basis::Proved,
        ));
        play.take(told(
            &liars,
            10_000_000_000,
            State::Met,
            None,
            Basis::Proved,
        ));
        let all = Findings {
            detour_missed: true,
            near_undecided: true,
            lie_never_believed: true,
        };
        assert_eq!(play.comparison.findings(), all);
        play.take(told(
            &liars,
            20_000_000_000,
            State::Met,
            None,
            Basis::Claimed,
        ));
        assert!(!play.comparison.findings().lie_never_believed);
    }
}
