//! Asking a running collector over HTTP: one GET, one answer, the connection closed.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::str::FromStr;
use std::time::Duration;

use owl_collector::explain::{Explained, Question};
use owl_measure::words::Lang;
use serde::Deserialize;

/// Connecting, and each read, may take this long; the collector itself gives up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// An explanation of 256 reports is below 1 MiB; a longer answer is none.
const OCTETS_MAX: u64 = 16 << 20;

/// Where a collector serves HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Collector {
    /// HOST:PORT
    authority: String,
}

impl FromStr for Collector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let authority = text.strip_prefix("http://").unwrap_or(text);
        let authority = authority.trim_end_matches('/');
        let port = authority
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        if matches!(port, Some(Ok(_))) && !authority.contains('/') {
            Ok(Self {
                authority: authority.to_owned(),
            })
        } else {
            Err("write http://HOST:PORT; the collector itself speaks no TLS".to_owned())
        }
    }
}

/// Why a collector explained nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// No answer came.
    #[error("cannot ask {authority}")]
    Connection {
        /// The collector.
        authority: String,
        /// Why.
        source: io::Error,
    },
    /// An answer came that is none of a collector.
    #[error("cannot ask {authority}: its answer is none of a collector of this version")]
    Strange {
        /// The collector.
        authority: String,
    },
    /// The collector said why it explains nothing.
    #[error("{error}")]
    Refused {
        /// HTTP's.
        status: u16,
        /// What it said.
        error: String,
        /// And what there is instead.
        hint: Option<String>,
    },
}

impl AskError {
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. } => hint.clone(),
            Self::Connection { .. } => Some(
                "--collector takes the address of `http` in the collector's configuration; --store DIR needs no collector"
                    .to_owned(),
            ),
            Self::Strange { .. } => None,
        }
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    hint: Option<String>,
}

/// Has a verdict explained.
pub(super) fn ask(
    collector: &Collector,
    question: &Question,
    lang: Lang,
) -> Result<Explained, AskError> {
    let authority = &collector.authority;
    let profile = question.profile.iter();
    let query: String = [("path", &question.path), ("at", &question.at.to_string())]
        .into_iter()
        .chain(profile.map(|profile| ("profile", profile)))
        .map(|(name, value)| format!("{name}={}&", percent_encoded(value)))
        .collect();
    let target = format!("/api/v1/verdicts/explain?{query}lang={}", lang.tag());
    let (status, body) = get(authority, &target).map_err(|source| AskError::Connection {
        authority: authority.clone(),
        source,
    })?;
    let strange = || AskError::Strange {
        authority: authority.clone(),
    };
    if status == 200 {
        return serde_json::from_str(&body).map_err(|_| strange());
    }
    let Refusal { error, hint } = serde_json::from_str(&body).map_err(|_| strange())?;
    Err(AskError::Refused {
        status,
        error,
        hint,
    })
}

/// HTTP/1.0, so that the body is never chunked and ends with the connection.
fn get(authority: &str, target: &str) -> io::Result<(u16, String)> {
    let no_address = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let address = authority.to_socket_addrs()?.next().ok_or_else(no_address)?;
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let request =
        format!("GET {target} HTTP/1.0\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut octets = Vec::new();
    connection.take(OCTETS_MAX).read_to_end(&mut octets)?;
    let answer = String::from_utf8(octets).map_err(io::Error::other)?;
    let parts = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    });
    parts.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is no HTTP"))
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
            ("https://collector:443", None),
            ("http://collector", None),
            ("http://collector:80/api", None),
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
