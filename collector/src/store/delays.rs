//! Delays of paths since the store was made, one row a path.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::database::{DatabaseError, Transaction, values};
use super::{Reader, StoreError};
use crate::delays::Delays;
use crate::totals::Totals;

/// Writes those of the paths that changed.
pub(super) fn write(
    transaction: &Transaction<'_>,
    changed: &BTreeMap<String, Totals>,
    before: &HashMap<String, Totals>,
) -> Result<(), DatabaseError> {
    let is_new = |path: &String, totals: &Totals| {
        let before = before.get(path);
        !before.is_some_and(|before| Arc::ptr_eq(&before.delays, &totals.delays))
    };
    let bodies: Vec<(&String, Vec<u8>)> = changed
        .iter()
        .filter(|(path, totals)| is_new(path, totals))
        .map(|(path, totals)| (path, totals.delays.encode()))
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
