//! `owl links import`: a carrier's bins become sums.

use std::fs;
use std::process::{Command, Output};

use owl_tests::owl_binary;
use serde_json::Value;

fn import(text: &str, more: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let file = dir.path().join("bins.csv");
    fs::write(&file, text).expect("a temporary folder takes files");
    Command::new(owl_binary())
        .args(["links", "import"])
        .arg(&file)
        .args(more)
        .output()
        .expect("the binary was just built")
}

/// Four quarters of an hour of a bundle of 800 Gb/s and its members; the third is missing, and the fourth is impossible.
const BINS: &str = "port,start,seconds,received_octets,sent_octets,note
urban-ct-r1-ae1,2026-11-24T00:00:00+08:00,900,4500000000000,45000000000000,
urban-ct-r1-p0,2026-11-24T00:00:00+08:00,900,2250000000000,22500000000000,
urban-ct-r1-ae1,2026-11-24T00:15:00+08:00,900,4500000000000,22500000000000,
urban-ct-r1-ae1,2026-11-24T00:45:00+08:00,900,4500000000000,92000000000000,
nobody,2026-11-24T00:00:00+08:00,900,1,1,
";

#[test]
fn each_octet_counts_once_and_what_is_missing_widens_the_bounds() {
    let output = import(BINS, &["--json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    assert_eq!(told["undeclared_ports"], serde_json::json!(["nobody"]));
    assert_eq!(
        (&told["bins"], &told["impossible_bins"]),
        (&4.into(), &1.into())
    );
    let link = &told["links"][0];
    assert_eq!(link["name"], "ct-urban-shanghai");
    assert_eq!(link["coverage"], 0.5);
    // 45 and 22.5 TB of the bundle, and nothing of its member beside it.
    assert_eq!(link["forward"]["octets"], "67500000000000");
    let mean = &link["forward"]["mean"];
    let least = mean["at_least_bps"].as_f64().expect("it is known");
    let most = mean["at_most_bps"].as_f64().expect("it is known");
    assert_eq!(least, 150e9);
    // Two of four bins were full lines for all that is known.
    assert!((most - 550e9).abs() < 1e6, "{most}");
    let nearest = &link["percentile95"][0];
    assert_eq!(
        (&nearest["rank"], &nearest["bps"]),
        (&"nearest".into(), &400e9.into())
    );
    let names: Vec<_> = told["indicators"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["city-egress"]);
}

#[test]
fn a_person_reads_it_in_both_languages_and_a_wrong_file_is_bad_usage() {
    for (lang, word) in [("en", "p95 nearest rank"), ("zh-CN", "p95 最近秩")] {
        let output = import(BINS, &["--lang", lang]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            told.contains(word) && told.contains("ct-urban-shanghai"),
            "{told}"
        );
    }
    let output = import("port,start\n", &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("its header has no column seconds"), "{said}");
}
