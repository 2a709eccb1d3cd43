//! How the windows of a period add up to a judgement: the rules, as data.
//!
//! "Delay at most T" leaves open which statistic, of which interval, in what
//! share of them, over how long, with what left out. Each profile answers all of
//! that and names its source, so that the same month can be told by every rule
//! side by side. They stand in `profiles.toml`.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::calendar::HoursOfDay;
use super::window::Statistic;
use crate::time::Nanos;
use crate::words::Lang;

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

impl Words {
    /// The text in a language.
    pub fn pick(&self, lang: Lang) -> &str {
        lang.pick(&self.en, &self.zh)
    }
}

/// Which windows a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hours {
    /// All of them, as one.
    All,
    /// All of them, and the busy hours once more by themselves; both must stand.
    Apart,
    /// The busy hours alone.
    Busy,
}

/// What becomes of windows in which maintenance had been announced before it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Maintenance {
    /// They count like any other.
    Counted,
    /// They are left out.
    Excluded,
}

/// What a lost packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LostPacket {
    /// Later than any target.
    Late,
    /// No delay: it is left out, and told elsewhere.
    LeftOut,
}

/// What a test is that was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Untested {
    /// A failure.
    Failed,
    /// Nothing; the coverage tells of it.
    Ignored,
}

/// What is held against what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum Rule {
    /// In a share of the windows the statistic is at most the target.
    ShareOfWindows {
        /// The statistic of a window.
        statistic: Statistic,
        /// The share that is required, in (0, 1].
        share: f64,
        /// The same in the busy hours, where they are judged apart.
        busy_share: f64,
        /// No window may be above the target by this factor.
        severe_factor: Option<f64>,
        /// The verdict must also hold for other days like these, at 95 % (see [`super::bootstrap`]).
        confident: bool,
    },
    /// On no so many days in a row is the mean of the hours above the target.
    DaysInARow {
        /// How many.
        days: usize,
    },
    /// Over the whole period each of the statistics is at most the target.
    WholePeriod {
        /// The statistics: [`Statistic::Mean`] or [`Statistic::Min`], which can be put together from those of windows.
        statistics: Vec<Statistic>,
    },
    /// A share of all packets takes at most the target.
    ShareOfPackets {
        /// The share that is required, in (0, 1].
        share: f64,
        /// What a lost packet is.
        lost: LostPacket,
        /// What a window without measurement is.
        untested: Untested,
    },
}

/// A rule for a period, and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PeriodProfile {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: Words,
    /// The rule in one sentence.
    pub sentence: Words,
    /// Where the rule comes from, and how well that is known.
    pub source: Words,
    /// What is to be known of the layer that the rule speaks of.
    pub layer: Words,
    /// The period that the rule is meant for.
    pub period: Words,
    /// The length of the windows that it speaks of; any will do when it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Nanos>,
    /// Which windows it looks at.
    pub hours: Hours,
    /// The hours that it calls busy, where it does not leave that to the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy_hours: Vec<HoursOfDay>,
    /// The share of the windows that must have been measured, in [0, 1].
    pub min_coverage: f64,
    /// Only windows in available time count (see [`super::availability`]).
    pub available_time_only: bool,
    /// What becomes of announced maintenance.
    pub maintenance: Maintenance,
    /// The rule itself.
    pub rule: Rule,
}

/// The file with the profiles.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    profile: Vec<PeriodProfile>,
}

static PROFILES: LazyLock<Vec<PeriodProfile>> = LazyLock::new(|| {
    let file: File =
        toml::from_str(include_str!("profiles.toml")).expect("a test reads this very file");
    file.profile
});

impl PeriodProfile {
    /// Every profile, the default first.
    pub fn all() -> &'static [Self] {
        &PROFILES
    }

    /// The profile with this id.
    pub fn named(id: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.id == id)
    }

    /// The one that judges where no other is asked for: `plan-2026`.
    pub fn default_profile() -> &'static Self {
        &PROFILES[0]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_profiles_are_these_and_the_default_is_the_plans() {
        let ids: Vec<&str> = PeriodProfile::all()
            .iter()
            .map(|profile| profile.id.as_str())
            .collect();
        let expected = [
            "plan-2026",
            "acceptance",
            "sla",
            "y1541",
            "miit-interconnect",
            "caict",
            "mef",
            "fcc-caf",
        ];
        assert_eq!(ids, expected);
        assert_eq!(PeriodProfile::default_profile().id, "plan-2026");
        assert_eq!(PeriodProfile::named("lab"), None);
    }

    #[test]
    fn every_profile_says_all_of_what_it_is_in_both_languages_and_can_be_kept() {
        let mut told = BTreeSet::new();
        for profile in PeriodProfile::all() {
            let id = &profile.id;
            for words in [
                &profile.name,
                &profile.sentence,
                &profile.source,
                &profile.layer,
                &profile.period,
            ] {
                assert!(
                    !words.en.is_empty() && words.en.is_ascii(),
                    "{id}: {words:?}"
                );
                assert!(
                    words.zh.chars().any(|c| c as u32 > 0x2e80),
                    "{id}: {words:?}"
                );
            }
            assert!(
                told.insert(&profile.sentence.en),
                "{id} repeats another one"
            );
            let share = |share: f64| share > 0.0 && share <= 1.0;
            assert!((0.0..=1.0).contains(&profile.min_coverage), "{id}");
            for hours in &profile.busy_hours {
                assert!(
                    hours.from_minute < hours.to_minute && hours.to_minute <= 1_440,
                    "{id}: {hours:?}"
                );
            }
            match &profile.rule {
                Rule::ShareOfWindows {
                    share: all,
                    busy_share,
                    severe_factor,
                    ..
                } => {
                    assert!(share(*all) && share(*busy_share), "{id}");
                    assert!(severe_factor.is_none_or(|factor| factor > 1.0), "{id}");
                    assert_eq!(profile.interval, Some(Nanos::from_secs(60)), "{id}");
                }
                Rule::DaysInARow { days } => assert!(*days > 0, "{id}"),
                Rule::WholePeriod { statistics } => {
                    assert!(!statistics.is_empty(), "{id}");
                    for statistic in statistics {
                        assert!(
                            matches!(statistic, Statistic::Mean | Statistic::Min),
                            "{id}: {statistic:?} of windows do not make one of a period"
                        );
                    }
                }
                Rule::ShareOfPackets { share: all, .. } => assert!(share(*all), "{id}"),
            }
        }
    }
}
