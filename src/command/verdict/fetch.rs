//! One GET from a running collector: one answer, the connection closed.
//!
//! Over TLS when the address says so; the authorities to believe are given, as
//! the collector's own is none that a host knows.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::Deserialize;

/// Connecting, and each read, may take this long; the collector itself gives up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// A month of a thousand paths under one profile is below this; a longer answer is none.
const OCTETS_MAX: u64 = 64 << 20;

/// Octets of a file with authorities or with a token.
const FILE_OCTETS_MAX: u64 = 1 << 20;

/// Where a collector serves its pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Collector {
    /// HOST:PORT
    authority: String,
    tls: bool,
}

/// How a collector that does not answer to everybody is asked.
#[derive(Debug, clap::Args)]
pub(super) struct WayIn {
    /// Authorities to believe when the address is https (PEM), as `owl collector authority` prints the collector's own
    #[arg(long, value_name = "FILE", requires = "collector")]
    ca: Option<PathBuf>,
    /// Token to show, the first line of FILE; `owl collector token add` makes one
    #[arg(long, value_name = "FILE", requires = "collector")]
    token_file: Option<PathBuf>,
}

impl FromStr for Collector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (tls, authority) = match text.strip_prefix("https://") {
            Some(authority) => (true, authority),
            None => (false, text.strip_prefix("http://").unwrap_or(text)),
        };
        let authority = authority.trim_end_matches('/');
        let port = authority
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]%".contains(c);
        if matches!(port, Some(Ok(_))) && authority.chars().all(plain) {
            Ok(Self {
                authority: authority.to_owned(),
                tls,
            })
        } else {
            Err("write http://HOST:PORT or https://HOST:PORT".to_owned())
        }
    }
}

/// No answer came, or none of HTTP.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask {authority}")]
pub(super) struct FetchError {
    authority: String,
    source: io::Error,
}

/// What a collector says instead of an answer (RFC 9457).
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    title: String,
    detail: Option<String>,
    pub(super) hint: Option<String>,
}

impl Refusal {
    /// As precisely as it is said.
    pub(super) fn said(self) -> String {
        self.detail.unwrap_or(self.title)
    }
}

impl Collector {
    /// The status and the body of what `path` with these words of a query answers.
    pub(super) fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        way_in: &WayIn,
    ) -> Result<(u16, String), FetchError> {
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
            .collect();
        self.fetch(&format!("{path}?{}", query.join("&")), way_in)
            .map_err(|source| FetchError {
                authority: self.authority.clone(),
                source,
            })
    }

    /// HTTP/1.0, so that the body is never chunked and ends with the connection.
    fn fetch(&self, target: &str, way_in: &WayIn) -> io::Result<(u16, String)> {
        let authority = &self.authority;
        let token = match &way_in.token_file {
            Some(file) => format!("Authorization: Bearer {}\r\n", token(file)?),
            None => String::new(),
        };
        let tls = self.tls.then(|| self.tls(way_in)).transpose()?;
        let no_address = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let address = authority.to_socket_addrs()?.next().ok_or_else(no_address)?;
        let connection = TcpStream::connect_timeout(&address, PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        let request = format!(
            "GET {target} HTTP/1.0\r\nHost: {authority}\r\n{token}Connection: close\r\n\r\n"
        );
        let octets = match tls {
            Some(tls) => answer(StreamOwned::new(tls, connection), &request)?,
            None => answer(connection, &request)?,
        };
        let answer = String::from_utf8(octets).map_err(io::Error::other)?;
        let parts = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
            let status = head.split(' ').nth(1)?.parse().ok()?;
            Some((status, body.to_owned()))
        });
        parts.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is no HTTP"))
    }

    fn tls(&self, way_in: &WayIn) -> io::Result<ClientConnection> {
        let no_ca = "https needs --ca FILE: the authorities to believe";
        let file = way_in.ca.as_ref().ok_or_else(|| io::Error::other(no_ca))?;
        let mut roots = RootCertStore::empty();
        let found = CertificateDer::pem_slice_iter(text(file)?.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| of_file(file, error))?;
        for authority in found {
            roots.add(authority).map_err(|error| of_file(file, error))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = self.authority.rsplit_once(':').map_or("", |(host, _)| host);
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)
    }
}

fn answer(mut stream: impl Read + Write, request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    let mut octets = Vec::new();
    stream.take(OCTETS_MAX).read_to_end(&mut octets)?;
    Ok(octets)
}

fn of_file(file: &Path, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", file.display()))
}

fn text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read =
        File::open(file).and_then(|opened| opened.take(FILE_OCTETS_MAX).read_to_string(&mut text));
    read.map_err(|error| of_file(file, error))?;
    Ok(text)
}

/// The first line, which is to be one word: nothing else can stand in a head.
fn token(file: &Path) -> io::Result<String> {
    let text = text(file)?;
    let token = text.lines().next().unwrap_or_default().trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(of_file(file, "its first line is no token"));
    }
    Ok(token.to_owned())
}

/// A value of a query string: every octet but the unreserved ones of RFC 3986, section 2.3, as `%XX`.
fn percent_encoded(value: &str) -> String {
    value
        .bytes()
        .map(|octet| match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(octet).to_string()
            }
            _ => format!("%{octet:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_by_a_host_and_a_port() {
        for (text, authority) in [
            ("http://127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("http://[::1]:8080/", Some("[::1]:8080")),
            ("collector:80", Some("collector:80")),
            ("https://collector:443", Some("collector:443")),
            ("http://collector", None),
            ("http://collector:80/api", None),
            ("http://a b:80", None),
            ("http://a\r\nX:80", None),
        ] {
            let read = text.parse::<Collector>().ok();
            assert_eq!(
                read.as_ref().map(|c| c.authority.as_str()),
                authority,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_asked_keeps_its_meaning() {
        assert_eq!(percent_encoded("a~b+08:00&x"), "a~b%2B08%3A00%26x");
    }
}
