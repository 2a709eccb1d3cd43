//! `owl clock audit DIR` as somebody meets it who has the recorded samples of a mesh.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use owl_tests::owl_binary;
use serde_json::Value;

const SECOND: i64 = 1_000_000_000;
const EPOCH: i64 = 1_793_577_600 * SECOND;
const NAMES: [&str; 4] = ["yannan", "dafeng", "dongtai", "sheyang"];

/// Four probes, 60 km from each other, 400 µs one way; clock number 2 is ahead by `lie`, and all claim a microsecond.
fn record(dir: &Path, lie: i64) {
    let reads = |probe: usize, at: i64| EPOCH + at + if probe == 2 { lie } else { 0 };
    let mut samples = String::from("a,b,seq,T1,T2,T3,T4\n");
    let mut claims = String::from("probe,t_local,synchronised,bound_ns\n");
    let mut pairs = Vec::new();
    for (a, from) in NAMES.iter().enumerate() {
        for second in 0..90 {
            let at = reads(a, second * SECOND);
            claims.push_str(&format!("{from},{at},1,1000\n"));
        }
        for (b, to) in NAMES.iter().enumerate() {
            if a != b {
                pairs.push(format!("{from}>{to}"));
            }
            for second in (0..90).filter(|_| a < b) {
                let sent = second * SECOND + 1_000 * (a as i64 + 10 * b as i64);
                let queue = second * 7 % 10 * 900;
                let reached = sent + 400_000 + queue;
                let answered = reached + 20_000;
                let back = answered + 400_000 + queue / 2;
                samples.push_str(&format!(
                    "{from},{to},{second},{},{},{},{}\n",
                    reads(a, sent),
                    reads(b, reached),
                    reads(b, answered),
                    reads(a, back)
                ));
            }
        }
    }
    samples.push_str("yannan,dafeng,91,12\nyannan,nowhere,1,1,,,\n");
    samples.push_str(&format!("yannan,dafeng,90,{},,,\n", reads(0, 90 * SECOND)));
    samples.push_str("yannan,dafeng,92,9200000000000000000,,,\n");
    let each = |value: &str| {
        let entries: Vec<String> = pairs
            .iter()
            .map(|pair| format!("\"{pair}\":{value}"))
            .collect();
        entries.join(",")
    };
    let probes: Vec<String> = NAMES
        .iter()
        .map(|name| format!("{{\"name\":\"{name}\",\"lat\":33.0,\"lon\":120.0,\"rack\":7}}"))
        .collect();
    let mesh = format!(
        "{{\"probes\":[{}],\"min_km\":{{{}}},\"targets_ns\":{{{}}},\"tx_rx_stamp\":\"hw\",\"owner\":\"x\"}}",
        probes.join(","),
        each("60"),
        each("450000")
    );
    for (name, text) in [
        ("samples.csv", samples),
        ("claims.csv", claims),
        ("mesh.json", mesh),
    ] {
        fs::write(dir.join(name), text).expect("a temporary folder takes files");
    }
}

fn audit(dir: &Path, more: &[&str]) -> Output {
    Command::new(owl_binary())
        .args(["--lang", "en", "clock", "audit"])
        .arg(dir)
        .args(more)
        .output()
        .expect("the binary was just built")
}

#[test]
fn the_clock_that_lies_is_named_and_the_honest_paths_are_judged_by_their_claims() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), 3_000_000);
    let output = audit(dir.path(), &["--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["window_s"], 60);
    for name in NAMES {
        let expected = if name == "dongtai" { "faulty" } else { "ok" };
        assert_eq!(answer["probes"][name]["verdict"], expected, "{answer}");
        assert_eq!(
            answer["probes"][name]["offset_ns"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    }
    let offset = answer["probes"]["dongtai"]["offset_ns"][0]
        .as_i64()
        .unwrap();
    assert!((offset - 3_000_000).abs() < 3_000, "{offset}");
    let path = &answer["pairs"]["yannan>dafeng"];
    assert_eq!(
        (&path["verdict"], &path["target"]),
        (&"met".into(), &450_000.into())
    );
    assert_eq!(path["evidence"], "claimed", "{path}");
    let [low, high] = [0, 1].map(|end| path["interval_p95"][end].as_i64().unwrap());
    assert!((low..=high).contains(&407_200) && high < 411_000, "{path}");
    assert_ne!(answer["pairs"]["yannan>dongtai"]["evidence"], "claimed");
}

#[test]
fn lines_that_cannot_be_used_are_named_and_the_rest_counts() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), 0);
    let output = audit(dir.path(), &[]);
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        complaints,
        "owl: samples.csv:542: 4 fields, not 7\nowl: samples.csv:543: no probe \"nowhere\" in mesh.json\n\
         owl: samples.csv:545: T1 is 9200000000000000000 ns, more than two weeks from the middle of its session\n"
    );
    assert_eq!(output.status.code(), Some(0));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("✓ ok") && !shown.contains("faulty"),
        "{shown}"
    );
}

#[test]
fn a_folder_that_is_none_is_told_with_what_belongs_into_it() {
    let dir = tempfile::tempdir().unwrap();
    let output = audit(dir.path(), &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told.contains("cannot read mesh.json") && told.contains("hint: "),
        "{told}"
    );
    record(dir.path(), 0);
    fs::write(dir.path().join("claims.csv"), "probe,bound\n").unwrap();
    let told = String::from_utf8(audit(dir.path(), &[]).stderr).unwrap();
    assert!(
        told.contains("cannot read claims.csv: line 1 is \"probe,bound\""),
        "{told}"
    );
}

#[test]
fn what_cannot_be_true_of_a_mesh_is_refused_with_its_place() {
    for (true_text, wrong, expected) in [
        (
            "\"lat\":33.0,\"lon\":120.0",
            "\"lat\":120.0,\"lon\":33.0",
            "lat = 120, lon = 33 is no point on Earth",
        ),
        ("450000", "-450000", "is -450000, and no delay is below 0"),
        ("\":60", "\":-60", "is -60"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), 0);
        let file = dir.path().join("mesh.json");
        let mesh = fs::read_to_string(&file).unwrap();
        assert!(mesh.contains(true_text), "{mesh}");
        fs::write(file, mesh.replace(true_text, wrong)).unwrap();
        let output = audit(dir.path(), &[]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.contains("mesh.json: ") && told.contains(expected),
            "{told}"
        );
    }
}
