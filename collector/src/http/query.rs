//! What an address says after its `?`.
//!
//! A name that the route does not take, or one that is said twice, is an error:
//! no slip passes for an answer. The names stand in the table of routes; here
//! their values are read.

use owl_measure::time::{Nanos, Timestamp};

use super::problem::Problem;

/// Rows in one answer, unless another number is asked for.
pub(super) const LIMIT_DEFAULT: usize = 1_000;
/// Rows in one answer at most.
const LIMIT_MAX: usize = 10_000;

/// The pairs, in order: text that is not yet known to mean anything.
pub(super) type Pairs = Vec<(String, String)>;

/// What a route takes. `lang` is taken by all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Takes {
    /// At most once each.
    pub(super) once: &'static [&'static str],
    /// Any number of times.
    pub(super) often: &'static [&'static str],
}

impl Takes {
    /// Whether a query says nothing else, and nothing too often.
    pub(super) fn check(&self, pairs: &[(String, String)]) -> Result<(), Problem> {
        for (k, (name, _)) in pairs.iter().enumerate() {
            let name = name.as_str();
            if self.often.contains(&name) {
                continue;
            }
            if name != "lang" && !self.once.contains(&name) {
                let known: Vec<&str> = self.names().collect();
                let known = match known.as_slice() {
                    [] => "there is only lang".to_owned(),
                    known => format!("there are {} and lang", known.join(", ")),
                };
                return Err(Problem::query(format!("nothing is called {name}; {known}")));
            }
            if pairs.iter().take(k).any(|(before, _)| before == name) {
                return Err(Problem::query(format!("{name} is given twice")));
            }
        }
        Ok(())
    }

    /// All names but `lang`.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.once.iter().chain(self.often).copied()
    }
}

/// The values of a query that was checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a>(pub(super) &'a [(String, String)]);

impl<'a> Asked<'a> {
    /// All values of a name that may be said often.
    pub(super) fn all(self, name: &str) -> impl Iterator<Item = &'a str> {
        let of_name =
            move |(said, value): &'a (String, String)| (said == name).then_some(value.as_str());
        self.0.iter().filter_map(of_name)
    }

    pub(super) fn one(self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    pub(super) fn needed(self, name: &str) -> Result<&'a str, Problem> {
        self.one(name)
            .ok_or_else(|| Problem::query(format!("{name} is missing")))
    }

    /// An instant: nanoseconds since 1970, or RFC 3339.
    pub(super) fn instant(self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.one(name).map(|text| instant(name, text)).transpose()
    }

    /// A span of time such as `30s`, longer than nothing.
    pub(super) fn span(self, name: &str) -> Result<Option<Nanos>, Problem> {
        let read = |text: &str| {
            let span: Result<Nanos, _> = text.parse();
            span.ok()
                .filter(|span| *span > Nanos::ZERO)
                .ok_or_else(|| Problem::query(format!("{name} is a duration such as 30s or 5m")))
        };
        self.one(name).map(read).transpose()
    }

    /// How many rows are wanted.
    pub(super) fn limit(self) -> Result<Option<usize>, Problem> {
        let read = |text: &str| {
            let limit = text.parse().ok();
            limit
                .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                .ok_or_else(|| Problem::query(format!("limit lies between 1 and {LIMIT_MAX}")))
        };
        self.one("limit").map(read).transpose()
    }
}

fn instant(name: &str, text: &str) -> Result<Timestamp, Problem> {
    if let Ok(ns) = text.parse() {
        return Ok(Timestamp(ns));
    }
    let parsed: jiff::Timestamp = text.parse().map_err(|_| {
        Problem::query(format!(
            "{name} is a number of nanoseconds since 1970, or a time such as 2026-11-23T08:00:00+08:00"
        ))
    })?;
    Ok(Timestamp(
        i64::try_from(parsed.as_nanosecond()).unwrap_or(i64::MAX),
    ))
}
