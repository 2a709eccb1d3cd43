//! Hostile callers, a thousand at once, each again and again.

use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use quinn::Endpoint;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::honest::{quic, trusting};

/// How long one of them is held at most.
const HELD: Duration = Duration::from_secs(30);
/// Between two of one caller: nobody dials faster.
const AGAIN: Duration = Duration::from_millis(100);

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Garbage,
    HalfOpen,
    Stranger,
    Slow,
    Idle,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Garbage,
        Self::HalfOpen,
        Self::Stranger,
        Self::Slow,
        Self::Idle,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::HalfOpen => "half-open",
            Self::Stranger => "stranger",
            Self::Slow => "slow",
            Self::Idle => "idle",
        }
    }

    pub(crate) fn said(self) -> &'static str {
        match self {
            Self::Garbage => "garbage datagrams, two a second each",
            Self::HalfOpen => "QUIC handshakes left half open",
            Self::Stranger => "QUIC with another authority's certificate",
            Self::Slow => "TLS over TCP, an octet a second",
            Self::Idle => "QUIC without a certificate, silent",
        }
    }
}

/// Attacks until it is killed.
pub(crate) async fn run(
    kind: Kind,
    intake: SocketAddr,
    ca: &Path,
    connections: usize,
    addresses: u8,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["p-north".to_owned()])?.self_signed(&key)?;
    let foreign = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let stranger = trusting(ca)?.with_client_auth_cert(vec![certificate.der().clone()], foreign)?;
    let client = match kind {
        Kind::Stranger => quic(stranger, b"owl/1")?,
        // Who wants to join may be without a certificate, and is waited for.
        _ => quic(trusting(ca)?.with_no_client_auth(), b"owl-join/1")?,
    };
    let mut callers = JoinSet::new();
    for caller in 0..connections {
        let client = client.clone();
        let host = 1 + (caller % usize::from(addresses.max(1))) as u8;
        let from = SocketAddr::from(([127, 1, 0, host], 0));
        callers.spawn(async move {
            loop {
                // However it ends, the next one follows.
                let _ = match kind {
                    Kind::Garbage => garbage(from, intake).await,
                    Kind::HalfOpen => half_open(from, intake, &client).await,
                    Kind::Stranger | Kind::Idle => held(from, intake, &client).await,
                    Kind::Slow => slow(from, intake).await,
                };
                sleep(AGAIN).await;
            }
        });
    }
    while callers.join_next().await.is_some() {}
    Ok(())
}

async fn garbage(from: SocketAddr, intake: SocketAddr) -> Result<(), Failure> {
    let socket = UdpSocket::bind(from).await?;
    let mut datagram = [0; 1_200];
    for _ in 0..60 {
        for octets in datagram.chunks_mut(8) {
            octets.copy_from_slice(&RandomState::new().hash_one(0).to_ne_bytes());
        }
        // A long header of QUIC's first version (RFC 9000, section 17.2), and nothing that follows from it.
        datagram[..5].copy_from_slice(&[0xC3, 0, 0, 0, 1]);
        socket.send_to(&datagram, intake).await?;
        sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// A client that answers for its address and then falls silent: a relay carries its first datagrams and no more.
async fn half_open(
    from: SocketAddr,
    intake: SocketAddr,
    client: &quinn::ClientConfig,
) -> Result<(), Failure> {
    const CARRIED: usize = 2;
    let inside = UdpSocket::bind("127.0.0.1:0").await?;
    let outside = UdpSocket::bind(from).await?;
    outside.connect(intake).await?;
    let endpoint = Endpoint::client("127.0.0.1:0".parse()?)?;
    let connecting =
        endpoint.connect_with(client.clone(), inside.local_addr()?, "owl-collector")?;
    let mut datagram = [0; 2_048];
    let relay = async {
        for _ in 0..CARRIED {
            let (length, near) = inside.recv_from(&mut datagram).await?;
            outside.send(&datagram[..length]).await?;
            let length = outside.recv(&mut datagram).await?;
            inside.send_to(&datagram[..length], near).await?;
        }
        sleep(HELD).await;
        Ok::<_, Failure>(())
    };
    let relayed = timeout(HELD, relay).await;
    drop(connecting);
    relayed?
}

async fn held(
    from: SocketAddr,
    intake: SocketAddr,
    client: &quinn::ClientConfig,
) -> Result<(), Failure> {
    let endpoint = Endpoint::client(from)?;
    let connecting = endpoint.connect_with(client.clone(), intake, "owl-collector")?;
    let connection = timeout(HELD, connecting).await??;
    let _ = timeout(HELD, connection.closed()).await;
    Ok(())
}

async fn slow(from: SocketAddr, intake: SocketAddr) -> Result<(), Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    let mut stream = socket.connect(intake).await?;
    // The begin of a TLS record of a handshake that is 512 octets long (RFC 8446, section 5.1).
    for octet in [0x16, 3, 1, 2, 0].into_iter().chain([1; 25]) {
        stream.write_all(&[octet]).await?;
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
