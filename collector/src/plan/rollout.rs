//! How a new generation of plans reaches the probes: in stages.
//!
//! A pure state machine: it is told the time and how each probe stands, and
//! says which probes are to have the new plan. A stage is over when every probe
//! of it that is waited for reports under the new generation. When one turns
//! the plan down, or says nothing in time, the roll-out stops by itself and
//! says who and why; the others keep what they have until a person decides.

use std::collections::{BTreeMap, BTreeSet};

use owl_measure::report::{PlanFault, PlanStanding, TurnedDown};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How many probes a stage gives the plan to, those of the stages before it included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// So many.
    Probes(usize),
    /// So many of a hundred, rounded up.
    Percent(f64),
}

impl std::str::FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "a share is a number of probes like \"1\" or a part of them like \"10%\"";
        match text.strip_suffix('%') {
            Some(part) => {
                let part: f64 = part.trim().parse().map_err(|_| EXPECTED)?;
                let sensible = part > 0.0 && part <= 100.0;
                sensible.then_some(Self::Percent(part)).ok_or(EXPECTED)
            }
            None => match text.parse() {
                Ok(probes) if probes > 0 => Ok(Self::Probes(probes)),
                _ => Err(EXPECTED),
            },
        }
    }
}

impl Share {
    fn of(self, probes: usize) -> usize {
        match self {
            Self::Probes(count) => count.min(probes),
            Self::Percent(part) => (probes as f64 * part / 100.0).ceil() as usize,
        }
    }
}

/// How one probe stands, as far as the collectors know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// The generation that it says it follows; 0 for none, or for a probe that does not tell.
    pub(crate) follows: u64,
    /// It goes back unless a report is acknowledged in time.
    pub(crate) on_trial: bool,
    /// The highest generation of its reports.
    pub(crate) reports: u64,
    /// What it turned down last: generation, name of the fault, detail.
    pub(crate) turned_down: Option<(u64, String, String)>,
}

impl Standing {
    /// Takes over what the probe says.
    pub(crate) fn say(&mut self, said: &PlanStanding) {
        self.follows = said.follows;
        self.on_trial = said.on_trial;
        let told = said.turned_down.as_ref();
        self.turned_down = told.map(|told| {
            (
                told.generation,
                told.fault.code().to_owned(),
                told.detail.clone(),
            )
        });
    }

    /// What it turned down last.
    pub(crate) fn turned_down(&self) -> Option<TurnedDown> {
        let (generation, fault, detail) = self.turned_down.as_ref()?;
        Some(TurnedDown::new(
            *generation,
            PlanFault::named(fault),
            detail,
        ))
    }

    /// The generation that it follows: as it says, or of a probe that does not tell, as its reports do. Those may be of a plan that
    /// it went back from.
    pub(crate) fn generation(&self) -> u64 {
        if self.follows > 0 {
            self.follows
        } else {
            self.reports
        }
    }

    fn has(&self, generation: u64) -> bool {
        self.reports >= generation
    }
}

/// Why a roll-out stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Failure {
    /// The probe does not follow the plan: name of the fault, detail.
    TurnedDown(String, String),
    /// It did not report under the plan in time.
    Silent,
}

impl Failure {
    pub(crate) fn said(&self, lang: Lang) -> String {
        match self {
            Self::TurnedDown(fault, detail) => {
                TurnedDown::new(0, PlanFault::named(fault), detail).said(lang)
            }
            Self::Silent => lang
                .pick(
                    "it did not report under the plan in time",
                    "未在规定时间内按该计划上报",
                )
                .to_owned(),
        }
    }
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// A stage is under way.
    Rolling,
    /// A probe failed.
    Stopped {
        probe: String,
        why: Failure,
        #[serde(rename = "at_ns")]
        at: Timestamp,
    },
    /// Every probe is to have it; judged by it from then on.
    Released {
        #[serde(rename = "at_ns")]
        at: Timestamp,
    },
    /// A person took it back, or something newer took its place before it was released.
    Withdrawn {
        #[serde(rename = "at_ns")]
        at: Timestamp,
        /// Since when it had been judged by.
        #[serde(rename = "released_at_ns")]
        released_at: Option<Timestamp>,
    },
}

/// A probe of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) probe: String,
    /// It was there when the stage began, so the stage does not end without it. Who is away gets the plan when it calls.
    pub(crate) awaited: bool,
}

/// The roll-out of one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rollout {
    pub(crate) generation: u64,
    /// Each with the probes that it adds.
    pub(crate) stages: Vec<Vec<Member>>,
    /// The one that is under way.
    pub(crate) stage: usize,
    #[serde(rename = "stage_since_ns")]
    pub(crate) since: Timestamp,
    pub(crate) state: State,
}

impl Rollout {
    /// A generation that everybody gets at once: the first one, or one that takes another back.
    pub(crate) fn at_once(generation: u64, now: Timestamp) -> Self {
        Self {
            generation,
            stages: Vec::new(),
            stage: 0,
            since: now,
            state: State::Released { at: now },
        }
    }

    /// Begins with the first stage. Of `probes`, those that are `there` come first, in an order that is another one for each
    /// generation, so that not the same ones always try what is new.
    pub(crate) fn begin(
        generation: u64,
        probes: &BTreeSet<String>,
        there: &BTreeSet<String>,
        shares: &[Share],
        now: Timestamp,
    ) -> Self {
        let mut order: Vec<_> = probes
            .iter()
            .map(|probe| {
                let drawn = Sha256::digest(format!("{generation} {probe}"));
                (!there.contains(probe), drawn, probe)
            })
            .collect();
        order.sort_unstable();
        let mut order = order.into_iter().map(|(.., probe)| Member {
            probe: probe.clone(),
            awaited: false,
        });
        let (mut stages, mut given) = (Vec::new(), 0);
        let last = Share::Percent(100.0);
        for share in shares.iter().chain([&last]) {
            let more = share.of(probes.len()).saturating_sub(given);
            if more > 0 {
                stages.push(order.by_ref().take(more).collect());
                given += more;
            }
        }
        let mut rollout = Self {
            generation,
            stages,
            stage: 0,
            since: now,
            state: State::Rolling,
        };
        rollout.enter(0, there, now);
        rollout
    }

    fn enter(&mut self, stage: usize, there: &BTreeSet<String>, now: Timestamp) {
        (self.stage, self.since) = (stage, now);
        match self.stages.get_mut(stage) {
            Some(members) => members
                .iter_mut()
                .for_each(|member| member.awaited = there.contains(&member.probe)),
            None => self.state = State::Released { at: now },
        }
    }

    /// Whether a probe is to have this generation.
    pub(crate) fn is_for(&self, probe: &str) -> bool {
        match self.state {
            State::Released { .. } => true,
            State::Withdrawn { .. } => false,
            State::Rolling | State::Stopped { .. } => self
                .stage_of(probe)
                .is_some_and(|stage| stage <= self.stage),
        }
    }

    /// In which stage a probe is.
    pub(crate) fn stage_of(&self, probe: &str) -> Option<usize> {
        self.stages
            .iter()
            .position(|members| members.iter().any(|member| member.probe == probe))
    }

    /// Goes on as far as it can at `now`; tells whether anything changed. A stage may take `patience`.
    pub(crate) fn step(
        &mut self,
        now: Timestamp,
        standings: &BTreeMap<String, Standing>,
        there: &BTreeSet<String>,
        patience: Nanos,
    ) -> bool {
        let mut changed = false;
        while self.state == State::Rolling {
            // Also one of an earlier stage may go back later, and shows the same.
            let begun = self.stages.iter().take(self.stage + 1).flatten();
            let failed = begun.clone().find_map(|member| {
                let told = standings.get(&member.probe)?.turned_down.as_ref()?;
                let why = Failure::TurnedDown(told.1.clone(), told.2.clone());
                (told.0 == self.generation).then(|| (member.probe.clone(), why))
            });
            let mut missing = begun.filter(|member| {
                let standing = standings.get(&member.probe);
                member.awaited && !standing.is_some_and(|of| of.has(self.generation))
            });
            let first_missing = missing.next().map(|member| member.probe.clone());
            let late = now - self.since >= patience;
            let failed = failed.or(first_missing
                .clone()
                .filter(|_| late)
                .map(|probe| (probe, Failure::Silent)));
            match (failed, first_missing) {
                (Some((probe, why)), _) => {
                    self.state = State::Stopped {
                        probe,
                        why,
                        at: now,
                    }
                }
                (None, Some(_)) => break,
                (None, None) => self.enter(self.stage + 1, there, now),
            }
            changed = true;
        }
        changed
    }

    /// Takes it back, whether it was released or not. Tells whether that changes anything.
    pub(crate) fn withdraw(&mut self, now: Timestamp) -> bool {
        if matches!(self.state, State::Withdrawn { .. }) {
            return false;
        }
        self.state = State::Withdrawn {
            at: now,
            released_at: self.released_at(),
        };
        true
    }

    /// Something newer takes its place. Tells whether that changes anything: what is released stays so.
    pub(crate) fn give_way(&mut self, now: Timestamp) -> bool {
        self.released_at().is_none() && self.withdraw(now)
    }

    /// From when on windows are judged by it, or were until something newer was released.
    pub(crate) fn judged_from(&self) -> Option<Timestamp> {
        match self.state {
            State::Withdrawn { released_at, .. } => released_at,
            _ => self.released_at(),
        }
    }

    /// Since when every probe is to have it.
    pub(crate) fn released_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Released { at } => Some(at),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Nanos = Nanos::from_secs(600);

    /// A mesh of probes p00, p01, …, whose hands are moved by the test.
    struct World {
        rollout: Rollout,
        standings: BTreeMap<String, Standing>,
        there: BTreeSet<String>,
        now: Timestamp,
    }

    impl World {
        fn of(probes: usize, away: &[usize], shares: &[&str]) -> Self {
            let name = |k: usize| format!("p{k:02}");
            let all: BTreeSet<String> = (0..probes).map(name).collect();
            let there = (0..probes).filter(|k| !away.contains(k)).map(name);
            let there: BTreeSet<String> = there.collect();
            let shares: Vec<Share> = shares.iter().map(|share| share.parse().unwrap()).collect();
            let now = Timestamp(0);
            Self {
                rollout: Rollout::begin(7, &all, &there, &shares, now),
                standings: BTreeMap::new(),
                there,
                now,
            }
        }

        fn sizes(&self) -> Vec<usize> {
            self.rollout.stages.iter().map(Vec::len).collect()
        }

        fn wanted(&self) -> Vec<String> {
            let all = self.rollout.stages.iter().flatten();
            let names = all.map(|member| member.probe.clone());
            names.filter(|probe| self.rollout.is_for(probe)).collect()
        }

        fn report(&mut self, probe: &str, generation: u64) {
            self.standings.entry(probe.to_owned()).or_default().reports = generation;
        }

        fn turn_down(&mut self, probe: &str, generation: u64) {
            let said = PlanStanding {
                follows: 6,
                on_trial: false,
                turned_down: Some(TurnedDown::new(generation, PlanFault::Unreported, "")),
            };
            self.standings
                .entry(probe.to_owned())
                .or_default()
                .say(&said);
        }

        fn pass(&mut self, seconds: i64) -> bool {
            self.now = self.now + Nanos::from_secs(seconds);
            self.rollout
                .step(self.now, &self.standings, &self.there, PATIENCE)
        }
    }

    #[test]
    fn a_good_plan_goes_from_one_to_a_tenth_to_all() {
        let mut world = World::of(20, &[], &["1", "10%", "100%"]);
        assert_eq!(world.sizes(), [1, 1, 18]);
        for wanted in [1, 2, 20] {
            assert_eq!(world.wanted().len(), wanted);
            assert!(!world.pass(5), "nobody has reported yet");
            for probe in world.wanted() {
                world.report(&probe, 7);
            }
            assert!(world.pass(5));
        }
        assert_eq!(world.rollout.released_at(), Some(world.now));
        assert!(!world.pass(10_000), "what is released stays so");
    }

    #[test]
    fn a_probe_that_goes_back_stops_it_and_the_others_keep_what_they_have() {
        let mut world = World::of(10, &[], &["1"]);
        let canary = world.wanted()[0].clone();
        world.turn_down(&canary, 6);
        assert!(!world.pass(5), "of another generation");
        world.turn_down(&canary, 7);
        assert!(world.pass(5));
        let State::Stopped { probe, why, .. } = &world.rollout.state else {
            panic!("{:?}", world.rollout.state);
        };
        assert_eq!(*probe, canary);
        assert!(why.said(Lang::En).contains("acknowledged in time"));
        assert_eq!(world.wanted(), [canary]);
        assert!(!world.pass(10_000));
    }

    #[test]
    fn a_probe_of_an_earlier_stage_may_still_stop_a_later_one() {
        let mut world = World::of(10, &[], &["1", "50%"]);
        let canary = world.wanted()[0].clone();
        world.report(&canary, 7);
        assert!(world.pass(5));
        assert_eq!(world.wanted().len(), 5);
        world.turn_down(&canary, 7);
        assert!(world.pass(5));
        assert!(matches!(&world.rollout.state, State::Stopped { probe, .. } if *probe == canary));
    }

    #[test]
    fn silence_stops_it_when_its_time_is_over() {
        let mut world = World::of(3, &[], &["1"]);
        assert!(!world.pass(599));
        assert!(world.pass(1));
        assert!(matches!(
            &world.rollout.state,
            State::Stopped {
                why: Failure::Silent,
                ..
            }
        ));
    }

    #[test]
    fn who_is_away_is_not_waited_for_and_comes_last() {
        let mut world = World::of(4, &[0, 1, 2], &["1"]);
        assert_eq!(world.wanted(), ["p03"]);
        world.report("p03", 7);
        assert!(world.pass(5));
        assert!(world.rollout.released_at().is_some());
        let nobody = World::of(4, &[0, 1, 2, 3], &["1"]).rollout;
        assert_eq!(nobody.stages[0].len(), 1);
    }

    #[test]
    fn the_first_who_try_are_others_each_time() {
        let all: BTreeSet<String> = (0..50).map(|k| format!("p{k:02}")).collect();
        let canaries: BTreeSet<String> = (0..20)
            .map(|generation| {
                let begun =
                    Rollout::begin(generation, &all, &all, &[Share::Probes(1)], Timestamp(0));
                begun.stages[0][0].probe.clone()
            })
            .collect();
        assert!(canaries.len() > 10, "{canaries:?}");
    }

    #[test]
    fn a_share_is_a_number_or_a_part() {
        let check = |text: &str, of: usize| text.parse::<Share>().map(|share| share.of(of));
        assert_eq!(check("1", 50), Ok(1));
        assert_eq!(check("60", 50), Ok(50));
        assert_eq!(check("10%", 5), Ok(1));
        assert_eq!(check("100%", 5), Ok(5));
        for wrong in ["0", "-1", "0%", "101%", "ten", "", "%"] {
            assert!(check(wrong, 5).is_err(), "{wrong}");
        }
    }
}
