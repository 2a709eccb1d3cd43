//! The configuration of a collector, one TOML file.
//!
//! Names of files in it are relative to the file itself. A key that is not
//! known is an error, and every error says where in the file it is.

mod pages;
mod rollout;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Profile;
use owl_topology::{Diagnostics, Source, Topology};
use serde::Deserialize;
use toml::Spanned;
use tracing::warn;

use crate::alert::{AlertReceiver, AlertmanagerFile, WebhookFile};
use crate::remote_write::{Receiver, ReceiverFile};
use crate::store::{Place, PostgresAddress};
pub(crate) use pages::Transport;
pub use pages::{PageCertificate, Pages};
pub use rollout::RolloutSettings;

/// How long a report may be on its way.
const WAY: Nanos = Nanos::from_secs(2);
/// How long verdicts are kept, and what they were judged from, unless told otherwise: thirteen months.
const KEEP: Nanos = Nanos::from_secs(396 * 86_400);
/// How long reports are kept as they came unless told otherwise: a week.
const KEEP_REPORTS: Nanos = Nanos::from_secs(7 * 86_400);
/// How long summaries of five minutes are kept unless told otherwise: thirteen months.
const KEEP_FIVE_MINUTES: Nanos = Nanos::from_secs(396 * 86_400);
/// How long summaries of an hour are kept unless told otherwise: five years.
const KEEP_HOURS: Nanos = Nanos::from_secs(1_827 * 86_400);
/// The largest file that is read as configuration or topology, in octets.
const FILE_OCTETS_MAX: u64 = 16 << 20;

/// What a collector is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The network that it judges.
    pub topology: Topology,
    /// The texts that it was read from, with their names.
    pub texts: Vec<(String, String)>,
    /// Where they were read: a file or a directory; `None` for the built-in ones.
    pub topology_at: Option<PathBuf>,
    /// How a new topology reaches the probes.
    pub rollout: RolloutSettings,
    /// Its own directory: certificates, who is enrolled, and the store, unless that is elsewhere.
    pub state: PathBuf,
    /// Its store: in `state`, unless the configuration names a PostgreSQL.
    pub store: Place,
    /// Where probes call: UDP, for QUIC. Port 0 takes a free one.
    pub intake: SocketAddr,
    /// Where pages, metrics and the JSON API are served: TCP, for HTTP/1. Port 0 takes a free one.
    pub http: SocketAddr,
    /// How the pages are served, and to whom without a login.
    pub pages: Pages,
    /// Where probes reach the intake, when that is another address than it binds; it stands in tokens.
    pub reached_at: Option<SocketAddr>,
    /// Certificates that were made by hand; without them the collector's own authority signs its certificate, too.
    pub given: Option<GivenCertificates>,
    /// How long after a window's end the judge waits for reports.
    pub grace: Nanos,
    /// Judges every path instead of the profile that the topology names.
    pub profile: Option<Profile>,
    /// Judged windows are counted from this instant.
    pub aligned_to: Timestamp,
    /// How long verdicts are kept, and what they were judged from.
    pub keep: Nanos,
    /// How long reports are kept as they came; after that what judges read of them takes their place.
    pub keep_reports: Nanos,
    /// How long summaries of five minutes are kept.
    pub keep_five_minutes: Nanos,
    /// How long summaries of an hour are kept.
    pub keep_hours: Nanos,
    /// Who is sent metrics, besides those who scrape.
    pub remote_write: Vec<Receiver>,
    /// Who is told of alerts, besides those who look at the page.
    pub alert_receivers: Vec<AlertReceiver>,
}

/// Certificates that were made by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenCertificates {
    /// PEM file with the authorities that sign probes' certificates, and that signed this collector's.
    pub ca: PathBuf,
    /// PEM file with this collector's certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the private key of that certificate.
    pub key: PathBuf,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than any configuration.
    #[error("cannot read {file}: it is larger than {FILE_OCTETS_MAX} octets")]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// The text is not TOML, or a key is missing, unknown or of the wrong kind.
    #[error("{file}:{line}:{column}: {message}")]
    At {
        /// The name of the text.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// The topology has errors.
    #[error("cannot use the topology {name}")]
    Topology {
        /// Its file or directory.
        name: String,
        /// What was found.
        source: Box<Diagnostics>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    topology: Option<PathBuf>,
    state: PathBuf,
    store: Option<Spanned<String>>,
    intake: SocketAddr,
    http: SocketAddr,
    pages: Option<Spanned<pages::Table>>,
    reached_at: Option<SocketAddr>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    grace: Option<Spanned<Nanos>>,
    profile: Option<Spanned<String>>,
    aligned_to_ns: Option<i64>,
    keep: Option<Spanned<Nanos>>,
    keep_reports: Option<Spanned<Nanos>>,
    keep_five_minutes: Option<Spanned<Nanos>>,
    keep_hours: Option<Spanned<Nanos>>,
    #[serde(default)]
    remote_write: Vec<Spanned<ReceiverFile>>,
    #[serde(default)]
    alertmanager: Vec<Spanned<AlertmanagerFile>>,
    #[serde(default)]
    webhook: Vec<Spanned<WebhookFile>>,
    rollout: Option<Spanned<rollout::Table>>,
}

impl Config {
    /// Reads a configuration file and the topology that it names.
    ///
    /// # Errors
    /// When a file cannot be read or something in it is wrong.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = read_text(file)?;
        let base = file.parent().unwrap_or(Path::new(""));
        Self::parse(&file.display().to_string(), &text, base)
    }

    /// Reads a configuration from `text`, called `name` in errors; its file names are relative to `base`.
    ///
    /// # Errors
    /// When something in it, or in the topology that it names, is wrong.
    pub fn parse(name: &str, text: &str, base: &Path) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text)
            .map_err(|error| at(name, text, error.span(), error.message().to_owned()))?;
        let topology_at = file.topology.as_ref().map(|place| base.join(place));
        let (topology, texts) = match &topology_at {
            None => {
                warn!(
                    "the built-in topology is an illustration; its probes have documentation addresses (RFC 5737): name your own with `topology`"
                );
                let text = (
                    "yancheng.toml".to_owned(),
                    owl_topology::YANCHENG.to_owned(),
                );
                (Topology::yancheng(), vec![text])
            }
            Some(place) => read_topology(place)?,
        };
        let profile = file
            .profile
            .map(|id| match topology.profile(id.get_ref()) {
                Some(profile) => Ok(profile.profile.clone()),
                None => {
                    let known: Vec<&str> = topology
                        .profiles
                        .iter()
                        .map(|profile| profile.profile.id.as_str())
                        .collect();
                    let message = format!(
                        "no profile is called \"{}\"; there are {}",
                        id.get_ref(),
                        known.join(", ")
                    );
                    Err(at(name, text, Some(id.span()), message))
                }
            })
            .transpose()?;
        let span = |key: &str, given: Option<Spanned<Nanos>>, default: Nanos, range: Range<i64>| {
            match given {
                None => Ok(default),
                Some(span) if range.contains(&span.get_ref().0) => Ok(*span.get_ref()),
                Some(span) => {
                    let (least, most) = (Nanos(range.start), Nanos(range.end));
                    Err(at(
                        name,
                        text,
                        Some(span.span()),
                        format!("{key} lies between {least} and {most}"),
                    ))
                }
            }
        };
        // A year of grace or a millennium of retention are slips of the unit, not wishes.
        let grace = span(
            "grace",
            file.grace,
            default_grace(&topology),
            0..Nanos::from_secs(3_600).0,
        )?;
        let kept = Nanos::from_secs(60).0..Nanos::from_secs(20 * 366 * 86_400).0;
        let keep = span("keep", file.keep, KEEP, kept.clone())?;
        let keep_reports = span(
            "keep_reports",
            file.keep_reports,
            KEEP_REPORTS,
            kept.clone(),
        )?;
        let keep_five_minutes = span(
            "keep_five_minutes",
            file.keep_five_minutes,
            KEEP_FIVE_MINUTES,
            kept.clone(),
        )?;
        let keep_hours = span("keep_hours", file.keep_hours, KEEP_HOURS, kept)?;
        let given = match (file.ca, file.certificate, file.key) {
            (None, None, None) => None,
            (Some(ca), Some(certificate), Some(key)) => Some(GivenCertificates {
                ca: base.join(ca),
                certificate: base.join(certificate),
                key: base.join(key),
            }),
            _ => {
                let message = "ca, certificate and key belong together: give all three, or none and the collector signs its own";
                return Err(at(name, text, None, message.to_owned()));
            }
        };
        let pages = match file.pages {
            None => Pages::default(),
            Some(table) => {
                let span = table.span();
                let read = table.into_inner().read(base);
                read.map_err(|message| at(name, text, Some(span), message))?
            }
        };
        let state = base.join(file.state);
        let store = match file.store {
            None => Place::in_directory(&state),
            Some(address) => PostgresAddress::parse(address.get_ref())
                .map(Place::Postgres)
                .map_err(|error| at(name, text, Some(address.span()), format!("store: {error}")))?,
        };
        let receiver = |told: Spanned<ReceiverFile>| {
            let span = told.span();
            let read = told.into_inner().read(base);
            read.map_err(|message| at(name, text, Some(span), message))
        };
        let remote_write = file.remote_write.into_iter().map(receiver);
        let remote_write = remote_write.collect::<Result<Vec<_>, _>>()?;
        let alertmanagers = file.alertmanager.into_iter().map(|told| {
            let span = told.span();
            (span, told.into_inner().read(base))
        });
        let webhooks = file.webhook.into_iter().map(|told| {
            let span = told.span();
            (span, told.into_inner().read(base))
        });
        let alert_receivers = alertmanagers
            .chain(webhooks)
            .map(|(span, read)| read.map_err(|message| at(name, text, Some(span), message)))
            .collect::<Result<Vec<_>, _>>()?;
        let rollout = match file.rollout {
            None => RolloutSettings::default(),
            Some(table) => {
                let span = table.span();
                let read = table.into_inner().read();
                read.map_err(|message| at(name, text, Some(span), message))?
            }
        };
        Ok(Self {
            topology,
            texts,
            topology_at,
            rollout,
            state,
            store,
            intake: file.intake,
            http: file.http,
            pages,
            reached_at: file.reached_at,
            given,
            grace,
            profile,
            aligned_to: Timestamp(file.aligned_to_ns.unwrap_or(0)),
            keep,
            keep_reports,
            keep_five_minutes,
            keep_hours,
            remote_write,
            alert_receivers,
        })
    }
}

fn at(name: &str, text: &str, span: Option<Range<usize>>, message: String) -> ConfigError {
    let before = text
        .get(..span.map_or(0, |span| span.start))
        .unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    ConfigError::At {
        file: name.to_owned(),
        line,
        column,
        message,
    }
}

fn read_text(file: &Path) -> Result<String, ConfigError> {
    let fault = |source| ConfigError::Read {
        file: file.to_owned(),
        source,
    };
    if fs::metadata(file).map_err(fault)?.len() > FILE_OCTETS_MAX {
        return Err(ConfigError::TooLarge {
            file: file.to_owned(),
        });
    }
    fs::read_to_string(file).map_err(fault)
}

/// A topology from one file, or from every `*.toml` of a directory; with its texts.
pub(crate) fn read_topology(
    place: &Path,
) -> Result<(Topology, Vec<(String, String)>), ConfigError> {
    let fault = |source| ConfigError::Read {
        file: place.to_owned(),
        source,
    };
    let mut files = vec![place.to_owned()];
    if fs::metadata(place).map_err(fault)?.is_dir() {
        let entries = fs::read_dir(place)
            .map_err(fault)?
            .collect::<Result<Vec<_>, _>>()
            .map_err(fault)?;
        files = entries
            .into_iter()
            .map(|entry| entry.path())
            .filter(|file| file.extension().is_some_and(|e| e == "toml"))
            .collect();
    }
    let mut texts = Vec::new();
    for file in files {
        texts.push((file.display().to_string(), read_text(&file)?));
    }
    match parse_topology(&texts) {
        Ok(topology) => Ok((topology, texts)),
        Err(found) => Err(ConfigError::Topology {
            name: place.display().to_string(),
            source: Box::new(found),
        }),
    }
}

/// How long after a window's end the judge waits for reports unless told otherwise.
pub(crate) fn default_grace(topology: &Topology) -> Nanos {
    patience(topology) + WAY
}

/// How long after its interval the last report of a topology leaves its probe: which way a packet was lost is certain after three
/// times the loss threshold, and probes spread their reports over a tenth of the interval.
pub(crate) fn patience(topology: &Topology) -> Nanos {
    let measures = topology.measures.iter();
    let last =
        measures.map(|measure| measure.timeout.times(3) + Nanos(measure.report_every.0 / 10));
    last.max().unwrap_or(Nanos::ZERO)
}

/// A topology from its texts.
pub(crate) fn parse_topology(texts: &[(String, String)]) -> Result<Topology, Diagnostics> {
    let sources: Vec<Source<'_>> = texts
        .iter()
        .map(|(name, text)| Source { name, text })
        .collect();
    Topology::parse(&sources).map(|checked| checked.topology)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "state = \"var\"\nintake = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n\
                        ca = \"ca.pem\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n";

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = Config::parse("owl.toml", text, Path::new("/etc/owl"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn what_is_not_said_has_a_default_and_files_are_relative_to_the_file() {
        let config = Config::parse("owl.toml", GOOD, Path::new("/etc/owl")).unwrap();
        assert_eq!(
            (config.grace, config.keep, config.aligned_to),
            (Nanos::from_secs(9), KEEP, Timestamp(0))
        );
        assert_eq!(config.state, Path::new("/etc/owl/var"));
        assert_eq!(config.store.to_string(), "/etc/owl/var/owl.sqlite");
        let given = config.given.unwrap();
        assert_eq!(given.ca, Path::new("/etc/owl/ca.pem"));
        let own: String = GOOD
            .lines()
            .take(3)
            .map(|line| format!("{line}\n"))
            .collect();
        let own = Config::parse("owl.toml", &own, Path::new("")).unwrap();
        assert_eq!((own.given, own.reached_at), (None, None));
        assert!(config.profile.is_none() && !config.topology.paths().is_empty());
        let lab = format!("{GOOD}profile = \"lab\"\ngrace = \"500ms\"\n");
        let config = Config::parse("owl.toml", &lab, Path::new("")).unwrap();
        assert_eq!(
            (config.profile, config.grace),
            (Some(Profile::lab()), Nanos::from_millis(500))
        );
    }

    #[test]
    fn an_error_says_where_it_is() {
        refused(
            &format!("{GOOD}colour = 1\n"),
            "owl.toml:7:1: unknown field `colour`",
        );
        refused(
            &format!("{GOOD}profile = \"best\"\n"),
            "owl.toml:7:11: no profile is called \"best\"",
        );
        refused(
            &format!("{GOOD}keep = \"1s\"\n"),
            "owl.toml:7:8: keep lies between",
        );
        refused(&format!("{GOOD}grace = 3 s\n"), "owl.toml:7:");
        refused("state = \"x\"\n", "missing field");
        refused(
            &format!("{GOOD}store = \"mysql://db/owl\"\n"),
            "owl.toml:7:9: store: not an address of PostgreSQL",
        );
        refused(&GOOD.replace("key = \"k.pem\"\n", ""), "belong together");
        refused(
            &format!("{GOOD}topology = \"nowhere\"\n"),
            "cannot read /etc/owl/nowhere",
        );
    }
}
