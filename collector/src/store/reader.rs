//! Those who read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use owl_measure::report::Report;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::period::PeriodWindow;
use owl_measure::verdict::{ReportedClock, SessionWindow};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::counting::{counted_by, uncounted};
use super::database::{Database, DatabaseError, Purpose, Row, Value, values};
use super::delays;
use super::lent::Lent;
use super::raw::Wanted;
use super::{Place, ReportNumber, StoreError, hours, numbers, refused, schema, verdicts};
use crate::history::inputs::Input;
use crate::judgement::{Inputs, Judgement};
use crate::live::{Caller, Live};
use crate::rulebook::hex;
use crate::totals::Totals;
use crate::way::WayName;

/// Reports of one path that one window takes in; a probe that sends more of them is judged by the first.
const REPORTS_A_SESSION_MAX: usize = 4_096;

/// A window with reports that no verdict has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dirty {
    pub(crate) length: Nanos,
    pub(crate) start: Timestamp,
    /// Grows with every change, so a verdict clears only what it has seen.
    pub(crate) version: i64,
}

/// Which verdicts of a path are wanted, newest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HistoryQuery<'a> {
    /// The path; all of them without one.
    pub(crate) path: Option<&'a str>,
    /// Windows that begin then or later.
    pub(crate) since: Timestamp,
    /// Those behind this one, in the order of the answer; all without it.
    pub(crate) after: Option<&'a VerdictName>,
    /// How many at most.
    pub(crate) limit: usize,
}

/// What tells a stored verdict from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerdictName {
    /// When its window began.
    pub(crate) start: Timestamp,
    /// The path.
    pub(crate) path: String,
    /// The profile that judged it.
    pub(crate) profile: String,
}

/// Which windows of a path are wanted in short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeptWindows<'a> {
    /// The path.
    pub(crate) path: &'a str,
    /// The profile that judged them.
    pub(crate) profile: &'a str,
    /// How long they are.
    pub(crate) length: Nanos,
    /// Windows that begin then or later.
    pub(crate) start: Timestamp,
    /// And before this.
    pub(crate) end: Timestamp,
}

/// A change of the hop count of one flow of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HopChange {
    pub(crate) flow: u32,
    pub(crate) direction: WayName,
    /// When the first interval began all of whose packets took the new number of hops.
    #[serde(rename = "at_ns")]
    pub(crate) at: Timestamp,
    /// Hops before: 255 less the TTL on arrival.
    pub(crate) before: u8,
    /// Hops since.
    pub(crate) after: u8,
}

/// What the store holds of one probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProbeRows {
    pub(crate) probe: String,
    pub(crate) epoch: u64,
    pub(crate) stored_sequence: u64,
    pub(crate) rows: u64,
}

/// What a window holds.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// By path, from the reports whose intervals lie wholly in the window.
    pub(crate) of: HashMap<String, SessionWindow>,
    /// Paths with a report that begins in the window and ends behind it, so it can be judged in neither.
    pub(crate) straddling: HashSet<String>,
    /// By path, what its session was put together from.
    pub(crate) inputs: HashMap<String, Inputs>,
    /// What is damaged first, and how many reports, batches and blocks are: they are left out.
    pub(crate) damaged: Option<(StoreError, u64)>,
}

/// The reports of one path while they are read.
#[derive(Default)]
struct OfPath {
    path: String,
    reports: Vec<Report>,
    digest: Sha256,
}

/// A connection that only reads.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(super) database: Lent,
}

impl Reader {
    pub(super) fn open(place: &Place) -> Result<Self, StoreError> {
        let database = Database::connect(place, Purpose::Read).map_err(refused(place))?;
        Ok(Self::on(database.into()))
    }

    pub(super) fn on(database: Lent) -> Self {
        Self { database }
    }

    /// Of the store in a state directory, which somebody else writes, or wrote: its schema must be the one that this
    /// version knows.
    pub(crate) fn of_directory(directory: &Path) -> Result<Self, StoreError> {
        Self::beside(&Place::in_directory(directory))
    }

    /// Of a store that somebody else writes, or wrote: its schema must be the one that this version knows.
    pub(crate) fn beside(place: &Place) -> Result<Self, StoreError> {
        let database = Database::connect(place, Purpose::ReadBeside).map_err(refused(place))?;
        schema::check(&database)?;
        Ok(Self::on(database.into()))
    }

    /// Which store it is.
    pub(crate) fn place(&self) -> &Place {
        self.database.place()
    }

    pub(super) fn fault(&self, source: DatabaseError) -> StoreError {
        refused(self.place())(source)
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, DatabaseError>,
    ) -> Result<Vec<T>, StoreError> {
        self.database
            .rows(sql, values, read)
            .map_err(|source| self.fault(source))
    }

    /// Fills in what the store knows of these paths, which the table did not have before. Their counters begin where the store
    /// has them; the writer adds to them from there.
    pub(crate) fn fill_paths(&self, live: &Live, new: &HashSet<String>) -> Result<(), StoreError> {
        if new.is_empty() {
            return Ok(());
        }
        let targets = live.read().targets();
        let mut counted: HashMap<String, Totals> = HashMap::new();
        let probes: BTreeSet<&str> = new
            .iter()
            .filter_map(|path| Some(path.split_once('~')?.0))
            .collect();
        for probe in probes {
            let of_it = counted_by(&self.database, probe, &targets);
            counted.extend(of_it.map_err(|source| self.fault(source))?);
        }
        let mut table = live.write();
        for live in &mut table.paths {
            if new.contains(&live.path.id) {
                live.totals = counted.remove(&live.path.id).unwrap_or_default();
                live.latest = self.latest(&live.path.id, &live.path.profile.id)?;
            }
        }
        Ok(())
    }

    /// Fills a table of what is live from the store; returns all totals, also of paths that are judged no more.
    pub(super) fn fill(&self, live: &Live) -> Result<HashMap<String, Totals>, StoreError> {
        let mut totals: HashMap<String, Totals> = HashMap::new();
        let counters = self.rows("SELECT path, name, value FROM counter", &[], |row| {
            Ok((
                row.get::<String>(0)?,
                row.get::<String>(1)?,
                row.get::<i64>(2)?,
            ))
        })?;
        for (path, name, value) in counters {
            totals
                .entry(path)
                .or_default()
                .set(&name, u64::try_from(value).unwrap_or(0));
        }
        delays::read(self, &mut totals)?;
        let targets = live.read().targets();
        for probe in self.reporting_probes()? {
            uncounted(&self.database, &probe, &targets, &mut totals)
                .map_err(|source| self.fault(source))?;
        }
        let callers = self.callers()?;
        let acks = self.rows(
            "SELECT probe, epoch, stored, received_at_ns FROM ack",
            &[],
            |row| {
                Ok((
                    row.get::<String>(0)?,
                    epoch_of(row.get(1)?),
                    row.get::<i64>(2)?,
                    Timestamp(row.get(3)?),
                ))
            },
        )?;
        let mut missing =
            numbers::all_missing(&self.database).map_err(|source| self.fault(source))?;
        let mut table = live.write();
        for live in &mut table.paths {
            live.totals = totals.get(&live.path.id).cloned().unwrap_or_default();
            live.latest = self.latest(&live.path.id, &live.path.profile.id)?;
        }
        for (probe, caller) in callers {
            if let Some(live) = table.probes.get_mut(&probe) {
                live.caller = Some(caller);
            }
        }
        for (probe, epoch, stored, received_at) in acks {
            if let Some(live) = table.probes.get_mut(&probe) {
                live.reported_at = live.reported_at.max(Some(received_at));
                if live
                    .caller
                    .as_ref()
                    .is_some_and(|caller| caller.epoch == epoch)
                {
                    live.stored = u64::try_from(stored).unwrap_or(0);
                    live.awaited = missing.remove(&(probe, epoch)).unwrap_or_default();
                }
            }
        }
        Ok(totals)
    }

    /// Who has called, and what each said.
    pub(super) fn callers(&self) -> Result<Vec<(String, Caller)>, StoreError> {
        self.rows(
            "SELECT probe, epoch, software, simulated, called_at_ns FROM probe",
            &[],
            |row| {
                let caller = Caller {
                    epoch: epoch_of(row.get(1)?),
                    software: row.get(2)?,
                    simulated: row.get(3)?,
                    called_at: Timestamp(row.get(4)?),
                };
                Ok((row.get::<String>(0)?, caller))
            },
        )
    }

    fn latest(&self, path: &str, profile: &str) -> Result<Option<Judgement>, StoreError> {
        let sql = format!(
            "SELECT {} FROM verdict WHERE path = $1 AND profile = $2 ORDER BY window_start_ns DESC LIMIT 1",
            verdicts::COLUMNS
        );
        let body = self
            .rows(&sql, &values![path, profile], verdicts::only)?
            .pop();
        body.map(|body| self.judgement(&body)).transpose()
    }

    pub(crate) fn judgement(&self, body: &str) -> Result<Judgement, StoreError> {
        serde_json::from_str(body).map_err(|_| StoreError::Damaged {
            store: self.place().clone(),
            table: "verdict",
        })
    }

    pub(crate) fn damaged_report(&self, report: &ReportNumber) -> StoreError {
        StoreError::DamagedReport {
            store: self.place().clone(),
            report: report.clone(),
        }
    }

    /// The sessions of a window. What is packed meanwhile stands in a batch or in a block, so this is asked within
    /// [`Self::at_once`].
    pub(crate) fn sessions(
        &self,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Sessions, StoreError> {
        let mut sessions = Sessions::default();
        let moved = self.inputs_to()?;
        // Of a window that reaches over the end of what was moved, the first part is of what was kept.
        let mut kept: BTreeMap<String, Vec<Input>> = BTreeMap::new();
        if start < moved {
            for input in self.inputs((start, end))? {
                let of_path = kept.entry(input.report.path.clone()).or_default();
                of_path.push(input);
            }
        }
        // A path is reported by the probe that it begins at. One probe at a time is held as reports; a session is much
        // smaller than what it is made from.
        for probe in self.reporting_probes()? {
            let found = self.raw(&Wanted {
                probe: &probe,
                path: None,
                start: start.max(moved),
                end,
            })?;
            for damage in found.damaged {
                sessions.damaged.get_or_insert((damage, 0)).1 += 1;
            }
            let mut of_path = OfPath::default();
            for raw in &found.reports {
                if raw.path != of_path.path {
                    let next = OfPath {
                        path: raw.path.clone(),
                        ..OfPath::default()
                    };
                    sessions.take(std::mem::replace(&mut of_path, next));
                    for input in kept.remove(&raw.path).unwrap_or_default() {
                        sessions.add(&mut of_path, input, end);
                    }
                }
                match Report::decode(&raw.octets) {
                    Ok(report) => sessions.add(&mut of_path, Input::of(raw, report), end),
                    Err(_) => {
                        let damage = || (self.damaged_report(&raw.number), 0);
                        sessions.damaged.get_or_insert_with(damage).1 += 1;
                    }
                }
            }
            sessions.take(of_path);
        }
        for (path, inputs) in kept {
            let mut of_path = OfPath {
                path,
                ..OfPath::default()
            };
            for input in inputs {
                sessions.add(&mut of_path, input, end);
            }
            sessions.take(of_path);
        }
        sessions.introduce();
        Ok(sessions)
    }

    /// Windows that no verdict has seen since they changed, and that began before `before`; the oldest first.
    pub(crate) fn dirty(&self, before: Timestamp, limit: usize) -> Result<Vec<Dirty>, StoreError> {
        let sql = "SELECT window_ns, window_start_ns, version FROM dirty WHERE window_start_ns + window_ns <= $1
                   ORDER BY window_start_ns LIMIT $2";
        self.rows(sql, &values![before.0, limit], |row| {
            Ok(Dirty {
                length: Nanos(row.get(0)?),
                start: Timestamp(row.get(1)?),
                version: row.get(2)?,
            })
        })
    }

    /// Where the newest judged window of a length begins, among those that begin at `since` or later.
    pub(crate) fn last_judged(
        &self,
        length: Nanos,
        since: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let sql =
            "SELECT window_start_ns FROM verdict WHERE window_start_ns >= $1 AND window_ns = $2
                   ORDER BY window_start_ns DESC LIMIT 1";
        let start: Option<i64> = self
            .database
            .one(sql, &values![since.0, length.0])
            .map_err(|source| self.fault(source))?;
        Ok(start.map(Timestamp))
    }

    /// The version of one window; `None` when nothing new is in it.
    pub(crate) fn dirty_window(
        &self,
        length: Nanos,
        start: Timestamp,
    ) -> Result<Option<Dirty>, StoreError> {
        let sql = "SELECT version FROM dirty WHERE window_ns = $1 AND window_start_ns = $2";
        let version = self.rows(sql, &values![length.0, start.0], |row| row.get(0))?;
        Ok(version.first().map(|&version| Dirty {
            length,
            start,
            version,
        }))
    }

    /// Verdicts of the past: newest first, those of one instant by path and profile.
    pub(crate) fn history(&self, query: HistoryQuery<'_>) -> Result<Vec<Judgement>, StoreError> {
        let columns = verdicts::COLUMNS;
        // No window begins as late as that, so all are behind it.
        let (start, path, profile) = query.after.map_or((i64::MAX, "", ""), |after| {
            (after.start.0, after.path.as_str(), after.profile.as_str())
        });
        let bodies = match query.path {
            Some(path) => self.rows(
                &format!(
                    "SELECT {columns} FROM verdict WHERE path = $1 AND window_start_ns >= $2
                     AND (window_start_ns < $3 OR (window_start_ns = $3 AND profile > $4))
                     ORDER BY window_start_ns DESC, profile LIMIT $5"
                ),
                &values![path, query.since.0, start, profile, query.limit],
                verdicts::only,
            ),
            None => self.rows(
                &format!(
                    "SELECT {columns} FROM verdict WHERE window_start_ns >= $1 AND window_start_ns <= $2
                     AND (window_start_ns < $2 OR path > $3 OR (path = $3 AND profile > $4))
                     ORDER BY window_start_ns DESC, path, profile LIMIT $5"
                ),
                &values![query.since.0, start, path, profile, query.limit],
                verdicts::only,
            ),
        }?;
        bodies.iter().map(|body| self.judgement(body)).collect()
    }

    /// By which profile, and in windows of which length, a path was judged last; `None` when it never was.
    pub(crate) fn last_judged_by(&self, path: &str) -> Result<Option<(String, Nanos)>, StoreError> {
        let sql = "SELECT profile, window_ns FROM hour WHERE path = $1 ORDER BY hour_start_ns DESC LIMIT 1";
        let found = self.rows(sql, &values![path], |row| {
            Ok((row.get(0)?, Nanos(row.get(1)?)))
        })?;
        Ok(found.into_iter().next())
    }

    /// The windows of a path that begin in a span of time, in short and in order of time.
    pub(crate) fn in_short(
        &self,
        wanted: &KeptWindows<'_>,
    ) -> Result<Vec<PeriodWindow>, StoreError> {
        let KeptWindows {
            path,
            profile,
            length,
            start,
            end,
        } = *wanted;
        let damaged = |table| StoreError::Damaged {
            store: self.place().clone(),
            table,
        };
        let sql = "SELECT hour_start_ns, body FROM hour WHERE path = $1 AND profile = $2 AND window_ns = $3
                       AND hour_start_ns >= $4 AND hour_start_ns < $5 ORDER BY hour_start_ns";
        let first = hours::hour_of(start);
        let kept = self.rows(
            sql,
            &values![path, profile, length.0, first.0, end.0],
            |row| Ok((Timestamp(row.get(0)?), row.get::<Vec<u8>>(1)?)),
        )?;
        let (mut windows, mut next) = (Vec::new(), first);
        for (hour, body) in kept {
            self.add_verdicts(wanted, (next, hour), &mut windows)?;
            windows.extend(hours::read(hour, &body).ok_or_else(|| damaged("hour"))?);
            next = hour + hours::HOUR;
        }
        self.add_verdicts(wanted, (next, end), &mut windows)?;
        windows.retain(|window| (start..end).contains(&window.start));
        Ok(windows)
    }

    /// The same of hours without a row: no window of theirs was judged, or only by an older version.
    fn add_verdicts(
        &self,
        wanted: &KeptWindows<'_>,
        (start, end): (Timestamp, Timestamp),
        windows: &mut Vec<PeriodWindow>,
    ) -> Result<(), StoreError> {
        if start >= end {
            return Ok(());
        }
        let bodies = self.rows(
            &format!(
                "SELECT {} FROM verdict WHERE path = $1 AND profile = $2 AND window_start_ns >= $3 AND window_start_ns < $4
                     AND window_ns = $5 ORDER BY window_start_ns",
                verdicts::COLUMNS
            ),
            &values![wanted.path, wanted.profile, start.0, end.0, wanted.length.0],
            verdicts::only,
        )?;
        for body in bodies {
            windows.push(self.judgement(&body)?.in_short());
        }
        Ok(())
    }

    /// When the hop count of a path changed, newest first.
    pub(crate) fn hop_changes(
        &self,
        path: &str,
        limit: usize,
    ) -> Result<Vec<HopChange>, StoreError> {
        self.rows(
            "SELECT flow, direction, at_ns, before, after FROM hop_change
             WHERE path = $1 AND before IS NOT NULL ORDER BY at_ns DESC, flow, direction LIMIT $2",
            &values![path, limit],
            |row| {
                let direction = match row.get::<i64>(1)? {
                    0 => WayName::Forward,
                    _ => WayName::Backward,
                };
                let hops = |ttl: u8| u8::MAX - ttl;
                Ok(HopChange {
                    flow: row.get(0)?,
                    direction,
                    at: Timestamp(row.get(2)?),
                    before: hops(row.get(3)?),
                    after: hops(row.get(4)?),
                })
            },
        )
    }

    /// What is stored of each probe and epoch.
    pub(crate) fn probe_rows(&self) -> Result<Vec<ProbeRows>, StoreError> {
        let sql = "SELECT probe, epoch,
                       coalesce((SELECT min(first) - 1 FROM missing WHERE missing.probe = ack.probe AND missing.epoch = ack.epoch), stored),
                       CAST((SELECT coalesce(sum(reports), 0) FROM batch
                           WHERE batch.probe = ack.probe AND batch.epoch = ack.epoch) AS BIGINT)
                       + CAST((SELECT coalesce(sum(reports), 0) FROM block
                           WHERE block.probe = ack.probe AND block.epoch = ack.epoch) AS BIGINT)
                       + CAST((SELECT coalesce(sum(reports), 0) FROM link_batch
                           WHERE link_batch.probe = ack.probe AND link_batch.epoch = ack.epoch) AS BIGINT)
                   FROM ack ORDER BY probe, received_at_ns";
        let unsigned = |value: i64| u64::try_from(value).unwrap_or(0);
        self.rows(sql, &[], |row| {
            let epoch = epoch_of(row.get(1)?);
            let (stored_sequence, rows) = (unsigned(row.get(2)?), unsigned(row.get(3)?));
            Ok(ProbeRows {
                probe: row.get(0)?,
                epoch,
                stored_sequence,
                rows,
            })
        })
    }
}

impl Sessions {
    /// Adds what a judge reads of a report of this path.
    fn add(&mut self, of_path: &mut OfPath, input: Input, end: Timestamp) {
        if input.report.summary.end() > end {
            self.straddling.insert(of_path.path.clone());
        } else if of_path.reports.len() < REPORTS_A_SESSION_MAX {
            let octets = input.report.encode();
            input.number.digest(&octets, &mut of_path.digest);
            of_path.reports.push(input.report);
        }
    }

    fn take(&mut self, of_path: OfPath) {
        let OfPath {
            path,
            reports,
            digest,
        } = of_path;
        if let Some(session) = SessionWindow::of(&reports) {
            let inputs = Inputs {
                reports: reports.len() as u64,
                sha256: hex(&digest.finalize()),
            };
            self.inputs.insert(path.clone(), inputs);
            self.of.insert(path, session);
        }
    }

    /// Tells each session what the probe that reflects it reported of its own clock: corrections and what is random are in
    /// reports only, not in the packets.
    fn introduce(&mut self) {
        let mut reported: BTreeMap<String, (String, ReportedClock)> = BTreeMap::new();
        for (path, session) in &self.of {
            let (Some((from, _)), Some(clock)) = (path.split_once('~'), session.reported_clock())
            else {
                continue;
            };
            // One of its sessions is enough, and always the same one, so that a verdict can be repeated.
            let first = reported
                .entry(from.to_owned())
                .or_insert_with(|| (path.clone(), clock));
            if *path < first.0 {
                *first = (path.clone(), clock);
            }
        }
        for (path, session) in &mut self.of {
            let to = path.split_once('~').map(|(_, to)| to);
            if let Some((_, clock)) = to.and_then(|to| reported.get(to)) {
                session.hear_peer(*clock);
            }
        }
    }
}

pub(super) fn epoch_of(column: i64) -> u64 {
    u64::from_ne_bytes(column.to_ne_bytes())
}
