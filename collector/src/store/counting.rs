//! What reports add to what their paths have counted.
//!
//! The database holds the sums up to a batch of each probe, and the batches
//! after that, so a commit writes no sums; they are brought up to date when
//! batches are packed. Several collectors may take reports of one path: what
//! this process remembers of a probe's paths holds as long as nobody else took
//! reports of that probe, which the number up to which they are stored tells;
//! else it is read again, sums and batches.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use owl_measure::report::Report;
use owl_measure::time::{Nanos, Timestamp};

use super::database::{Database, DatabaseError, Row, Transaction, values};
use super::hops::{Hops, NewHops};
use super::tiers::{Marks, NewMarks};
use super::{Windowing, batches, delays, numbers};
use crate::totals::{HOP_CHANGES, Totals};

/// The paths FROM~TO that a probe is FROM of are those from the first text up to before the second: the character behind the
/// tilde is U+007F.
fn paths_of(probe: &str) -> (String, String) {
    (format!("{probe}~"), format!("{probe}\u{7f}"))
}

/// What the paths have counted that a probe is FROM of: their sums, and its batches that these do not have yet.
pub(super) fn counted_by(
    database: &Database,
    probe: &str,
    targets: &HashMap<String, Nanos>,
) -> Result<HashMap<String, Totals>, DatabaseError> {
    let (first, end) = paths_of(probe);
    let mut counted: HashMap<String, Totals> = HashMap::new();
    let add = |row: &Row<'_>| {
        let totals = counted.entry(row.get(0)?).or_default();
        totals.set(row.get(1)?, u64::try_from(row.get::<i64>(2)?).unwrap_or(0));
        Ok(())
    };
    database.query(
        "SELECT path, name, value FROM counter WHERE path >= $1 AND path < $2",
        &values![&first, &end],
        add,
    )?;
    delays::read_between(database, (&first, &end), &mut counted)?;
    uncounted(database, probe, targets, &mut counted)?;
    Ok(counted)
}

/// Of a probe: its epoch, and up to where it is stored.
type Progress = (u64, u64);

/// Adds the batches of a probe that the sums in the store do not have yet.
pub(super) fn uncounted(
    database: &Database,
    probe: &str,
    targets: &HashMap<String, Nanos>,
    totals: &mut HashMap<String, Totals>,
) -> Result<(), DatabaseError> {
    let sql = format!(
        "SELECT {} FROM batch WHERE probe = $1
             AND number > (SELECT coalesce(max(counted), 0) FROM counted WHERE probe = $1) ORDER BY number",
        batches::COLUMNS
    );
    database.query(&sql, &values![probe], |row| {
        let batch = batches::read(row)?;
        // What is damaged is told by whoever judges or packs it.
        for raw in batch.reports.into_iter().flatten().flatten() {
            if let (Ok(report), Some(&target)) =
                (Report::decode(&raw.octets), targets.get(&raw.path))
            {
                totals.entry(raw.path).or_default().add(&report, target);
            }
        }
        Ok(())
    })
}

/// What is known of the paths in memory, so that it need not be read before every report. Its size is the topology's.
#[derive(Debug, Default)]
pub(super) struct Known {
    totals: HashMap<String, Totals>,
    hops: Hops,
    marks: Marks,
    /// What was stored of each probe when the rest was true.
    probes: HashMap<String, Progress>,
}

impl Known {
    pub(super) fn new(totals: HashMap<String, Totals>, hops: Hops) -> Self {
        Self {
            totals,
            hops,
            marks: Marks::default(),
            probes: HashMap::new(),
        }
    }

    /// Whatever became of the last transaction: all is read again.
    pub(super) fn forget(&mut self) {
        self.marks = Marks::default();
        self.probes.clear();
    }

    /// Takes over what was committed; the totals that changed.
    pub(super) fn learn(&mut self, counted: Counted) -> BTreeMap<String, Totals> {
        self.hops.learn(counted.hops);
        self.marks.learn(counted.marks);
        self.probes.extend(counted.probes);
        let changed: BTreeMap<String, Totals> = counted
            .changes
            .into_iter()
            .map(|(path, change)| (path, change.after))
            .collect();
        self.totals.extend(counted.read);
        self.totals.extend(changed.clone());
        changed
    }
}

#[derive(Debug)]
struct Change {
    hop_changes_before: [u64; 2],
    after: Totals,
}

/// What a transaction counted; it becomes true with the commit.
#[derive(Debug, Default)]
pub(super) struct Counted {
    changes: BTreeMap<String, Change>,
    /// Totals as they stand in the store, of probes that somebody else took reports of.
    read: HashMap<String, Totals>,
    hops: NewHops,
    marks: NewMarks,
    probes: BTreeMap<String, Progress>,
    windows: BTreeSet<(i64, i64)>,
}

/// Adds up the reports of a transaction.
pub(super) struct Counting<'a> {
    pub(super) targets: &'a HashMap<String, Nanos>,
    pub(super) known: &'a Known,
    pub(super) windowing: &'a Windowing,
    pub(super) counted: &'a mut Counted,
}

impl Counting<'_> {
    /// Before reports of a probe are added: its rows are locked, and `stored` is what they said.
    pub(super) fn meet(
        &mut self,
        transaction: &Transaction<'_>,
        probe: &str,
        progress: Progress,
    ) -> Result<(), DatabaseError> {
        let met = self.counted.probes.contains_key(probe)
            || self.known.probes.get(probe) == Some(&progress);
        if !met {
            let counted = counted_by(transaction, probe, self.targets)?;
            self.counted.read.extend(counted);
            let (first, end) = paths_of(probe);
            self.counted.hops.read(transaction, (&first, &end))?;
        }
        Ok(())
    }

    /// After them: where the probe is stored to now.
    pub(super) fn leave(&mut self, probe: &str, progress: Progress) {
        self.counted.probes.insert(probe.to_owned(), progress);
    }

    pub(super) fn add(
        &mut self,
        transaction: &Transaction<'_>,
        report: &Report,
    ) -> Result<(), DatabaseError> {
        self.mark(report.summary.start);
        let Some(&target) = self.targets.get(&report.path) else {
            return Ok(());
        };
        let Counted {
            changes,
            read,
            hops,
            ..
        } = &mut *self.counted;
        let so_far = || {
            let before = read
                .get(&report.path)
                .or_else(|| self.known.totals.get(&report.path));
            let after = before.cloned().unwrap_or_default();
            Change {
                hop_changes_before: after.hop_changes,
                after,
            }
        };
        let change = changes.entry(report.path.clone()).or_insert_with(so_far);
        change.after.add(report, target);
        let hops_changed = hops.follow(&self.known.hops, transaction, report)?;
        change.after.hops_changed(hops_changed);
        Ok(())
    }

    /// Marks the span of a report of which tiers are to be made.
    pub(super) fn span(
        &mut self,
        transaction: &Transaction<'_>,
        report: &Report,
        received_at: Timestamp,
    ) -> Result<(), DatabaseError> {
        let (known, new) = (&self.known.marks, &mut self.counted.marks);
        new.mark(known, transaction, (report, received_at))
    }

    /// The windows that hold an instant have a report that no verdict has seen.
    fn mark(&mut self, start: Timestamp) {
        let Windowing {
            lengths,
            aligned_to,
        } = self.windowing;
        let windows = lengths
            .iter()
            .map(|&length| (length.0, start.period_start(length, *aligned_to).0));
        self.counted.windows.extend(windows);
    }

    /// Brings the sums of a probe's paths up to date, so that they go up to its last batch.
    pub(super) fn settle(
        &mut self,
        transaction: &Transaction<'_>,
        probe: &str,
    ) -> Result<(), DatabaseError> {
        if !self.counted.probes.contains_key(probe) {
            let (epoch, known) = self.known.probes.get(probe).copied().unwrap_or_default();
            let taken = numbers::read(transaction, probe, epoch)?.taken();
            // Of a probe that is not known, whatever stands there is news.
            let progress = if known == 0 {
                (epoch, u64::MAX)
            } else {
                (epoch, taken)
            };
            self.meet(transaction, probe, progress)?;
        }
        let is_its = |path: &str| path.split_once('~').is_some_and(|(from, _)| from == probe);
        let mut totals: BTreeMap<&String, &Totals> = BTreeMap::new();
        let Counted { changes, read, .. } = &*self.counted;
        let changed = changes.iter().map(|(path, change)| (path, &change.after));
        for (path, known) in self.known.totals.iter().chain(read).chain(changed) {
            if is_its(path) {
                totals.insert(path, known);
            }
        }
        let rows: Vec<(&String, BTreeMap<String, u64>)> = totals
            .iter()
            .map(|(&path, totals)| (path, totals.rows()))
            .collect();
        let lists: Vec<_> = rows
            .iter()
            .flat_map(|(path, rows)| rows.iter().map(move |(name, value)| (path, name, value)))
            .filter(|(_, name, _)| !name.starts_with(HOP_CHANGES))
            .map(|(&path, name, &value)| values![path, name, value].to_vec())
            .collect();
        transaction.execute_each(
            "INSERT INTO counter (path, name, value) VALUES ($1, $2, $3)
             ON CONFLICT (path, name) DO UPDATE SET value = excluded.value",
            &lists,
        )?;
        let delays = totals.iter().map(|(&path, &totals)| (path, None, totals));
        delays::write(transaction, delays)?;
        transaction.execute(
            "UPDATE counted SET counted = numbered WHERE probe = $1",
            &values![probe],
        )?;
        Ok(())
    }

    /// Writes what a commit has to. Rows are taken in one and the same order by everybody, so that nobody waits in a circle.
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> Result<(), DatabaseError> {
        // The hops that a report changes are told from the report before it, so this cannot be counted again from a batch.
        let changes = self.counted.changes.iter();
        let added: Vec<(&String, Vec<(String, u64)>)> = changes
            .map(|(path, change)| {
                let before = change.hop_changes_before;
                (path, change.after.hop_changes_since(before))
            })
            .collect();
        let lists: Vec<_> = added
            .iter()
            .flat_map(|(path, rows)| {
                let rows = rows.iter();
                rows.map(|(name, more)| values![*path, name, *more].to_vec())
            })
            .collect();
        // A sum that would be larger than the column stays the largest.
        transaction.execute_each(
            "INSERT INTO counter (path, name, value) VALUES ($1, $2, $3)
             ON CONFLICT (path, name) DO UPDATE SET value = CASE
                 WHEN counter.value > 9223372036854775807 - excluded.value THEN 9223372036854775807
                 ELSE counter.value + excluded.value END",
            &lists,
        )?;
        let windows: Vec<_> = self
            .counted
            .windows
            .iter()
            .map(|&(length, start)| values![length, start].to_vec())
            .collect();
        transaction.execute_each(
            "INSERT INTO dirty (window_ns, window_start_ns, version) VALUES ($1, $2, 1)
             ON CONFLICT (window_ns, window_start_ns) DO UPDATE SET version = dirty.version + 1",
            &windows,
        )?;
        Ok(())
    }
}
