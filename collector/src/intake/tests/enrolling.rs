//! Joining, renewing and being revoked, over real QUIC.

use owl_measure::enrolment::{
    Answer, Denial, Granted, JOIN_ALPN, Join, Renewal, Token, decode_answer,
};
use rcgen::CertificateParams;

use super::*;
use crate::enrolment;
use crate::identity::{Passport, Registry, Signer};

const HOUR: Nanos = Nanos::from_secs(3_600);
const DAY: Nanos = Nanos::from_secs(86_400);

/// A key, and a request for a certificate for it.
struct Applicant {
    key: KeyPair,
    request: Vec<u8>,
}

impl Applicant {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        Self {
            request: request.der().to_vec(),
            key,
        }
    }

    /// What it calls with once it has a certificate; it trusts the authority that came with it.
    fn caller(&self, granted: &Granted) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        for authority in &granted.authorities {
            roots.add(authority.clone().into()).unwrap();
        }
        let chain = granted.chain.iter().map(|der| der.clone().into()).collect();
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        client(roots, Some((chain, key.into())), identity::ALPN)
    }
}

fn client(
    roots: RootCertStore,
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    protocol: &[u8],
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut tls = match own {
        Some((chain, key)) => tls.with_client_auth_cert(chain, key).unwrap(),
        None => tls.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![protocol.to_vec()];
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

impl Running {
    fn registry(&self) -> Registry {
        Registry::open(&self.config.state).unwrap()
    }

    fn enroll(&self, probe: &str) -> Token {
        let made = enrolment::enroll(&self.config, probe, HOUR, Some(self.addresses.intake));
        made.unwrap().token
    }

    async fn connect(
        &self,
        caller: ClientConfig,
        name: &str,
    ) -> Result<(Endpoint, Connection), quinn::ConnectionError> {
        let mut endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        endpoint.set_default_client_config(caller);
        let connection = endpoint
            .connect(self.addresses.intake, name)
            .unwrap()
            .await?;
        Ok((endpoint, connection))
    }

    /// Says such octets as somebody who joins: the answer, or the number with which the connection was closed.
    async fn say_joining(&self, octets: &[u8]) -> Result<Answer, u64> {
        let mut roots = RootCertStore::empty();
        let authority = self.registry().authority().unwrap();
        roots.add(authority.certificate().clone()).unwrap();
        let caller = client(roots, None, JOIN_ALPN);
        let (_endpoint, connection) = self.connect(caller, "owl-collector").await.unwrap();
        let exchange = async {
            let (mut send, mut receive) = connection.open_bi().await.ok()?;
            let _ = frame::write(&mut send, octets).await;
            frame::read(&mut receive).await.ok()?
        };
        match exchange.await {
            Some(answer) => Ok(decode_answer(&answer).unwrap()),
            None => match connection.closed().await {
                quinn::ConnectionError::ApplicationClosed(close) => {
                    Err(close.error_code.into_inner())
                }
                error => panic!("{error}"),
            },
        }
    }

    async fn join_as(&self, probe: &str, token: &Token, who: &Applicant) -> Answer {
        let join = Join {
            secret: token.secret,
            probe: probe.into(),
            request: who.request.clone(),
        };
        self.say_joining(&join.encode()).await.unwrap()
    }

    /// A probe that has joined.
    async fn joined(&self, probe: &str) -> (Applicant, Granted) {
        let (who, token) = (Applicant::new(), self.enroll(probe));
        let granted = self.join_as(probe, &token, &who).await.unwrap();
        (who, granted)
    }

    /// A call of one who has joined. The collector of these tests shows it a certificate of the configuration.
    async fn joined_call(&self, who: &Applicant, granted: &Granted, says: &str) -> Call {
        let mut call = self.call(who.caller(granted)).await.unwrap();
        call.say(&hello(says)).await;
        call
    }
}

#[tokio::test]
async fn who_joined_is_heard_as_the_probe_of_its_token_and_as_no_other() {
    let running = Running::start();
    let (who, granted) = running.joined(PROBE).await;
    let mut call = running.joined_call(&who, &granted, PROBE).await;
    assert!(matches!(call.hear().await, Some(FromCollector::Plan(_))));
    let mut other = running.joined_call(&who, &granted, "binhaigang-ct").await;
    Call::is_refused(other.hear().await, "the certificate is yannan-ct's");
    let metrics = running.get("/metrics").await;
    running.counted(
        &metrics,
        "owl_collector_enrolments_total{result=\"joined\"} 1",
    );
    assert!(
        metrics.contains("owl_probe_certificate_expiry_timestamp_seconds{probe=\"yannan-ct\"}")
    );
    assert!(metrics.contains("\nowl_collector_certificate_expiry_timestamp_seconds "));
}

#[tokio::test]
async fn of_many_that_come_at_once_with_one_token_one_is_let_in() {
    let running = Running::start();
    let token = running.enroll(PROBE);
    let applicants: Vec<Applicant> = (0..8).map(|_| Applicant::new()).collect();
    let mut answers = Vec::new();
    let (a, b, c, d) = tokio::join!(
        running.join_as(PROBE, &token, &applicants[0]),
        running.join_as(PROBE, &token, &applicants[1]),
        running.join_as(PROBE, &token, &applicants[2]),
        running.join_as(PROBE, &token, &applicants[3]),
    );
    answers.extend([a, b, c, d]);
    let (a, b, c, d) = tokio::join!(
        running.join_as(PROBE, &token, &applicants[4]),
        running.join_as(PROBE, &token, &applicants[5]),
        running.join_as(PROBE, &token, &applicants[6]),
        running.join_as(PROBE, &token, &applicants[7]),
    );
    answers.extend([a, b, c, d]);
    let winner = answers.iter().position(Result::is_ok).unwrap();
    for (who, answer) in answers.iter().enumerate() {
        let expected = Err(Denial::UsedToken);
        assert!(who == winner || *answer == expected, "{who}: {answer:?}");
    }
    let again = running.join_as(PROBE, &token, &applicants[winner]).await;
    assert!(again.is_ok(), "an answer can be lost: {again:?}");
}

#[tokio::test]
async fn a_token_is_refused_with_its_reason() {
    let running = Running::start();
    let (who, token) = (Applicant::new(), running.enroll(PROBE));
    let of_another = running.join_as("binhaigang-ct", &token, &who).await;
    assert_eq!(of_another, Err(Denial::OtherProbe));
    let nobodys = running.join_as("nobody", &token, &who).await;
    assert_eq!(nobodys, Err(Denial::UnknownToken));
    let newer = running.enroll(PROBE);
    let older = running.join_as(PROBE, &token, &who).await;
    assert_eq!(older, Err(Denial::UnknownToken));
    let past = |roll: &mut identity::Roll| {
        let record = roll.probes.get_mut(PROBE).unwrap();
        record.token.as_mut().unwrap().expires = now();
        Ok::<_, ()>(())
    };
    running.registry().change(past).unwrap().unwrap();
    let late = running.join_as(PROBE, &newer, &who).await;
    assert_eq!(late, Err(Denial::ExpiredToken));
    let garbled = Applicant {
        request: vec![0x30; 300],
        ..who
    };
    let unusable = running.join_as(PROBE, &newer, &garbled).await;
    assert_eq!(unusable, Err(Denial::BadRequest));
    assert!(
        running.registry().roll().unwrap().probes[PROBE]
            .certificates
            .is_empty()
    );
}

#[tokio::test]
async fn strangers_are_rationed_and_disturb_nobody() {
    let running = Running::start();
    let mut probe = running.hello(PROBE, PROBE).await;
    assert!(matches!(probe.hear().await, Some(FromCollector::Plan(_))));
    let (bad, often) = (
        i32::from(Denial::BadRequest) as u64,
        i32::from(Denial::TooOften) as u64,
    );
    let mut codes = Vec::new();
    for octets in [&b""[..], &[0xFF; 40], &[0; 9_000], &[1; 20_000]].repeat(4) {
        codes.push(running.say_joining(octets).await.unwrap_err());
    }
    assert_eq!(codes, [vec![bad; 10], vec![often; 6]].concat());
    probe.say(&batch(1, PATH, 0..3)).await;
    assert_eq!(probe.hear().await, Some(FromCollector::Stored(3)));
    let metrics = running.get("/metrics").await;
    running.counted(
        &metrics,
        "owl_collector_enrolments_total{result=\"refused\"} 16",
    );
    running.counted(&metrics, "owl_collector_handshakes_refused_total 0");
}

#[tokio::test]
async fn without_a_certificate_nobody_reports() {
    let running = Running::start();
    let mut roots = RootCertStore::empty();
    roots.add(running.authority.certificate.clone()).unwrap();
    let caller = client(roots, None, identity::ALPN);
    if let Ok(mut call) = running.call(caller).await {
        let said = frame::write(&mut call.send, &hello(PROBE).encode()).await;
        assert!(said.is_err() || call.hear().await.is_none());
    }
    let metrics = running.get("/metrics").await;
    running.counted(&metrics, "owl_collector_handshakes_refused_total 1");
}

#[tokio::test]
async fn a_revoked_probe_is_cut_off_and_not_heard_again_until_it_joins_anew() {
    let running = Running::start();
    let (who, granted) = running.joined(PROBE).await;
    let by_hand = "binhaigang-ct";
    let mut calls = [
        running.joined_call(&who, &granted, PROBE).await,
        running.hello(by_hand, by_hand).await,
    ];
    let mut untouched = running
        .hello("supercomputing-ct", "supercomputing-ct")
        .await;
    for call in calls.iter_mut().chain([&mut untouched]) {
        assert!(matches!(call.hear().await, Some(FromCollector::Plan(_))));
    }
    for (probe, call) in [PROBE, by_hand].into_iter().zip(&mut calls) {
        enrolment::revoke(&running.config, probe).unwrap();
        Call::is_refused(call.hear().await, "was revoked");
        assert_eq!(call.hear().await, None, "and the connection ended");
    }
    let mut again = running.joined_call(&who, &granted, PROBE).await;
    Call::is_refused(again.hear().await, "was revoked");
    let mut again = running.hello(by_hand, by_hand).await;
    Call::is_refused(again.hear().await, "was revoked");
    let metrics = running.get("/metrics").await;
    assert!(
        !metrics.contains("owl_probe_certificate_expiry_timestamp_seconds{probe=\"yannan-ct\"}")
    );
    let (who, granted) = running.joined(by_hand).await;
    let mut anew = running.joined_call(&who, &granted, by_hand).await;
    assert!(matches!(anew.hear().await, Some(FromCollector::Plan(_))));
    untouched.say(&batch(1, PATH, 0..1)).await;
    assert_eq!(
        untouched.hear().await,
        Some(FromCollector::Stored(1)),
        "the others were not disturbed"
    );

    let running = running.restart();
    let mut after = running.hello(PROBE, PROBE).await;
    Call::is_refused(after.hear().await, "was revoked");
}

/// Asks for the next certificate on a second stream of the same connection.
async fn renew(call: &Call, request: &[u8]) -> Answer {
    let (mut send, mut receive) = call._connection.open_bi().await.unwrap();
    let request = request.to_vec();
    let octets = Renewal { request }.encode();
    frame::write(&mut send, &octets).await.unwrap();
    let answer = frame::read(&mut receive).await.unwrap().unwrap();
    decode_answer(&answer).unwrap()
}

#[tokio::test]
async fn a_certificate_is_renewed_over_the_connection_of_the_old_one_which_goes_on() {
    let running = Running::start();
    let (who, granted) = running.joined(PROBE).await;
    let mut call = running.joined_call(&who, &granted, PROBE).await;
    assert!(matches!(call.hear().await, Some(FromCollector::Plan(_))));
    let early = renew(&call, &who.request).await;
    assert_eq!(early, Err(Denial::TooOften));
    let age = |roll: &mut identity::Roll| {
        let record = roll.probes.get_mut(PROBE).unwrap();
        for issued in &mut record.certificates {
            (issued.issued, issued.until) = (issued.issued - DAY, issued.until - DAY);
        }
        Ok::<_, ()>(())
    };
    running.registry().change(age).unwrap().unwrap();
    let renewed = renew(&call, &who.request).await.unwrap();
    assert_ne!(renewed.chain[0], granted.chain[0]);
    call.say(&batch(1, PATH, 0..3)).await;
    assert_eq!(call.hear().await, Some(FromCollector::Stored(3)));
    for certificate in [&granted, &renewed] {
        let mut next = running.joined_call(&who, certificate, PROBE).await;
        assert!(matches!(next.hear().await, Some(FromCollector::Plan(_))));
    }
    let metrics = running.get("/metrics").await;
    running.counted(
        &metrics,
        "owl_collector_enrolments_total{result=\"renewed\"} 1",
    );
    enrolment::revoke(&running.config, PROBE).unwrap();
    Call::is_refused(call.hear().await, "was revoked");
}

#[tokio::test]
async fn what_was_made_by_hand_is_not_renewed() {
    let running = Running::start();
    let mut call = running.hello(PROBE, PROBE).await;
    assert!(matches!(call.hear().await, Some(FromCollector::Plan(_))));
    let answer = renew(&call, &Applicant::new().request).await;
    assert_eq!(answer, Err(Denial::NotOurs));
}

#[tokio::test]
async fn a_certificate_that_runs_out_ends_the_call() {
    let running = Running::start();
    let roster = Roster::open(running.registry()).unwrap();
    let standing = Standing::new(Passport {
        probe: PROBE.into(),
        signer: Signer::Given,
        until: now() + Nanos::from_millis(300),
    });
    let why = timeout(Duration::from_secs(5), standing.lost(&roster)).await;
    assert_eq!(why.unwrap(), "the certificate of yannan-ct has run out");
}
