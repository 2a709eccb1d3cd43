//! What the collector knows at this moment, in memory.
//!
//! A cache of the store that can be rebuilt from it, plus who is connected. The
//! writer changes it right after a commit, so nothing is shown that could still
//! be lost. Pages, API and metrics read it and nothing else.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use owl_measure::clock::ClockState;
use owl_measure::sequences::Sequences;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Profile;
use owl_topology::{Path, ReflectorKind, Topology};
use sha2::{Digest as _, Sha256};

use crate::access::Scope;
use crate::alert::{self, Board, Map};
use crate::compliance::Running;
use crate::finding::Finding;
use crate::history::Latest;
use crate::judgement::Judgement;
use crate::maintenance::Maintenance;
use crate::metrics::{DelayEdges, PathLabels};
use crate::now::now;
use crate::plan::Standing;
use crate::totals::Totals;

/// Windows without a report after which a path's counters are shown no more.
const REPORTING_WINDOWS: i64 = 3;

/// A judged path.
#[derive(Debug)]
pub(crate) struct LivePath {
    pub(crate) path: Path,
    pub(crate) totals: Totals,
    pub(crate) reported_at: Option<Timestamp>,
    pub(crate) latest: Option<Judgement>,
    pub(crate) labels: PathLabels,
    pub(crate) edges: DelayEdges,
    /// Decides in which shard of a scrape it is; the path's alone, so it stays when others come and go.
    pub(crate) shard: u64,
    /// Since when the collector would know of a report.
    watched_since: Timestamp,
    /// When the topology announces work on its route.
    pub(crate) maintenance: Vec<Range<Timestamp>>,
    /// When work that touches it was announced to the collector for.
    pub(crate) announced: Vec<Range<Timestamp>>,
}

impl LivePath {
    fn of(path: Path, topology: &Topology) -> Self {
        let announced = topology.maintenance_of(&path).into_iter();
        let digest = Sha256::digest(path.id.as_bytes());
        let first = digest.iter().take(8);
        Self {
            totals: Totals::default(),
            reported_at: None,
            latest: None,
            watched_since: now(),
            labels: PathLabels::of(&path),
            edges: DelayEdges::with(path.target),
            shard: first.fold(0, |shard, octet| shard << 8 | u64::from(*octet)),
            maintenance: announced.map(|works| works.start..works.end).collect(),
            announced: Vec::new(),
            path,
        }
    }

    /// Whether it has reported within three windows, so that its counters still count; what the collector has not watched
    /// for so long is taken to.
    pub(crate) fn is_reporting(&self, now: Timestamp, grace: Nanos) -> bool {
        let silence = self.path.profile.interval.times(REPORTING_WINDOWS) + grace;
        now - self.reported_at.unwrap_or(self.watched_since) <= silence
    }

    /// Until when it is in maintenance that goes on at this moment; `None` when it is in none.
    pub(crate) fn works_until(&self, now: Timestamp) -> Option<Timestamp> {
        let works = self.maintenance.iter().chain(&self.announced);
        let during = works.filter(|works| works.contains(&now));
        during.map(|works| works.end).max()
    }

    /// What pages and the API show of it. Totals are for metrics, which tell of all carriers, and are large.
    fn without_totals(&self) -> Self {
        Self {
            path: self.path.clone(),
            totals: Totals::default(),
            reported_at: self.reported_at,
            latest: self.latest.clone(),
            labels: self.labels.clone(),
            edges: self.edges.clone(),
            shard: self.shard,
            maintenance: self.maintenance.clone(),
            announced: self.announced.clone(),
            watched_since: self.watched_since,
        }
    }
}

impl LivePath {
    /// Takes over a verdict, unless a newer one is there or it says nothing new.
    pub(crate) fn take(&mut self, judgement: &Judgement) {
        let newer = |latest: &Judgement| {
            // One of a window to come is from before the clock was set back.
            let of_the_future = latest.window_start > judgement.judged_at;
            let is_older = latest.window_start <= judgement.window_start;
            of_the_future || is_older && !latest.says_the_same_as(judgement)
        };
        if self.latest.as_ref().is_none_or(newer) {
            self.latest = Some(judgement.clone());
        }
    }
}

/// Which of the collectors of a store judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judging {
    /// This one, which shows the series of paths and probes therefore.
    Here,
    /// Another one, or nobody yet.
    Elsewhere,
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
#[derive(Debug, Clone)]
pub(crate) struct LiveProbe {
    pub(crate) id: String,
    pub(crate) site: String,
    pub(crate) carrier: String,
    pub(crate) connections: usize,
    /// The epoch of those connections; of the last ones when there are none.
    pub(crate) connected_epoch: u64,
    pub(crate) caller: Option<Caller>,
    /// The highest number that is stored of its epoch.
    pub(crate) stored: u64,
    /// The numbers up to that which did not come yet.
    pub(crate) awaited: Sequences,
    /// Reports that were named as lost since this process began.
    pub(crate) lost: u64,
    pub(crate) reported_at: Option<Timestamp>,
    /// When another collector of the same store took its last batch.
    pub(crate) reported_elsewhere_at: Option<Timestamp>,
    /// Whether it reports to another collector of the same store.
    pub(crate) elsewhere: bool,
    /// Its clock in its last report; unknown after a restart until the next one.
    pub(crate) clock: Option<(ClockState, Timestamp)>,
    /// When its certificate runs out, as far as that is known.
    pub(crate) certificate_until: Option<Timestamp>,
    /// How much of its spool is taken by reports that no collector has, in millionths, as it said last; `None` when it did not
    /// say, and after a restart until it does.
    pub(crate) spool_filled_ppm: Option<u32>,
    /// How it stands to plans, the generation that it is to follow (0 before that is known), and its stage of the newest, from 1.
    pub(crate) plan: Standing,
    pub(crate) wanted: u64,
    pub(crate) stage: Option<usize>,
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

    /// Whether it is connected to this collector, or reports to another one of the same store.
    pub(crate) fn is_connected(&self) -> bool {
        self.connections > 0 || self.elsewhere
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
    /// The carriers of probes that only reflect, and never call.
    reflecting: BTreeMap<String, String>,
    by_id: HashMap<String, usize>,
    /// What is wrong with clocks, coordinates and routes at this moment.
    pub(crate) findings: Vec<Finding>,
    /// What somebody should look at.
    pub(crate) board: Board,
    /// Maintenance that was announced to the collector and is not over.
    pub(crate) announced: Vec<Maintenance>,
    /// Who judges.
    pub(crate) judging: Judging,
    /// Why the store refuses, while it does.
    pub(crate) store_failure: Option<String>,
    /// The running day and month of every path.
    pub(crate) running: Running,
    /// When the collector's own certificate runs out; `None` where it signs that itself, again and again.
    pub(crate) certificate_until: Option<Timestamp>,
}

impl Table {
    /// The end of the newest interval that any probe has reported.
    pub(crate) fn newest_report(&self) -> Option<Timestamp> {
        self.probes
            .values()
            .filter_map(LiveProbe::reported_up_to)
            .max()
    }

    pub(crate) fn path(&self, id: &str) -> Option<&LivePath> {
        self.by_id.get(id).map(|&index| &self.paths[index])
    }

    pub(crate) fn path_mut(&mut self, id: &str) -> Option<&mut LivePath> {
        self.by_id.get(id).map(|&index| &mut self.paths[index])
    }

    /// The target of each path.
    pub(crate) fn targets(&self) -> HashMap<String, Nanos> {
        let paths = self.paths.iter();
        paths
            .map(|live| (live.path.id.clone(), live.path.target))
            .collect()
    }

    /// The probes that it has: those that call, and those that only reflect.
    pub(crate) fn probe_names(&self) -> impl Iterator<Item = &str> {
        let calling = self.probes.keys();
        calling.chain(self.reflecting.keys()).map(String::as_str)
    }

    /// Whether it has this probe: one that calls, or one that only reflects.
    pub(crate) fn has_probe(&self, probe: &str) -> bool {
        self.probes.contains_key(probe) || self.reflecting.contains_key(probe)
    }

    /// What somebody who sees these carriers may see of it: whatever is made from that part can tell nothing of the rest.
    pub(crate) fn part(&self, scope: &Scope) -> Self {
        let kept: Vec<usize> = (0..self.paths.len())
            .filter(|&index| scope.sees_path(&self.paths[index].path))
            .collect();
        let running = |index: &usize| self.running.paths.get(*index).cloned();
        let mut part = Self {
            paths: kept
                .iter()
                .map(|&index| self.paths[index].without_totals())
                .collect(),
            by_id: (0..)
                .zip(&kept)
                .map(|(place, &index)| (self.paths[index].path.id.clone(), place))
                .collect(),
            probes: self
                .probes
                .iter()
                .filter(|(_, probe)| scope.sees_probe(probe))
                .map(|(id, probe)| (id.clone(), probe.clone()))
                .collect(),
            reflecting: self
                .reflecting
                .iter()
                .filter(|(_, carrier)| scope.sees_carrier(carrier))
                .map(|(id, carrier)| (id.clone(), carrier.clone()))
                .collect(),
            findings: Vec::new(),
            board: Board {
                alerts: Vec::new(),
                ..self.board
            },
            announced: Vec::new(),
            store_failure: self.store_failure.clone(),
            running: Running {
                paths: kept.iter().filter_map(running).collect(),
                at: self.running.at,
            },
            certificate_until: self.certificate_until,
            judging: self.judging,
        };
        let told = self.findings.iter();
        part.findings = told.filter_map(|found| scope.tell(found, &part)).collect();
        let told = self.board.alerts.iter();
        part.board.alerts = told
            .flat_map(|told| alert::told(told, scope, &part))
            .collect();
        let announced = self.announced.iter();
        part.announced = announced
            .filter(|works| part.is_touched_by(works))
            .cloned()
            .collect();
        part
    }

    /// Takes over what is announced to the collector.
    pub(crate) fn announce(&mut self, announced: Vec<Maintenance>) {
        for live in &mut self.paths {
            let works = announced.iter();
            let works = works.filter(|works| works.affected.touches(&live.path));
            live.announced = works.map(|works| works.start..works.end).collect();
        }
        self.announced = announced;
    }

    /// Whether work touches one of its paths.
    pub(crate) fn is_touched_by(&self, works: &Maintenance) -> bool {
        let mut paths = self.paths.iter();
        paths.any(|live| works.affected.touches(&live.path))
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
    followed: RwLock<Followed>,
    /// Replaces every path's own.
    profile: Option<Profile>,
}

/// The topology that the table is of.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    pub(crate) topology: Arc<Topology>,
    /// Windows that began before are judged by the one before.
    pub(crate) since: Timestamp,
    /// Counts the topologies of this process.
    pub(crate) edition: u64,
    /// Where its paths begin and end.
    pub(crate) map: Arc<Map>,
}

impl Live {
    /// Everything of a topology, with nothing known yet; `profile` replaces every path's own.
    pub(crate) fn new(topology: &Topology, profile: Option<&Profile>) -> Self {
        let live = Self::of(judged_paths(topology, profile), topology);
        Self {
            profile: profile.cloned(),
            ..live
        }
    }

    /// The same of `paths`, whatever the topology says of them.
    pub(crate) fn of(paths: Vec<Path>, topology: &Topology) -> Self {
        let map = Map::of(topology, paths.iter());
        Self {
            table: RwLock::new(Table::of(paths, topology)),
            latest: Latest::default(),
            followed: RwLock::new(Followed {
                topology: Arc::new(topology.clone()),
                since: Timestamp(i64::MIN),
                edition: 0,
                map: Arc::new(map),
            }),
            profile: None,
        }
    }

    /// Follows another topology from now on. What is known of the paths and probes of both stays; tells the paths that are new,
    /// of which nothing is known yet.
    pub(crate) fn follow(&self, topology: &Arc<Topology>, since: Timestamp) -> HashSet<String> {
        let paths = judged_paths(topology, self.profile.as_ref());
        let map = Map::of(topology, paths.iter());
        let mut table = self.write();
        let mut next = Table::of(paths, topology);
        let mut new = HashSet::new();
        for live in &mut next.paths {
            match table.path_mut(&live.path.id) {
                Some(known) => {
                    live.totals = std::mem::take(&mut known.totals);
                    live.latest = known.latest.take();
                    (live.reported_at, live.watched_since) =
                        (known.reported_at, known.watched_since);
                }
                None => {
                    new.insert(live.path.id.clone());
                }
            }
        }
        for (id, probe) in &mut next.probes {
            if let Some(known) = table.probes.remove(id) {
                *probe = LiveProbe {
                    site: std::mem::take(&mut probe.site),
                    carrier: std::mem::take(&mut probe.carrier),
                    ..known
                };
            }
        }
        next.findings = std::mem::take(&mut table.findings);
        next.board = std::mem::take(&mut table.board);
        next.announce(std::mem::take(&mut table.announced));
        next.judging = table.judging;
        next.store_failure = table.store_failure.take();
        next.certificate_until = table.certificate_until;
        *table = next;
        let mut followed = self
            .followed
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *followed = Followed {
            topology: Arc::clone(topology),
            since,
            edition: followed.edition + 1,
            map: Arc::new(map),
        };
        new
    }

    /// The topology that the table is of, or is about to be.
    pub(crate) fn followed(&self) -> Followed {
        // It is replaced as a whole, so it is whole whoever panicked.
        let followed = self.followed.read();
        followed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where its paths begin and end.
    pub(crate) fn map(&self) -> Arc<Map> {
        self.followed().map
    }

    /// The paths of a topology, with the profiles that the collector judges by.
    pub(crate) fn judged_paths(&self, topology: &Topology) -> Vec<Path> {
        judged_paths(topology, self.profile.as_ref())
    }
}

fn judged_paths(topology: &Topology, profile: Option<&Profile>) -> Vec<Path> {
    let mut paths = topology.paths();
    if let Some(profile) = profile {
        paths
            .iter_mut()
            .for_each(|path| path.profile.clone_from(profile));
    }
    paths
}

impl Table {
    fn of(paths: Vec<Path>, topology: &Topology) -> Self {
        let paths: Vec<LivePath> = paths
            .into_iter()
            .map(|path| LivePath::of(path, topology))
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
                awaited: Sequences::default(),
                lost: 0,
                reported_at: None,
                reported_elsewhere_at: None,
                elsewhere: false,
                clock: None,
                certificate_until: None,
                spool_filled_ppm: None,
                plan: Standing::default(),
                wanted: 0,
                stage: None,
            };
            (live.id.clone(), live)
        });
        let probes = probes.collect();
        let only = topology
            .probes
            .iter()
            .filter(|probe| probe.reflector != ReflectorKind::Owl);
        let carrier = only.map(|probe| (probe.id.to_string(), probe.carrier.to_string()));
        let reflecting = carrier.collect();
        Self {
            paths,
            probes,
            reflecting,
            by_id,
            findings: Vec::new(),
            board: Board::default(),
            announced: Vec::new(),
            judging: Judging::Here,
            store_failure: None,
            running: Running::default(),
            certificate_until: None,
        }
    }
}

impl Live {
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
