//! What an undecided interval leans to: never a verdict, and told beside it.
//!
//! ILAC-G8 calls it a conditional pass or fail: the best estimate is on one
//! side of the target and its doubt reaches over to the other. Two numbers say
//! how much that is worth. The conformance probability (JCGM 106) takes the
//! hard part of the doubt at its worst and leaves only what is random to
//! chance. a\* takes no clock at its word: it is the largest share of what
//! packets and light leave open that may be asymmetric without the estimate's
//! whole interval leaving its side.

use serde::{Deserialize, Serialize};

use super::{Claim, Evidence, EvidenceClass, Ranks, Reason, State, Verdict};
use crate::clock::SIGMAS;
use crate::delay::{Basis, ClockDifference, OneWayDelay};
use crate::time::Nanos;
use crate::words::Lang;

/// ILAC-G8's words for a result whose doubt reaches over the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conditional {
    /// The best estimate is at most the target.
    ConditionalPass,
    /// The best estimate is above the target.
    ConditionalFail,
}

impl Conditional {
    /// The words that a person reads.
    pub fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::ConditionalPass => lang.pick("conditional pass", "有条件合格"),
            Self::ConditionalFail => lang.pick("conditional fail", "有条件不合格"),
        }
    }
}

/// What an undecided interval leans to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaning {
    /// On which side of the target the best estimate is.
    pub label: Conditional,
    /// That estimate: by the middle of what is believed of the clocks, or of what packets and light leave open.
    #[serde(rename = "estimate_ns")]
    pub estimate: Nanos,
    /// How good the estimate is: of class D, which never passes a target, when no claim that is narrow enough for class C
    /// bears it; `None` when packets leave the clocks without bound, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<EvidenceClass>,
    /// The probability that the quantile is at most the target, with the hard part of the doubt at its worst, in millionths;
    /// `None` when one of the two clocks claims nothing that is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conformance_ppm: Option<u32>,
    /// a\* in millionths, rounded down to a hundredth; `None` when even full symmetry decides nothing, or when packets leave
    /// the clocks without bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a_star_ppm: Option<u32>,
}

impl Leaning {
    /// Of a verdict that the clocks left undecided; `None` of any other.
    pub(super) fn of(evidence: &Evidence<'_>, ranks: Ranks, verdict: &Verdict) -> Option<Self> {
        let blamed = matches!(verdict.reason, Some(Reason::Clock | Reason::Contradiction));
        if !blamed || !evidence.is_observed(ranks) {
            return None;
        }
        let proved = evidence.proved_by_mesh(ranks, evidence.proved(ranks)?);
        let believed = evidence
            .believed_clocks()
            .filter(|&clocks| !evidence.contradicts(clocks));
        let open = evidence.mesh.proved;
        let clocks = believed.or(open)?;
        let raw = evidence.raw_bounds(ranks);
        let estimate = raw.at_most - middle(clocks);
        let label = if estimate <= verdict.target {
            Conditional::ConditionalPass
        } else {
            Conditional::ConditionalFail
        };
        let a_star = open.and_then(|open| {
            Dial::of(evidence, ranks, open).largest(label, verdict.target, proved)
        });
        Some(Self {
            label,
            estimate,
            class: believed
                .and_then(|clocks| evidence.class(clocks, verdict.target))
                .or(open.map(|_| EvidenceClass::D)),
            conformance_ppm: believed
                .filter(|_| matches!(evidence.claim, Claim::Clocks(_)))
                .and_then(|clocks| conformance(evidence, ranks, proved, clocks, verdict.target)),
            a_star_ppm: a_star,
        })
    }

    /// One sentence.
    pub fn sentence(&self, lang: Lang) -> String {
        let label = self.label.word(lang);
        let mut said = lang.pick(
            format!("{label}: the best estimate is {}", self.estimate),
            format!("{label}：最佳估计为 {}", self.estimate),
        );
        if let Some(class) = self.class {
            said.push_str(&lang.pick(
                format!(" (class {})", class.code()),
                format!("（{} 类证据）", class.code()),
            ));
        }
        if let Some(ppm) = self.conformance_ppm {
            let percent = f64::from(ppm) / 1e4;
            said.push_str(&lang.pick(
                format!("; probability of conformance with the bounds at their worst {percent} %"),
                format!("；误差界取最坏值时的合格概率 {percent} %"),
            ));
        }
        if let Some(ppm) = self.a_star_ppm {
            let percent = ppm / 10_000;
            let held = match self.label {
                Conditional::ConditionalPass => State::Met,
                Conditional::ConditionalFail => State::Missed,
            };
            let held = held.word(lang);
            said.push_str(&lang.pick(
                format!("; {held} for any asymmetry up to {percent} % (a*)"),
                format!("；不对称不超过 {percent} % 时即为{held}（a*）"),
            ));
        }
        said
    }
}

fn middle(clocks: ClockDifference) -> Nanos {
    Nanos(clocks.at_least.0 / 2 + clocks.at_most.0 / 2)
}

/// p_c = Φ((T − d − B)/u), in millionths; without anything random, whether the worst that the bounds allow conforms.
fn conformance(
    evidence: &Evidence<'_>,
    ranks: Ranks,
    proved: OneWayDelay,
    clocks: ClockDifference,
    target: Nanos,
) -> Option<u32> {
    let guard = evidence.random.times(SIGMAS);
    let hard = ClockDifference {
        at_least: (clocks.at_least + guard).min(middle(clocks)),
        at_most: (clocks.at_most - guard).max(middle(clocks)),
    };
    let worst = evidence.claimed(ranks, proved, hard)?.hi;
    let left = (target - worst).0 as f64;
    let random = evidence.random.0 as f64;
    let probability = match () {
        () if worst == Nanos::MAX => 0.0,
        () if random == 0.0 => f64::from(u8::from(left >= 0.0)),
        () => normal(left / random),
    };
    // Rounded down: a probability is never told too large.
    Some((probability * 1e6) as u32)
}

/// Φ, by Abramowitz and Stegun 26.2.17: off by less than 7.5 · 10⁻⁸.
fn normal(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - normal(-z);
    }
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series = [
        0.319_381_530,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let sum = series.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    1.0 - (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * sum
}

/// The assumption dial of one path: θ within the middle of what is open ± a·S/2, and what the clocks move in the window.
struct Dial<'a, 'e> {
    evidence: &'a Evidence<'e>,
    ranks: Ranks,
    middle: Nanos,
    /// S: what may be asymmetric.
    slack: Nanos,
    /// Half of what the width holds besides: no assumption makes it smaller.
    moving: Nanos,
}

impl<'a, 'e> Dial<'a, 'e> {
    fn of(evidence: &'a Evidence<'e>, ranks: Ranks, open: ClockDifference) -> Self {
        let width = open.at_most - open.at_least;
        let moving = evidence.mesh.moving.min(width);
        Self {
            evidence,
            ranks,
            middle: middle(open),
            slack: width - moving,
            moving: Nanos(moving.0 / 2 + 1),
        }
    }

    /// Whether the interval with a share of so many hundredths is all on the side of the label.
    fn holds(&self, label: Conditional, target: Nanos, proved: OneWayDelay, percent: i64) -> bool {
        let half = Nanos(self.slack.0 / 200 * percent + percent) + self.moving;
        let clocks = ClockDifference {
            at_least: self.middle - half,
            at_most: self.middle + half,
        };
        let (ranks, stamps) = (self.ranks, self.evidence.stamp_error);
        let raw = self.evidence.raw_bounds(ranks);
        let Some(delay) = proved.narrowed_on(Basis::Assumed, raw, clocks, stamps) else {
            return false;
        };
        match label {
            Conditional::ConditionalPass => delay.hi <= target,
            Conditional::ConditionalFail => delay.lo > target,
        }
    }

    /// The largest share with which it is, in millionths; the interval only grows with the share.
    fn largest(&self, label: Conditional, target: Nanos, proved: OneWayDelay) -> Option<u32> {
        let percent = (0..=100_u32)
            .rev()
            .find(|&percent| self.holds(label, target, proved, percent.into()))?;
        Some(percent * 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::live::MeshBounds;
    use crate::delay::Floors;
    use crate::distribution::Distribution;
    use crate::histogram::HistogramRecorder;
    use crate::verdict::{Correlation, Profile, judge};

    const US: fn(i64) -> Nanos = Nanos::from_micros;

    /// 600 packets of 820 µs there and 760 back over floors of 350, the far clock 10 µs ahead.
    fn verdict(
        claim: Option<(i64, i64)>,
        open: Option<i64>,
        moving_us: i64,
        target_us: i64,
    ) -> Verdict {
        let many = |us: i64| {
            let mut recorder = HistogramRecorder::default();
            (0..600).for_each(|_| recorder.record(US(us)));
            Distribution::of(&[recorder.finish()])
        };
        let (raw, round_trip) = (many(830), many(1_580));
        let around = |middle: i64, half: i64| ClockDifference {
            at_least: US(middle - half),
            at_most: US(middle + half),
        };
        let evidence = Evidence {
            planned: 600,
            sent: 600,
            lost: 0,
            raw: &raw,
            opposite_min: Some(US(750)),
            round_trip: &round_trip,
            floors: Floors {
                forward: US(350),
                backward: US(350),
            },
            claim: claim.map_or(Claim::None, |(hard, random)| {
                Claim::Clocks(around(0, hard + 3 * random))
            }),
            mesh: MeshBounds {
                proved: open.map(|half| around(40, half)),
                moving: US(moving_us),
                ..MeshBounds::default()
            },
            stamp_error: Some(US(5)),
            hardware_stamps: false,
            random: US(claim.map_or(0, |(_, random)| random)),
            correlation: Correlation::default(),
        };
        judge(&evidence, US(target_us), &Profile::plan_2026())
    }

    fn leaning(
        claim: Option<(i64, i64)>,
        open: Option<i64>,
        moving_us: i64,
        target_us: i64,
    ) -> Leaning {
        let verdict = verdict(claim, open, moving_us, target_us);
        assert_eq!(verdict.state, State::Undecided, "{verdict:?}");
        verdict.leaning.expect("a leaning")
    }

    #[test]
    fn a_star_is_the_largest_share_with_which_the_interval_stays_on_its_side() {
        // The guess is 830 − 40 = 790 µs, and ± a·440 is open: 1 ms stands up to 210/440, 700 µs falls at 85/440 less
        // the 5 of the stamps.
        for (target, moving, label, a_star) in [
            (1_000, 0, Conditional::ConditionalPass, Some(470_000)),
            (900, 0, Conditional::ConditionalPass, Some(240_000)),
            (792, 0, Conditional::ConditionalPass, Some(0)),
            (788, 0, Conditional::ConditionalFail, None),
            (700, 0, Conditional::ConditionalFail, Some(190_000)),
            // Half of the width is the clocks' own moving: no symmetry makes that smaller.
            (1_000, 440, Conditional::ConditionalPass, None),
            (1_100, 440, Conditional::ConditionalPass, Some(400_000)),
        ] {
            let found = leaning(None, Some(440), moving, target);
            assert_eq!(
                (found.label, found.a_star_ppm, found.class),
                (label, a_star, Some(EvidenceClass::D)),
                "target {target} µs, moving {moving} µs"
            );
            assert_eq!(found.conformance_ppm, None, "no clock claims anything");
        }
    }

    #[test]
    fn class_d_never_passes_however_symmetric_the_path_is_taken_to_be() {
        for target in (400..1_200).step_by(50) {
            let verdict = verdict(None, Some(440), 0, target);
            assert_ne!(verdict.class, Some(EvidenceClass::D), "{verdict:?}");
            if verdict.leaning.is_some() {
                assert_eq!(verdict.state, State::Undecided);
            }
        }
    }

    #[test]
    fn the_probability_of_conformance_takes_the_hard_part_at_its_worst() {
        // 830 µs measured: the worst is 850 with a hard part of 20, and 10 of one standard deviation beside.
        for (claim, target, label, ppm) in [
            ((20, 10), 860, Conditional::ConditionalPass, 841_344),
            ((20, 10), 850, Conditional::ConditionalPass, 500_000),
            ((20, 10), 830, Conditional::ConditionalPass, 22_750),
            ((20, 10), 820, Conditional::ConditionalFail, 1_349),
            ((20, 0), 840, Conditional::ConditionalPass, 0),
        ] {
            let found = leaning(Some(claim), None, 0, target);
            assert_eq!(found.label, label, "target {target}");
            let told = found.conformance_ppm.unwrap();
            assert!(
                told.abs_diff(ppm) <= 2,
                "target {target}: {told}, not {ppm}"
            );
            assert_eq!(found.class, Some(EvidenceClass::C));
        }
    }

    #[test]
    fn decided_verdicts_and_those_that_lack_packets_lean_to_nothing() {
        for (claim, target) in [(Some((20, 0)), 1_000), (None, 1_300), (None, 300)] {
            let verdict = verdict(claim, None, 0, target);
            assert!(verdict.state != State::Undecided && verdict.leaning.is_none());
        }
        assert_eq!(verdict(None, None, 0, 1_000).leaning, None, "nobody knows");
    }

    #[test]
    fn a_person_reads_all_of_it() {
        let said = leaning(Some((20, 10)), Some(440), 0, 860);
        let english = said.sentence(Lang::En);
        for part in [
            "conditional pass",
            "class C",
            "84.13",
            "met for any asymmetry up to 15 % (a*)",
        ] {
            assert!(english.contains(part), "{english}");
        }
        assert!(said.sentence(Lang::Zh).contains("有条件合格"));
    }
}
