//! How one run came out, held against the truth.

use std::ops::AddAssign;

use owl_measure::clock::audit::{Audit, audit};
use owl_measure::clock::suspicion::{ProbeKind, ProbeVerdict};
use owl_measure::delay::Basis;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{RunVerdict, State, judge_run};
use owl_sim::mesh::{Kind, Scenario, Truth};

use super::mesh::{light, mesh_of, targets_of};

/// Counts over one or more runs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// Runs.
    pub runs: u32,
    /// Verdicts, decided or not.
    pub verdicts: u32,
    /// False ones that were called proved.
    pub false_proved: u32,
    /// False ones that were called claimed or assumed.
    pub false_otherwise: u32,
    /// By what they rest on: proved, claimed, assumed.
    pub decided: [u32; 3],
    /// Undecided ones.
    pub undecided: u32,
    /// Those that one who knows the bounds of all asymmetries, and who lies, would leave undecided.
    pub oracle_undecided: u32,
    /// Verdicts against the plan's targets.
    pub plan_verdicts: u32,
    /// Undecided ones among these.
    pub plan_undecided: u32,
    /// Intervals of the p95 in which the true one lies.
    pub covered: u32,
    /// Intervals.
    pub intervals: u32,
    /// Squares of the errors of the offsets in ns², the mean of all clocks of a window taken off.
    pub offset_squares: f64,
    /// How many offsets there were.
    pub offsets: u32,
    /// Clocks whose claim is broken, provably so in the data.
    pub provable_liars: u32,
    /// Those of them that were neither called faulty nor suspect.
    pub missed_liars: u32,
    /// Clocks whose claim is broken.
    pub liars: u32,
    /// Those of them that were called faulty or suspect.
    pub found_liars: u32,
    /// Steps and drifts.
    pub events: u32,
    /// Those of them that were found, by their own kind.
    pub found_events: u32,
    /// The longest time from one to its finding, in seconds of simulated time.
    pub slowest_s: f64,
    /// Honest clocks that were called faulty.
    pub honest_faulty: u32,
    /// Honest clocks that were called suspect.
    pub honest_suspect: u32,
}

impl Outcome {
    /// Makes one run, audits it, and holds the answer against the truth.
    ///
    /// # Panics
    /// Never: a simulated mesh is neither too large nor too long.
    pub fn of(kind: Kind, seed: u64) -> Self {
        let Scenario { seen, truth } = Scenario::of(kind, seed);
        let audited =
            audit(&mesh_of(&seen)).expect("eight probes and six minutes are within the bounds");
        let mut outcome = Self {
            runs: 1,
            ..Self::default()
        };
        for verdict in judge_run(&audited, &targets_of(&seen.targets_ns)) {
            outcome.verdict(&verdict, &truth);
        }
        for verdict in judge_run(&audited, &targets_of(&seen.plan_targets_ns)) {
            outcome.plan_verdict(&verdict, &truth);
        }
        outcome.probes(&audited, &truth, &seen.min_km);
        outcome.offset_errors(&audited, &truth);
        outcome.event(kind, &audited, &truth);
        outcome
    }

    /// Against the plan's own targets only the state counts, and whether it is false.
    fn plan_verdict(&mut self, verdict: &RunVerdict, truth: &Truth) {
        let (_, right) = right(verdict, truth);
        self.plan_verdicts += 1;
        match verdict.state {
            State::Undecided => self.plan_undecided += 1,
            state if state == right => {}
            _ if verdict.basis() == Some(Basis::Proved) => self.false_proved += 1,
            _ => self.false_otherwise += 1,
        }
    }

    fn verdict(&mut self, verdict: &RunVerdict, truth: &Truth) {
        let of = verdict.of;
        let (p95, right) = right(verdict, truth);
        self.verdicts += 1;
        self.oracle_undecided += u32::from(truth.oracle_is_undecided(of.from, of.to, of.target.0));
        if let Some(delay) = verdict.delay {
            self.intervals += 1;
            self.covered += u32::from(delay.lo <= p95 && p95 <= delay.hi);
        }
        let basis = verdict.basis();
        match (verdict.state, basis) {
            (State::Undecided, _) | (_, None) => self.undecided += 1,
            (state, Some(basis)) => {
                self.decided[basis as usize] += 1;
                let wrong = u32::from(state != right);
                if basis == Basis::Proved {
                    self.false_proved += wrong;
                } else {
                    self.false_otherwise += wrong;
                }
            }
        }
    }

    fn probes(&mut self, audited: &Audit, truth: &Truth, min_km: &[Vec<f64>]) {
        for (probe, told) in audited.probes.iter().enumerate() {
            let called = told.verdict != ProbeVerdict::Ok;
            if truth.lies(probe) {
                let provable = provable(probe, truth, min_km);
                self.liars += 1;
                self.found_liars += u32::from(called);
                self.provable_liars += u32::from(provable);
                self.missed_liars += u32::from(provable && !called);
            } else {
                self.honest_faulty += u32::from(told.verdict == ProbeVerdict::Faulty);
                self.honest_suspect += u32::from(told.verdict == ProbeVerdict::Suspect);
            }
        }
    }

    fn event(&mut self, kind: Kind, audited: &Audit, truth: &Truth) {
        let sought = match kind {
            Kind::Step => ProbeKind::Step,
            Kind::Drift => ProbeKind::Drift,
            _ => return,
        };
        let (Some(probe), Some(event)) = (truth.troubled, truth.event_ns) else {
            return;
        };
        self.events += 1;
        let told = &audited.probes[probe];
        if let (Some(found), true) = (told.found, told.kind == Some(sought)) {
            self.found_events += 1;
            let after = (found - Timestamp(truth.span_ns.0)).0 - event;
            self.slowest_s = self.slowest_s.max(after as f64 / 1e9);
        }
    }

    fn offset_errors(&mut self, audited: &Audit, truth: &Truth) {
        let windows = audited
            .probes
            .first()
            .map_or(0, |probe| probe.offsets.len());
        for k in 0..windows {
            let at = (k as i64 * 60 + 30) * 1_000_000_000;
            let errors: Vec<f64> = audited
                .probes
                .iter()
                .zip(&truth.clocks)
                .filter_map(|(told, clock)| Some(told.offsets[k]?.0 as f64 - clock.error_ns(at)))
                .collect();
            let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
            self.offset_squares += errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>();
            self.offsets += errors.len() as u32;
        }
    }

    /// The root of the mean square of the offsets' errors, in microseconds.
    pub fn offset_rms_us(&self) -> f64 {
        (self.offset_squares / f64::from(self.offsets.max(1))).sqrt() / 1e3
    }
}

/// The true p95, and what the verdict should be.
fn right(verdict: &RunVerdict, truth: &Truth) -> (Nanos, State) {
    let of = verdict.of;
    let p95 = truth.paths[of.from][of.to]
        .p95_ns()
        .map_or(Nanos::MAX, Nanos);
    let state = if p95 <= of.target {
        State::Met
    } else {
        State::Missed
    };
    (p95, state)
}

/// Whether one honest, claiming probe's packets alone prove that the claim of this one is broken: it is wrong by more
/// than both claim and the true floor leaves above light, and by 30 µs more for queues, at the middle of some window.
fn provable(liar: usize, truth: &Truth, min_km: &[Vec<f64>]) -> bool {
    let honest = (0..truth.clocks.len()).filter(|&probe| probe != liar && !truth.lies(probe));
    honest.into_iter().any(|other| {
        let (Some(own), Some(others)) = (truth.bound_ns[liar], truth.bound_ns[other]) else {
            return false;
        };
        (0..6_i64).any(|k| {
            let at = (k * 60 + 30) * 1_000_000_000;
            let moved = |event: i64| (event - at).abs() < 31_000_000_000;
            if truth.event_ns.is_some_and(moved) {
                return false;
            }
            let ahead = truth.clocks[liar].error_ns(at) - truth.clocks[other].error_ns(at);
            let leaves = |from: usize, to: usize| {
                let measured = !truth.paths[from][to].delays_ns.is_empty();
                let floor = truth.paths[from][to].path.floor_at(at);
                if measured {
                    floor - light(min_km[from][to]).0 as f64 + (own + others) as f64 + 30e3
                } else {
                    f64::INFINITY
                }
            };
            ahead > leaves(liar, other) || -ahead > leaves(other, liar)
        })
    })
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.verdicts += other.verdicts;
        self.false_proved += other.false_proved;
        self.false_otherwise += other.false_otherwise;
        for (sum, decided) in self.decided.iter_mut().zip(other.decided) {
            *sum += decided;
        }
        self.undecided += other.undecided;
        self.oracle_undecided += other.oracle_undecided;
        self.plan_verdicts += other.plan_verdicts;
        self.plan_undecided += other.plan_undecided;
        self.covered += other.covered;
        self.intervals += other.intervals;
        self.offset_squares += other.offset_squares;
        self.offsets += other.offsets;
        self.provable_liars += other.provable_liars;
        self.missed_liars += other.missed_liars;
        self.liars += other.liars;
        self.found_liars += other.found_liars;
        self.events += other.events;
        self.found_events += other.found_events;
        self.slowest_s = self.slowest_s.max(other.slowest_s);
        self.honest_faulty += other.honest_faulty;
        self.honest_suspect += other.honest_suspect;
    }
}
