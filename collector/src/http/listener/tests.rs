//! Raw sockets against the listener.

use axum::Extension;
use axum::routing::get;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::*;
use crate::config::Transport;
use crate::http::certificate::{Certificate, tls};
use crate::identity::Authority;
use crate::now::now;

/// A listener that says over what it was called, and the authority that browsers have to believe.
async fn served(over_tls: bool) -> (SocketAddr, Arc<Authority>) {
    let authority = Authority::read(&Authority::make(now()).unwrap()).unwrap();
    let authority = Arc::new(authority);
    let transport = Transport::Own(vec!["owl.example".to_owned()]);
    let certificate = Certificate::open(transport, &authority).unwrap().unwrap();
    let config = over_tls.then(|| Arc::new(tls(certificate).unwrap()));
    let said = |Extension(peer): Extension<Peer>| async move { format!("tls {}", peer.tls) };
    let router = Router::new().route("/", get(said));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, router, config, std::future::pending()));
    (address, authority)
}

/// All that comes back for these octets, until the connection is closed.
async fn answer(address: SocketAddr, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Who is cut off while he still sends is told by the answer, not by this.
    let _ = stream.write_all(octets).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: owl.example\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn who_speaks_http_to_an_https_port_is_told_so() {
    let (address, _) = served(true).await;
    let told = answer(address, GET).await;
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
    assert!(told.contains("write https://"), "{told}");
}

#[tokio::test]
async fn a_browser_that_believes_the_authority_is_served_over_tls_1_3() {
    let (address, authority) = served(true).await;
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("owl.example").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    let version = stream.get_ref().1.protocol_version();
    assert_eq!(version, Some(rustls::ProtocolVersion::TLSv1_3));
    stream.write_all(GET).await.unwrap();
    let mut told = Vec::new();
    stream.read_to_end(&mut told).await.unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.ends_with("tls true"), "{told}");
}

#[tokio::test]
async fn what_is_no_tls_and_no_http_is_hung_up_on() {
    let (address, _) = served(true).await;
    let told = answer(address, b"\x16\x03\x01\x00\x05hello").await;
    assert!(!told.contains("HTTP"), "{told}");
    let (address, _) = served(false).await;
    let told = answer(address, &[0; 1_024]).await;
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 400"),
        "{told}"
    );
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let (address, _) = served(false).await;
    assert!(answer(address, GET).await.ends_with("tls false"));
    let mut long = b"GET / HTTP/1.1\r\nHost: owl.example\r\nX-Long: ".to_vec();
    long.resize(HEAD_OCTETS_MAX, b'x');
    let at_bound = [&long[..long.len() - 400], b"\r\nConnection: close\r\n\r\n"].concat();
    assert!(answer(address, &at_bound).await.ends_with("tls false"));
    long.resize(4 * HEAD_OCTETS_MAX, b'x');
    let told = answer(address, &long).await;
    assert!(!told.contains("tls false"), "{told}");
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 431"),
        "{told}"
    );
}

/// The clock stands still and jumps to the next deadline when nothing else is left to do.
#[tokio::test(start_paused = true)]
async fn who_says_nothing_or_half_a_head_is_hung_up_on() {
    for over_tls in [false, true] {
        let (address, _) = served(over_tls).await;
        for octets in [&b""[..], b"\x16\x03", b"GET / HT"] {
            if over_tls && octets.first() == Some(&b'G') {
                continue;
            }
            let began = tokio::time::Instant::now();
            answer(address, octets).await;
            let waited = began.elapsed();
            assert!(waited <= HEAD.max(HANDSHAKE) + HANDSHAKE, "{waited:?}");
        }
    }
}

#[test]
fn one_other_host_has_some_of_the_connections_and_this_host_may_have_all() {
    let hosts = Arc::new(Hosts::default());
    let enter = |text: &str| hosts.enter(text.parse().unwrap());
    let held: Vec<_> = (0..CONNECTIONS_A_HOST)
        .map(|_| enter("192.0.2.1"))
        .collect();
    assert!(held.iter().all(Option::is_some));
    assert!(enter("192.0.2.1").is_none() && enter("::ffff:192.0.2.1").is_none());
    assert!(enter("192.0.2.2").is_some());
    let own: Vec<_> = (0..CONNECTIONS_MAX).map(|_| enter("127.0.0.1")).collect();
    assert!(own.iter().all(Option::is_some));
    drop(held);
    assert!(enter("192.0.2.1").is_some());
    drop(own);
    assert!(hosts.0.lock().unwrap().is_empty(), "nobody is remembered");
}
