//! The schema and its versions.
//!
//! A new store is made with `schema.sql`, which is version 6, and every upgrade
//! after it; an older store of SQLite is brought to version 6 first. Each step is
//! one transaction, so a store has one version or another and nothing in between;
//! of several collectors that start at once, one does it. Between two of them
//! what an older version kept as rows is packed (`convert`).
//!
//! A change of the schema is a file `upgrade-N-NAME.sql` of its own, in the
//! words of `database::script`, at the end of [`UPGRADES`].

use super::database::{Begin, Database, DatabaseError};
use super::{StoreError, convert, refused};

/// The version that `schema.sql` makes.
const FIRST: i64 = 6;
/// What makes version 2 from version 1, and so on up to [`FIRST`]: stores of SQLite alone.
const OLDER: [&str; 5] = [
    include_str!("schema/upgrade-2.sql"),
    include_str!("schema/upgrade-3.sql"),
    include_str!("schema/upgrade-4.sql"),
    include_str!("schema/upgrade-5.sql"),
    include_str!("schema/upgrade-6.sql"),
];
/// What makes each version after [`FIRST`] from the one before it, on both engines.
const UPGRADES: [&str; 10] = [
    include_str!("schema/upgrade-7-out.sql"),
    include_str!("schema/upgrade-8-lease.sql"),
    include_str!("schema/upgrade-9-blocks.sql"),
    include_str!("schema/upgrade-10-blocks.sql"),
    include_str!("schema/upgrade-11-access.sql"),
    include_str!("schema/upgrade-12-gaps.sql"),
    include_str!("schema/upgrade-13-tiers.sql"),
    include_str!("schema/upgrade-14-verdicts.sql"),
    include_str!("schema/upgrade-15-alerts.sql"),
    include_str!("schema/upgrade-16-plan.sql"),
];
/// At this version reports are still rows, and are packed before the next one.
const OF_ROWS: i64 = 9;
/// The version that this collector knows.
pub(super) const VERSION: i64 = FIRST + UPGRADES.len() as i64;

/// Makes the schema, or brings it up to date; a newer one is left alone and refused.
pub(super) fn bring_up_to_date(database: &Database) -> Result<(), StoreError> {
    let fault = refused(database.place());
    upgrade(database, OF_ROWS).map_err(&fault)?;
    if database.version().map_err(&fault)? == OF_ROWS {
        convert::rows_to_blocks(database).map_err(&fault)?;
    }
    upgrade(database, VERSION).map_err(&fault)?;
    check(database)
}

/// Brings the schema to version `to`; one that is as new or newer is left alone.
fn upgrade(database: &Database, to: i64) -> Result<(), DatabaseError> {
    if database.version()? >= to {
        return Ok(());
    }
    let transaction = database.begin(Begin::Schema)?;
    // Another collector may have done it meanwhile.
    let mut found = transaction.version()?;
    if found == 0 {
        transaction.script(include_str!("schema/schema.sql"))?;
        found = FIRST;
    }
    for (version, upgrade) in (2..=to).zip(OLDER.iter().chain(&UPGRADES)) {
        if found < version {
            transaction.script(upgrade)?;
        }
    }
    // One that became newer meanwhile stays what it is.
    if found < to {
        transaction.set_version(to)?;
    }
    transaction.commit()
}

/// Whether the schema is the one that this collector knows.
pub(super) fn check(database: &Database) -> Result<(), StoreError> {
    let found = database.version().map_err(refused(database.place()))?;
    if found == VERSION {
        return Ok(());
    }
    Err(StoreError::Version {
        store: database.place().clone(),
        found,
    })
}
