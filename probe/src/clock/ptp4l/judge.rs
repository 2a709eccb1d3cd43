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
    /// The kernel's frequency correction, in parts per billion, where ptp4l measures the kernel's clock.
    pub(crate) frequency_ppb: Option<i32>,
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
    frequency_ppb: Option<i32>,
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
        if port.state == UNCALIBRATED && self.is_left_alone() {
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
            frequency_ppb: answers.frequency_ppb,
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
        if answers.port.state == UNCALIBRATED && self.is_left_alone() {
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

    /// Whether nobody steered the clock while the ring was filled: a ptp4l that is free running and one whose servo has
    /// not settled yet are in the same port state.
    fn is_left_alone(&self) -> bool {
        let mut frequencies = self.ring.iter().map(|sync| sync.frequency_ppb);
        let first = frequencies.next().flatten();
        first.is_some() && frequencies.all(|frequency| frequency == first)
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
mod tests;
