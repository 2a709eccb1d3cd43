//! Delays of paths since the store was made, one row a path.

use std::collections::HashMap;
use std::sync::Arc;

use super::database::{Database, DatabaseError, Transaction, values};
use super::{Reader, StoreError};
use crate::delays::Delays;
use crate::totals::Totals;

/// Writes those that are not as they were: of each path, what was counted before and what is now.
pub(super) fn write<'a>(
    transaction: &Transaction<'_>,
    changes: impl Iterator<Item = (&'a String, Option<&'a Totals>, &'a Totals)>,
) -> Result<(), DatabaseError> {
    let is_new = |before: Option<&Totals>, after: &Totals| {
        !before.is_some_and(|before| Arc::ptr_eq(&before.delays, &after.delays))
    };
    let bodies: Vec<(&String, Vec<u8>)> = changes
        .filter(|(_, before, after)| is_new(*before, after))
        .map(|(path, _, after)| (path, after.delays.encode()))
        .collect();
    let lists: Vec<_> = bodies
        .iter()
        .map(|(path, body)| values![*path, body].to_vec())
        .collect();
    let written = transaction.execute_each(
        "INSERT INTO delay (path, body) VALUES ($1, $2)
         ON CONFLICT (path) DO UPDATE SET body = excluded.body",
        &lists,
    );
    written.map(|_| ())
}

/// Those of the paths from one name to before another. What is damaged is counted anew.
pub(super) fn read_between(
    database: &Database,
    (first, end): (&str, &str),
    totals: &mut HashMap<String, Totals>,
) -> Result<(), DatabaseError> {
    database.query(
        "SELECT path, body FROM delay WHERE path >= $1 AND path < $2",
        &values![first, end],
        |row| {
            let body: Vec<u8> = row.get(1)?;
            if let Some(delays) = Delays::decode(&body) {
                totals.entry(row.get(0)?).or_default().delays = Arc::new(delays);
            }
            Ok(())
        },
    )
}

/// Adds them to the totals of their paths.
pub(super) fn read(
    reader: &Reader,
    totals: &mut HashMap<String, Totals>,
) -> Result<(), StoreError> {
    let rows = reader.rows("SELECT path, body FROM delay", &[], |row| {
        let body: Vec<u8> = row.get(1)?;
        Ok((row.get::<String>(0)?, Delays::decode(&body)))
    })?;
    for (path, delays) in rows {
        let damaged = || StoreError::Damaged {
            store: reader.place().clone(),
            table: "delay",
        };
        totals.entry(path).or_default().delays = Arc::new(delays.ok_or_else(damaged)?);
    }
    Ok(())
}
