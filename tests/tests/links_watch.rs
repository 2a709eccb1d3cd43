//! `owl links watch`: an own interface's mean and peaks.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use owl_tests::owl_binary;
use serde_json::Value;

#[test]
fn the_loopback_tells_its_mean_and_its_bursts() {
    let stop = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
            let to = socket.local_addr().expect("a bound socket has an address");
            while !stop.load(Ordering::Relaxed) {
                // Nobody reads: what does not fit is dropped behind the interface, which has counted it.
                for _ in 0..50 {
                    let _ = socket.send_to(&[0; 1_000], to);
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        let output = Command::new(owl_binary())
            .args(["links", "watch", "lo", "--duration", "3s", "--json"])
            .output()
            .expect("the binary was just built");
        stop.store(true, Ordering::Relaxed);
        output
    });
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    assert_eq!(
        (&told["interface"], &told["speed_bps"]),
        (&"lo".into(), &Value::Null)
    );
    for way in ["received", "sent"] {
        let one = &told[way];
        assert_eq!(one["refresh"], "live", "{told}");
        let bps = |of: &Value| of["bps"].as_f64().expect("it is known");
        let (mean, peaks) = (
            &one["mean"],
            ["peak_1ms", "peak_10ms", "peak_100ms"].map(|of| &one[of]),
        );
        // A peak over a part of the time is never below the mean over all of it.
        assert!(
            peaks[2]["at_most_bps"].as_f64() >= Some(bps(mean) * 0.9),
            "{told}"
        );
        for peak in peaks {
            let bound = |of: &str| peak[of].as_f64().expect("it is known");
            assert!(
                bound("at_least_bps") <= bps(peak) && bps(peak) <= bound("at_most_bps"),
                "{told}"
            );
        }
    }
}

#[test]
fn an_interface_that_is_not_there_is_bad_usage() {
    let output = Command::new(owl_binary())
        .args(["links", "watch", "owl-none"])
        .output()
        .expect("the binary was just built");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.starts_with("owl: cannot watch owl-none: there is no interface owl-none"),
        "{said}"
    );
}
