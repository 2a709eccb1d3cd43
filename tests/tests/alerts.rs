//! Alerts as those hear of them who are to call somebody: an Alertmanager of Debian, and a webhook.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use owl_tests::network::{Network, PATIENCE, topology, until};
use owl_tests::{Daemon, get, installed};
use serde_json::Value;
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(86_400);

/// What a webhook is sent: each signature with its body.
struct Hook {
    url: String,
    came: Receiver<(String, Value)>,
}

impl Hook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let (sender, came) = channel();
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(connection);
                let (mut length, mut signature) = (0, String::new());
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|_| line.trim() != "") {
                    let (name, value) = line.trim().split_once(": ").unwrap_or_default();
                    match name.to_ascii_lowercase().as_str() {
                        "content-length" => length = value.parse().unwrap_or(0),
                        "x-owl-signature-256" => value.clone_into(&mut signature),
                        _ => {}
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                // Who was killed in the middle of a request sends it again.
                let Ok(()) = reader.read_exact(&mut body) else {
                    continue;
                };
                let body = serde_json::from_slice(&body).expect("owl sends JSON");
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _ = reader.into_inner().write_all(answer);
                if sender.send((signature, body)).is_err() {
                    return;
                }
            }
        });
        Self {
            url: format!("http://{address}/owl"),
            came,
        }
    }

    /// The next message: status and name of each alert.
    #[track_caller]
    fn next(&self) -> Vec<String> {
        let (signature, body) = self.came.recv_timeout(PATIENCE).expect("a message comes");
        assert!(
            signature.starts_with("sha256=") && signature.len() == 71,
            "{signature}"
        );
        assert_eq!(body["version"], "4");
        let alerts = body["alerts"].as_array().expect("a list");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        alerts
            .iter()
            .map(|alert| {
                format!(
                    "{} {}",
                    text(&alert["status"]),
                    text(&alert["labels"]["alertname"])
                )
            })
            .collect()
    }
}

/// An Alertmanager on a port of its own, in a folder of its own.
struct Alertmanager {
    folder: TempDir,
    address: String,
}

impl Alertmanager {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = "route: { receiver: nobody }\nreceivers: [ { name: nobody } ]\n";
        fs::write(folder.path().join("alertmanager.yml"), text).expect("the test's own folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        Self {
            folder,
            address: address.to_string(),
        }
    }

    fn start(&self) -> Daemon {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let running = Daemon::start(
            Command::new("prometheus-alertmanager")
                .arg(format!("--config.file={}", file("alertmanager.yml")))
                .arg(format!("--storage.path={}", file("data")))
                .arg(format!("--web.listen-address={}", self.address))
                .arg("--cluster.listen-address=")
                .stderr(Stdio::null()),
        );
        until("Alertmanager is ready", || {
            get(&self.address, "/-/ready").is_ok_and(|(status, _)| status == 200)
        });
        running
    }

    /// What goes on, as amtool shows it: each name with its severity and its probe.
    fn active(&self) -> Vec<String> {
        let output = Command::new("amtool")
            .arg(format!("--alertmanager.url=http://{}", self.address))
            .args(["alert", "query", "--output=json"])
            .output()
            .expect("amtool can be started");
        let alerts: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let alerts = alerts.as_array().into_iter().flatten().map(|alert| {
            let labels = &alert["labels"];
            let of = ["alertname", "severity", "probe"].map(|name| text(&labels[name]));
            of.join(" ")
        });
        alerts.collect()
    }
}

#[test]
fn receivers_are_told_once_that_it_began_and_once_that_it_is_over_whatever_dies_in_between() {
    if !installed("prometheus-alertmanager") || !installed("amtool") {
        return;
    }
    let (hook, alertmanager) = (Hook::start(), Alertmanager::new());
    let more = format!(
        "[[alertmanager]]\nurl = \"http://{}\"\n[[webhook]]\nurl = \"{}\"\nkey_file = \"hook.key\"\n",
        alertmanager.address, hook.url
    );
    let two = topology(2, |k| k == 1, [vec![0, 1]]);
    let network = Network::new(&two, &more);
    fs::write(network.file("hook.key"), "a key of the test\n").expect("the test's own folder");
    network.certify_for("owl-collector", 3 * DAY);

    // The Alertmanager is dead; nobody waits for it.
    let (collector, http) = network.collector();
    assert_eq!(hook.next(), ["firing OwlCertificateExpiring"]);
    let told = Network::json(&http, "/api/v1/alerts");
    assert_eq!(
        (&told["receivers"], &told["alerts"][0]["name"]),
        (&2.into(), &"OwlCertificateExpiring".into())
    );
    let (_, page) = get(&http, "/alerts?lang=zh-CN").expect("the collector answers");
    assert!(
        page.contains("证书即将到期") && page.contains("2 个接收方"),
        "{page}"
    );

    // It comes up, and is told what is so.
    let _running = alertmanager.start();
    let expiring = ["OwlCertificateExpiring warning -"];
    until("Alertmanager is told", || alertmanager.active() == expiring);

    // Killed and started again, the collector goes on as if nothing had been.
    drop(collector);
    let (collector, http) = network.collector();
    let since = &told["alerts"][0]["since_ns"];
    until("the alert is there again", || {
        let told = Network::json(&http, "/api/v1/alerts");
        told["alerts"][0]["since_ns"] == *since
    });
    assert_eq!(alertmanager.active(), expiring);
    drop(collector);

    // While it is away a good certificate is put there.
    network.certify_for("owl-collector", 30 * DAY);
    let (_collector, http) = network.collector();
    assert_eq!(
        hook.next(),
        ["resolved OwlCertificateExpiring"],
        "and not told twice"
    );
    until("Alertmanager is told that it is over", || {
        alertmanager.active().is_empty()
    });
    let told = Network::json(&http, "/api/v1/alerts");
    assert_eq!(told["alerts"], Value::Array(Vec::new()));
    assert_eq!(told["ended"][0]["name"], "OwlCertificateExpiring");
    assert!(hook.came.try_recv().is_err(), "nothing else was told");
}

#[test]
fn maintenance_is_dated_by_the_collector_listed_ended_and_audited() {
    let network = Network::new(&topology(2, |k| k == 1, [vec![0, 1]]), "");
    let run = |arguments: &[&str]| {
        let all = [
            &["collector", "maintenance"],
            arguments,
            &["--config", "collector.toml"],
        ];
        let output = network
            .owl(&all.concat(), "owl.log")
            .stderr(Stdio::piped())
            .output();
        let output = output.expect("owl can be started");
        let text = |octets: Vec<u8>| String::from_utf8(octets).expect("owl writes UTF-8");
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let add = |arguments: &[&str]| {
        let all = [&["add", "--reason", "fibre is moved", "--json"], arguments];
        let (code, out, err) = run(&all.concat());
        assert_eq!(code, Some(0), "{err}");
        serde_json::from_str::<Value>(&out).expect("owl writes JSON")
    };
    for (arguments, said) in [
        (&["--to", "2090-01-01T00:00:00Z"][..], "--path"),
        (
            &["--site", "nowhere", "--to", "2090-01-01T00:00:00Z"],
            "no site nowhere",
        ),
        (&["--site", "north", "--to", "now-1h"], "before it begins"),
        (
            &["--carrier", "net", "--to", "2090-01-01T00:00:00Z"],
            "year",
        ),
        (
            &["--site", "north", "--path", "p0~p1", "--to", "now-1h"],
            "cannot be used with",
        ),
    ] {
        let (code, _, err) = run(&[&["add", "--reason", "x"], arguments].concat());
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(err.contains(said), "{arguments:?}: {err}");
    }
    let in_an_hour = || {
        let now = std::time::SystemTime::now() + Duration::from_secs(3_600);
        let since = now
            .duration_since(std::time::UNIX_EPOCH)
            .expect("it is after 1970");
        since.as_nanos().to_string()
    };
    let running = add(&["--path", "p0~p1", "--to", &in_an_hour()]);
    assert_eq!(
        (&running["late"], &running["start_ns"]),
        (&false.into(), &running["declared_at_ns"])
    );
    let late = add(&["--site", "south", "--from", "now-2h", "--to", "now-1h"]);
    assert_eq!(late["late"], true);

    let (_collector, http) = network.collector();
    let metric = |path: &str| {
        let (_, metrics) = get(&http, "/metrics").expect("the collector answers");
        let name = format!("owl_path_in_maintenance{{path=\"{path}\"");
        let line = metrics.lines().find(|line| line.starts_with(&name));
        line.and_then(|line| line.rsplit(' ').next())
            .map(str::to_owned)
    };
    until("the path is in maintenance", || {
        metric("p0~p1").as_deref() == Some("1")
    });
    assert_eq!(metric("p1~p0").as_deref(), Some("0"));
    let told = Network::json(&http, "/api/v1/maintenance?since=0");
    let told = told["maintenance"].as_array().expect("a list");
    assert_eq!(
        (told.len(), &told[0]["running"], &told[1]["late"]),
        (2, &true.into(), &true.into())
    );
    let (_, page) = get(&http, "/paths/p0~p1").expect("the collector answers");
    assert!(page.contains("In announced maintenance until"), "{page}");

    // Compliance lists both, and says which was announced too late.
    let month = Network::json(
        &http,
        "/api/v1/compliance?path=p0~p1&period=now-24h&profile=sla",
    );
    let works = month["paths"][0]["results"][0]["works"]
        .as_array()
        .expect("a list")
        .clone();
    let of = |id: &Value| {
        works
            .iter()
            .find(|works| works["id"] == *id)
            .expect("it is listed")
    };
    assert_eq!(of(&late["id"])["retroactive"], true);
    assert_eq!(of(&running["id"])["retroactive"], false);

    let id = running["id"].as_str().expect("an id");
    assert_eq!(run(&["end", id]).0, Some(0));
    let (code, _, err) = run(&["end", id]);
    assert!(code == Some(2) && err.contains("maintenance list"), "{err}");
    until("the path is in none", || {
        metric("p0~p1").as_deref() == Some("0")
    });
    let (_, list, _) = run(&["list"]);
    assert!(list.contains(id) && list.contains("(late)"), "{list}");
    let audit = network
        .owl(
            &["collector", "audit", "--config", "collector.toml"],
            "owl.log",
        )
        .output();
    let audit = String::from_utf8(audit.expect("owl can be started").stdout).expect("UTF-8");
    for deed in ["maintenance-declared", "maintenance-ended"] {
        assert!(audit.contains(deed), "{audit}");
    }
}
