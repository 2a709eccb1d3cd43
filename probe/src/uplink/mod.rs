//! From the spool to the collector, over QUIC with mutual TLS.
//!
//! One connection, one stream. A report leaves the spool only when the
//! collector says that it is committed; whatever was on its way when a
//! connection ended is sent again, and the collector knows it by its number. A
//! collector that is away costs nothing but waiting.

mod turns;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use owl_measure::report::{
    FromCollector, FromProbe, Hello, MESSAGE_OCTETS_MAX, ReportBatch, VERSION,
};
use owl_topology::Plan;
use prost::Message as _;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::{Notify, watch};

use crate::config::Config;
use crate::enrolment::{self, CertificateError, Facts};
use crate::spool::{Spool, SpoolError, Spooled};
use turns::Turns;

/// The name in every collector's certificate.
pub const COLLECTOR_NAME: &str = "owl-collector";
/// The application protocol (ALPN) of the uplink.
const ALPN: &[u8] = b"owl/1";
/// Reports in one batch, and octets of them, at most.
const BATCH_REPORTS: usize = 256;
const BATCH_OCTETS: usize = MESSAGE_OCTETS_MAX / 2;
/// Reports sent beyond the last acknowledged one; then the uplink waits for the collector.
const WINDOW_REPORTS: u64 = 4_096;
/// A connection is given up when the far end is silent for so long, and kept alive well within that.
const IDLE: Duration = Duration::from_secs(4);
const KEEP_ALIVE: Duration = Duration::from_secs(1);

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

/// What the threads of a probe share with its uplink.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) spool: std::sync::Mutex<Spool>,
    /// Told when there is something new in the spool.
    pub(crate) spooled: Notify,
    pub(crate) connected: AtomicBool,
    /// That a failure was logged, and nothing since that it is over.
    pub(crate) failure_said: AtomicBool,
    /// When the certificate runs out, in nanoseconds since 1970.
    pub(crate) certificate_until_ns: AtomicI64,
}

impl Shared {
    pub(crate) fn spool(&self) -> std::sync::MutexGuard<'_, Spool> {
        // A thread that panicked while it held the spool left a database, not a half-written structure.
        self.spool
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The certificates, ready to be used.
#[derive(Debug)]
pub(crate) struct Client {
    quic: quinn::ClientConfig,
    facts: Facts,
}

impl Client {
    /// When the probe's own certificate runs out.
    pub(crate) fn until_ns(&self) -> i64 {
        self.facts.until.0
    }
}

/// Reads the certificates.
pub(crate) fn client(config: &Config) -> Result<Client, UplinkError> {
    let pem = |file: &Path| {
        let file = file.to_owned();
        move |source| UplinkError::Pem { file, source }
    };
    let read = |file: &Path| -> Result<Vec<CertificateDer<'static>>, UplinkError> {
        CertificateDer::pem_file_iter(file)
            .map_err(pem(file))?
            .collect::<Result<_, _>>()
            .map_err(pem(file))
    };
    let tls = |error: rustls::Error| UplinkError::Tls(error.into());
    let mut roots = rustls::RootCertStore::empty();
    for certificate in read(&config.ca)? {
        roots.add(certificate).map_err(tls)?;
    }
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(pem(&config.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut rustls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .with_root_certificates(roots)
        .with_client_auth_cert(read(&config.certificate)?, key)
        .map_err(tls)?;
    rustls.alpn_protocols = vec![ALPN.to_vec()];
    let quic =
        QuicClientConfig::try_from(rustls).map_err(|error| UplinkError::Tls(error.into()))?;
    let mut client = quinn::ClientConfig::new(Arc::new(quic));
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_idle_timeout(Some(
            IDLE.try_into()
                .expect("four seconds fit a QUIC idle timeout"),
        ))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_bidi_streams(0_u8.into())
        .max_concurrent_uni_streams(0_u8.into());
    client.transport_config(Arc::new(transport));
    Ok(Client {
        quic: client,
        facts: enrolment::facts(&config.certificate)?,
    })
}

/// Keeps the collector informed until `stop` is told; plans go to `plans`.
pub(crate) async fn run(
    config: Config,
    shared: Arc<Shared>,
    plans: watch::Sender<Option<Plan>>,
    mut stop: watch::Receiver<bool>,
) {
    let intakes = config.collector.all().len();
    let mut turns = Turns::of(intakes);
    let mut last_said = vec![String::new(); intakes];
    loop {
        let intake = turns.turn() % intakes;
        let ended = tokio::select! {
            ended = call(&config, turns.turn(), &shared, &plans) => ended,
            _ = stop.wait_for(|stop| *stop) => return,
        };
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
        let wait = turns.pass(was_connected, turns::draw());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
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
    turn: usize,
    shared: &Arc<Shared>,
    plans: &watch::Sender<Option<Plan>>,
) -> Result<(), UplinkError> {
    let files = config.clone();
    let client = tokio::task::spawn_blocking(move || client(&files))
        .await
        .expect("reading certificates neither panics nor is cancelled")?;
    shared
        .certificate_until_ns
        .store(client.until_ns(), Relaxed);
    let collector = config.collector.at(turn);
    let ended = connection(config, collector, &client.quic, shared, plans).await;
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

/// One connection, from the first word to its end.
async fn connection(
    config: &Config,
    collector: SocketAddr,
    client: &quinn::ClientConfig,
    shared: &Arc<Shared>,
    plans: &watch::Sender<Option<Plan>>,
) -> Result<(), UplinkError> {
    let lost = |source: Box<dyn std::error::Error + Send + Sync>| UplinkError::Connection {
        collector,
        source,
    };
    let any: SocketAddr = if collector.is_ipv6() {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    };
    let endpoint = quinn::Endpoint::client(any)?;
    let connecting = endpoint
        .connect_with(client.clone(), collector, COLLECTOR_NAME)
        .map_err(|error| lost(error.into()))?;
    let connection = connecting.await.map_err(|error| lost(error.into()))?;
    let (mut say, mut hear) = connection
        .open_bi()
        .await
        .map_err(|error| lost(error.into()))?;
    let epoch = shared.spool().epoch();
    let hello = Hello {
        version: VERSION,
        probe: config.id.clone(),
        epoch,
        software: env!("CARGO_PKG_VERSION").into(),
        simulated: config.lab.is_some(),
    };
    send(&mut say, &FromProbe::Hello(hello))
        .await
        .map_err(|error| lost(error.into()))?;
    let (stored, stored_so_far) = watch::channel(0_u64);
    let talk = async {
        let result = feed(&mut say, shared, epoch, stored_so_far).await;
        result.map_err(|error| match error {
            FeedError::Spool(error) => UplinkError::Spool(error),
            FeedError::Write(error) => lost(error.into()),
        })
    };
    let listen = async {
        loop {
            match receive(&mut hear).await.map_err(lost)? {
                FromCollector::Plan(octets) => {
                    let plan =
                        Plan::decode(octets.as_slice()).map_err(|error| lost(error.into()))?;
                    shared.connected.store(true, Relaxed);
                    // The plan is the collector's first word to a probe that it lets in.
                    if shared.failure_said.swap(false, Relaxed) {
                        tracing::info!(probe = config.id, "connected to the collector again");
                    }
                    plans.send_replace(Some(plan));
                }
                FromCollector::Stored(sequence) => {
                    let shared = shared.clone();
                    blocking(move || shared.spool().acknowledge(sequence)).await?;
                    stored.send_replace(sequence);
                }
                FromCollector::Refusal(why) => return Err(UplinkError::Refused(why)),
            }
        }
    };
    tokio::select! {
        ended = talk => ended,
        ended = listen => ended,
        never = enrolment::keep_renewed(config, &connection, shared) => match never {},
    }
}

/// Runs a database call off the runtime's threads.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    tokio::task::spawn_blocking(call)
        .await
        .expect("a spool call neither panics nor is cancelled")
}

enum FeedError {
    Spool(SpoolError),
    Write(quinn::WriteError),
}

/// Sends what is in the spool, in order, never more than a window ahead of the acknowledgements.
async fn feed(
    say: &mut quinn::SendStream,
    shared: &Arc<Shared>,
    epoch: u64,
    mut stored: watch::Receiver<u64>,
) -> Result<(), FeedError> {
    let (mut sent_to, mut begun_at) = (0, None);
    loop {
        let acknowledged = *stored.borrow_and_update();
        let unacknowledged =
            sent_to - begun_at.map_or(sent_to, |begun: u64| acknowledged.max(begun).min(sent_to));
        let spooled = if unacknowledged >= WINDOW_REPORTS {
            Vec::new()
        } else {
            let shared = shared.clone();
            blocking(move || shared.spool().after(sent_to, BATCH_REPORTS, BATCH_OCTETS))
                .await
                .map_err(FeedError::Spool)?
        };
        if spooled.is_empty() {
            tokio::select! {
                () = shared.spooled.notified() => {}
                changed = stored.changed() => if changed.is_err() { return Ok(()) },
            }
            continue;
        }
        for batch in batches(spooled, epoch) {
            begun_at.get_or_insert(batch.first_sequence - 1);
            sent_to = batch.first_sequence + batch.reports.len() as u64 - 1;
            send(say, &FromProbe::Batch(batch))
                .await
                .map_err(FeedError::Write)?;
        }
    }
}

/// Batches without a gap in their numbers.
fn batches(spooled: Vec<Spooled>, epoch: u64) -> Vec<ReportBatch> {
    let mut batches: Vec<ReportBatch> = Vec::new();
    for Spooled { sequence, report } in spooled {
        match batches.last_mut() {
            Some(batch) if batch.first_sequence + batch.reports.len() as u64 == sequence => {
                batch.reports.push(report)
            }
            _ => batches.push(ReportBatch {
                epoch,
                first_sequence: sequence,
                reports: vec![report],
            }),
        }
    }
    batches
}

async fn send(
    stream: &mut quinn::SendStream,
    message: &FromProbe,
) -> Result<(), quinn::WriteError> {
    let octets = message.encode();
    let length = u32::try_from(octets.len()).expect("a batch is far below four gigabytes");
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&octets).await
}

async fn receive(
    stream: &mut quinn::RecvStream,
) -> Result<FromCollector, Box<dyn std::error::Error + Send + Sync>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MESSAGE_OCTETS_MAX {
        return Err(
            format!("a message of {length} octets; {MESSAGE_OCTETS_MAX} are allowed").into(),
        );
    }
    let mut octets = vec![0; length];
    stream.read_exact(&mut octets).await?;
    Ok(FromCollector::decode(&octets)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::report;

    #[test]
    fn a_gap_in_the_numbers_begins_a_new_batch() {
        let spooled = [1, 2, 5, 6, 7]
            .map(|sequence| Spooled {
                sequence,
                report: report("a~b"),
            })
            .to_vec();
        let got: Vec<(u64, usize)> = batches(spooled, 9)
            .iter()
            .map(|b| (b.first_sequence, b.reports.len()))
            .collect();
        assert_eq!(got, [(1, 2), (5, 3)]);
    }
}
