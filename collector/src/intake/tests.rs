//! Over real QUIC on the loopback interface, with certificates made on the spot.

mod enrolling;
mod https;
mod ranges;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

use owl_measure::report::{Abilities, MESSAGE_OCTETS_MAX, ReportBatch};
use owl_topology::Plan;
use quinn::ClientConfig;
use quinn::crypto::rustls::QuicClientConfig;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::*;
use crate::testing::report;

const PROBE: &str = "yannan-ct";
const PATH: &str = "yannan-ct~supercomputing-ct";
const FOREIGN: &str = "supercomputing-ct~yannan-ct";

/// An authority that signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (
            CertificateParams::new(vec![name.into()])
                .unwrap()
                .signed_by(&key, &self.issuer)
                .unwrap(),
            key,
        )
    }

    /// What a probe called `name` calls with, when it trusts `collector`'s authority.
    fn caller(&self, name: &str, collector: &Self) -> ClientConfig {
        let (certificate, key) = self.sign(name);
        let mut roots = RootCertStore::empty();
        roots.add(collector.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![identity::ALPN.to_vec()];
        ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
    }
}

/// A whole collector on free ports of this machine.
struct Running {
    authority: Authority,
    config: Config,
    addresses: crate::Addresses,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<Result<(), crate::Error>>>,
    directory: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), Authority::new())
    }

    fn start_in(directory: tempfile::TempDir, authority: Authority) -> Self {
        let (certificate, key) = authority.sign("collector.test");
        let file = |name: &str, text: String| fs::write(directory.path().join(name), text).unwrap();
        file("ca.pem", authority.pem.clone());
        file("certificate.pem", certificate.pem());
        file("key.pem", key.serialize_pem());
        let text = "state = \"state\"\nintake = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\nca = \"ca.pem\"\n\
                    certificate = \"certificate.pem\"\nkey = \"key.pem\"\nprofile = \"lab\"\n";
        let config = Config::parse("owl.toml", text, directory.path()).unwrap();
        let kept = config.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let run = move || {
            let ready = move |addresses| tell.send(addresses).unwrap();
            crate::run(config, ready, async { drop(stopped.await) })
        };
        let thread = thread::spawn(run);
        let addresses = told.recv().expect("the collector starts");
        Self {
            authority,
            config: kept,
            addresses,
            stop: Some(stop),
            thread: Some(thread),
            directory,
        }
    }

    /// Ends it in order, and starts another on the same state.
    fn restart(mut self) -> Self {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap().unwrap();
        Self::start_in(self.directory, self.authority)
    }

    async fn call(&self, caller: ClientConfig) -> Result<Call, quinn::ConnectionError> {
        let mut endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        endpoint.set_default_client_config(caller);
        let connection = endpoint
            .connect(self.addresses.intake, "collector.test")
            .unwrap()
            .await?;
        let (send, receive) = connection.open_bi().await?;
        Ok(Call {
            _endpoint: endpoint,
            _connection: connection,
            send,
            receive,
        })
    }

    /// A call of a probe of this collector's authority that has said hello.
    async fn hello(&self, certificate: &str, says: &str) -> Call {
        let mut call = self
            .call(self.authority.caller(certificate, &self.authority))
            .await
            .unwrap();
        call.say(&hello(says)).await;
        call
    }

    /// What `path` answers over HTTP.
    async fn get(&self, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.addresses.http)
            .await
            .unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[track_caller]
    fn counted(&self, metrics: &str, expected: &str) {
        assert!(
            metrics.lines().any(|line| line == expected),
            "{expected} is not in\n{metrics}"
        );
    }
}

fn hello(probe: &str) -> FromProbe {
    hello_of(probe, 7)
}

fn hello_of(probe: &str, epoch: u64) -> FromProbe {
    FromProbe::Hello(Hello {
        version: VERSION,
        probe: probe.into(),
        epoch,
        software: "test".into(),
        simulated: true,
        abilities: Abilities::NONE,
    })
}

fn batch(first_sequence: u64, path: &str, starts: std::ops::Range<i64>) -> FromProbe {
    let second = now().0 / 1_000_000_000 - 100;
    let reports = starts
        .map(|start| report(path, second + start).encode())
        .collect();
    FromProbe::Batch(ReportBatch {
        epoch: 7,
        first_sequence,
        reports,
        spool_filled_ppm: Some(2_000_000),
    })
}

struct Call {
    _endpoint: Endpoint,
    _connection: Connection,
    send: SendStream,
    receive: RecvStream,
}

impl Call {
    async fn say(&mut self, message: &FromProbe) {
        frame::write(&mut self.send, &message.encode())
            .await
            .unwrap();
    }

    /// What the collector says next; `None` when it has closed the connection.
    async fn hear(&mut self) -> Option<FromCollector> {
        let octets = frame::read(&mut self.receive).await.ok()??;
        Some(FromCollector::decode(&octets).unwrap())
    }

    #[track_caller]
    fn is_refused(heard: Option<FromCollector>, why: &str) {
        match heard {
            Some(FromCollector::Refusal(said)) => assert!(said.contains(why), "{said}"),
            heard => panic!("{heard:?}"),
        }
    }
}

#[tokio::test]
async fn a_report_is_acknowledged_once_it_is_stored_and_counted_once_however_often_it_comes() {
    let running = Running::start();
    let mut call = running.hello(PROBE, PROBE).await;
    let Some(FromCollector::Plan(plan)) = call.hear().await else {
        panic!("no plan")
    };
    let plan = <Plan as prost::Message>::decode(plan.as_slice()).unwrap();
    assert!(
        plan.generation.parse::<u64>().is_ok(),
        "{}",
        plan.generation
    );
    assert!(plan.probe == PROBE && plan.sessions.iter().any(|session| session.path == PATH));

    call.say(&batch(1, PATH, 0..3)).await;
    assert_eq!(call.hear().await, Some(FromCollector::Stored(3)));
    call.say(&batch(1, PATH, 0..3)).await;
    assert_eq!(call.hear().await, Some(FromCollector::Stored(3)));
    call.say(&batch(4, FOREIGN, 3..5)).await;
    assert_eq!(
        call.hear().await,
        Some(FromCollector::Stored(5)),
        "rejected, and not asked for again"
    );

    let metrics = running.get("/metrics").await;
    for (result, count) in [("stored", 3), ("duplicate", 3), ("rejected", 2)] {
        running.counted(
            &metrics,
            &format!("owl_collector_reports_total{{result=\"{result}\"}} {count}"),
        );
    }
    // It said twice as much as there can be.
    running.counted(
        &metrics,
        "owl_probe_spool_filled_ratio{probe=\"yannan-ct\"} 1",
    );
    running.counted(&metrics, "owl_simulated 1");
    running.counted(&metrics, "owl_probe_up{probe=\"yannan-ct\"} 1");
    running.counted(
        &metrics,
        &format!("owl_path_packets_sent_total{{path=\"{PATH}\",class=\"intra-city\"}} 30"),
    );
    assert!(running.get("/api/v1/store").await.contains("\"reports\":3"));

    let running = running.restart();
    let metrics = running.get("/metrics").await;
    running.counted(
        &metrics,
        &format!("owl_path_packets_sent_total{{path=\"{PATH}\",class=\"intra-city\"}} 30"),
    );
    running.counted(&metrics, "owl_probe_up{probe=\"yannan-ct\"} 0");
    let mut call = running.hello(PROBE, PROBE).await;
    assert!(matches!(call.hear().await, Some(FromCollector::Plan(_))));
    call.say(&batch(1, PATH, 0..4)).await;
    assert_eq!(call.hear().await, Some(FromCollector::Stored(5)));
    // The fourth number was taken by a report that is kept aside.
    assert!(running.get("/api/v1/store").await.contains("\"reports\":3"));
}

#[tokio::test]
async fn while_the_store_refuses_nothing_is_acknowledged_and_health_says_so() {
    let running = Running::start();
    let mut call = running.hello(PROBE, PROBE).await;
    assert!(matches!(call.hear().await, Some(FromCollector::Plan(_))));
    let file = running.directory.path().join("state/owl.sqlite");
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    call.say(&batch(1, PATH, 0..3)).await;
    let mut health = running.get("/healthz").await;
    while health.starts_with("HTTP/1.1 200") {
        sleep(Duration::from_millis(50)).await;
        health = running.get("/healthz").await;
    }
    assert!(
        health.starts_with("HTTP/1.1 503") && health.contains("locked"),
        "{health}"
    );
    running.counted(&running.get("/metrics").await, "owl_collector_store_up 0");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(call.hear().await, Some(FromCollector::Stored(3)));
    assert!(running.get("/healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stranger_is_refused_in_the_handshake() {
    let running = Running::start();
    let stranger = Authority::new().caller(PROBE, &running.authority);
    // TLS 1.3 lets the stranger believe that it is connected until the collector has seen its certificate.
    if let Ok(mut call) = running.call(stranger).await {
        let said = frame::write(&mut call.send, &hello(PROBE).encode()).await;
        assert!(said.is_err() || call.hear().await.is_none());
    }
    let mut metrics = running.get("/metrics").await;
    for _ in 0..50 {
        if metrics.contains("owl_collector_handshakes_refused_total 1") {
            break;
        }
        sleep(Duration::from_millis(100)).await;
        metrics = running.get("/metrics").await;
    }
    running.counted(&metrics, "owl_collector_handshakes_refused_total 1");
    assert!(!metrics.contains("owl_probe_up{probe=\"yannan-ct\"} 1"));
}

#[tokio::test]
async fn only_the_probe_that_the_certificate_names_is_heard() {
    let running = Running::start();
    Call::is_refused(
        running.hello("binhaigang-ct", PROBE).await.hear().await,
        "the certificate is binhaigang-ct's",
    );
    Call::is_refused(
        running.hello("nobody", "nobody").await.hear().await,
        "no probe nobody",
    );
    let mut call = running
        .call(running.authority.caller(PROBE, &running.authority))
        .await
        .unwrap();
    call.say(&batch(1, PATH, 0..1)).await;
    Call::is_refused(call.hear().await, "begins with a hello");
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_call_before_it_is_read() {
    let running = Running::start();
    let mut call = running.hello(PROBE, PROBE).await;
    assert!(matches!(call.hear().await, Some(FromCollector::Plan(_))));
    let length = u32::try_from(MESSAGE_OCTETS_MAX + 1).unwrap();
    call.send.write_all(&length.to_be_bytes()).await.unwrap();
    assert_eq!(call.hear().await, None);
}

#[tokio::test]
async fn nonsense_a_second_hello_and_another_epoch_are_refused() {
    let running = Running::start();
    let cases: [(Vec<u8>, &str); 3] = [
        (vec![0xFF; 40], "cannot read a message"),
        (hello(PROBE).encode(), "said once"),
        (
            FromProbe::Batch(ReportBatch {
                epoch: 8,
                first_sequence: 1,
                reports: vec![],
                spool_filled_ppm: None,
            })
            .encode(),
            "another epoch",
        ),
    ];
    for (message, why) in cases {
        let mut call = running.hello(PROBE, PROBE).await;
        assert!(matches!(call.hear().await, Some(FromCollector::Plan(_))));
        frame::write(&mut call.send, &message).await.unwrap();
        Call::is_refused(call.hear().await, why);
    }
}

#[tokio::test]
async fn a_probe_has_no_more_connections_than_it_may() {
    let running = Running::start();
    let mut calls = Vec::new();
    for _ in 0..CONNECTIONS_A_PROBE {
        let mut call = running.hello(PROBE, PROBE).await;
        assert!(matches!(call.hear().await, Some(FromCollector::Plan(_))));
        calls.push(call);
    }
    Call::is_refused(
        running.hello(PROBE, PROBE).await.hear().await,
        "connections already",
    );
}

#[tokio::test]
async fn two_probes_with_one_name_are_not_heard_at_once() {
    let running = Running::start();
    let caller = || running.authority.caller(PROBE, &running.authority);
    let mut first = running.hello(PROBE, PROBE).await;
    assert!(matches!(first.hear().await, Some(FromCollector::Plan(_))));
    let mut second = running.call(caller()).await.unwrap();
    second.say(&hello_of(PROBE, 8)).await;
    Call::is_refused(
        second.hear().await,
        "another probe calls itself yannan-ct; its connection must end first",
    );
    running.counted(
        &running.get("/metrics").await,
        "owl_collector_handshakes_refused_total 1",
    );
    let mut again = running.hello(PROBE, PROBE).await;
    assert!(
        matches!(again.hear().await, Some(FromCollector::Plan(_))),
        "the same probe"
    );

    for call in [&mut first, &mut again] {
        call.send.finish().unwrap();
        assert_eq!(call.hear().await, None);
    }
    while running
        .get("/metrics")
        .await
        .contains("owl_probe_up{probe=\"yannan-ct\"} 1")
    {
        sleep(Duration::from_millis(50)).await;
    }
    let mut third = running.call(caller()).await.unwrap();
    third.say(&hello_of(PROBE, 8)).await;
    assert!(matches!(third.hear().await, Some(FromCollector::Plan(_))));
}

#[test]
fn who_has_no_certificate_leaves_no_state_behind() {
    let directory = tempfile::tempdir().unwrap();
    let text = "state = \"state\"\nintake = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\nca = \"ca.pem\"\n\
                certificate = \"certificate.pem\"\nkey = \"key.pem\"\n";
    let config = Config::parse("owl.toml", text, directory.path()).unwrap();
    let outcome = crate::run(config, |_| panic!("it cannot run"), async {});
    assert!(
        matches!(outcome, Err(crate::Error::Intake(IntakeError::Identity(_)))),
        "{outcome:?}"
    );
    assert!(!directory.path().join("state").exists());
}

#[tokio::test]
async fn reports_out_of_time_are_rejected() {
    let running = Running::start();
    let mut call = running.hello(PROBE, PROBE).await;
    assert!(matches!(call.hear().await, Some(FromCollector::Plan(_))));
    call.say(&batch(1, PATH, 1_000..1_001)).await;
    assert_eq!(call.hear().await, Some(FromCollector::Stored(1)));
    call.say(&batch(2, PATH, -400 * 86_400..-400 * 86_400 + 1))
        .await;
    assert_eq!(call.hear().await, Some(FromCollector::Stored(2)));
    let metrics = running.get("/metrics").await;
    running.counted(
        &metrics,
        "owl_collector_reports_total{result=\"rejected\"} 2",
    );
    running.counted(&metrics, "owl_collector_reports_total{result=\"stored\"} 0");
}

#[tokio::test]
async fn every_address_answers() {
    let running = Running::start();
    for (address, status, part) in [
        ("/", "200", "<!DOCTYPE html>"),
        ("/?lang=zh", "200", "lang=\"zh-CN\""),
        ("/paths/yannan-ct~supercomputing-ct", "200", "<h1>"),
        ("/healthz", "200", "\"status\":\"ok\""),
        (
            "/api/v1/verdicts",
            "200",
            "\"path\":\"yannan-ct~supercomputing-ct\"",
        ),
        (
            "/api/v1/verdicts?path=yannan-ct~supercomputing-ct&since=0&limit=5",
            "200",
            "\"verdicts\":[]",
        ),
        (
            "/api/v1/verdicts?since=2026-11-23T08:00:00%2B08:00",
            "200",
            "\"verdicts\":[]",
        ),
        ("/?lang=zh&colour=blue", "400", "nothing is called colour"),
        ("/api/v1/probes", "200", "\"probe\":\"yannan-ct\""),
        ("/api/v1/store", "200", "\"reports\":0"),
        ("/metrics", "200", "owl_path_info"),
    ] {
        let answer = running.get(address).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{address}: {answer}"
        );
        assert!(answer.contains(part), "{address}: {answer}");
        assert!(
            answer.contains("content-security-policy: default-src 'none'"),
            "{address}: {answer}"
        );
    }
    let limited = running.get("/api/v1/verdicts?limit=2").await;
    assert_eq!(limited.matches("\"path\":").count(), 2, "{limited}");
    let style = running.get("/").await;
    let address = style
        .split("href=\"")
        .find_map(|rest| rest.strip_prefix("/assets/")?.split('"').next())
        .unwrap();
    assert!(
        running
            .get(&format!("/assets/{address}"))
            .await
            .contains("immutable")
    );
}
