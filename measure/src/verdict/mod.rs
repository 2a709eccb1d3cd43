//! Target + interval → met, missed or undecided.
//!
//! The quantile of the one-way delay over the packets *sent* is bounded from
//! below and above; a verdict is decided only when both ends lie on one side of
//! the target. What needs no clock is tried first, so a lying clock can cost
//! certainty but never turn a proof. Bounds are hard and add linearly; clock
//! error is common to all packets and is never averaged away.

mod correlation;
mod evidence;
pub mod explanation;
pub mod flow;
mod leaning;
pub mod period;
pub mod profile;
pub mod ranks;
mod reported_clock;
pub mod run;
mod said;
mod statistics;
pub mod window;

use serde::{Deserialize, Serialize};

pub use correlation::Correlation;
pub use evidence::{Claim, Evidence};
pub use explanation::{Explanation, Ground};
pub use leaning::{Conditional, Leaning};
pub use profile::{Profile, Quantile};
pub use ranks::{Population, Ranked, Ranks};
pub use reported_clock::ReportedClock;
pub use run::{RunTarget, RunVerdict, judge_run};
pub use statistics::Statistics;
pub use window::SessionWindow;

use self::explanation::Account;
use crate::delay::{Basis, OneWayDelay};
use crate::time::Nanos;
use crate::words::Lang;

/// Whether the target was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The quantile is at most the target, for certain.
    Met,
    /// The quantile is above the target, for certain.
    Missed,
    /// It cannot be told; the reason says why.
    Undecided,
}

impl State {
    /// Every state, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Met, Self::Missed, Self::Undecided];

    /// The code, as in metrics and JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Undecided => "undecided",
        }
    }

    /// The word a person reads.
    pub fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::Met => lang.pick("met", "达标"),
            Self::Missed => lang.pick("missed", "未达标"),
            Self::Undecided => lang.pick("undecided", "无法判定"),
        }
    }

    /// A sign that does not depend on colour.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Met => "✓",
            Self::Missed => "✗",
            Self::Undecided => "?",
        }
    }
}

/// Why a verdict is undecided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The clocks are not known well enough for this target.
    Clock,
    /// Too few packets came back.
    Samples,
    /// Too few of the planned packets were sent.
    Coverage,
    /// A clock's claim, or the coordinates, contradict what was measured.
    Contradiction,
    /// Nothing was measured at all.
    NoData,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Clock,
        Self::Samples,
        Self::Coverage,
        Self::Contradiction,
        Self::NoData,
    ];

    /// The code, as in metrics and JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Samples => "samples",
            Self::Coverage => "coverage",
            Self::Contradiction => "contradiction",
            Self::NoData => "no-data",
        }
    }

    /// One sentence for a person.
    pub fn sentence(self, lang: Lang) -> &'static str {
        match self {
            Self::Clock => lang.pick(
                "the clocks are not known well enough to decide this target",
                "时钟误差界过大，无法判定该目标",
            ),
            Self::Samples => lang.pick("too few packets came back", "返回的报文太少"),
            Self::Coverage => lang.pick(
                "too few of the planned packets were sent",
                "实际发送的报文少于计划",
            ),
            Self::Contradiction => lang.pick(
                "a clock's claim (or the coordinates) contradicts the measurement",
                "时钟声明（或坐标）与测量结果矛盾",
            ),
            Self::NoData => lang.pick("not measured", "未测量"),
        }
    }
}

/// How good the evidence behind a decided verdict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EvidenceClass {
    /// One-way, hardware stamps, uncertainty at most a tenth of the target.
    A,
    /// Proved without any clock's claim: by round trip, light, loss, and the packets of the mesh.
    B,
    /// One-way, uncertainty at most a quarter of the target.
    C,
    /// Estimated from the round trip: half of it, or any other share that somebody assumes. It never passes a target, and
    /// no verdict has it; an undecided one may lean by it.
    D,
}

impl EvidenceClass {
    /// The letter.
    pub fn code(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
        }
    }
}

/// The verdict on one direction of one path in one interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the target was kept.
    pub state: State,
    /// Why it cannot be told; only when undecided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// How good the evidence is; only when decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<EvidenceClass>,
    /// The interval in which the judged quantile of the one-way delay lies; `None` when nothing was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<OneWayDelay>,
    /// The target.
    #[serde(rename = "target_ns")]
    pub target: Nanos,
    /// Packets sent.
    pub sent: u64,
    /// Packets whose delay is known.
    pub received: u64,
    /// What the judged quantile speaks of; verdicts of older stores speak of the packets.
    #[serde(default)]
    pub population: Population,
    /// Between the delays of which of the packets sent the quantile lies, and how many independent ones that rests on;
    /// `None` when nothing was measured, and in verdicts of older stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranked: Option<Ranked>,
    /// What it leans to; only when the clocks leave it undecided, and not in verdicts of older stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaning: Option<Leaning>,
}

impl Verdict {
    /// A verdict on nothing.
    pub fn no_data(target: Nanos, sent: u64) -> Self {
        Self {
            state: State::Undecided,
            reason: Some(Reason::NoData),
            class: None,
            delay: None,
            target,
            sent,
            received: 0,
            population: Population::default(),
            ranked: None,
            leaning: None,
        }
    }

    /// What the interval rests on, when there is one.
    pub fn basis(&self) -> Option<Basis> {
        self.delay.map(|delay| delay.basis)
    }

    fn undecided(self, reason: Reason) -> Self {
        Self {
            state: State::Undecided,
            reason: Some(reason),
            class: None,
            ..self
        }
    }

    fn decided(self, state: State, class: EvidenceClass) -> Self {
        Self {
            state,
            reason: None,
            class: Some(class),
            ..self
        }
    }
}

/// Which side of the target an interval lies on; `None` when it straddles it.
fn side(delay: OneWayDelay, target: Nanos) -> Option<State> {
    if delay.hi <= target {
        Some(State::Met)
    } else if delay.lo > target {
        Some(State::Missed)
    } else {
        None
    }
}

/// Judges one direction of one path in one interval.
pub fn judge(evidence: &Evidence<'_>, target: Nanos, profile: &Profile) -> Verdict {
    explain(evidence, target, profile).verdict
}

/// Judges one direction of one path in one interval, and tells how it came to that.
pub fn explain(evidence: &Evidence<'_>, target: Nanos, profile: &Profile) -> Explanation {
    let received = evidence.raw.count();
    let mut account = Account::open(evidence, target, profile);
    if received == 0 && evidence.lost == 0 {
        return account.undecided(Reason::NoData, Ground::NothingMeasured);
    }
    let ranks = evidence.judged_ranks(profile);
    account.measured(ranks);
    let Some(proved) = evidence.proved(ranks) else {
        let round_trip = evidence.round_trip.min().unwrap_or(Nanos::ZERO);
        return account.undecided(
            Reason::Contradiction,
            Ground::FasterThanLight { round_trip },
        );
    };
    account.proved(proved);
    let planned = u128::from(evidence.planned) * u128::from(profile.min_coverage_ppm);
    if u128::from(evidence.sent) * 1_000_000 < planned {
        let least = u64::try_from(planned.div_ceil(1_000_000)).unwrap_or(u64::MAX);
        return account.undecided(Reason::Coverage, Ground::Coverage { least });
    }
    // A path that loses so much that the quantile is lost is judged by its loss, not excused by it.
    let lost_for_certain = proved.lo == Nanos::MAX;
    if received < profile.min_samples && !lost_for_certain {
        let least = profile.min_samples;
        return account.undecided(Reason::Samples, Ground::Samples { least });
    }
    if let Some(state) = side(proved, target) {
        return account.decided(state, EvidenceClass::B);
    }
    let proved = evidence.proved_by_mesh(ranks, proved);
    account.proved_by_mesh(proved);
    if let Some(state) = side(proved, target) {
        return account.decided(state, EvidenceClass::B);
    }
    // Where so many packets have no known fate that the quantile may be one of theirs, no clock can help.
    let not_known = match evidence.claim {
        Claim::Withdrawn => Reason::Contradiction,
        _ if evidence.is_observed(ranks) => Reason::Clock,
        _ => Reason::Samples,
    };
    let Some(clocks) = evidence.believed_clocks() else {
        let ground = match evidence.claim {
            Claim::Withdrawn => Ground::Withdrawn,
            Claim::Clocks(_) | Claim::None => Ground::NoClaim,
        };
        return account.undecided(not_known, ground);
    };
    if evidence.contradicts(clocks) {
        let ground = match evidence.contradiction(clocks) {
            Some((direction, raw, floor)) => Ground::FasterThanLightByClocks {
                direction: direction.into(),
                raw,
                floor,
            },
            None => Ground::ClaimsExclude { clocks },
        };
        return account.undecided(Reason::Contradiction, ground);
    }
    let claimed = evidence.claimed(ranks, proved, clocks);
    account.claimed(clocks, claimed);
    let Some(claimed) = claimed else {
        return account.undecided(Reason::Contradiction, Ground::Empty);
    };
    let Some(class) = evidence.class(clocks, target) else {
        let uncertainty = evidence.uncertainty(clocks);
        return account.undecided(not_known, Ground::TooWide { uncertainty });
    };
    match side(claimed, target) {
        Some(state) => account.decided(state, class),
        None => account.undecided(not_known, Ground::Straddles),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::live::MeshBounds;
    use crate::delay::{ClockDifference, Floors};
    use crate::distribution::Distribution;
    use crate::histogram::HistogramRecorder;

    const US: fn(i64) -> Nanos = Nanos::from_micros;

    /// A path whose packets all take this long, seen by clocks of which the reflector's is `lie` ahead.
    struct Case {
        forward: i64,
        backward: i64,
        lie: i64,
        bound: Option<i64>,
        sent: u64,
        received: u64,
        lost: u64,
        floor: i64,
        withdrawn: bool,
    }

    const QUIET: Case = Case {
        forward: 700,
        backward: 700,
        lie: 0,
        bound: Some(20),
        sent: 600,
        received: 600,
        lost: 0,
        floor: 350,
        withdrawn: false,
    };

    fn distribution(values: impl Iterator<Item = i64>) -> Distribution {
        let mut recorder = HistogramRecorder::default();
        values.for_each(|us| recorder.record(US(us)));
        Distribution::of(&[recorder.finish()])
    }

    fn verdict(case: &Case, target_us: i64) -> Verdict {
        let repeat = |us: i64| distribution((0..case.received).map(move |_| us));
        let raw = repeat(case.forward + case.lie);
        let round_trip = repeat(case.forward + case.backward);
        let clocks = case
            .bound
            .map(|bound| ClockDifference::within(US(bound), US(bound)));
        let evidence = Evidence {
            planned: 600,
            sent: case.sent,
            lost: case.lost,
            raw: &raw,
            opposite_min: (case.received > 0).then(|| US(case.backward - case.lie)),
            round_trip: &round_trip,
            floors: Floors {
                forward: US(case.floor),
                backward: US(case.floor),
            },
            claim: match clocks {
                _ if case.withdrawn => Claim::Withdrawn,
                Some(clocks) => Claim::Clocks(clocks),
                None => Claim::None,
            },
            mesh: MeshBounds::default(),
            stamp_error: Some(US(5)),
            hardware_stamps: false,
            random: Nanos::ZERO,
            correlation: Correlation::default(),
        };
        judge(&evidence, US(target_us), &Profile::plan_2026())
    }

    #[track_caller]
    fn check(
        case: &Case,
        target_us: i64,
        state: State,
        reason: Option<Reason>,
        class: Option<EvidenceClass>,
    ) {
        let verdict = verdict(case, target_us);
        assert_eq!(
            (verdict.state, verdict.reason, verdict.class),
            (state, reason, class),
            "{verdict:?}"
        );
    }

    use EvidenceClass::{B, C};
    use State::{Met, Missed, Undecided};

    #[test]
    fn what_the_round_trip_proves_needs_no_clock() {
        let clockless = Case {
            bound: None,
            ..QUIET
        };
        // 1400 round trip − 350 floor back = 1050
        check(&clockless, 1_060, Met, None, Some(B));
        check(&clockless, 1_000, Undecided, Some(Reason::Clock), None);
        check(&clockless, 300, Missed, None, Some(B));
        check(
            &Case {
                lie: 3_000,
                ..QUIET
            },
            1_060,
            Met,
            None,
            Some(B),
        );
        check(
            &Case {
                withdrawn: true,
                ..QUIET
            },
            1_060,
            Met,
            None,
            Some(B),
        );
    }

    #[test]
    fn claims_decide_what_the_round_trip_cannot_and_stop_at_their_own_width() {
        check(&QUIET, 1_000, Met, None, Some(C));
        check(&QUIET, 650, Missed, None, Some(C));
        check(&QUIET, 720, Undecided, Some(Reason::Clock), None);
        check(
            &Case {
                bound: Some(150),
                ..QUIET
            },
            1_000,
            Undecided,
            Some(Reason::Clock),
            None,
        );
    }

    #[test]
    fn a_clock_that_lies_by_3_ms_is_never_believed_against_the_round_trip() {
        for (lie, target) in [(3_000, 1_000), (-3_000, 1_000), (3_000, 500), (-3_000, 500)] {
            check(
                &Case { lie, ..QUIET },
                target,
                Undecided,
                Some(Reason::Contradiction),
                None,
            );
        }
        check(
            &Case {
                withdrawn: true,
                ..QUIET
            },
            1_000,
            Undecided,
            Some(Reason::Contradiction),
            None,
        );
    }

    #[test]
    fn lost_packets_are_infinitely_late_and_unknown_ones_may_be_anything() {
        // 6 % lost on this way: the 95th percentile is lost.
        check(
            &Case {
                received: 564,
                lost: 36,
                ..QUIET
            },
            1_060,
            Missed,
            None,
            Some(B),
        );
        // 6 % gone, nobody knows where: cannot be met, cannot be missed, and no clock can help.
        check(
            &Case {
                received: 564,
                lost: 0,
                ..QUIET
            },
            1_060,
            Undecided,
            Some(Reason::Samples),
            None,
        );
        // 4 % lost: the percentile is among the packets that came back.
        check(
            &Case {
                received: 576,
                lost: 24,
                ..QUIET
            },
            1_060,
            Met,
            None,
            Some(B),
        );
        // All lost on this way: no sample, and yet a miss.
        check(
            &Case {
                received: 0,
                lost: 600,
                ..QUIET
            },
            1_060,
            Missed,
            None,
            Some(B),
        );
    }

    #[test]
    fn no_data_is_not_bad() {
        check(
            &Case {
                received: 0,
                ..QUIET
            },
            1_000,
            Undecided,
            Some(Reason::NoData),
            None,
        );
        check(
            &Case {
                sent: 0,
                received: 0,
                ..QUIET
            },
            1_000,
            Undecided,
            Some(Reason::NoData),
            None,
        );
        check(
            &Case {
                sent: 299,
                received: 299,
                ..QUIET
            },
            1_060,
            Undecided,
            Some(Reason::Coverage),
            None,
        );
        check(
            &Case {
                received: 299,
                ..QUIET
            },
            1_060,
            Undecided,
            Some(Reason::Samples),
            None,
        );
    }

    #[test]
    fn a_round_trip_faster_than_light_contradicts_the_coordinates() {
        check(
            &Case {
                floor: 701,
                ..QUIET
            },
            1_000,
            Undecided,
            Some(Reason::Contradiction),
            None,
        );
    }

    #[test]
    fn no_verdict_is_false_whatever_the_clocks_say_within_their_claims() {
        let mut decided = 0;
        for forward in (400..1_600).step_by(37) {
            for backward in (400..1_600).step_by(83) {
                for error in [-40, -20, 0, 13, 40] {
                    for target in [500, 1_000, 1_400] {
                        let verdict = verdict(
                            &Case {
                                forward,
                                backward,
                                lie: error,
                                ..QUIET
                            },
                            target,
                        );
                        let truth = if forward <= target { Met } else { Missed };
                        assert!(
                            verdict.state == truth || verdict.state == Undecided,
                            "{forward}/{backward} error {error} target {target}: {verdict:?}"
                        );
                        decided += u32::from(verdict.state != Undecided);
                    }
                }
            }
        }
        assert!(decided > 5_000, "only {decided} were decided");
    }

    #[test]
    fn no_lie_however_large_can_make_a_false_verdict_once_the_claims_are_withdrawn() {
        for lie in (-10_000..10_000).step_by(333) {
            let verdict = verdict(
                &Case {
                    lie,
                    withdrawn: true,
                    ..QUIET
                },
                1_000,
            );
            assert_eq!(verdict.state, Undecided, "lie {lie}");
        }
    }
}
