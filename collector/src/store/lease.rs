//! Who judges, where several collectors have one store.
//!
//! All of them take reports; the one that holds the lease judges and shows the
//! series of paths. The lease is dated by the database's clock, and every write
//! of a judge names its epoch in the same transaction, so that one that was
//! believed dead can write nothing any more. A store of SQLite has one
//! collector, which always holds it.
//!
//! A window is audited with all its paths at once, so the paths of a topology
//! are one mesh and have one lease.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::database::{Begin, Database, DatabaseError, Place, Transaction, values};

/// How long a lease lasts that is not renewed: a judge that died is replaced after that and up to two rounds.
const LEASE: Duration = Duration::from_secs(3);
/// The name of the mesh: all paths of the topology.
const MESH: &str = "all";

/// The lease as this collector knows it.
#[derive(Debug)]
pub(crate) struct Lease {
    holder: String,
    /// `None` for the only collector of a store.
    held: Option<Mutex<Option<Held>>>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    epoch: i64,
    /// By this host's monotonic clock, and from before the renewal was asked for: never later than by the database's.
    until: Instant,
}

/// What the database says of the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) holder: String,
    pub(super) epoch: i64,
    pub(super) until_ns: i64,
    /// Grows with everything that a judge writes.
    pub(super) round: i64,
}

impl Lease {
    pub(super) fn on(place: &Place) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            holder: format!("{}/{:016x}", host.trim(), RandomState::new().hash_one(0)),
            held: match place {
                Place::Sqlite(_) => None,
                Place::Postgres(_) => Some(Mutex::new(None)),
            },
        }
    }

    /// Whether other collectors may have the same store.
    pub(crate) fn is_shared(&self) -> bool {
        self.held.is_some()
    }

    /// What this collector is called among them.
    pub(crate) fn holder(&self) -> &str {
        &self.holder
    }

    /// The epoch of the lease while this collector holds it.
    pub(crate) fn epoch(&self) -> Option<i64> {
        let Some(held) = &self.held else {
            return Some(0);
        };
        let held = lock(held);
        held.filter(|held| Instant::now() < held.until)
            .map(|held| held.epoch)
    }

    /// Whether the judge of this epoch may still write; if so, nobody takes the lease before the transaction is over.
    pub(super) fn fence(
        &self,
        transaction: &Transaction<'_>,
        epoch: i64,
    ) -> Result<bool, DatabaseError> {
        if !self.is_shared() {
            return Ok(true);
        }
        let changed = transaction.execute(
            "UPDATE lease SET round = round + 1 WHERE mesh = $1 AND holder = $2 AND epoch = $3",
            &values![MESH, &self.holder, epoch],
        )?;
        Ok(changed == 1)
    }

    /// Renews the lease, or takes it when it is free.
    pub(super) fn keep(&self, database: &Database) -> Result<Standing, DatabaseError> {
        let asked = Instant::now();
        let seen = standing(database)?;
        // Who only looks writes nothing.
        if let Some(seen) = seen.filter(|seen| seen.holder != self.holder)
            && seen.until_ns >= database.clock()?
        {
            self.hold(None);
            return Ok(seen);
        }
        let transaction = database.begin(Begin::Write)?;
        // Whoever else wants it waits from here on.
        transaction.execute(
            "INSERT INTO lease (mesh, holder, epoch, until_ns, round) VALUES ($1, '', 0, 0, 0)
             ON CONFLICT (mesh) DO UPDATE SET holder = lease.holder",
            &values![MESH],
        )?;
        let mut seen = standing(&transaction)?.ok_or(DatabaseError::RolledBack)?;
        let now = transaction.clock()?;
        let mine = seen.holder == self.holder;
        if !mine && seen.until_ns >= now {
            drop(transaction);
            self.hold(None);
            return Ok(seen);
        }
        if !mine {
            seen.holder.clone_from(&self.holder);
            seen.epoch += 1;
        }
        seen.until_ns = now.saturating_add(LEASE.as_nanos() as i64);
        transaction.execute(
            "UPDATE lease SET holder = $2, epoch = $3, until_ns = $4 WHERE mesh = $1",
            &values![MESH, &seen.holder, seen.epoch, seen.until_ns],
        )?;
        transaction.commit()?;
        self.hold(Some(Held {
            epoch: seen.epoch,
            until: asked + LEASE,
        }));
        Ok(seen)
    }

    /// Gives it back, so that the next one need not wait.
    pub(super) fn release(&self, database: &Database) -> Result<(), DatabaseError> {
        if self.epoch().is_some() && self.is_shared() {
            database.execute(
                "UPDATE lease SET until_ns = 0 WHERE mesh = $1 AND holder = $2",
                &values![MESH, &self.holder],
            )?;
            self.hold(None);
        }
        Ok(())
    }

    fn hold(&self, now: Option<Held>) {
        if let Some(held) = &self.held {
            *lock(held) = now;
        }
    }
}

fn lock(held: &Mutex<Option<Held>>) -> MutexGuard<'_, Option<Held>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn standing(database: &Database) -> Result<Option<Standing>, DatabaseError> {
    let rows = database.rows(
        "SELECT holder, epoch, until_ns, round FROM lease WHERE mesh = $1",
        &values![MESH],
        |row| {
            Ok(Standing {
                holder: row.get(0)?,
                epoch: row.get(1)?,
                until_ns: row.get(2)?,
                round: row.get(3)?,
            })
        },
    )?;
    Ok(rows.into_iter().next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::Purpose;
    use crate::store::schema;
    use crate::testing::postgres::Server;

    fn lapse(database: &Database) {
        database
            .execute("UPDATE lease SET until_ns = until_ns - 5000000000", &[])
            .unwrap();
    }

    fn may_write(lease: &Lease, database: &Database, epoch: i64) -> bool {
        let transaction = database.begin(Begin::Write).unwrap();
        let may = lease.fence(&transaction, epoch).unwrap();
        transaction.commit().unwrap();
        may
    }

    #[test]
    fn one_collector_at_a_time_judges_and_the_one_before_can_write_nothing_more() {
        let Some(server) = Server::start() else {
            return;
        };
        let place = server.database();
        let database = Database::connect(&place, Purpose::Write).unwrap();
        schema::bring_up_to_date(&database).unwrap();
        let (one, other) = (Lease::on(&place), Lease::on(&place));
        assert_eq!(one.epoch(), None);
        assert_eq!(one.keep(&database).unwrap().holder, one.holder);
        assert_eq!(one.keep(&database).unwrap().epoch, 1, "renewed");
        assert_eq!(other.keep(&database).unwrap().holder, one.holder);
        assert_eq!((one.epoch(), other.epoch()), (Some(1), None));
        assert!(may_write(&one, &database, 1));
        assert!(!may_write(&other, &database, 1));

        lapse(&database);
        assert_eq!(other.keep(&database).unwrap().epoch, 2);
        assert!(!may_write(&one, &database, 1), "it does not know yet");
        assert!(may_write(&other, &database, 2));
        let seen = one.keep(&database).unwrap();
        assert_eq!((seen.holder.as_str(), seen.round), (other.holder(), 2));
        assert_eq!((one.epoch(), other.epoch()), (None, Some(2)));

        other.release(&database).unwrap();
        assert_eq!(
            (one.keep(&database).unwrap().epoch, other.epoch()),
            (3, None)
        );
        assert!(may_write(&one, &database, 3));
        assert!(
            !may_write(&one, &database, 1),
            "what it began when it judged before"
        );
    }
}
