//! A probe whose UDP does not get through reports over HTTPS.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use owl_lab::feeder::{Feed, Measured, Queues};
use owl_tests::Daemon;
use owl_tests::network::{Network, until};

const PROBE: &str = "p-north";

/// Carries TCP to an intake and nothing of UDP, as a firewall that blocks it.
fn firewall(intake: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port of loopback");
    let address = listener.local_addr().expect("it was bound");
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(intake) else {
                continue;
            };
            let both = near
                .try_clone()
                .and_then(|near| Ok((near, far.try_clone()?)));
            let Ok((mut near_in, mut far_out)) = both else {
                continue;
            };
            let (mut near, mut far) = (near, far);
            thread::spawn(move || io::copy(&mut near_in, &mut far_out));
            thread::spawn(move || io::copy(&mut far, &mut near));
        }
    });
    address
}

#[test]
fn a_probe_whose_udp_is_blocked_reports_over_https() {
    let network = Network::of_two();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(now.expect("it is after 1970").as_nanos()).expect("before 2262");
    let feed = Feed {
        from_ns: now - 3_600_000_000_000,
        length_ns: 1_000_000_000,
        step_ns: 1_000_000_000,
        packets: 10,
        queues: Queues::Steady,
        paths: vec![Measured::well("p-north~p-south")],
    };
    let (_collector, http) = network.collector();
    let of_probe = network.text("p-north.toml");
    let intake = of_probe
        .lines()
        .find_map(|line| line.strip_prefix("collector = "))
        .and_then(|address| address.trim_matches('"').parse().ok())
        .expect("the intake's address");
    let blocked = of_probe.replace(
        &format!("\"{intake}\""),
        &format!("\"{}\"", firewall(intake)),
    );
    std::fs::write(network.file("p-north.toml"), blocked).expect("a file of the test's own");
    let pause = std::time::Duration::from_millis(5);
    network.script("feed.toml", 100, pause, &[(PROBE, 1_000, feed)]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_owl-feeder"));
    command.arg(network.file("feed.toml")).stderr(Stdio::null());
    let _probe = Daemon::start(&mut command);
    until("all are stored", || {
        Network::stored(&http, PROBE).up_to == 1_000
    });
    assert_eq!(Network::stored(&http, PROBE).reports, 1_000);
    let log = network.text("collector.log");
    assert!(log.contains("a probe called over HTTPS"), "{log}");
}
