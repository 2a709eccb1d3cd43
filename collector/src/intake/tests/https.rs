//! Over TLS on TCP, as probes call whose UDP is blocked.

use owl_measure::report::Numbers;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

struct Client(TlsStream<tokio::net::TcpStream>);

impl Client {
    /// A caller with a certificate of `by`, or none.
    async fn call(running: &Running, by: Option<&Authority>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(running.authority.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let tls = match by {
            None => tls.with_no_client_auth(),
            Some(by) => {
                let (certificate, key) = by.sign(PROBE);
                let key = PrivatePkcs8KeyDer::from(key.serialize_der());
                let chain = vec![certificate.der().clone()];
                tls.with_client_auth_cert(chain, key.into()).unwrap()
            }
        };
        let stream = tokio::net::TcpStream::connect(running.addresses.intake).await?;
        let name = ServerName::try_from("collector.test").unwrap();
        let connector = TlsConnector::from(Arc::new(tls));
        Ok(Self(connector.connect(name, stream).await?))
    }

    /// The status and the body of an answer.
    async fn ask(&mut self, request: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let head = format!(
            "{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.0.write_all(head.as_bytes()).await?;
        self.0.write_all(body).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await?;
        Ok((status, body))
    }

    async fn say(&mut self, messages: &[FromProbe]) -> Vec<FromCollector> {
        let framed = |message: &FromProbe| {
            let octets = message.encode();
            [
                &u32::try_from(octets.len()).unwrap().to_be_bytes()[..],
                &octets,
            ]
            .concat()
        };
        let body: Vec<u8> = messages.iter().flat_map(framed).collect();
        let (status, answer) = self.ask("POST /v1/reports", &body).await.unwrap();
        assert_eq!(status, 200);
        let mut answer = &answer[..];
        let mut said = Vec::new();
        while let Some((length, rest)) = answer.split_first_chunk() {
            let (message, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
            said.push(FromCollector::decode(message).unwrap());
            answer = rest;
        }
        said
    }
}

fn hello_with_ranges(epoch: u64) -> FromProbe {
    let FromProbe::Hello(hello) = hello_of(PROBE, epoch) else {
        panic!("a hello")
    };
    FromProbe::Hello(Hello {
        abilities: Abilities::OURS,
        ..hello
    })
}

#[tokio::test]
async fn the_same_messages_get_the_same_answers_and_the_plan_comes_once() {
    let running = Running::start();
    let mut client = Client::call(&running, Some(&running.authority))
        .await
        .unwrap();
    let said = client
        .say(&[hello_with_ranges(7), batch(3, PATH, 2..4)])
        .await;
    let numbers = |first, count| Numbers {
        epoch: 7,
        first,
        count,
    };
    assert_eq!(said[0], FromCollector::Welcome(Abilities::OURS));
    assert!(matches!(said[1], FromCollector::Order(_)));
    assert_eq!(said[2], FromCollector::Highest(0));
    assert_eq!(said[3], FromCollector::Taken(numbers(3, 2)));
    assert_eq!(said[4..], [FromCollector::Again(numbers(1, 2))]);
    let metrics = running.get("/metrics").await;
    running.counted(&metrics, "owl_probe_up{probe=\"yannan-ct\"} 1");
    let said = client
        .say(&[hello_with_ranges(7), batch(1, PATH, 0..2)])
        .await;
    assert_eq!(said, [FromCollector::Taken(numbers(1, 2))]);
    assert_eq!(client.say(&[hello_with_ranges(7)]).await, []);

    // Over QUIC the same reports are known, and another epoch beside a live call is refused either way.
    let mut call = running.hello(PROBE, PROBE).await;
    assert!(matches!(call.hear().await, Some(FromCollector::Plan(_))));
    call.say(&batch(1, PATH, 0..4)).await;
    assert_eq!(call.hear().await, Some(FromCollector::Stored(4)));
    let said = client.say(&[hello_with_ranges(8)]).await;
    Call::is_refused(said.into_iter().next(), "another probe calls itself");
}

#[tokio::test]
async fn nobody_without_the_right_certificate_comes_as_far_as_a_request() {
    let running = Running::start();
    let stranger = Authority::new();
    for by in [None, Some(&stranger)] {
        // In TLS 1.3 a client hears of its certificate's refusal with the first answer (RFC 8446, section 4.4.2.4).
        let asked = async {
            let mut client = Client::call(&running, by).await?;
            client.ask("POST /v1/reports", b"").await
        };
        assert!(asked.await.is_err());
    }
    let mut client = Client::call(&running, Some(&running.authority))
        .await
        .unwrap();
    let other = FromProbe::Hello(match hello(FOREIGN) {
        FromProbe::Hello(hello) => hello,
        _ => panic!("a hello"),
    });
    Call::is_refused(
        client.say(&[other]).await.into_iter().next(),
        "the certificate is",
    );
}

#[tokio::test]
async fn what_is_no_such_request_is_told_so() {
    let running = Running::start();
    let mut client = Client::call(&running, Some(&running.authority))
        .await
        .unwrap();
    let long = vec![0; 3 << 20];
    let cases: [(&str, &[u8], u16); 4] = [
        ("GET /v1/reports", b"", 405),
        ("POST /v1/nothing", b"", 404),
        ("POST /v1/reports", b"\0\0\0\x09x", 400),
        ("POST /v1/renewal", b"x", 400),
    ];
    for (request, body, expected) in cases {
        let (status, _) = client.ask(request, body).await.unwrap();
        assert_eq!(status, expected, "{request}");
    }
    // It stops reading, and who goes on writing may lose the connection before he hears why.
    if let Ok((status, _)) = client.ask("POST /v1/reports", &long).await {
        assert_eq!(status, 413);
    }
}
