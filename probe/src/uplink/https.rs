//! The uplink where UDP is blocked: the same messages, in the bodies of HTTPS requests.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use owl_measure::report::{FromCollector, FromProbe, MESSAGE_OCTETS_MAX};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::talk::Talk;
use super::{COLLECTOR_NAME, Shared, UplinkError};
use crate::config::Config;
use crate::enrolment::Renewing;

/// How long the collector is called this way before QUIC is tried again.
const FOR: Duration = Duration::from_secs(600);
/// From the call to the end of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(4);
/// From a request to its answer. The collector gives one up after a minute.
const ANSWER: Duration = Duration::from_secs(65);
/// A probe without news says hello so often, so that it is known to be there.
const HELLO: Duration = Duration::from_secs(10);
/// Octets of an answer: a plan, and many short words.
const ANSWER_OCTETS_MAX: usize = 4 * MESSAGE_OCTETS_MAX;

type Cause = Box<dyn Error + Send + Sync>;

/// One connection, until it breaks or it is time to try QUIC again.
pub(super) async fn connection(
    config: &Config,
    collector: SocketAddr,
    tls: &Arc<rustls::ClientConfig>,
    shared: &Shared,
    talk: &Talk<'_>,
) -> Result<(), UplinkError> {
    let lost = |source: Cause| UplinkError::Https { collector, source };
    let until = Instant::now() + FOR;
    let connect = async {
        let stream = TcpStream::connect(collector).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(COLLECTOR_NAME)?;
        let stream = TlsConnector::from(Arc::clone(tls))
            .connect(name, stream)
            .await?;
        Ok::<_, Cause>(http1::handshake(TokioIo::new(stream)).await?)
    };
    let connected = timeout(HANDSHAKE, connect).await;
    let (mut requests, connection) = connected
        .map_err(|_| lost("nobody answers".into()))?
        .map_err(lost)?;
    let converse = async {
        let mut renewing = Renewing::default();
        loop {
            let said = talk.next().await?;
            let silent = said.is_empty();
            let mut body = framed(&talk.hello());
            body.extend(said.iter().flat_map(framed));
            let answer = post(&mut requests, "/v1/reports", body)
                .await
                .map_err(lost)?;
            for message in messages(&answer).map_err(lost)? {
                talk.hear(message).await?;
            }
            let ask = async |question: Vec<u8>| post(&mut requests, "/v1/renewal", question).await;
            renewing.when_due(config, shared, ask).await;
            if silent {
                // Nothing to say is no error, and neither is the end of the wait.
                let hello = (Instant::now() + HELLO).min(until);
                let _ = timeout_at(hello, talk.wait()).await;
            }
            if Instant::now() >= until {
                return Ok(());
            }
        }
    };
    tokio::select! {
        ended = converse => ended,
        ended = connection => Err(lost(match ended {
            Ok(()) => "the collector hung up".into(),
            Err(error) => error.into(),
        })),
    }
}

/// Asks, and waits for the whole answer.
async fn post(
    requests: &mut SendRequest<Full<Bytes>>,
    path: &str,
    body: Vec<u8>,
) -> Result<Vec<u8>, Cause> {
    let request = Request::post(path)
        .header(header::HOST, COLLECTOR_NAME)
        .header(header::CONTENT_TYPE, "application/protobuf")
        .body(Full::new(body.into()))?;
    let asked = async {
        requests.ready().await?;
        let response = requests.send_request(request).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(format!("the collector answers {status}").into());
        }
        let body = Limited::new(response.into_body(), ANSWER_OCTETS_MAX);
        Ok(body.collect().await?.to_bytes().to_vec())
    };
    timeout(ANSWER, asked)
        .await
        .map_err(|_| "the collector does not answer")?
}

fn framed(message: &FromProbe) -> Vec<u8> {
    let message = message.encode();
    let length = u32::try_from(message.len()).expect("a batch is far below four gigabytes");
    [&length.to_be_bytes()[..], &message].concat()
}

/// The messages of an answer, each with its length before it.
fn messages(mut body: &[u8]) -> Result<Vec<FromCollector>, Cause> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = body.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length))?;
        let cut = rest.split_at_checked(length);
        let (message, rest) = cut.ok_or("the collector's answer is cut off")?;
        messages.push(FromCollector::decode(message)?);
        body = rest;
    }
    if body.is_empty() {
        Ok(messages)
    } else {
        Err("the collector's answer is cut off".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_messages_or_none() {
        let answer = b"\0\0\0\x02\x10\x07\0\0\0\x03\x0a\x01\x05";
        let read = messages(answer).unwrap();
        assert_eq!(
            read,
            [FromCollector::Stored(7), FromCollector::Plan(vec![5])]
        );
        assert_eq!(messages(b"").unwrap(), []);
        for end in [1, 5, 8, 12] {
            assert!(messages(&answer[..end]).is_err(), "{end}");
        }
        assert!(messages(&[0xFF; 40]).is_err());
    }
}
