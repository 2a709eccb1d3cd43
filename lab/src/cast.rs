//! The files by which the players are told their parts: certificates, the
//! topology, the configurations of the collector and of every probe.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use owl_measure::time::{Nanos, Timestamp};
use owl_topology::{Source, Topology, YANCHENG};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde::Serialize;
use toml::{Table, Value};

use crate::child::Part;
use crate::counters::{self, PortTraffic};
use crate::error::LabError;
use crate::truth::Truth;

/// The name in the collector's certificate.
const COLLECTOR_NAME: &str = "owl-collector";
/// How long the judge waits for reports after a window's end: the loss threshold, a report's way, and some.
const GRACE: &str = "1800ms";
/// A packet without a reply for this long is lost.
const TIMEOUT: &str = "300ms";
/// How often probes report.
pub(crate) const REPORT_EVERY: Nanos = Nanos::from_secs(2);
/// Test packets a second on each path.
pub(crate) const RATE_PPS: i64 = 10;

/// From the death of the collector until it is started again.
const COLLECTOR_PAUSE: Duration = Duration::from_secs(2);
/// From the death of a probe until it is started again: two windows, so that one window wholly lies within and is seen
/// to be not measured.
const PROBE_PAUSE: Duration = Duration::from_secs(20);

/// Where everybody is.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// By probe: the address and port of its session-reflector.
    pub(crate) reflectors: BTreeMap<String, SocketAddr>,
    /// Where the collector takes reports, as it binds it.
    pub(crate) intake: SocketAddr,
    /// The same as the probes see it.
    pub(crate) intake_seen: SocketAddr,
    /// Where it serves its pages.
    pub(crate) http: SocketAddr,
}

/// The built-in topology as the lab plays it: reflectors where the lab has them, ten packets a second, reports every
/// two seconds, windows of ten seconds.
pub(crate) fn topology(
    places: &BTreeMap<String, SocketAddr>,
    truth: Option<&Truth>,
) -> Result<(String, Topology), LabError> {
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| LabError::Topology(error);
    let mut table: Table = YANCHENG
        .parse()
        .map_err(|error: toml::de::Error| refused(error.into()))?;
    for probe in tables(&mut table, "probe") {
        let id = probe
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if let Some(place) = places.get(&id) {
            probe.insert(
                "addr".into(),
                Value::Array(vec![place.ip().to_string().into()]),
            );
            probe.insert("port".into(), i64::from(place.port()).into());
        }
        probe.insert("nic_hw_timestamp".into(), false.into());
        if let Some(clock) = truth.and_then(|truth| truth.clocks.get(&id)) {
            let declared = Table::from_iter([
                ("source".to_owned(), Value::from("ptp")),
                ("max_u95".to_owned(), format!("{}ns", clock.bound.0).into()),
            ]);
            probe.insert("clock".into(), declared.into());
        }
    }
    let v4 = || Value::Array(vec!["v4".into()]);
    for measure in tables(&mut table, "measure") {
        measure.insert("rate_pps".into(), RATE_PPS.into());
        measure.insert("timeout".into(), TIMEOUT.into());
        measure.insert(
            "report_every".into(),
            format!("{}ns", REPORT_EVERY.0).into(),
        );
        measure.insert("families".into(), v4());
        // The delay box has one way for each path, so that flows would show nothing.
        measure.insert("flows".into(), 1.into());
    }
    for class in tables(&mut table, "path_class") {
        class.insert("stat".into(), "lab".into());
        class.insert("families".into(), v4());
    }
    let text = toml::to_string(&table).map_err(|error| refused(error.into()))?;
    let checked = Topology::parse(&[Source {
        name: "topology.toml",
        text: &text,
    }])
    .map_err(|found| refused(Box::new(found)))?;
    Ok((text, checked.topology))
}

fn tables<'t>(table: &'t mut Table, key: &str) -> impl Iterator<Item = &'t mut Table> {
    table
        .get_mut(key)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_table_mut)
}

/// What a collector is told; the keys are those of its configuration.
#[derive(Serialize)]
struct CollectorFile<'a> {
    topology: &'a str,
    state: &'a str,
    intake: SocketAddr,
    http: SocketAddr,
    ca: &'a str,
    certificate: &'a str,
    key: &'a str,
    grace: &'a str,
    profile: &'a str,
    aligned_to_ns: Timestamp,
}

/// What a probe is told; the keys are those of its configuration.
#[derive(Serialize)]
struct ProbeFile<'a> {
    id: &'a str,
    listen: [SocketAddr; 1],
    source: IpAddr,
    collector: SocketAddr,
    ca: &'a str,
    certificate: String,
    key: String,
    state: &'a str,
    clock: ClockFile,
    lab: LabFile,
}

#[derive(Serialize)]
struct ClockFile {
    source: &'static str,
    bound: String,
}

#[derive(Serialize)]
struct LabFile {
    lie: String,
    via: BTreeMap<String, SocketAddr>,
    ports: BTreeMap<String, PortTraffic>,
}

/// The players' parts, written down in a directory.
#[derive(Debug)]
pub(crate) struct Cast {
    /// The collector.
    pub(crate) collector: Part,
    /// The probes, by id.
    pub(crate) probes: BTreeMap<String, Part>,
    /// By probe, the directory of its spool.
    pub(crate) spools: BTreeMap<String, PathBuf>,
}

/// What [`Cast::write`] needs beside the truth.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    /// Where to write.
    pub(crate) directory: &'a Path,
    /// Where everybody is.
    pub(crate) places: &'a Places,
    /// By path, where its packets enter the delay box; empty where the box lies on the way anyhow.
    pub(crate) entrances: &'a BTreeMap<String, SocketAddr>,
    /// From when windows are counted.
    pub(crate) aligned_to: Timestamp,
    /// The topology's text.
    pub(crate) topology: &'a str,
    /// The binary that all of them run.
    pub(crate) binary: &'a Path,
}

impl Cast {
    /// Writes everything.
    pub(crate) fn write(truth: &Truth, script: &Script<'_>) -> Result<Self, LabError> {
        let directory = script.directory;
        fs::create_dir_all(directory).map_err(|source| LabError::Write {
            path: directory.into(),
            source,
        })?;
        let authority = authority()?;
        write(directory, "ca.pem", &authority.pem())?;
        write(directory, "topology.toml", script.topology)?;
        certify(directory, COLLECTOR_NAME, &authority)?;
        let collector = CollectorFile {
            topology: "topology.toml",
            state: "collector",
            intake: script.places.intake,
            http: script.places.http,
            ca: "ca.pem",
            certificate: "owl-collector.pem",
            key: "owl-collector.key",
            grace: GRACE,
            profile: "lab",
            aligned_to_ns: script.aligned_to,
        };
        write_toml(directory, "collector.toml", &collector)?;
        let (mut probes, mut spools) = (BTreeMap::new(), BTreeMap::new());
        for (id, clock) in &truth.clocks {
            let Some(&place) = script.places.reflectors.get(id) else {
                continue;
            };
            certify(directory, id, &authority)?;
            let via = truth
                .ways
                .iter()
                .filter(|way| way.path.from.as_str() == id)
                .filter_map(|way| Some((way.path.id.clone(), *script.entrances.get(&way.path.id)?)))
                .collect();
            let probe = ProbeFile {
                id,
                listen: [place],
                source: place.ip(),
                collector: script.places.intake_seen,
                ca: "ca.pem",
                certificate: format!("{id}.pem"),
                key: format!("{id}.key"),
                state: id,
                clock: ClockFile {
                    source: "simulated",
                    bound: format!("{}ns", clock.bound.0),
                },
                lab: LabFile {
                    lie: format!("{}ns", clock.error.0),
                    via,
                    ports: counters::ports(&truth.topology, id, truth.seed),
                },
            };
            let file = format!("{id}.toml");
            write_toml(directory, &file, &probe)?;
            probes.insert(
                id.clone(),
                Part {
                    pause: PROBE_PAUSE,
                    ..part(script, id, "probe", &file)
                },
            );
            spools.insert(id.clone(), directory.join(id));
        }
        Ok(Self {
            collector: part(script, "collector", "collector", "collector.toml"),
            probes,
            spools,
        })
    }
}

fn part(script: &Script<'_>, name: &str, command: &str, file: &str) -> Part {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    Part {
        name: name.to_owned(),
        line: vec![
            text(script.binary),
            command.into(),
            "--config".into(),
            text(&script.directory.join(file)),
        ],
        log: script.directory.join(format!("{name}.log")),
        pause: COLLECTOR_PAUSE,
    }
}

fn write(directory: &Path, name: &str, text: &str) -> Result<(), LabError> {
    let path = directory.join(name);
    fs::write(&path, text).map_err(|source| LabError::Write { path, source })
}

fn write_toml(directory: &Path, name: &str, value: &impl Serialize) -> Result<(), LabError> {
    let text = toml::to_string(value).map_err(|error| LabError::Write {
        path: directory.join(name),
        source: std::io::Error::other(error),
    })?;
    write(directory, name, &text)
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, LabError> {
    let failed = |source| LabError::Certificate {
        name: "the lab's authority".into(),
        source,
    };
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "owl lab");
    let key = KeyPair::generate().map_err(failed)?;
    CertifiedIssuer::self_signed(params, key).map_err(failed)
}

/// Writes NAME.pem and NAME.key for one player.
fn certify(
    directory: &Path,
    name: &str,
    authority: &CertifiedIssuer<'_, KeyPair>,
) -> Result<(), LabError> {
    let failed = |source| LabError::Certificate {
        name: name.into(),
        source,
    };
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.signed_by(&key, authority).map_err(failed)?;
    write(directory, &format!("{name}.pem"), &certificate.pem())?;
    write(directory, &format!("{name}.key"), &key.serialize_pem())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topology_of_the_lab_is_accepted_and_has_its_reflectors_where_they_are() {
        let (_, plain) = topology(&BTreeMap::new(), None).unwrap();
        let places: BTreeMap<String, SocketAddr> = plain
            .probes
            .iter()
            .zip(2_u8..)
            .map(|(probe, k)| {
                (
                    probe.id.to_string(),
                    SocketAddr::from(([127, 0, 0, k], 1_000 + u16::from(k))),
                )
            })
            .collect();
        let truth = Truth::draw(plain, 1).unwrap();
        let (_, topology) = topology(&places, Some(&truth)).unwrap();
        for probe in &topology.probes {
            let place = SocketAddr::new(probe.addr[0], probe.port);
            assert_eq!(Some(&place), places.get(probe.id.as_str()));
            assert_eq!(probe.clock.max_u95, truth.clocks[probe.id.as_str()].bound);
        }
        for path in topology.paths() {
            assert_eq!(
                path.profile,
                owl_measure::verdict::Profile::lab(),
                "{}",
                path.id
            );
        }
    }
}
