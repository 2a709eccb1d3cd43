//! A collector: takes reports from probes, keeps them, judges every path
//! against its target, and tells of it.
//!
//! Reports come over QUIC ([`ALPN`], the messages of `owl_measure::report`) and
//! are acknowledged once they are on the disk. Each window of each path gets a
//! verdict. Pages, metrics and a JSON API are served over HTTP. What it knows is
//! in its store, SQLite or PostgreSQL; all the rest can be rebuilt from there.
#![forbid(unsafe_code)]

mod access;
mod alert;
pub mod aside;
pub mod block;
mod compliance;
mod config;
mod delays;
pub mod enrolment;
mod event;
pub mod explain;
mod finding;
mod flow;
mod frame;
mod hearing;
mod history;
mod http;
mod identity;
mod in_short;
mod intake;
mod judge;
mod judgement;
mod live;
mod maintenance;
mod metrics;
mod now;
mod numbering;
mod packer;
mod page;
pub mod plan;
mod post;
mod reading;
mod remote_write;
mod retention;
mod revision;
mod rulebook;
mod store;
mod targets;
#[cfg(test)]
mod testing;
mod totals;
#[cfg(test)]
mod tsdb;
mod way;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use owl_measure::time::Nanos;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

pub use access::audit::{Deed, Fault, Record, Verified, read_line, verify};
pub use access::console::{AccessError, Console, Known};
pub use access::directory::BadName;
pub use access::grant::{Grant, GrantError};
pub use access::password::{CHARACTERS_MIN, OCTETS_MAX, PasswordError};
pub use access::role::{Role, UnknownRole};
pub use access::secret::Secret;
pub use alert::AlertReceiver;
pub use compliance::{
    AskError, Asked, AskedProfiles, ComplianceAnswer, ComplianceError, PathCompliance, SpanError,
    compared, read_compliance,
};
pub use config::{Config, ConfigError, GivenCertificates, PageCertificate, Pages, RolloutSettings};
pub use history::{
    Ends, HistoryAnswer, HistoryError, HistoryPercentile, HistoryPoint, HistoryQuestion,
    HistorySources, read_history,
};
pub use http::HttpError;
pub use identity::{ALPN, IdentityError, RegistryError, SigningError};
pub use intake::IntakeError;
pub use maintenance::{Affected, Maintenance, MaintenanceError};
pub use metrics::Rehearsal;
pub use remote_write::Receiver;
pub use store::upkeep::{self, Contents, UpkeepError};
pub use store::{DatabaseError, Place, PlaceError, PostgresAddress, ReportNumber, StoreError};

use crate::alert::{Delivery, PagesAt, Watch};
use crate::history::{Clerk, Keeping};
use crate::http::Http;
use crate::identity::Identity;
use crate::intake::Intake;
use crate::judge::Judge;
use crate::live::Live;
use crate::metrics::Own;
use crate::now::now;
use crate::packer::Packer;
use crate::page::Zone;
use crate::plan::{Lead, Plans};
use crate::remote_write::RemoteWrite;
use crate::retention::Believed;
use crate::store::{Follower, Store, Windowing};

/// How often old rows are looked for.
const RETENTION: Duration = Duration::from_secs(3_600);
/// How long what still runs may take to end.
const ENDING: Duration = Duration::from_secs(5);

/// A collector that cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The intake cannot be opened.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The HTTP server cannot be opened.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The host gives no thread, or no address of a socket that it gave.
    #[error("cannot start {what}")]
    Start {
        /// What does not start.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Where a running collector can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Pages, metrics and API: TCP.
    pub http: SocketAddr,
    /// They are served over TLS.
    pub tls: bool,
    /// Intake: UDP.
    pub intake: SocketAddr,
}

/// What Linux calls this host; nothing where that cannot be read.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.unwrap_or_default().trim().to_owned()
}

/// Runs a collector until `stop` is done; `ready` is told where it can be reached, once both sockets are bound.
///
/// At the end the intake is closed first, then what was taken is committed and the write-ahead log folded back.
///
/// # Errors
/// When it cannot start: the store, a certificate or an address cannot be used.
pub fn run(
    config: Config,
    ready: impl FnOnce(Addresses),
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Start {
            what: "the runtime",
            source,
        })?;
    let outcome = runtime.block_on(collect(config, ready, stop));
    runtime.shutdown_timeout(ENDING);
    let writer = outcome?;
    writer.join();
    info!("the collector has stopped");
    Ok(())
}

/// Done once the process is told to end: SIGTERM, or SIGINT from a terminal. To be awaited as [`run`]'s `stop`.
pub async fn told_to_end() {
    let (terminate, interrupt) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
        // The signals keep their default then, which ends the process without folding the log back: the store can take it.
        warn!("cannot listen to signals");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn collect(
    config: Config,
    ready: impl FnOnce(Addresses),
    stop: impl Future<Output = ()>,
) -> Result<store::WriterThread, Error> {
    // Before the store: who cannot be a collector leaves no state behind.
    let identity = Identity::open(&config).map_err(IntakeError::from)?;
    let mut config = config;
    if let Some(topology) = plan::in_force(&config.store)? {
        config.topology = topology;
    }
    let config = config;
    let live = Arc::new(Live::new(&config.topology, config.profile.as_ref()));
    let own = Arc::new(Own::new());
    let windowing = Windowing::of(&live, config.aligned_to);
    let authority = Arc::clone(&identity.authority);
    let place = config.store.clone();
    let (store, writer) = Store::open_at(&config.state, place, windowing.clone(), &live, &own)?;
    let signer = Arc::clone(&identity.plan_signer);
    let plans = Arc::new(Plans::open(&config, signer, now())?);
    let intake = Intake::bind(
        &config,
        identity,
        Arc::clone(&plans),
        store.clone(),
        Arc::clone(&live),
        Arc::clone(&own),
    )?;
    let http = Http::bind(
        &config,
        &authority,
        store.clone(),
        Arc::clone(&live),
        Arc::clone(&own),
    )
    .await?;
    let fault = |what| move |source| Error::Start { what, source };
    let addresses = Addresses {
        http: http.address().map_err(fault("the HTTP server"))?,
        tls: http.tls(),
        intake: intake.address().map_err(fault("the intake"))?,
    };
    let judge = Judge::new(
        store.clone(),
        &config.topology,
        Arc::clone(&live),
        windowing,
        config.grace,
        now(),
    )?;
    let judge = judge.after(plans.edition().releases());
    let follower = if store.lease().is_shared() {
        Some(Follower::new(&store, Arc::clone(&live))?)
    } else {
        None
    };
    let packer = Packer::new(store.clone())?;
    let (packer_stop, packer_stopped) = mpsc::channel();
    let packer = thread::Builder::new()
        .name("packer".into())
        .spawn(move || packer.run(&packer_stopped))
        .map_err(fault("the packer"))?;
    let (judge_stop, judge_stopped) = mpsc::channel();
    let judge = thread::Builder::new()
        .name("judge".into())
        .spawn(move || judge.run(&judge_stopped))
        .map_err(fault("the judge"))?;
    let clerk = tokio::task::block_in_place(|| {
        Clerk::new(store.clone(), Arc::clone(&live), config.keep_reports)
    })?;
    let reload = Arc::new(AtomicBool::new(false));
    let lead = Lead::new(
        &config,
        plans,
        store.clone(),
        Arc::clone(&live),
        Arc::clone(&own),
        Arc::clone(&reload),
    )?;
    let (lead_stop, lead_stopped) = mpsc::channel();
    let lead = thread::Builder::new()
        .name("plans".into())
        .spawn(move || lead.run(&lead_stopped))
        .map_err(fault("the roll-out of plans"))?;
    tokio::spawn(reload_when_told(reload));
    let (clerk_stop, clerk_stopped) = mpsc::channel();
    let clerk = thread::Builder::new()
        .name("clerk".into())
        .spawn(move || clerk.run(&clerk_stopped))
        .map_err(fault("the clerk"))?;
    let (alerts_changed, alerts_seen) = watch::channel(0);
    live.write().board.receivers = config.alert_receivers.len();
    let zone = Zone::named(&config.topology.timezone);
    let seen = Arc::clone(&live);
    let alerts = Watch::new(store.clone(), seen, zone, config.grace, alerts_changed);
    let (alerts_stop, alerts_stopped) = mpsc::channel();
    let alerts = thread::Builder::new()
        .name("alerts".into())
        .spawn(move || alerts.run(&alerts_stopped))
        .map_err(fault("the watch for alerts"))?;
    let (follower_stop, follower_stopped) = mpsc::channel();
    let follower = follower
        .map(|follower| {
            let run = move || follower.run(&follower_stopped);
            let thread = thread::Builder::new().name("follower".into());
            thread.spawn(run).map_err(fault("the follower"))
        })
        .transpose()?;
    info!(
        http = %addresses.http, intake = %addresses.intake, topology = config.topology.name,
        paths = live.read().paths.len(), "the collector runs"
    );
    targets::warn_of_impossible(&config.topology);
    let patience = config::patience(&config.topology);
    if config.grace < patience {
        warn!(
            grace = %config.grace, reports_take = %patience,
            "windows are judged before their reports can be there, and again afterwards: leave `grace` out, or make it longer"
        );
    }
    ready(addresses);

    let (stopping, stopped) = watch::channel(());
    let ended = |mut stopped: watch::Receiver<()>| async move {
        // Changed or dropped: both mean that it is over.
        let _ = stopped.changed().await;
    };
    let intake = tokio::spawn(intake.run(ended(stopped.clone())));
    let http = tokio::spawn(http.run(ended(stopped.clone())));
    let keeping = Keeping {
        verdicts: config.keep,
        five_minutes: config.keep_five_minutes,
        hours: config.keep_hours,
    };
    let writers = config.remote_write.into_iter().map(|receiver| {
        let (live, own) = (Arc::clone(&live), Arc::clone(&own));
        let writer = RemoteWrite::new(receiver, store.clone(), live, own, config.grace);
        tokio::spawn(writer.run(stopped.clone()))
    });
    let writers: Vec<_> = writers.collect();
    let pages = PagesAt::of(&config.pages, addresses);
    let deliveries = config.alert_receivers.into_iter().map(|receiver| {
        let (live, own) = (Arc::clone(&live), Arc::clone(&own));
        let delivery = Delivery::new(receiver, pages.clone(), store.clone(), live, own);
        tokio::spawn(delivery.run(alerts_seen.clone(), stopped.clone()))
    });
    let deliveries: Vec<_> = deliveries.collect();
    let running = tokio::spawn(compliance::refresh(
        store.clone(),
        Arc::clone(&live),
        config.grace,
        stopped.clone(),
    ));
    let retention = tokio::spawn(retain(store, live, keeping, stopped));
    stop.await;
    info!("the collector stops");
    drop(stopping);
    for task in [intake, http, running, retention]
        .into_iter()
        .chain(writers)
        .chain(deliveries)
    {
        if let Err(error) = task.await {
            warn!(%error, "a part of the collector did not end well");
        }
    }
    drop((judge_stop, packer_stop, clerk_stop, alerts_stop, lead_stop));
    // Each is at most one round away from seeing that.
    for (thread, name) in [
        (judge, "judge"),
        (packer, "packer"),
        (clerk, "clerk"),
        (alerts, "watch for alerts"),
        (lead, "roll-out of plans"),
    ] {
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if joined.is_ok_and(|joined| joined.is_err()) {
            warn!("the {name} panicked");
        }
    }
    // After the judge, so that whoever judges next finds its last verdicts.
    drop(follower_stop);
    if let Some(follower) = follower
        && tokio::task::spawn_blocking(move || follower.join())
            .await
            .is_ok_and(|joined| joined.is_err())
    {
        warn!("the follower panicked");
    }
    Ok(writer)
}

/// Asks for the topology's files to be read whenever SIGHUP comes.
async fn reload_when_told(reload: Arc<AtomicBool>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        // The files are read when they change all the same.
        return warn!("cannot listen to SIGHUP");
    };
    while hangup.recv().await.is_some() {
        reload.store(true, Ordering::Relaxed);
    }
}

/// Removes what is older than it is kept, every hour and in small pieces.
async fn retain(store: Store, live: Arc<Live>, keeping: Keeping, mut stopped: watch::Receiver<()>) {
    let (mut believed, mut last) = (Believed::NOTHING, Instant::now());
    let mut hours = interval(RETENTION);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            _ = hours.tick() => {}
        }
        let newest = live.read().newest_report();
        let since = last.elapsed().as_nanos();
        last = Instant::now();
        let since = Nanos(i64::try_from(since).unwrap_or(i64::MAX));
        let now = believed.round(now(), newest, since);
        // Whoever judges also tidies up.
        if store.lease().epoch().is_none() {
            continue;
        }
        for work in keeping.due(now) {
            while matches!(store.write(work()).await, Ok(removed) if removed > 0) {}
        }
    }
}
