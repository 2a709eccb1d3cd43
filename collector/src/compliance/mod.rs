//! Periods: what the store keeps of a path, held against every rule that is asked for.
//!
//! The same numbers go to the page, the API, the metrics and the command, so
//! they cannot disagree. Reading needs no collector: the store may be read while
//! one runs, or after it has gone.

mod asked;
mod offline;
mod running;
mod span;
#[cfg(test)]
pub(crate) mod tests;
mod words;

use jiff::tz::TimeZone;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Population;
use owl_measure::verdict::period::{
    BUSY_HOURS, Compliance, HoursOfDay, Period, PeriodProfile, Rule, Works, judge_period,
};
use owl_topology::{Path, Topology};
use serde::{Deserialize, Serialize};

pub(crate) use asked::Scene;
pub use asked::{AskError, Asked, AskedProfiles};
pub use offline::{ComplianceError, read_compliance};
pub(crate) use running::RunningCompliance;
pub(crate) use running::{Running, refresh};
pub(crate) use span::Span;
pub use span::SpanError;
pub use words::compared;
pub(crate) use words::percents;

use crate::maintenance::Maintenance;
use crate::store::{KeptWindows, Reader, StoreError};

/// A period of one path under several profiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathCompliance {
    /// The path, `FROM~TO`.
    pub path: String,
    /// The probe that sends.
    pub from: String,
    /// The probe that receives.
    pub to: String,
    /// The path class.
    pub class: String,
    /// The layer that the class promises something of.
    pub layer: String,
    /// The target as the topology has it now.
    #[serde(rename = "target_ns")]
    pub target: Nanos,
    /// The profile that judges its windows.
    pub judged_by: String,
    /// What its percentiles speak of: the packets sent, or the path.
    pub population: Population,
    /// The length of its windows.
    #[serde(rename = "window_ns")]
    pub window: Nanos,
    /// One for each profile that was asked for, in that order.
    pub results: Vec<Compliance>,
}

/// Paths over a period, and the rules that they were held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComplianceAnswer {
    /// When it was made.
    #[serde(rename = "generated_at_ns")]
    pub generated_at: Timestamp,
    /// The period as it was asked for.
    pub period: String,
    /// The first instant that belongs to it.
    #[serde(rename = "start_ns")]
    pub start: Timestamp,
    /// The first instant after it.
    #[serde(rename = "end_ns")]
    pub end: Timestamp,
    /// Up to where windows have been judged: the end, or for a running period about now.
    #[serde(rename = "until_ns")]
    pub until: Timestamp,
    /// The time zone of days and busy hours.
    pub timezone: String,
    /// The rules.
    pub profiles: Vec<PeriodProfile>,
    /// The paths.
    pub paths: Vec<PathCompliance>,
}

/// How long after the end of a window and the judge's patience its verdict may take to be written; windows that ended later
/// are not counted as gaps yet.
pub(crate) const WRITTEN: Nanos = Nanos::from_secs(5);

/// What is the same for all paths.
pub(crate) struct Judging<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) zone: &'a TimeZone,
    pub(crate) span: &'a Span,
    /// What was announced to the collector, besides what the topology declares.
    pub(crate) announced: &'a [Maintenance],
    /// Windows that end later have not been judged yet.
    pub(crate) judged_until: Timestamp,
}

impl Judging<'_> {
    /// Up to where the period is judged.
    pub(crate) fn until(&self) -> Timestamp {
        self.span.end.min(self.judged_until)
    }

    /// A path under some profiles.
    pub(crate) fn path(
        &self,
        reader: &Reader,
        path: &Path,
        profiles: &[PeriodProfile],
    ) -> Result<PathCompliance, StoreError> {
        let length = path.profile.interval;
        let windows = reader.in_short(&KeptWindows {
            path: &path.id,
            profile: &path.profile.id,
            length,
            start: self.span.start,
            end: self.until(),
        })?;
        let (calendar, works) = (self.span.calendar(self.zone), self.works(path));
        let busy_hours = self.busy_hours(path);
        let period = Period {
            start: self.span.start,
            end: self.until(),
            length,
            // Whatever they are counted from, the kept windows lie on that grid.
            origin: windows.first().map_or(Timestamp(0), |window| window.start),
            windows: &windows,
            calendar: &calendar,
            busy_hours: &busy_hours,
            works: &works,
        };
        let results = profiles
            .iter()
            .map(|profile| judge_period(&period, &self.declared(profile)))
            .collect();
        let class = self.topology.class(&path.class);
        Ok(PathCompliance {
            path: path.id.clone(),
            from: path.from.to_string(),
            to: path.to.to_string(),
            class: path.class.to_string(),
            layer: class.map_or_else(String::new, |class| class.layer.to_string()),
            target: path.target,
            judged_by: path.profile.id.clone(),
            population: path.profile.population,
            window: length,
            results,
        })
    }

    fn works(&self, path: &Path) -> Vec<Works> {
        let announced = self.announced.iter();
        let announced = announced.filter(|maintenance| maintenance.affected.touches(path));
        let declared = self.topology.maintenance_of(path).into_iter();
        declared
            .map(|maintenance| Works {
                id: maintenance.id.clone(),
                start: maintenance.start,
                end: maintenance.end,
                declared_at: maintenance.declared_at,
                by: maintenance.by.clone(),
                reason: maintenance.reason.clone(),
            })
            .chain(announced.map(Maintenance::works))
            .collect()
    }

    /// The busy hours that the statistical profile of the path's class declares, or the usual ones.
    fn busy_hours(&self, path: &Path) -> Vec<HoursOfDay> {
        let declared = self
            .topology
            .class(&path.class)
            .and_then(|class| self.topology.profile(&class.stat))
            .map(|profile| &profile.busy_hours);
        match declared {
            Some(hours) if !hours.is_empty() => hours
                .iter()
                .map(|hours| HoursOfDay {
                    from_minute: hours.from_minute,
                    to_minute: hours.to_minute,
                })
                .collect(),
            _ => BUSY_HOURS.to_vec(),
        }
    }

    /// The profile with the shares that the topology declares under its name.
    pub(crate) fn declared(&self, profile: &PeriodProfile) -> PeriodProfile {
        let mut profile = profile.clone();
        if let (
            Some(declared),
            Rule::ShareOfWindows {
                share, busy_share, ..
            },
        ) = (self.topology.profile(&profile.id), &mut profile.rule)
        {
            *share = declared.share_of_intervals;
            *busy_share = declared.busy_share;
            profile.min_coverage = f64::from(declared.profile.min_coverage_ppm) / 1e6;
        }
        profile
    }
}
