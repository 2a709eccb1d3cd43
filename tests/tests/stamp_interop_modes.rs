//! Every mode and timestamp format of STAMP with another implementation, stamp-suite, both ways and over both families.
//! docs/interop.md holds the table, and a row that comes out otherwise fails.

#[path = "stamp_support/interop.rs"]
mod interop;
#[path = "stamp_support/keys.rs"]
mod keys;
#[path = "stamp_support/peer.rs"]
mod peer;
mod stamp_support;
#[path = "stamp_support/stop.rs"]
mod stop;

use serde_json::Value;

use interop::{FAMILIES, PACKETS, SECRET, answers, check_page, count, our_result, their_summary};
use keys::key_file;
use stamp_support::{owl, reflect};
use stop::stop;

/// How a session is protected: its name, and the options of the four ends.
struct Mode {
    name: &'static str,
    our_sender: &'static [&'static str],
    their_reflector: &'static [&'static str],
    their_sender: &'static [&'static str],
    our_reflector: &'static [&'static str],
}

/// KEYS stands for our key file.
const MODES: [Mode; 3] = [
    Mode {
        name: "open",
        our_sender: &[],
        their_reflector: &[],
        their_sender: &[],
        our_reflector: &[],
    },
    Mode {
        name: "TLVs protected (HMAC TLV)",
        our_sender: &["--key-file", "KEYS", "--authentication", "tlv"],
        their_reflector: &["--hmac-key", SECRET, "--verify-tlv-hmac"],
        their_sender: &["--hmac-key", SECRET],
        our_reflector: &["--keys", "KEYS"],
    },
    Mode {
        name: "authenticated",
        our_sender: &["--key-file", "KEYS"],
        their_reflector: &["-A", "A", "--hmac-key", SECRET, "--verify-tlv-hmac"],
        their_sender: &["-A", "A", "--hmac-key", SECRET],
        our_reflector: &["--keys", "KEYS", "--authenticated-only"],
    },
];

/// A timestamp format: its name, and the options of the four ends.
struct Format {
    name: &'static str,
    our_sender: &'static [&'static str],
    their_reflector: &'static [&'static str],
    their_sender: &'static [&'static str],
    our_reflector: &'static [&'static str],
}

/// stamp-suite's PTP timestamps count UTC where IEEE 1588 counts TAI, so each side must be told of the other's.
const FORMATS: [Format; 2] = [
    Format {
        name: "NTP",
        our_sender: &[],
        their_reflector: &[],
        their_sender: &[],
        our_reflector: &[],
    },
    Format {
        name: "PTP",
        our_sender: &["--format", "ptp", "--tai-offset", "0"],
        their_reflector: &["-K", "PTP"],
        their_sender: &["-K", "PTP", "--reflector-utc-offset", "37"],
        our_reflector: &["--format", "ptp", "--tai-offset", "37"],
    },
];

const OUR_TLVS: &str = "all,access-report=3gpp,destination-node=IP,return-path=same-link";
const THEIR_TLVS: [&str; 7] = [
    "--location",
    "--timestamp-info",
    "--direct-measurement",
    "--follow-up-telemetry",
    "--return-address",
    "IP",
    "--cos",
];

fn filled<'a>(options: &[&'a str], keys: &'a str, ip: &'a str) -> Vec<&'a str> {
    let fill = |&option: &&'a str| match option {
        "KEYS" => keys,
        "IP" => ip,
        option => option,
    };
    options.iter().map(fill).collect()
}

#[test]
fn every_mode_and_format_is_understood_both_ways() {
    let Some(program) = peer::peer() else { return };
    let folder = tempfile::tempdir().unwrap();
    let keys = key_file(folder.path(), SECRET);
    let keys = keys.to_str().unwrap();
    let mut lines = Vec::new();
    for mode in &MODES {
        for format in &FORMATS {
            for ip in FAMILIES {
                let (_theirs, address) = peer::reflector(
                    &program,
                    ip,
                    &[mode.their_reflector, format.their_reflector].concat(),
                );
                let protected = filled(mode.our_sender, keys, ip);
                answers(&address, &protected);
                let ask = OUR_TLVS.replace("IP", ip);
                let options = [&protected[..], format.our_sender, &["--ask", &ask]].concat();
                check_our_session(mode, &our_result(&address, &options));

                let listen = peer::at(ip, 0);
                let options = filled(mode.our_reflector, keys, ip);
                let (reflector, listening) = reflect(
                    owl(&["reflect", "--json", "--listen", &listen])
                        .args(options)
                        .args(format.our_reflector),
                );
                let options = [mode.their_sender, format.their_sender, &THEIR_TLVS].concat();
                let options = filled(&options, keys, ip);
                let summary = their_summary(&program, ip, listening[0].port(), &options);
                check_their_session(mode, &summary);
                let counts = stop(&reflector);
                assert_eq!(counts["reflected"], PACKETS, "{}: {counts}", mode.name);
                assert_eq!(counts["unauthentic"], 0, "{}: {counts}", mode.name);
            }
            lines.push(format!("| {} | {} | done | done |", mode.name, format.name));
        }
    }
    check_page(&lines);
}

/// Everything came back, was told and believed, and the clocks of one host agree.
fn check_our_session(mode: &Mode, result: &Value) {
    let (packets, told) = (&result["packets"], &result["told"]);
    assert_eq!(
        count(&packets["received"]),
        PACKETS,
        "{}: {result}",
        mode.name
    );
    assert_eq!(count(&packets["strangers"]), 0, "{}: {result}", mode.name);
    assert_eq!(told["tlvs_not_believed"], 0, "{}: {told}", mode.name);
    assert_eq!(told["zero_ssids"], 0, "{}: {told}", mode.name);
    let tlvs = told["tlvs"].as_object().expect("TLVs were asked by");
    let protected = usize::from(mode.name != "open");
    assert_eq!(tlvs.len(), 8 + protected, "{}: {told}", mode.name);
    for (name, answers) in tlvs {
        // It is said until a reply acknowledges it.
        if name != "access-report" {
            assert_eq!(count(&answers["understood"]), PACKETS, "{name}: {told}");
        }
    }
    assert_eq!(told["access_report"], "acknowledged", "{told}");
    let raw = result["forward"]["raw"]["max_ns"].as_i64();
    let raw = raw.expect("packets came back");
    assert!(raw.abs() < 1_000_000_000, "{}: {result}", mode.name);
}

fn check_their_session(mode: &Mode, summary: &Value) {
    assert_eq!(count(&summary["packets_received"]), PACKETS, "{summary}");
    let told = &summary["measurements"]["tlv_validation"];
    assert_eq!(count(&told["rejected_replies"]), 0, "{told}");
    for flag in ["unrecognized", "malformed", "integrity_failed"] {
        assert_eq!(count(&told["flags"][flag]), 0, "{}: {told}", mode.name);
    }
    let verified = if mode.name == "open" { 0 } else { PACKETS };
    assert_eq!(
        count(&told["hmac"]["verified"]),
        verified,
        "{}: {told}",
        mode.name
    );
    let forward = summary["owd"]["forward_max_ms"].as_f64();
    let forward = forward.expect("packets came back");
    assert!(forward.abs() < 1_000.0, "{}: {summary}", mode.name);
}

#[test]
fn its_ptp_timestamps_count_utc() {
    let Some(program) = peer::peer() else { return };
    let (_reflector, address) = peer::reflector(&program, "127.0.0.1", &["-K", "PTP"]);
    answers(&address, &[]);
    let result = our_result(&address, &["--tai-offset", "37"]);
    let raw = result["forward"]["raw"]["max_ns"].as_i64().unwrap();
    assert!(
        (-37_100_000_000..-36_900_000_000).contains(&raw),
        "stamp-suite counts TAI by now: docs/interop.md says otherwise: {result}"
    );
}
