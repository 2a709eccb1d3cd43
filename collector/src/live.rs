//! What the collector knows at this moment, in memory.
//!
//! A cache of the store that can be rebuilt from it, plus who is connected. The
//! writer changes it right after a commit, so nothing is shown that could still
//! be lost. Pages, API and metrics read it and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use owl_measure::clock::ClockState;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Profile;
use owl_topology::{Path, ReflectorKind, Topology};

use crate::compliance::Running;
use crate::finding::Finding;
use crate::history::Latest;
use crate::judgement::Judgement;
use crate::totals::Totals;

/// A judged path.
#[derive(Debug)]
pub(crate) struct LivePath {
    pub(crate) path: Path,
    pub(crate) totals: Totals,
    pub(crate) reported_at: Option<Timestamp>,
    pub(crate) latest: Option<Judgement>,
}

/// What a probe said when it called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) epoch: u64,
    pub(crate) software: String,
    pub(crate) simulated: bool,
    pub(crate) called_at: Timestamp,
}

/// A probe of the topology.
#[derive(Debug)]
pub(crate) struct LiveProbe {
    pub(crate) id: String,
    pub(crate) site: String,
    pub(crate) carrier: String,
    pub(crate) connections: usize,
    /// The epoch of those connections; of the last ones when there are none.
    pub(crate) connected_epoch: u64,
    pub(crate) caller: Option<Caller>,
    pub(crate) stored: u64,
    pub(crate) reported_at: Option<Timestamp>,
    /// Its clock in its last report; unknown after a restart until the next one.
    pub(crate) clock: Option<(ClockState, Timestamp)>,
    /// When its certificate runs out, as far as that is known.
    pub(crate) certificate_until: Option<Timestamp>,
}

impl LiveProbe {
    /// What the clock claimed at the end of the last reported interval.
    pub(crate) fn clock_bound(&self) -> Option<Nanos> {
        self.clock
            .as_ref()
            .and_then(|(clock, at)| clock.bound_at(*at))
    }

    /// Up to when it has reported: the end of its newest interval, or after a restart when its last batch came.
    pub(crate) fn reported_up_to(&self) -> Option<Timestamp> {
        self.clock
            .as_ref()
            .map(|(_, end)| *end)
            .or(self.reported_at)
    }

    pub(crate) fn simulated(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.simulated)
    }
}

/// Everything at this moment. Its size is the topology's: nobody else's name gets in.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) paths: Vec<LivePath>,
    pub(crate) probes: BTreeMap<String, LiveProbe>,
    by_id: HashMap<String, usize>,
    /// What is wrong with clocks, coordinates and routes at this moment.
    pub(crate) findings: Vec<Finding>,
    /// Why the store refuses, while it does.
    pub(crate) store_failure: Option<String>,
    /// The running day and month of every path.
    pub(crate) running: Running,
    /// When the collector's own certificate runs out; `None` where it signs that itself, again and again.
    pub(crate) certificate_until: Option<Timestamp>,
}

impl Table {
    pub(crate) fn path(&self, id: &str) -> Option<&LivePath> {
        self.by_id.get(id).map(|&index| &self.paths[index])
    }

    pub(crate) fn path_mut(&mut self, id: &str) -> Option<&mut LivePath> {
        self.by_id.get(id).map(|&index| &mut self.paths[index])
    }

    /// Whether some probe says that its delays or clocks are injected.
    pub(crate) fn simulated(&self) -> bool {
        self.probes.values().any(LiveProbe::simulated)
    }
}

/// The table behind its lock. A holder never waits for anything while it holds it.
#[derive(Debug)]
pub(crate) struct Live {
    table: RwLock<Table>,
    latest: Latest,
}

impl Live {
    /// Everything of a topology, with nothing known yet; `profile` replaces every path's own.
    pub(crate) fn new(topology: &Topology, profile: Option<&Profile>) -> Self {
        let paths: Vec<LivePath> = topology
            .paths()
            .into_iter()
            .map(|mut path| {
                if let Some(profile) = profile {
                    path.profile = profile.clone();
                }
                LivePath {
                    path,
                    totals: Totals::default(),
                    reported_at: None,
                    latest: None,
                }
            })
            .collect();
        let by_id = paths
            .iter()
            .enumerate()
            .map(|(index, live)| (live.path.id.clone(), index))
            .collect();
        // Whoever only reflects never calls.
        let calling = topology
            .probes
            .iter()
            .filter(|probe| probe.reflector == ReflectorKind::Owl);
        let probes = calling.map(|probe| {
            let live = LiveProbe {
                id: probe.id.to_string(),
                site: probe.site.to_string(),
                carrier: probe.carrier.to_string(),
                connections: 0,
                connected_epoch: 0,
                caller: None,
                stored: 0,
                reported_at: None,
                clock: None,
                certificate_until: None,
            };
            (live.id.clone(), live)
        });
        let probes = probes.collect();
        let table = RwLock::new(Table {
            paths,
            probes,
            by_id,
            findings: Vec::new(),
            store_failure: None,
            running: Running::default(),
            certificate_until: None,
        });
        Self {
            table,
            latest: Latest::default(),
        }
    }

    /// The latest windows of all paths, behind a lock of their own.
    pub(crate) fn latest(&self) -> &Latest {
        &self.latest
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Table> {
        // Every change is a plain assignment, so a table left by a panicking holder is still whole.
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}
