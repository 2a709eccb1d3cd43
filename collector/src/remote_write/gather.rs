//! What is told: at each turn what stands in the live table, and every verdict at the end of its window.
//!
//! A series that was told and is there no longer is ended, so that nobody takes
//! its last value for the present one.

use std::collections::{HashMap, HashSet};

use owl_measure::time::{Nanos, Timestamp};

use super::message::{Gathered, Label, Telling, TimeSeries};
use crate::judgement::Judgement;
use crate::live::{LivePath, Table};
use crate::metrics::families::{self, PathFamily, SeenPath};
use crate::metrics::{Own, Part};

/// Paths in one request.
pub(super) const PATHS_A_REQUEST: usize = 32;

fn milliseconds(at: Timestamp) -> i64 {
    (at - Timestamp(0)).0 / 1_000_000
}

fn write(families: &[PathFamily], path: SeenPath<'_>, into: &mut Gathered) {
    for PathFamily { metric, write } in families {
        crate::metrics::Sink::metric(into, metric);
        write(path, into);
    }
}

/// What a receiver was told of a path and not yet that it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Alive {
    counted: bool,
    judged: bool,
}

/// The present state of paths `first..`, of [`PATHS_A_REQUEST`] at most, and what is alive then.
pub(super) fn paths(
    table: &Table,
    part: Part,
    first: usize,
    alive: &[Alive],
    (now, grace): (Timestamp, Nanos),
) -> (Vec<TimeSeries>, Vec<Alive>) {
    let at_ms = milliseconds(now);
    let mut told = Gathered::at(at_ms, Telling::Values);
    let mut ended = Gathered::at(at_ms, Telling::Ends);
    let last = table.paths.len().min(first + PATHS_A_REQUEST);
    let mut next = Vec::with_capacity(last - first);
    for index in first..last {
        let seen = SeenPath::at(table, index, now, grace);
        if !part.holds(seen.live) {
            next.push(Alive::default());
            continue;
        }
        write(families::DECLARED, seen, &mut told);
        write(families::COUNTED, seen, &mut told);
        write(families::STANDING, seen, &mut told);
        let was = alive.get(index).copied().unwrap_or_default();
        let is = Alive {
            counted: seen.reporting,
            judged: seen.judgement.is_some(),
        };
        if was.counted && !is.counted {
            let before = SeenPath {
                reporting: true,
                ..seen
            };
            write(families::COUNTED, before, &mut ended);
        }
        if was.judged && !is.judged {
            let before = SeenPath {
                judgement: seen.live.latest.as_ref(),
                ..seen
            };
            write(families::JUDGED, before, &mut ended);
        }
        next.push(is);
    }
    told.series.append(&mut ended.series);
    (told.series, next)
}

/// The present state of all else.
pub(super) fn rest(table: &Table, own: &Own, now: Timestamp) -> Vec<TimeSeries> {
    let mut told = Gathered::at(milliseconds(now), Telling::Values);
    for family in families::PROBES {
        crate::metrics::Sink::metric(&mut told, family.metric);
        for probe in table.probes.values() {
            (family.write)(probe, &mut told);
        }
    }
    families::of_the_rest(table, &mut told);
    own.series(&mut told);
    told.series
}

/// The verdicts that were told last, one a path.
#[derive(Default)]
pub(super) struct Told(HashMap<String, Judgement>);

impl Told {
    /// One verdict at the end of its window; series that the one before had and this one has not end there.
    pub(super) fn series(&self, live: &LivePath, judgement: &Judgement) -> Vec<TimeSeries> {
        let at = judgement.window_end();
        let seen = |judgement| SeenPath {
            live,
            judgement: Some(judgement),
            reporting: false,
            running: None,
            now: at,
        };
        let mut told = Gathered::at(milliseconds(at), Telling::Values);
        write(families::JUDGED, seen(judgement), &mut told);
        let before = self.0.get(&judgement.path);
        if let Some(before) = before.filter(|before| before.window_start < judgement.window_start) {
            let mut ended = Gathered::at(milliseconds(at), Telling::Ends);
            write(families::JUDGED, seen(before), &mut ended);
            let there: HashSet<&[Label]> = told
                .series
                .iter()
                .map(|series| series.labels.as_slice())
                .collect();
            ended
                .series
                .retain(|series| !there.contains(series.labels.as_slice()));
            told.series.append(&mut ended.series);
        }
        told.series
    }

    /// Takes over what was sent.
    pub(super) fn learn(&mut self, judgement: Judgement) {
        let newer = |told: &Judgement| told.window_start <= judgement.window_start;
        if self.0.get(&judgement.path).is_none_or(newer) {
            self.0.insert(judgement.path.clone(), judgement);
        }
    }
}
