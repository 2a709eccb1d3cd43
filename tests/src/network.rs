//! A collector, and probes whose reports are made: their files, their processes, and what the collector says of them.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use owl_lab::feeder::{Fed, Feed, Script};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{Daemon, get, owl_binary, repository};

/// For what takes a second on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than any test.
const LASTING: Duration = Duration::from_secs(30 * 86_400);
/// The judged windows of the profile `lab`, in nanoseconds.
pub const WINDOW_NS: i64 = 10_000_000_000;

/// Waits until something holds.
///
/// # Panics
/// When it does not within a minute.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A test that fails says what the collector said last.
impl Drop for Network {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.text("collector.log");
            let lines: Vec<&str> = log.lines().collect();
            crate::say(lines[lines.len().saturating_sub(20)..].join("\n"));
        }
    }
}

/// The same draws in each run, for a seed that is not 0: xorshift64 (Marsaglia 2003).
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What a collector has of one spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// The last acknowledged number.
    pub up_to: u64,
    /// Reports in the store.
    pub reports: u64,
}

/// The files of a network in one folder. Its processes are the caller's.
#[derive(Debug)]
pub struct Network {
    folder: TempDir,
    intake: SocketAddr,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Network {
    /// The two probes of the example, p-north and p-south, which nobody has started.
    pub fn of_two() -> Self {
        let network = Self::new(&example(), "");
        for probe in ["p-north", "p-south"] {
            network.probe(probe);
        }
        network
    }

    /// A network of this topology; `more` are further lines of the collector's configuration. Probes come with
    /// [`Network::probe`].
    pub fn new(topology: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let intake = free_port();
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be drawn");
        let authority = CertifiedIssuer::self_signed(params, key).expect("it has its key");
        let network = Self {
            folder,
            intake,
            authority,
        };
        network.write("ca.pem", &network.authority.pem());
        network.write("topology.toml", topology);
        network.certify_for("owl-collector", LASTING);
        network.write(
            "collector.toml",
            &format!(
                "topology = \"topology.toml\"\nstate = \"collector\"\nintake = \"{intake}\"\nhttp = \"127.0.0.1:0\"\n\
                 ca = \"ca.pem\"\ncertificate = \"owl-collector.pem\"\nkey = \"owl-collector.key\"\nprofile = \"lab\"\n{more}"
            ),
        );
        network
    }

    /// A file of the network.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a file of the network says; nothing when it is not there.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).expect("a file of the test's own folder");
    }

    /// Signs a certificate for NAME that lasts so long from now: NAME.pem and NAME.key.
    pub fn certify_for(&self, name: &str, life: Duration) {
        let key = KeyPair::generate().expect("a key can be drawn");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a plain name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = (SystemTime::now() + life).into();
        let certificate = params
            .signed_by(&key, &self.authority)
            .expect("the authority has its key");
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    /// The files of a probe: NAME.toml, its certificate and its key. Its state is in the folder NAME.
    pub fn probe(&self, name: &str) {
        self.certify_for(name, LASTING);
        let text = format!(
            "id = \"{name}\"\ncollector = \"{intake}\"\nca = \"ca.pem\"\ncertificate = \"{name}.pem\"\nkey = \"{name}.key\"\n\
             state = \"{name}\"\nlisten = [\"127.0.0.1:0\"]\n[lab]\n",
            intake = self.intake
        );
        self.write(&format!("{name}.toml"), &text);
    }

    /// The files of a probe that measures, from and at `listen`, and serves its own metrics at `metrics`.
    pub fn measuring_probe(&self, name: &str, listen: SocketAddr, metrics: SocketAddr) {
        self.certify_for(name, LASTING);
        let text = format!(
            "id = \"{name}\"\ncollector = \"{intake}\"\nca = \"ca.pem\"\ncertificate = \"{name}.pem\"\nkey = \"{name}.key\"\n\
             state = \"{name}\"\nlisten = [\"{listen}\"]\nsource = \"{source}\"\nmetrics = \"{metrics}\"\n",
            intake = self.intake,
            source = listen.ip(),
        );
        self.write(&format!("{name}.toml"), &text);
    }

    /// A command of owl in the folder, which logs to LOG.
    pub fn owl(&self, arguments: &[&str], log: &str) -> Command {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.file(log))
            .expect("a file of the test's own folder");
        let mut command = Command::new(owl_binary());
        command
            .current_dir(self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(log);
        command
    }

    /// The command that is the collector; it logs to `collector.log`.
    pub fn collecting(&self) -> Command {
        self.owl(
            &["collector", "--config", "collector.toml"],
            "collector.log",
        )
    }

    /// Starts the collector: where its pages are.
    pub fn collector(&self) -> (Daemon, String) {
        Self::listening(Daemon::start(&mut self.collecting()))
    }

    /// A collector that was started, once it listens: where its pages are.
    pub fn listening(collector: Daemon) -> (Daemon, String) {
        let http = collector.line(PATIENCE, |line| {
            let address = line.strip_prefix("owl collector: http://")?;
            Some(address.split(' ').next()?.to_owned())
        });
        (collector, http)
    }

    /// Writes what probes are to report: `batch` reports a commit and probe, each `pause`. The file is SCRIPT.
    pub fn script(&self, script: &str, batch: u64, pause: Duration, probes: &[(&str, u64, Feed)]) {
        let probe = probes
            .iter()
            .map(|(name, until, feed)| Fed {
                config: self.file(&format!("{name}.toml")),
                until: *until,
                feed: feed.clone(),
            })
            .collect();
        let pause_ms = u64::try_from(pause.as_millis()).expect("a pause of a test is short");
        let text = toml::to_string(&Script {
            batch,
            pause_ms,
            probe,
        });
        self.write(script, &text.expect("plain numbers and texts"));
    }

    /// What the collector whose pages are there has of a probe's spool, of all its epochs together.
    pub fn stored(http: &str, probe: &str) -> Stored {
        let all = Self::json(http, "/api/v1/store");
        let mut stored = Stored::default();
        for row in all["probes"].as_array().into_iter().flatten() {
            if row["probe"] == probe {
                stored.up_to += row["stored_sequence"].as_u64().expect("a number");
                stored.reports += row["rows"].as_u64().expect("a number");
            }
        }
        stored
    }

    /// What an address of the API answers.
    ///
    /// # Panics
    /// When it does not answer with JSON.
    #[track_caller]
    pub fn json(http: &str, path: &str) -> Value {
        let (status, body) = get(http, path).expect("the collector answers");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }
}

/// A port of loopback that nobody has, in UDP or in TCP, as an intake needs it, and that the system gives to nobody by itself: while a collector is dead, its port
/// must not go to somebody's outgoing packets (net.ipv4.ip_local_port_range begins at 32,768).
fn free_port() -> SocketAddr {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("below 10,000");
    (first..32_000)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .find(|&address| UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok())
        .expect("one of two thousand ports is free")
}

fn example() -> String {
    let example = repository().join("topology/examples/two-probes.toml");
    fs::read_to_string(example).expect("the example lies in the repository")
}

/// The example with other probes, in the south or in the north: p0, p1 and so on. Those of a mesh that are not at the same
/// site measure each other.
pub fn topology(
    probes: usize,
    is_south: impl Fn(usize) -> bool,
    meshes: impl IntoIterator<Item = Vec<usize>>,
) -> String {
    let example = example();
    let (places, _) = example
        .split_once("[[probe]]")
        .expect("the example has probes");
    let mut text = places.to_owned();
    for k in 0..probes {
        let site = if is_south(k) { "south" } else { "north" };
        text += &format!(
            "[[probe]]\nid = \"p{k}\"\nsite = \"{site}\"\ncarrier = \"net\"\naddr = [\"10.0.{}.{}\"]\n\
             clock = {{ source = \"ptp\", max_u95 = \"5us\" }}\n",
            k / 250,
            k % 250 + 1
        );
    }
    for (k, mesh) in meshes.into_iter().enumerate() {
        let mesh: Vec<String> = mesh.iter().map(|k| format!("\"p{k}\"")).collect();
        text += &format!(
            "[[measure]]\nid = \"m{k}\"\nclass = \"metro\"\nmesh = [{}]\nrate_pps = 10\n",
            mesh.join(", ")
        );
    }
    text
}

/// The digest that a verdict is to name for the reports of its window, as docs/explain.md tells it: those with the numbers
/// from `first` to `last`, of one feed of one probe's epoch.
pub fn digest_of(feed: &Feed, probe: &str, epoch: u64, first: u64, last: u64) -> String {
    let mut digest = Sha256::new();
    for sequence in first..=last {
        for text in [
            probe.as_bytes(),
            &feed.report(sequence).for_judge().encode(),
        ] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        digest.update(epoch.to_be_bytes());
        digest.update(sequence.to_be_bytes());
    }
    digest
        .finalize()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}
