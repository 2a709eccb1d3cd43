//! Makes reports of what session-senders tell, and hands them to the disk.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError};

use owl_measure::report::{Report, Reported};
use owl_measure::sample::Sample;
use owl_measure::summary::Summary;
use owl_measure::time::Nanos;
use owl_topology::PlannedSession;

use super::Vitals;
use crate::sender::Watcher;

/// What the reports of one thread have in common.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    /// By session: what it is of the plan, and which of its flows.
    pub(super) planned: Vec<(PlannedSession, u32)>,
    pub(super) generation: String,
    pub(super) vitals: Arc<Vitals>,
    pub(super) reports: SyncSender<Reported>,
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
            generation: self.generation.clone(),
            flow: *flow,
            packet_interval: Nanos(i64::try_from(planned.packet_interval_ns).unwrap_or(i64::MAX)),
            summary,
            clock,
        };
        match self.reports.try_send(report.into()) {
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
