//! The tables of a spool, and how an older one becomes one of this version.

use rusqlite::{Connection, Transaction};

/// What every version has had. `epoch` holds which spool this is, and how many reports were dropped at its bound.
const FIRST: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS epoch (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, dropped INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS report (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
";

/// Version 1: acknowledged reports stay for a while, and what is on the disk can be told from what was written there.
const RANGES: &str = "
    ALTER TABLE report ADD COLUMN digest INTEGER;
    -- Not acknowledged, and here.
    CREATE TABLE waiting (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
    -- Acknowledged in that minute (seconds since 1970), and here.
    CREATE TABLE acknowledged (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, at_s INTEGER NOT NULL);
    -- Never acknowledged, and not here.
    CREATE TABLE gone (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, loss INTEGER NOT NULL);
    -- What the rows above amount to; the version before leaves it as it is, and so is noticed.
    CREATE TABLE held (id INTEGER PRIMARY KEY CHECK (id = 1), octets INTEGER NOT NULL, waiting_octets INTEGER NOT NULL, made INTEGER NOT NULL);
    INSERT INTO held VALUES (1, 0, 0, -1);
    PRAGMA user_version = 1;
";

/// Reports that are here and in no range of `acknowledged` wait: as ranges, by how far each is from its rank.
const REBUILD: &str = "
    DELETE FROM waiting;
    INSERT INTO waiting SELECT min(sequence), max(sequence) FROM (
        SELECT sequence, sequence - row_number() OVER (ORDER BY sequence) AS island FROM report
        WHERE NOT EXISTS (SELECT 1 FROM acknowledged WHERE first <= sequence AND last >= sequence)
    ) GROUP BY island;
    UPDATE held SET
        octets = (SELECT coalesce(sum(length(body)), 0) FROM report),
        waiting_octets = (SELECT coalesce(sum(length(body)), 0) FROM report JOIN waiting ON sequence BETWEEN first AND last),
        made = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'report'), 0);
";

/// Makes the tables, or brings those of an older version up to date.
pub(super) fn prepare(database: &mut Connection) -> rusqlite::Result<()> {
    database.execute_batch(FIRST)?;
    let version: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == 0 {
        database.execute_batch(&format!("BEGIN IMMEDIATE;{RANGES}COMMIT;"))?;
    }
    let transaction = database.transaction()?;
    if made(&transaction)? != held(&transaction)?.made {
        transaction.execute_batch(REBUILD)?;
    }
    transaction.commit()
}

fn made(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    transaction.query_row(
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'report'), 0)",
        [],
        |row| row.get(0),
    )
}

/// Notes the last number that was given out, or is to count as such.
pub(super) fn write_made(transaction: &Transaction<'_>, made: i64) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM sqlite_sequence WHERE name = 'report'", [])?;
    transaction
        .execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('report', ?1)",
            [made],
        )
        .map(|_| ())
}

/// What a spool's tables amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Held {
    /// Of all reports that are here.
    pub(super) octets: i64,
    /// Of those that are not acknowledged.
    pub(super) waiting_octets: i64,
    /// The last number given out.
    pub(super) made: i64,
}

/// As it was committed last.
pub(super) fn held(database: &Connection) -> rusqlite::Result<Held> {
    database.query_row("SELECT octets, waiting_octets, made FROM held", [], |row| {
        Ok(Held {
            octets: row.get(0)?,
            waiting_octets: row.get(1)?,
            made: row.get(2)?,
        })
    })
}

/// Notes what the tables amount to.
pub(super) fn write_held(database: &Connection, held: Held) -> rusqlite::Result<()> {
    database
        .prepare_cached("UPDATE held SET octets = ?1, waiting_octets = ?2, made = ?3")?
        .execute([held.octets, held.waiting_octets, held.made])
        .map(|_| ())
}
