//! The clerk: makes tiers of reports, and leaves of old reports what judges read.
//!
//! What is to be done stands in the store, and is crossed off in the
//! transaction that does it; so a clerk that is killed, or runs twice, makes
//! nothing double and forgets nothing. A report that comes late marks its span
//! again, and the span is made anew from all its reports.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use owl_measure::report::Report;
use owl_measure::tier::{Believed, Gatherer};
use owl_measure::time::{Nanos, Timestamp};
use tracing::{error, info};

use super::inputs::{self, Input, PATHS_A_ROW, SLOT};
use super::row::{self, Entries};
use super::step::Step;
use crate::live::Live;
use crate::now::now;
use crate::store::{
    Change, Disbelieved, InputRow, Reader, Refused, SETTLED, Store, StoreError, TierRow, Unmade,
    Work,
};

/// How often the clerk looks.
const PERIOD: Duration = Duration::from_secs(20);
/// Spans of paths that are made before anything else is looked at.
const SPANS_A_ROUND: usize = 256;
/// Spans in one transaction: some 7 MB of reports a span pass through memory, and some hundred KB of tiers are written.
const SPANS_A_COMMIT: usize = 32;
/// How much time's reports are moved in one go.
const HOUR: Nanos = Nanos::from_secs(3_600);

/// Makes tiers and moves what judges read.
pub(crate) struct Clerk {
    store: Store,
    reader: Reader,
    live: Arc<Live>,
    /// How long reports are kept as they came.
    keep_reports: Nanos,
    gatherer: Gatherer,
    /// Of the span that was made last.
    disbelieved: Option<(Timestamp, Vec<Disbelieved>)>,
    failing: bool,
}

/// A round that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoundError {
    #[error(transparent)]
    Read(#[from] StoreError),
    #[error("cannot write tiers")]
    Write(#[from] Refused),
}

impl Clerk {
    pub(crate) fn new(
        store: Store,
        live: Arc<Live>,
        keep_reports: Nanos,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            reader: store.reader()?,
            store,
            live,
            keep_reports,
            gatherer: Gatherer::default(),
            disbelieved: None,
            failing: false,
        })
    }

    /// Works until `stop` is dropped.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        while stop.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
            let mut more = true;
            while more && matches!(stop.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)) {
                more = self.attend();
            }
        }
    }

    /// One round; whether there is more to do at once. Whoever judges also does this.
    fn attend(&mut self) -> bool {
        // No later than what was reported: a clock that jumped ahead moves nothing ahead of time.
        let newest = self.live.read().newest_report();
        let (Some(newest), true) = (newest, self.store.lease().epoch().is_some()) else {
            return false;
        };
        let now = newest.min(now());
        let outcome = self.round(now);
        let failed = outcome.is_err();
        match outcome {
            Ok(_) if self.failing => info!("tiers are made again"),
            // The writer has said why.
            Err(RoundError::Write(_)) => {}
            Err(RoundError::Read(ref error)) if !self.failing => {
                error!(%error, "cannot read what tiers are made from; they wait");
            }
            Ok(_) | Err(_) => {}
        }
        self.failing = failed;
        outcome.unwrap_or(false)
    }

    /// Does what is due at `now`; whether there is more.
    pub(crate) fn round(&mut self, now: Timestamp) -> Result<bool, RoundError> {
        let due = now - SETTLED - SETTLED - Step::FiveMinutes.row();
        let unmade = self.reader.unmade(due, SPANS_A_ROUND)?;
        // Of one time each, so that no path comes twice: what a span adds to the row of its hours is read before.
        let of_one_time = unmade.chunk_by(|one, two| one.span == two.span);
        for spans in of_one_time.flat_map(|spans| spans.chunks(SPANS_A_COMMIT)) {
            let mut rows = Vec::new();
            for span in spans {
                self.make(span, &mut rows)?;
            }
            self.write(Change::Tiers {
                rows,
                made: spans.to_vec(),
            })?;
        }
        if unmade.len() == SPANS_A_ROUND {
            return Ok(true);
        }
        self.leave_inputs(now - self.keep_reports)
    }

    fn write(&self, change: Change) -> Result<u64, Refused> {
        let epoch = self.store.lease().epoch().ok_or(Refused)?;
        self.store.write_judged(Work::Tiers(change), epoch)
    }

    /// The rows of one span of a path.
    fn make(&mut self, unmade: &Unmade, rows: &mut Vec<TierRow>) -> Result<(), StoreError> {
        let (path, from) = (&unmade.path, unmade.span);
        let to = from + Step::FiveMinutes.row();
        // Reports that are no longer kept as they came were made tiers of before.
        if from < self.reader.inputs_to()? {
            return Ok(());
        }
        let (mut fives, mut hours) = (Entries::new(), Entries::new());
        let mut open: Option<Timestamp> = None;
        let gatherer = &mut self.gatherer;
        gatherer.clear();
        let mut close = |gatherer: &mut Gatherer, at: Timestamp| {
            fives.extend(gatherer.finish().map(|summary| (at, summary)));
            gatherer.clear();
        };
        let add = |report: &Report| {
            let at = Step::FiveMinutes.of(report.summary.start);
            if let Some(before) = open.replace(at)
                && before != at
            {
                close(gatherer, before);
            }
            gatherer.add_report(report);
        };
        // What is packed meanwhile changes its place.
        self.reader
            .at_once(|reader| reader.each_report(path, (from, to), add))?;
        if let Some(last) = open {
            close(gatherer, last);
        }
        self.believe(path, from, &mut fives)?;
        for (at, summary) in &fives {
            let hour = Step::Hour.of(*at);
            match hours.get_mut(&hour) {
                Some(whole) => whole.merge(summary),
                None => {
                    hours.insert(hour, summary.clone());
                }
            }
        }
        // The hours of a span are a part of their row.
        let hour_row = Step::Hour.row_of(from);
        let mut kept = self
            .reader
            .tier_row(path, Step::Hour, hour_row)?
            .unwrap_or_default();
        kept.retain(|at, _| *at < from || *at >= to);
        kept.append(&mut hours);
        for (step, start, entries) in [
            (Step::FiveMinutes, from, &fives),
            (Step::Hour, hour_row, &kept),
        ] {
            rows.push(TierRow {
                path: path.clone(),
                step,
                start,
                body: row::write(entries),
            });
        }
        Ok(())
    }

    /// Notes in which windows an audit did not believe what was said.
    fn believe(
        &mut self,
        path: &str,
        span: Timestamp,
        fives: &mut Entries,
    ) -> Result<(), StoreError> {
        let Some((from, to)) = path.split_once('~') else {
            return Ok(());
        };
        // The paths of a span come one after the other.
        if self.disbelieved.as_ref().is_none_or(|(of, _)| *of != span) {
            let end = span + Step::FiveMinutes.row();
            self.disbelieved = Some((span, self.reader.disbelieved((span, end))?));
        }
        let windows = self
            .disbelieved
            .as_ref()
            .map_or(&[][..], |(_, windows)| windows);
        let of = |probe: &String| probe == from || probe == to;
        for (at, summary) in fives.iter_mut() {
            let end = *at + Step::FiveMinutes.length();
            let overlapping = || {
                windows
                    .iter()
                    .filter(|window| window.start < end && window.end > *at)
            };
            summary.believed = Believed {
                withdrawn: overlapping()
                    .filter(|window| window.clocks.iter().any(of))
                    .count() as u64,
                misplaced: overlapping()
                    .filter(|window| window.places.iter().any(of))
                    .count() as u64,
            };
        }
        Ok(())
    }

    /// Moves what judges read of the oldest hour whose reports began before `before`; whether there may be another one.
    fn leave_inputs(&mut self, before: Timestamp) -> Result<bool, RoundError> {
        let Some(oldest) = self.reader.oldest_report()? else {
            return Ok(false);
        };
        let hour = self
            .reader
            .inputs_to()?
            .max(oldest.period_start(HOUR, Timestamp(0)));
        let end = hour + HOUR;
        if end > before || self.reader.is_open(end)? {
            return Ok(false);
        }
        let paths = self.reader.tiered_paths(Step::FiveMinutes.row_of(hour))?;
        let mut first = true;
        for paths in paths.chunks(PATHS_A_ROW) {
            let rows = self.input_rows(paths, (hour, end))?;
            self.write(Change::Inputs {
                hour: (hour, end),
                anew: std::mem::take(&mut first),
                rows,
            })?;
        }
        // Refused where a report came meanwhile: then all of the hour is done again.
        Ok(self.write(Change::InputsDone { hour: (hour, end) })? > 0)
    }

    /// What judges read of the reports of some paths, minute by minute.
    fn input_rows(
        &self,
        paths: &[String],
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<InputRow>, StoreError> {
        let minutes = usize::try_from((to - from).0 / SLOT.0).unwrap_or(0);
        let mut slots: Vec<Vec<Input>> = vec![Vec::new(); minutes];
        for path in paths {
            let keep = |input: Input| {
                let slot = (input.report.summary.start - from).0 / SLOT.0;
                let slot = usize::try_from(slot).ok();
                if let Some(slot) = slot.and_then(|slot| slots.get_mut(slot)) {
                    slot.push(input);
                }
            };
            self.reader
                .at_once(|reader| reader.each_judged(path, (from, to), keep))?;
        }
        let (Some(first), Some(last)) = (paths.first(), paths.last()) else {
            return Ok(Vec::new());
        };
        let filled = (0..).zip(slots).filter(|(_, slot)| !slot.is_empty());
        let rows = filled.map(|(k, slot)| InputRow {
            start: from + SLOT.times(k),
            first_path: first.clone(),
            last_path: last.clone(),
            body: inputs::write(&slot),
        });
        Ok(rows.collect())
    }
}
