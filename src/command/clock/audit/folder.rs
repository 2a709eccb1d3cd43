//! The folder of a recorded mesh: samples.csv[.gz], claims.csv, mesh.json.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use owl_measure::clock::audit::{MAX_WINDOWS, WINDOW};
use owl_measure::clock::mesh::{ClaimAt, Exchange, Mesh, MeshProbe, Session, StampErrors};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::RunTarget;
use owl_measure::words::Lang;
use owl_topology::geodesy::{self, Point};
use serde::Deserialize;

use super::rows::{self, Complaints, RowsError, nanoseconds, shown};

/// The largest mesh.json; it holds a few lines for each pair.
const MESH_OCTETS_MAX: u64 = 64 << 20;
/// The most packets of one run: some gigabytes of memory. A longer run is cut by who recorded it.
const ROWS_MAX: u64 = 50_000_000;
/// What can be audited at once: a T1 this far from those of the other packets of its session is no time but a slip.
const LONGEST_RUN: Nanos = WINDOW.times(MAX_WINDOWS as i64);
/// The share of a stated distance that a proof takes for sure, as the great circle of a sphere is longer than the
/// ellipsoid's by up to half a percent.
const SURE_SHARE: f64 = 0.995;

/// Why a folder cannot be audited.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    #[error("cannot read {file}")]
    Read { file: String, source: io::Error },
    #[error("cannot read {file}")]
    Rows { file: String, source: RowsError },
    #[error("cannot read mesh.json")]
    Mesh { source: serde_json::Error },
    #[error("mesh.json: {0}")]
    Model(String),
    #[error("{file} holds more than {ROWS_MAX} rows")]
    TooMany { file: String },
}

impl FolderError {
    pub(super) fn hint(&self, lang: Lang) -> Option<&'static str> {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some(lang.pick(
                    "the folder must hold samples.csv or samples.csv.gz, claims.csv and mesh.json",
                    "该目录须含 samples.csv 或 samples.csv.gz、claims.csv 和 mesh.json",
                ))
            }
            Self::TooMany { .. } => {
                Some(lang.pick("cut the run into shorter ones", "请把记录切分成较短的几段"))
            }
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct MeshFile {
    probes: Vec<ProbeEntry>,
    #[serde(default)]
    min_km: BTreeMap<String, f64>,
    #[serde(default)]
    targets_ns: BTreeMap<String, f64>,
    #[serde(default)]
    tx_rx_stamp: Stamping,
    floor_us_per_km: Option<f64>,
}

#[derive(Deserialize)]
struct ProbeEntry {
    name: String,
    lat: f64,
    lon: f64,
    /// Which time source it follows; probes with the same one fail together.
    source: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum Stamping {
    Hw,
    /// The worse of the two, where nobody says.
    #[default]
    Sw,
}

/// A recorded mesh.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) names: Vec<String>,
    pub(super) mesh: Mesh,
    pub(super) targets: Vec<RunTarget>,
    pub(super) complaints: Complaints,
    /// There is no claims.csv, so no clock claims anything.
    pub(super) without_claims: bool,
}

impl Folder {
    pub(super) fn read(dir: &Path) -> Result<Self, FolderError> {
        let mut folder = model(dir)?;
        let numbers: HashMap<String, usize> = folder.names.iter().cloned().zip(0..).collect();
        folder.read_samples(dir, &numbers)?;
        folder.read_claims(dir, &numbers)?;
        Ok(folder)
    }

    fn read_samples(
        &mut self,
        dir: &Path,
        numbers: &HashMap<String, usize>,
    ) -> Result<(), FolderError> {
        let (file, reader) = open_samples(dir)?;
        let mut sessions: BTreeMap<(usize, usize), Vec<(u64, Exchange)>> = BTreeMap::new();
        let mut count = 0_u64;
        rows::read::<7>(
            reader,
            file,
            "a,b,seq,T1,T2,T3,T4",
            &mut self.complaints,
            |line, [a, b, sequence, t1, t2, t3, t4]| {
                count += 1;
                if count > ROWS_MAX {
                    return Ok(());
                }
                let (from, to) = (probe(numbers, a)?, probe(numbers, b)?);
                if from == to {
                    return Err(format!("\"{}\" measured itself", shown(a)));
                }
                nanoseconds("seq", sequence)?.ok_or("seq is empty")?;
                let stamp = |name, field| Ok::<_, String>(nanoseconds(name, field)?.map(Timestamp));
                let exchange = Exchange {
                    t1: stamp("T1", t1)?.ok_or("T1 is empty: it was never sent")?,
                    t2: stamp("T2", t2)?,
                    t3: stamp("T3", t3)?,
                    t4: stamp("T4", t4)?,
                };
                if exchange.t4.is_some() && (exchange.t2.is_none() || exchange.t3.is_none()) {
                    return Err("T4 without T2 and T3: a reply that was never sent".to_owned());
                }
                sessions
                    .entry((from, to))
                    .or_default()
                    .push((line, exchange));
                Ok(())
            },
        )
        .map_err(|source| FolderError::Rows {
            file: file.to_owned(),
            source,
        })?;
        if count > ROWS_MAX {
            return Err(FolderError::TooMany {
                file: file.to_owned(),
            });
        }
        for ((from, to), mut exchanges) in sessions {
            exchanges.sort_by_key(|(_, exchange)| exchange.t1);
            let middle = exchanges[exchanges.len() / 2].1.t1;
            let mut astray = Vec::new();
            exchanges.retain(|&(line, exchange)| {
                let near = (exchange.t1 - middle).abs() <= LONGEST_RUN;
                if !near {
                    astray.push((line, exchange.t1));
                }
                near
            });
            for (line, t1) in astray {
                let reason = format!(
                    "T1 is {} ns, more than two weeks from the middle of its session",
                    t1.0
                );
                self.complaints.add(file, line, reason);
            }
            let exchanges = exchanges
                .into_iter()
                .map(|(_, exchange)| exchange)
                .collect();
            self.mesh.sessions.push(Session {
                from,
                to,
                exchanges,
            });
        }
        Ok(())
    }

    fn read_claims(
        &mut self,
        dir: &Path,
        numbers: &HashMap<String, usize>,
    ) -> Result<(), FolderError> {
        const FILE: &str = "claims.csv";
        let reader = match File::open(dir.join(FILE)) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.without_claims = true;
                return Ok(());
            }
            Err(source) => {
                return Err(FolderError::Read {
                    file: FILE.to_owned(),
                    source,
                });
            }
        };
        let probes = &mut self.mesh.probes;
        rows::read::<4>(
            reader,
            FILE,
            "probe,t_local,synchronised,bound_ns",
            &mut self.complaints,
            |_, [name, at, synchronised, bound]| {
                let number = probe(numbers, name)?;
                let at = nanoseconds("t_local", at)?.ok_or("t_local is empty")?;
                let bound = nanoseconds("bound_ns", bound)?;
                let bound = match (synchronised, bound) {
                    ("0", _) => None,
                    ("1", None) => return Err("synchronised without bound_ns".to_owned()),
                    ("1", Some(bound)) if bound < 0 => {
                        return Err(format!("bound_ns is {bound}, but a bound has no sign"));
                    }
                    ("1", Some(bound)) => Some(Nanos(bound)),
                    (other, _) => {
                        return Err(format!("synchronised is \"{}\", not 0 or 1", shown(other)));
                    }
                };
                probes[number].claims.push(ClaimAt {
                    at: Timestamp(at),
                    bound,
                });
                Ok(())
            },
        )
        .map_err(|source| FolderError::Rows {
            file: FILE.to_owned(),
            source,
        })?;
        for probe in probes {
            probe.claims.sort_by_key(|claim| claim.at);
        }
        Ok(())
    }
}

fn probe(numbers: &HashMap<String, usize>, name: &str) -> Result<usize, String> {
    numbers
        .get(name)
        .copied()
        .ok_or_else(|| format!("no probe \"{}\" in mesh.json", shown(name)))
}

/// samples.csv, or else samples.csv.gz.
fn open_samples(dir: &Path) -> Result<(&'static str, Box<dyn BufRead>), FolderError> {
    const PLAIN: &str = "samples.csv";
    const PACKED: &str = "samples.csv.gz";
    let unreadable = |file: &str| {
        let file = file.to_owned();
        move |source| FolderError::Read { file, source }
    };
    match File::open(dir.join(PLAIN)) {
        Ok(file) => Ok((PLAIN, Box::new(BufReader::new(file)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = File::open(dir.join(PACKED)).map_err(unreadable(PACKED))?;
            let unpacked = MultiGzDecoder::new(BufReader::new(file));
            Ok((PACKED, Box::new(BufReader::new(unpacked))))
        }
        Err(source) => Err(unreadable(PLAIN)(source)),
    }
}

fn model(dir: &Path) -> Result<Folder, FolderError> {
    let unreadable = |source| FolderError::Read {
        file: "mesh.json".to_owned(),
        source,
    };
    let mut text = String::new();
    File::open(dir.join("mesh.json"))
        .map_err(unreadable)?
        .take(MESH_OCTETS_MAX)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let file: MeshFile =
        serde_json::from_str(&text).map_err(|source| FolderError::Mesh { source })?;
    let mut sources: Vec<&str> = file
        .probes
        .iter()
        .filter_map(|p| p.source.as_deref())
        .collect();
    sources.sort_unstable();
    sources.dedup();
    let names: Vec<String> = file.probes.iter().map(|probe| probe.name.clone()).collect();
    let numbers: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
    if numbers.len() < names.len() {
        return Err(FolderError::Model(
            "two probes have the same name".to_owned(),
        ));
    }
    for probe in &file.probes {
        let ProbeEntry { name, lat, lon, .. } = probe;
        if !((-90.0..=90.0).contains(lat) && (-180.0..=180.0).contains(lon)) {
            let name = shown(name);
            return Err(FolderError::Model(format!(
                "probe \"{name}\": lat = {lat}, lon = {lon} is no point on Earth"
            )));
        }
    }
    let mut targets = Vec::new();
    for (pair, &target) in &file.targets_ns {
        let (from, to) = split(pair, &numbers, "targets_ns")?;
        if target < 0.0 {
            let pair = shown(pair);
            return Err(FolderError::Model(format!(
                "targets_ns: \"{pair}\" is {target}, and no delay is below 0"
            )));
        }
        targets.push(RunTarget {
            from,
            to,
            target: Nanos(target as i64),
        });
    }
    Ok(Folder {
        mesh: Mesh {
            probes: file
                .probes
                .iter()
                .map(|probe| MeshProbe {
                    claims: Vec::new(),
                    source: probe
                        .source
                        .as_deref()
                        .and_then(|source| sources.binary_search(&source).ok()),
                })
                .collect(),
            sessions: Vec::new(),
            floors: floors(&file, &numbers)?,
            stamps: match file.tx_rx_stamp {
                Stamping::Hw => StampErrors::HARDWARE,
                Stamping::Sw => StampErrors::SOFTWARE,
            },
        },
        names,
        targets,
        complaints: Complaints::default(),
        without_claims: false,
    })
}

/// The two probes of a key `a>b`.
fn split(
    pair: &str,
    numbers: &HashMap<&str, usize>,
    key: &str,
) -> Result<(usize, usize), FolderError> {
    let named = pair
        .split_once('>')
        .and_then(|(from, to)| Some((*numbers.get(from.trim())?, *numbers.get(to.trim())?)));
    named.ok_or_else(|| {
        let pair = shown(pair);
        FolderError::Model(format!(
            "{key}: \"{pair}\" is not \"a>b\" of two of its probes"
        ))
    })
}

/// The light floors: of the stated shortest route, of the opposite direction's, or of the great circle.
fn floors(file: &MeshFile, numbers: &HashMap<&str, usize>) -> Result<Vec<Vec<Nanos>>, FolderError> {
    let count = file.probes.len();
    let mut stated = vec![vec![None; count]; count];
    for (pair, &km) in &file.min_km {
        let (from, to) = split(pair, numbers, "min_km")?;
        if !(km >= 0.0 && km.is_finite()) {
            let pair = shown(pair);
            return Err(FolderError::Model(format!("min_km: \"{pair}\" is {km}")));
        }
        stated[from][to] = Some(km);
    }
    let (us_per_km, sure) = match file.floor_us_per_km {
        None => (geodesy::VACUUM_US_PER_KM, SURE_SHARE),
        Some(us) if us >= 0.0 && us.is_finite() => (us, 1.0),
        Some(us) => return Err(FolderError::Model(format!("floor_us_per_km is {us}"))),
    };
    let point = |probe: &ProbeEntry| Point {
        lat: probe.lat,
        lon: probe.lon,
        accuracy_km: 0.0,
    };
    let floor = |from: usize, to: usize| {
        let km = stated[from][to].or(stated[to][from]).unwrap_or_else(|| {
            geodesy::great_circle_km(point(&file.probes[from]), point(&file.probes[to]))
        });
        geodesy::light(km * sure, us_per_km)
    };
    Ok((0..count)
        .map(|from| {
            (0..count)
                .map(|to| {
                    if from == to {
                        Nanos::ZERO
                    } else {
                        floor(from, to)
                    }
                })
                .collect()
        })
        .collect())
}
