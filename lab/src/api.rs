//! What the lab asks its collector over HTTP.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use owl_measure::delay::OneWayDelay;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{EvidenceClass, Reason, State};
use owl_measure::words::Lang;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Connecting, and each read, may take this long: both ends are on this machine.
const PATIENCE: Duration = Duration::from_secs(2);
/// A longer answer is cut off and then cannot be read, which is a failed query.
const OCTETS_MAX: u64 = 64 << 20;

/// A verdict as the collector tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Told {
    /// The path.
    pub path: String,
    /// The target it was held against.
    #[serde(rename = "target_ns")]
    pub target: Nanos,
    /// Met, missed or undecided.
    pub state: State,
    /// Why undecided.
    pub reason: Option<Reason>,
    /// A sentence on that.
    pub detail: Option<String>,
    /// How good the evidence is, when decided.
    pub evidence: Option<EvidenceClass>,
    /// The interval of the judged quantile.
    pub delay: Option<OneWayDelay>,
    /// When the window began.
    #[serde(rename = "window_start_ns")]
    pub window_start: Timestamp,
    /// How long it is.
    #[serde(rename = "window_ns")]
    pub window: Nanos,
    /// When it was judged; later again when reports come late.
    #[serde(rename = "judged_at_ns")]
    pub judged_at: Timestamp,
    /// Packets sent.
    pub sent: u64,
    /// Packets whose delay is known.
    pub received: u64,
    /// `opposite` when the session of the opposite path was judged, because the own one did not report.
    #[serde(default)]
    pub seat: Option<String>,
}

#[derive(Deserialize)]
struct Verdicts {
    verdicts: Vec<Told>,
}

/// A finding of the collector's audits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Found {
    /// What is wrong, as a code.
    pub kind: String,
    /// With which probe, or between which two.
    pub subject: String,
    /// Whether it went on to the end.
    pub open: bool,
    /// What, since when, how sure, what to look at.
    pub sentence: String,
}

#[derive(Deserialize)]
struct Findings {
    findings: Vec<Found>,
}

/// What the store holds of a probe's reports.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct StoredOf {
    pub(crate) probe: String,
    pub(crate) epoch: u64,
    pub(crate) rows: u64,
}

#[derive(Deserialize)]
struct Stored {
    probes: Vec<StoredOf>,
}

/// A collector on this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Collector {
    pub(crate) http: SocketAddr,
    /// In which language it gives reasons.
    pub(crate) lang: Lang,
}

impl Collector {
    /// Whether it serves.
    pub(crate) fn is_up(&self) -> bool {
        self.get("/healthz").is_ok()
    }

    /// The verdicts on windows that begin then or later.
    pub(crate) fn verdicts(&self, since: Timestamp) -> io::Result<Vec<Told>> {
        let all: Verdicts = self.json(&format!(
            "/api/v1/verdicts?since={}&limit=10000&lang={}",
            since.0,
            self.lang.tag()
        ))?;
        Ok(all.verdicts)
    }

    /// What its audits found, up to a hundred of them.
    pub(crate) fn findings(&self) -> io::Result<Vec<Found>> {
        let lang = self.lang.tag();
        let all: Findings = self.json(&format!("/api/v1/findings?limit=100&lang={lang}"))?;
        Ok(all.findings)
    }

    /// What is stored of each probe.
    pub(crate) fn stored(&self) -> io::Result<Vec<StoredOf>> {
        let all: Stored = self.json("/api/v1/store")?;
        Ok(all.probes)
    }

    fn json<T: DeserializeOwned>(&self, path: &str) -> io::Result<T> {
        serde_json::from_str(&self.get(path)?).map_err(io::Error::other)
    }

    /// HTTP/1.0, so that the body is never chunked and ends with the connection.
    fn get(&self, path: &str) -> io::Result<String> {
        let mut connection = TcpStream::connect_timeout(&self.http, PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.http
        );
        connection.write_all(request.as_bytes())?;
        let mut octets = Vec::new();
        connection.take(OCTETS_MAX).read_to_end(&mut octets)?;
        let answer = String::from_utf8(octets).map_err(io::Error::other)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::InvalidData)?;
        match head.split(' ').nth(1) {
            Some("200") => Ok(body.to_owned()),
            status => Err(io::Error::other(format!(
                "{path}: HTTP status {}",
                status.unwrap_or("missing")
            ))),
        }
    }
}
