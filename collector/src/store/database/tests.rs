use super::*;
use crate::testing::postgres::Server;

/// Runs on both engines, each time on an empty store.
fn on_both(test: impl Fn(&Place)) {
    let directory = tempfile::tempdir().unwrap();
    test(&Place::in_directory(directory.path()));
    if let Some(server) = Server::start() {
        test(&server.database());
    }
}

fn connect(place: &Place) -> Database {
    Database::connect(place, Purpose::Write).unwrap()
}

fn filled(place: &Place) -> Database {
    let database = connect(place);
    database
        .script("CREATE TABLE thing (name TEXT PRIMARY KEY, at_ns BIGINT, body BYTEA);")
        .unwrap();
    database
}

fn names(database: &Database) -> Vec<String> {
    let sql = "SELECT name FROM thing ORDER BY name";
    database.rows(sql, &[], |row| row.get(0)).unwrap()
}

#[test]
fn what_is_written_is_read_on_both_engines() {
    on_both(|place| {
        let database = filled(place);
        let insert = "INSERT INTO thing (name, at_ns, body) VALUES ($1, $3, $2)";
        let lists = [
            values!["ä", Value::Null, i64::MIN].to_vec(),
            values!["Z", &[0_u8, 255][..], Value::Null].to_vec(),
            values!["a", &[][..] as &[u8], i64::MAX].to_vec(),
        ];
        assert_eq!(database.execute_each(insert, &lists).unwrap(), [1, 1, 1]);
        assert_eq!(names(&database), ["Z", "a", "ä"], "by their octets");
        let first: Option<Option<Vec<u8>>> = database
            .one("SELECT body FROM thing WHERE name = $1", &values!["Z"])
            .unwrap();
        assert_eq!(first, Some(Some(vec![0, 255])));
        let later: Vec<(Option<i64>, bool)> = database
            .rows(
                "SELECT at_ns, at_ns > $2 FROM thing WHERE (CAST($1 AS TEXT) IS NULL OR name = $1) AND at_ns IS NOT NULL
                 ORDER BY at_ns LIMIT $3",
                &values![None::<&str>, 0, 10_usize],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!(later, [(Some(i64::MIN), false), (Some(i64::MAX), true)]);
        let ahead = database.clock().unwrap() - crate::now::now().0;
        assert!(ahead.abs() < 10_000_000_000, "{ahead}");
        let none: Option<i64> = database
            .one("SELECT at_ns FROM thing WHERE name = $1", &values!["b"])
            .unwrap();
        assert_eq!(none, None);
        let wrong = database.one::<i64>("SELECT name FROM thing", &[]);
        assert!(matches!(wrong, Err(DatabaseError::Column { index: 0 })));
    });
}

#[test]
fn a_transaction_is_wholly_true_or_not_at_all() {
    on_both(|place| {
        let (database, other) = (filled(place), connect(place));
        let insert = "INSERT INTO thing (name) VALUES ($1)";
        let transaction = database.begin(Begin::Write).unwrap();
        transaction.execute(insert, &values!["kept"]).unwrap();
        assert!(names(&other).is_empty());
        transaction.commit().unwrap();
        assert_eq!(names(&other), ["kept"]);

        let snapshot = other.begin(Begin::Snapshot).unwrap();
        assert_eq!(names(&snapshot), ["kept"]);
        database.execute(insert, &values!["later"]).unwrap();
        assert_eq!(names(&snapshot), ["kept"]);
        drop(snapshot);
        assert_eq!(names(&other), ["kept", "later"]);

        let transaction = database.begin(Begin::Write).unwrap();
        transaction.execute(insert, &values!["lost"]).unwrap();
        assert!(transaction.execute(insert, &values!["kept"]).is_err());
        drop(transaction);
        assert_eq!(names(&other), ["kept", "later"]);
        database.execute(insert, &values!["after"]).unwrap();
        assert_eq!(names(&database), ["after", "kept", "later"]);
    });
}

#[test]
fn a_commit_after_a_failure_is_none_on_postgresql() {
    let Some(server) = Server::start() else {
        return;
    };
    let database = filled(&server.database());
    let insert = "INSERT INTO thing (name) VALUES ($1)";
    let transaction = database.begin(Begin::Write).unwrap();
    transaction.execute(insert, &values!["one"]).unwrap();
    assert!(transaction.execute(insert, &values!["one"]).is_err());
    assert!(matches!(
        transaction.commit(),
        Err(DatabaseError::RolledBack)
    ));
    assert!(names(&database).is_empty());
}

#[test]
fn a_connection_that_broke_comes_back_but_not_within_a_transaction() {
    let Some(server) = Server::start() else {
        return;
    };
    let place = server.database();
    let (database, other) = (filled(&place), connect(&place));
    let end = || {
        other
            .query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE pid <> pg_backend_pid() AND datname = current_database()",
                &[],
                |_| Ok(()),
            )
            .unwrap();
    };
    let insert = "INSERT INTO thing (name) VALUES ($1)";
    let transaction = database.begin(Begin::Write).unwrap();
    transaction.execute(insert, &values!["one"]).unwrap();
    end();
    assert!(transaction.execute(insert, &values!["two"]).is_err());
    assert!(transaction.execute(insert, &values!["three"]).is_err());
    drop(transaction);
    database.execute(insert, &values!["four"]).unwrap();
    assert_eq!(names(&database), ["four"]);
}
