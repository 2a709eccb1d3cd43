//! Two probes' ends of one session: the senders of a plan, and a reflector that answers nothing that is not authentic.

mod plans;
mod twamp;

use super::*;
use crate::config::Protects;
use crate::reflector::ReflectorEngine;
use owl_measure::summary::Summary;
use owl_measure::time::Timestamp;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A report comes every 200 ms; none for so long is none at all.
const PATIENCE: Duration = Duration::from_secs(20);

struct Ends {
    /// Followed last.
    plan: Plan,
    folder: tempfile::TempDir,
    near: KeyFiles,
    far: KeyFiles,
    senders: Senders,
    reports: Receiver<Report>,
    stop: Arc<AtomicBool>,
    reflecting: Option<JoinHandle<()>>,
    /// When the keys were looked at last.
    looked: Timestamp,
}

fn write(file: &Path, keys: &[u8]) {
    let table = |octet: &u8| {
        let key = format!("{octet:02x}").repeat(16);
        format!("[[session]]\npeer = \"127.0.0.1\"\nkey = \"{key}\"\n")
    };
    // As an editor does it: a new file in place of the old one.
    let new = file.with_extension("new");
    fs::write(&new, keys.iter().map(table).collect::<String>()).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, file).unwrap();
}

fn config(folder: &Path, authentication: &str) -> Config {
    let file = folder.join("probe.toml");
    let text = format!(
        "id = \"a\"\ncollector = \"127.0.0.1:1\"\nca = \"x\"\ncertificate = \"x\"\nkey = \"x\"\nstate = \"state\"\n\
         [reflector]\nkeys = \"far.toml\"\nauthenticated_only = true\n\
         [sender]\nkeys = \"near.toml\"\nauthentication = \"{authentication}\"\n"
    );
    fs::write(&file, text).unwrap();
    Config::read(&file).unwrap()
}

impl Ends {
    fn start(near: &[u8], far: &[u8], authentication: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("near.toml"), near);
        write(&folder.path().join("far.toml"), far);
        let mut config = config(folder.path(), authentication);
        // What an HMAC TLV protects is an unauthenticated packet.
        config.reflector.authenticated_only = config.sender.authentication == Protects::Whole;
        let files = || KeyFiles::open(&config).unwrap();
        let (near, far) = (files(), files());
        let clock = Clock::honest();
        let listen = ["127.0.0.1:0".parse().unwrap()];
        let reflector = Reflector::bind_with(&listen, &ReflectorEngine::default(), clock)
            .unwrap()
            .provisioned(config.reflector_settings(far.reflector()));
        let port = reflector.local()[0].port();
        let stop = Arc::new(AtomicBool::new(false));
        let reflecting = {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let stats = ReflectorStats::default();
                reflector.run(&stats, &stop, || None).unwrap();
            })
        };
        let vitals = Arc::new(Vitals::default());
        vitals
            .clock()
            .push(crate::clock::state(clock, config.clock.declared()));
        let (sender, reports) = sync_channel(REPORTS_IN_FLIGHT);
        let mut senders = Senders {
            keys: near.sender(),
            config,
            vitals,
            reports: sender,
            running: None,
        };
        let session = PlannedSession {
            path: "a~b".into(),
            peer: "b".into(),
            address: "127.0.0.1".into(),
            port: port.into(),
            packet_interval_ns: 5_000_000,
            packet_octets: 64,
            timeout_ns: 50_000_000,
            report_interval_ns: 200_000_000,
            ..PlannedSession::default()
        };
        let plan = Plan {
            probe: "a".into(),
            sessions: vec![session],
            ..Plan::default()
        };
        senders.follow(plan.clone()).unwrap();
        Self {
            plan,
            folder,
            near,
            far,
            senders,
            reports,
            stop,
            reflecting: Some(reflecting),
            looked: Timestamp(0),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn look(&mut self) {
        self.far.look();
        let changed = self.near.look();
        self.senders.follow_keys(changed);
        self.looked = Clock::honest().now();
    }

    /// Waits for a report of an interval after the last look, of which this is true.
    #[track_caller]
    fn until(&self, what: &str, fits: impl Fn(&Summary) -> bool) {
        let began = std::time::Instant::now();
        while began.elapsed() < PATIENCE {
            let report = self.reports.recv_timeout(PATIENCE).unwrap();
            if report.summary.start > self.looked && fits(&report.summary) {
                return;
            }
        }
        panic!("no report in which {what}");
    }

    #[track_caller]
    fn until_all_come_back(&self) {
        self.until("every packet came back", |told| {
            told.sent > 10 && told.received == told.sent
        });
    }

    #[track_caller]
    fn until_none_comes_back(&self) {
        self.until("none came back", |told| {
            told.sent > 10 && told.received == 0
        });
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.senders.stop();
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.reflecting.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn sessions_are_protected_with_the_key_of_their_peer_and_follow_its_change() {
    for authentication in ["whole", "tlv"] {
        let mut ends = Ends::start(&[1], &[1], authentication);
        ends.until_all_come_back();
        for name in ["near.toml", "far.toml"] {
            write(&ends.file(name), &[2]);
        }
        ends.look();
        ends.until_all_come_back();
        assert!(
            ends.senders
                .keys
                .current()
                .of([127, 0, 0, 1].into(), 1)
                .count()
                == 1
        );
    }
}

#[test]
fn a_session_without_the_right_key_gets_no_answer_until_it_has_it() {
    let mut ends = Ends::start(&[3], &[1], "whole");
    ends.until_none_comes_back();
    write(&ends.file("near.toml"), &[1]);
    ends.look();
    ends.until_all_come_back();
    write(&ends.file("near.toml"), &[]);
    ends.look();
    ends.until_all_come_back();
}

#[test]
fn a_session_begins_anew_when_its_peer_gets_a_key() {
    let mut ends = Ends::start(&[1], &[1], "whole");
    let elsewhere =
        "[[session]]\npeer = \"192.0.2.1\"\nkey = \"00112233445566778899aabbccddeeff\"\n";
    let near = ends.file("near.toml");
    let protected = |ends: &Ends| ends.senders.running.as_ref().unwrap().protected.clone();
    assert_eq!(protected(&ends), [true]);
    fs::write(&near, elsewhere).unwrap();
    ends.look();
    assert_eq!(protected(&ends), [false]);
    ends.until_none_comes_back();
    write(&near, &[1]);
    ends.look();
    assert_eq!(protected(&ends), [true]);
    ends.until_all_come_back();
}

/// A router's TWAMP-Light reflector: 41 octets of reply, its clock unknown; nothing that has an identifier or a TLV.
fn router(socket: &std::net::UdpSocket, stop: &AtomicBool) {
    let mut request = [0; 1_500];
    let mut count = 0_u32;
    while !stop.load(Relaxed) {
        let Ok((octets, from)) = socket.recv_from(&mut request) else {
            continue;
        };
        if octets < 14 || request[14..octets].iter().any(|&octet| octet != 0) {
            continue;
        }
        let mut reply = [0; 41];
        reply[0..4].copy_from_slice(&count.to_be_bytes());
        reply[4..12].copy_from_slice(&request[4..12]);
        reply[12..14].copy_from_slice(&[0x3F, 0xFF]);
        reply[16..24].copy_from_slice(&request[4..12]);
        reply[24..38].copy_from_slice(&request[..14]);
        reply[40] = 255;
        count += 1;
        socket.send_to(&reply, from).unwrap();
    }
}

#[test]
fn a_router_of_the_plan_is_measured_by_twamp_light() {
    let mut ends = Ends::start(&[1], &[1], "whole");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut plan = ends.senders.running.as_ref().unwrap().plan.clone();
    plan.sessions[0].port = port.into();
    plan.sessions[0].set_reflector(ReflectorKind::TwampLight);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| router(&socket, &stop));
        ends.senders.follow(plan).unwrap();
        ends.looked = Clock::honest().now();
        ends.until_all_come_back();
        stop.store(true, Relaxed);
    });
}
