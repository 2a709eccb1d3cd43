//! A collector: takes reports from probes, keeps them, judges every path
//! against its target, and tells of it.
//!
//! Reports come over QUIC ([`ALPN`], the messages of `owl_measure::report`) and
//! are acknowledged once they are on the disk. Each window of each path gets a
//! verdict. Pages, metrics and a JSON API are served over HTTP. What it knows is
//! in its store, SQLite or PostgreSQL; all the rest can be rebuilt from there.
#![forbid(unsafe_code)]

mod compliance;
mod config;
pub mod enrolment;
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
mod metrics;
mod now;
mod page;
mod reading;
mod revision;
mod rulebook;
mod store;
mod targets;
#[cfg(test)]
mod testing;
mod totals;
mod way;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

pub use compliance::{
    AskError, Asked, AskedProfiles, ComplianceAnswer, ComplianceError, PathCompliance, SpanError,
    compared, read_compliance,
};
pub use config::{Config, ConfigError, GivenCertificates};
pub use history::{
    Ends, HistoryAnswer, HistoryError, HistoryPercentile, HistoryPoint, HistoryQuestion,
    HistorySources, read_history,
};
pub use http::HttpError;
pub use identity::{ALPN, IdentityError, RegistryError, SigningError};
pub use intake::IntakeError;
pub use store::{DatabaseError, Place, PlaceError, PostgresAddress, ReportNumber, StoreError};

use crate::history::{Clerk, Keeping};
use crate::http::Http;
use crate::identity::Identity;
use crate::intake::Intake;
use crate::judge::Judge;
use crate::live::Live;
use crate::metrics::Own;
use crate::now::now;
use crate::store::{Store, Windowing};

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
    /// Intake: UDP.
    pub intake: SocketAddr,
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
    let live = Arc::new(Live::new(&config.topology, config.profile.as_ref()));
    let own = Arc::new(Own::new());
    let windowing = Windowing::of(&live, config.aligned_to);
    let place = config.store.clone();
    let (store, writer) = tokio::task::block_in_place(|| {
        Store::open_at(&config.state, place, windowing.clone(), &live, &own)
    })?;
    let intake = Intake::bind(
        &config,
        identity,
        store.clone(),
        Arc::clone(&live),
        Arc::clone(&own),
    )?;
    let http = Http::bind(
        config.http,
        config.topology.clone(),
        store.clone(),
        Arc::clone(&live),
        own,
        config.grace,
    )
    .await?;
    let fault = |what| move |source| Error::Start { what, source };
    let addresses = Addresses {
        http: http.address().map_err(fault("the HTTP server"))?,
        intake: intake.address().map_err(fault("the intake"))?,
    };
    let judge = tokio::task::block_in_place(|| {
        Judge::new(
            store.clone(),
            &config.topology,
            Arc::clone(&live),
            windowing,
            config.grace,
            now(),
        )
    })?;
    let (judge_stop, judge_stopped) = mpsc::channel();
    let judge = thread::Builder::new()
        .name("judge".into())
        .spawn(move || judge.run(&judge_stopped))
        .map_err(fault("the judge"))?;
    let clerk = tokio::task::block_in_place(|| Clerk::new(store.clone(), config.keep_reports))?;
    let (clerk_stop, clerk_stopped) = mpsc::channel();
    let clerk = thread::Builder::new()
        .name("clerk".into())
        .spawn(move || clerk.run(&clerk_stopped))
        .map_err(fault("the clerk"))?;
    info!(
        http = %addresses.http, intake = %addresses.intake, topology = config.topology.name,
        paths = live.read().paths.len(), "the collector runs"
    );
    targets::warn_of_impossible(&config.topology);
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
    let running = tokio::spawn(compliance::refresh(
        store.clone(),
        live,
        config.topology,
        config.grace,
        stopped.clone(),
    ));
    let retention = tokio::spawn(retain(store, keeping, stopped));
    stop.await;
    info!("the collector stops");
    drop(stopping);
    for task in [intake, http, running, retention] {
        if let Err(error) = task.await {
            warn!(%error, "a part of the collector did not end well");
        }
    }
    drop((judge_stop, clerk_stop));
    // Both are at most one round away from seeing that.
    for (name, thread) in [("judge", judge), ("clerk", clerk)] {
        if tokio::task::spawn_blocking(move || thread.join())
            .await
            .is_ok_and(|joined| joined.is_err())
        {
            warn!("the {name} panicked");
        }
    }
    Ok(writer)
}

/// Removes what is older than it is kept, every hour and in small pieces.
async fn retain(store: Store, keeping: Keeping, mut stopped: watch::Receiver<()>) {
    let mut hours = interval(RETENTION);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            _ = hours.tick() => {}
        }
        for work in keeping.due(now()) {
            while matches!(store.write(work()).await, Ok(removed) if removed > 0) {}
        }
    }
}
