//! `owl links replay`: recorded counters become rates, or reasons.

use std::fs;
use std::process::{Command, Output};

use owl_tests::owl_binary;
use serde_json::{Value, json};

fn replay(text: &str, more: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let file = dir.path().join("history.json");
    fs::write(&file, text).expect("a temporary folder takes files");
    Command::new(owl_binary())
        .args(["links", "replay"])
        .arg(&file)
        .args(more)
        .output()
        .expect("the binary was just built")
}

fn answers(text: &str) -> Value {
    let output = replay(text, &["--json"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

fn history(bits: u32, samples: &Value) -> Value {
    json!({ "speed_bps": 10_000_000_000_u64, "bits": bits, "samples": samples })
}

#[test]
fn each_pair_in_order_of_time_has_its_answer() {
    let told = answers(
        &history(
            64,
            &json!([
                {"t": 10, "rtt": 0.004, "up": 101_000, "disc": 0, "v": "13500000"},
                {"t": 0.0, "rtt": 0.004, "up": 100_000, "disc": 0, "v": "1000000"},
                {"t": 20, "rtt": 0.004, "up": 102_000, "disc": 0, "v": null},
                {"t": 30, "rtt": 0.004, "up": 103_000, "disc": 0, "v": "18446744073709551616"},
                {"t": 40, "rtt": 0.004, "up": 500, "disc": 0, "v": "9000000000"},
                {"t": 50, "rtt": 0.004, "up": 1_500, "disc": 0, "v": "9000000000000000000"},
            ]),
        )
        .to_string(),
    );
    let list = told.as_array().unwrap();
    assert_eq!(list.len(), 5);
    assert_eq!(
        (&list[0]["state"], &list[0]["bytes"], &list[0]["bps"]),
        (&"ok".into(), &"12500000".into(), &1e7.into())
    );
    // ±4 ms of round trips and 100 ppm of the collector's clock, of 10 s: 0.05 %.
    let half = list[0]["u_bps"].as_f64().unwrap();
    assert!((5_000.0..5_010.0).contains(&half), "{half}");
    let reasons: Vec<_> = list[1..].iter().map(|pair| &pair["reason"]).collect();
    assert_eq!(
        reasons,
        ["no-answer", "no-answer", "out-of-range", "above-line-rate"]
    );
    for pair in list {
        let fields = pair.as_object().unwrap().len();
        assert_eq!(fields, if pair["state"] == "ok" { 4 } else { 2 }, "{pair}");
    }
}

#[test]
fn a_list_of_histories_gives_a_list_of_lists() {
    let sample = |t, v| json!({"t": t, "rtt": 0.001, "up": 100_000 + t * 100, "v": v});
    let wrap = json!([sample(0, "4294967290"), sample(1, "10")]);
    let told = answers(
        &json!([
            history(32, &wrap),
            history(64, &wrap),
            history(64, &json!([])),
            {"samples": [{"v": "7"}, {}]},
        ])
        .to_string(),
    );
    assert_eq!(told[0][0]["bytes"], "16");
    assert_eq!(told[1][0]["reason"], "counter-fell");
    assert_eq!(
        (&told[2], told[3].as_array().unwrap().len()),
        (&json!([]), 1)
    );
    assert_eq!(answers("[]"), json!([]));
}

#[test]
fn a_file_that_is_wrong_is_told_with_the_place_and_ends_with_2() {
    let good = r#"{"samples":[{"t":1,"v":"1"}]}"#;
    for (text, place) in [
        ("", "line 1 column 0"),
        ("{\"samples\":[{\"t\":1}", "line 1 column"),
        ("{}", "missing field `samples`"),
        ("7", "invalid type"),
        (r#"{"samples":[{"t":1e999}]}"#, "number out of range"),
        (
            r#"{"samples":[{"t":0,"rtt":-0.1}]}"#,
            "samples[0].rtt is -0.1",
        ),
        (r#"{"samples":[{"t":0,"rtt":NaN}]}"#, "line 1 column"),
        (r#"{"samples":[{"t":"now"}]}"#, "samples[0].t is \"now\""),
        (r#"{"samples":[{"t":1e30}]}"#, "samples[0].t is 1e+30"),
        (
            r#"{"samples":[{},{"up":4294967296}]}"#,
            "samples[1].up is 4294967296",
        ),
        (r#"{"samples":[{"disc":-1}]}"#, "samples[0].disc is -1"),
        (r#"{"samples":[{"v":"-5"}]}"#, "samples[0].v is \"-5\""),
        (r#"{"samples":[{"v":""}]}"#, "samples[0].v is \"\""),
        (r#"{"samples":[{"v":1.5}]}"#, "samples[0].v is 1.5"),
        (r#"{"bits":16,"samples":[]}"#, "bits is 16, not 32 or 64"),
        (r#"{"speed_bps":-1,"samples":[]}"#, "speed_bps is -1"),
        (
            &format!("[{good},{{\"samples\":[{{\"v\":true}}]}}]"),
            "[1].samples[0].v is true",
        ),
    ] {
        let output = replay(text, &["--json"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}: {told}");
        assert!(output.stdout.is_empty());
        assert!(told.contains(place), "{text}: {told}");
    }
    let missing = Command::new(owl_binary())
        .args(["links", "replay", "no-such-file.json"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn people_get_a_table_in_their_language() {
    let text = history(
        64,
        &json!([
            {"t": 0, "rtt": 0.004, "up": 100_000, "v": "1000000"},
            {"t": 10, "rtt": 0.004, "up": 101_000, "v": "13500000"},
            {"t": 20, "rtt": 0.004, "up": 300, "v": "14000000"},
        ]),
    )
    .to_string();
    let shown = |lang| {
        let output = replay(&text, &["--lang", lang]);
        String::from_utf8(output.stdout).unwrap()
    };
    let (en, zh) = (shown("en"), shown("zh-CN"));
    for part in [
        "10.0000 Mb/s",
        "± 0.0051 Mb/s",
        "the agent restarted",
        "1 of 2 intervals known",
    ] {
        assert!(en.contains(part), "{en}");
    }
    assert!(
        zh.contains("设备代理已重启") && zh.contains("± 0.0051 Mb/s"),
        "{zh}"
    );
}

#[test]
fn a_stated_age_of_the_agents_values_widens_the_rates() {
    let text = history(
        64,
        &json!([
            {"t": 0, "rtt": 0.004, "up": 100_000, "v": "1000000"},
            {"t": 30, "rtt": 0.004, "up": 103_000, "v": "38500000"},
        ]),
    )
    .to_string();
    let output = replay(&text, &["--json", "--cache", "3s"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    // 10 Mb/s over 27 s at the shortest: 11.1 Mb/s.
    let half = told[0]["u_bps"].as_f64().unwrap();
    assert!((1.1e6..1.2e6).contains(&half), "{told}");
    assert_eq!(replay(&text, &["--cache", "-3s"]).status.code(), Some(2));
}
