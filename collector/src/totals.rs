//! What a path has counted since the store was made.
//!
//! Exact numbers from the probes, added up report by report in the transaction
//! that stores the report, so a restart neither loses nor repeats one.

use std::collections::BTreeMap;

use owl_measure::report::Report;
use owl_measure::summary::Within;
use owl_measure::time::Nanos;

/// The labels of losses, in the order of [`Totals::lost`].
pub(crate) const LOST: [&str; 3] = ["forward", "backward", "unknown"];
/// The labels of duplicates and reordered packets.
pub(crate) const WAYS: [&str; 2] = ["forward", "backward"];
/// The labels of packets within the target, in the order of [`Totals::within`].
pub(crate) const WITHIN: [&str; 3] = ["forward", "backward", "round_trip"];

/// What a path has counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) late: u64,
    pub(crate) skipped: u64,
    pub(crate) lost: [u64; 3],
    pub(crate) duplicated: [u64; 2],
    pub(crate) reordered: [u64; 2],
    /// By target in nanoseconds. Only targets that the topology has had are counted, so a probe cannot make this grow.
    pub(crate) within: BTreeMap<i64, [u64; 3]>,
}

impl Totals {
    /// Adds one report; `target` is the one of its path.
    pub(crate) fn add(&mut self, report: &Report, target: Nanos) {
        let summary = &report.summary;
        let (forward, backward) = (&summary.forward, &summary.backward);
        let grow = |total: &mut u64, by: u64| *total = total.saturating_add(by);
        grow(&mut self.sent, summary.sent);
        grow(&mut self.received, summary.received);
        grow(&mut self.late, summary.late);
        grow(&mut self.skipped, summary.skipped);
        for (total, by) in
            self.lost
                .iter_mut()
                .zip([forward.lost, backward.lost, summary.lost_somewhere()])
        {
            grow(total, by);
        }
        for (k, direction) in [forward, backward].into_iter().enumerate() {
            grow(&mut self.duplicated[k], direction.duplicated);
            grow(&mut self.reordered[k], direction.reordered);
        }
        let counted = |within: &[Within]| {
            within
                .iter()
                .find(|entry| entry.target == target)
                .map(|entry| entry.count)
        };
        let counts = [
            counted(&forward.within),
            counted(&backward.within),
            counted(&summary.round_trip_within),
        ];
        if counts.iter().any(Option::is_some) {
            let totals = self.within.entry(target.0).or_default();
            totals
                .iter_mut()
                .zip(counts)
                .for_each(|(total, by)| grow(total, by.unwrap_or(0)));
        }
    }

    /// As rows of the store.
    pub(crate) fn rows(&self) -> Vec<(String, u64)> {
        let mut copy = self.clone();
        copy.fields()
            .into_iter()
            .map(|(name, value)| (name, *value))
            .collect()
    }

    /// Takes over a row of the store; a name that this version does not know is left alone.
    pub(crate) fn set(&mut self, name: &str, value: u64) {
        if let Some(target) = name
            .strip_prefix("within.")
            .and_then(|rest| rest.split('.').next()?.parse().ok())
        {
            self.within.entry(target).or_default();
        }
        if let Some((_, field)) = self.fields().into_iter().find(|(field, _)| field == name) {
            *field = value;
        }
    }

    /// Every number with its name in the store: the only place that knows both.
    fn fields(&mut self) -> Vec<(String, &mut u64)> {
        let mut fields = vec![
            ("sent".to_owned(), &mut self.sent),
            ("received".to_owned(), &mut self.received),
            ("late".to_owned(), &mut self.late),
            ("skipped".to_owned(), &mut self.skipped),
        ];
        fields.extend(
            LOST.iter()
                .zip(&mut self.lost)
                .map(|(way, value)| (format!("lost.{way}"), value)),
        );
        fields.extend(
            WAYS.iter()
                .zip(&mut self.duplicated)
                .map(|(way, value)| (format!("duplicated.{way}"), value)),
        );
        fields.extend(
            WAYS.iter()
                .zip(&mut self.reordered)
                .map(|(way, value)| (format!("reordered.{way}"), value)),
        );
        for (target, counts) in &mut self.within {
            fields.extend(
                WITHIN
                    .iter()
                    .zip(counts)
                    .map(|(way, value)| (format!("within.{target}.{way}"), value)),
            );
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::report;

    #[test]
    fn what_is_written_as_rows_is_read_back() {
        let mut totals = Totals::default();
        totals.add(&report("a~b", 0), Nanos::from_millis(1));
        totals.add(&report("a~b", 1), Nanos::from_millis(1));
        assert!(totals.sent > 0 && totals.within.len() == 1, "{totals:?}");
        let mut read = Totals::default();
        totals
            .rows()
            .iter()
            .for_each(|(name, value)| read.set(name, *value));
        read.set("from-the-future", 7);
        assert_eq!(read, totals);
    }

    #[test]
    fn a_target_that_the_topology_does_not_have_is_not_counted() {
        let mut totals = Totals::default();
        totals.add(&report("a~b", 0), Nanos(12_345));
        assert!(totals.within.is_empty());
    }
}
