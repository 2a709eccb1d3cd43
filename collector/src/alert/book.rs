//! All that is told at the moment, and how that goes on with what is seen next.
//!
//! What is seen becomes tracks ([`super::track`]), tracks of paths become
//! places ([`super::group`]), and then it is said of each alert whether it is
//! told to receivers or only shown: what work was announced for is muted, and
//! what another alert explains is left to that one.

use std::collections::{BTreeMap, BTreeSet};

use owl_measure::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use super::condition::{Condition, Sight, Words};
use super::group::{Group, Standing, grouped};
use super::kind::{Kind, Severity};
use super::map::Map;
use super::subject::{Of, Subject};
use super::track::Track;

/// Things that are remembered at once. Further ones wait until some are over: with more the network is wrong as a whole,
/// which the alerts that are there say. Paths alone are as many as the topology has.
const TRACKS_MAX: usize = 100_000;

/// Why an alert is only shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub(crate) enum Quiet {
    /// Work was announced for all its paths.
    Maintenance {
        /// Until when, of the path whose work ends first.
        #[serde(rename = "until_ns")]
        until: Timestamp,
    },
    /// Another alert explains it.
    Explained {
        /// What that is about.
        kind: Kind,
        /// Of what it tells.
        subject: Subject,
    },
}

/// One path of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) path: String,
    #[serde(rename = "since_ns")]
    pub(crate) since: Timestamp,
    #[serde(rename = "window_ns")]
    pub(crate) window: Nanos,
    /// How often it came again within the hour.
    pub(crate) returns: u32,
    pub(crate) detail: Words,
}

/// Something that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alert {
    pub(crate) kind: Kind,
    pub(crate) subject: Subject,
    #[serde(rename = "since_ns")]
    pub(crate) since: Timestamp,
    /// How often it came again within the hour.
    pub(crate) returns: u32,
    /// What exactly, as far as there is more to say than what it is.
    pub(crate) detail: Words,
    /// The paths of which it tells; empty when it is not about paths.
    pub(crate) paths: Vec<Member>,
    /// Why it is only shown; `None` when receivers are told.
    pub(crate) quiet: Option<Quiet>,
}

/// What tells an alert from every other that is there at the same time.
pub(crate) type Key = (Kind, Subject);

impl Alert {
    pub(crate) fn key(&self) -> Key {
        (self.kind, self.subject.clone())
    }

    pub(crate) fn severity(&self) -> Severity {
        self.kind.severity(&self.subject)
    }

    /// It came again within the hour.
    pub(crate) fn is_flapping(&self) -> bool {
        self.returns > 0
    }

    /// Whether it is the same alert on the same paths, told alike: only what exactly it says may differ.
    pub(super) fn is_as_good_as(&self, other: &Self) -> bool {
        let paths = |alert: &Self| {
            let paths = alert.paths.iter();
            paths
                .map(|member| (member.path.clone(), member.since))
                .collect::<Vec<_>>()
        };
        (
            self.kind,
            &self.subject,
            self.since,
            self.returns,
            &self.quiet,
        ) == (
            other.kind,
            &other.subject,
            other.since,
            other.returns,
            &other.quiet,
        ) && paths(self) == paths(other)
    }

    fn names(&self) -> BTreeSet<&str> {
        self.paths
            .iter()
            .map(|member| member.path.as_str())
            .collect()
    }

    /// One path of it, as an alert of its own.
    pub(crate) fn of_member(&self, member: &Member) -> Self {
        Self {
            kind: self.kind,
            subject: Subject::new(Of::Path, &member.path),
            since: member.since,
            returns: member.returns,
            detail: member.detail.clone(),
            paths: vec![member.clone()],
            quiet: match &self.quiet {
                Some(Quiet::Maintenance { until }) => Some(Quiet::Maintenance { until: *until }),
                // The other one may be about somebody else.
                Some(Quiet::Explained { .. }) | None => None,
            },
        }
    }
}

/// The book of what is told.
#[derive(Debug, Default)]
pub(crate) struct Book {
    tracks: BTreeMap<Key, Track>,
    /// Places that are told at the moment.
    groups: BTreeMap<Kind, BTreeMap<Subject, Timestamp>>,
}

impl Book {
    /// As the collector left it that told these.
    pub(crate) fn restored(alerts: &[Alert]) -> Self {
        let mut book = Self::default();
        for alert in alerts {
            let condition = |subject: Subject, since, window, detail: &Words| Condition {
                kind: alert.kind,
                subject,
                since,
                window,
                detail: detail.clone(),
            };
            if !alert.kind.is_of_paths() {
                let one = condition(
                    alert.subject.clone(),
                    alert.since,
                    Nanos::ZERO,
                    &alert.detail,
                );
                book.tracks
                    .insert(alert.key(), Track::told(one, alert.returns));
                continue;
            }
            for member in &alert.paths {
                let subject = Subject::new(Of::Path, &member.path);
                let one = condition(subject.clone(), member.since, member.window, &member.detail);
                book.tracks
                    .insert((alert.kind, subject), Track::told(one, member.returns));
            }
            if alert.subject.of != Of::Path {
                let groups = book.groups.entry(alert.kind).or_default();
                groups.insert(alert.subject.clone(), alert.since);
            }
        }
        book
    }

    /// Takes in what is seen now; tells what is to be told or shown, the gravest first.
    pub(crate) fn step(&mut self, map: &Map, sight: &Sight, now: Timestamp) -> Vec<Alert> {
        self.follow(sight, now);
        let mut alerts: Vec<Alert> = Vec::new();
        for kind in Kind::ALL {
            if kind.is_of_paths() {
                self.places(map, sight, kind, &mut alerts);
            } else {
                let told = self
                    .tracks
                    .iter()
                    .filter(|((of, _), track)| *of == kind && track.is_told());
                alerts.extend(told.map(|(_, track)| single(track)));
            }
        }
        let quiet: Vec<Option<Quiet>> = alerts
            .iter()
            .map(|alert| in_maintenance(alert, sight).or_else(|| explained(alert, &alerts, map)))
            .collect();
        for (alert, quiet) in alerts.iter_mut().zip(quiet) {
            alert.quiet = quiet;
        }
        alerts
    }

    fn follow(&mut self, sight: &Sight, now: Timestamp) {
        let mut shown = BTreeSet::new();
        for condition in &sight.conditions {
            let key = (condition.kind, condition.subject.clone());
            // What shows one thing twice shows it once, as it was said first.
            if !shown.insert(key.clone()) {
                continue;
            }
            if let Some(track) = self.tracks.get_mut(&key) {
                track.shows(condition.clone(), now);
            } else if self.tracks.len() < TRACKS_MAX {
                self.tracks
                    .insert(key, Track::begun(condition.clone(), now));
            }
        }
        self.tracks.retain(|key, track| {
            let is_unknown = key.1.of == Of::Path && sight.unknown.contains(&key.1.name);
            shown.contains(key) || is_unknown || track.lacks(now)
        });
    }

    /// The alerts of one kind on paths, place by place.
    fn places(&mut self, map: &Map, sight: &Sight, kind: Kind, alerts: &mut Vec<Alert>) {
        let mut standing: Vec<Standing> = map
            .places
            .iter()
            .map(|place| match sight.unknown.contains(&place.path) {
                true => Standing::Unknown,
                false => Standing::Well,
            })
            .collect();
        let first = (kind, Subject::new(Of::Network, ""));
        let of_kind = self
            .tracks
            .range(first..)
            .take_while(|((of, _), _)| *of == kind);
        let mut tracks: BTreeMap<usize, &Track> = BTreeMap::new();
        for ((_, subject), track) in of_kind {
            // A path that is no more in the topology is neither well nor bad.
            let Some(k) = map.index(&subject.name) else {
                continue;
            };
            if track.is_bad() {
                standing[k] = if track.is_told() {
                    Standing::Told
                } else {
                    Standing::Seen
                };
                tracks.insert(k, track);
            }
        }
        let known = self.groups.entry(kind).or_default();
        let groups = grouped(map, &standing, known);
        let mut told = BTreeMap::new();
        for Group { subject, paths } in groups {
            let members: Vec<Member> = paths
                .iter()
                .filter_map(|k| Some(member(tracks.get(k)?)))
                .collect();
            let Some(first) = members.iter().min_by_key(|member| member.since) else {
                continue;
            };
            let since = known.get(&subject).copied().unwrap_or(first.since);
            if subject.of != Of::Path {
                told.insert(subject.clone(), since);
            }
            alerts.push(Alert {
                kind,
                since,
                returns: members
                    .iter()
                    .map(|member| member.returns)
                    .max()
                    .unwrap_or(0),
                detail: first.detail.clone(),
                paths: members,
                subject,
                quiet: None,
            });
        }
        *known = told;
    }
}

fn member(track: &Track) -> Member {
    Member {
        path: track.condition.subject.name.clone(),
        since: track.condition.since,
        window: track.condition.window,
        returns: track.returns,
        detail: track.condition.detail.clone(),
    }
}

fn single(track: &Track) -> Alert {
    let Condition {
        kind,
        subject,
        since,
        detail,
        ..
    } = track.condition.clone();
    Alert {
        kind,
        subject,
        since,
        returns: track.returns,
        detail,
        paths: Vec::new(),
        quiet: None,
    }
}

fn in_maintenance(alert: &Alert, sight: &Sight) -> Option<Quiet> {
    let works = alert
        .paths
        .iter()
        .map(|member| sight.maintenance.get(&member.path));
    // Nothing is muted that only some of its paths are in maintenance of.
    let ends: Option<Vec<&Timestamp>> = works.collect();
    let until = **ends?.iter().min()?;
    Some(Quiet::Maintenance { until })
}

/// What explains an alert on paths: that nothing is measured there, or, where it cannot be told, a clock or coordinates.
fn explained(alert: &Alert, all: &[Alert], map: &Map) -> Option<Quiet> {
    if !matches!(alert.kind, Kind::TargetMissed | Kind::Undecided) {
        return None;
    }
    let mut left = alert.names();
    let mut cause = None;
    for other in all {
        let before = left.len();
        match other.kind {
            Kind::NoData => {
                let silent = other.names();
                left.retain(|path| !silent.contains(path));
            }
            Kind::ClockWrong | Kind::ClockSuspect | Kind::CoordinatesWrong
                if alert.kind == Kind::Undecided =>
            {
                let touches = |path: &str| {
                    let place = map.place(path);
                    place.is_some_and(|place| place.probes.contains(&other.subject.name))
                };
                left.retain(|path| !touches(path));
            }
            _ => {}
        }
        if left.len() < before && cause.is_none() {
            cause = Some(other);
        }
    }
    let cause = cause.filter(|_| left.is_empty())?;
    Some(Quiet::Explained {
        kind: cause.kind,
        subject: cause.subject.clone(),
    })
}

#[cfg(test)]
mod tests;
