//! Makes reports of what session-senders tell, and hands them to the disk.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};

use owl_measure::report::Report;
use owl_measure::sample::Sample;
use owl_measure::summary::Summary;
use owl_measure::time::Nanos;
use owl_topology::PlannedSession;

use super::Vitals;
use crate::sender::Watcher;

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
        let (planned, flow) = &self.planned[session];
        let end = summary.start + summary.length;
        let Some(clock) = self.vitals.clock().worst(summary.start, end) else {
            return;
        };
        let report = Report {
            path: planned.path.clone(),
            generation: self.generation.get(),
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

impl Watcher for Keeper {
    fn sample(&mut self, _session: usize, _sample: &Sample) {}

    fn summary(&mut self, session: usize, summary: Summary) {
        self.vitals.sent.fetch_add(summary.sent, Relaxed);
        self.vitals.received.fetch_add(summary.received, Relaxed);
        self.vitals
            .lateness_max_ns
            .fetch_max(u64::try_from(summary.lateness_max.0).unwrap_or(0), Relaxed);
        self.report(session, summary);
    }
}
