//! What `owl delay` says of its packets is what stands in them, as tshark reads them off the wire.

mod stamp_support;

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use owl_tests::{Daemon, installed, skip};
use serde_json::Value;

use stamp_support::{PATIENCE, delay, owl, reflect};

const PACKETS: usize = 20;

/// The fields of a reply, in the order in which tshark is asked for them.
const FIELDS: [&str; 9] = [
    "udp.srcport",
    "twamp.test.seq_number",
    "twamp.test.timestamp",
    "twamp.test.receive_timestamp",
    "twamp.test.sender_timestamp",
    "twamp.test.sender_seq_number",
    "twamp.test.sender_ttl",
    "twamp.test.error_estimate",
    "twamp.test.sender_error_estimate",
];

/// An instant as tshark prints it, `Nov 23, 2026 14:44:19.984320275 UTC`: nanoseconds since midnight.
fn since_midnight(printed: &str) -> i64 {
    let time = printed
        .split_whitespace()
        .find(|word| word.contains(':'))
        .expect("a time of day");
    let (whole, fraction) = time.split_once('.').expect("a fraction of a second");
    let seconds = whole.split(':').fold(0, |sum, part| {
        sum * 60 + part.parse::<i64>().expect("hours, minutes, seconds")
    });
    seconds * 1_000_000_000 + format!("{fraction:0<9}").parse::<i64>().expect("digits")
}

/// What tshark makes of an instant: it was rounded to 2⁻³² s on the wire, and tshark cuts that down to nanoseconds.
fn as_printed(ns: &Value) -> i64 {
    const DAY: i64 = 86_400_000_000_000;
    const SECOND: i64 = 1_000_000_000;
    let ns = ns.as_i64().expect("an instant in nanoseconds");
    let fraction =
        (i128::from(ns % SECOND) * (1 << 32) + i128::from(SECOND / 2)) / i128::from(SECOND);
    let cut = (fraction * i128::from(SECOND)) >> 32;
    (ns - ns % SECOND) % DAY + i64::try_from(cut).expect("less than a second")
}

/// The bound that an Error Estimate claims (RFC 8762, section 4.1.1), rounded up to nanoseconds.
fn bound_ns(estimate: u32) -> Option<u64> {
    let (synchronised, scale, multiplier) =
        (estimate >> 15 == 1, estimate >> 8 & 0x3F, estimate & 0xFF);
    let units = u128::from(multiplier) << scale;
    (synchronised && multiplier > 0).then(|| {
        u64::try_from((units * 1_000_000_000).div_ceil(1 << 32))
            .expect("a bound of less than centuries")
    })
}

/// Sends datagrams that are no test packets until tshark shows one, so that it is known to listen.
fn wait_until_it_captures(tshark: &Daemon, port: u16) {
    let seen = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            while !seen.load(Relaxed) {
                socket
                    .send_to(b"?", ("127.0.0.1", port))
                    .expect("loopback takes it");
                thread::sleep(Duration::from_millis(20));
            }
        });
        tshark.line(PATIENCE, |_| Some(()));
        seen.store(true, Relaxed);
    });
}

#[test]
fn sequence_stamps_error_estimate_and_ttl_agree_with_tshark_to_the_nanosecond() {
    if !installed("tshark") {
        return;
    }
    let (_reflector, listening) =
        reflect(&mut owl(&["reflect", "--json", "--listen", "127.0.0.1:0"]));
    let port = listening[0].port();
    let mut capture = Command::new("tshark");
    capture.args([
        "-l",
        "-n",
        "-i",
        "lo",
        "-f",
        &format!("udp port {port}"),
        "-d",
        &format!("udp.port=={port},twamp.test"),
    ]);
    // However this test ends, the capture does too.
    capture.args(["-a", "duration:120"]);
    capture.args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=f"]);
    capture.args(FIELDS.iter().flat_map(|field| ["-e", field]));
    // Where it keeps what it captured; a process that is killed does not tidy up.
    let folder = tempfile::tempdir().unwrap();
    capture.env("TMPDIR", folder.path());
    if let Err(why) = may_capture() {
        return skip(why);
    }
    let mut tshark = Daemon::start(&mut capture);
    wait_until_it_captures(&tshark, port);

    // Not `--own`: T3 is then shown as it stands on the wire, not as the follow-up corrects it.
    let count = PACKETS.to_string();
    let (code, lines) = delay(&mut owl(&[
        "delay",
        &format!("127.0.0.1:{port}"),
        "--count",
        &count,
        "--interval",
        "10ms",
        "--json",
        "--samples",
    ]));
    assert_eq!(code, 0);
    let samples: Vec<&Value> = lines
        .iter()
        .filter(|line| line["kind"] == "sample")
        .collect();
    assert_eq!(samples.len(), PACKETS);

    // By T1, which no two packets share: the first packets of all looked for the reflector.
    let mut by_t1: BTreeMap<i64, &Value> = samples
        .iter()
        .map(|&sample| (as_printed(&sample["t1_sent_ns"]), sample))
        .collect();
    assert_eq!(by_t1.len(), PACKETS);
    while !by_t1.is_empty() {
        let fields: Vec<String> = tshark.line(PATIENCE, |line| {
            let fields: Vec<String> = line.split('|').map(str::to_owned).collect();
            (fields[0] == port.to_string()).then_some(fields)
        });
        let Some(sample) = by_t1.remove(&since_midnight(&fields[4])) else {
            continue;
        };
        let number = |k: usize| -> u64 {
            let text = &fields[k];
            text.strip_prefix("0x")
                .map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16))
                .unwrap()
        };
        let on_the_wire = (
            number(1),
            number(5),
            since_midnight(&fields[3]),
            since_midnight(&fields[2]),
            number(6),
        );
        let sequence = sample["sequence"].as_u64().unwrap();
        let told = (
            sequence,
            sequence,
            as_printed(&sample["t2_ns"]),
            as_printed(&sample["t3_ns"]),
            sample["ttl"].as_u64().unwrap(),
        );
        assert_eq!(on_the_wire, told, "{sample}");
        assert_eq!(
            bound_ns(number(7) as u32),
            sample["far_bound_ns"].as_u64(),
            "{sample}"
        );
        assert_eq!(
            number(8),
            0x3FFF,
            "a sender without --clock-bound claims nothing"
        );
    }
    // Asked to end, it ends its capturing child as well.
    let id = tshark.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    while tshark.ended().is_none() {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether this user may capture at all.
fn may_capture() -> Result<(), String> {
    let interfaces = Command::new("tshark")
        .arg("-D")
        .output()
        .map_err(|error| error.to_string())?;
    if String::from_utf8_lossy(&interfaces.stdout).contains("lo") {
        Ok(())
    } else {
        Err("tshark may not capture here".to_owned())
    }
}
