//! `owl verdict compliance` as somebody meets it who must say how a period went.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use owl_tests::{Daemon, get, owl_binary};
use serde_json::Value;

fn compliance(arguments: &[&str]) -> Output {
    Command::new(owl_binary())
        .args(["--lang", "en", "verdict", "compliance"])
        .args(arguments)
        .output()
        .expect("the binary runs")
}

/// What is wrong with the usage is said on standard error, with exit code 2.
#[track_caller]
fn check(arguments: &[&str], said: &str) {
    let output = compliance(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(error.contains(said), "{arguments:?}: {error}");
}

#[test]
fn a_wrong_question_is_told_what_there_is() {
    let empty = tempfile::tempdir().expect("a directory can be made");
    let store = empty.path().to_str().expect("the path is text");
    check(&["--store", store], "there is no store of a collector");
    check(&["--collector", "https://x"], "http://HOST:PORT");
    check(
        &["--all-profiles", "--profile", "sla"],
        "cannot be used with",
    );
}

struct Lab {
    daemon: Daemon,
    http: String,
}

fn event(line: &str, kind: &str) -> Option<Value> {
    serde_json::from_str::<Value>(line)
        .ok()?
        .get_mut(kind)
        .map(Value::take)
}

fn lab(keep: &Path) -> Lab {
    let mut command = Command::new(owl_binary());
    command
        .args(["lab", "--json", "--duration", "40s", "--keep"])
        .arg(keep);
    let daemon = Daemon::start(&mut command);
    let said = daemon.line(Duration::from_secs(30), |line| event(line, "lab"));
    let http = said["http"].as_str().expect("the lab tells its page");
    Lab {
        http: http.trim_start_matches("http://").to_owned(),
        daemon,
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Windows of the first path that are known, under the first profile.
fn judged(answer: &Value, path: &str) -> u64 {
    let paths = answer["paths"].as_array().expect("paths");
    let path = paths
        .iter()
        .find(|told| told["path"] == path)
        .expect("the path is there");
    let tally = &path["results"][0]["counted"]["tally"];
    ["met", "missed", "undecided"]
        .iter()
        .filter_map(|state| tally[*state].as_u64())
        .sum()
}

#[test]
fn a_running_collector_and_its_store_tell_the_same_of_a_period() {
    let keep = tempfile::tempdir().expect("a directory can be made");
    let lab = lab(&keep.path().join("lab"));
    let path = lab.daemon.line(Duration::from_secs(40), |line| {
        let verdict = event(line, "verdict")?;
        Some(verdict["path"].as_str()?.to_owned())
    });
    let http = format!("http://{}", lab.http);
    let asked = ["--period", "now-1h", "--json"];
    let running = json(&compliance(&[&asked[..], &["--collector", &http]].concat()));
    let one = json(&compliance(
        &[&asked[..], &["--collector", &http, "--all-profiles", &path]].concat(),
    ));
    assert_eq!(one["paths"][0]["results"].as_array().map(Vec::len), Some(8));
    for (address, said) in [
        (
            "/compliance?period=now-1h&lang=en",
            "Compliance over a period",
        ),
        ("/compliance?period=now-1h&lang=zh-CN", "周期达标情况"),
        (
            &format!("/compliance?path={path}&lang=en"),
            "miit-interconnect",
        ),
    ] {
        let (status, page) = get(&lab.http, address).expect("the page is served");
        assert_eq!(status, 200, "{address}: {page}");
        assert!(page.contains(said), "{address} does not say {said}");
    }
    for (query, code) in [
        ("period=never", 400),
        ("profile=best", 400),
        ("path=a~b", 404),
    ] {
        let (status, said) =
            get(&lab.http, &format!("/api/v1/compliance?{query}")).expect("the API answers");
        assert_eq!(status, code, "{query}: {said}");
    }
    lab.daemon
        .line(Duration::from_secs(80), |line| event(line, "summary"));
    drop(lab);
    let directory = keep.path().join("lab");
    let of = |name: &str| directory.join(name).display().to_string();
    let (store, topology) = (of("collector"), of("topology.toml"));
    let after = compliance(&[&asked[..], &["--store", &store, "--topology", &topology]].concat());
    let after = json(&after);
    // What was judged while it ran is there afterwards, and more came since.
    assert!(
        judged(&after, &path) >= judged(&running, &path).max(1),
        "{path}"
    );
    let why = &after["paths"][0]["results"][0]["why"]["kind"];
    assert_eq!(
        why, "window-length",
        "windows of ten seconds are no minutes"
    );
    check(
        &[
            "--store",
            &store,
            "--topology",
            &topology,
            "--period",
            "2026-13",
        ],
        "2026-W47",
    );
    check(
        &[
            "--store",
            &store,
            "--topology",
            &topology,
            "--profile",
            "best",
        ],
        "fcc-caf",
    );
    check(
        &["--store", &store, "--topology", &topology, "a~b"],
        "owl topology show",
    );
}
