//! What is asked of a period: which one, of which paths, by which rules.

use jiff::tz::TimeZone;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::period::{Compliance, PeriodProfile, WINDOWS_MAX};
use owl_topology::{Path, Topology};

use super::{ComplianceAnswer, Judging, PathCompliance, Span, SpanError};
use crate::store::{Reader, StoreError};

/// Windows that one answer judges at most, each once for each profile: a month of minutes of 460 paths.
const WORK_MAX: i64 = 20_000_000;

/// The profiles that are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AskedProfiles {
    /// `plan-2026`.
    #[default]
    Default,
    /// The one with this id.
    One(String),
    /// Every one.
    All,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The period, such as `2026-11`; the running month when it is not given.
    pub period: Option<String>,
    /// Paths, `FROM~TO`; all of them when none is given.
    pub paths: Vec<String>,
    /// The rules.
    pub profiles: AskedProfiles,
}

/// A question that has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The period cannot be read.
    #[error(transparent)]
    Period(#[from] SpanError),
    /// There is no such profile.
    #[error("cannot judge by the profile \"{asked}\": there are {known}")]
    Profile {
        /// As it was asked for.
        asked: String,
        /// Those that there are.
        known: String,
    },
    /// The topology has no such path.
    #[error("cannot judge the path \"{0}\": the topology has no such path")]
    Path(String),
    /// It would take too long.
    #[error(
        "cannot judge so much at once: ask for a shorter period, for fewer paths or for one profile"
    )]
    TooMuch,
}

/// A question that can be answered from a store.
pub(crate) struct Resolved {
    pub(crate) span: Span,
    pub(crate) paths: Vec<Path>,
    pub(crate) profiles: Vec<PeriodProfile>,
}

/// Between which ends a question is asked: what there is, and when.
pub(crate) struct Scene<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) zone: &'a TimeZone,
    pub(crate) now: Timestamp,
    /// How long the judge waits for reports.
    pub(crate) grace: Nanos,
}

impl Asked {
    /// Holds the question against the paths that there are.
    pub(crate) fn resolve(
        &self,
        scene: &Scene<'_>,
        paths: Vec<Path>,
    ) -> Result<Resolved, AskError> {
        let span = match &self.period {
            Some(text) => Span::read(text, scene.zone, scene.now)?,
            None => Span::month(scene.zone, scene.now),
        };
        let profiles = match &self.profiles {
            AskedProfiles::Default => vec![PeriodProfile::default_profile().clone()],
            AskedProfiles::All => PeriodProfile::all().to_vec(),
            AskedProfiles::One(id) => {
                let profile = PeriodProfile::named(id).ok_or_else(|| AskError::Profile {
                    asked: id.clone(),
                    known: ids().join(", "),
                })?;
                vec![profile.clone()]
            }
        };
        if let Some(unknown) = self
            .paths
            .iter()
            .find(|asked| !paths.iter().any(|path| path.id == **asked))
        {
            return Err(AskError::Path(unknown.clone()));
        }
        let paths: Vec<Path> = paths
            .into_iter()
            .filter(|path| self.paths.is_empty() || self.paths.contains(&path.id))
            .collect();
        let windows = || {
            let length = (span.end - span.start).0;
            paths
                .iter()
                .map(move |path| length / path.profile.interval.0.max(1))
        };
        if windows().any(|windows| windows > WINDOWS_MAX as i64) {
            return Err(AskError::TooMuch);
        }
        let work = windows()
            .fold(0_i64, i64::saturating_add)
            .saturating_mul(profiles.len() as i64);
        if work > WORK_MAX {
            return Err(AskError::TooMuch);
        }
        Ok(Resolved {
            span,
            paths,
            profiles,
        })
    }
}

/// The ids of all profiles.
fn ids() -> Vec<&'static str> {
    PeriodProfile::all()
        .iter()
        .map(|profile| profile.id.as_str())
        .collect()
}

impl Resolved {
    /// The answer, from a store.
    pub(crate) fn answer(
        &self,
        reader: &Reader,
        scene: &Scene<'_>,
    ) -> Result<ComplianceAnswer, StoreError> {
        let announced = reader.maintenance_after(self.span.start)?;
        let judging = Judging {
            topology: scene.topology,
            zone: scene.zone,
            span: &self.span,
            announced: &announced,
            judged_until: scene.now - scene.grace - super::WRITTEN,
        };
        let mut paths = self
            .paths
            .iter()
            .map(|path| judging.path(reader, path, &self.profiles))
            .collect::<Result<Vec<PathCompliance>, StoreError>>()?;
        // The days of every path would be most of an answer that is read for its results.
        if let [_, _, ..] = paths.as_slice() {
            let results = paths.iter_mut().flat_map(|path| &mut path.results);
            results.for_each(Compliance::forget_days);
        }
        Ok(ComplianceAnswer {
            generated_at: scene.now,
            period: self.span.text.clone(),
            start: self.span.start,
            end: self.span.end,
            until: judging.until(),
            timezone: scene.topology.timezone.clone(),
            profiles: self
                .profiles
                .iter()
                .map(|profile| judging.declared(profile))
                .collect(),
            paths,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(asked: &Asked) -> Result<(usize, usize), AskError> {
        resolve_in(asked, Nanos::from_secs(60))
    }

    /// With paths that are judged in windows of this length.
    fn resolve_in(asked: &Asked, interval: Nanos) -> Result<(usize, usize), AskError> {
        let topology = Topology::yancheng();
        let zone = TimeZone::get(&topology.timezone).unwrap();
        let scene = Scene {
            topology: &topology,
            zone: &zone,
            now: Timestamp(1_795_406_400_000_000_000),
            grace: Nanos::from_secs(3),
        };
        let mut paths = topology.paths();
        for path in &mut paths {
            path.profile.interval = interval;
        }
        let resolved = asked.resolve(&scene, paths)?;
        Ok((resolved.paths.len(), resolved.profiles.len()))
    }

    #[test]
    fn more_windows_of_one_path_than_are_looked_at_are_refused_and_not_left_out() {
        let asked = |period: &str| Asked {
            period: Some(period.into()),
            paths: vec!["yannan-ct~binhaigang-ct".into()],
            profiles: AskedProfiles::Default,
        };
        let ten = Nanos::from_secs(10);
        assert_eq!(resolve_in(&asked("now-69d"), ten), Ok((1, 1)));
        assert_eq!(resolve_in(&asked("now-70d"), ten), Err(AskError::TooMuch));
    }

    #[test]
    fn a_question_names_what_there_is_and_no_more_than_can_be_answered() {
        let all = Topology::yancheng().paths().len();
        let asked = |period: &str, path: Option<&str>, profiles: AskedProfiles| Asked {
            period: Some(period.into()),
            paths: path.map(str::to_owned).into_iter().collect(),
            profiles,
        };
        let path = Some("yannan-ct~binhaigang-ct");
        assert_eq!(resolve(&Asked::default()), Ok((all, 1)));
        assert_eq!(
            resolve(&asked("2026-11", None, AskedProfiles::All)),
            Ok((all, 8))
        );
        assert_eq!(
            resolve(&asked("2026", path, AskedProfiles::All)),
            Ok((1, 8))
        );
        let refused = |asked: &Asked| resolve(asked).unwrap_err().to_string();
        assert_eq!(
            refused(&asked("2026", None, AskedProfiles::All)),
            AskError::TooMuch.to_string()
        );
        assert!(refused(&asked("2026-11", Some("a~b"), AskedProfiles::All)).contains("\"a~b\""));
        let unknown = refused(&asked("2026-11", path, AskedProfiles::One("best".into())));
        assert!(unknown.contains("plan-2026, acceptance, sla"), "{unknown}");
    }
}
