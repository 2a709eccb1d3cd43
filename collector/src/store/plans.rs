//! Generations of plans, how far each is rolled out, and which of them every probe follows.

use std::collections::BTreeMap;

use owl_measure::time::{Nanos, Timestamp};

use super::database::{Begin, Database, DatabaseError, Purpose, Transaction, values};
use super::{Place, StoreError, refused, schema};
use crate::plan::{Rollout, Standing};

/// Generations that are kept, the newest, besides the released one and what is newer.
const KEPT: i64 = 8;

/// The texts of a topology, with their names.
pub(crate) type Sources = Vec<(String, String)>;

/// A generation, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanRow {
    pub(crate) generation: u64,
    pub(crate) topology: String,
    /// SHA-256 of the texts.
    pub(crate) hash: String,
    pub(crate) made_at: Timestamp,
    pub(crate) rollout: Rollout,
}

/// What a new generation is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft<'a> {
    pub(crate) topology: &'a str,
    pub(crate) hash: &'a str,
    pub(crate) sources: &'a Sources,
}

fn row(row: &super::database::Row<'_>) -> Result<PlanRow, DatabaseError> {
    Ok(PlanRow {
        generation: u64::try_from(row.get::<i64>(0)?).unwrap_or(0),
        topology: row.get(1)?,
        hash: row.get(2)?,
        made_at: Timestamp(row.get(3)?),
        rollout: serde_json::from_str(row.get::<&str>(4)?)?,
    })
}

fn all(database: &Database) -> Result<Vec<PlanRow>, DatabaseError> {
    database.rows(
        "SELECT generation, topology, hash, made_at_ns, rollout FROM plan ORDER BY generation",
        &[],
        row,
    )
}

/// Whoever else changes generations waits.
fn lock(transaction: &Transaction<'_>) -> Result<(), DatabaseError> {
    transaction
        .execute("UPDATE plan SET made_at_ns = made_at_ns", &[])
        .map(|_| ())
}

fn set(transaction: &Transaction<'_>, rollout: &Rollout) -> Result<(), DatabaseError> {
    transaction.execute(
        "UPDATE plan SET rollout = $2 WHERE generation = $1",
        &values![rollout.generation, &serde_json::to_string(rollout)?],
    )?;
    Ok(())
}

/// How a probe stands from now on.
pub(super) fn stand(
    transaction: &Transaction<'_>,
    probe: &str,
    standing: &Standing,
) -> Result<(), DatabaseError> {
    transaction.execute(
        "INSERT INTO plan_standing (probe, body) VALUES ($1, $2) ON CONFLICT (probe) DO UPDATE SET body = excluded.body",
        &values![probe, &serde_json::to_string(standing)?],
    )?;
    Ok(())
}

/// A connection that changes generations. Each change is a transaction of its own.
#[derive(Debug)]
pub(crate) struct PlanDesk(Database);

impl PlanDesk {
    /// Of a store that is there and up to date.
    pub(crate) fn open(place: &Place) -> Result<Self, StoreError> {
        let database = Database::connect(place, Purpose::Write).map_err(refused(place))?;
        schema::check(&database)?;
        Ok(Self(database))
    }

    /// The same, only to look: `None` when there is no store yet, or one of an earlier version.
    pub(crate) fn peek(place: &Place) -> Result<Option<Self>, StoreError> {
        if let Place::Sqlite(file) = place
            && !file.exists()
        {
            return Ok(None);
        }
        let fault = refused(place);
        let database = Database::connect(place, Purpose::Read).map_err(&fault)?;
        let known = database.version().map_err(&fault)? == schema::VERSION;
        Ok(known.then_some(Self(database)))
    }

    /// Every generation that is kept, in order.
    pub(crate) fn all(&self) -> Result<Vec<PlanRow>, StoreError> {
        all(&self.0).map_err(refused(self.0.place()))
    }

    /// The texts of a generation.
    pub(crate) fn sources(&self, generation: u64) -> Result<Option<Sources>, StoreError> {
        let read = || -> Result<Option<Sources>, DatabaseError> {
            let text: Option<String> = self.0.one(
                "SELECT sources FROM plan WHERE generation = $1",
                &values![generation],
            )?;
            Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
        };
        read().map_err(refused(self.0.place()))
    }

    /// How every probe stands.
    pub(crate) fn standings(&self) -> Result<BTreeMap<String, Standing>, StoreError> {
        let rows = self
            .0
            .rows("SELECT probe, body FROM plan_standing", &[], |row| {
                let standing = serde_json::from_str(row.get::<&str>(1)?)?;
                Ok((row.get::<String>(0)?, standing))
            });
        let rows = rows.map_err(refused(self.0.place()))?;
        Ok(rows.into_iter().collect())
    }

    /// Makes a new generation, which is the newest then; what was not released takes no other way back. `begin` is told its
    /// number and the generations before. `None` when that wants none.
    ///
    /// A generation is the second in which it is made, or one more than the one before: so a collector that lost its store
    /// never gives out a number again.
    pub(crate) fn make(
        &self,
        draft: Draft<'_>,
        now: Timestamp,
        begin: impl FnOnce(u64, &[PlanRow]) -> Option<Rollout>,
    ) -> Result<Option<u64>, StoreError> {
        let make = || -> Result<Option<u64>, DatabaseError> {
            let transaction = self.0.begin(Begin::Write)?;
            lock(&transaction)?;
            let mut before = all(&transaction)?;
            let second = u64::try_from(now.0.div_euclid(Nanos::from_secs(1).0)).unwrap_or(0);
            let last = before.last().map_or(0, |row| row.generation);
            let generation = second.max(last.saturating_add(1));
            let Some(rollout) = begin(generation, &before) else {
                return Ok(None);
            };
            for row in &mut before {
                if row.rollout.give_way(now) {
                    set(&transaction, &row.rollout)?;
                }
            }
            transaction.execute(
                "INSERT INTO plan (generation, topology, hash, sources, made_at_ns, rollout) VALUES ($1, $2, $3, $4, $5, $6)",
                &values![
                    generation,
                    draft.topology,
                    draft.hash,
                    &serde_json::to_string(draft.sources)?,
                    now.0,
                    &serde_json::to_string(&rollout)?
                ],
            )?;
            let released = before
                .iter()
                .rev()
                .find(|row| row.rollout.released_at().is_some());
            let released = released.map_or(generation, |row| row.generation);
            transaction.execute(
                "DELETE FROM plan WHERE generation < $1 AND generation NOT IN
                     (SELECT generation FROM plan ORDER BY generation DESC LIMIT $2)",
                &values![released, KEPT],
            )?;
            transaction.commit()?;
            Ok(Some(generation))
        };
        make().map_err(refused(self.0.place()))
    }

    /// Changes the roll-out of the newest generation, with nobody else in between; tells what it is then.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(&mut Rollout) -> bool,
    ) -> Result<Option<PlanRow>, StoreError> {
        let write = || -> Result<Option<PlanRow>, DatabaseError> {
            let transaction = self.0.begin(Begin::Write)?;
            lock(&transaction)?;
            let Some(mut newest) = all(&transaction)?.pop() else {
                return Ok(None);
            };
            if change(&mut newest.rollout) {
                set(&transaction, &newest.rollout)?;
                transaction.commit()?;
            }
            Ok(Some(newest))
        };
        write().map_err(refused(self.0.place()))
    }
}
