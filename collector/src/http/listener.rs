//! Connections: how many, how long, and what they speak.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::access::Peer;

/// Connections open at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 256;
/// Connections of one other host at once; further ones of it are closed. This host, and a proxy on it, may have them all.
const CONNECTIONS_A_HOST: usize = 64;
/// From the first octet of a request's head to the last; also how long a connection may be quiet between requests.
const HEAD: Duration = Duration::from_secs(10);
/// Octets of a request's head; a longer one is answered with 431.
const HEAD_OCTETS_MAX: usize = 16_384;
/// Until TLS is agreed on.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A connection is closed after this, however slowly its peer reads.
const CONNECTION: Duration = Duration::from_secs(300);
/// Between two attempts to accept when the process has no descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How TLS begins: the type of a handshake record (RFC 8446, section 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Who is connected, counted by host.
#[derive(Debug, Default)]
struct Hosts(Mutex<HashMap<IpAddr, usize>>);

/// A host's place, until this is dropped.
struct Place {
    hosts: Arc<Hosts>,
    host: IpAddr,
}

impl Hosts {
    fn enter(self: &Arc<Self>, host: IpAddr) -> Option<Place> {
        let host = host.to_canonical();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(host).or_insert(0);
        if *count >= CONNECTIONS_A_HOST && !host.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Place {
            hosts: Arc::clone(self),
            host,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.hosts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.host);
            }
        }
    }
}

/// Serves `router` until `stop` is done; answers under way are cut off then.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
    stop: impl Future<Output = ()>,
) {
    let service = TowerToHyperService::new(router);
    let acceptor = tls.map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let hosts = Arc::new(Hosts::default());
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let accepted = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (accepted, place) = accepted => match accepted {
                Ok((stream, address)) => {
                    let Some(own) = hosts.enter(address.ip()) else { continue };
                    let (service, acceptor) = (service.clone(), acceptor.clone());
                    connections.spawn(async move {
                        let _places = (place, own);
                        let connection = speak(stream, address, service, acceptor);
                        if let Ok(Err(error)) = timeout(CONNECTION, connection).await {
                            debug!(%error, "an HTTP connection ended");
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

async fn speak(
    stream: TcpStream,
    address: SocketAddr,
    service: TowerToHyperService<Router>,
    acceptor: Option<TlsAcceptor>,
) -> io::Result<()> {
    let Some(acceptor) = acceptor else {
        let peer = Peer {
            address,
            tls: false,
        };
        return converse(stream, peer, service).await;
    };
    let mut first = [0];
    let peeked = timeout(HANDSHAKE, stream.peek(&mut first)).await;
    if peeked.map_err(io::Error::other)?? == 0 {
        return Ok(());
    }
    if first[0] != HANDSHAKE_RECORD {
        return hint(stream).await;
    }
    let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await;
    let stream = stream.map_err(io::Error::other)??;
    converse(stream, Peer { address, tls: true }, service).await
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    service: TowerToHyperService<Router>,
) -> io::Result<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_OCTETS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    connection.await.map_err(io::Error::other)
}

/// Says to who speaks HTTP that this is HTTPS. What was sent is not read: a password may be in it already.
async fn hint(mut stream: TcpStream) -> io::Result<()> {
    const BODY: &str = "this port speaks HTTPS: write https:// in front of the address\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    timeout(HANDSHAKE, stream.write_all(answer.as_bytes()))
        .await
        .map_err(io::Error::other)??;
    // Closed with unread octets, the kernel would reset the connection and the answer might not arrive.
    let mut rest = [0; 1_024];
    for _ in 0..HEAD_OCTETS_MAX / rest.len() {
        let read = timeout(Duration::from_millis(200), stream.readable()).await;
        match read {
            Ok(Ok(())) => match stream.try_read(&mut rest) {
                Ok(1..) => {}
                _ => break,
            },
            _ => break,
        }
    }
    stream.shutdown().await
}

#[cfg(test)]
mod tests;
