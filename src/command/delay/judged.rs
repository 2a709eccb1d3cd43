//! Verdicts on a measurement, for a person and for a program.

use owl_measure::delay::OneWayDelay;
use owl_measure::sample::Direction;
use owl_measure::time::Nanos;
use owl_measure::verdict::ranks::min_samples;
use owl_measure::verdict::{Population, Profile, Quantile, Reason, State, Verdict};
use owl_measure::words::Lang;
use serde_json::{Value, json};

use super::numbers;
use super::table::name;
use crate::failure::Outcome;

/// How the two ends of an interval are written.
pub(super) type Ends = fn(&OneWayDelay, Lang) -> [String; 2];

/// What is asked of a measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The most that the one-way delay may be.
    pub(super) target: Nanos,
    pub(super) quantile: Quantile,
    /// What the quantile speaks of.
    pub(super) population: Population,
}

impl Asked {
    /// The rule for a measurement that took so long.
    pub(super) fn profile(self, interval: Nanos) -> Profile {
        Profile {
            id: "delay".to_owned(),
            interval,
            quantile: self.quantile,
            population: self.population,
            min_samples: min_samples(self.quantile),
            ..Profile::plan_2026()
        }
    }
}

/// Verdicts, and the quantile they are about.
pub(super) struct Judged {
    pub(super) quantile: Quantile,
    /// One for each way that was measured, forward first.
    pub(super) verdicts: Vec<(Direction, Verdict)>,
}

impl Judged {
    /// How a measurement ends; without a target it only has to have received something.
    pub(super) fn outcome(judged: Option<&Self>, received: bool) -> Outcome {
        match judged.map(Self::state) {
            Some(State::Missed) => Outcome::Missed,
            Some(State::Undecided) => Outcome::Undecided,
            None if !received => Outcome::Undecided,
            Some(State::Met) | None => Outcome::Ok,
        }
    }

    /// The worst of them: each direction must be met.
    pub(super) fn state(&self) -> State {
        let any = |state| self.verdicts.iter().any(|(_, it)| it.state == state);
        match () {
            () if any(State::Missed) => State::Missed,
            () if any(State::Undecided) => State::Undecided,
            () => State::Met,
        }
    }

    /// A line for each.
    pub(super) fn lines(&self, ends: Ends, lang: Lang) -> Vec<String> {
        let each = self.verdicts.iter();
        each.map(|(direction, verdict)| self.line(*direction, verdict, ends, lang))
            .collect()
    }

    fn line(&self, direction: Direction, verdict: &Verdict, ends: Ends, lang: Lang) -> String {
        let (state, name) = (verdict.state, name(direction, lang));
        let mut line = format!(
            "{} {name} {} ≤ {}: {}",
            state.sign(),
            self.quantile,
            verdict.target,
            state.word(lang)
        );
        if let Some(delay) = &verdict.delay {
            let [lo, mut hi] = ends(delay, lang);
            // Too few packets for a bound of the path is no loss.
            if verdict.ranked.is_some_and(|it| it.ranks.upper.is_none()) {
                hi = lang.pick("unknown", "未知").to_owned();
            }
            line.push_str(&format!(" [{lo}, {hi}] {}", delay.basis.word(lang)));
        }
        if let Some(class) = verdict.class {
            line.push_str(&lang.pick(
                format!(", class {}", class.code()),
                format!("，{} 类证据", class.code()),
            ));
        }
        line.push_str(&of_the_path(verdict, lang));
        if let Some(sentence) = verdict.reason_sentence(lang) {
            line.push_str(&format!(": {sentence}"));
            if let Some(leaning) = verdict.leaning {
                line.push_str(&format!("; {}", leaning.sentence(lang)));
            }
            if verdict.reason == Some(Reason::Samples) {
                let needed = min_samples(self.quantile);
                line.push_str(&match verdict.population {
                    Population::Packets => lang.pick(
                        format!(" ({needed} are needed)"),
                        format!("（至少需要 {needed} 个）"),
                    ),
                    Population::Path => lang.pick(
                        format!(" ({needed} independent ones are needed)"),
                        format!("（至少需要 {needed} 个独立报文）"),
                    ),
                });
            }
        }
        line
    }

    /// What was not measured is `null`.
    pub(super) fn json(&self) -> Value {
        let of = |direction| {
            let mut each = self.verdicts.iter();
            let (_, verdict) = each.find(|(of, _)| *of == direction)?;
            let mut value = json!(verdict);
            if let Some(delay) = &verdict.delay {
                value["delay"] = numbers::one_way(delay);
            }
            Some(value)
        };
        json!({
            "quantile": self.quantile,
            "forward": of(Direction::Forward),
            "backward": of(Direction::Backward),
        })
    }
}

/// Between which packets the path's quantile lies; nothing where it speaks of the packets.
fn of_the_path(verdict: &Verdict, lang: Lang) -> String {
    let ranked = verdict
        .ranked
        .filter(|_| verdict.population == Population::Path);
    let Some(ranked) = ranked else {
        return String::new();
    };
    let (lower, of, effective) = (ranked.ranks.lower, ranked.of, ranked.effective);
    let upper = ranked
        .ranks
        .upper
        .map_or_else(|| "∞".to_owned(), |upper| upper.to_string());
    lang.pick(
        format!(
            ", of the path: ranks {lower} to {upper} of {of} packets ({effective} independent ones)"
        ),
        format!(
            "，就路径而言：{of} 个报文（相当于 {effective} 个独立报文）中的第 {lower} 至 {upper} 位"
        ),
    )
}
