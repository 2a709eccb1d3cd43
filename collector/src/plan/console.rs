//! Plans from the command line: beside a running collector, which takes a change over within a second.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use owl_measure::time::Timestamp;
use owl_measure::words::Lang;
use owl_topology::{ReflectorKind, Topology};
use serde::Serialize;

use super::rollout::{Rollout, State};
use crate::config::{Config, ConfigError, RolloutSettings, read_topology};
use crate::now::now;
use crate::store::plans::{Draft, PlanDesk, PlanRow, Sources};
use crate::store::{StoreError, last_seen};

/// A topology that is not rolled out.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// It cannot be read, or has errors.
    #[error(transparent)]
    Topology(#[from] ConfigError),
    /// It is another network: probes would take no plan of it.
    #[error(
        "the {what} of the topology changes from {before} to {after}: that needs another state directory, or the collector's store to be emptied"
    )]
    Other {
        /// `name` or `time zone`.
        what: &'static str,
        /// As it is.
        before: String,
        /// As it would be.
        after: String,
    },
    /// No collector has made the first plan yet.
    #[error("there is no plan yet: the collector makes the first one when it starts")]
    NoPlan,
    /// There is nothing to go back to.
    #[error("there is no plan before generation {0} to go back to")]
    NothingBefore(u64),
    /// The newest generation is everybody's already.
    #[error("generation {0} is released already")]
    Released(u64),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far the newest generation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// A stage is under way.
    Rolling,
    /// A probe failed, and nothing goes on by itself.
    Stopped,
    /// Every probe is to have it.
    Released,
    /// It was taken back.
    Withdrawn,
}

/// A generation of plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanStatus {
    /// Its number: the second since 1970 in which it was made, or one more than the one before.
    pub generation: u64,
    /// SHA-256 of the topology's texts.
    pub hash: String,
    /// When it was made.
    #[serde(rename = "made_at_ns")]
    pub made_at: Timestamp,
    /// How far it is.
    pub course: Course,
    /// The stage under way, from 1; 0 when it went to all at once.
    pub stage: usize,
    /// How many stages there are.
    pub stages: usize,
    /// Which probe stopped it.
    pub failed_probe: Option<String>,
    /// Why.
    pub failure: Option<String>,
}

impl PlanStatus {
    fn of(row: &PlanRow, lang: Lang) -> Self {
        let rollout = &row.rollout;
        let (course, failed) = match &rollout.state {
            State::Rolling => (Course::Rolling, None),
            State::Stopped { probe, why, .. } => {
                let failed = (probe.clone(), why.said(lang));
                (Course::Stopped, Some(failed))
            }
            State::Released { .. } => (Course::Released, None),
            State::Withdrawn { .. } => (Course::Withdrawn, None),
        };
        let stages = rollout.stages.len();
        let (failed_probe, failure) = failed.unzip();
        Self {
            generation: row.generation,
            hash: row.hash.clone(),
            made_at: row.made_at,
            course,
            stage: (rollout.stage + 1).min(stages),
            stages,
            failed_probe,
            failure,
        }
    }
}

/// A probe, and its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeStatus {
    /// Its id.
    pub probe: String,
    /// The generation that it is to follow.
    pub wanted: u64,
    /// The one that it says it follows; `None` when it has not said so.
    pub follows: Option<u64>,
    /// It goes back unless a report under it is acknowledged in time.
    pub on_trial: bool,
    /// The highest generation that it has reported under.
    pub reports: Option<u64>,
    /// The stage of the newest generation that it is in, from 1.
    pub stage: Option<usize>,
    /// The generation that it turned down last, or went back from.
    pub turned_down: Option<u64>,
    /// Why.
    pub reason: Option<String>,
}

/// All there is to say of plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Those that are kept, in order; the last is the newest.
    pub generations: Vec<PlanStatus>,
    /// Every probe of the newest.
    pub probes: Vec<ProbeStatus>,
}

fn desk(config: &Config) -> Result<PlanDesk, StageError> {
    match PlanDesk::peek(&config.store)? {
        Some(_) => Ok(PlanDesk::open(&config.store)?),
        None => Err(StageError::NoPlan),
    }
}

/// How plans stand.
///
/// # Errors
/// When no collector has run yet, or the store refuses.
pub fn status(config: &Config, lang: Lang) -> Result<Status, StageError> {
    let desk = desk(config)?;
    let (rows, standings) = (desk.all()?, desk.standings()?);
    let newest = rows.last().ok_or(StageError::NoPlan)?;
    let rollout = &newest.rollout;
    let mut released = rows.iter().rev();
    let released = released.find(|row| row.rollout.released_at().is_some());
    let base = released.map_or(0, |row| row.generation);
    let members = rollout.stages.iter().flatten();
    let members = members.map(|member| member.probe.clone());
    let mut names: BTreeSet<String> = members.collect();
    names.extend(standings.keys().cloned());
    let probe = |probe: String| {
        let standing = standings.get(&probe).cloned().unwrap_or_default();
        let turned = standing.turned_down();
        let known = |generation: u64| (generation > 0).then_some(generation);
        ProbeStatus {
            wanted: if rollout.is_for(&probe) {
                newest.generation
            } else {
                base
            },
            follows: known(standing.follows),
            on_trial: standing.on_trial,
            reports: known(standing.reports),
            stage: rollout.stage_of(&probe).map(|stage| stage + 1),
            turned_down: turned.as_ref().map(|told| told.generation),
            reason: turned.map(|told| told.said(lang)),
            probe,
        }
    };
    Ok(Status {
        generations: rows.iter().map(|row| PlanStatus::of(row, lang)).collect(),
        probes: names.into_iter().map(probe).collect(),
    })
}

/// Begins to roll out a topology: that of `place`, or of the configuration. Tells its generation.
///
/// # Errors
/// When it has errors, is another network, no collector has run yet, or the store refuses.
pub fn stage_from(config: &Config, place: Option<&Path>) -> Result<u64, StageError> {
    let desk = desk(config)?;
    let (topology, texts) = match place.or(config.topology_at.as_deref()) {
        Some(place) => read_topology(place)?,
        None => (config.topology.clone(), config.texts.clone()),
    };
    // Whether a probe is there only the running collector knows; who has reported lately most likely is.
    let there = lately(config)?;
    stage(&desk, &topology, &texts, &there, &config.rollout, now())
}

/// Who has reported within the time that a stage waits.
fn lately(config: &Config) -> Result<BTreeSet<String>, StageError> {
    let since = now() - config.rollout.wait;
    let seen: BTreeMap<String, Timestamp> = last_seen(&config.store)?;
    let lately = seen.into_iter().filter(|(_, at)| *at >= since);
    Ok(lately.map(|(probe, _)| probe).collect())
}

/// Gives the newest generation to every probe now, whatever its stage. One that stopped gets a new number, because who went
/// back from it takes it no more. Tells its generation.
///
/// # Errors
/// When it is released already, no collector has run yet, or the store refuses.
pub fn release(config: &Config) -> Result<u64, StageError> {
    let desk = desk(config)?;
    let newest = desk.all()?.pop().ok_or(StageError::NoPlan)?;
    let at = now();
    match newest.rollout.state {
        State::Released { .. } => Err(StageError::Released(newest.generation)),
        State::Rolling => {
            let released = desk.change(|rollout| {
                let rolling = rollout.state == State::Rolling;
                if rolling {
                    rollout.state = State::Released { at };
                }
                rolling
            })?;
            Ok(released.map_or(newest.generation, |row| row.generation))
        }
        State::Stopped { .. } | State::Withdrawn { .. } => again(&desk, &newest, at),
    }
}

/// Takes the newest generation back: what was released before it gets a new number and goes to every probe at once. Tells that
/// number.
///
/// # Errors
/// When there is nothing before it, no collector has run yet, or the store refuses.
pub fn withdraw(config: &Config) -> Result<u64, StageError> {
    let desk = desk(config)?;
    let mut rows = desk.all()?;
    let newest = rows.pop().ok_or(StageError::NoPlan)?;
    let mut before = rows.iter().rev();
    let before = before.find(|row| row.rollout.released_at().is_some() && row.hash != newest.hash);
    let before = before.ok_or(StageError::NothingBefore(newest.generation))?;
    let at = now();
    // Also one that was released: its text is not rolled out again by itself.
    desk.change(|rollout| rollout.withdraw(at))?;
    again(&desk, before, at)
}

/// The topology of a generation under a new number, for every probe at once.
fn again(desk: &PlanDesk, row: &PlanRow, at: Timestamp) -> Result<u64, StageError> {
    let sources = desk.sources(row.generation)?.unwrap_or_default();
    let draft = Draft {
        topology: &row.topology,
        hash: &row.hash,
        sources: &sources,
    };
    let made = desk.make(draft, at, |generation, _| {
        Some(Rollout::at_once(generation, at))
    })?;
    made.ok_or(StageError::NoPlan)
}

/// Makes a new generation and begins with its first stage. Probes that only the new topology has get their plan when it is
/// released.
pub(super) fn stage(
    desk: &PlanDesk,
    topology: &Topology,
    texts: &Sources,
    there: &BTreeSet<String>,
    settings: &RolloutSettings,
    at: Timestamp,
) -> Result<u64, StageError> {
    let rows = desk.all()?;
    let mut released = rows.iter().rev();
    let released = released.find(|row| row.rollout.released_at().is_some());
    let released = released.ok_or(StageError::NoPlan)?;
    let sources = desk.sources(released.generation)?.unwrap_or_default();
    let mut known: BTreeSet<String> = BTreeSet::new();
    if let Ok(before) = crate::config::parse_topology(&sources) {
        for (what, before, after) in [
            ("name", &before.name, &topology.name),
            ("time zone", &before.timezone, &topology.timezone),
        ] {
            if before != after {
                return Err(StageError::Other {
                    what,
                    before: before.clone(),
                    after: after.clone(),
                });
            }
        }
        known.extend(before.probes.iter().map(|probe| probe.id.to_string()));
    }
    let calling = topology.probes.iter();
    let calling = calling
        .filter(|probe| probe.reflector == ReflectorKind::Owl)
        .map(|probe| probe.id.to_string());
    let probes: BTreeSet<String> = calling.filter(|probe| known.contains(probe)).collect();
    let draft = Draft {
        topology: &topology.name,
        hash: &topology.generation,
        sources: texts,
    };
    let made = desk.make(draft, at, |generation, _| {
        let begun = Rollout::begin(generation, &probes, there, &settings.stages, at);
        Some(begun)
    })?;
    made.ok_or(StageError::NoPlan)
}
