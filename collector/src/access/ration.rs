//! How many records strangers can cause, and which exports are the same one.

use std::collections::HashMap;

use owl_measure::time::{Nanos, Timestamp};

/// Records that strangers cause in a minute: 6 MB a day at most.
const A_MINUTE: u32 = 10;
const MINUTE: Nanos = Nanos::from_secs(60);
/// The same export by the same one is recorded once in this time, or a page that asks every ten seconds would fill the log.
const EXPORT: Nanos = Nanos::from_secs(3_600);
/// Exports that are remembered; at the bound all are forgotten, and the next ones are recorded anew.
const EXPORTS_MAX: usize = 1_024;

/// What strangers have left of this minute.
#[derive(Debug, Default)]
pub(crate) struct Ration {
    began: Option<Timestamp>,
    used: u32,
    left_out: u64,
}

/// What may be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// This record.
    Yes,
    /// This record, and before it that so many were left out.
    After(u64),
    /// It is left out, and counted.
    No,
}

impl Ration {
    pub(crate) fn take(&mut self, now: Timestamp) -> Allowed {
        let over = |began: Timestamp| now - began >= MINUTE || now < began;
        if self.began.is_none_or(over) {
            self.began = Some(now);
            self.used = 0;
        }
        if self.used >= A_MINUTE {
            self.left_out += 1;
            return Allowed::No;
        }
        self.used += 1;
        match std::mem::take(&mut self.left_out) {
            0 => Allowed::Yes,
            left_out => Allowed::After(left_out),
        }
    }
}

/// Exports of the last hour.
#[derive(Debug, Default)]
pub(crate) struct Exports(HashMap<(String, &'static str), Timestamp>);

impl Exports {
    /// Whether this export of `who` from an address has a record of its own.
    pub(crate) fn is_new(&mut self, who: &str, route: &'static str, now: Timestamp) -> bool {
        let key = (who.to_owned(), route);
        let recent = |at: &Timestamp| (Nanos::ZERO..EXPORT).contains(&(now - *at));
        if self.0.get(&key).is_some_and(recent) {
            return false;
        }
        if self.0.len() >= EXPORTS_MAX {
            self.0.clear();
        }
        self.0.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cause_ten_records_a_minute_and_the_rest_is_counted() {
        let mut ration = Ration::default();
        let at = |seconds| Timestamp(0) + Nanos::from_secs(seconds);
        for _ in 0..10 {
            assert_eq!(ration.take(at(0)), Allowed::Yes);
        }
        for _ in 0..7 {
            assert_eq!(ration.take(at(59)), Allowed::No);
        }
        assert_eq!(ration.take(at(60)), Allowed::After(7));
        assert_eq!(ration.take(at(60)), Allowed::Yes);
        assert_eq!(ration.take(at(0)), Allowed::Yes, "the clock was set back");
    }

    #[test]
    fn the_same_export_is_recorded_once_an_hour() {
        let mut exports = Exports::default();
        let at = |seconds| Timestamp(0) + Nanos::from_secs(seconds);
        assert!(exports.is_new("anna", "/api/v1/verdicts", at(0)));
        assert!(!exports.is_new("anna", "/api/v1/verdicts", at(3_599)));
        assert!(exports.is_new("ben", "/api/v1/verdicts", at(1)));
        assert!(exports.is_new("anna", "/api/v1/compliance", at(1)));
        assert!(exports.is_new("anna", "/api/v1/verdicts", at(3_600)));
        for k in 0..2_000 {
            exports.is_new(&k.to_string(), "/", at(3_601));
        }
        assert!(exports.0.len() <= EXPORTS_MAX);
    }
}
