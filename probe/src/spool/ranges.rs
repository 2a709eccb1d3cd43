//! The three tables of ranges: what waits, what is acknowledged, what is gone.

use std::ops::RangeInclusive;

use owl_measure::report::Loss;
use owl_measure::sequences::Sequences;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// Ranges of numbers that are gone; at the bound the oldest is forgotten, and its reason is then told as unknown.
const GONE_MAX: i64 = 256;

/// The numbers of a range as SQLite's integers.
pub(super) fn columns(range: &RangeInclusive<u64>) -> (i64, i64) {
    let column = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    (column(*range.start()), column(*range.end()))
}

fn range(first: i64, last: i64) -> RangeInclusive<u64> {
    first.cast_unsigned()..=last.cast_unsigned()
}

/// What waits, as it was committed.
pub(super) fn waiting(database: &Connection) -> rusqlite::Result<Sequences> {
    let mut read = database.prepare("SELECT first, last FROM waiting ORDER BY first")?;
    let rows = read.query_map([], |row| Ok(range(row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Makes the table say what waits now.
pub(super) fn write_waiting(
    transaction: &Transaction<'_>,
    before: &Sequences,
    now: &Sequences,
) -> rusqlite::Result<()> {
    let mut remove = transaction.prepare_cached("DELETE FROM waiting WHERE first = ?1")?;
    let mut insert =
        transaction.prepare_cached("INSERT OR REPLACE INTO waiting VALUES (?1, ?2)")?;
    let now_ranges: Vec<_> = now.ranges().collect();
    let before_ranges: Vec<_> = before.ranges().collect();
    for old in &before_ranges {
        let begins = now_ranges.binary_search_by_key(old.start(), |range| *range.start());
        if begins.is_err() {
            remove.execute([columns(old).0])?;
        }
    }
    for new in &now_ranges {
        let at = before_ranges.binary_search_by_key(new.start(), |range| *range.start());
        if at.ok().is_none_or(|at| before_ranges[at] != *new) {
            let (first, last) = columns(new);
            insert.execute([first, last])?;
        }
    }
    Ok(())
}

/// Notes that a range is acknowledged since a minute.
pub(super) fn acknowledged(
    transaction: &Transaction<'_>,
    range: &RangeInclusive<u64>,
    minute_s: i64,
) -> rusqlite::Result<()> {
    let (first, last) = columns(range);
    // What follows the same minute's range is one with it, so a day has few more ranges than minutes.
    let before = transaction
        .prepare_cached(
            "SELECT first, last, at_s FROM acknowledged WHERE first < ?1 ORDER BY first DESC LIMIT 1",
        )?
        .query_row([first], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })
        .optional()?;
    let from = match before {
        Some((begin, end, at)) if end + 1 == first && at == minute_s => begin,
        _ => first,
    };
    transaction
        .prepare_cached("INSERT OR REPLACE INTO acknowledged VALUES (?1, ?2, ?3)")?
        .execute([from, last, minute_s])?;
    Ok(())
}

/// The oldest acknowledged range, of those acknowledged before a second.
pub(super) fn oldest_acknowledged(
    transaction: &Transaction<'_>,
    before_s: i64,
) -> rusqlite::Result<Option<RangeInclusive<u64>>> {
    transaction
        .prepare_cached(
            "SELECT first, last FROM acknowledged WHERE at_s < ?1 ORDER BY at_s, first LIMIT 1",
        )?
        .query_row([before_s], |row| Ok(range(row.get(0)?, row.get(1)?)))
        .optional()
}

/// Takes what is acknowledged of a range out of the table, and tells it.
pub(super) fn unacknowledge(
    transaction: &Transaction<'_>,
    asked: &RangeInclusive<u64>,
) -> rusqlite::Result<Sequences> {
    let (first, last) = columns(asked);
    let rows: Vec<(i64, i64, i64)> = transaction
        .prepare_cached(
            "SELECT first, last, at_s FROM acknowledged WHERE first <= ?2 AND last >= ?1 ORDER BY first",
        )?
        .query_map([first, last], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut remove = transaction.prepare_cached("DELETE FROM acknowledged WHERE first = ?1")?;
    let mut insert = transaction.prepare_cached("INSERT INTO acknowledged VALUES (?1, ?2, ?3)")?;
    let mut taken = Sequences::default();
    for (begin, end, at) in rows {
        remove.execute([begin])?;
        if begin < first {
            insert.execute([begin, first - 1, at])?;
        }
        if end > last {
            insert.execute([last + 1, end, at])?;
        }
        taken.insert(range(begin.max(first), end.min(last)));
    }
    Ok(taken)
}

/// Notes that numbers are gone.
pub(super) fn gone(
    transaction: &Transaction<'_>,
    range: &RangeInclusive<u64>,
    loss: Loss,
) -> rusqlite::Result<()> {
    let (first, last) = columns(range);
    let before: Option<i64> = transaction
        .prepare_cached("SELECT first FROM gone WHERE last = ?1 AND loss = ?2")?
        .query_row([first - 1, loss.number().into()], |row| row.get(0))
        .optional()?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO gone VALUES (?1, ?2, ?3)")?
        .execute([before.unwrap_or(first), last, loss.number().into()])?;
    transaction
        .prepare_cached(
            "DELETE FROM gone WHERE first < (SELECT first FROM gone ORDER BY first DESC LIMIT 1 OFFSET ?1)",
        )?
        .execute([GONE_MAX - 1])?;
    Ok(())
}

/// Why the numbers of a range are gone: each part with its reason, in order. What no reason is known of was released, as
/// long as it was ever made.
pub(super) fn reasons(
    database: &Connection,
    absent: &RangeInclusive<u64>,
    made: u64,
) -> rusqlite::Result<Vec<(RangeInclusive<u64>, Loss)>> {
    let (first, last) = columns(absent);
    let mut read = database.prepare_cached(
        "SELECT first, last, loss FROM gone WHERE first <= ?2 AND last >= ?1 ORDER BY first",
    )?;
    let known = read.query_map(params![first, last], |row| {
        Ok((range(row.get(0)?, row.get(1)?), row.get::<_, u32>(2)?))
    })?;
    let mut parts = Vec::new();
    let mut rest: Sequences = [absent.clone()].into_iter().collect();
    for row in known {
        let (part, loss) = row?;
        let of_it = rest.remove(part);
        parts.extend(of_it.ranges().map(|range| (range, Loss::of(loss))));
    }
    let never_made = rest.remove(made.saturating_add(1)..=u64::MAX);
    parts.extend(rest.ranges().map(|range| (range, Loss::Released)));
    parts.extend(never_made.ranges().map(|range| (range, Loss::Unknown)));
    parts.sort_by_key(|(range, _)| *range.start());
    Ok(parts)
}
