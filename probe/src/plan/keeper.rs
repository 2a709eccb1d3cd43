//! Which plan is followed.
//!
//! A new order is put beside the last good one, on the disk, before anything
//! follows it; it becomes the good one with the first report under it that the
//! collector acknowledges. Without one in time the probe goes back by itself,
//! also when it was started anew meanwhile. The first plan of all has nothing
//! before it and is waited for as long as it takes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use owl_measure::report::{PlanFault, PlanStanding, TurnedDown};
use owl_measure::time::{Nanos, Timestamp};
use owl_topology::Plan;

use super::kept::{Kept, KeptFault};
use super::verify::{Believed, believe, kept};
use crate::config::Config;

/// The least and the most time that a plan may be on trial.
const TRIAL: [Nanos; 2] = [Nanos::from_secs(1), Nanos::from_secs(3_600)];
/// A trial takes at least so many of the plan's longest report intervals: a report comes at the end of one.
const INTERVALS: i64 = 3;

/// The plan, and the rules by which it changes.
#[derive(Debug)]
pub(crate) struct PlanKeeper {
    file: PathBuf,
    ca: PathBuf,
    probe: String,
    kept: Kept,
    good: Option<Believed>,
    trial: Option<Trial>,
}

#[derive(Debug)]
struct Trial {
    believed: Believed,
    /// `None` when there is nothing to go back to.
    deadline: Option<Instant>,
}

fn in_nanos(wait: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(wait.0).unwrap_or(0))
}

fn trial_of(believed: &Believed) -> Nanos {
    let sessions = believed.plan.sessions.iter();
    let longest = sessions.map(|session| session.report_interval_ns).max();
    let longest = Nanos(i64::try_from(longest.unwrap_or(0)).unwrap_or(i64::MAX));
    let reports = longest.min(TRIAL[1]).times(INTERVALS);
    believed.trial.max(reports).clamp(TRIAL[0], TRIAL[1])
}

impl PlanKeeper {
    /// With what the file of the last run holds.
    pub(crate) fn open(config: &Config, now: Timestamp, at: Instant) -> Self {
        let file = config.state.join("plan");
        let read = Kept::read(&file);
        let usable = |octets: &Option<Vec<u8>>| {
            let believed = kept(octets.as_deref()?)?;
            (believed.plan.probe == config.id).then_some(believed)
        };
        let good = usable(&read.good);
        let trial = usable(&read.trial).map(|believed| {
            let length = trial_of(&believed);
            // A clock that was set meanwhile neither ends nor lengthens it.
            let past = now - Timestamp(read.trial_since_ns);
            let left = length - past.clamp(Nanos::ZERO, length);
            let deadline = good.as_ref().map(|_| at + in_nanos(left));
            Trial { believed, deadline }
        });
        Self {
            file,
            ca: config.ca.clone(),
            probe: config.id.clone(),
            kept: read,
            good,
            trial,
        }
    }

    fn current(&self) -> Option<&Believed> {
        let trial = self.trial.as_ref().map(|trial| &trial.believed);
        trial.or(self.good.as_ref())
    }

    /// What is followed.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.current().map(|believed| &believed.plan)
    }

    /// The generation of what is followed on trial.
    pub(crate) fn on_trial(&self) -> Option<u64> {
        self.trial.as_ref().map(|trial| trial.believed.generation)
    }

    /// What the collector is told.
    pub(crate) fn standing(&self) -> PlanStanding {
        PlanStanding {
            follows: self.current().map_or(0, |of| of.generation),
            on_trial: self.trial.is_some(),
            turned_down: self.kept.turned_down.as_ref().map(KeptFault::told),
        }
    }

    /// The collector says what to measure. Tells whether [`plan`](Self::plan) is another one now, which is on the disk.
    pub(crate) fn offer(&mut self, octets: &[u8], now: Timestamp, at: Instant) -> bool {
        let believed = match believe(octets, &self.probe, &self.ca, now) {
            Ok(believed) => believed,
            Err(told) => {
                self.turn_down(told.generation, told.fault, &told.detail);
                return false;
            }
        };
        let generation = believed.generation;
        if self.current().is_some_and(|of| of.generation == generation) {
            return false;
        }
        let topology = self.current().map(|of| of.topology.clone());
        if let Some(before) = topology.filter(|before| *before != believed.topology) {
            let detail = format!("{} instead of {before}", believed.topology);
            self.turn_down(generation, PlanFault::OtherTopology, &detail);
            return false;
        }
        if generation <= self.kept.highest {
            // Why it went back from that one says more than that it will not follow it again.
            let told = self.kept.turned_down.as_ref().map(KeptFault::told);
            if told.is_none_or(|told| told.generation != generation) {
                let detail = format!("it has followed {}", self.kept.highest);
                self.turn_down(generation, PlanFault::Older, &detail);
            }
            return false;
        }
        let kept = Kept {
            trial: Some(octets.to_vec()),
            trial_since_ns: now.0,
            highest: generation,
            turned_down: None,
            good: self.kept.good.clone(),
        };
        if let Err(error) = kept.write(&self.file) {
            self.turn_down(generation, PlanFault::Unkept, &error.to_string());
            return false;
        }
        tracing::info!(generation, "tries a new plan");
        self.kept = kept;
        let deadline = self.good.as_ref();
        let deadline = deadline.map(|_| at + in_nanos(trial_of(&believed)));
        self.trial = Some(Trial { believed, deadline });
        true
    }

    /// The collector sent a plan that nobody signed.
    pub(crate) fn offer_unsigned(&mut self) {
        self.turn_down(0, PlanFault::Unsigned, "");
    }

    /// A report under the plan on trial was acknowledged.
    pub(crate) fn reported(&mut self) {
        let Some(trial) = self.trial.take() else {
            return;
        };
        self.kept.good = self.kept.trial.take();
        self.kept.trial_since_ns = 0;
        tracing::info!(
            generation = trial.believed.generation,
            "the plan is good: a report under it was acknowledged"
        );
        self.good = Some(trial.believed);
        self.save();
    }

    /// Nothing of the plan on trial can be measured. Tells whether [`plan`](Self::plan) is another one now.
    pub(crate) fn unopened(&mut self, why: &str) -> bool {
        self.good.is_some() && self.go_back(PlanFault::Unopened, why)
    }

    /// Goes back if it is time to. Tells whether [`plan`](Self::plan) is another one now.
    pub(crate) fn look(&mut self, at: Instant) -> bool {
        let deadline = self.trial.as_ref().and_then(|trial| trial.deadline);
        deadline.is_some_and(|deadline| at >= deadline) && self.go_back(PlanFault::Unreported, "")
    }

    fn go_back(&mut self, fault: PlanFault, detail: &str) -> bool {
        let Some(trial) = self.trial.take() else {
            return false;
        };
        self.kept.trial = None;
        self.kept.trial_since_ns = 0;
        self.turn_down(trial.believed.generation, fault, detail);
        true
    }

    fn turn_down(&mut self, generation: u64, fault: PlanFault, detail: &str) {
        let told = TurnedDown::new(generation, fault, detail);
        let told = Some(KeptFault::of(&told));
        // Whoever sends the same again and again causes one line, and one write.
        if self.kept.turned_down == told {
            return;
        }
        tracing::warn!(
            generation,
            fault = fault.code(),
            detail,
            follows = self.current().map(|of| of.generation),
            "a plan is not followed"
        );
        self.kept.turned_down = told;
        self.save();
    }

    fn save(&self) {
        if let Err(error) = self.kept.write(&self.file) {
            tracing::warn!(file = %self.file.display(), %error, "the plan cannot be kept; after a restart the probe follows what it kept before");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::testing::{NOW, Signer};

    const SECOND: Duration = Duration::from_secs(1);

    /// A probe's state, over any number of starts.
    struct World {
        folder: tempfile::TempDir,
        signer: Signer,
        began: Instant,
    }

    impl World {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
                signer: Signer::new(),
                began: Instant::now(),
            }
        }

        /// A start, so many seconds after the first.
        fn start(&self, seconds: u32) -> PlanKeeper {
            let text = format!(
                "id = \"a\"\ncollector = \"127.0.0.1:1\"\nca = \"{}\"\ncertificate = \"x\"\nkey = \"x\"\nstate = \".\"\n",
                self.signer.ca().display()
            );
            let file = self.folder.path().join("probe.toml");
            std::fs::write(&file, text).unwrap();
            let config = Config::read(&file).unwrap();
            PlanKeeper::open(&config, self.now(seconds), self.began + SECOND * seconds)
        }

        fn now(&self, seconds: u32) -> Timestamp {
            NOW + Nanos::from_secs(seconds.into())
        }

        fn offer(&self, keeper: &mut PlanKeeper, seconds: u32, generation: u64) -> bool {
            let order = self.signer.order(generation, &["a~b"]);
            keeper.offer(&order, self.now(seconds), self.began + SECOND * seconds)
        }

        fn look(&self, keeper: &mut PlanKeeper, seconds: u32) -> bool {
            keeper.look(self.began + SECOND * seconds)
        }

        /// A probe with a good plan of generation 5.
        fn settled(&self) -> PlanKeeper {
            let mut keeper = self.start(0);
            assert!(self.offer(&mut keeper, 0, 5));
            keeper.reported();
            keeper
        }
    }

    #[track_caller]
    fn stands(keeper: &PlanKeeper, follows: u64, on_trial: bool, fault: Option<(u64, PlanFault)>) {
        let standing = keeper.standing();
        assert_eq!((standing.follows, standing.on_trial), (follows, on_trial));
        let told = standing
            .turned_down
            .map(|told| (told.generation, told.fault));
        assert_eq!(told, fault);
        let plan = keeper.plan().map(|plan| plan.generation.clone());
        assert_eq!(plan, (follows > 0).then(|| follows.to_string()));
    }

    #[test]
    fn a_plan_is_good_with_its_first_acknowledged_report_and_until_then_on_trial() {
        let world = World::new();
        let mut keeper = world.settled();
        stands(&keeper, 5, false, None);
        assert!(world.offer(&mut keeper, 10, 6));
        stands(&keeper, 6, true, None);
        assert!(!world.look(&mut keeper, 69));
        keeper.reported();
        assert!(!world.look(&mut keeper, 1_000));
        stands(&world.start(1_000), 6, false, None);
    }

    #[test]
    fn without_a_report_in_time_it_goes_back_and_does_not_try_that_plan_again() {
        let world = World::new();
        let mut keeper = world.settled();
        assert!(world.offer(&mut keeper, 10, 6));
        assert!(world.look(&mut keeper, 70));
        let gone_back = Some((6, PlanFault::Unreported));
        stands(&keeper, 5, false, gone_back);
        assert!(!world.offer(&mut keeper, 71, 6));
        stands(&keeper, 5, false, gone_back);
        let mut again = world.start(72);
        stands(&again, 5, false, gone_back);
        assert!(!world.offer(&mut again, 73, 6));
        assert!(world.offer(&mut again, 74, 7));
        stands(&again, 7, true, None);
    }

    #[test]
    fn a_trial_goes_on_where_it_stood_when_the_probe_is_killed_in_the_middle() {
        let world = World::new();
        let mut keeper = world.settled();
        assert!(world.offer(&mut keeper, 10, 6));
        drop(keeper);
        let mut again = world.start(50);
        stands(&again, 6, true, None);
        assert!(!world.look(&mut again, 69));
        assert!(world.look(&mut again, 70));
        stands(&again, 5, false, Some((6, PlanFault::Unreported)));
        let mut late = world.start(50);
        assert!(world.offer(&mut late, 80, 7));
        let mut late = world.start(500);
        assert!(
            world.look(&mut late, 500),
            "its time was over while nobody ran"
        );
    }

    #[test]
    fn the_first_plan_has_nothing_before_it_and_stays() {
        let world = World::new();
        let mut keeper = world.start(0);
        stands(&keeper, 0, false, None);
        assert!(world.offer(&mut keeper, 0, 5));
        assert!(!keeper.unopened("no address") && !world.look(&mut keeper, 9_999));
        stands(&world.start(10_000), 5, true, None);
    }

    #[test]
    fn what_is_older_or_of_another_topology_or_unsigned_is_turned_down_by_name() {
        let world = World::new();
        let mut keeper = world.settled();
        assert!(!world.offer(&mut keeper, 1, 4));
        stands(&keeper, 5, false, Some((4, PlanFault::Older)));
        assert!(!world.offer(&mut keeper, 1, 5), "it follows that already");
        keeper.offer_unsigned();
        stands(&keeper, 5, false, Some((0, PlanFault::Unsigned)));
        let foreign = Signer::new().order(9, &["a~b"]);
        assert!(!keeper.offer(&foreign, NOW, world.began));
        stands(&keeper, 5, false, Some((9, PlanFault::Foreign)));
        assert!(
            world.offer(&mut keeper, 1, 6),
            "what was forged is no floor"
        );
        assert!(keeper.unopened("cannot bind UDP 192.0.2.1:0"));
        stands(&keeper, 5, false, Some((6, PlanFault::Unopened)));
        let plan = Plan {
            generation: "8".into(),
            probe: "a".into(),
            ..Plan::default()
        };
        let other = world.signer.sign(&owl_topology::PlanOrder {
            plan: Some(plan),
            topology: "other".into(),
            generation: 8,
            valid_from_ns: 0,
            valid_until_ns: i64::MAX,
            trial_ns: 1,
        });
        assert!(!keeper.offer(&other, NOW, world.began));
        stands(&keeper, 5, false, Some((8, PlanFault::OtherTopology)));
    }

    #[test]
    fn a_plan_that_cannot_be_kept_is_not_followed() {
        let world = World::new();
        let mut keeper = world.settled();
        keeper.file = Path::new("/nonexistent/plan").to_owned();
        assert!(!world.offer(&mut keeper, 1, 6));
        stands(&keeper, 5, false, Some((6, PlanFault::Unkept)));
    }
}
