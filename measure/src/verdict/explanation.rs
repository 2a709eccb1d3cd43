//! How a verdict came about: the numbers that went into the formulas, what each term gave, and what decided.
//!
//! The judge writes this down while it judges, so it cannot tell of another
//! judgement than its own. Nothing is computed here; the formulas stand in
//! [`Evidence`] and [`OneWayDelay`].

use serde::{Deserialize, Serialize};

use super::{
    Claim, Evidence, EvidenceClass, Leaning, Profile, Quantile, Ranks, Reason, State, Verdict,
};
use crate::clock::live::MeshBounds;
use crate::delay::{Basis, ClockDifference, Floors, OneWayDelay, RawEnds};
use crate::distribution::Bounds;
use crate::sample::Direction;
use crate::time::Nanos;

/// A verdict with all that it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The verdict.
    pub verdict: Verdict,
    /// What decided; no later question was asked.
    pub ground: Ground,
    /// The packets, and which of them is the judged one.
    pub counts: Counts,
    /// The light floors, seen along the path.
    pub floors: Floors,
    /// How early a transmit and how late a receipt stamp may be, together (e); `None` when nothing bounds that.
    #[serde(rename = "stamp_error_ns")]
    pub stamp_error: Option<Nanos>,
    /// Every stamp was taken by an interface.
    pub hardware_stamps: bool,
    /// What is known of the two clocks.
    pub clocks: Clocks,
    /// The intervals that were tried, in this order; the last one is the verdict's.
    pub steps: Vec<Step>,
}

/// The packets of a window, and which of them is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// That the plan wanted sent.
    pub planned: u64,
    /// That were sent.
    pub sent: u64,
    /// Whose delay is known.
    pub received: u64,
    /// That were lost in this direction for certain: of infinite delay.
    pub lost: u64,
    /// Of which nobody knows the fate in this direction: the fastest of all from below, the slowest from above.
    pub unknown: u64,
    /// p; between which ranks of how many it lies is told by the verdict.
    pub quantile: Quantile,
}

/// What is known of θ, the far clock less the near one along the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// Whether the two clocks' own claims are used.
    pub claims: ClaimsUsed,
    /// By their own claims, where they are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<ClockDifference>,
    /// One standard deviation of what varies at random in θ; three are in what they claim.
    #[serde(rename = "random_ns")]
    pub random: Nanos,
    /// By the packets of all pairs of the mesh, and light: −D_ji … D_ij.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mesh_proved: Option<ClockDifference>,
    /// By those and the believed claims of all clocks of the mesh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mesh_claimed: Option<ClockDifference>,
    /// How much of the width by packets and light is the clocks' own moving: the rest is what an asymmetry may be.
    #[serde(rename = "moving_ns")]
    pub moving: Nanos,
}

/// Whether the claims of a path's clocks are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClaimsUsed {
    /// Both claim something, and nothing contradicts it.
    Used,
    /// At least one claims nothing.
    None,
    /// At least one is contradicted in this window, here or on another path of its probe.
    Withdrawn,
}

impl Clocks {
    fn of(evidence: &Evidence<'_>) -> Self {
        let MeshBounds {
            proved,
            claimed,
            moving,
        } = evidence.mesh;
        let (claims, own) = match evidence.claim {
            Claim::Clocks(own) => (ClaimsUsed::Used, Some(own)),
            Claim::None => (ClaimsUsed::None, None),
            Claim::Withdrawn => (ClaimsUsed::Withdrawn, None),
        };
        Self {
            claims,
            own,
            random: evidence.random,
            mesh_proved: proved,
            mesh_claimed: claimed,
            moving,
        }
    }
}

/// One interval of the judged quantile, term by term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it rests on.
    pub basis: Basis,
    /// θ, the far clock less the near one along the path, as far as the basis knows it; `None` where none is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clocks: Option<ClockDifference>,
    /// Each is no larger than the delay; the largest binds.
    pub lower: Vec<Term>,
    /// Each is no smaller than the delay; the smallest binds.
    pub upper: Vec<Term>,
    /// The interval; `None` when the terms leave none, and then the step before it holds.
    pub delay: Option<OneWayDelay>,
}

/// One bound of a delay, with what it is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "term", rename_all = "kebab-case")]
pub enum Term {
    /// `F_ij`: no packet is faster than light.
    Light {
        /// The bound.
        #[serde(rename = "value_ns")]
        value: Nanos,
    },
    /// `q_p(RTT) − F_ji`
    RoundTrip {
        /// `q_p(RTT)`; [`Nanos::MAX`] when that packet never came back.
        #[serde(rename = "round_trip_ns")]
        round_trip: Nanos,
        /// `F_ji`
        #[serde(rename = "floor_ns")]
        floor: Nanos,
        /// The bound.
        #[serde(rename = "value_ns")]
        value: Nanos,
    },
    /// The judged packet was lost in this direction: ∞.
    Lost,
    /// `q_p(m) − θ_hi − e`
    RawLow {
        /// `q_p(m)`, from below.
        #[serde(rename = "raw_ns")]
        raw: Nanos,
        /// `θ_hi`
        #[serde(rename = "theta_ns")]
        theta: Nanos,
        /// `e`
        #[serde(rename = "stamp_error_ns")]
        stamp_error: Nanos,
        /// The bound.
        #[serde(rename = "value_ns")]
        value: Nanos,
    },
    /// `q_p(m) − θ_lo`
    RawHigh {
        /// `q_p(m)`, from above.
        #[serde(rename = "raw_ns")]
        raw: Nanos,
        /// `θ_lo`
        #[serde(rename = "theta_ns")]
        theta: Nanos,
        /// The bound.
        #[serde(rename = "value_ns")]
        value: Nanos,
    },
}

impl Term {
    /// The bound that it gives; [`Nanos::MAX`] for a lost packet, or one that nothing bounds from above.
    pub fn value(self) -> Nanos {
        match self {
            Self::Light { value }
            | Self::RoundTrip { value, .. }
            | Self::RawLow { value, .. }
            | Self::RawHigh { value, .. } => value,
            Self::Lost => Nanos::MAX,
        }
    }
}

/// What decided. The questions are asked in this order, and the first that can decide does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ground", rename_all = "kebab-case")]
pub enum Ground {
    /// No packet came back, and none was lost for certain in this direction.
    NothingMeasured,
    /// A round trip was faster than light there and back, so the coordinates are wrong.
    FasterThanLight {
        /// The fastest round trip.
        #[serde(rename = "round_trip_ns")]
        round_trip: Nanos,
    },
    /// Fewer packets were sent than the profile asks for.
    Coverage {
        /// So many would have been enough.
        least: u64,
    },
    /// Fewer packets came back than the profile asks for.
    Samples {
        /// So many would have been enough.
        least: u64,
    },
    /// The interval of the last step lies on one side of the target.
    Side,
    /// The interval lies on both sides, and a clock claims nothing.
    NoClaim,
    /// The interval lies on both sides, and the claims of a clock are not used in this window: packets contradict them.
    Withdrawn,
    /// If both clocks kept their claims, a packet of this path was faster than light.
    FasterThanLightByClocks {
        /// In which direction of the path.
        direction: PathDirection,
        /// The smallest raw difference there.
        #[serde(rename = "raw_ns")]
        raw: Nanos,
        /// The floor that it breaks.
        #[serde(rename = "floor_ns")]
        floor: Nanos,
    },
    /// The believed claims say of θ what cannot be: its least is above its most.
    ClaimsExclude {
        /// What they say.
        clocks: ClockDifference,
    },
    /// The claims and the round trip leave no interval together.
    Empty,
    /// The claims bound the clocks less closely than a quarter of the target.
    TooWide {
        /// The bound of the two clocks and the stamps together.
        #[serde(rename = "uncertainty_ns")]
        uncertainty: Nanos,
    },
    /// The interval of the last step still lies on both sides of the target.
    Straddles,
}

/// A direction as it is seen from the judged path, whoever measured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathDirection {
    /// Along the path.
    Along,
    /// On the way back.
    Back,
}

impl From<Direction> for PathDirection {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Forward => Self::Along,
            Direction::Backward => Self::Back,
        }
    }
}

impl Step {
    /// The proved interval of a piece of evidence.
    fn proved(evidence: &Evidence<'_>, ranks: Ranks, delay: OneWayDelay) -> Self {
        let light = Term::Light {
            value: evidence.floors.forward,
        };
        let lost = (delay.lo == Nanos::MAX).then_some(Term::Lost);
        let round_trip = evidence.round_trip_bound(ranks);
        Self {
            basis: Basis::Proved,
            clocks: None,
            lower: [light].into_iter().chain(lost).collect(),
            upper: vec![Term::RoundTrip {
                round_trip,
                floor: evidence.floors.backward,
                value: OneWayDelay::proved(round_trip, evidence.floors).hi,
            }],
            delay: Some(delay),
        }
    }

    /// The terms that what is known of the clocks adds to this interval.
    fn narrowed(
        &self,
        raw: Bounds,
        clocks: ClockDifference,
        stamp_error: Option<Nanos>,
    ) -> (Vec<Term>, Vec<Term>) {
        let ends = RawEnds::of(raw, clocks, stamp_error);
        let lower = ends.lower.map(|value| match (raw.at_least, stamp_error) {
            (Nanos::MAX, _) | (_, None) => Term::Lost,
            (raw, Some(stamp_error)) => Term::RawLow {
                raw,
                theta: clocks.at_most,
                stamp_error,
                value,
            },
        });
        let upper = ends.upper.map(|value| Term::RawHigh {
            raw: raw.at_most,
            theta: clocks.at_least,
            value,
        });
        (
            self.lower.iter().copied().chain(lower).collect(),
            self.upper.iter().copied().chain(upper).collect(),
        )
    }

    fn is_empty(&self) -> bool {
        let lo = self.lower.iter().map(|term| term.value()).max();
        let hi = self.upper.iter().map(|term| term.value()).min();
        lo.zip(hi).is_some_and(|(lo, hi)| lo > hi)
    }

    /// Where among [`Self::lower`] the one that binds stands: the first of the largest.
    pub fn binding_lower(&self) -> Option<usize> {
        let most = self.lower.iter().map(|term| term.value()).max()?;
        self.lower.iter().position(|term| term.value() == most)
    }

    /// Where among [`Self::upper`] the one that binds stands: the first of the smallest.
    pub fn binding_upper(&self) -> Option<usize> {
        let least = self.upper.iter().map(|term| term.value()).min()?;
        self.upper.iter().position(|term| term.value() == least)
    }
}

/// An explanation that is being written.
#[derive(Debug)]
pub(super) struct Account<'a, 'e> {
    evidence: &'a Evidence<'e>,
    quantile: Quantile,
    ranks: Ranks,
    verdict: Verdict,
    steps: Vec<Step>,
}

impl<'a, 'e> Account<'a, 'e> {
    pub(super) fn open(evidence: &'a Evidence<'e>, target: Nanos, profile: &Profile) -> Self {
        Self {
            evidence,
            quantile: profile.quantile,
            ranks: Ranks {
                lower: 0,
                upper: None,
            },
            verdict: Verdict {
                population: profile.population,
                ..Verdict::no_data(target, evidence.sent)
            },
            steps: Vec::new(),
        }
    }

    /// There are packets, and these bound the quantile.
    pub(super) fn measured(&mut self, ranks: Ranks) {
        self.ranks = ranks;
        self.verdict.received = self.evidence.raw.count();
        self.verdict.ranked = Some(self.evidence.ranked(ranks));
    }

    /// The interval that follows without any clock.
    pub(super) fn proved(&mut self, delay: OneWayDelay) {
        let step = Step::proved(self.evidence, self.ranks, delay);
        self.verdict.delay = Some(delay);
        self.steps.push(step);
    }

    /// The interval that follows with what the mesh proves of the clocks, where it proves something.
    pub(super) fn proved_by_mesh(&mut self, delay: OneWayDelay) {
        if let Some(clocks) = self.evidence.mesh.proved {
            let stamp_error = self.evidence.hard_stamp_error();
            self.step(Basis::Proved, clocks, stamp_error, Some(delay));
        }
    }

    /// The interval that follows with the believed claims; the verdict keeps the one before when there is none.
    pub(super) fn claimed(&mut self, clocks: ClockDifference, delay: Option<OneWayDelay>) {
        let stamp_error = self.evidence.stamp_error;
        self.step(Basis::Claimed, clocks, stamp_error, delay);
    }

    fn step(
        &mut self,
        basis: Basis,
        clocks: ClockDifference,
        stamp_error: Option<Nanos>,
        delay: Option<OneWayDelay>,
    ) {
        self.verdict.delay = delay.or(self.verdict.delay);
        // What leaves no interval narrows none: it was tried, and the next step goes on from the one before it.
        let Some(before) = self.steps.iter().rev().find(|step| step.delay.is_some()) else {
            return;
        };
        let raw = self.evidence.raw_bounds(self.ranks);
        let (lower, upper) = before.narrowed(raw, clocks, stamp_error);
        let mut step = Step {
            basis,
            clocks: Some(clocks),
            lower,
            upper,
            delay,
        };
        if step.is_empty() {
            step.delay = None;
        }
        self.steps.push(step);
    }

    pub(super) fn undecided(mut self, reason: Reason, ground: Ground) -> Explanation {
        self.verdict = self.verdict.undecided(reason);
        self.close(ground)
    }

    pub(super) fn decided(mut self, state: State, class: EvidenceClass) -> Explanation {
        self.verdict = self.verdict.decided(state, class);
        self.close(Ground::Side)
    }

    fn close(self, ground: Ground) -> Explanation {
        let evidence = self.evidence;
        let leaning = Leaning::of(evidence, self.ranks, &self.verdict);
        Explanation {
            verdict: Verdict {
                leaning,
                ..self.verdict
            },
            ground,
            counts: Counts {
                planned: evidence.planned,
                sent: evidence.sent,
                received: evidence.raw.count(),
                lost: evidence.lost,
                unknown: evidence.unknown(),
                quantile: self.quantile,
            },
            floors: evidence.floors,
            stamp_error: evidence.stamp_error,
            hardware_stamps: evidence.hardware_stamps,
            clocks: Clocks::of(evidence),
            steps: self.steps,
        }
    }
}

#[cfg(test)]
mod tests;
