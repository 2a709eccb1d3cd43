//! How a new topology reaches the probes.

use std::ops::RangeInclusive;

use owl_measure::time::Nanos;
use serde::Deserialize;

use crate::plan::Share;

/// How long a stage waits for its probes unless told otherwise.
const WAIT: Nanos = Nanos::from_secs(600);
/// How long a probe tries a plan before it goes back unless told otherwise.
const TRIAL: Nanos = Nanos::from_secs(300);
/// What both may be.
const SPAN: RangeInclusive<Nanos> = Nanos::from_secs(1)..=Nanos::from_secs(3_600);
/// Stages at most.
const STAGES_MAX: usize = 16;

/// How a new topology reaches the probes.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutSettings {
    /// To how many probes each stage gives it; the last stage is all of them, said or not.
    pub stages: Vec<Share>,
    /// How long a stage waits for the reports of its probes under the new plan, before the roll-out stops.
    pub wait: Nanos,
    /// How long a probe follows a new plan without an acknowledged report, before it goes back.
    pub trial: Nanos,
}

impl Default for RolloutSettings {
    fn default() -> Self {
        Self {
            stages: vec![
                Share::Probes(1),
                Share::Percent(10.0),
                Share::Percent(100.0),
            ],
            wait: WAIT,
            trial: TRIAL,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    stages: Option<Vec<String>>,
    wait: Option<Nanos>,
    trial: Option<Nanos>,
}

impl Table {
    pub(super) fn read(self) -> Result<RolloutSettings, String> {
        let default = RolloutSettings::default();
        let stages = match self.stages {
            None => default.stages,
            Some(stages) if stages.len() > STAGES_MAX => {
                return Err(format!("rollout.stages are {STAGES_MAX} at most"));
            }
            Some(stages) => stages
                .iter()
                .map(|share| share.parse())
                .collect::<Result<_, &str>>()
                .map_err(|why| format!("rollout.stages: {why}"))?,
        };
        let span = |name: &str, told: Option<Nanos>, default: Nanos| match told {
            Some(span) if !SPAN.contains(&span) => {
                let (least, most) = (SPAN.start(), SPAN.end());
                Err(format!("rollout.{name} lies between {least} and {most}"))
            }
            told => Ok(told.unwrap_or(default)),
        };
        Ok(RolloutSettings {
            stages,
            wait: span("wait", self.wait, default.wait)?,
            trial: span("trial", self.trial, default.trial)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RolloutSettings, String> {
        let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
        table.read()
    }

    #[test]
    fn what_is_not_said_has_a_default_and_nonsense_is_refused() {
        assert_eq!(read("").unwrap(), RolloutSettings::default());
        let told = read("stages = [\"2\", \"50%\"]\nwait = \"5s\"\ntrial = \"2s\"").unwrap();
        assert_eq!(told.stages, [Share::Probes(2), Share::Percent(50.0)]);
        assert_eq!((told.wait.0, told.trial.0), (5_000_000_000, 2_000_000_000));
        for (text, why) in [
            ("stages = [\"some\"]", "a share is a number"),
            ("wait = \"2h\"", "rollout.wait lies between"),
            ("trial = \"1ms\"", "rollout.trial lies between"),
            ("speed = 1", "unknown field"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
