//! Makes reports of what session-senders tell, and hands them to the disk.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};

use owl_measure::report::Report;
use owl_measure::sample::Sample;
use owl_measure::summary::Summary;
use owl_measure::time::Nanos;
use owl_topology::PlannedSession;

use super::Vitals;
use crate::sender::{Change, Watcher};

/// The generation of the plan that is followed, for the threads that report under it.
#[derive(Debug, Clone)]
pub(super) struct Generation(Arc<Mutex<String>>);

impl Generation {
    pub(super) fn of(generation: &str) -> Self {
        Self(Arc::new(Mutex::new(generation.to_owned())))
    }

    /// From now on another one.
    pub(super) fn set(&self, generation: &str) {
        // It is replaced as a whole, so it is whole whoever panicked.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = generation.to_owned();
    }

    fn get(&self) -> String {
        let generation = self.0.lock();
        generation.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the reports of one thread have in common.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    /// By session: what it is of the plan, and which of its flows.
    pub(super) planned: Vec<(PlannedSession, u32)>,
    pub(super) generation: Generation,
    pub(super) vitals: Arc<Vitals>,
    pub(super) reports: SyncSender<Report>,
}

impl Keeper {
    /// Reports an interval of a session, if anything is known of the clock in it.
    pub(super) fn report(&self, session: usize, summary: Summary) {
        self.report_under(session, summary, self.generation.get());
    }

    fn report_under(&self, session: usize, summary: Summary, generation: String) {
        let (planned, flow) = &self.planned[session];
        let end = summary.start + summary.length;
        let Some(clock) = self.vitals.clock().worst(summary.start, end) else {
            return;
        };
        let report = Report {
            path: planned.path.clone(),
            generation,
            flow: *flow,
            packet_interval: Nanos(i64::try_from(planned.packet_interval_ns).unwrap_or(i64::MAX)),
            summary,
            clock,
        };
        match self.reports.try_send(report) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.vitals.reports_dropped.fetch_add(1, Relaxed);
            }
        }
    }
}

impl Keeper {
    /// Adds an interval to what the probe tells of itself.
    fn count(&self, summary: &Summary) {
        self.vitals.sent.fetch_add(summary.sent, Relaxed);
        self.vitals.received.fetch_add(summary.received, Relaxed);
        self.vitals
            .lateness_max_ns
            .fetch_max(u64::try_from(summary.lateness_max.0).unwrap_or(0), Relaxed);
    }
}

impl Watcher for Keeper {
    fn sample(&mut self, _session: usize, _sample: &Sample) {}

    fn summary(&mut self, session: usize, summary: Summary) {
        self.count(&summary);
        self.report(session, summary);
    }
}

/// What another plan changes among running sessions.
#[derive(Debug)]
pub(super) struct PlanChange {
    pub(super) change: Change,
    /// What the sessions that join are of the plan.
    pub(super) joining: Vec<(PlannedSession, u32)>,
    /// The generation that those which leave were measured by.
    pub(super) before: String,
    /// And the others from now on.
    pub(super) after: String,
}

/// The sessions of one thread over any number of plans.
#[derive(Debug)]
pub(super) struct Ongoing {
    keeper: Keeper,
    changes: Receiver<PlanChange>,
    /// Those that left, with the generation that they were measured by.
    left: HashMap<usize, String>,
}

impl Ongoing {
    pub(super) fn of(keeper: Keeper, changes: Receiver<PlanChange>) -> Self {
        Self {
            keeper,
            changes,
            left: HashMap::new(),
        }
    }

    pub(super) fn vitals(&self) -> Arc<Vitals> {
        Arc::clone(&self.keeper.vitals)
    }
}

impl Watcher for Ongoing {
    fn sample(&mut self, _session: usize, _sample: &Sample) {}

    fn summary(&mut self, session: usize, summary: Summary) {
        self.keeper.count(&summary);
        match self.left.get(&session) {
            Some(before) => {
                let before = before.clone();
                self.keeper.report_under(session, summary, before);
            }
            None => self.keeper.report(session, summary),
        }
    }

    fn next_change(&mut self) -> Option<Change> {
        let PlanChange {
            change,
            joining,
            before,
            after,
        } = self.changes.try_recv().ok()?;
        let leaving = change.leaving.iter();
        self.left
            .extend(leaving.map(|&number| (number, before.clone())));
        self.keeper.generation.set(&after);
        self.keeper.planned.extend(joining);
        Some(change)
    }
}
