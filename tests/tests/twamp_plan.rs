//! A router with a TWAMP server in the topology, as an operator meets it: collector, probe and `owl reflect --twamp` are
//! processes of their own, and the server dies in the middle and comes back.

use std::fs::{self, Permissions};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use owl_tests::{Daemon, get, installed, owl_binary};
use serde_json::Value;

/// A window of ten seconds, its grace, and what a slow machine adds, twice.
const A_VERDICT: Duration = Duration::from_secs(60);
const PATH: &str = "p-north~p-south";

fn owl(arguments: &[&str]) -> Command {
    let mut command = Command::new(owl_binary());
    command.args(arguments);
    command
}

fn free_tcp() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has ports");
    listener.local_addr().expect("it is bound").port()
}

fn free_udp() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("the loopback interface has ports");
    socket.local_addr().expect("it is bound").port()
}

/// Certificates of one authority, as the README makes them.
fn certify(folder: &Path) {
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=owl-ca -keyout ca.key -out ca.pem
        for name in owl-collector p-north; do
          openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj \"/CN=$name\" -keyout $name.key -out $name.csr
          printf 'subjectAltName=DNS:%s\\nbasicConstraints=CA:FALSE\\n' $name > $name.ext
          openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile $name.ext -out $name.pem
        done";
    let mut sh = Command::new("sh");
    let made = sh.args(["-ec", script]).current_dir(folder).output();
    let made = made.expect("every system has a shell");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// The example of two probes, of which the one in the south is a router at this port that knows `jiuzi`.
fn topology(server: u16) -> String {
    include_str!("../../topology/examples/two-probes.toml")
        .replace("192.0.2.1", "127.0.0.1")
        .replace(
            "addr = [\"192.0.2.2\"]",
            &format!("addr = [\"127.0.0.1\"]\nport = {server}\nreflector = \"twamp\"\ntwamp_user = \"jiuzi\""),
        )
        + "report_every = \"1s\"\ntimeout = \"300ms\"\n"
}

fn server(port: u16, users: &str) -> Daemon {
    let mut command = owl(&["reflect", "--json", "--listen", "127.0.0.1:0"]);
    command.args(["--twamp", &format!("127.0.0.1:{port}"), "--users", users]);
    let server = Daemon::start(&mut command);
    server.line(A_VERDICT, |line| serde_json::from_str::<Value>(line).ok());
    server
}

/// Waits until the page at `path` says so.
#[track_caller]
fn until<T>(address: &str, path: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
    let began = Instant::now();
    let mut last = String::new();
    while began.elapsed() < A_VERDICT {
        if let Ok((200, body)) = get(address, path) {
            if let Some(found) = wanted(&body) {
                return found;
            }
            last = body;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{path} never said what the test waits for: {last}");
}

/// The latest verdict on the path.
fn verdict(body: &str) -> Option<Value> {
    let verdicts: Value = serde_json::from_str(body).ok()?;
    let of_path = |it: &&Value| it["path"] == PATH;
    verdicts["verdicts"]
        .as_array()?
        .iter()
        .find(of_path)
        .cloned()
}

#[test]
fn a_router_with_a_twamp_server_is_measured_and_its_absence_is_told_on_the_path() {
    if !installed("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let users = folder.join("users.toml");
    fs::write(&users, "jiuzi = \"nine words\"\n").unwrap();
    fs::set_permissions(&users, Permissions::from_mode(0o600)).unwrap();
    let users = users.to_str().unwrap();
    certify(folder);
    let (twamp, intake, http, metrics) = (free_tcp(), free_udp(), free_tcp(), free_tcp());
    fs::write(folder.join("topology.toml"), topology(twamp)).unwrap();
    let tls = |name: &str| {
        format!("ca = \"ca.pem\"\ncertificate = \"{name}.pem\"\nkey = \"{name}.key\"\n")
    };
    fs::write(
        folder.join("collector.toml"),
        format!(
            "topology = \"topology.toml\"\nstate = \"collector\"\nintake = \"127.0.0.1:{intake}\"\n\
             http = \"127.0.0.1:{http}\"\ngrace = \"1s\"\nprofile = \"lab\"\n{}",
            tls("owl-collector")
        ),
    )
    .unwrap();
    fs::write(
        folder.join("probe.toml"),
        format!(
            "id = \"p-north\"\nlisten = [\"127.0.0.1:0\"]\ncollector = \"127.0.0.1:{intake}\"\nstate = \"probe\"\n\
             metrics = \"127.0.0.1:{metrics}\"\n{}[sender]\ntwamp_users = \"{users}\"\n",
            tls("p-north")
        ),
    )
    .unwrap();
    let run = |what: &str| {
        let file = folder.join(format!("{what}.toml"));
        Daemon::start(owl(&[what, "--config"]).arg(file))
    };
    let (_collector, first) = (run("collector"), server(twamp, users));
    let _probe = run("probe");
    let (http, metrics) = (format!("127.0.0.1:{http}"), format!("127.0.0.1:{metrics}"));
    let running = |count: u8| {
        let line = format!("\nowl_probe_asked_sessions_running {count}\n");
        until(&metrics, "/metrics", |body| {
            body.contains(&line).then_some(())
        });
    };
    running(1);
    let measured = |body: &str| verdict(body).filter(|it| it["received"].as_u64() > Some(0));
    until(&http, "/api/v1/verdicts", measured);
    drop(first);
    let hindered = until(&http, "/api/v1/verdicts", |body| {
        verdict(body).filter(|it| it["why"]["kind"] == "hindered")
    });
    assert_eq!(hindered["why"]["what"], "unreachable", "{hindered}");
    assert_eq!(
        (&hindered["state"], &hindered["sent"]),
        (&"undecided".into(), &0.into())
    );
    running(0);
    let _second = server(twamp, users);
    running(1);
    until(&http, "/api/v1/verdicts", measured);
}
