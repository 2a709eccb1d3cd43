//! What is kept for longer than reports: rows of summaries, and what judges read.

use std::collections::{BTreeSet, HashMap};

use owl_measure::report::Report;
use owl_measure::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use super::batches::RawReport;
use super::database::{Database, DatabaseError, Transaction, values};
use super::raw::{Found, Wanted};
use super::{Reader, StoreError};
use crate::history::inputs::{self, Input};
use crate::history::row::{self, Entries};
use crate::history::step::Step;

/// How long after the end of a span its reports are waited for; one that comes later marks the span again.
pub(crate) const SETTLED: Nanos = Nanos::from_secs(300);
/// Longer than any window that is judged.
const WINDOW_MAX: Nanos = Nanos::from_secs(86_400);
/// The name in `reached` of up to where reports were moved to what judges read of them.
const INPUTS: &str = "judged_input";

/// Six hours of a path of which the tiers are not made, or not since a report came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unmade {
    pub(crate) path: String,
    /// When they begin.
    pub(crate) span: Timestamp,
    /// Grows with every report that comes late, so that no row goes whose reports were not seen.
    pub(crate) version: i64,
}

/// A row of summaries.
#[derive(Debug)]
pub(crate) struct TierRow {
    pub(crate) path: String,
    pub(crate) step: Step,
    pub(crate) start: Timestamp,
    pub(crate) body: Vec<u8>,
}

/// A row of what judges read.
#[derive(Debug)]
pub(crate) struct InputRow {
    pub(crate) start: Timestamp,
    pub(crate) first_path: String,
    pub(crate) last_path: String,
    pub(crate) body: Vec<u8>,
}

/// A judged window in which an audit did not believe somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disbelieved {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// Probes whose clocks were not believed.
    pub(crate) clocks: Vec<String>,
    /// Probes whose coordinates were not.
    pub(crate) places: Vec<String>,
}

impl Disbelieved {
    /// Whether everybody was believed.
    pub(crate) fn is_nobody(&self) -> bool {
        self.clocks.is_empty() && self.places.is_empty()
    }
}

#[derive(Serialize, Deserialize)]
struct DisbelievedBody {
    clocks: Vec<String>,
    places: Vec<String>,
}

/// What changes of it.
#[derive(Debug)]
pub(crate) enum Change {
    /// Rows were made of these spans. Answers 0.
    Tiers {
        rows: Vec<TierRow>,
        made: Vec<Unmade>,
    },
    /// An audit of a window was done, and whom it did not believe. Answers 0.
    Audited(Disbelieved),
    /// Rows of what judges read in an hour; with the first of them those of an earlier attempt go. Answers 0.
    Inputs {
        hour: (Timestamp, Timestamp),
        anew: bool,
        rows: Vec<InputRow>,
    },
    /// All of them are there, so the reports of that hour may go. Answers 0 when a report came meanwhile, and nothing is
    /// changed.
    InputsDone { hour: (Timestamp, Timestamp) },
    /// Rows of a step that began before an instant may go: those of one time each. Answers how many went.
    Retain(Vec<(Step, Timestamp)>),
}

/// The span that was marked last of each path: as many as the topology has paths.
#[derive(Debug, Default)]
pub(super) struct Marks(HashMap<String, Timestamp>);

/// What a transaction marked; it becomes true with the commit.
#[derive(Debug, Default)]
pub(super) struct NewMarks(HashMap<String, Timestamp>);

impl Marks {
    /// Takes over what was committed.
    pub(super) fn learn(&mut self, new: NewMarks) {
        self.0.extend(new.0);
    }
}

impl NewMarks {
    /// Marks the span of a report that was received at an instant, unless that is done.
    pub(super) fn mark(
        &mut self,
        known: &Marks,
        transaction: &Transaction<'_>,
        (report, received_at): (&Report, Timestamp),
    ) -> Result<(), DatabaseError> {
        let span = Step::FiveMinutes.row_of(report.summary.start);
        let late = span + Step::FiveMinutes.row() + SETTLED < received_at;
        let last = self
            .0
            .get(&report.path)
            .or_else(|| known.0.get(&report.path));
        if !late && last == Some(&span) {
            return Ok(());
        }
        transaction.execute(
            "INSERT INTO untiered (path, start_ns, version) VALUES ($1, $2, 1)
             ON CONFLICT (start_ns, path) DO UPDATE SET version = untiered.version + 1",
            &values![&report.path, span.0],
        )?;
        if !late {
            self.0.insert(report.path.clone(), span);
        }
        Ok(())
    }
}

/// Up to when what judges read has taken the place of the reports.
pub(super) fn inputs_to(database: &Database) -> Result<Timestamp, DatabaseError> {
    let at: Option<i64> = database.one(
        "SELECT at_ns FROM reached WHERE name = $1",
        &values![INPUTS],
    )?;
    Ok(at.map_or(Timestamp(i64::MIN), Timestamp))
}

/// Before when no report waits for its tiers to be made; `None` when none waits at all.
pub(super) fn oldest_unmade(database: &Database) -> Result<Option<i64>, DatabaseError> {
    let oldest: Option<Option<i64>> = database.one("SELECT min(start_ns) FROM untiered", &[])?;
    Ok(oldest.flatten())
}

/// Carries out a change.
pub(super) fn change(transaction: &Transaction<'_>, change: &Change) -> Result<u64, DatabaseError> {
    match change {
        Change::Tiers { rows, made } => {
            for row in rows {
                transaction.execute(
                    "INSERT INTO tier (path, step_ns, start_ns, body) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (path, step_ns, start_ns) DO UPDATE SET body = excluded.body",
                    &values![&row.path, row.step.length().0, row.start.0, &row.body],
                )?;
            }
            for made in made {
                transaction.execute(
                    "DELETE FROM untiered WHERE start_ns = $1 AND path = $2 AND version = $3",
                    &values![made.span.0, &made.path, made.version],
                )?;
            }
            Ok(0)
        }
        Change::Audited(window) => {
            let (start, length) = (window.start.0, (window.end - window.start).0);
            transaction.execute(
                "DELETE FROM disbelieved WHERE start_ns = $1 AND length_ns = $2",
                &values![start, length],
            )?;
            if !window.is_nobody() {
                let body = DisbelievedBody {
                    clocks: window.clocks.clone(),
                    places: window.places.clone(),
                };
                transaction.execute(
                    "INSERT INTO disbelieved (start_ns, length_ns, body) VALUES ($1, $2, $3)",
                    &values![start, length, &serde_json::to_string(&body)?],
                )?;
            }
            Ok(0)
        }
        Change::Inputs { hour, anew, rows } => {
            if *anew {
                transaction.execute(
                    "DELETE FROM judged_input WHERE start_ns >= $1 AND start_ns < $2",
                    &values![hour.0.0, hour.1.0],
                )?;
            }
            for row in rows {
                transaction.execute(
                    "INSERT INTO judged_input (start_ns, first_path, last_path, body) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (start_ns, first_path) DO UPDATE SET last_path = excluded.last_path, body = excluded.body",
                    &values![row.start.0, &row.first_path, &row.last_path, &row.body],
                )?;
            }
            Ok(0)
        }
        Change::InputsDone { hour } => {
            if is_open(transaction, hour.1)? {
                return Ok(0);
            }
            transaction.execute(
                "INSERT INTO reached (name, at_ns) VALUES ($1, $2)
                 ON CONFLICT (name) DO UPDATE SET at_ns = excluded.at_ns",
                &values![INPUTS, hour.1.0],
            )
        }
        Change::Retain(horizons) => {
            let mut removed = 0;
            for (step, before) in horizons {
                let oldest: Option<Option<i64>> = transaction.one(
                    "SELECT min(start_ns) FROM tier WHERE step_ns = $1",
                    &values![step.length().0],
                )?;
                if let Some(oldest) = oldest.flatten()
                    && Timestamp(oldest) + step.row() <= *before
                {
                    removed += transaction.execute(
                        "DELETE FROM tier WHERE step_ns = $1 AND start_ns = $2",
                        &values![step.length().0, oldest],
                    )?;
                }
            }
            Ok(removed)
        }
    }
}

/// Whether something is yet to be done with reports that began before an instant.
fn is_open(database: &Database, before: Timestamp) -> Result<bool, DatabaseError> {
    let any: Option<i64> = database.one(
        "SELECT 1 FROM dirty WHERE window_start_ns < $1 UNION ALL SELECT 1 FROM untiered WHERE start_ns < $1 LIMIT 1",
        &values![before.0],
    )?;
    Ok(any.is_some())
}

impl Input {
    /// What judges read of a report.
    pub(super) fn of(raw: &RawReport, report: Report) -> Self {
        Self {
            number: raw.number.clone(),
            received_at: raw.received_at,
            report: report.for_judge(),
        }
    }
}

impl Reader {
    /// Spans that ended before `before` and whose tiers are not made, the oldest first and path by path.
    pub(crate) fn unmade(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Unmade>, StoreError> {
        let sql = "SELECT path, start_ns, version FROM untiered WHERE start_ns <= $1 ORDER BY start_ns, path LIMIT $2";
        let last = before - Step::FiveMinutes.row();
        self.rows(sql, &values![last.0, limit], |row| {
            Ok(Unmade {
                path: row.get(0)?,
                span: Timestamp(row.get(1)?),
                version: row.get(2)?,
            })
        })
    }

    /// The spans of a path whose tiers are not made, or not since a report came.
    pub(crate) fn unmade_spans(&self, path: &str) -> Result<BTreeSet<Timestamp>, StoreError> {
        let sql = "SELECT start_ns FROM untiered WHERE path = $1";
        let spans = self.rows(sql, &values![path], |row| Ok(Timestamp(row.get(0)?)))?;
        Ok(spans.into_iter().collect())
    }

    /// When the first row of summaries of a path begins; `None` when there is none.
    pub(crate) fn first_tier(&self, path: &str) -> Result<Option<Timestamp>, StoreError> {
        let first: Option<Option<i64>> = self
            .database
            .one(
                "SELECT min(start_ns) FROM tier WHERE path = $1",
                &values![path],
            )
            .map_err(|source| self.fault(source))?;
        Ok(first.flatten().map(Timestamp))
    }

    /// A row of summaries; `None` when there is none.
    pub(crate) fn tier_row(
        &self,
        path: &str,
        step: Step,
        start: Timestamp,
    ) -> Result<Option<Entries>, StoreError> {
        let sql = "SELECT body FROM tier WHERE path = $1 AND step_ns = $2 AND start_ns = $3";
        let body: Option<Vec<u8>> = self
            .database
            .one(sql, &values![path, step.length().0, start.0])
            .map_err(|source| self.fault(source))?;
        body.map(|body| row::read(step, start, &body).ok_or_else(|| self.damaged("tier")))
            .transpose()
    }

    /// The paths of which five minutes are kept in a row that begins then, in order.
    pub(crate) fn tiered_paths(&self, start: Timestamp) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT path FROM tier WHERE step_ns = $1 AND start_ns = $2 ORDER BY path";
        let step = Step::FiveMinutes.length();
        self.rows(sql, &values![step.0, start.0], |row| row.get(0))
    }

    /// Windows that overlap a span of time and in which an audit did not believe somebody.
    pub(crate) fn disbelieved(
        &self,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<Disbelieved>, StoreError> {
        let sql = "SELECT start_ns, length_ns, body FROM disbelieved
                   WHERE start_ns > $1 AND start_ns < $2 AND start_ns + length_ns > $3 ORDER BY start_ns, length_ns";
        let earliest = from - WINDOW_MAX;
        let rows = self.rows(sql, &values![earliest.0, to.0, from.0], |row| {
            Ok((
                Timestamp(row.get(0)?),
                Nanos(row.get(1)?),
                row.get::<String>(2)?,
            ))
        })?;
        rows.into_iter()
            .map(|(start, length, body)| {
                let body: DisbelievedBody =
                    serde_json::from_str(&body).map_err(|_| self.damaged("disbelieved"))?;
                Ok(Disbelieved {
                    start,
                    end: start + length,
                    clocks: body.clocks,
                    places: body.places,
                })
            })
            .collect()
    }

    /// Whom the last audit of a window did not believe.
    pub(crate) fn disbelieved_in(
        &self,
        start: Timestamp,
        length: Nanos,
    ) -> Result<Disbelieved, StoreError> {
        let end = start + length;
        let windows = self.disbelieved((start, end))?;
        let same = windows
            .into_iter()
            .find(|window| (window.start, window.end) == (start, end));
        Ok(same.unwrap_or(Disbelieved {
            start,
            end,
            clocks: Vec::new(),
            places: Vec::new(),
        }))
    }

    /// Up to when what judges read has taken the place of the reports.
    pub(crate) fn inputs_to(&self) -> Result<Timestamp, StoreError> {
        inputs_to(&self.database).map_err(|source| self.fault(source))
    }

    /// Whether something is yet to be done with reports that began before an instant: to judge them, or to make their tiers.
    pub(crate) fn is_open(&self, before: Timestamp) -> Result<bool, StoreError> {
        is_open(&self.database, before).map_err(|source| self.fault(source))
    }

    /// When the oldest report began that is kept as it came; `None` when there is none.
    pub(crate) fn oldest_report(&self) -> Result<Option<Timestamp>, StoreError> {
        let oldest: Option<Option<i64>> = self
            .database
            .one(
                "SELECT min(start_ns) FROM (SELECT min(start_ns) AS start_ns FROM block
                 UNION ALL SELECT min(start_ns) AS start_ns FROM batch) AS either",
                &[],
            )
            .map_err(|source| self.fault(source))?;
        Ok(oldest.flatten().map(Timestamp))
    }

    /// From when on reports tell of single intervals, as they came or as judges read them.
    pub(crate) fn reported_from(&self) -> Result<Timestamp, StoreError> {
        let oldest: Option<Option<i64>> = self
            .database
            .one("SELECT min(start_ns) FROM judged_input", &[])
            .map_err(|source| self.fault(source))?;
        let kept = oldest.flatten().map(Timestamp);
        Ok(kept
            .or(self.oldest_report()?)
            .unwrap_or(Timestamp(i64::MAX)))
    }

    /// The reports of a path that begin in a span of time, in the order of time; those that judges leave out are left out
    /// here, too. Asked within [`Self::at_once`], since what is packed or moved meanwhile changes its place.
    pub(crate) fn each_report(
        &self,
        path: &str,
        span: (Timestamp, Timestamp),
        mut each: impl FnMut(&Report),
    ) -> Result<(), StoreError> {
        let (kept, found) = self.found(path, span)?;
        kept.iter().for_each(|input| each(&input.report));
        for raw in found.reports {
            if let Ok(report) = Report::decode(&raw.octets) {
                each(&report);
            }
        }
        Ok(())
    }

    /// What judges read of them, with their numbers; a damaged one is an error.
    pub(crate) fn each_input(
        &self,
        path: &str,
        span: (Timestamp, Timestamp),
        mut each: impl FnMut(Input),
    ) -> Result<(), StoreError> {
        let (kept, found) = self.found(path, span)?;
        if let Some(damage) = found.damaged.into_iter().next() {
            return Err(damage);
        }
        kept.into_iter().for_each(&mut each);
        for raw in &found.reports {
            let report =
                Report::decode(&raw.octets).map_err(|_| self.damaged_report(&raw.number))?;
            each(Input::of(raw, report));
        }
        Ok(())
    }

    /// The same of those that are kept as they came and can be read, for whoever moves them.
    pub(crate) fn each_judged(
        &self,
        path: &str,
        span: (Timestamp, Timestamp),
        mut each: impl FnMut(Input),
    ) -> Result<(), StoreError> {
        for raw in &self.found(path, span)?.1.reports {
            if let Ok(report) = Report::decode(&raw.octets) {
                each(Input::of(raw, report));
            }
        }
        Ok(())
    }

    /// What is kept of the reports of a path: the part that was moved, and the part that is as it came.
    fn found(
        &self,
        path: &str,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<(Vec<Input>, Found), StoreError> {
        let moved = self.inputs_to()?;
        let mut kept = Vec::new();
        if from < moved {
            let sql = "SELECT body FROM judged_input WHERE start_ns >= $1 AND start_ns < $2 AND first_path <= $3
                       AND last_path >= $3 ORDER BY start_ns";
            let first = inputs::slot_of(from);
            let bodies = self.rows(sql, &values![first.0, to.0, path], |row| {
                row.get::<Vec<u8>>(0)
            })?;
            for body in bodies {
                let inputs = inputs::read(&body).ok_or_else(|| self.damaged("judged_input"))?;
                kept.extend(inputs.into_iter().filter(|input| {
                    let start = input.report.summary.start;
                    input.report.path == path && start >= from && start < to
                }));
            }
        }
        let found = self.raw(&Wanted {
            probe: path.split_once('~').map_or(path, |(from, _)| from),
            path: Some(path),
            start: from.max(moved),
            end: to,
        })?;
        Ok((kept, found))
    }

    /// What judges read of the reports that begin in a span of time and are no longer kept as they came, path by path and in
    /// the order in which they are judged.
    pub(crate) fn inputs(
        &self,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<Input>, StoreError> {
        let sql = "SELECT body FROM judged_input WHERE start_ns >= $1 AND start_ns < $2";
        let first = inputs::slot_of(from);
        let mut kept = Vec::new();
        for body in self.rows(sql, &values![first.0, to.0], |row| row.get::<Vec<u8>>(0))? {
            kept.extend(inputs::read(&body).ok_or_else(|| self.damaged("judged_input"))?);
        }
        kept.retain(|input| (from..to).contains(&input.report.summary.start));
        kept.sort_by(|one, two| {
            let key = |input: &Input| (input.report.summary.start, input.number.sequence);
            let by_path = one.report.path.cmp(&two.report.path);
            let by_number =
                (&one.number.probe, one.number.epoch).cmp(&(&two.number.probe, two.number.epoch));
            by_path.then(key(one).cmp(&key(two))).then(by_number)
        });
        Ok(kept)
    }
}
