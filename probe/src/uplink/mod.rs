//! From the spool to the collector, over QUIC with mutual TLS.
//!
//! A report counts as delivered only when the collector says that it is
//! committed; whatever was on its way when a connection ended is sent again,
//! and the collector knows it by its number. A collector that is away costs
//! nothing but waiting. docs/reporting.md has the whole conversation.

mod client;
mod flight;
mod https;
mod pace;
mod quic;
mod talk;
mod turns;
mod ways;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use owl_measure::report::{PlanStanding, Report};
use tokio::sync::{Notify, watch};

use crate::config::{Collectors, Config};
use crate::enrolment::{self, CertificateError};
use crate::plan::Progress;
use crate::spool::{Spool, SpoolError};
pub(crate) use client::client;
use talk::Talk;
use turns::Turns;
use ways::Ways;

/// The name in every collector's certificate.
pub const COLLECTOR_NAME: &str = "owl-collector";

/// The uplink cannot work.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// A certificate or key cannot be read.
    #[error("cannot read {file}", file = .file.display())]
    Pem {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificates do not fit together.
    #[error("cannot use the certificates")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No UDP socket for QUIC.
    #[error("cannot open a UDP socket for the uplink")]
    Socket(#[from] std::io::Error),
    /// The collector cannot be reached, or the connection ended.
    #[error("cannot reach the collector {collector}")]
    Connection {
        /// Where it should be.
        collector: SocketAddr,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The same over HTTPS.
    #[error("cannot reach the collector {collector} over HTTPS either")]
    Https {
        /// Where it should be.
        collector: SocketAddr,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The probe's own certificate is none.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The probe's certificate has run out, so it is let in nowhere.
    #[error(
        "the certificate of {probe} ran out on {until}; `owl collector enroll {probe}` on the collector's host makes a token, and `owl probe join` with it on this host gets a new certificate"
    )]
    Expired {
        /// Whose.
        probe: String,
        /// When.
        until: String,
        /// How the collector refused.
        source: Box<Self>,
    },
    /// The collector said no.
    #[error("the collector refuses: {0}")]
    Refused(String),
    /// The spool cannot be read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// What the collector wants measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Offer {
    /// The octets of a signed plan.
    Signed(Vec<u8>),
    /// A plan that nobody signed: the collector is of a version before plans were.
    Unsigned,
}

/// What the threads of a probe share with its uplink.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) spool: Mutex<Spool>,
    /// Told when there is something new in the spool.
    pub(crate) spooled: Notify,
    pub(crate) connected: AtomicBool,
    /// That a failure was logged, and nothing since that it is over.
    pub(crate) failure_said: AtomicBool,
    /// When the certificate runs out, in nanoseconds since 1970.
    pub(crate) certificate_until_ns: AtomicI64,
    /// How often a collector has let this probe in.
    pub(crate) greetings: AtomicU64,
    /// What is followed, for the collector.
    standing: Mutex<PlanStanding>,
    pub(crate) progress: Progress,
}

impl Shared {
    pub(crate) fn new(spool: Spool, certificate_until_ns: i64) -> Self {
        Self {
            spool: spool.into(),
            spooled: Notify::new(),
            connected: false.into(),
            failure_said: false.into(),
            certificate_until_ns: certificate_until_ns.into(),
            greetings: 0.into(),
            standing: Mutex::default(),
            progress: Progress::default(),
        }
    }

    pub(crate) fn standing(&self) -> PlanStanding {
        // It is replaced as a whole, so it is whole whoever panicked.
        let standing = self.standing.lock();
        standing.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the collector told which plan is followed.
    pub(crate) fn stand(&self, standing: PlanStanding) {
        let mut told = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != standing {
            *told = standing;
            self.spooled.notify_one();
        }
    }

    /// Commits reports to the spool, and notes which is the first of the plan on trial.
    pub(crate) fn append(&self, reports: &[Report]) -> Result<(), SpoolError> {
        let mut spool = self.spool();
        let last = spool.made();
        spool.append(reports)?;
        self.progress.made(reports, last);
        Ok(())
    }

    pub(crate) fn spool(&self) -> std::sync::MutexGuard<'_, Spool> {
        // A thread that panicked while it held the spool left a database, not a half-written structure.
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the collector informed until `stop` is told; what it wants measured goes to `offers`. When `collectors` change, the
/// connection ends, and they are called.
pub(crate) async fn run(
    mut config: Config,
    shared: Arc<Shared>,
    offers: watch::Sender<Option<Offer>>,
    mut collectors: watch::Receiver<Collectors>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        config.collector = collectors.borrow_and_update().clone();
        tokio::select! {
            never = inform(&config, &shared, &offers) => match never {},
            Ok(()) = collectors.changed() => shared.connected.store(false, Relaxed),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Calls one collector after the other, for ever.
async fn inform(
    config: &Config,
    shared: &Arc<Shared>,
    offers: &watch::Sender<Option<Offer>>,
) -> Infallible {
    let intakes = config.collector.all().len();
    let mut turns = Turns::of(intakes);
    let mut last_said = vec![String::new(); intakes];
    let mut ways = vec![Ways::default(); intakes];
    loop {
        let intake = turns.turn() % intakes;
        let ended = call(config, intake, &mut ways[intake], shared, offers).await;
        let was_connected = shared.connected.swap(false, Relaxed);
        if let Err(error) = ended {
            // Said when it changes of an intake, not at every try.
            let said = explain(&error);
            let news = match &error {
                // However the collector shuts the door.
                UplinkError::Expired { .. } => error.to_string(),
                _ => said.clone(),
            };
            if was_connected || news != last_said[intake] {
                tracing::warn!(
                    probe = config.id,
                    "{said}; reports are kept on disk and the uplink tries again"
                );
                last_said[intake] = news;
                shared.failure_said.store(true, Relaxed);
            }
        }
        tokio::time::sleep(turns.pass(was_connected, turns::draw())).await;
    }
}

fn explain(error: &UplinkError) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said.push_str(&format!(": {error}"));
        cause = error.source();
    }
    said
}

/// One connection, with the certificates as they are on the disk now: they may have been replaced since the last one.
async fn call(
    config: &Config,
    intake: usize,
    ways: &mut Ways,
    shared: &Arc<Shared>,
    offers: &watch::Sender<Option<Offer>>,
) -> Result<(), UplinkError> {
    let files = config.clone();
    let client = tokio::task::spawn_blocking(move || client(&files))
        .await
        .expect("reading certificates neither panics nor is cancelled")?;
    shared
        .certificate_until_ns
        .store(client.until_ns(), Relaxed);
    let collector = config.collector.at(intake);
    let talk = Talk::new(config, shared, offers);
    let mut ended = quic::connection(config, collector, &client.quic, shared, &talk).await;
    ways.quic_ended(shared.connected.load(Relaxed));
    if ways.https() {
        let talk = Talk::new(config, shared, offers);
        ended = https::connection(config, collector, &client.https, shared, &talk).await;
    }
    // Tried all the same: what counts is the collector's clock.
    ended.map_err(|error| {
        if enrolment::now() < client.facts.until {
            return error;
        }
        UplinkError::Expired {
            probe: config.id.clone(),
            until: client.facts.until_written(),
            source: error.into(),
        }
    })
}
