//! From the store to one summary of any span of time of a path.
//!
//! Where tiers are made they are taken, hours first, since what they hold is
//! what the reports would give ([`TierSummary`]); their edges are filled up with
//! five minutes, and those with reports. Where they are not made yet, or not
//! since a report came late, it is reports all the way. Whatever begins in the
//! span belongs to it.

use std::collections::{BTreeMap, BTreeSet};

use owl_measure::tier::{Gatherer, TierSummary};
use owl_measure::time::{Nanos, Timestamp};

use super::row::Entries;
use super::step::Step;
use crate::store::{Reader, StoreError};

/// From what a summary was put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sources {
    /// Reports.
    pub(crate) reports: u64,
    /// Summaries of five minutes.
    pub(crate) five_minutes: u64,
    /// Summaries of an hour.
    pub(crate) hours: u64,
}

/// One path, walked through in the order of time. It holds a row of each step, and no report longer than it is added.
pub(crate) struct Walk<'a> {
    reader: &'a Reader,
    path: &'a str,
    /// Of the time before there is nothing.
    oldest: Timestamp,
    /// Spans of which the tiers are not made, or not since a report came.
    unmade: BTreeSet<Timestamp>,
    /// The row of each step that was read last.
    rows: BTreeMap<Step, (Timestamp, Option<Entries>)>,
    gatherer: Gatherer,
}

impl<'a> Walk<'a> {
    pub(crate) fn of(reader: &'a Reader, path: &'a str) -> Result<Self, StoreError> {
        let unmade = reader.unmade_spans(path)?;
        let first_made = reader.first_tier(path)?;
        let first = first_made.into_iter().chain(unmade.first().copied()).min();
        Ok(Self {
            reader,
            path,
            oldest: first.unwrap_or(Timestamp(i64::MAX)),
            unmade,
            rows: BTreeMap::new(),
            gatherer: Gatherer::default(),
        })
    }

    /// The summary of a span of time, and from what it is; `None` when nothing in it was reported.
    pub(crate) fn gather(
        &mut self,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Option<(TierSummary, Sources)>, StoreError> {
        self.gatherer.clear();
        let mut sources = Sources::default();
        let mut at = from.max(self.oldest);
        while at < to {
            let span = Step::FiveMinutes.row_of(at);
            let end = to.min(span + Step::FiveMinutes.row());
            if self.unmade.contains(&span) {
                self.add_reports((at, end), &mut sources)?;
            } else {
                self.add_tiers((at, end), &mut sources)?;
            }
            at = end;
        }
        Ok(self.gatherer.finish().map(|summary| (summary, sources)))
    }

    /// How long the finest step is that tells of an instant; `None` when reports do.
    pub(crate) fn finest(&mut self, at: Timestamp) -> Result<Option<Nanos>, StoreError> {
        let span = Step::FiveMinutes.row_of(at);
        if at >= self.reader.reported_from()? || self.unmade.contains(&span) {
            return Ok(None);
        }
        let five_minutes = self.row(Step::FiveMinutes, at)?.is_some();
        let step = if five_minutes {
            Step::FiveMinutes
        } else {
            Step::Hour
        };
        Ok(Some(step.length()))
    }

    /// Adds what a span of time holds of which the tiers are made; it lies in one row of five minutes.
    fn add_tiers(
        &mut self,
        (from, to): (Timestamp, Timestamp),
        sources: &mut Sources,
    ) -> Result<(), StoreError> {
        // Once the five minutes are no longer kept, an hour is the finest that there is.
        let only_hours = self.row(Step::FiveMinutes, from)?.is_none();
        let mut at = from;
        while at < to {
            let hour = Step::Hour.of(at);
            let next_hour = hour + Step::Hour.length();
            let five = Step::FiveMinutes.of(at);
            let next_five = five + Step::FiveMinutes.length();
            at = if (hour == at && next_hour <= to) || only_hours {
                if hour >= from {
                    sources.hours += self.add_entry(Step::Hour, hour)?;
                }
                next_hour
            } else if five == at && next_five <= to {
                sources.five_minutes += self.add_entry(Step::FiveMinutes, five)?;
                next_five
            } else {
                let end = next_five.min(to);
                self.add_reports((at, end), sources)?;
                end
            };
        }
        Ok(())
    }

    /// Adds a summary if there is one; how many there were.
    fn add_entry(&mut self, step: Step, at: Timestamp) -> Result<u64, StoreError> {
        self.row(step, at)?;
        let row = self.rows.get(&step).and_then(|(_, row)| row.as_ref());
        let Some(entry) = row.and_then(|entries| entries.get(&at)) else {
            return Ok(0);
        };
        self.gatherer.add(entry);
        Ok(1)
    }

    fn add_reports(
        &mut self,
        span: (Timestamp, Timestamp),
        sources: &mut Sources,
    ) -> Result<(), StoreError> {
        let gatherer = &mut self.gatherer;
        self.reader.each_report(self.path, span, |report| {
            gatherer.add_report(report);
            sources.reports += 1;
        })
    }

    /// The row of a step that holds an instant; `None` when there is none.
    fn row(&mut self, step: Step, at: Timestamp) -> Result<Option<&Entries>, StoreError> {
        let start = step.row_of(at);
        if self.rows.get(&step).is_none_or(|(held, _)| *held != start) {
            let row = self.reader.tier_row(self.path, step, start)?;
            self.rows.insert(step, (start, row));
        }
        Ok(self.rows.get(&step).and_then(|(_, row)| row.as_ref()))
    }
}
