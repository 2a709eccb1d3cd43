//! What a path has counted since the store was made.
//!
//! Exact numbers from the probes, added up report by report in the transaction
//! that stores the report, so a restart neither loses nor repeats one.

use std::collections::BTreeMap;
use std::sync::Arc;

use owl_measure::lengths::{BUCKETS, Lengths};
use owl_measure::patterns::Patterns;
use owl_measure::report::Report;
use owl_measure::summary::Within;
use owl_measure::time::Nanos;

use crate::delays::Delays;

/// The labels of losses and overtaken packets, in the order of [`Totals::lost`].
pub(crate) const LOST: [&str; 3] = ["forward", "backward", "unknown"];
/// The labels of what always has a direction.
pub(crate) const WAYS: [&str; 2] = ["forward", "backward"];
/// The labels of packets within the target, in the order of [`Totals::within`].
pub(crate) const WITHIN: [&str; 3] = ["forward", "backward", "round_trip"];

/// The names of lengths in the store, in the order of [`Totals::lengths`].
const LENGTHS: [&str; 5] = [
    "extent",
    "n_reordering",
    "loss_period",
    "loss_distance",
    "late_offset",
];
/// Where [`LENGTHS`] has the reordering extents.
pub(crate) const EXTENT: usize = 0;
/// Where it has the n of n-reordered packets.
pub(crate) const N_REORDERING: usize = 1;
/// Where it has the loss periods.
pub(crate) const LOSS_PERIOD: usize = 2;
/// Where it has the loss distances.
pub(crate) const LOSS_DISTANCE: usize = 3;
/// Where it has the late-time offsets, in units of 100 µs.
pub(crate) const LATE_OFFSET: usize = 4;

/// Lengths since the store was made: how many in each bucket, and their sum. The longest of all times says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    counts: [u64; BUCKETS],
    pub(crate) sum: u64,
}

impl Tally {
    fn add(&mut self, lengths: &Lengths) {
        for (count, more) in self.counts.iter_mut().zip(lengths.counts()) {
            *count = count.saturating_add(*more);
        }
        self.sum = self.sum.saturating_add(lengths.sum());
    }

    /// How many are at most as long as a bucket's edge.
    pub(crate) fn up_to(&self, bucket: usize) -> u64 {
        self.counts
            .iter()
            .take(bucket + 1)
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.up_to(BUCKETS)
    }

    /// Every number with its name in the store.
    fn fields(&mut self) -> impl Iterator<Item = (String, &mut u64)> {
        let counts = self.counts.iter_mut().enumerate();
        counts
            .map(|(bucket, count)| (bucket.to_string(), count))
            .chain([("sum".to_owned(), &mut self.sum)])
    }
}

/// Before the names of lengths in the store.
const LENGTHS_PREFIX: &str = "lengths.";

/// What a path has counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) late: u64,
    pub(crate) skipped: u64,
    pub(crate) lost: [u64; 3],
    /// Of those: what the measuring host dropped itself, at most.
    pub(crate) own_loss: u64,
    pub(crate) duplicated: [u64; 2],
    pub(crate) reordered: [u64; 3],
    /// How often the hop count of a flow changed.
    pub(crate) hop_changes: [u64; 2],
    pub(crate) dscp_told: [u64; 2],
    pub(crate) remarked: [u64; 2],
    pub(crate) congestion: [u64; 2],
    /// By what they are lengths of, and by direction as [`LOST`] has them.
    pub(crate) lengths: [[Tally; 3]; 5],
    /// By target in nanoseconds. Only targets that the topology has had are counted, so a probe cannot make this grow.
    pub(crate) within: BTreeMap<i64, [u64; 3]>,
    /// Shared by those who hold a copy, because it is the largest part.
    pub(crate) delays: Arc<Delays>,
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
        grow(&mut self.own_loss, summary.lost_here());
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
            let headers = &direction.headers;
            grow(&mut self.dscp_told[k], headers.dscp_told);
            grow(&mut self.remarked[k], headers.remarked);
            grow(&mut self.congestion[k], headers.congestion);
        }
        grow(&mut self.reordered[2], summary.somewhere.extents.count());
        let patterns = [&forward.patterns, &backward.patterns, &summary.somewhere];
        for (place, patterns) in patterns.into_iter().enumerate() {
            let Patterns {
                extents,
                n_reordering,
                loss_periods,
                loss_distances,
                late_offsets,
            } = patterns;
            let lengths = [
                extents,
                n_reordering,
                loss_periods,
                loss_distances,
                late_offsets,
            ];
            for (totals, lengths) in self.lengths.iter_mut().zip(lengths) {
                totals[place].add(lengths);
            }
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
        Arc::make_mut(&mut self.delays).add(report, target, counts);
    }

    /// Counts the directions in which the hop count of a flow changed.
    pub(crate) fn hops_changed(&mut self, changed: [bool; 2]) {
        for (total, changed) in self.hop_changes.iter_mut().zip(changed) {
            *total = total.saturating_add(u64::from(changed));
        }
    }

    /// As rows of the store. Most paths lose nothing in most of the ways there are, so only what was counted is a row.
    pub(crate) fn rows(&self) -> BTreeMap<String, u64> {
        let mut copy = self.clone();
        let mut rows: BTreeMap<String, u64> = copy
            .fields()
            .into_iter()
            .map(|(name, value)| (name, *value))
            .collect();
        for (what, places) in LENGTHS.iter().zip(&mut copy.lengths) {
            for (place, tally) in LOST.iter().zip(places) {
                let fields = tally.fields().filter(|(_, value)| **value > 0);
                rows.extend(fields.map(|(field, value)| {
                    (format!("{LENGTHS_PREFIX}{what}.{place}.{field}"), *value)
                }));
            }
        }
        rows
    }

    /// The rows that are not as they were, and by how much.
    pub(crate) fn added_since(&self, before: Option<&Self>) -> Vec<(String, u64)> {
        let before = before.map(Self::rows).unwrap_or_default();
        let changed = |(name, value): &(String, u64)| before.get(name) != Some(value);
        let by = |(name, value): (String, u64)| {
            let more = value.saturating_sub(before.get(&name).copied().unwrap_or(0));
            (name, more)
        };
        self.rows().into_iter().filter(changed).map(by).collect()
    }

    /// Takes over a row of the store; a name that this version does not know is left alone.
    pub(crate) fn set(&mut self, name: &str, value: u64) {
        if let Some(rest) = name.strip_prefix(LENGTHS_PREFIX) {
            return self.set_length(rest, value);
        }
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

    fn set_length(&mut self, name: &str, value: u64) {
        let mut parts = name.split('.');
        let (what, place) = (parts.next(), parts.next());
        let find = |names: &[&str], part| names.iter().position(|name| Some(*name) == part);
        if let (Some(what), Some(place), Some(part)) =
            (find(&LENGTHS, what), find(&LOST, place), parts.next())
            && let Some((_, field)) = self.lengths[what][place]
                .fields()
                .find(|(field, _)| field == part)
        {
            *field = value;
        }
    }

    /// Every plain number with its name in the store: the only place that knows both.
    fn fields(&mut self) -> Vec<(String, &mut u64)> {
        let mut fields = vec![
            ("sent".to_owned(), &mut self.sent),
            ("received".to_owned(), &mut self.received),
            ("late".to_owned(), &mut self.late),
            ("skipped".to_owned(), &mut self.skipped),
            ("own_loss".to_owned(), &mut self.own_loss),
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
            LOST.iter()
                .zip(&mut self.reordered)
                .map(|(way, value)| (format!("reordered.{way}"), value)),
        );
        for (name, values) in [
            ("hop_changes", &mut self.hop_changes),
            ("dscp_told", &mut self.dscp_told),
            ("remarked", &mut self.remarked),
            ("congestion", &mut self.congestion),
        ] {
            let named = WAYS.iter().zip(values);
            fields.extend(named.map(|(way, value)| (format!("{name}.{way}"), value)));
        }
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
    use crate::testing::{report, unanswered};

    #[test]
    fn what_is_written_as_rows_is_read_back() {
        let mut totals = Totals::default();
        totals.add(&report("a~b", 0), Nanos::from_millis(1));
        totals.add(&unanswered("a~b", 1), Nanos::from_millis(1));
        assert!(totals.sent > 0 && totals.within.len() == 1, "{totals:?}");
        assert_eq!(totals.lengths[LOSS_PERIOD][2].count(), 1);
        assert_eq!(totals.lengths[LOSS_PERIOD][2].sum, 10);
        let mut read = Totals::default();
        totals
            .rows()
            .iter()
            .for_each(|(name, value)| read.set(name, *value));
        for unknown in [
            "from-the-future",
            "lengths.extent",
            "lengths.extent.up.3",
            "lengths.extent.forward.16",
        ] {
            read.set(unknown, 7);
        }
        read.delays = Arc::clone(&totals.delays);
        assert_eq!(
            read, totals,
            "but for the delays, which have a table of their own"
        );
    }

    #[test]
    fn only_what_was_added_is_written() {
        let target = Nanos::from_millis(1);
        let mut before = Totals::default();
        before.add(&report("a~b", 0), target);
        assert_eq!(before.added_since(None).len(), before.rows().len());
        let mut after = before.clone();
        after.add(&unanswered("a~b", 1), target);
        let added = after.added_since(Some(&before));
        let names: Vec<&str> = added.iter().map(|(name, _)| name.as_str()).collect();
        // Ten packets lost in a row: nine of them at distance 1.
        let expected = [
            "lengths.loss_distance.unknown.0",
            "lengths.loss_distance.unknown.sum",
            "lengths.loss_period.unknown.4",
            "lengths.loss_period.unknown.sum",
            "lost.unknown",
            "sent",
        ];
        assert_eq!(names, expected);
        assert_eq!(
            added[5].1, 10,
            "as many as the second report has, whatever the first one had"
        );
    }

    #[test]
    fn a_target_that_the_topology_does_not_have_is_not_counted() {
        let mut totals = Totals::default();
        totals.add(&report("a~b", 0), Nanos(12_345));
        assert!(totals.within.is_empty());
    }
}
