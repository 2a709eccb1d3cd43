//! Whom the conflicts of a mesh speak against, and how strongly.
//!
//! Faulty is what the fewest sources explain where the packets prove the
//! conflict; suspect is what rests on more: on paths being about symmetric, or
//! on a choice between explanations of the same size.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::audit::AuditedWindow;
use super::changes::{Change, Movement};
use super::dial::{self, SHARES};
use super::sources::{Conflict, explain};
use super::timeline::Timeline;
use super::whole_second::whole_seconds;
use super::window::Window;
use crate::time::{Nanos, Timestamp};

/// What is said of a probe's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeVerdict {
    /// Nothing speaks against it.
    Ok,
    /// Something does, but it is not proved that it is this clock.
    Suspect,
    /// Its claim contradicts what the packets prove, and the fewest sources that explain that are known.
    Faulty,
}

/// What seems to be wrong with a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    /// Further from UTC than it claims, for all of the run.
    Offset,
    /// It jumped: all its differences at once, and no round trip changed.
    Step,
    /// It runs faster or slower than it did, against all others.
    Drift,
    /// Off by the difference of two time scales: TAI, GPS, BeiDou, or a leap second.
    Timescale,
    /// Excluded by its claim if paths were symmetric: a clock, or an access link with unequal directions.
    ClockOrAccessAsymmetry,
    /// One of several clocks that contradict each other; which of them lie cannot be told.
    Contradiction,
    /// Round trips are faster than light: the coordinates, or the shortest routes, are wrong.
    Coordinates,
}

/// What the audit says of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAudit {
    /// Whether its clock is to be believed.
    pub verdict: ProbeVerdict,
    /// What seems wrong; `None` when nothing does.
    pub kind: Option<ProbeKind>,
    /// Its error at the centre of each window, by the symmetric guess; `None` without packets.
    pub offsets: Vec<Option<Nanos>>,
    /// The other probes that would explain the conflicts just as well.
    pub alternatives: Vec<usize>,
    /// Since when, on its own clock, where the trouble has a beginning.
    pub since: Option<Timestamp>,
    /// When that could first be told.
    pub found: Option<Timestamp>,
}

/// Whom the conflicts speak against.
pub(super) struct Suspicion {
    /// Which time source each probe follows; `None` is one of its own.
    sources: Vec<Option<usize>>,
    pub(super) verdicts: Vec<ProbeVerdict>,
    pub(super) kinds: Vec<Option<ProbeKind>>,
    alternatives: Vec<BTreeSet<usize>>,
    pub(super) cut: bool,
}

impl Suspicion {
    pub(super) fn new(sources: Vec<Option<usize>>) -> Self {
        let count = sources.len();
        Self {
            sources,
            verdicts: vec![ProbeVerdict::Ok; count],
            kinds: vec![None; count],
            alternatives: vec![BTreeSet::new(); count],
            cut: false,
        }
    }

    /// Probes that follow one source are that source; the others are one of their own.
    fn source(&self, probe: usize) -> usize {
        self.sources[probe].map_or(probe, |source| self.sources.len() + source)
    }

    /// The first probe that follows a source.
    fn first(&self, source: usize) -> usize {
        (0..self.sources.len())
            .find(|&probe| self.source(probe) == source)
            .expect("a source is known by the probes that follow it")
    }

    fn followers(&self, sources: &BTreeSet<usize>) -> BTreeSet<usize> {
        (0..self.sources.len())
            .filter(|&probe| sources.contains(&self.source(probe)))
            .collect()
    }

    /// Claims that the packets prove to exclude each other, with those probes of whom that is `known` already; returns the
    /// conflicts of which nobody knows who is to blame.
    pub(super) fn contradicted(
        &mut self,
        windows: &[Option<AuditedWindow>],
        line: &Timeline,
        known: &[Conflict],
    ) -> BTreeSet<Conflict> {
        let mut conflicts: BTreeSet<Conflict> =
            self.between_sources(known.to_vec()).into_iter().collect();
        let mut open = BTreeSet::new();
        for window in windows.iter().flatten() {
            if let Some(proved) = &window.window.proved {
                let anchors = window.anchors(line, |_| true);
                conflicts.extend(self.between_sources(window.conflicts(proved, &anchors)));
            }
        }
        for explanation in explain(&conflicts) {
            self.cut |= explanation.cut;
            let clear = match &explanation.sets[..] {
                [only] if !explanation.cut => {
                    self.clearly(only, &explanation.involved, windows, line)
                }
                _ => BTreeSet::new(),
            };
            for probe in self.followers(&clear) {
                self.verdicts[probe] = ProbeVerdict::Faulty;
                self.kinds[probe] = Some(ProbeKind::Offset);
            }
            let settled = self.followers(&clear);
            open.extend(conflicts.iter().filter(|(a, b)| {
                explanation.involved.contains(a)
                    && !settled.contains(&self.first(*a))
                    && !settled.contains(&self.first(*b))
            }));
        }
        open
    }

    /// Claims that exclude each other if the paths are about as symmetric as the loops of the mesh show; returns which ones
    /// do, with those that are open anyhow.
    pub(super) fn doubted(
        &mut self,
        open: BTreeSet<Conflict>,
        windows: &[Option<AuditedWindow>],
        line: &Timeline,
    ) -> BTreeSet<Conflict> {
        let mut conflicts = open.clone();
        for window in windows.iter().flatten() {
            let Some(place) = dial::least_share(&window.window, &[]) else {
                continue;
            };
            let share = (UNSEEN * SHARES[place])
                .max(least_share(&window.window))
                .min(1.0);
            let Some(bounds) = dial::assumed(&window.window, share, &[]) else {
                continue;
            };
            let anchors =
                window.anchors(line, |clock| self.verdicts[clock] != ProbeVerdict::Faulty);
            conflicts.extend(self.between_sources(window.conflicts(&bounds, &anchors)));
        }
        for explanation in explain(&conflicts) {
            let mut possible: BTreeSet<usize> =
                explanation.sets.iter().flatten().copied().collect();
            let clear = match &explanation.sets[..] {
                [only] if !explanation.cut => {
                    self.clearly(only, &explanation.involved, windows, line)
                }
                _ => BTreeSet::new(),
            };
            if explanation.cut || (explanation.sets.len() == 1 && clear.len() < possible.len()) {
                possible.clone_from(&explanation.involved);
            }
            let proved = open.iter().any(|(a, _)| explanation.involved.contains(a));
            let kind = if proved {
                ProbeKind::Contradiction
            } else {
                ProbeKind::ClockOrAccessAsymmetry
            };
            self.cut |= explanation.cut;
            let possible = self.followers(&possible);
            for &probe in &possible {
                self.suspect(probe, kind, &possible);
            }
        }
        conflicts
    }

    fn between_sources(&self, conflicts: Vec<Conflict>) -> Vec<Conflict> {
        conflicts
            .into_iter()
            .map(|(a, b)| (self.source(a), self.source(b)))
            .filter(|(a, b)| a != b)
            .collect()
    }

    /// Those of the only smallest set that are clearly the fewer.
    ///
    /// Sources that are wrong by the same amount may be one source that nobody named, and so may be those that contradict
    /// them: then it is one against one. Only a group that more than twice as many contradict is called.
    fn clearly(
        &self,
        set: &BTreeSet<usize>,
        involved: &BTreeSet<usize>,
        windows: &[Option<AuditedWindow>],
        line: &Timeline,
    ) -> BTreeSet<usize> {
        let against = involved.len() - set.len();
        set.iter()
            .filter(|&&source| {
                let same_way = set
                    .iter()
                    .filter(|&&other| self.same_way(source, other, windows, line))
                    .count();
                if same_way == 1 {
                    against >= 2
                } else {
                    against > 2 * same_way
                }
            })
            .copied()
            .collect()
    }

    /// Whether two sources are wrong by the same amount, to what they claim and a little.
    fn same_way(
        &self,
        one: usize,
        other: usize,
        windows: &[Option<AuditedWindow>],
        line: &Timeline,
    ) -> bool {
        let (a, b) = (self.first(one), self.first(other));
        // What was taken off the raw differences belongs to the clocks' errors again.
        let apart = (line.base(a) - line.base(b)) as f64;
        windows.iter().flatten().any(|window| {
            let known = |probe: usize| window.window.offsets[probe].zip(window.claims[probe]);
            match (known(a), known(b)) {
                (Some((x, bound_x)), Some((y, bound_y))) => {
                    (x - y + apart).abs() <= bound_x + bound_y + SAME_WAY_NS
                }
                _ => false,
            }
        })
    }

    /// Adds what the clock was seen to do.
    pub(super) fn changed(told: &mut ProbeAudit, change: &Change, line: &Timeline) {
        let probe = change.clock;
        told.kind = Some(match change.movement {
            Movement::Step(_) => ProbeKind::Step,
            Movement::Drift(_) => ProbeKind::Drift,
        });
        told.verdict = told.verdict.max(ProbeVerdict::Suspect);
        told.since = Some(line.local(probe, change.since));
        told.found = Some(line.local(probe, change.found));
    }

    /// Notes that a clock moved by more than it claims.
    pub(super) fn moved(&mut self, probe: usize, kind: ProbeKind) {
        self.verdicts[probe] = self.verdicts[probe].max(ProbeVerdict::Suspect);
        self.kinds[probe] = Some(kind);
    }

    fn suspect(&mut self, probe: usize, kind: ProbeKind, together: &BTreeSet<usize>) {
        if self.verdicts[probe] == ProbeVerdict::Ok {
            self.verdicts[probe] = ProbeVerdict::Suspect;
            self.kinds[probe] = Some(kind);
            self.alternatives[probe] = together.iter().copied().filter(|&p| p != probe).collect();
        }
    }

    pub(super) fn told(
        &self,
        probe: usize,
        offsets: Vec<Option<Nanos>>,
        misplaced: bool,
    ) -> ProbeAudit {
        let mut told = ProbeAudit {
            verdict: self.verdicts[probe],
            kind: self.kinds[probe],
            offsets,
            alternatives: self.alternatives[probe].iter().copied().collect(),
            since: None,
            found: None,
        };
        if told.verdict == ProbeVerdict::Ok && misplaced {
            told.verdict = ProbeVerdict::Suspect;
            told.kind = Some(ProbeKind::Coordinates);
        }
        let last = told.offsets.iter().rev().flatten().next();
        if told.verdict != ProbeVerdict::Ok
            && last.is_some_and(|&offset| whole_seconds(offset).is_some())
        {
            told.kind = Some(ProbeKind::Timescale);
        }
        told
    }
}

/// Two clocks that differ by no more than this besides their claims are taken to be wrong the same way.
const SAME_WAY_NS: f64 = 50_000.0;

/// How symmetric paths are taken to be before the loops say otherwise.
fn least_share(window: &Window) -> f64 {
    let probes = window.offsets.iter().flatten().count();
    let loops = (window.pairs.len() + 1).saturating_sub(probes);
    if 2 * loops >= probes {
        LEAST_SHARE
    } else {
        BLIND_SHARE
    }
}

/// Paths are taken for symmetric to this share of their slack at the least; below, a claim that does not fit is no news.
const LEAST_SHARE: f64 = 0.02;

/// The same where the mesh has too few loops to tell how asymmetric it is. One path in nine deviates by more than a tenth
/// (Liu et al., Globecom 2022); half of that, because a suspicion costs certainty, and a lie that is believed the truth.
const BLIND_SHARE: f64 = 0.05;

/// The loops of a mesh see only part of its asymmetry; the rest is taken to be as large.
const UNSEEN: f64 = 2.0;
