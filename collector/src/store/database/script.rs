//! The schema's files, as each engine takes them.
//!
//! They are written once, in the words of PostgreSQL. A line that ends in
//! `-- sqlite only` or `-- postgres only` is left out for the other one.

const SQLITE_ONLY: &str = "-- sqlite only";
const POSTGRES_ONLY: &str = "-- postgres only";

/// For SQLite: its names of the types, and every table strict.
pub(super) fn for_sqlite(neutral: &str) -> String {
    statements(neutral, POSTGRES_ONLY)
        .map(|statement| {
            let statement = in_words(&statement, |word| match word {
                "BIGINT" => "INTEGER",
                "BYTEA" => "BLOB",
                word => word,
            });
            let strict = if statement.starts_with("CREATE TABLE") {
                " STRICT"
            } else {
                ""
            };
            format!("{statement}{strict};\n")
        })
        .collect()
}

/// For PostgreSQL: texts are ordered by their octets, as SQLite orders them, whatever the database's language.
pub(super) fn for_postgres(neutral: &str) -> String {
    statements(neutral, SQLITE_ONLY)
        .map(|statement| {
            let statement =
                if statement.starts_with("CREATE TABLE") || statement.starts_with("ALTER TABLE") {
                    in_words(&statement, |word| match word {
                        "TEXT" => "TEXT COLLATE \"C\"",
                        word => word,
                    })
                } else {
                    statement
                };
            format!("{statement};\n")
        })
        .collect()
}

/// The statements without comments and without lines that are not for this engine.
fn statements<'a>(neutral: &'a str, not_for_us: &'a str) -> impl Iterator<Item = String> {
    let text: String = neutral
        .lines()
        .filter(|line| !line.trim_end().ends_with(not_for_us))
        .map(|line| line.split("--").next().unwrap_or(line).trim_end())
        .filter(|line| !line.is_empty())
        .flat_map(|line| [line, "\n"])
        .collect();
    text.split(';')
        .map(|statement| statement.trim().to_owned())
        .filter(|statement| !statement.is_empty())
        .collect::<Vec<_>>()
        .into_iter()
}

fn in_words<'a>(statement: &'a str, word: impl Fn(&'a str) -> &'a str) -> String {
    statement
        .split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .flat_map(|piece| {
            let end = piece.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            [word(end), &piece[end.len()..]]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEUTRAL: &str = "-- A table; with a comment.\n\
        CREATE TABLE thing (\n    name TEXT NOT NULL, -- TEXT, what else\n    at_ns BIGINT,\n    body BYTEA\n);\n\
        CREATE INDEX thing_by_time ON thing (at_ns);\n\
        CREATE INDEX b ON thing USING hash (at_ns); -- postgres only\n";

    #[test]
    fn one_text_becomes_what_each_engine_takes() {
        assert_eq!(
            for_sqlite(NEUTRAL),
            "CREATE TABLE thing (\n    name TEXT NOT NULL,\n    at_ns INTEGER,\n    body BLOB\n) STRICT;\n\
             CREATE INDEX thing_by_time ON thing (at_ns);\n"
        );
        assert_eq!(
            for_postgres(NEUTRAL),
            "CREATE TABLE thing (\n    name TEXT COLLATE \"C\" NOT NULL,\n    at_ns BIGINT,\n    body BYTEA\n);\n\
             CREATE INDEX thing_by_time ON thing (at_ns);\nCREATE INDEX b ON thing USING hash (at_ns);\n"
        );
    }
}
