//! A verdict is an exit code: 0 met, 1 missed, 3 undecided.
//!
//! A relay holds every packet for a while each way, so that light over a stated
//! distance proves what no clock of one host could.

mod stamp_support;

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use stamp_support::{delay, owl, reflect};

/// How long the relay holds a packet, at least.
const HELD: Duration = Duration::from_millis(5);

/// Passes packets to the reflector and back, one after the other; ends with the test process.
fn relay(reflector: SocketAddr) -> SocketAddr {
    let (near, far) = (
        UdpSocket::bind("127.0.0.1:0").expect("a free port"),
        UdpSocket::bind("127.0.0.1:0").expect("a free port"),
    );
    far.connect(reflector).expect("loopback is there");
    far.set_read_timeout(Some(Duration::from_secs(1)))
        .expect("a timeout above zero");
    let address = near.local_addr().expect("it is bound");
    thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((octets, sender)) = near.recv_from(&mut buffer) {
            thread::sleep(HELD);
            // At the end of a test either end may be gone; then there is nothing left to pass on.
            let answer = far
                .send(&buffer[..octets])
                .and_then(|_| far.recv(&mut buffer));
            if let Ok(octets) = answer {
                thread::sleep(HELD);
                let _ = near.send_to(&buffer[..octets], sender);
            }
        }
    });
    address
}

#[test]
fn light_and_the_round_trip_decide_without_any_clock() {
    let (_reflector, listening) =
        reflect(&mut owl(&["reflect", "--json", "--listen", "127.0.0.1:0"]));
    let address = relay(listening[0]).to_string();
    // Light needs 3.319 ms for 1000 km; the relay takes 10 ms both ways together, and a busy host a little more.
    for (max_delay, code, state) in [
        ("500ms", 0, "met"),
        ("3.3ms", 1, "missed"),
        ("3.4ms", 3, "undecided"),
    ] {
        let (got, lines) = delay(&mut owl(&[
            "delay",
            &address,
            "--distance",
            "1000",
            "--max-delay",
            max_delay,
            "--count",
            "100",
            "--interval",
            "20ms",
            "--json",
        ]));
        let verdict = &lines.last().expect("a result")["verdict"];
        for direction in ["forward", "backward"] {
            assert_eq!(
                verdict[direction]["state"], state,
                "{max_delay} {direction}: {verdict}"
            );
        }
        assert_eq!(got, code, "{max_delay}: {verdict}");
        assert_eq!(
            verdict["forward"]["delay"]["basis"], "proved",
            "{max_delay}: {verdict}"
        );
    }
}

#[test]
fn too_few_packets_decide_nothing() {
    let (_reflector, listening) =
        reflect(&mut owl(&["reflect", "--json", "--listen", "127.0.0.1:0"]));
    let address = listening[0].to_string();
    let (code, lines) = delay(&mut owl(&[
        "delay",
        &address,
        "--max-delay",
        "1s",
        "--count",
        "71",
        "--interval",
        "20ms",
        "--json",
    ]));
    let verdict = &lines.last().expect("a result")["verdict"];
    assert_eq!(
        (code, &verdict["forward"]["reason"]),
        (3, &"samples".into()),
        "{verdict}"
    );
}

#[test]
fn a_host_where_nobody_reflects_is_exit_code_3_with_the_command_to_run_there() {
    let unused = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = owl(&["--lang", "en", "delay", &unused.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("no session-reflector answers") && said.contains("`owl reflect`"),
        "{said}"
    );
}
