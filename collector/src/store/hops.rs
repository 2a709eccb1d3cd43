//! Hop counts: with which TTL packets arrive, and when that changed.
//!
//! A TTL counts when all packets of an interval arrived with the same one, so a
//! path whose routers send each packet another way changes nothing; its
//! smallest and largest hop counts tell. A change lies between the last
//! interval with the old TTL and the first with the new one, and is dated by
//! the beginning of the latter.

use std::collections::HashMap;

use owl_measure::report::Report;
use owl_measure::time::Timestamp;

use super::database::{Database, DatabaseError, Row, Transaction, values};

/// A flow of a path in one direction: as many as the topology has paths, times the flows that a report can name.
type Key = (String, u32, u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    ttl: u8,
    /// Reports on earlier intervals are too late to tell of a change.
    since: Timestamp,
}

/// What was seen last of each flow.
#[derive(Debug, Default)]
pub(super) struct Hops(HashMap<Key, Seen>);

/// What a transaction saw; it becomes true with the commit.
#[derive(Debug, Default)]
pub(super) struct NewHops(HashMap<Key, Seen>);

fn seen(row: &Row<'_>) -> Result<(Key, Seen), DatabaseError> {
    let key = (row.get(0)?, row.get(1)?, row.get(2)?);
    let since = Timestamp(row.get(3)?);
    let ttl = row.get(4)?;
    Ok((key, Seen { ttl, since }))
}

impl Hops {
    /// From the store.
    pub(super) fn read(database: &Database) -> Result<Self, DatabaseError> {
        let mut hops = HashMap::new();
        database.query(
            "SELECT path, flow, direction, at_ns, after FROM hop_change ORDER BY at_ns",
            &[],
            |row| {
                let (key, last) = seen(row)?;
                hops.insert(key, last);
                Ok(())
            },
        )?;
        Ok(Self(hops))
    }

    /// Takes over what was committed.
    pub(super) fn learn(&mut self, new: NewHops) {
        self.0.extend(new.0);
    }
}

impl NewHops {
    /// As the store has it, of a range of paths.
    pub(super) fn read(
        &mut self,
        transaction: &Transaction<'_>,
        (first, end): (&str, &str),
    ) -> Result<(), DatabaseError> {
        transaction.query(
            "SELECT path, flow, direction, at_ns, after FROM hop_change WHERE path >= $1 AND path < $2 ORDER BY at_ns",
            &values![first, end],
            |row| {
                let (key, seen) = seen(row)?;
                self.0.insert(key, seen);
                Ok(())
            },
        )
    }

    /// Follows one report; in which directions the hop count changed.
    pub(super) fn follow(
        &mut self,
        known: &Hops,
        transaction: &Transaction<'_>,
        report: &Report,
    ) -> Result<[bool; 2], DatabaseError> {
        let mut changed = [false; 2];
        let summary = &report.summary;
        for ((direction, way), changed) in (0..)
            .zip([&summary.forward, &summary.backward])
            .zip(&mut changed)
        {
            let Some((ttl, _)) = way.headers.ttl.filter(|(low, high)| low == high) else {
                continue;
            };
            let key = (report.path.clone(), report.flow, direction);
            let before = self.0.get(&key).or_else(|| known.0.get(&key)).copied();
            if before.is_some_and(|seen| summary.start <= seen.since) {
                continue;
            }
            let since = summary.start;
            if before.is_none_or(|seen| seen.ttl != ttl) {
                *changed = before.is_some();
                transaction.execute(
                    "INSERT INTO hop_change (path, flow, direction, at_ns, before, after)
                     VALUES ($1, $2, $3, $4, $5, $6)",
                    &values![
                        &report.path,
                        report.flow,
                        direction,
                        since.0,
                        before.map(|seen| seen.ttl),
                        ttl
                    ],
                )?;
            }
            self.0.insert(key, Seen { ttl, since });
        }
        Ok(changed)
    }
}

/// Removes changes before an instant, but not the last of a flow, from which the next one is told: how many went.
pub(super) fn retain(
    transaction: &Transaction<'_>,
    before: Timestamp,
    most: i64,
) -> Result<u64, DatabaseError> {
    transaction.execute(
        "DELETE FROM hop_change WHERE (path, flow, direction, at_ns) IN (
             SELECT old.path, old.flow, old.direction, old.at_ns FROM hop_change AS old
             WHERE old.at_ns < $1 AND EXISTS (
                 SELECT 1 FROM hop_change AS later WHERE later.path = old.path AND later.flow = old.flow
                     AND later.direction = old.direction AND later.at_ns > old.at_ns)
             LIMIT $2)",
        &values![before.0, most],
    )
}
