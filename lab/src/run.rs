//! A run of the lab, from the first file to the summary.

mod reports;
mod teller;

use std::collections::BTreeMap;
use std::env;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Profile;
use owl_measure::words::Lang;
use serde::Serialize;
use tempfile::TempDir;

use crate::api::{Collector, Found};
use crate::cast::{self, Cast, Places, RATE_PPS, REPORT_EVERY, Script};
use crate::child::{Change, Child, last_words};
use crate::comparison::{Comparison, Counts, Findings, Told};
use crate::delay_box::{DelayBox, Session};
use crate::error::LabError;
use crate::inside::{Lanes, Shared, open};
use crate::netns::{self, Bridge, Joined, Namespaces};
use crate::record::Record;
use crate::table::{Row, View};

use crate::truth::Truth;
use reports::Reports;
use teller::Teller;

/// How long the collector may take to serve its first page.
const COLLECTOR_START: Duration = Duration::from_secs(15);
/// From now until windows are counted; the probes are up by then.
const LEAD: Nanos = Nanos::from_millis(2_500);
/// Between two looks at the children and the clock.
const TICK: Duration = Duration::from_millis(100);
/// Between two questions to the collector, and two pictures on a terminal.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Verdicts on windows that began longer ago are not asked for again while the lab runs.
const ASK_BACK: Nanos = Nanos::from_secs(60);
/// How long probes may take to hand over their last reports, and the collector to end.
const PROBES_END: Duration = Duration::from_secs(8);
const COLLECTOR_END: Duration = Duration::from_secs(6);
/// Without a terminal the table is printed this often at least, and once for each window.
const PRINT_FIRST: Duration = Duration::from_secs(4);
/// Events that stay on the screen.
const EVENTS_SHOWN: usize = 3;

/// What lies between the probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Addresses of the loopback interface.
    Loopback,
    /// A network namespace for every probe, with the delay box as a bridge in the middle.
    Namespaces,
}

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table for people.
    Text,
    /// A line of JSON for each event.
    Json,
}

/// What a lab is asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// When to end by itself.
    pub duration: Option<Duration>,
    /// What everything random is drawn from.
    pub seed: u64,
    /// Port of the page on 127.0.0.1; 0 takes a free one.
    pub http: u16,
    /// What lies between the probes.
    pub network: Network,
    /// Where to keep all files of the lab; nowhere when it is `None`.
    pub keep: Option<PathBuf>,
    /// How it is told.
    pub form: Form,
    /// In which language.
    pub lang: Lang,
}

/// What a run has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Paths.
    pub paths: usize,
    /// All verdicts against the truth.
    #[serde(flatten)]
    pub counts: Counts,
    /// Reports that the probes made, by their own spools.
    pub reports_made: u64,
    /// Reports in the store.
    pub reports_stored: u64,
    /// Reports' worth of packets that the store holds beyond what the delay box saw.
    pub reports_doubled: u64,
    /// Reports that were made and are neither stored nor still waiting on their probe's disk.
    pub reports_missing: u64,
    /// Reports that wait on their probe's disk.
    pub reports_waiting: u64,
    /// Children that died and were started again.
    pub restarts: u64,
    /// What became of the planted troubles.
    #[serde(flatten)]
    pub findings: Findings,
    /// What the collector's audits found wrong with clocks, coordinates and routes.
    pub audit: Vec<Found>,
    /// How long it ran.
    pub seconds: u64,
    /// Delays and clocks were injected.
    pub simulated: bool,
}

impl Summary {
    /// Whether no verdict was false and every trouble was judged rightly.
    pub fn is_right(&self) -> bool {
        let found = self.findings;
        self.counts.false_verdicts == 0
            && found.detour_missed
            && found.near_undecided
            && found.lie_never_believed
    }

    /// Whether any verdict could be held against the truth.
    pub fn compared_anything(&self) -> bool {
        self.counts.met + self.counts.missed > self.counts.not_compared
    }
}

/// Runs a lab until its time is over or somebody ends it, and tells of it on `out`.
///
/// # Errors
/// When the lab cannot be set up; what goes wrong later is shown and counted.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<Summary, LabError> {
    let stop = told_to_end()?;
    let mut lab = Lab::open(options)?;
    let mut teller = Teller::new(options);
    teller.begin(&lab, out);
    while !stop.load(Relaxed)
        && options
            .duration
            .is_none_or(|duration| lab.began.elapsed() < duration)
    {
        thread::sleep(TICK);
        lab.step(&mut teller, out);
    }
    Ok(lab.close(&mut teller, out))
}

/// Becomes true on SIGINT and SIGTERM.
fn told_to_end() -> Result<Arc<AtomicBool>, LabError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [libc::SIGINT, libc::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|source| {
            LabError::System {
                what: "listen to signals".into(),
                source,
            }
        })?;
    }
    Ok(stop)
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Everything that runs.
struct Lab {
    options: Options,
    truth: Truth,
    record: Shared,
    comparison: Comparison,
    collector: Child,
    probes: BTreeMap<String, Child>,
    spools: BTreeMap<String, PathBuf>,
    api: Collector,
    places: Places,
    aligned_to: Timestamp,
    began: Instant,
    asked: Instant,
    restarts: u64,
    /// Reports in the store, asked for until the first verdict.
    reports_so_far: u64,
    /// The latest things that happened to children, for the screen.
    events: Vec<String>,
    // Dropped last, in this order: the box when nobody sends any more, the files when nobody reads them.
    _between: Between,
    _directory: Option<TempDir>,
}

/// What lies between the probes; dropped in this order.
enum Between {
    Loopback(#[expect(dead_code, reason = "held until the lab ends")] DelayBox),
    Namespaces((Bridge, Namespaces)),
}

impl Lab {
    fn open(options: &Options) -> Result<Self, LabError> {
        let began = Instant::now();
        let binary = env::current_exe().map_err(|source| LabError::System {
            what: "find its own binary".into(),
            source,
        })?;
        let (_, plain) = cast::topology(&BTreeMap::new(), None)?;
        let truth = Truth::draw(plain, options.seed)?;
        let places = match options.network {
            Network::Loopback => loopback_places(&truth, options.http)?,
            Network::Namespaces => namespace_places(&truth, options.http)?,
        };
        let (text, _) = cast::topology(&places.reflectors, Some(&truth))?;
        let step = REPORT_EVERY.0;
        let aligned_to = Timestamp(
            (now() + LEAD)
                .0
                .div_euclid(step)
                .saturating_add(1)
                .saturating_mul(step),
        );
        let profile = Profile::lab();
        let record = Arc::new(Mutex::new(Record::new(
            aligned_to,
            profile.interval,
            profile.quantile,
        )));
        let sessions = sessions(&truth, &places);
        let (between, entrances) = match options.network {
            Network::Loopback => {
                let delay_box = DelayBox::start(&sessions, Arc::clone(&record))?;
                let ids = truth.ways.iter().map(|way| way.path.id.clone());
                let entrances = ids.zip(delay_box.entrances().iter().copied()).collect();
                (Between::Loopback(delay_box), entrances)
            }
            Network::Namespaces => (
                joined(&truth, &places, &sessions, &record)?,
                BTreeMap::new(),
            ),
        };
        let (kept, temporary) = directory(options.keep.as_deref())?;
        let cast = Cast::write(
            &truth,
            &Script {
                directory: &kept,
                places: &places,
                entrances: &entrances,
                aligned_to,
                topology: &text,
                binary: &binary,
            },
        )?;
        let api = Collector {
            http: places.http,
            lang: options.lang,
        };
        let mut collector = Child::start(cast.collector)?;
        wait_for(&mut collector, api)?;
        let probes = cast
            .probes
            .into_iter()
            .zip(1_u8..)
            .map(|((id, mut part), number)| {
                if let Between::Namespaces((_, namespaces)) = &between {
                    part.line.splice(0..0, namespaces.inside(number));
                }
                Ok((id, Child::start(part)?))
            })
            .collect::<Result<_, LabError>>()?;
        Ok(Self {
            options: options.clone(),
            truth,
            record,
            comparison: Comparison::default(),
            collector,
            probes,
            spools: cast.spools,
            api,
            places,
            aligned_to,
            began,
            asked: began,
            restarts: 0,
            reports_so_far: 0,
            events: Vec::new(),
            _between: between,
            _directory: temporary,
        })
    }

    fn step(&mut self, teller: &mut Teller, out: &mut dyn Write) {
        let at = Instant::now();
        let children = [("collector", &mut self.collector)];
        let probes = self
            .probes
            .iter_mut()
            .map(|(id, child)| (id.as_str(), child));
        let mut changes = Vec::new();
        for (name, child) in children.into_iter().chain(probes) {
            if let Some(change) = child.look_after(at) {
                changes.push((name.to_owned(), change, child.pid()));
            }
        }
        for (name, change, pid) in changes {
            self.restarts += u64::from(change == Change::Restarted);
            self.events.push(teller.change(&name, change, pid, out));
            let excess = self.events.len().saturating_sub(EVENTS_SHOWN);
            self.events.drain(..excess);
        }
        if at - self.asked >= ASK_EVERY {
            self.asked = at;
            let since = (now() - ASK_BACK).max(self.aligned_to);
            // A collector that is down is asked again in a second.
            let told = self.api.verdicts(since).unwrap_or_default();
            self.judge(told, teller, out);
            if self.comparison.counts().verdicts == 0 {
                let stored = self.api.stored().unwrap_or_default();
                self.reports_so_far = stored.iter().map(|probe| probe.rows).sum();
            }
            teller.show(self, out);
        }
    }

    fn judge(&mut self, told: Vec<Told>, teller: &mut Teller, out: &mut dyn Write) {
        let record = open(&self.record);
        // Newest first is how they come; in the order of time is how they are told.
        for told in told.into_iter().rev() {
            if let Some(compared) = self.comparison.take(told, &self.truth, &record) {
                teller.verdict(compared, out);
            }
        }
    }

    fn close(mut self, teller: &mut Teller, out: &mut dyn Write) -> Summary {
        let seconds = self.began.elapsed().as_secs();
        self.wait_for_collector();
        self.probes.values().for_each(Child::ask_to_end);
        let deadline = Instant::now() + PROBES_END;
        self.probes
            .values_mut()
            .for_each(|probe| probe.farewell(deadline));
        // While the probes said farewell a last window may have been judged.
        let told = self.api.verdicts(self.aligned_to).unwrap_or_default();
        self.judge(told, teller, out);
        let stored = self.api.stored().unwrap_or_default();
        let audit = self.api.findings().unwrap_or_default();
        self.collector.ask_to_end();
        self.collector.farewell(Instant::now() + COLLECTOR_END);
        let reports = Reports::count(&self.spools, &stored);
        let counts = self.comparison.counts();
        let packets_a_report = (RATE_PPS * REPORT_EVERY.0 / 1_000_000_000).max(1) as u64;
        let summary = Summary {
            paths: self.truth.ways.len(),
            reports_doubled: counts.packets_doubled / packets_a_report,
            counts,
            reports_made: reports.made,
            reports_stored: reports.stored,
            reports_missing: reports.missing,
            reports_waiting: reports.waiting,
            restarts: self.restarts,
            findings: self.comparison.findings(),
            audit,
            seconds,
            simulated: true,
        };
        teller.end(&self, &summary, out);
        summary
    }

    /// A collector that died at the very end is started once more, since the probes want to hand over their last reports.
    fn wait_for_collector(&mut self) {
        let deadline = Instant::now() + COLLECTOR_START;
        while !self.api.is_up() && Instant::now() < deadline {
            let change = self.collector.look_after(Instant::now());
            self.restarts += u64::from(change == Some(Change::Restarted));
            thread::sleep(TICK);
        }
    }

    /// The table of now.
    fn view(&self, lang: Lang) -> View<'_> {
        let record = open(&self.record);
        let rows = self
            .truth
            .ways
            .iter()
            .enumerate()
            .map(|(index, way)| Row {
                from: way.path.from.as_str(),
                to: way.path.to.as_str(),
                target: way.path.target,
                troubles: self.truth.troubles_of(&way.path).collect(),
                lately: record.lately(index, owl_measure::sample::Direction::Forward),
                latest: self.comparison.latest(&way.path.id),
            })
            .collect();
        View {
            head: self.head(lang),
            rows,
            foot: self.events.clone(),
        }
    }

    fn head(&self, lang: Lang) -> Vec<String> {
        let counts = self.comparison.counts();
        let http = self.places.http;
        let left = self
            .options
            .duration
            .map(|duration| duration.saturating_sub(self.began.elapsed()).as_secs());
        let until = left.map_or_else(
            || lang.pick("Ctrl-C ends it".to_owned(), "按 Ctrl-C 结束".to_owned()),
            |left| lang.pick(format!("{left} s left"), format!("剩余 {left} 秒")),
        );
        vec![
            lang.pick(
                "owl lab  SIMULATED: delays and clocks are injected; nothing here tells of a real network".to_owned(),
                "owl lab  【模拟】时延与时钟均为人为注入，与任何真实网络无关".to_owned(),
            ),
            lang.pick(
                format!(
                    "page http://{http}/  seed {}  {} probes  {}  {until}",
                    self.truth.seed,
                    self.probes.len(),
                    self.progress(lang)
                ),
                format!(
                    "网页 http://{http}/  种子 {}  探针 {} 个  {}  {until}",
                    self.truth.seed,
                    self.probes.len(),
                    self.progress(lang)
                ),
            ),
            lang.pick(
                format!(
                    "verdicts {}: met {}, missed {}, undecided {}; FALSE {}",
                    counts.verdicts, counts.met, counts.missed, counts.undecided, counts.false_verdicts
                ),
                format!(
                    "判定 {} 次：达标 {}，未达标 {}，无法判定 {}；误判 {}",
                    counts.verdicts, counts.met, counts.missed, counts.undecided, counts.false_verdicts
                ),
            ),
        ]
    }

    fn progress(&self, lang: Lang) -> String {
        let window = Profile::lab().interval;
        let since = now() - self.aligned_to;
        if since < Nanos::ZERO {
            let s = -since.0.div_euclid(1_000_000_000);
            return lang.pick(
                format!("first window begins in {s} s"),
                format!("首个窗口 {s} 秒后开始"),
            );
        }
        let number = since.0 / window.0 + 1;
        let s = (window.0 - since.0 % window.0) / 1_000_000_000 + 1;
        let closes = lang.pick(
            format!("window {number} closes in {s} s"),
            format!("第 {number} 个窗口 {s} 秒后结束"),
        );
        if self.comparison.counts().verdicts > 0 {
            return closes;
        }
        let reports = self.reports_so_far;
        lang.pick(
            format!("{closes}, {reports} reports so far"),
            format!("{closes}，已收报告 {reports} 份"),
        )
    }
}

/// Addresses and ports on the loopback interface that are free now.
fn loopback_places(truth: &Truth, http: u16) -> Result<Places, LabError> {
    let udp = |ip: IpAddr| {
        let address = SocketAddr::new(ip, 0);
        let bound = UdpSocket::bind(address).and_then(|socket| socket.local_addr());
        bound.map_err(|source| LabError::Port { address, source })
    };
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let tcp = SocketAddr::new(localhost, http);
    let http = TcpListener::bind(tcp)
        .and_then(|listener| listener.local_addr())
        .map_err(|source| LabError::Port {
            address: tcp,
            source,
        })?;
    let reflectors = truth
        .clocks
        .keys()
        .zip(2_u8..=254)
        .map(|(id, last)| Ok((id.clone(), udp(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))?)))
        .collect::<Result<_, LabError>>()?;
    let intake = udp(localhost)?;
    Ok(Places {
        reflectors,
        intake,
        intake_seen: intake,
        http,
    })
}

/// The probes inside their namespaces, numbered from 1 in the order of their names; the collector outside.
fn namespace_places(truth: &Truth, http: u16) -> Result<Places, LabError> {
    let outside = loopback_places(truth, http)?;
    let reflectors = truth
        .clocks
        .keys()
        .zip(1_u8..)
        .map(|(id, number)| (id.clone(), netns::reflector(number).into()));
    let intake_seen = netns::intake(outside.intake.port()).into();
    Ok(Places {
        reflectors: reflectors.collect(),
        intake_seen,
        ..outside
    })
}

/// The namespaces and the bridge that joins them.
fn joined(
    truth: &Truth,
    places: &Places,
    sessions: &[Session],
    record: &Shared,
) -> Result<Between, LabError> {
    let numbers: Vec<u8> = truth
        .clocks
        .keys()
        .zip(1_u8..)
        .map(|(_, number)| number)
        .collect();
    let namespaces = Namespaces::make(numbers.iter().copied())?;
    let senders =
        truth
            .ways
            .iter()
            .map(|way| match places.reflectors.get(way.path.from.as_str()) {
                Some(SocketAddr::V4(place)) => *place.ip(),
                _ => Ipv4Addr::UNSPECIFIED,
            });
    let sessions: Vec<(Session, Ipv4Addr)> = sessions.iter().copied().zip(senders).collect();
    let bridge = Bridge::start(
        &Joined {
            numbers: &numbers,
            sessions: &sessions,
            intake: places.intake,
        },
        Arc::clone(record),
    )?;
    Ok(Between::Namespaces((bridge, namespaces)))
}

fn sessions(truth: &Truth, places: &Places) -> Vec<Session> {
    let session = |way: &crate::truth::Way| {
        let back = truth.back(way);
        let reflector = *places
            .reflectors
            .get(way.path.to.as_str())
            .expect("every probe of the truth has a place");
        let held_at = way.held_at.map(|at| (at, Profile::lab().quantile));
        let lanes = Lanes {
            forward: (way.link, way.seed),
            backward: (back.link, back.seed),
            held_at,
        };
        Session { reflector, lanes }
    };
    truth.ways.iter().map(session).collect()
}

/// Where the files go, and the guard that removes them when nobody wants to keep them.
fn directory(keep: Option<&Path>) -> Result<(PathBuf, Option<TempDir>), LabError> {
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| LabError::Write { path, source }
    };
    if let Some(keep) = keep {
        std::fs::create_dir_all(keep).map_err(write(keep))?;
        // The spools and the store of a former lab would be counted as this one's.
        if std::fs::read_dir(keep)
            .map_err(write(keep))?
            .next()
            .is_some()
        {
            return Err(write(keep)(std::io::ErrorKind::DirectoryNotEmpty.into()));
        }
        return Ok((keep.canonicalize().map_err(write(keep))?, None));
    }
    let made = tempfile::Builder::new()
        .prefix("owl-lab-")
        .tempdir()
        .map_err(write(&env::temp_dir()))?;
    Ok((made.path().to_owned(), Some(made)))
}

fn wait_for(collector: &mut Child, api: Collector) -> Result<(), LabError> {
    let deadline = Instant::now() + COLLECTOR_START;
    while !api.is_up() {
        let died = collector.look_after(Instant::now()) == Some(Change::Died);
        if died || Instant::now() >= deadline {
            let said = last_words(&collector.part.log);
            return Err(LabError::Collector {
                address: api.http,
                seconds: COLLECTOR_START.as_secs(),
                said,
            });
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
