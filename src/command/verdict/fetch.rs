//! One GET from a running collector: one answer, the connection closed.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// Connecting, and each read, may take this long; the collector itself gives up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// A month of a thousand paths under one profile is below this; a longer answer is none.
const OCTETS_MAX: u64 = 64 << 20;

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
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]%".contains(c);
        if matches!(port, Some(Ok(_))) && authority.chars().all(plain) {
            Ok(Self {
                authority: authority.to_owned(),
            })
        } else {
            Err("write http://HOST:PORT; the collector itself speaks no TLS".to_owned())
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
    ) -> Result<(u16, String), FetchError> {
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
            .collect();
        self.fetch(&format!("{path}?{}", query.join("&")))
            .map_err(|source| FetchError {
                authority: self.authority.clone(),
                source,
            })
    }

    /// HTTP/1.0, so that the body is never chunked and ends with the connection.
    fn fetch(&self, target: &str) -> io::Result<(u16, String)> {
        let authority = &self.authority;
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
