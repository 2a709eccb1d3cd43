//! The intake for probes whose UDP is blocked: the same messages, in the bodies of HTTPS requests on the same port.
//!
//! A request carries a hello and what the probe has to say; its answer is what
//! the collector would have said over QUIC. Nobody without a certificate comes
//! as far as a request.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use owl_measure::enrolment::{self, encode_answer};
use owl_measure::report::{FromCollector, Hello, MESSAGE_OCTETS_MAX};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use super::conversation::Conversation;
use super::enrolling::Standing;
use super::{CONNECTIONS_A_PROBE, CallError, Desk, HANDSHAKE, Presence, STRANGERS_MAX, grow};
use crate::identity::{self, Passport};

/// Octets of a request's body: two of the largest messages, and their small company.
const BODY_OCTETS_MAX: usize = 2 * MESSAGE_OCTETS_MAX + 65_536;
/// Messages in one request.
const MESSAGES_MAX: usize = 512;
/// Octets of a request's head.
const HEAD_OCTETS_MAX: usize = 16_384;
/// From the first octet of a head to the last; also how long a connection may be quiet between requests.
const HEAD: Duration = Duration::from_secs(30);
/// From the head of a request to the end of its body.
const BODY: Duration = Duration::from_secs(30);
/// From a request to its answer; a store that refuses for longer is tried again by the probe.
const ANSWER: Duration = Duration::from_secs(60);
/// Between two attempts to accept when the process has no descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

pub(super) struct Https {
    listener: std::net::TcpListener,
    acceptor: TlsAcceptor,
}

impl Https {
    pub(super) fn bind(address: SocketAddr, tls: Arc<rustls::ServerConfig>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            acceptor: tls.into(),
        })
    }

    /// Takes calls until it is dropped, and then drops those that are open.
    pub(super) async fn run(self, desk: Arc<Desk>) -> io::Result<Infallible> {
        let listener = TcpListener::from_std(self.listener)?;
        let probes = desk.plans.edition().released().topology.probes.len();
        let room = Arc::new(Semaphore::new(probes * CONNECTIONS_A_PROBE + STRANGERS_MAX));
        let grown = grow(desk.plans.changes(), Arc::clone(&room));
        tokio::pin!(grown);
        let mut calls = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                // Ended calls leave the set as they end, so it is never larger than the room.
                Some(_) = calls.join_next(), if !calls.is_empty() => continue,
                () = &mut grown => continue,
                accepted = listener.accept() => accepted,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    debug!(%error, "cannot accept a connection");
                    sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            // Further ones are closed at once: a probe tries again, and a stranger has lost nothing.
            match Arc::clone(&room).try_acquire_owned() {
                Ok(place) => {
                    let (desk, acceptor) = (Arc::clone(&desk), self.acceptor.clone());
                    calls.spawn(async move {
                        desk.answer_tcp(stream, from, &acceptor).await;
                        drop(place);
                    });
                }
                Err(_) => desk.refuse("no place is left"),
            }
        }
    }
}

/// One connection of a caller with a certificate.
struct Call<'a> {
    desk: &'a Desk,
    probe: &'a str,
    passport: Passport,
    standing: Standing,
    /// From the first hello on.
    open: Mutex<Option<Open<'a>>>,
}

struct Open<'a> {
    conversation: Conversation<'a>,
    epoch: u64,
    _presence: Presence<'a>,
}

impl Desk {
    async fn answer_tcp(&self, stream: TcpStream, from: SocketAddr, acceptor: &TlsAcceptor) {
        let Some(knock) = self.door.knock(from.ip(), Instant::now()) else {
            return self.own.refused.inc();
        };
        let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.refuse(&error.to_string()),
            Err(_) => return self.refuse("no handshake in time"),
        };
        let chain = stream.get_ref().1.peer_certificates();
        let leaf = chain.and_then(|chain| chain.first());
        let named = leaf.and_then(|leaf| identity::passport(leaf, &self.enrolling.authority));
        let Some(passport) = named else {
            return self.refuse("no certificate names the caller");
        };
        let roll = self.enrolling.roster.roll();
        if let Err(why) = roll.admits(&passport.probe, &passport.signer) {
            return self.refuse(&why);
        }
        knock.let_in();
        let probe = passport.probe.clone();
        let call = Call {
            desk: self,
            probe: &probe,
            standing: Standing::new(passport.clone()),
            passport,
            open: Mutex::new(None),
        };
        let answer = service_fn(|request| call.answer(request));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_OCTETS_MAX)
            .serve_connection(TokioIo::new(stream), answer);
        tokio::select! {
            _ = served => {}
            why = call.standing.lost(&self.enrolling.roster) => info!(probe, why, "a probe is let in no longer"),
        }
        if call.open.lock().await.is_some() {
            info!(probe, "a call over HTTPS ended");
        }
    }
}

impl<'a> Call<'a> {
    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let answered = timeout(ANSWER, async {
            let path = request.uri().path().to_owned();
            if request.method() != Method::POST {
                return plain(StatusCode::METHOD_NOT_ALLOWED);
            }
            let body = Limited::new(request.into_body(), BODY_OCTETS_MAX).collect();
            let body = match timeout(BODY, body).await {
                Ok(Ok(body)) => body.to_bytes(),
                Ok(Err(_)) => return plain(StatusCode::PAYLOAD_TOO_LARGE),
                Err(_) => return plain(StatusCode::REQUEST_TIMEOUT),
            };
            match path.as_str() {
                "/v1/reports" => self.reports(&body).await,
                "/v1/renewal" => self.renewal(&body).await,
                _ => plain(StatusCode::NOT_FOUND),
            }
        });
        let answered = answered.await;
        Ok(answered.unwrap_or_else(|_| plain(StatusCode::SERVICE_UNAVAILABLE)))
    }

    async fn renewal(&self, body: &[u8]) -> Response<Full<Bytes>> {
        if body.len() > enrolment::MESSAGE_OCTETS_MAX {
            return plain(StatusCode::PAYLOAD_TOO_LARGE);
        }
        match self.desk.renewed(body, &self.standing).await {
            Some((answer, _)) => octets(encode_answer(&answer)),
            None => plain(StatusCode::BAD_REQUEST),
        }
    }

    async fn reports(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let Some(messages) = messages(body) else {
            return plain(StatusCode::BAD_REQUEST);
        };
        let mut said = Vec::new();
        let mut open = self.open.lock().await;
        let ended = self.converse(&mut open, messages, &mut said).await;
        if let Err(error) = ended {
            let why = error.to_string();
            if open.take().is_none() {
                self.desk.refuse(&why);
            }
            said.push(FromCollector::Refusal(why));
        }
        octets(said.iter().flat_map(framed).collect())
    }

    async fn converse(
        &self,
        open: &mut Option<Open<'a>>,
        messages: Vec<&[u8]>,
        said: &mut Vec<FromCollector>,
    ) -> Result<(), CallError> {
        let mut messages = messages.into_iter();
        let hello = messages.next().ok_or(CallError::Silent)?;
        let hello = self
            .desk
            .known(self.probe, hello)
            .map_err(CallError::Refused)?;
        if open.as_ref().is_none_or(|open| open.epoch != hello.epoch) {
            // The one before it, of another spool, ends first.
            *open = None;
            *open = Some(self.begin(&hello, said).await?);
        }
        let Some(Open { conversation, .. }) = open else {
            return Err(CallError::Silent);
        };
        said.extend(conversation.news());
        for message in messages {
            said.extend(conversation.hear(message.to_vec()).await?);
        }
        Ok(())
    }

    async fn begin(
        &self,
        hello: &Hello,
        said: &mut Vec<FromCollector>,
    ) -> Result<Open<'a>, CallError> {
        let until = self.passport.until;
        let presence = Presence::enter(&self.desk.live, self.probe, hello.epoch, until)
            .map_err(CallError::Refused)?;
        info!(
            probe = self.probe,
            software = hello.software,
            simulated = hello.simulated,
            "a probe called over HTTPS"
        );
        let mut conversation = Conversation::new(self.desk, self.probe, hello);
        said.extend(conversation.greeting());
        said.extend(conversation.called(hello).await);
        Ok(Open {
            conversation,
            epoch: hello.epoch,
            _presence: presence,
        })
    }
}

/// The messages of a body, each with its length before it; `None` when it is no such body.
fn messages(mut body: &[u8]) -> Option<Vec<&[u8]>> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = body.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        if length > MESSAGE_OCTETS_MAX || messages.len() >= MESSAGES_MAX {
            return None;
        }
        let (message, rest) = rest.split_at_checked(length)?;
        messages.push(message);
        body = rest;
    }
    body.is_empty().then_some(messages)
}

fn framed(message: &FromCollector) -> Vec<u8> {
    let message = message.encode();
    let length = u32::try_from(message.len())
        .expect("the collector's own messages are plans and short answers");
    [&length.to_be_bytes()[..], &message].concat()
}

fn octets(body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    let kind = header::HeaderValue::from_static("application/protobuf");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_whole_messages_and_nothing_else() {
        let body = b"\0\0\0\x02ab\0\0\0\0\0\0\0\x01c";
        let read: Vec<&[u8]> = vec![b"ab", b"", b"c"];
        assert_eq!(messages(body), Some(read));
        assert_eq!(messages(b""), Some(vec![]));
        for end in [1, 3, 5, 7, 14] {
            assert_eq!(messages(&body[..end]), None, "{end}");
        }
        assert_eq!(messages(&[0xFF; 64]), None);
        let many = [0; 4 * (MESSAGES_MAX + 1)];
        assert_eq!(messages(&many), None);
    }
}
