//! Octets of one counter in a window of time.

use super::increase::octets_at;
use super::series::Judged;
use super::{CounterSample, Profile};
use crate::time::{Nanos, Timestamp};

/// What a counter says of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    /// Octets in the known part of the window, the traffic between two samples being taken for even. The values of
    /// windows that adjoin add up to the value of the window that they make: exactly.
    pub octets: u128,
    /// No fewer octets passed in the window.
    pub at_least: u128,
    /// No more passed in it, with all that the line can carry where nothing is known.
    pub at_most: u128,
    /// How much of the window is known.
    pub known: Nanos,
}

/// A reading as part of a run that counts through.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    at: Timestamp,
    /// The earliest and the latest instant at which the counter may have been read.
    read: (Timestamp, Timestamp),
    /// Since the run's first reading; below zero before it.
    octets: i128,
}

/// What one counter counted, in runs without a gap.
#[derive(Debug, Clone)]
pub struct Track {
    runs: Vec<Vec<Anchor>>,
    ceiling_bps: u64,
}

impl Track {
    /// Joins what is known of a history ([`super::series::judge`]).
    pub fn of(samples: &[CounterSample], judged: &Judged, profile: &Profile) -> Self {
        let anchor = |index: usize, octets| {
            let sample: &CounterSample = &samples[index];
            let at = sample.at.unwrap_or_default();
            let instant = |ns: i64| Timestamp(at.0.saturating_add(ns));
            let early = sample.within + judged.cache.at_most;
            Anchor {
                at,
                read: (instant(-early.0), instant(sample.within.0)),
                octets,
            }
        };
        let mut runs: Vec<Vec<Anchor>> = Vec::new();
        let mut open = false;
        for step in &judged.steps {
            let Ok(increase) = step.outcome else {
                open = false;
                continue;
            };
            if !open {
                runs.push(vec![anchor(step.from, 0)]);
            }
            open = true;
            if let Some(run) = runs.last_mut() {
                let so_far = run.last().map_or(0, |last| last.octets);
                run.push(anchor(step.to, so_far + i128::from(increase.octets)));
            }
        }
        Self {
            runs,
            ceiling_bps: profile.ceiling_bps(),
        }
    }

    /// What passed from one instant to another.
    pub fn volume(&self, from: Timestamp, to: Timestamp) -> Volume {
        let length = Nanos(to.0.saturating_sub(from.0)).max(Nanos::ZERO);
        let mut volume = Volume::default();
        for run in &self.runs {
            let ends = run.first().zip(run.last());
            let Some((first, last)) = ends.filter(|(a, b)| a.at < to && b.at > from) else {
                continue;
            };
            let (start, end) = (from.max(first.at), to.min(last.at));
            let (at_start, at_end) = (self.bounds(run, start), self.bounds(run, end));
            let passed = |from: i128, to: i128| to.saturating_sub(from).max(0).unsigned_abs();
            volume.octets += passed(value(run, start, at_start), value(run, end, at_end));
            volume.known += Nanos(end.0 - start.0);
            volume.at_least += passed(at_start.1, at_end.0);
            volume.at_most += passed(at_start.0, at_end.1);
        }
        let unknown = length - volume.known;
        volume.at_most += u128::from(octets_at(self.ceiling_bps, unknown));
        volume
    }

    /// The fewest and the most octets that can have been counted at an instant of a run, from its neighbours:
    /// `max(C₁, C₂ − line·(t₂ − t)) ≤ C(t) ≤ min(C₂, C₁ + line·(t − t₁))`, t₁ and t₂ being taken at their worst.
    fn bounds(&self, run: &[Anchor], at: Timestamp) -> (i128, i128) {
        /// So many readings on each side: one suffices, unless their instants overlap.
        const NEIGHBOURS: usize = 3;
        let after = run.partition_point(|anchor| anchor.at < at);
        let near = after.saturating_sub(NEIGHBOURS)..(after + NEIGHBOURS).min(run.len());
        // Rounded up.
        let line = |since: Timestamp, until: Timestamp| {
            let span = Nanos(until.0.saturating_sub(since.0));
            i128::from(octets_at(self.ceiling_bps, span)) + i128::from(span > Nanos::ZERO)
        };
        let near = || run[near.clone()].iter();
        let fewest = near().map(|anchor| anchor.octets - line(at, anchor.read.1));
        let most = near().map(|anchor| anchor.octets + line(anchor.read.0, at));
        (fewest.max().unwrap_or(0), most.min().unwrap_or(0))
    }
}

/// What a run had counted at an instant within it: as if its traffic were even between two readings, within what is
/// certain. A function of the instant alone and never falling, so adjoining windows telescope.
fn value(run: &[Anchor], at: Timestamp, (fewest, most): (i128, i128)) -> i128 {
    even(run, at).min(most).max(fewest)
}

/// What a run had counted at an instant within it, if its traffic was even between two readings.
fn even(run: &[Anchor], at: Timestamp) -> i128 {
    let after = run.partition_point(|anchor| anchor.at <= at);
    let Some(before) = after.checked_sub(1).map(|i| &run[i]) else {
        return run.first().map_or(0, |first| first.octets);
    };
    let Some(after) = run.get(after) else {
        return before.octets;
    };
    let span = i128::from(after.at.0.abs_diff(before.at.0)).max(1);
    let passed = i128::from(at.0.abs_diff(before.at.0));
    // Below 2⁶⁴ octets by 2⁶³ ns: within 127 bits.
    before.octets + (after.octets - before.octets) * passed / span
}
