//! When a finding opens and when it closes.
//!
//! What is proved opens a finding with the first window that shows it; a
//! suspicion with the third of five. A finding closes when five windows in a
//! row have seen its subject without it. A window that comes again, because
//! reports came late, takes the place of what it was, and everything since is
//! told anew.

use std::collections::{BTreeMap, VecDeque};

use owl_measure::time::Timestamp;

use super::symptoms::AuditedWindow;
use super::{Finding, Kind, Symptom};

/// Windows that are remembered. A window before them that comes again changes its verdicts and no finding.
pub(crate) const WINDOWS_MAX: usize = 2_000;
/// The latest windows of which so many must show a suspicion.
const LOOKED_AT: usize = 5;
/// How many.
const SUSPICIOUS: usize = 3;
/// So many windows in a row without it close a finding.
const CLOSING: u32 = 5;
/// Findings open at once; further ones wait until some are closed. A mesh with more is wrong as a whole.
const OPEN_MAX: usize = 1_000;

/// How one thing that may be wrong stands.
#[derive(Debug, Clone, Default)]
struct Track {
    /// Of the latest windows that saw it: when each began, and whether it showed.
    latest: VecDeque<(Timestamp, bool)>,
    open: Option<Finding>,
    without: u32,
}

/// All of them after some window.
#[derive(Debug, Clone, Default)]
struct State {
    tracks: BTreeMap<(Kind, String), Track>,
    open: usize,
}

/// What changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Findings that are new, or other than they were.
    pub(crate) told: Vec<Finding>,
    /// Findings that turned out to be none.
    pub(crate) withdrawn: Vec<Finding>,
}

/// The windows of one length, and the findings that they make.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Before the first of the windows.
    base: State,
    windows: BTreeMap<Timestamp, AuditedWindow>,
    told: BTreeMap<(Kind, String, Timestamp), Finding>,
    /// As they were when they were last stored.
    stored: BTreeMap<(Kind, String, Timestamp), Finding>,
}

impl Ledger {
    /// From what was kept: windows, and the findings that were open before the first of them.
    pub(crate) fn restored(
        windows: Vec<AuditedWindow>,
        findings: impl IntoIterator<Item = Finding>,
    ) -> Self {
        let windows: BTreeMap<Timestamp, AuditedWindow> = windows
            .into_iter()
            .map(|window| (window.start, window))
            .collect();
        let mut ledger = Self::default();
        let first = windows.first_key_value().map(|(&start, _)| start);
        for finding in findings {
            let began_before = first.is_none_or(|first| finding.since < first);
            if began_before
                && (finding.open || first.is_some_and(|first| first < finding.seen_until))
            {
                let (kind, subject, _) = finding.key();
                let track = Track {
                    open: Some(Finding {
                        open: true,
                        ..finding
                    }),
                    ..Track::default()
                };
                ledger.base.open += 1;
                ledger.base.tracks.insert((kind, subject), track);
            }
        }
        ledger.windows = windows;
        ledger.told = ledger.tell();
        ledger.settle();
        ledger
    }

    /// The findings that are open.
    pub(crate) fn open(&self) -> Vec<Finding> {
        self.told
            .values()
            .filter(|finding| finding.open)
            .cloned()
            .collect()
    }

    /// What was told last is stored.
    pub(crate) fn settle(&mut self) {
        self.stored.clone_from(&self.told);
    }

    /// Takes note of a window, for the first time or again; tells what has changed since it was last stored.
    pub(crate) fn note(&mut self, window: AuditedWindow) -> Changes {
        let full = self.windows.len() >= WINDOWS_MAX;
        let first = self.windows.first_key_value().map(|(&start, _)| start);
        if full && first.is_some_and(|first| window.start < first) {
            return Changes::default();
        }
        self.windows.insert(window.start, window);
        while self.windows.len() > WINDOWS_MAX {
            if let Some((_, window)) = self.windows.pop_first() {
                let mut closed = Vec::new();
                self.base.step(&window, &mut closed);
                // They will not be told again, so they are no longer known, and stay in the store as they are.
                for finding in closed {
                    self.stored.remove(&finding.key());
                }
            }
        }
        self.told = self.tell();
        Changes {
            told: self
                .told
                .iter()
                .filter(|(key, finding)| self.stored.get(key) != Some(finding))
                .map(|(_, finding)| finding.clone())
                .collect(),
            withdrawn: self
                .stored
                .iter()
                .filter(|&(key, _)| !self.told.contains_key(key))
                .map(|(_, finding)| finding.clone())
                .collect(),
        }
    }

    fn tell(&self) -> BTreeMap<(Kind, String, Timestamp), Finding> {
        let mut state = self.base.clone();
        let mut told = Vec::new();
        for window in self.windows.values() {
            state.step(window, &mut told);
        }
        told.extend(state.tracks.into_values().filter_map(|track| track.open));
        told.into_iter()
            .map(|finding| (finding.key(), finding))
            .collect()
    }
}

impl State {
    /// One window further; what it closes is added to `closed`.
    fn step(&mut self, window: &AuditedWindow, closed: &mut Vec<Finding>) {
        let shown: BTreeMap<(Kind, String), &Symptom> = window
            .symptoms
            .iter()
            .map(|symptom| ((symptom.kind, symptom.subject.clone()), symptom))
            .collect();
        for key in shown.keys() {
            self.tracks.entry(key.clone()).or_default();
        }
        let open = &mut self.open;
        self.tracks.retain(|key, track| {
            match shown.get(key) {
                Some(symptom) => {
                    let room = *open < OPEN_MAX;
                    *open += usize::from(track.shows(window, symptom, room));
                }
                None if window.saw(&key.1) => {
                    if let Some(finding) = track.lacks(window) {
                        *open -= 1;
                        closed.push(finding);
                    }
                }
                None => {}
            }
            track.open.is_some() || track.latest.iter().any(|&(_, shown)| shown)
        });
    }
}

impl Track {
    fn look(&mut self, at: Timestamp, shown: bool) {
        self.latest.push_back((at, shown));
        while self.latest.len() > LOOKED_AT {
            self.latest.pop_front();
        }
    }

    /// Returns whether that opens a finding, for which there must be room.
    fn shows(&mut self, window: &AuditedWindow, symptom: &Symptom, room: bool) -> bool {
        self.look(window.start, true);
        self.without = 0;
        if let Some(found) = &mut self.open {
            found.seen_until = window.end();
            found.windows = found.windows.saturating_add(1);
            found.last = symptom.clone();
            return false;
        }
        let shown = self.latest.iter().filter(|(_, shown)| *shown);
        let needed = match symptom.kind {
            Kind::ClockOrAccess => SUSPICIOUS,
            _ => 1,
        };
        let count = shown.clone().count();
        if !room || count < needed {
            return false;
        }
        let since = shown.map(|&(at, _)| at).next();
        self.open = Some(Finding {
            since: since.unwrap_or(window.start),
            seen_until: window.end(),
            open: true,
            windows: count as u32,
            last: symptom.clone(),
        });
        true
    }

    fn lacks(&mut self, window: &AuditedWindow) -> Option<Finding> {
        self.look(window.start, false);
        self.without += 1;
        if self.without < CLOSING {
            return None;
        }
        self.latest.clear();
        self.open.take().map(|found| Finding {
            open: false,
            ..found
        })
    }
}

#[cfg(test)]
mod tests;
