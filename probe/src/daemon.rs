//! The probe as a whole: reflector, senders, clock, spool and uplink, each on
//! its own thread. The timed threads share nothing with the untimed ones but a
//! bounded channel and a few numbers.

mod far_end;
mod following;
mod keeper;
mod key_files;
mod ports;
mod settings;
mod signals;
mod slot;
mod twamp;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use owl_measure::clock::ClockStatus;
use owl_measure::report::Reported;
use owl_measure::time::Nanos;
use owl_protocol::session::sender::Protection;
use owl_topology::{Plan, PlannedSession, ReflectorKind};
use tokio::sync::watch;

use self::far_end::FarEnd;
use self::following::Following;
use self::keeper::{Generation, Keeper, Ongoing, PlanChange};
use self::key_files::{KeyFiles, SenderKeys};
use self::ports::Ports;
use self::signals::{Asked, Signals};
use self::slot::Slot;
use self::twamp::{Conversations, Wishes};
use crate::clock::{Clock, ClockKeeper, ClockWatch, Reading, Teller};
use crate::config::Config;
use crate::control::users::{UsersError, read_users};
use crate::control::{ControlServers, ServersError, ServersStats};
use crate::flow::{self, Flow};
use crate::history::ClockHistory;
use crate::keys::{KeyFileError, LiveKeys};
use crate::metrics::{self, Metrics};
use crate::net::SocketError;
use crate::reflector::{Reflector, ReflectorError, ReflectorStats};
use crate::sender::{Change, SenderStats, SessionSenders, SessionSettings};
use crate::spool::{Spool, SpoolError};
use crate::uplink::{self, Shared, UplinkError};

/// Reports between the sender thread and the disk. When the disk is so slow that they are all taken, a report is
/// dropped and counted rather than a packet sent late.
const REPORTS_IN_FLIGHT: usize = 4_096;
/// How often the key files are looked at, and whether the plan on trial has proved good.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a disk that refuses reports is left alone.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// Sessions that one plan may hold; what is beyond is not measured, and said.
const SESSIONS_MAX: usize = 10_000;
/// Sockets that the sessions of one thread have at most when plans changed some of them; beyond, all begin anew.
const SOCKETS_MAX: usize = 256;
/// Changes that a sender's thread has not taken up yet; beyond, all begin anew. It takes one up five times a second.
const CHANGES_MAX: usize = 4;
/// How long shutting down waits for the last reports to be acknowledged.
const FAREWELL: Duration = Duration::from_secs(2);

/// The probe cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A socket cannot be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The session-reflector cannot run as configured.
    #[error(transparent)]
    Reflector(ReflectorError),
    /// A control server cannot be had.
    #[error(transparent)]
    Control(#[from] ServersError),
    /// The users as whom TWAMP servers are asked cannot be read.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// A key file cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The uplink cannot work.
    #[error(transparent)]
    Uplink(#[from] UplinkError),
    /// The runtime or the metrics' address cannot be had.
    #[error("cannot start the untimed part of the probe")]
    Runtime(#[source] std::io::Error),
    /// The metrics' address is taken.
    #[error("cannot serve metrics on {address}")]
    Metrics {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

impl From<ReflectorError> for ProbeError {
    fn from(error: ReflectorError) -> Self {
        match error {
            ReflectorError::Socket(error) => Self::Socket(error),
            other => Self::Reflector(other),
        }
    }
}

/// Numbers that the threads of a probe leave for its metrics.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    pub(crate) reflector: ReflectorStats,
    pub(crate) sender: Arc<SenderStats>,
    pub(crate) control: ServersStats,
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) lateness_max_ns: AtomicU64,
    pub(crate) sessions: AtomicU64,
    /// Sessions that TWAMP servers are asked for, those of them that run, and how often it came to nothing or to an end.
    pub(crate) asked: AtomicU64,
    pub(crate) asked_running: AtomicU64,
    pub(crate) asked_failures: AtomicU64,
    pub(crate) reports_dropped: AtomicU64,
    pub(crate) clock: Mutex<ClockHistory>,
}

impl Vitals {
    pub(crate) fn clock(&self) -> std::sync::MutexGuard<'_, ClockHistory> {
        // The history is a plain queue: a panic elsewhere leaves it whole.
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bound that the Error Estimate tells: the clock's, and how late a receive stamp may be.
    fn claim(&self) -> Option<Nanos> {
        let state = self.clock().latest()?;
        Some(state.bound_at(state.as_of)? + state.receive_stamp_error)
    }
}

/// A probe that is bound and ready to run.
#[derive(Debug)]
pub struct Probe {
    config: Config,
    reflector: Reflector,
    control: ControlServers,
    shared: Arc<Shared>,
    vitals: Arc<Vitals>,
    watch: ClockWatch,
    keys: KeyFiles,
}

impl Probe {
    /// Binds the reflector and opens the spool.
    ///
    /// # Errors
    /// When an address, a certificate, a key file or the state directory cannot be used.
    pub fn prepare(config: Config) -> Result<Self, ProbeError> {
        let clock = config.shown_clock();
        let client = uplink::client(&config)?;
        let spool = Spool::open_with(&config.state, config.spool)?;
        let keys = KeyFiles::open(&config)?;
        // What is wrong with the file is better said now than when a server is asked.
        config
            .sender
            .twamp_users
            .as_deref()
            .map(read_users)
            .transpose()?;
        let reflector = Reflector::bind_with(&config.listen, &config.reflector_engine(), clock)?
            .provisioned(config.reflector_settings(keys.reflector()));
        let control = ControlServers::bind(&config.control, clock)?;
        let vitals = Arc::new(Vitals::default());
        let mut watch = ClockWatch::new(clock, &config.clock);
        vitals.clock().push(watch.read().state);
        let shared = Shared::new(spool, client.until_ns());
        Ok(Self {
            config,
            reflector,
            control,
            shared: Arc::new(shared),
            vitals,
            watch,
            keys,
        })
    }

    /// Where its session-reflector listens.
    pub fn reflector(&self) -> Vec<SocketAddr> {
        self.reflector.local()
    }

    /// Runs until SIGTERM or SIGINT; reads the key files again on SIGHUP, and when they have changed.
    ///
    /// # Errors
    /// When the untimed part cannot be started.
    pub fn run(self) -> Result<(), ProbeError> {
        let Self {
            config,
            reflector,
            control,
            shared,
            vitals,
            watch,
            mut keys,
        } = self;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(ProbeError::Runtime)?;
        let keeper = {
            let (vitals, mut last) = (vitals.clone(), None);
            ClockKeeper::start(watch, move |reading| {
                log_change(&mut last, &reading);
                vitals.clock().push(reading.state);
            })
        };
        let stop = Arc::new(AtomicBool::new(false));
        let reflecting = {
            let (vitals, stop) = (vitals.clone(), stop.clone());
            std::thread::spawn(move || {
                if let Err(error) = reflector.run(&vitals.reflector, &stop, || vitals.claim()) {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "nothing is reflected any more"
                    );
                }
            })
        };
        let serving = {
            let (vitals, stop) = (vitals.clone(), stop.clone());
            std::thread::spawn(move || {
                if let Err(error) = control.run(&vitals.control, &stop, || vitals.claim()) {
                    tracing::error!(%error, "sessions cannot be asked for any more");
                }
            })
        };
        let (reports, spooling) = sync_channel(REPORTS_IN_FLIGHT);
        let spooling = {
            let shared = shared.clone();
            std::thread::spawn(move || spool_all(&spooling, &shared))
        };
        let mut plan = Following::open(&config, shared.clone());
        let (offers, mut offered) = watch::channel(None);
        let (collectors, to_call) = watch::channel(plan.collectors());
        let mut ports = Ports::new(
            config.lab.clone(),
            reports.clone(),
            vitals.clone(),
            shared.clone(),
        );
        let mut senders = Senders {
            config: config.clone(),
            vitals: vitals.clone(),
            reports,
            keys: keys.sender(),
            running: None,
        };
        let result = runtime.block_on(async {
            let (stopping, stopped) = watch::channel(false);
            if let Some(address) = config.metrics {
                let metrics = Metrics {
                    vitals: vitals.clone(),
                    shared: shared.clone(),
                };
                let listener = tokio::net::TcpListener::bind(address)
                    .await
                    .map_err(|source| ProbeError::Metrics { address, source })?;
                tokio::spawn(metrics::serve(listener, metrics));
            }
            let uplink = uplink::run(config.clone(), shared.clone(), offers, to_call, stopped);
            let uplink = tokio::spawn(uplink);
            let mut tick = tokio::time::interval(LOOK_EVERY);
            let mut signals = Signals::listen().map_err(ProbeError::Runtime)?;
            plan.begin(&mut senders, &collectors);
            loop {
                if let Some(plan) = plan.plan() {
                    ports.follow(plan);
                }
                tokio::select! {
                    _ = tick.tick() => {
                        senders.follow_keys(keys.look());
                        plan.look(&mut senders, &collectors);
                    }
                    Ok(()) = offered.changed() => {
                        let offer = offered.borrow_and_update().clone();
                        if let Some(offer) = offer {
                            plan.take(&offer, &mut senders, &collectors);
                        }
                    }
                    asked = signals.next() => match asked {
                        Asked::Reload => senders.follow_keys(keys.reload()),
                        Asked::Stop => break,
                    },
                }
            }
            senders.stop();
            drop(senders);
            ports.stop();
            drop(ports);
            // Nothing comes any more, so the last reports are on disk soon; a short while is given to send them, and they
            // keep if that fails.
            let empty = async {
                while !spooling.is_finished()
                    || shared
                        .spool()
                        .counts()
                        .is_ok_and(|counts| counts.waiting > 0)
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            let _ = tokio::time::timeout(FAREWELL, empty).await;
            stopping.send_replace(true);
            let _ = uplink.await;
            Ok(())
        });
        drop(keeper);
        stop.store(true, Relaxed);
        for thread in [reflecting.join(), serving.join(), spooling.join()] {
            if thread.is_err() {
                tracing::error!("a thread of the probe panicked");
            }
        }
        result
    }
}

/// What is logged of the clock: who tells of it and whether it follows its source, whenever that changes.
fn log_change(last: &mut Option<(Option<Teller>, ClockStatus)>, reading: &Reading) {
    let now = (reading.teller, reading.state.status);
    if last.replace(now) == Some(now) {
        return;
    }
    let bound = reading.state.bound_at(reading.state.as_of);
    tracing::info!(teller = ?now.0, status = ?now.1, ?bound, findings = ?reading.findings, "the clock's state changed");
}

/// Writes reports to disk as they come, many in one commit when they come fast.
fn spool_all(reports: &Receiver<Reported>, shared: &Shared) {
    let mut complained = false;
    while let Ok(first) = reports.recv() {
        let mut waiting = vec![first];
        waiting.extend(reports.try_iter().take(255));
        // A full or failing disk is tried again with the same reports; the channel behind fills, and its bound counts.
        while let Err(error) = shared.append(&waiting) {
            if !complained {
                tracing::error!(%error, "reports cannot be written; trying again");
                complained = true;
            }
            std::thread::sleep(DISK_PAUSE);
        }
        complained = false;
        shared.spooled.notify_one();
    }
}

/// The thread that runs the session-senders of the current plan.
struct Senders {
    config: Config,
    vitals: Arc<Vitals>,
    reports: SyncSender<Reported>,
    keys: Arc<LiveKeys>,
    running: Option<Running>,
}

/// What runs, and how it was opened.
struct Running {
    plan: Plan,
    /// What its reports say.
    generation: Generation,
    /// Which sessions of the plan are protected.
    protected: Vec<bool>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    /// Its sessions, by their numbers, also those that left.
    slots: Vec<Slot>,
    sockets: usize,
    changes: SyncSender<PlanChange>,
    conversations: Conversations,
    /// What servers are asked for.
    asked: Vec<(PlannedSession, u32)>,
}

/// What a plan has come to.
struct Opened {
    senders: SessionSenders,
    /// By session of the senders.
    slots: Vec<Slot>,
    /// What others must be asked for first.
    wishes: Wishes,
    /// Why the first that is not opened is not.
    failure: Option<String>,
}

impl Senders {
    /// Follows a plan from now on. Why none of its sessions can be had is told, when there are some.
    fn follow(&mut self, plan: Plan) -> Result<(), String> {
        let as_before = |running: &&mut Running| {
            running.plan.sessions == plan.sessions && running.plan.sends_from == plan.sends_from
        };
        if let Some(running) = self.running.as_mut().filter(as_before) {
            // Nothing begins anew; only the reports say another generation from now on.
            running.generation.set(&plan.generation);
            running.plan = plan;
            return Ok(());
        }
        if let Some(running) = self.running.take() {
            match self.change(running.into(), &plan) {
                Ok(()) => return Ok(()),
                Err(running) => {
                    running.stop();
                }
            }
        }
        self.start(plan)
    }

    /// Lets those sessions go on that the new plan has, too, and changes the others. Hands back what runs when it has to begin
    /// anew.
    fn change(&mut self, mut running: Box<Running>, plan: &Plan) -> Result<(), Box<Running>> {
        let same_source = running.plan.sends_from == plan.sends_from;
        if !same_source || running.thread.is_finished() {
            return Err(running);
        }
        let protected = self.protected(plan);
        let mut by_path: HashMap<(&str, u32), usize> = HashMap::new();
        for (number, slot) in running
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.runs)
        {
            by_path.insert((&slot.session.path, slot.flow), number);
        }
        let stays = |flow: &Flow<'_>, protected: bool| {
            let number = by_path.get(&(flow.session.path.as_str(), flow.number))?;
            running.slots[*number]
                .does(flow, protected)
                .then_some(*number)
        };
        let flows = flow::all(plan).take(SESSIONS_MAX).zip(&protected);
        let staying: HashSet<usize> = flows
            .filter_map(|(flow, &protected)| stays(&flow, protected))
            .collect();
        if staying.is_empty() {
            return Err(running);
        }
        let opened = self.open(plan, &protected, |flow, protected| {
            stays(flow, protected).is_none()
        });
        let sessions = running.slots.len() + opened.slots.len();
        let sockets = running.sockets + opened.senders.sockets();
        if sessions > SESSIONS_MAX || sockets > SOCKETS_MAX {
            return Err(running);
        }
        let mut leaving = Vec::new();
        for (number, slot) in running.slots.iter_mut().enumerate() {
            if slot.runs && !staying.contains(&number) {
                slot.runs = false;
                leaving.push(number);
            }
        }
        let joining = opened.slots.iter();
        let joining = joining.map(|slot| (slot.session.clone(), slot.flow));
        let change = PlanChange {
            joining: joining.collect(),
            before: running.plan.generation.clone(),
            after: plan.generation.clone(),
            change: Change {
                leaving,
                joining: opened.senders,
            },
        };
        let (left, joined) = (change.change.leaving.len(), opened.slots.len());
        if running.changes.try_send(change).is_err() {
            return Err(running);
        }
        tracing::info!(
            generation = plan.generation,
            stay = staying.len(),
            left,
            joined,
            sockets,
            "follows a plan; the sessions that it does not change go on"
        );
        let asked = opened.wishes.planned();
        if asked != running.asked {
            running.conversations.stop();
            let keeper = self.keeper(&running.generation, Vec::new());
            let source = self.source(plan);
            running.conversations = opened.wishes.ask(&self.config, source, &keeper);
        }
        let count = staying.len() + joined + asked.len();
        self.vitals.sessions.store(count as u64, Relaxed);
        running.slots.extend(opened.slots);
        self.running = Some(Running {
            plan: plan.clone(),
            protected,
            sockets,
            asked,
            ..*running
        });
        Ok(())
    }

    fn keeper(&self, generation: &Generation, planned: Vec<(PlannedSession, u32)>) -> Keeper {
        Keeper {
            planned,
            generation: generation.clone(),
            vitals: self.vitals.clone(),
            reports: self.reports.clone(),
        }
    }

    /// Lets sessions follow a change of keys. A new key in place of an old one they find themselves; they begin anew
    /// when there is a key where there was none, or none where there was one.
    fn follow_keys(&mut self, keys: SenderKeys) {
        let protected = match &self.running {
            Some(running) if keys == SenderKeys::Changed => self.protected(&running.plan),
            _ => return,
        };
        if let Some(running) = self
            .running
            .take_if(|running| running.protected != protected)
        {
            let plan = running.stop();
            if let Err(why) = self.start(plan) {
                tracing::error!(why, "nothing is measured with these keys");
            }
        }
    }

    fn protected(&self, plan: &Plan) -> Vec<bool> {
        let keys = self.keys.current();
        flow::all(plan)
            .map(|flow| {
                let peer = self.peer(flow.session);
                peer.is_ok_and(|peer| keys.of(peer.ip(), flow.ssid).next().is_some())
            })
            .collect()
    }

    fn start(&mut self, plan: Plan) -> Result<(), String> {
        self.stop();
        let protected = self.protected(&plan);
        let Opened {
            senders: mut sessions,
            slots,
            wishes,
            failure,
        } = self.open(&plan, &protected, |_, _| true);
        tracing::info!(
            generation = plan.generation,
            sessions = slots.len(),
            sockets = sessions.sockets(),
            asked = wishes.sessions(),
            "follows a plan"
        );
        let running = slots.len() as u64 + wishes.sessions();
        self.vitals.sessions.store(running, Relaxed);
        let stop = Arc::new(AtomicBool::new(false));
        let generation = Generation::of(&plan.generation);
        let opened = running > 0;
        let planned = slots.iter().map(|slot| (slot.session.clone(), slot.flow));
        let keeper = self.keeper(&generation, planned.collect());
        let (asked, sockets) = (wishes.planned(), sessions.sockets());
        let conversations = wishes.ask(&self.config, self.source(&plan), &keeper);
        let (changes, to_change) = sync_channel(CHANGES_MAX);
        let thread = {
            let stop = stop.clone();
            let mut ongoing = Ongoing::of(keeper, to_change);
            std::thread::spawn(move || {
                let vitals = ongoing.vitals();
                if let Err(error) = sessions.run(&stop, || vitals.claim(), &mut ongoing) {
                    tracing::error!(%error, "the session-senders stopped");
                }
            })
        };
        self.running = Some(Running {
            plan,
            generation,
            protected,
            stop,
            thread,
            slots,
            sockets,
            changes,
            conversations,
            asked,
        });
        failure.filter(|_| !opened).map_or(Ok(()), Err)
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    /// Opens the sessions of a plan that are wanted, and says what is to be asked for all of it.
    fn open(
        &self,
        plan: &Plan,
        protected: &[bool],
        wanted: impl Fn(&Flow<'_>, bool) -> bool,
    ) -> Opened {
        let flows = plan.sessions.iter().map(PlannedSession::flow_count);
        let flows = flows.fold(0_u32, u32::saturating_add);
        if flows as usize > SESSIONS_MAX {
            tracing::error!(
                sessions = plan.sessions.len(),
                flows,
                "the plan has too many sessions; the first {SESSIONS_MAX} are measured"
            );
        }
        let (clock, source) = (self.config.shown_clock(), self.source(plan));
        let mut senders = SessionSenders::new(clock, self.vitals.sender.clone())
            .at_pace(self.config.sender_pace());
        let (mut slots, mut wishes) = (Vec::new(), Wishes::default());
        let mut failure = None;
        for (flow, &protected) in flow::all(plan).take(SESSIONS_MAX).zip(protected) {
            let opened = if flow.session.reflector() == ReflectorKind::Twamp {
                self.peer(flow.session).and_then(|server| {
                    let added = wishes.add(server, flow.session, flow.number);
                    added.then_some(()).ok_or_else(|| {
                        "as many control connections as there may be are taken".to_owned()
                    })
                })
            } else if !wanted(&flow, protected) {
                Ok(())
            } else {
                self.settings(&flow, source, clock).and_then(|settings| {
                    let opened = senders.open(settings);
                    opened.map_err(|error| error.to_string())?;
                    slots.push(Slot::of(&flow, protected));
                    Ok(())
                })
            };
            match opened {
                Ok(()) => {}
                Err(error) => {
                    tracing::error!(
                        path = flow.session.path,
                        flow = flow.number,
                        error,
                        "a session cannot be opened; its flow of the path is not measured"
                    );
                    failure.get_or_insert(error);
                }
            }
        }
        Opened {
            senders,
            slots,
            wishes,
            failure,
        }
    }

    /// Where packets are sent from: what the plan says, else what the configuration does, else the kernel chooses.
    fn source(&self, plan: &Plan) -> Option<IpAddr> {
        plan.sends_from.parse().ok().or(self.config.source)
    }

    /// Where the packets of a session are sent.
    fn peer(&self, session: &PlannedSession) -> Result<SocketAddr, String> {
        let address: IpAddr = session
            .address
            .parse()
            .map_err(|_| format!("\"{}\" is no IP address", session.address))?;
        let port =
            u16::try_from(session.port).map_err(|_| format!("{} is no UDP port", session.port))?;
        let lab = self.config.lab.as_ref();
        let detour = lab.and_then(|lab| lab.via.get(&session.path)).copied();
        Ok(detour.unwrap_or(SocketAddr::new(address, port)))
    }

    fn settings(
        &self,
        flow: &Flow<'_>,
        source: Option<IpAddr>,
        clock: Clock,
    ) -> Result<SessionSettings, String> {
        let peer = self.peer(flow.session)?;
        let key = self.keys.current().of(peer.ip(), flow.ssid).next().cloned();
        let keys = key.is_some().then(|| Arc::clone(&self.keys));
        let protects = self.config.sender.authentication;
        let far_end = FarEnd::of(flow.session.reflector());
        let mut settings = settings::of(flow, peer, source, far_end, clock);
        settings.sender.protection = key.map_or(Protection::None, |key| protects.with(key));
        settings.keys = keys;
        Ok(settings)
    }
}

impl Running {
    /// Stops it, and hands back the plan that it followed.
    fn stop(self) -> Plan {
        self.stop.store(true, Relaxed);
        if self.thread.join().is_err() {
            tracing::error!("the sender thread panicked");
        }
        self.conversations.stop();
        self.plan
    }
}

#[cfg(test)]
mod tests;
