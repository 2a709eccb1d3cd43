//! What ptp4l's answers are worth.
//!
//! When its master is gone, ptp4l goes on telling its last good offset and
//! delay, and that the grandmaster is present. Only the port's state and the
//! ingress time of the last sync tell, so they decide.
//!
//! What is measured bounds the error relative to the grandmaster, whose own
//! bound is added. A sync that took d arrives with T2 − T1 = x + d, so
//! x ≤ (T2 − T1) − floor; the mean path delay is half of what both directions
//! took, so x ≥ (T2 − T1) − 2·mean + floor for the exchange it came from. ptp4l
//! filters the mean over its last exchanges, so the smallest T2 − T1 and the
//! largest mean of a ring stand for all of them.

use std::collections::VecDeque;

use owl_measure::clock::{BoundBasis, ClockSource, ClockStatus, whole_seconds};
use owl_measure::time::{Monotonic, Nanos, Timestamp};

use super::wire::{
    CurrentDataSet, END_TO_END, ParentDataSet, PortDataSet, PortProperties, PortStats, SLAVE,
    TimeProperties, TimeStatus, UNCALIBRATED,
};
use crate::clock::assessment::{Assessment, PartKind, drifted};
use crate::clock::finding::Finding;
use crate::clock::settings::Trust;

/// Syncs kept; at the bound the oldest goes.
const RING_MAX: usize = 256;
/// Older ones go too: ptp4l's delay filter (10 exchanges unless configured otherwise, one a second or more) has
/// forgotten them.
const RING_SPAN: Nanos = Nanos::from_secs(20);
/// A source is fresh while its last sync is younger than so many sync intervals.
const FRESH_INTERVALS: i64 = 3;
/// How long after its last sync something is still claimed of the clock.
const HOLDOVER_MAX: Nanos = Nanos::from_secs(600);
/// An ingress time within this of the system's clock was read from it.
const SAME_CLOCK: Nanos = Nanos::from_secs(10);
/// clockClass of a grandmaster that follows its primary reference, and that holds over within specification.
const TRUSTED_CLASSES: [u8; 2] = [6, 7];

/// What ptp4l answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answers {
    /// When it was asked, on the clock itself and on one that never steps.
    pub(crate) now: (Timestamp, Monotonic),
    pub(crate) status: TimeStatus,
    pub(crate) current: CurrentDataSet,
    pub(crate) parent: ParentDataSet,
    pub(crate) properties: TimeProperties,
    pub(crate) port: PortDataSet,
    pub(crate) port_properties: PortProperties,
    /// Where ptp4l tells it.
    pub(crate) stats: Option<PortStats>,
    /// How far the system's clock is ahead of the interface's, as they stand, and how exactly that is known; `None`
    /// where it is not read.
    pub(crate) interface_to_system: Option<(Nanos, Nanos)>,
}

/// One sync as ptp4l saw it.
#[derive(Debug, Clone, Copy)]
struct Sync {
    seen: Monotonic,
    offset: Nanos,
    mean_path_delay: Nanos,
}

/// Judges answers one after the other.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    ring: VecDeque<Sync>,
    /// The last ingress time and when it was first seen.
    ingress: Option<(Timestamp, Monotonic)>,
    grandmaster: Option<[u8; 8]>,
    /// How many answers to delay requests there were, and when another came last.
    delays: Option<(u64, Monotonic)>,
}

impl Judge {
    pub(crate) fn judge(&mut self, answers: &Answers, trust: &Trust) -> Assessment {
        let (now, monotonic) = answers.now;
        self.take(answers);
        let free = |why| Assessment::free(now, ClockSource::Ptp, why);
        let port = &answers.port;
        let age = self.age(answers);
        let limit = port.sync_interval().times(FRESH_INTERVALS);
        let follows = matches!(port.state, SLAVE | UNCALIBRATED);
        let delay_age = self.delay_age(answers);
        let Some(last) = self.ring.back().copied() else {
            return free(if follows {
                Finding::Stale { age, limit }
            } else {
                Finding::PortState { state: port.state }
            });
        };
        if age > HOLDOVER_MAX {
            return free(Finding::Stale { age, limit });
        }
        if let Some(seconds) = whole_seconds(last.offset) {
            return free(Finding::WholeSeconds { seconds });
        }
        let mut assessment = Assessment {
            as_of: now,
            source: ClockSource::Ptp,
            status: ClockStatus::Synchronised,
            basis: BoundBasis::Measured,
            correction: Nanos::ZERO,
            parts: Vec::new(),
            random: self.deviation(),
            drift_ppb: trust.drift_ppb,
            measured_at: self.ingress.map(|(ingress, _)| ingress),
            void_after: Some(now + (HOLDOVER_MAX - age)),
            findings: Vec::new(),
        };
        if let Err(why) = self.bound(answers, trust, &mut assessment) {
            return Assessment {
                random: assessment.random,
                ..free(why)
            };
        }
        if !answers.port_properties.software {
            let Some((offset, uncertainty)) = answers.interface_to_system else {
                return free(Finding::InterfaceClockUnread {
                    interface: answers.port_properties.interface.clone(),
                });
            };
            // The interface's clock runs on the grandmaster's time scale, the system's on UTC.
            let scales = if answers.properties.ptp_timescale {
                Nanos::from_secs(answers.properties.utc_offset_s.into())
            } else {
                Nanos::ZERO
            };
            let offset = offset + scales;
            if let Some(seconds) = whole_seconds(offset) {
                return free(Finding::WholeSeconds { seconds });
            }
            assessment.add(PartKind::InterfaceToSystem, offset.abs() + uncertainty);
        }
        if port.state == UNCALIBRATED {
            assessment.findings.push(Finding::Audited);
        }
        if !follows {
            assessment
                .findings
                .push(Finding::PortState { state: port.state });
        }
        let unanswered = delay_age > RING_SPAN;
        if unanswered {
            assessment
                .findings
                .push(Finding::DelayUnanswered { age: delay_age });
        }
        if !follows || age >= limit || unanswered {
            assessment.status = ClockStatus::Holdover;
            assessment.findings.push(Finding::Holdover { age });
            let since = (monotonic - last.seen).max(delay_age);
            assessment.add(PartKind::Drift, drifted(trust.drift_ppb, since.max(age)));
        }
        assessment
    }

    /// Notes a sync that ptp4l pushed by itself; the mean path delay is that of the last answer.
    pub(crate) fn pushed(&mut self, status: TimeStatus, now: Monotonic) {
        let Some(last) = self.ring.back().copied() else {
            return;
        };
        if self
            .ingress
            .is_some_and(|(ingress, _)| ingress < status.ingress)
        {
            self.ingress = Some((status.ingress, now));
            self.note(Sync {
                seen: now,
                offset: status.offset,
                ..last
            });
        }
    }

    /// Notes a sync that was not seen before. Answers that belong to two different syncs are passed over.
    fn take(&mut self, answers: &Answers) {
        let (_, monotonic) = answers.now;
        if self.grandmaster != Some(answers.parent.identity) {
            // Another grandmaster's time: what the ring holds is of the former one.
            if answers.status.ingress != Timestamp(0) {
                self.grandmaster = Some(answers.parent.identity);
                self.ring.clear();
            }
        }
        let ingress = answers.status.ingress;
        if ingress == Timestamp(0) || self.ingress.is_some_and(|(last, _)| last == ingress) {
            return;
        }
        self.ingress = Some((ingress, monotonic));
        if answers.current.offset != answers.status.offset {
            return;
        }
        if answers.current.mean_path_delay <= Nanos::ZERO {
            // No exchange has ended yet.
            return;
        }
        self.note(Sync {
            seen: monotonic,
            offset: answers.status.offset,
            mean_path_delay: answers.current.mean_path_delay,
        });
    }

    fn note(&mut self, sync: Sync) {
        self.ring.push_back(sync);
        let oldest = self.ring.len().saturating_sub(RING_MAX);
        self.ring.drain(..oldest);
        self.ring.retain(|old| sync.seen - old.seen <= RING_SPAN);
    }

    /// How long ago the last sync came: as its ingress time tells where that is on the system's clock, and no less
    /// than since it was first seen.
    fn age(&self, answers: &Answers) -> Nanos {
        let (now, monotonic) = answers.now;
        let Some((ingress, seen)) = self.ingress else {
            return Nanos::MAX;
        };
        let since_seen = monotonic - seen;
        let told = now - ingress;
        if answers.port_properties.software && told.abs() < SAME_CLOCK {
            told.max(since_seen)
        } else {
            since_seen
        }
    }

    /// How long ago a delay request was answered last: without that the mean path delay stands still while syncs come.
    fn delay_age(&mut self, answers: &Answers) -> Nanos {
        let (_, monotonic) = answers.now;
        let Some(stats) = answers.stats else {
            return Nanos::ZERO;
        };
        match self.delays {
            Some((count, since)) if count == stats.delay_responses => monotonic - since,
            _ => {
                self.delays = Some((stats.delay_responses, monotonic));
                Nanos::ZERO
            }
        }
    }

    /// The parts of the bound, or why there is none.
    fn bound(
        &self,
        answers: &Answers,
        trust: &Trust,
        assessment: &mut Assessment,
    ) -> Result<(), Finding> {
        let (parent, steps_removed) = (answers.parent, answers.current.steps_removed);
        let vouched =
            TRUSTED_CLASSES.contains(&parent.clock_class) && answers.properties.time_traceable;
        let unknown = Finding::GrandmasterUnknown {
            class: parent.clock_class,
            accuracy: parent.clock_accuracy,
            traceable: answers.properties.time_traceable,
        };
        if let Some(budget) = trust.budget {
            if !vouched {
                return Err(unknown);
            }
            if steps_removed != budget.steps_removed {
                return Err(Finding::BudgetBroken {
                    steps_removed,
                    expected: budget.steps_removed,
                });
            }
            assessment.basis = BoundBasis::Engineered;
            let worst = self.ring.iter().map(|sync| sync.offset.abs()).max();
            assessment.add(PartKind::Budget, budget.bound);
            assessment.add(PartKind::Offset, worst.unwrap_or(Nanos::MAX));
            return Ok(());
        }
        if steps_removed > 1 || answers.port.delay_mechanism != END_TO_END {
            return Err(Finding::BoundaryClocks { steps_removed });
        }
        let grandmaster = match (trust.grandmaster_bound, accuracy(parent.clock_accuracy)) {
            (Some(declared), _) => {
                assessment.basis = BoundBasis::Declared;
                declared
            }
            (None, Some(told)) if vouched => told,
            _ => return Err(unknown),
        };
        let of_ring = |pick: fn(&Sync) -> Nanos| {
            let values = self.ring.iter().map(pick);
            let ends = values.fold((Nanos::MAX, Nanos::MIN), |(low, high), value| {
                (low.min(value), high.max(value))
            });
            (ends.0, ends.1)
        };
        let (delay_min, delay_max) = of_ring(|sync| sync.mean_path_delay);
        if answers.port.state == UNCALIBRATED {
            // Nobody steers, so the whole ring is of one clock and its middle is known.
            let (least, _) = of_ring(|sync| sync.offset + sync.mean_path_delay);
            assessment.correction = delay_max - least;
            assessment.add(PartKind::Correction, assessment.correction.abs());
            let span = self.ring.back().zip(self.ring.front());
            let span = span.map_or(Nanos::ZERO, |(last, first)| last.seen - first.seen);
            assessment.add(PartKind::Drift, drifted(trust.drift_ppb, span));
        } else {
            let (low, high) = of_ring(|sync| sync.offset);
            assessment.add(PartKind::Offset, low.abs().max(high.abs()));
        }
        assessment.add(PartKind::MeanPathDelay, delay_max);
        assessment.add(PartKind::DelayVariation, delay_max - delay_min);
        assessment.add(PartKind::LinkFloor, -trust.link_floor.min(delay_min));
        assessment.add(PartKind::Grandmaster, grandmaster);
        Ok(())
    }

    /// Standard deviation of the ring's offsets.
    fn deviation(&self) -> Nanos {
        let n = self.ring.len() as f64;
        if n < 2.0 {
            return Nanos::ZERO;
        }
        let offsets = || self.ring.iter().map(|sync| sync.offset.0 as f64);
        let mean = offsets().sum::<f64>() / n;
        let squares = offsets().map(|offset| (offset - mean).powi(2)).sum::<f64>();
        Nanos((squares / (n - 1.0)).sqrt().ceil() as i64)
    }
}

/// What a clockAccuracy means (IEEE 1588-2019, table 5); `None` for what bounds nothing.
fn accuracy(clock_accuracy: u8) -> Option<Nanos> {
    const NS: [i64; 17] = [
        25,
        100,
        250,
        1_000,
        2_500,
        10_000,
        25_000,
        100_000,
        250_000,
        1_000_000,
        2_500_000,
        10_000_000,
        25_000_000,
        100_000_000,
        250_000_000,
        1_000_000_000,
        10_000_000_000,
    ];
    let index = usize::from(clock_accuracy.checked_sub(0x20)?);
    NS.get(index).copied().map(Nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ptp4l::wire::Answer;
    use crate::clock::ptp4l::wire::tests::{
        CURRENT_FROZEN, TIME_STATUS_37, TIME_STATUS_FROZEN, answer,
    };
    use crate::clock::settings::Budget;

    const US: fn(i64) -> Nanos = Nanos::from_micros;
    const START: i64 = 1_795_453_440_000_000_000;

    fn trust() -> Trust {
        Trust {
            drift_ppb: 1_000,
            ..Trust::default()
        }
    }

    /// Answers of a host that got its last sync `age` ago; the clock that steps and the one that does not both began
    /// with the run.
    fn answers(at: Nanos, age: Nanos) -> Answers {
        let now = Timestamp(START) + at;
        Answers {
            now: (now, Monotonic(at.0)),
            status: TimeStatus {
                offset: US(2),
                ingress: now - age,
                grandmaster_present: true,
            },
            current: CurrentDataSet {
                steps_removed: 1,
                offset: US(2),
                mean_path_delay: US(500),
            },
            parent: ParentDataSet {
                clock_class: 6,
                clock_accuracy: 0x21,
                identity: [7; 8],
            },
            properties: TimeProperties {
                time_traceable: true,
                ptp_timescale: true,
                utc_offset_s: 37,
            },
            port: PortDataSet {
                port: 1,
                state: SLAVE,
                log_sync_interval: 0,
                delay_mechanism: END_TO_END,
            },
            port_properties: PortProperties {
                software: true,
                interface: "eth0".into(),
            },
            stats: None,
            interface_to_system: None,
        }
    }

    fn offset(answers: &mut Answers, offset: Nanos) {
        answers.status.offset = offset;
        answers.current.offset = offset;
    }

    fn judged(change: impl FnOnce(&mut Answers)) -> Assessment {
        let mut one = answers(Nanos::ZERO, US(10));
        change(&mut one);
        Judge::default().judge(&one, &trust())
    }

    #[test]
    fn the_bound_is_the_offset_and_the_delay_less_the_floor_and_the_grandmasters() {
        let mut judge = Judge::default();
        let floor = Trust {
            link_floor: US(300),
            ..trust()
        };
        let assessment = judge.judge(&answers(Nanos::ZERO, US(10)), &floor);
        assert_eq!(assessment.status, ClockStatus::Synchronised);
        assert_eq!(assessment.bound(), Some(US(2 + 500 - 300) + Nanos(100)));
        assert_eq!(assessment.basis, BoundBasis::Measured);
        assert_eq!(assessment.correction, Nanos::ZERO);
    }

    #[test]
    fn a_frozen_ptp4l_is_found_within_three_sync_intervals_though_every_field_looks_well() {
        let second = Nanos::from_secs(1);
        for state in [SLAVE, UNCALIBRATED] {
            let mut judge = Judge::default();
            let mut first = answers(Nanos::ZERO, US(10));
            first.port.state = state;
            assert_eq!(
                judge.judge(&first, &trust()).status,
                ClockStatus::Synchronised
            );
            // Offset, delay and "present" stand as they stood.
            for (seconds, status) in [
                (2, ClockStatus::Synchronised),
                (3, ClockStatus::Holdover),
                (599, ClockStatus::Holdover),
                (601, ClockStatus::Free),
            ] {
                let mut frozen = answers(second.times(seconds), second.times(seconds) + US(10));
                frozen.port.state = state;
                let assessment = judge.judge(&frozen, &trust());
                assert_eq!(assessment.status, status, "after {seconds} s");
            }
        }
    }

    #[test]
    fn a_frozen_ptp4l_as_it_was_captured_is_in_holdover_and_its_bound_grows() {
        let mut judge = Judge::default();
        judge.judge(&answers(Nanos::ZERO, US(10)), &trust());
        let mut frozen = answers(Nanos::from_secs(5), Nanos::ZERO);
        if let (Answer::TimeStatus(status), Answer::Current(current)) =
            (answer(TIME_STATUS_FROZEN), answer(CURRENT_FROZEN))
        {
            (frozen.status, frozen.current) = (status, current);
        }
        assert!(frozen.status.grandmaster_present);
        frozen.port.state = 4;
        let assessment = judge.judge(&frozen, &trust());
        assert_eq!(assessment.status, ClockStatus::Holdover);
        let drift = assessment
            .parts
            .iter()
            .find(|part| part.kind == PartKind::Drift);
        assert_eq!(drift.map(|part| part.size), Some(US(5) + Nanos(1)));
        assert!(
            assessment
                .findings
                .contains(&Finding::PortState { state: 4 })
        );
    }

    #[test]
    fn an_interface_clock_on_another_time_scale_is_fresh_while_its_ingress_time_moves() {
        let mut judge = Judge::default();
        let at = |second: i64, ingress: i64| {
            let mut answers = answers(Nanos::from_secs(second), Nanos::ZERO);
            answers.status.ingress = Timestamp(START + (37 + ingress) * 1_000_000_000);
            answers.port_properties.software = false;
            answers.interface_to_system = Some((Nanos(40 - 37_000_000_000), Nanos(10)));
            answers
        };
        let mut status = |answers| judge.judge(&answers, &trust()).status;
        assert_eq!(status(at(0, 0)), ClockStatus::Synchronised);
        assert_eq!(status(at(1, 1)), ClockStatus::Synchronised);
        assert_eq!(status(at(2, 1)), ClockStatus::Synchronised);
        assert_eq!(status(at(4, 1)), ClockStatus::Holdover);
    }

    #[test]
    fn an_interface_clock_that_is_not_read_bounds_no_system_clock() {
        let assessment = judged(|answers| answers.port_properties.software = false);
        assert!(matches!(
            assessment.findings[..],
            [Finding::InterfaceClockUnread { .. }]
        ));
        assert!(!assessment.claims());
        let read = judged(|answers| {
            answers.port_properties.software = false;
            answers.interface_to_system = Some((Nanos(-40 - 37_000_000_000), Nanos(10)));
        });
        assert_eq!(read.bound(), Some(US(502) + Nanos(100 + 50)));
        let not_brought_to_utc = judged(|answers| {
            answers.port_properties.software = false;
            answers.interface_to_system = Some((Nanos(40), Nanos(10)));
        });
        assert_eq!(
            not_brought_to_utc.findings,
            [Finding::WholeSeconds { seconds: 37 }]
        );
    }

    #[test]
    fn the_worst_offset_of_the_ring_counts_and_not_the_last() {
        let mut judge = Judge::default();
        let mut outlier = answers(Nanos::ZERO, US(10));
        offset(&mut outlier, Nanos::from_millis(-12));
        judge.judge(&outlier, &trust());
        let after = |seconds| answers(Nanos::from_secs(seconds), US(10));
        let with = judge.judge(&after(1), &trust()).bound().unwrap();
        assert!(with > Nanos::from_millis(12));
        let forgotten = judge.judge(&after(21), &trust()).bound().unwrap();
        assert!(forgotten < Nanos::from_millis(1), "{forgotten}");
    }

    #[test]
    fn a_clock_that_is_only_compared_has_a_correction_that_one_slow_packet_does_not_move() {
        let mut judge = Judge::default();
        let mut last = None;
        for (k, slow) in [0, 0, 12_000, 0, 0].into_iter().enumerate() {
            let mut one = answers(US(62_500).times(k as i64), US(10));
            one.port.state = UNCALIBRATED;
            one.port.log_sync_interval = -4;
            // The clock is 1 ms ahead; 300 µs there and 700 µs back look like 800 µs.
            offset(&mut one, US(800 + slow));
            last = Some(judge.judge(&one, &trust()));
        }
        let assessment = last.unwrap();
        assert_eq!(assessment.correction, US(-800));
        let half = assessment.bound().unwrap() - US(800);
        assert!(
            (half - US(500)).abs() < US(1),
            "the true error of 1 ms is within 800 µs ± {half}"
        );
        assert!(assessment.findings.contains(&Finding::Audited));
    }

    #[test]
    fn asymmetry_lies_within_the_bound() {
        // 1 ms more one way: the offset is wrong by half of it, and every field looks well.
        let assessment = judged(|answers| {
            offset(answers, US(500));
            answers.current.mean_path_delay = US(600);
        });
        assert!(assessment.bound().unwrap() >= US(500));
    }

    #[test]
    fn boundary_clocks_need_a_budget_and_a_budget_needs_its_path_and_its_grandmaster() {
        let steps = |n| move |answers: &mut Answers| answers.current.steps_removed = n;
        assert_eq!(
            judged(steps(4)).findings,
            [Finding::BoundaryClocks { steps_removed: 4 }]
        );
        let engineered = Trust {
            budget: Some(Budget {
                bound: Nanos(1_100),
                steps_removed: 4,
            }),
            ..trust()
        };
        type Change = fn(&mut Answers);
        let cases: [(Change, bool); 5] = [
            (|_| {}, true),
            (|answers| answers.parent.clock_class = 7, true),
            (|answers| answers.parent.clock_class = 135, false),
            (|answers| answers.properties.time_traceable = false, false),
            (|answers| answers.current.steps_removed = 5, false),
        ];
        for (change, claims) in cases {
            let mut one = answers(Nanos::ZERO, US(10));
            one.current.steps_removed = 4;
            offset(&mut one, Nanos(30));
            change(&mut one);
            let assessment = Judge::default().judge(&one, &engineered);
            assert_eq!(assessment.claims(), claims, "{assessment:?}");
            if claims {
                assert_eq!(assessment.basis, BoundBasis::Engineered);
                assert_eq!(assessment.bound(), Some(Nanos(1_130)));
            }
        }
    }

    #[test]
    fn a_grandmaster_that_does_not_vouch_for_itself_must_be_declared() {
        type Change = fn(&mut Answers);
        let changes: [Change; 3] = [
            |answers| answers.parent.clock_accuracy = 0xfe,
            |answers| answers.parent.clock_class = 248,
            |answers| answers.properties.time_traceable = false,
        ];
        for change in changes {
            let refused = judged(change);
            assert!(matches!(
                refused.findings[..],
                [Finding::GrandmasterUnknown { .. }]
            ));
            let declared = Trust {
                grandmaster_bound: Some(Nanos(500)),
                ..trust()
            };
            let mut one = answers(Nanos::ZERO, US(10));
            change(&mut one);
            let assessment = Judge::default().judge(&one, &declared);
            assert_eq!(assessment.bound(), Some(US(502) + Nanos(500)));
            assert_eq!(assessment.basis, BoundBasis::Declared);
        }
    }

    #[test]
    fn a_mean_path_delay_that_stands_still_is_found_though_syncs_come() {
        let mut judge = Judge::default();
        for (second, answered, status) in [
            (0, 5, ClockStatus::Synchronised),
            (1, 6, ClockStatus::Synchronised),
            (21, 6, ClockStatus::Synchronised),
            (22, 6, ClockStatus::Holdover),
            (23, 7, ClockStatus::Synchronised),
        ] {
            let mut one = answers(Nanos::from_secs(second), US(10));
            one.stats = Some(PortStats {
                syncs: second as u64,
                delay_responses: answered,
            });
            assert_eq!(judge.judge(&one, &trust()).status, status, "{second} s");
        }
    }

    #[test]
    fn a_push_counts_as_a_sync_that_was_asked_for() {
        let mut judge = Judge::default();
        let first = answers(Nanos::ZERO, US(10));
        judge.judge(&first, &trust());
        let pushed = TimeStatus {
            offset: Nanos::from_millis(3),
            ingress: first.status.ingress + Nanos::from_millis(500),
            grandmaster_present: true,
        };
        judge.pushed(pushed, Monotonic(Nanos::from_secs(1).0));
        judge.pushed(pushed, Monotonic(Nanos::from_secs(1).0));
        assert_eq!(judge.ring.len(), 2);
        let assessment = judge.judge(&answers(Nanos::from_secs(1), US(10)), &trust());
        assert!(assessment.bound().unwrap() > Nanos::from_millis(3));
    }

    #[test]
    fn thirty_seven_seconds_as_they_were_captured_claim_nothing() {
        let Answer::TimeStatus(captured) = answer(TIME_STATUS_37) else {
            panic!("a time status was captured");
        };
        let assessment = judged(|answers| offset(answers, captured.offset));
        assert_eq!(assessment.findings, [Finding::WholeSeconds { seconds: 37 }]);
    }

    #[test]
    fn a_port_that_never_followed_claims_nothing() {
        let assessment = judged(|answers| {
            answers.port.state = 4;
            answers.status.ingress = Timestamp(0);
        });
        assert_eq!(assessment.findings, [Finding::PortState { state: 4 }]);
    }

    #[test]
    fn another_grandmaster_begins_a_new_ring() {
        let mut judge = Judge::default();
        let mut first = answers(Nanos::ZERO, US(10));
        offset(&mut first, Nanos::from_millis(5));
        judge.judge(&first, &trust());
        let mut second = answers(Nanos::from_secs(1), US(10));
        second.parent.identity = [8; 8];
        assert!(judge.judge(&second, &trust()).bound().unwrap() < Nanos::from_millis(1));
    }

    #[test]
    fn clock_accuracies_are_those_of_the_table() {
        for (code, ns) in [
            (0x1f, None),
            (0x20, Some(25)),
            (0x23, Some(1_000)),
            (0x25, Some(10_000)),
            (0x2f, Some(1_000_000_000)),
            (0x31, None),
            (0xfe, None),
        ] {
            assert_eq!(accuracy(code), ns.map(Nanos), "{code:#x}");
        }
    }
}
