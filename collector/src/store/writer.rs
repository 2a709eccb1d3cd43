//! The one that writes.
//!
//! Orders that are waiting together are committed together. A commit changes
//! the store first and what is shown afterwards; a failed one changes neither,
//! and is logged when it begins and when it is over, not each time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use owl_measure::sequences::Sequences;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::State;
use tokio::sync::mpsc;
use tracing::{error, info};

use super::access;
use super::alerts;
use super::counting::{Counted, Counting, Known};
use super::database::{Begin, Database, DatabaseError, Purpose, Transaction, values};
use super::findings;
use super::hops::{self, Hops};
use super::hours;
use super::lease::Lease;
use super::packing;
use super::plans;
use super::remote_write;
use super::taking::{Taken, call, gone, lock, reexamined, take};
use super::tiers;
use super::verdicts;
use super::{
    Dirty, Order, Place, Reader, Refused, StoreError, Windowing, Work, aside, refused, schema,
};
use crate::judgement::Judgement;
use crate::live::Live;
use crate::metrics::Own;
use crate::now::now;
use crate::numbering::Lost;
use crate::rulebook::Rulebook;
use crate::totals::Totals;

/// Orders in one transaction at most.
const ORDERS_A_COMMIT: usize = 32;
/// How often a transaction is tried that another one was in the way of.
const TRIES: usize = 3;
/// Rows that one retention order removes from a table, so that no commit is long; and the others of the same instant.
const ROWS_A_RETENTION: i64 = 5_000;

pub(super) struct Writer {
    pub(super) database: Database,
    windowing: Windowing,
    live: Arc<Live>,
    own: Arc<Own>,
    targets: HashMap<String, Nanos>,
    known: Known,
    lease: Arc<Lease>,
    /// Of the topology that targets and windows are of.
    edition: u64,
}

/// What is to be written, and the epoch of the lease of the judge that wants it.
pub(super) type Ordered<'a> = (&'a Work, Option<i64>);

/// Of an order that was carried out: the answer, and for arrivals what became of them.
struct Done {
    answer: u64,
    taken: Taken,
}

impl Done {
    fn answer(answer: u64) -> Self {
        Self {
            answer,
            taken: Taken::default(),
        }
    }

    fn stored_to(taken: Taken) -> Self {
        Self {
            answer: taken.stored_to,
            taken,
        }
    }
}

impl Writer {
    pub(super) fn open(
        place: &Place,
        windowing: Windowing,
        live: Arc<Live>,
        own: Arc<Own>,
        lease: Arc<Lease>,
    ) -> Result<Self, StoreError> {
        let database = Database::connect(place, Purpose::Write).map_err(refused(place))?;
        schema::bring_up_to_date(&database)?;
        let totals = Reader::open(place)?.fill(&live)?;
        let hops = Hops::read(&database).map_err(refused(place))?;
        let (edition, targets) = (live.followed().edition, live.read().targets());
        Ok(Self {
            database,
            windowing,
            live,
            own,
            targets,
            known: Known::new(totals, hops),
            lease,
            edition,
        })
    }

    pub(super) fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut waiting = Vec::with_capacity(ORDERS_A_COMMIT);
        while orders.blocking_recv_many(&mut waiting, ORDERS_A_COMMIT) > 0 {
            let works: Vec<Ordered<'_>> = waiting
                .iter()
                .map(|order| (&order.work, order.epoch))
                .collect();
            let answers = self.commit_all(&works);
            for (k, order) in waiting.drain(..).enumerate() {
                let answer = answers.as_ref().map_or(Err(Refused), |answers| answers[k]);
                // Who does not wait any longer will ask again; the commit stands.
                let _ = order.reply.send(answer);
            }
        }
        if let Err(error) = self.database.fold() {
            error!(%error, "cannot fold the store's log back");
        }
    }

    /// Carries out all of them, or none.
    #[cfg(test)]
    pub(super) fn commit(&mut self, works: &[&Work]) -> Result<Vec<u64>, Refused> {
        let works: Vec<Ordered<'_>> = works.iter().map(|work| (*work, None)).collect();
        self.commit_all(&works)?.into_iter().collect()
    }

    /// Carries out all of them, or none; except those of a judge that lost its lease.
    fn commit_all(&mut self, works: &[Ordered<'_>]) -> Result<Vec<Result<u64, Refused>>, Refused> {
        self.follow();
        let mut counted = Counted::default();
        let mut outcome = self.transact(works, &mut counted);
        for _ in 1..TRIES {
            if !outcome.as_ref().is_err_and(DatabaseError::is_passing) {
                break;
            }
            counted = Counted::default();
            outcome = self.transact(works, &mut counted);
        }
        match outcome {
            Ok(done) => {
                let changed = self.known.learn(counted);
                Ok(self.show(works, done, changed))
            }
            Err(error) => {
                let mut table = self.live.write();
                if table.store_failure.is_none() {
                    error!(%error, "the store refuses; nothing is acknowledged until it takes reports again");
                }
                table.store_failure = Some(error.to_string());
                // It may have been committed all the same.
                self.known.forget();
                Err(Refused)
            }
        }
    }

    /// Counts by another topology when that is followed now.
    fn follow(&mut self) {
        let edition = self.live.followed().edition;
        if self.edition == edition {
            return;
        }
        self.edition = edition;
        self.targets = self.live.read().targets();
        self.windowing = Windowing::of(&self.live, self.windowing.aligned_to);
        // What paths have counted that were not counted before is read from the store.
        self.known.forget();
    }

    fn transact(
        &mut self,
        works: &[Ordered<'_>],
        counted: &mut Counted,
    ) -> Result<Vec<Option<Done>>, DatabaseError> {
        let transaction = self.database.begin(Begin::Write)?;
        lock(&transaction, works)?;
        let mut counting = Counting {
            targets: &self.targets,
            known: &self.known,
            windowing: &self.windowing,
            counted,
        };
        let done = works
            .iter()
            .map(|(work, epoch)| {
                if let Some(epoch) = epoch
                    && !self.lease.fence(&transaction, *epoch)?
                {
                    return Ok(None);
                }
                carry_out(&transaction, work, &mut counting).map(Some)
            })
            .collect::<Result<Vec<Option<Done>>, DatabaseError>>()?;
        counting.write(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// How many reports those are.
    fn count_lost(&self, lost: &[(Lost, Sequences)]) -> u64 {
        for (lost, numbers) in lost {
            self.own.gaps.inc_by(numbers.range_count() as u64);
            let missing = self.own.missing.with_label_values(&[lost.code()]);
            missing.inc_by(numbers.count());
        }
        lost.iter().map(|(_, numbers)| numbers.count()).sum()
    }

    fn show_aside(&self, held: Option<aside::Held>) {
        let Some(held) = held else { return };
        self.own.aside.set(held.reports);
        self.own.aside_dropped.set(held.dropped);
    }

    /// Shows what was committed, and answers.
    fn show(
        &self,
        works: &[Ordered<'_>],
        done: Vec<Option<Done>>,
        changed: BTreeMap<String, Totals>,
    ) -> Vec<Result<u64, Refused>> {
        let mut table = self.live.write();
        if table.store_failure.take().is_some() {
            info!("the store takes reports again");
        }
        for (path, totals) in changed {
            if let Some(live) = table.path_mut(&path) {
                live.totals = totals;
            }
        }
        let mut answers = Vec::with_capacity(done.len());
        for ((work, _), done) in works.iter().zip(done) {
            let Some(done) = done else {
                answers.push(Err(Refused));
                continue;
            };
            answers.push(Ok(done.answer));
            match work {
                Work::Call { probe, caller } => {
                    if let Some(live) = table.probes.get_mut(probe) {
                        live.caller = Some(caller.clone());
                        live.stored = done.answer;
                        live.awaited = done.taken.awaited;
                    }
                }
                Work::Arrival(arrival) => {
                    let taken = done.taken;
                    self.own
                        .reports
                        .with_label_values(&["stored"])
                        .inc_by(taken.fresh.len() as u64);
                    self.own
                        .reports
                        .with_label_values(&["duplicate"])
                        .inc_by(taken.duplicate);
                    self.own
                        .reports
                        .with_label_values(&["rejected"])
                        .inc_by(taken.rejected);
                    let lost = self.count_lost(&taken.lost);
                    self.show_aside(taken.aside);
                    let fresh = || {
                        let fresh = taken.fresh.iter();
                        let place = |&index: &usize| arrival.reports[index].as_ref().ok();
                        fresh.filter_map(move |index| Some(&place(index)?.report))
                    };
                    for report in fresh() {
                        if let Some(live) = table.path_mut(&report.path) {
                            live.reported_at = Some(arrival.received_at);
                        }
                    }
                    if let Some(live) = table.probes.get_mut(&arrival.probe) {
                        live.stored = taken.stored_to;
                        live.awaited = taken.awaited;
                        live.lost += lost;
                        if let Some(last) = fresh().max_by_key(|report| report.summary.start) {
                            live.reported_at = Some(arrival.received_at);
                            let end = last.summary.start + last.summary.length;
                            if live.clock.as_ref().is_none_or(|(_, at)| *at <= end) {
                                live.clock = Some((last.clock, end));
                            }
                        }
                    }
                }
                Work::Gone { probe, .. } => {
                    let lost = self.count_lost(&done.taken.lost);
                    if let Some(live) = table.probes.get_mut(probe) {
                        live.awaited = done.taken.awaited;
                        live.lost += lost;
                    }
                }
                Work::Reexamined { .. } => {
                    let stored = self.own.reports.with_label_values(&["stored"]);
                    stored.inc_by(done.taken.fresh.len() as u64);
                    self.show_aside(done.taken.aside);
                }
                Work::Verdicts {
                    judgements,
                    audited,
                    ..
                } => {
                    if let Some(audited) = audited {
                        table.findings.clone_from(&audited.open);
                    }
                    for judgement in judgements {
                        self.own
                            .verdicts
                            .with_label_values(&[judgement.verdict.state.code()])
                            .inc();
                        if let Some(live) = table.path_mut(&judgement.path) {
                            live.take(judgement);
                        }
                    }
                }
                Work::Access(_)
                | Work::Standing { .. }
                | Work::Pack(_)
                | Work::Tiers(_)
                | Work::Nothing
                | Work::Sent { .. }
                | Work::Alerts(_)
                | Work::Retain { .. } => {}
            }
        }
        answers
    }
}

fn carry_out(
    transaction: &Transaction<'_>,
    work: &Work,
    counting: &mut Counting<'_>,
) -> Result<Done, DatabaseError> {
    match work {
        Work::Call { probe, caller } => call(transaction, probe, caller).map(Done::stored_to),
        Work::Arrival(arrival) => take(transaction, arrival, counting).map(Done::stored_to),
        Work::Gone {
            probe,
            numbers,
            loss,
            at,
        } => gone(transaction, probe, *numbers, *loss, *at).map(Done::stored_to),
        Work::Reexamined { aside, outcome } => {
            let taken = reexamined(transaction, aside, outcome, counting)?;
            Ok(Done {
                answer: taken.fresh.len() as u64,
                taken,
            })
        }
        Work::Verdicts {
            judgements,
            book,
            seen,
            audited,
        } => {
            judged(transaction, judgements, book, *seen)?;
            if let Some(audited) = audited {
                findings::audited(transaction, audited)?;
            }
            Ok(Done::answer(0))
        }
        Work::Pack(pack) => {
            let packed = packing::put(transaction, pack)?;
            counting.settle(transaction, pack.probe())?;
            Ok(Done::answer(packed))
        }
        Work::Tiers(change) => tiers::change(transaction, change).map(Done::answer),
        Work::Nothing => Ok(Done::answer(0)),
        Work::Standing { probe, standing } => {
            plans::stand(transaction, probe, standing)?;
            Ok(Done::answer(0))
        }
        Work::Access(act) => access::act(transaction, act).map(|_| Done::answer(0)),
        Work::Sent { receiver, sent } => {
            remote_write::sent(transaction, receiver, sent)?;
            Ok(Done::answer(0))
        }
        Work::Alerts(change) => {
            alerts::change(transaction, change)?;
            Ok(Done::answer(0))
        }
        Work::Retain { before } => retain(transaction, *before).map(Done::answer),
    }
}

fn judged(
    transaction: &Transaction<'_>,
    judgements: &[Judgement],
    book: &Rulebook,
    seen: Option<Dirty>,
) -> Result<(), DatabaseError> {
    if let Some(latest) = judgements
        .iter()
        .map(|judgement| judgement.window_start)
        .max()
    {
        transaction.execute(
            "INSERT INTO rulebook (hash, body, last_used_ns) VALUES ($1, $2, $3)
             ON CONFLICT (hash) DO UPDATE SET last_used_ns = CASE WHEN rulebook.last_used_ns < excluded.last_used_ns
                 THEN excluded.last_used_ns ELSE rulebook.last_used_ns END",
            &values![&book.hash, &book.text, latest.0],
        )?;
    }
    for judgement in judgements {
        if !findings::revised(transaction, judgement)? {
            continue;
        }
        let state: State = judgement.verdict.state;
        transaction.execute(
            "INSERT INTO verdict (path, profile, window_start_ns, window_ns, state, judged_at_ns, body, packed)
             VALUES ($1, $2, $3, $4, $5, $6, '', $7)
             ON CONFLICT (path, profile, window_start_ns) DO UPDATE SET window_ns = excluded.window_ns,
                 state = excluded.state, judged_at_ns = excluded.judged_at_ns, body = excluded.body,
                 packed = excluded.packed",
            &values![
                &judgement.path,
                &judgement.profile,
                judgement.window_start.0,
                judgement.window.0,
                state.code(),
                judgement.judged_at.0,
                &verdicts::pack(judgement)?
            ],
        )?;
    }
    hours::put(transaction, judgements)?;
    if let Some(seen) = seen {
        transaction.execute(
            "DELETE FROM dirty WHERE window_ns = $1 AND window_start_ns = $2 AND version = $3",
            &values![seen.length.0, seen.start.0, seen.version],
        )?;
    }
    Ok(())
}

/// Removes the oldest rows of a table before an instant: [`ROWS_A_RETENTION`], and those as old as the last of them.
fn remove(
    transaction: &Transaction<'_>,
    (table, column): (&str, &str),
    before: i64,
) -> Result<u64, DatabaseError> {
    let last: Option<i64> = transaction.one(
        &format!(
            "SELECT {column} FROM {table} WHERE {column} < $1 ORDER BY {column} LIMIT 1 OFFSET $2"
        ),
        &values![before, ROWS_A_RETENTION - 1],
    )?;
    transaction.execute(
        &format!("DELETE FROM {table} WHERE {column} <= $1"),
        &values![last.unwrap_or(before - 1)],
    )
}

/// What a verdict was made from lives as long as the verdict: verdicts go first, and then the reports and rulebooks that
/// are older than the oldest verdict which is left. Reports go earlier once what judges read of them stands elsewhere, and
/// never before their tiers are made.
fn retain(transaction: &Transaction<'_>, before: Timestamp) -> Result<u64, DatabaseError> {
    let remove = |table: (&str, &str), before| remove(transaction, table, before);
    let hours_before = before - hours::LONGER - hours::HOUR;
    let mut removed = remove(("hour", "hour_start_ns"), hours_before.0)?;
    removed += remove(("verdict", "window_start_ns"), before.0)?;
    let oldest: Option<Option<i64>> =
        transaction.one("SELECT min(window_start_ns) FROM verdict", &[])?;
    let oldest = oldest.flatten();
    let unneeded = oldest.map_or(before.0, |oldest| oldest.min(before.0));
    removed += remove(("judged_input", "start_ns"), unneeded)?;
    removed += remove(("disbelieved", "start_ns"), unneeded)?;
    let unmade = tiers::oldest_unmade(transaction)?.unwrap_or(i64::MAX);
    let moved = tiers::inputs_to(transaction)?.0;
    let reported = unneeded.max(moved).min(unmade);
    removed += remove(("block", "end_ns"), reported)?;
    removed += remove(("batch", "end_ns"), reported)?;
    removed += remove(("rulebook", "last_used_ns"), unneeded)?;
    removed += remove(("revision", "window_start_ns"), before.0)?;
    removed += hops::retain(transaction, before, ROWS_A_RETENTION)?;
    removed += access::retain(transaction, now(), ROWS_A_RETENTION)?;
    removed += findings::retain(transaction, before)?;
    removed += transaction.execute(
        "DELETE FROM dirty WHERE window_start_ns < $1",
        &values![before.0],
    )?;
    removed += remove(("gap", "closed_at_ns"), before.0)?;
    removed += remove(("alert", "ended_ns"), before.0)?;
    removed += alerts::retain(transaction, before)?;
    // As long as the hours that it excuses.
    removed += remove(("maintenance", "end_ns"), hours_before.0)?;
    // The epoch that a probe last called with may go on after any silence.
    removed += transaction.execute(
        "DELETE FROM ack WHERE received_at_ns < $1
             AND NOT EXISTS (SELECT 1 FROM probe WHERE probe.probe = ack.probe AND probe.epoch = ack.epoch)
             AND NOT EXISTS (SELECT 1 FROM batch WHERE batch.probe = ack.probe AND batch.epoch = ack.epoch)
             AND NOT EXISTS (SELECT 1 FROM block WHERE block.probe = ack.probe AND block.epoch = ack.epoch)",
        &values![before.0],
    )?;
    removed += transaction.execute(
        "DELETE FROM missing WHERE NOT EXISTS (SELECT 1 FROM ack WHERE ack.probe = missing.probe AND ack.epoch = missing.epoch)",
        &[],
    )?;
    Ok(removed)
}
