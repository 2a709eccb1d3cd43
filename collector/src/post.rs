//! The way to a receiver: POST over one HTTP/1.1 connection that is kept while it works.

mod destination;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use data_encoding::BASE64;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use self::destination::Login;
pub(crate) use self::destination::{Destination, Named};

/// For one request, from connecting to the last octet of its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of what a receiver says to a request that it does not take.
const SAID_OCTETS_MAX: usize = 1_024;
/// A secret is a line.
const SECRET_OCTETS_MAX: u64 = 65_536;
/// The longest wait that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Taken,
    /// It never will be: a 4xx, and what was said with it.
    Refused {
        status: StatusCode,
        said: String,
    },
    /// Another time, after so long if the receiver said so.
    Later {
        why: String,
        after: Option<Duration>,
    },
}

pub(crate) struct Post {
    destination: Destination,
    open: Option<SendRequest<Body>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("cannot read {file}: {source}")]
    File { file: String, source: io::Error },
    #[error("cannot use the authorities of {file}: {why}")]
    Authorities { file: String, why: String },
    #[error("cannot connect: {0}")]
    Connect(#[from] io::Error),
    #[error("cannot speak HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("no answer within 30 s")]
    Silent,
}

impl Post {
    pub(crate) fn to(destination: Destination) -> Self {
        Self {
            destination,
            open: None,
        }
    }

    /// Sends one request with these headers, `Content-Type` among them, and waits for what becomes of it: half a minute at most.
    pub(crate) async fn send(&mut self, headers: &HeaderMap, octets: Vec<u8>) -> Outcome {
        let answered = timeout(PATIENCE, self.ask(headers, octets.into())).await;
        let outcome = answered.unwrap_or(Err(LinkError::Silent));
        outcome.unwrap_or_else(|error| {
            self.open = None;
            Outcome::Later {
                why: error.to_string(),
                after: None,
            }
        })
    }

    async fn ask(&mut self, headers: &HeaderMap, octets: Bytes) -> Result<Outcome, LinkError> {
        // A receiver may have closed the connection while it was quiet: then the request is sent over a new one.
        if let Some(open) = self.open.take() {
            let again = self
                .exchange(open, self.request(headers, octets.clone())?)
                .await;
            if again.is_ok() {
                return again;
            }
        }
        let open = self.connect().await?;
        self.exchange(open, self.request(headers, octets)?).await
    }

    async fn exchange(
        &mut self,
        mut open: SendRequest<Body>,
        request: Request<Body>,
    ) -> Result<Outcome, LinkError> {
        open.ready().await?;
        let answer = open.send_request(request).await?;
        let (head, body) = answer.into_parts();
        let said = to_bytes(Body::new(body), SAID_OCTETS_MAX).await;
        // Who says more than that is not read to the end, and its connection not used again.
        if said.is_ok() {
            self.open = Some(open);
        }
        if head.status.is_success() {
            return Ok(Outcome::Taken);
        }
        let said = said.unwrap_or_default();
        let said: String = String::from_utf8_lossy(&said)
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        if head.status.is_client_error() && head.status != StatusCode::TOO_MANY_REQUESTS {
            return Ok(Outcome::Refused {
                status: head.status,
                said,
            });
        }
        let after = head.headers.get(header::RETRY_AFTER);
        let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
        Ok(Outcome::Later {
            why: format!("{}: {said}", head.status),
            after: after.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX)),
        })
    }

    fn request(&self, headers: &HeaderMap, octets: Bytes) -> Result<Request<Body>, LinkError> {
        let url = &self.destination.url;
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let host = url.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::post(path)
            .header(header::HOST, host)
            .header(
                header::USER_AGENT,
                concat!("owl/", env!("CARGO_PKG_VERSION")),
            )
            .body(Body::from(octets))
            .expect("a path and a host of a URL make a request");
        request.headers_mut().extend(headers.clone());
        if let Some(login) = self.login()? {
            request.headers_mut().insert(header::AUTHORIZATION, login);
        }
        Ok(request)
    }

    /// Read for each request, so that a new secret needs no restart.
    fn login(&self) -> Result<Option<HeaderValue>, LinkError> {
        let (text, file) = match &self.destination.login {
            Login::Open => return Ok(None),
            Login::Token(file) => (
                read_secret(file).map(|token| format!("Bearer {token}")),
                file,
            ),
            Login::Basic(file) => {
                let login = read_secret(file);
                (
                    login.map(|login| format!("Basic {}", BASE64.encode(login.as_bytes()))),
                    file,
                )
            }
        };
        let fault = |source| LinkError::File {
            file: file.display().to_string(),
            source,
        };
        let text = text.map_err(fault)?;
        let mut value = HeaderValue::try_from(text)
            .map_err(|_| fault(io::Error::other("it holds more than one line of text")))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn connect(&self) -> Result<SendRequest<Body>, LinkError> {
        let url = &self.destination.url;
        let secure = url.scheme_str() == Some("https");
        // Square brackets belong to the address of a URL and to no name.
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        if !secure {
            return handshake(TokioIo::new(stream)).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = TlsConnector::from(Arc::new(self.tls()?));
        handshake(TokioIo::new(tls.connect(name, stream).await?)).await
    }

    fn tls(&self) -> Result<ClientConfig, LinkError> {
        let file = &self.destination.ca;
        let fault = |why: String| LinkError::Authorities {
            file: file.display().to_string(),
            why,
        };
        let mut roots = RootCertStore::empty();
        let found =
            CertificateDer::pem_file_iter(file).map_err(|error| fault(error.to_string()))?;
        roots.add_parsable_certificates(found.flatten());
        if roots.is_empty() {
            return Err(fault("there is none".into()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| fault(error.to_string()))?;
        Ok(tls.with_root_certificates(roots).with_no_client_auth())
    }
}

async fn handshake<T>(stream: T) -> Result<SendRequest<Body>, LinkError>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (open, connection) = http1::handshake(stream).await?;
    // Ends with the one who sends; what went wrong is told there.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(open)
}

/// The one line of a file that holds a secret.
///
/// # Errors
/// When it cannot be read, or is larger than any secret.
pub(crate) fn read_secret(file: &std::path::Path) -> io::Result<String> {
    if std::fs::metadata(file)?.len() > SECRET_OCTETS_MAX {
        return Err(io::Error::other("it is larger than any secret"));
    }
    Ok(std::fs::read_to_string(file)?.trim().to_owned())
}
