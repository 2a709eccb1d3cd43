//! Puts summaries and reports of one session together, one after the other.

use super::merger::Merger;
use super::summary::TierSummary;
use crate::report::Report;

/// What is being put together. Its room, some 160 KB, is used again after [`Gatherer::clear`].
#[derive(Debug, Clone, Default)]
pub struct Gatherer {
    /// All but the spreads.
    counts: Option<TierSummary>,
    /// Forward, backward, round trip.
    spreads: [Merger; 3],
}

impl Gatherer {
    /// Takes everything out again.
    pub fn clear(&mut self) {
        self.counts = None;
        self.spreads.iter_mut().for_each(Merger::clear);
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.counts.is_none()
    }

    /// Adds the interval of a report. Where the own clock stepped, no difference of two stamps means anything: its packets
    /// count, their delays do not.
    pub fn add_report(&mut self, report: &Report) {
        self.count(&TierSummary::counted(report));
        if report.clock.steps == 0 {
            let summary = &report.summary;
            let [forward, backward, round_trip] = &mut self.spreads;
            forward.add_histogram(&summary.forward.raw);
            backward.add_histogram(&summary.backward.raw);
            round_trip.add_histogram(&summary.round_trip);
        }
    }

    /// Adds the intervals of a summary.
    pub fn add(&mut self, summary: &TierSummary) {
        self.count(summary);
        let [forward, backward, round_trip] = &mut self.spreads;
        forward.add(&summary.forward.raw);
        backward.add(&summary.backward.raw);
        round_trip.add(&summary.round_trip);
    }

    fn count(&mut self, summary: &TierSummary) {
        match &mut self.counts {
            Some(counts) => counts.merge_counts(summary),
            None => self.counts = Some(summary.clone()),
        }
    }

    /// All that was added, as one summary; `None` when nothing was.
    pub fn finish(&self) -> Option<TierSummary> {
        let mut whole = self.counts.clone()?;
        let [forward, backward, round_trip] = &self.spreads;
        whole.forward.raw = forward.finish();
        whole.backward.raw = backward.finish();
        whole.round_trip = round_trip.finish();
        Some(whole)
    }
}
