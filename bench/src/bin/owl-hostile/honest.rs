//! Honest probes: how long each of their reports waits for its acknowledgement.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use owl_measure::clock::ClockState;
use owl_measure::report::{
    Abilities, FromCollector, FromProbe, Hello, Report, ReportBatch, VERSION,
};
use owl_measure::summary::Recorder;
use owl_measure::time::{Nanos, Timestamp};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::Mutex;
use tokio::time::interval;

use crate::network::{Network, PROBES};

/// Between two reports of a probe.
const EVERY: Duration = Duration::from_millis(20);

type Failure = Box<dyn Error + Send + Sync>;

/// TLS of a caller who trusts the authority in a file, without a certificate yet.
pub(crate) fn trusting(
    ca: &Path,
) -> Result<rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots))
}

/// QUIC with that TLS, for one protocol.
pub(crate) fn quic(
    mut tls: rustls::ClientConfig,
    protocol: &[u8],
) -> Result<quinn::ClientConfig, Failure> {
    tls.alpn_protocols = vec![protocol.to_vec()];
    let mut client = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let mut transport = quinn::TransportConfig::default();
    transport.keep_alive_interval(Some(Duration::from_secs(1)));
    client.transport_config(Arc::new(transport));
    Ok(client)
}

pub(crate) struct Honest(Vec<Mutex<Call>>);

struct Call {
    _endpoint: Endpoint,
    _connection: Connection,
    send: SendStream,
    receive: RecvStream,
    path: String,
    sequence: u64,
}

impl Honest {
    pub(crate) async fn call(network: &Network) -> Result<Self, Failure> {
        let mut calls = Vec::new();
        for (probe, other) in PROBES.into_iter().zip(PROBES.into_iter().rev()) {
            calls.push(Mutex::new(Call::open(network, probe, other).await?));
        }
        Ok(Self(calls))
    }

    /// The median and the 99th percentile of the waits in a round, in milliseconds.
    pub(crate) async fn round(&self, length: Duration) -> Result<(f64, f64), Failure> {
        let [one, other] = &self.0[..] else {
            return Err("two probes".into());
        };
        let (mut one, mut other) = (one.lock().await, other.lock().await);
        let (waits, more) = tokio::try_join!(one.report(length), other.report(length))?;
        let mut waits = [waits, more].concat();
        waits.sort_unstable();
        let rank = |share: f64| {
            let at = (waits.len() as f64 * share) as usize;
            waits[at.min(waits.len() - 1)].as_secs_f64() * 1e3
        };
        Ok((rank(0.5), rank(0.99)))
    }
}

impl Call {
    async fn open(network: &Network, probe: &str, other: &str) -> Result<Self, Failure> {
        let file = |tail: &str| network.folder().join(format!("{probe}.{tail}"));
        let chain = CertificateDer::pem_file_iter(file("pem"))?.collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_file(file("key"))?;
        let tls = trusting(&network.folder().join("ca.pem"))?.with_client_auth_cert(chain, key)?;
        let mut endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        endpoint.set_default_client_config(quic(tls, b"owl/1")?);
        let connection = endpoint.connect(network.intake(), "owl-collector")?.await?;
        let (send, receive) = connection.open_bi().await?;
        let mut call = Self {
            _endpoint: endpoint,
            _connection: connection,
            send,
            receive,
            path: format!("{probe}~{other}"),
            sequence: 0,
        };
        let hello = Hello {
            version: VERSION,
            probe: probe.to_owned(),
            epoch: 7,
            software: "bench".into(),
            simulated: true,
            abilities: Abilities::OURS,
        };
        call.say(&FromProbe::Hello(hello)).await?;
        while !matches!(call.hear().await?, FromCollector::Plan(_)) {}
        Ok(call)
    }

    async fn report(&mut self, length: Duration) -> Result<Vec<Duration>, Failure> {
        let (begun, mut waits) = (Instant::now(), Vec::new());
        let mut due = interval(EVERY);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while begun.elapsed() < length {
            due.tick().await;
            self.sequence += 1;
            let batch = ReportBatch {
                epoch: 7,
                first_sequence: self.sequence,
                reports: vec![report(&self.path)?],
                spool_filled_ppm: None,
            };
            let sent = Instant::now();
            self.say(&FromProbe::Batch(batch)).await?;
            while !matches!(self.hear().await?, FromCollector::Taken(_)) {}
            waits.push(sent.elapsed());
        }
        Ok(waits)
    }

    async fn say(&mut self, message: &FromProbe) -> Result<(), Failure> {
        let octets = message.encode();
        let length = u32::try_from(octets.len())?;
        self.send.write_all(&length.to_be_bytes()).await?;
        Ok(self.send.write_all(&octets).await?)
    }

    async fn hear(&mut self) -> Result<FromCollector, Failure> {
        let mut length = [0; 4];
        self.receive.read_exact(&mut length).await?;
        let mut octets = vec![0; u32::from_be_bytes(length) as usize];
        self.receive.read_exact(&mut octets).await?;
        Ok(FromCollector::decode(&octets)?)
    }
}

/// A report of the second that was, in which one packet was sent.
fn report(path: &str) -> Result<Vec<u8>, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let start = Timestamp(i64::try_from(now.as_secs())? * 1_000_000_000 - 2_000_000_000);
    let mut recorder = Recorder::new(Nanos::from_secs(1), Timestamp(0), Vec::new());
    recorder.sent(start, Nanos::ZERO);
    let summary = recorder.close(Timestamp(i64::MAX)).ok_or("no interval")?;
    let report = Report {
        path: path.to_owned(),
        generation: String::new(),
        flow: 0,
        packet_interval: Nanos::from_millis(100),
        summary,
        clock: ClockState::default(),
    };
    Ok(report.encode())
}
