//! What probes say, taken into the store: reports, each once; numbers that are lost; reports that were kept aside.

use std::collections::BTreeSet;

use owl_measure::report::{Loss, Numbers, Reported};
use owl_measure::sequences::Sequences;
use owl_measure::time::Timestamp;

use super::counting::Counting;
use super::database::{DatabaseError, Transaction, values};
use super::writer::Ordered;
use super::{
    Admitted, Arrival, Aside, Rejected, Work, aside, batches, epoch_column, links, numbers,
};
use crate::aside::Refusal;
use crate::live::Caller;
use crate::numbering::Lost;

/// What became of one arrival, or of another word of a probe.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) stored_to: u64,
    /// Places of the reports of paths that are new.
    pub(super) fresh: Vec<usize>,
    /// Places of the reports of ports that are.
    pub(super) links: Vec<usize>,
    pub(super) duplicate: u64,
    pub(super) rejected: u64,
    /// Numbers that are lost from now on.
    pub(super) lost: Vec<(Lost, Sequences)>,
    /// Numbers of this spool that are still to come.
    pub(super) awaited: Sequences,
    /// What is kept aside now, when that has changed.
    pub(super) aside: Option<aside::Held>,
}

pub(super) fn call(
    transaction: &Transaction<'_>,
    probe: &str,
    caller: &Caller,
) -> Result<Taken, DatabaseError> {
    transaction.execute(
        "INSERT INTO probe (probe, epoch, software, simulated, called_at_ns) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (probe) DO UPDATE SET epoch = excluded.epoch, software = excluded.software,
             simulated = excluded.simulated, called_at_ns = excluded.called_at_ns",
        &values![
            probe,
            epoch_column(caller.epoch),
            &caller.software,
            caller.simulated,
            caller.called_at.0
        ],
    )?;
    let numbering = numbers::read(transaction, probe, caller.epoch)?;
    Ok(Taken {
        stored_to: numbering.highest,
        awaited: numbering.missing,
        ..Taken::default()
    })
}

/// Gives up what a probe says is gone, as far as it is missing.
pub(super) fn gone(
    transaction: &Transaction<'_>,
    probe: &str,
    told: Numbers,
    loss: Loss,
    at: Timestamp,
) -> Result<Taken, DatabaseError> {
    let before = numbers::read(transaction, probe, told.epoch)?;
    let mut now = before.clone();
    let lost = vec![(Lost::Told(loss), now.close(told.range()))];
    numbers::write(transaction, probe, told.epoch, [&before, &now], at)?;
    numbers::lose(transaction, probe, told.epoch, &lost, at)?;
    Ok(Taken {
        stored_to: now.highest,
        awaited: now.missing,
        lost,
        ..Taken::default()
    })
}

/// Stores a report that was kept aside, or leaves it there for the reason that holds now.
pub(super) fn reexamined(
    transaction: &Transaction<'_>,
    aside: &Aside,
    outcome: &Result<Reported, Refusal>,
    counting: &mut Counting<'_>,
) -> Result<Taken, DatabaseError> {
    let mut taken = Taken::default();
    match outcome {
        Err(refusal) => aside::leave(transaction, aside, refusal.code())?,
        // Somebody else may have been faster.
        Ok(report) if aside::take_out(transaction, aside)? => {
            let numbering = numbers::read(transaction, &aside.probe, aside.epoch)?;
            let progress = (aside.epoch, numbering.taken());
            counting.meet(transaction, &aside.probe, progress)?;
            let of_one = Arrival {
                probe: aside.probe.clone(),
                epoch: aside.epoch,
                first_sequence: aside.sequence,
                received_at: aside.received_at,
                can_be_asked: true,
                reports: vec![Ok(Admitted {
                    report: report.clone(),
                    body: aside.body.clone(),
                })],
            };
            match report {
                Reported::Path(report) => {
                    batches::put(transaction, &of_one, &[0])?;
                    counting.add(transaction, report)?;
                    counting.span(transaction, report, aside.received_at)?;
                    taken.fresh.push(0);
                }
                Reported::Link(_) => {
                    links::put(transaction, &of_one, &[0])?;
                    taken.links.push(0);
                }
            }
            counting.leave(&aside.probe, progress);
        }
        Ok(_) => {}
    }
    taken.aside = Some(aside::held(transaction)?);
    Ok(taken)
}

/// Takes hold of the rows of all whose reports are to be taken, in one and the same order everywhere: another collector with
/// the same reports waits here, and finds them stored then.
///
/// The row is written although it stays the same, so that also a commit that finds everything stored already waits for the
/// standby to have all of that.
pub(super) fn lock(
    transaction: &Transaction<'_>,
    works: &[Ordered<'_>],
) -> Result<(), DatabaseError> {
    let arrivals: BTreeSet<(&str, i64, i64)> = works
        .iter()
        .filter_map(|(work, _)| match work {
            Work::Arrival(arrival) => Some((
                arrival.probe.as_str(),
                epoch_column(arrival.epoch),
                arrival.received_at.0,
            )),
            Work::Gone {
                probe, numbers, at, ..
            } => Some((probe.as_str(), epoch_column(numbers.epoch), at.0)),
            Work::Reexamined { aside, .. } => Some((
                aside.probe.as_str(),
                epoch_column(aside.epoch),
                aside.received_at.0,
            )),
            _ => None,
        })
        .collect();
    let lists: Vec<_> = arrivals
        .into_iter()
        .map(|(probe, epoch, at)| values![probe, epoch, at].to_vec())
        .collect();
    transaction.execute_each(
        "INSERT INTO ack (probe, epoch, stored, received_at_ns) VALUES ($1, $2, 0, $3)
         ON CONFLICT (probe, epoch) DO UPDATE SET stored = ack.stored",
        &lists,
    )?;
    Ok(())
}

pub(super) fn take(
    transaction: &Transaction<'_>,
    arrival: &Arrival,
    counting: &mut Counting<'_>,
) -> Result<Taken, DatabaseError> {
    let (probe, epoch) = (arrival.probe.as_str(), arrival.epoch);
    let before = numbers::read(transaction, probe, epoch)?;
    let mut now = before.clone();
    let mut taken = Taken::default();
    let count = arrival.reports.len() as u64;
    let first = arrival.first_sequence;
    let new = if count > 0 {
        now.take(first..=first.saturating_add(count - 1))
    } else {
        Sequences::default()
    };
    counting.meet(transaction, probe, (epoch, before.taken()))?;
    for (index, place) in arrival.reports.iter().enumerate() {
        let sequence = first.saturating_add(index as u64);
        if !new.contains(sequence) {
            taken.duplicate += 1;
            continue;
        }
        match place {
            Ok(Admitted { report, .. }) => match report {
                Reported::Path(report) => {
                    taken.fresh.push(index);
                    counting.add(transaction, report)?;
                    counting.span(transaction, report, arrival.received_at)?;
                }
                Reported::Link(_) => taken.links.push(index),
            },
            Err(Rejected { refusal, body }) => {
                taken.rejected += 1;
                let aside = Aside {
                    probe: probe.to_owned(),
                    epoch,
                    sequence,
                    received_at: arrival.received_at,
                    body: body.clone(),
                };
                aside::keep(transaction, &aside, refusal.code())?;
            }
        }
    }
    if taken.rejected > 0 {
        aside::make_room(transaction)?;
        taken.aside = Some(aside::held(transaction)?);
    }
    if !arrival.can_be_asked {
        taken.lost.push((Lost::Unasked, now.close(0..=u64::MAX)));
    }
    taken.lost.push((Lost::Crowded, now.bound()));
    counting.leave(probe, (epoch, now.taken()));
    numbers::write(
        transaction,
        probe,
        epoch,
        [&before, &now],
        arrival.received_at,
    )?;
    numbers::lose(transaction, probe, epoch, &taken.lost, arrival.received_at)?;
    batches::put(transaction, arrival, &taken.fresh)?;
    links::put(transaction, arrival, &taken.links)?;
    taken.stored_to = now.highest;
    taken.awaited = now.missing;
    Ok(taken)
}
