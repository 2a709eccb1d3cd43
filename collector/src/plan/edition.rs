//! The generations that are in use, for those who take calls and reports.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use owl_measure::report::{FLOWS_MAX, Report};
use owl_measure::time::{Nanos, Timestamp};
use owl_topology::{Plan, PlanOrder, ProbeId, Topology};
use prost::Message as _;
use tokio::sync::watch;
use tracing::warn;

use super::rollout::{Rollout, Standing};
use crate::config::{Config, parse_topology};
use crate::identity::{PlanSigner, PlanSigningError, RegistryError};
use crate::store::plans::{Draft, PlanDesk, PlanRow};
use crate::store::{Place, StoreError};

/// An order is taken so long after it was signed; it is signed anew whenever it is sent.
const VALID: Nanos = Nanos::from_secs(86_400);
/// And so long before, by clocks that are behind.
const BEFORE: Nanos = Nanos::from_secs(3_600);

/// A generation, ready to be sent.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) row: PlanRow,
    pub(crate) topology: Arc<Topology>,
    plans: HashMap<String, Planned>,
}

/// A probe's plan.
#[derive(Debug)]
struct Planned {
    plan: Plan,
    /// The paths that it is to report on, with their flows.
    flows: HashMap<String, u32>,
}

impl Planned {
    fn of(mut plan: Plan, generation: u64) -> Self {
        plan.generation = generation.to_string();
        let sessions = plan.sessions.iter();
        let flows = sessions.map(|session| (session.path.clone(), session.flow_count()));
        Self {
            flows: flows.collect(),
            plan,
        }
    }

    /// Whether it gave the probe such a report to make, by a plan of at most so many flows.
    fn holds(&self, report: &Report, flows_max: Option<u32>) -> bool {
        let flows = self.flows.get(&report.path);
        flows.is_some_and(|&flows| report.flow < flows_max.unwrap_or(flows))
    }
}

impl Generation {
    fn of(row: PlanRow, topology: Topology) -> Self {
        let ids = topology.probes.iter().map(|probe| &probe.id);
        let plan = |id: &ProbeId| {
            let planned = Planned::of(topology.plan(id)?, row.generation);
            Some((id.to_string(), planned))
        };
        Self {
            plans: ids.filter_map(plan).collect(),
            topology: Arc::new(topology),
            row,
        }
    }
}

/// All of one moment.
#[derive(Debug)]
pub(crate) struct Edition {
    /// By number; the released one is among them.
    generations: BTreeMap<u64, Arc<Generation>>,
    released: Arc<Generation>,
}

impl Edition {
    /// What the store holds. What `before` has already is not read again.
    pub(super) fn read(desk: &PlanDesk, before: Option<&Self>) -> Result<Option<Self>, StoreError> {
        let mut generations = BTreeMap::new();
        for row in desk.all()? {
            let known = before.and_then(|before| before.generations.get(&row.generation));
            if let Some(known) = known.filter(|known| known.row == row) {
                generations.insert(row.generation, Arc::clone(known));
                continue;
            }
            let number = row.generation;
            if let Some(known) = known {
                let topology = Topology::clone(&known.topology);
                generations.insert(number, Arc::new(Generation::of(row, topology)));
                continue;
            }
            let texts = desk.sources(number)?.unwrap_or_default();
            match parse_topology(&texts) {
                Ok(topology) => {
                    generations.insert(number, Arc::new(Generation::of(row, topology)));
                }
                // Another version wrote it, with other rules.
                Err(_) => warn!(
                    generation = number,
                    "a kept topology has errors by the rules of this version; it is not used"
                ),
            }
        }
        let mut newest_first = generations.values().rev();
        let released = newest_first.find(|of| of.row.rollout.released_at().is_some());
        Ok(released.cloned().map(|released| Self {
            generations,
            released,
        }))
    }

    /// Whether nothing differs from the other.
    pub(super) fn is(&self, other: &Self) -> bool {
        let rows = |of: &Self| {
            of.generations
                .values()
                .map(|of| of.row.clone())
                .collect::<Vec<_>>()
        };
        rows(self) == rows(other)
    }

    /// What is judged by, and what every probe has that no stage has reached yet.
    pub(crate) fn released(&self) -> &Arc<Generation> {
        &self.released
    }

    pub(crate) fn newest(&self) -> &Arc<Generation> {
        let newest = self.generations.values().next_back();
        newest.unwrap_or(&self.released)
    }

    /// From when on each generation is or was judged by, in order.
    pub(crate) fn releases(&self) -> impl Iterator<Item = (Timestamp, &Arc<Topology>)> {
        let all = self.generations.values();
        all.filter_map(|of| Some((of.row.rollout.judged_from()?, &of.topology)))
    }

    /// What a probe is to follow.
    pub(crate) fn wanted(&self, probe: &str) -> &Arc<Generation> {
        let newest = self.newest();
        if newest.row.rollout.is_for(probe) {
            newest
        } else {
            &self.released
        }
    }

    /// Whether the probe may call.
    pub(crate) fn has_probe(&self, probe: &str) -> bool {
        self.released.plans.contains_key(probe)
    }

    /// Whether some generation that is in use has the path.
    pub(crate) fn has_path(&self, path: &str) -> bool {
        let Some((from, _)) = path.split_once('~') else {
            return false;
        };
        let mut plans = self.generations.values();
        plans.any(|of| {
            let planned = of.plans.get(from);
            planned.is_some_and(|planned| planned.flows.contains_key(path))
        })
    }

    /// Whether a plan gave the probe such a report to make: the one that the report names, or, when that is known no more, any
    /// that is in use, with as many flows as there may be.
    pub(crate) fn planned(&self, probe: &str, report: &Report) -> bool {
        let named = report.generation.parse().ok();
        let named = named.and_then(|number: u64| self.generations.get(&number));
        if let Some(generation) = named {
            let planned = generation.plans.get(probe);
            return planned.is_some_and(|planned| planned.holds(report, None));
        }
        let mut plans = self
            .generations
            .values()
            .filter_map(|of| of.plans.get(probe));
        plans.any(|planned| planned.holds(report, Some(FLOWS_MAX)))
    }
}

/// The generations in use, and how the probes stand.
#[derive(Debug)]
pub(crate) struct Plans {
    edition: watch::Sender<Arc<Edition>>,
    standings: Mutex<BTreeMap<String, Standing>>,
    signer: Arc<PlanSigner>,
    trial: Nanos,
}

impl Plans {
    /// Of a store; in an empty one the topology of the configuration becomes the first generation.
    pub(crate) fn open(
        config: &Config,
        signer: Arc<PlanSigner>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let desk = PlanDesk::open(&config.store)?;
        let edition = loop {
            if let Some(edition) = Edition::read(&desk, None)? {
                break edition;
            }
            let topology = &config.topology;
            let draft = Draft {
                topology: &topology.name,
                hash: &topology.generation,
                sources: &config.texts,
            };
            desk.make(draft, now, |generation, _| {
                Some(Rollout::at_once(generation, now))
            })?;
        };
        Ok(Self {
            edition: watch::Sender::new(Arc::new(edition)),
            standings: Mutex::new(desk.standings()?),
            signer,
            trial: config.rollout.trial,
        })
    }

    /// Sees to it that the key that signs is there and lasts. Waits for the disk.
    pub(super) fn prepare(&self, now: Timestamp) -> Result<(), RegistryError> {
        self.signer.prepare(now)
    }

    pub(crate) fn edition(&self) -> Arc<Edition> {
        Arc::clone(&self.edition.borrow())
    }

    /// Tells of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Edition>> {
        self.edition.subscribe()
    }

    pub(super) fn publish(&self, edition: Edition) -> Arc<Edition> {
        let edition = Arc::new(edition);
        self.edition.send_replace(Arc::clone(&edition));
        edition
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Standing>> {
        // Every change is one assignment, so it is whole whoever panicked.
        self.standings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How every probe stands, as far as this collector knows.
    pub(super) fn standings(&self) -> BTreeMap<String, Standing> {
        self.lock().clone()
    }

    /// What other collectors of the same store know is newer where it differs from what this one heard last.
    pub(super) fn learn(&self, standings: BTreeMap<String, Standing>, heard: &BTreeSet<String>) {
        let mut known = self.lock();
        for (probe, standing) in standings {
            if !heard.contains(&probe) {
                known.insert(probe, standing);
            }
        }
    }

    /// A probe stands otherwise; what is to be kept then. Probes of no plan are not remembered.
    pub(crate) fn stand(
        &self,
        probe: &str,
        change: impl FnOnce(&mut Standing),
    ) -> Option<Standing> {
        let mut known = self.lock();
        let standing = known.entry(probe.to_owned()).or_default();
        let before = standing.clone();
        change(standing);
        (*standing != before).then(|| standing.clone())
    }

    /// The plan that a probe is to follow, as it is sent to one that wants it signed.
    pub(crate) fn signed(&self, probe: &str, now: Timestamp) -> Result<Vec<u8>, PlanSigningError> {
        let edition = self.edition();
        let generation = edition.wanted(probe);
        let order = PlanOrder {
            plan: generation.plans.get(probe).map(|of| of.plan.clone()),
            topology: generation.topology.name.clone(),
            generation: generation.row.generation,
            valid_from_ns: (now - BEFORE).0,
            valid_until_ns: (now + VALID).0,
            trial_ns: u64::try_from(self.trial.0).unwrap_or_default(),
        };
        Ok(self.signer.sign(&order, now)?.encode_to_vec())
    }

    /// The same as it is sent to one of a version before plans were signed.
    pub(crate) fn unsigned(&self, probe: &str) -> Vec<u8> {
        let edition = self.edition();
        let planned = edition.wanted(probe).plans.get(probe);
        planned
            .map(|of| of.plan.encode_to_vec())
            .unwrap_or_default()
    }
}

/// The topology by which a collector judges that starts now: the released one of its store, or that of its configuration.
pub(crate) fn in_force(place: &Place) -> Result<Option<Topology>, StoreError> {
    let Some(desk) = PlanDesk::peek(place)? else {
        return Ok(None);
    };
    let edition = Edition::read(&desk, None)?;
    Ok(edition.map(|edition| Topology::clone(&edition.released.topology)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::rollout::{Share, State};
    use crate::testing::report;

    const PROBE: &str = "yannan-ct";
    const PATH: &str = "yannan-ct~binhaigang-ct";

    fn generation(number: u64, topology: &Topology, rollout: Rollout) -> Arc<Generation> {
        let row = PlanRow {
            generation: number,
            topology: topology.name.clone(),
            hash: topology.generation.clone(),
            made_at: Timestamp(0),
            rollout,
        };
        Arc::new(Generation::of(row, topology.clone()))
    }

    /// Generation 5 is released; 6, of which the path has one flow and which has no other path, is rolled out to one probe.
    fn edition(canary: &str) -> Edition {
        let topology = Topology::yancheng();
        let now = Timestamp(0);
        let released = generation(5, &topology, Rollout::at_once(5, now));
        let one: BTreeSet<String> = [canary.to_owned()].into();
        let rollout = Rollout::begin(6, &one, &one, &[Share::Probes(1)], now);
        assert_eq!(rollout.state, State::Rolling);
        let mut newest = Arc::into_inner(generation(6, &topology, rollout)).unwrap();
        for (probe, planned) in &mut newest.plans {
            planned.flows.retain(|path, _| path == PATH);
            planned.flows.values_mut().for_each(|flows| *flows = 1);
            assert!(probe == PROBE || planned.flows.is_empty());
        }
        Edition {
            generations: [(5, Arc::clone(&released)), (6, newest.into())].into(),
            released,
        }
    }

    #[test]
    fn only_the_probes_of_a_stage_are_to_follow_what_is_new() {
        let edition = edition(PROBE);
        for (probe, expected) in [(PROBE, 6), ("binhaigang-ct", 5)] {
            assert_eq!(edition.wanted(probe).row.generation, expected, "{probe}");
        }
        assert_eq!(edition.released().row.generation, 5);
        assert!(edition.has_probe(PROBE) && !edition.has_probe("nobody"));
    }

    #[test]
    fn a_report_may_say_what_the_plan_that_it_names_had_it_measure() {
        let edition = edition(PROBE);
        let flows = edition.released().plans[PROBE].flows[PATH];
        let other = edition.released().plans[PROBE].flows.keys();
        let other = other.clone().find(|path| *path != PATH).unwrap().clone();
        let check = |generation: &str, path: &str, flow: u32, expected: bool| {
            let report = Report {
                generation: generation.into(),
                flow,
                ..report(path, 0)
            };
            let told = format!("{path} {flow} under {generation}");
            assert_eq!(edition.planned(PROBE, &report), expected, "{told}");
        };
        check("5", PATH, flows - 1, true);
        check("5", PATH, flows, false);
        check("6", PATH, 0, true);
        check("6", PATH, 1, false);
        check("6", &other, 0, false);
        check("5", &other, 0, true);
        check("an older one, from the spool", PATH, flows, true);
        check("an older one, from the spool", PATH, FLOWS_MAX, false);
        check("5", "binhaigang-ct~yannan-ct", 0, false);
        check("5", "a~b", 0, false);
        assert!(!edition.has_path("a~b") && edition.has_path(&other));
    }
}
