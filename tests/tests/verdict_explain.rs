//! Every verdict of a lab is explained from the store that the lab kept, and comes out the same.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use owl_tests::{Daemon, get, owl_binary, percent_encoded};
use serde_json::Value;

/// Verdicts that are explained one by one at most; a lab of half a minute makes about eighty.
const EXPLAINED_MAX: usize = 200;

fn explain(place: &[&str], path: &str, at: &str) -> Output {
    Command::new(owl_binary())
        .args(["--lang", "en", "verdict", "explain", path, "--at", at])
        .args(place)
        .output()
        .expect("the binary can be started")
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

fn event(line: &str, name: &str) -> Option<Value> {
    let line: Value = serde_json::from_str(line).ok()?;
    line.get(name).cloned()
}

/// A lab of half a minute whose files stay in `directory`: its verdicts as paths and begins of windows.
fn lab(directory: &Path) -> Vec<(String, String)> {
    let mut command = Command::new(owl_binary());
    command
        .args(["lab", "--json", "--duration", "30s", "--keep"])
        .arg(directory);
    let daemon = Daemon::start(&mut command);
    let told = daemon.line(Duration::from_secs(30), |line| event(line, "lab"));
    let http = told["http"].as_str().expect("the lab tells its page");
    let authority = http.trim_start_matches("http://");
    let first = daemon.line(Duration::from_secs(60), |line| event(line, "verdict"));
    let (path, start) = name(&first);
    // The collector tells the same while it runs: the command, the API and the page.
    let running = explain(&["--collector", http], &path, &start);
    assert_eq!(running.status.code(), Some(0), "{}", said(&running));
    let target = format!(
        "/api/v1/verdicts/explain?path={}&at={start}",
        percent_encoded(&path)
    );
    let (status, body) = get(authority, &target).expect("the API answers");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        (status, &body["recomputed"]["outcome"]),
        (200, &"identical".into())
    );
    let (status, page) = get(
        authority,
        &format!("/paths/{path}/windows/{start}?lang=zh-CN"),
    )
    .expect("the page is served");
    assert!(status == 200 && page.contains("逐字节相同"), "{page}");
    let (_, page) = get(authority, &format!("/paths/{path}")).expect("the page is served");
    assert!(page.contains(&format!("/paths/{path}/windows/")), "{page}");
    let mut verdicts = vec![(path, start)];
    daemon.line(Duration::from_secs(80), |line| {
        verdicts.extend(event(line, "verdict").as_ref().map(name));
        event(line, "summary")
    });
    verdicts
}

fn name(verdict: &Value) -> (String, String) {
    let path = verdict["path"].as_str().expect("a path").to_owned();
    (path, verdict["window_start_ns"].to_string())
}

#[test]
fn every_verdict_of_a_lab_is_recomputed_from_its_store_to_the_last_octet() {
    let directory = tempfile::tempdir().expect("a directory");
    let verdicts = lab(directory.path());
    assert!(verdicts.len() > 30, "only {} verdicts", verdicts.len());
    let store = directory.path().join("collector");
    let store = ["--store", store.to_str().expect("UTF-8"), "--json"];
    for (path, start) in verdicts.iter().take(EXPLAINED_MAX) {
        let output = explain(&store, path, start);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{path} {start}: {}",
            said(&output)
        );
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(told["recomputed"]["outcome"], "identical", "{told}");
        assert_eq!(told["verdict"]["path"], path.as_str());
    }
    let (path, _) = &verdicts[0];
    for (path, at, code, hint) in [
        (path.as_str(), "yesterday", 2, "+08:00"),
        (
            path.as_str(),
            "2020-01-01T00:00:00",
            3,
            "the nearest windows are",
        ),
        ("a~b", "2020-01-01T00:00:00Z", 3, "a path is FROM~TO"),
    ] {
        let output = explain(&store, path, at);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(hint), "{said}");
    }
    let nowhere = explain(&["--store", "/nowhere"], path, "2020-01-01T00:00:00Z");
    assert_eq!(nowhere.status.code(), Some(2), "{}", said(&nowhere));
}
