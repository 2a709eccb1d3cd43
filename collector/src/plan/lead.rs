//! Leads new generations through their stages, and has the rest of the collector follow what is released.
//!
//! Once a second: the topology's files are looked at, the roll-out goes on as
//! far as it can, and what changed is told to intake, judge and pages. Of
//! several collectors of one store, the one that judges reads its files and
//! moves the roll-out; all of them follow what the store says.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use owl_measure::time::Timestamp;
use owl_measure::words::Lang;
use tracing::{error, info, warn};

use super::console::{StageError, stage};
use super::edition::{Edition, Plans};
use super::rollout::State;
use crate::config::{Config, ConfigError, RolloutSettings, read_topology};
use crate::identity::RegistryError;
use crate::live::{Live, LiveProbe};
use crate::metrics::Own;
use crate::now::now;
use crate::store::plans::PlanDesk;
use crate::store::{Store, StoreError};

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(1);

/// Tells one content of a file from the next without reading it.
type Mark = (PathBuf, u64, i64, i64, u64);

/// Why plans do not move.
#[derive(Debug, thiserror::Error)]
enum LeadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot keep the key that signs plans: {0}")]
    Key(#[from] RegistryError),
}

pub(crate) struct Lead {
    plans: Arc<Plans>,
    desk: PlanDesk,
    store: Store,
    live: Arc<Live>,
    own: Arc<Own>,
    settings: RolloutSettings,
    topology_at: Option<PathBuf>,
    /// The files as they were read last.
    looked: Vec<Mark>,
    /// Somebody asks to read them whether they changed or not.
    reload: Arc<AtomicBool>,
    /// The generation that is judged by.
    followed: u64,
    failing: bool,
}

impl Lead {
    pub(crate) fn new(
        config: &Config,
        plans: Arc<Plans>,
        store: Store,
        live: Arc<Live>,
        own: Arc<Own>,
        reload: Arc<AtomicBool>,
    ) -> Result<Self, StoreError> {
        let followed = plans.edition().released().row.generation;
        Ok(Self {
            desk: PlanDesk::open(&config.store)?,
            plans,
            store,
            live,
            own,
            settings: config.rollout.clone(),
            topology_at: config.topology_at.clone(),
            looked: Vec::new(),
            reload,
            followed,
            failing: false,
        })
    }

    /// Leads until `stop` is dropped.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        while stop.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
            match self.look(now()) {
                Ok(()) if self.failing => {
                    self.failing = false;
                    info!("plans are rolled out again");
                }
                Ok(()) => {}
                Err(error) => {
                    if !self.failing {
                        error!(%error, "plans cannot be rolled out");
                    }
                    self.failing = true;
                }
            }
        }
    }

    fn look(&mut self, now: Timestamp) -> Result<(), LeadError> {
        self.plans.prepare(now)?;
        let leads = self.store.lease().epoch().is_some();
        if leads {
            self.look_at_files(now)?;
        }
        let before = self.plans.edition();
        let Some(mut edition) = Edition::read(&self.desk, Some(&before))? else {
            return Ok(());
        };
        let here = self.connected(|probe| probe.connections > 0);
        if self.store.lease().is_shared() {
            self.plans.learn(self.desk.standings()?, &here);
        }
        let rolling = edition.newest().row.rollout.state == State::Rolling;
        if leads && rolling {
            let (standings, there) = (self.plans.standings(), self.there(now));
            let wait = self.settings.wait;
            let newest = self
                .desk
                .change(|rollout| rollout.step(now, &standings, &there, wait))?;
            if let Some(row) = newest
                && row != edition.newest().row
            {
                say(&row.rollout.state, row.generation, row.rollout.stage);
                edition = match Edition::read(&self.desk, Some(&before))? {
                    Some(edition) => edition,
                    None => return Ok(()),
                };
            }
        }
        let edition = if before.is(&edition) {
            before
        } else {
            self.plans.publish(edition)
        };
        self.follow(&edition)?;
        self.show(&edition);
        Ok(())
    }

    /// The probes that a stage waits for: those that are connected, or were lately. Right after a start nobody is connected yet.
    fn there(&self, now: Timestamp) -> BTreeSet<String> {
        let lately = now - self.settings.wait;
        self.connected(|probe| {
            probe.is_connected() || probe.reported_at.is_some_and(|at| at >= lately)
        })
    }

    fn connected(&self, is: impl Fn(&LiveProbe) -> bool) -> BTreeSet<String> {
        let table = self.live.read();
        let probes = table.probes.values().filter(|probe| is(probe));
        probes.map(|probe| probe.id.clone()).collect()
    }

    /// Reads the topology when its files have changed, or somebody asks for it.
    fn look_at_files(&mut self, now: Timestamp) -> Result<(), LeadError> {
        let Some(place) = &self.topology_at else {
            return Ok(());
        };
        let marks = marks(place).unwrap_or_default();
        let asked = self.reload.swap(false, Relaxed);
        if !asked && marks == self.looked {
            return Ok(());
        }
        self.looked = marks;
        let read = read_topology(place);
        let found = match read {
            Ok(read) => self.consider(read, now),
            Err(error) => Err(StageError::Topology(error)),
        };
        self.own.topology_refused.set(i64::from(found.is_err()));
        match found {
            Ok(()) => Ok(()),
            Err(StageError::Store(error)) => Err(error.into()),
            Err(StageError::Topology(ConfigError::Topology { name, source })) => {
                for diagnostic in &source.0 {
                    error!("{}", diagnostic.said(Lang::En));
                }
                error!(
                    topology = name,
                    "the topology has errors; the one before stays"
                );
                Ok(())
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                error!(error, "the topology is not taken; the one before stays");
                Ok(())
            }
        }
    }

    /// Begins to roll out what the files say, if that is news.
    fn consider(
        &self,
        (topology, texts): (owl_topology::Topology, Vec<(String, String)>),
        now: Timestamp,
    ) -> Result<(), StageError> {
        let rows = self.desk.all()?;
        let as_before = rows
            .last()
            .is_some_and(|row| row.hash == topology.generation);
        if as_before {
            return Ok(());
        }
        let taken_back = rows
            .iter()
            .rev()
            .find(|row| row.hash == topology.generation);
        if let Some(row) = taken_back
            && matches!(row.rollout.state, State::Withdrawn { .. })
        {
            warn!(
                generation = row.generation,
                "the topology is one that was withdrawn; `owl collector plan stage` rolls it out all the same"
            );
            return Ok(());
        }
        let there = self.there(now);
        let generation = stage(&self.desk, &topology, &texts, &there, &self.settings, now)?;
        info!(generation, "a new topology is rolled out");
        Ok(())
    }

    /// Has live table, judge and pages follow the released generation.
    fn follow(&mut self, edition: &Edition) -> Result<(), StoreError> {
        let released = edition.released();
        let generation = released.row.generation;
        if self.followed == generation {
            return Ok(());
        }
        let since = released.row.rollout.released_at().unwrap_or_else(now);
        let new = self.live.follow(&released.topology, since);
        self.store.reader()?.fill_paths(&self.live, &new)?;
        self.followed = generation;
        info!(
            generation,
            paths = self.live.read().paths.len(),
            "the new topology is released, and judged by"
        );
        Ok(())
    }

    /// Shows on pages and in metrics which plan every probe is to follow, and which it does.
    fn show(&self, edition: &Edition) {
        let standings = self.plans.standings();
        let newest = &edition.newest().row;
        let number = |generation: u64| i64::try_from(generation).unwrap_or(i64::MAX);
        self.own.plan_generation.set(number(newest.generation));
        let stopped = matches!(newest.rollout.state, State::Stopped { .. });
        self.own.plan_stopped.set(i64::from(stopped));
        let mut table = self.live.write();
        for (id, probe) in &mut table.probes {
            probe.wanted = edition.wanted(id).row.generation;
            probe.stage = newest.rollout.stage_of(id).map(|stage| stage + 1);
            probe.plan = standings.get(id).cloned().unwrap_or_default();
        }
    }
}

fn say(state: &State, generation: u64, stage: usize) {
    match state {
        State::Rolling => info!(generation, stage = stage + 1, "the roll-out goes on"),
        State::Stopped { probe, why, .. } => warn!(
            generation,
            probe,
            why = why.said(Lang::En),
            "the roll-out has stopped; `owl collector plan release` or `withdraw` decides"
        ),
        State::Released { .. } => info!(generation, "every stage is over"),
        State::Withdrawn { .. } => {}
    }
}

fn marks(place: &Path) -> io::Result<Vec<Mark>> {
    let mark = |file: PathBuf| -> io::Result<Mark> {
        let found = fs::metadata(&file)?;
        Ok((
            file,
            found.ino(),
            found.mtime(),
            found.mtime_nsec(),
            found.size(),
        ))
    };
    if !fs::metadata(place)?.is_dir() {
        return Ok(vec![mark(place.to_owned())?]);
    }
    let entries = fs::read_dir(place)?.collect::<io::Result<Vec<_>>>()?;
    let files = entries.into_iter().map(|entry| entry.path());
    let files = files.filter(|file| file.extension().is_some_and(|e| e == "toml"));
    let mut marks = files.map(mark).collect::<io::Result<Vec<_>>>()?;
    marks.sort_unstable();
    Ok(marks)
}
