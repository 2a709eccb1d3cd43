//! The examples of docs/api.md, run as they stand there against the collector of a lab.

use std::fs;
use std::process::Command;
use std::time::Duration;

use owl_tests::{Daemon, get, installed, owl_binary, repository};
use serde_json::Value;

/// A command, and what its output holds.
struct Example {
    command: String,
    prints: Vec<String>,
}

/// The examples of the page: in blocks of `sh`, each command followed by lines `#> TEXT`.
fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => match (line.strip_prefix("#> "), examples.last_mut()) {
                (Some(text), Some(example)) => example.prints.push(text.to_owned()),
                _ => examples.push(Example {
                    command: line.to_owned(),
                    prints: Vec::new(),
                }),
            },
            _ => {}
        }
    }
    examples
}

fn event(line: &str, name: &str) -> Option<Value> {
    let line: Value = serde_json::from_str(line).ok()?;
    line.get(name).cloned()
}

#[test]
fn the_examples_of_the_api_print_what_the_page_says() {
    if !installed("curl") {
        return;
    }
    let page = fs::read_to_string(repository().join("docs/api.md")).expect("the page is there");
    let examples = examples(&page);
    assert!(examples.len() > 5, "only {} examples", examples.len());
    let mut command = Command::new(owl_binary());
    command.args(["lab", "--json", "--duration", "90s"]);
    let daemon = Daemon::start(&mut command);
    let told = daemon.line(Duration::from_secs(30), |line| event(line, "lab"));
    let collector = told["http"].as_str().expect("the lab tells its page");
    let verdict = daemon.line(Duration::from_secs(80), |line| {
        event(line, "verdict").filter(|verdict| verdict["delay"].is_object())
    });
    let path = verdict["path"].as_str().expect("a path");
    let (from, to) = path.split_once('~').expect("FROM~TO");
    let authority = collector.trim_start_matches("http://");
    let (_, body) = get(authority, "/api/v1/latency").expect("the API answers");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let paths = body["paths"].as_array().expect("a list");
    let told = paths.iter().find(|told| told["path"] == path);
    let site = |end: &str| {
        let site = told.and_then(|told| told[end].as_str());
        site.expect("a path of the lab has two sites").to_owned()
    };
    for Example { command, prints } in examples {
        let output = Command::new("bash")
            .args(["-c", &command])
            .env("OWL", collector)
            .env("FROM", site("from_site"))
            .env("TO", site("to_site"))
            .env("FROM_PROBE", from)
            .env("TO_PROBE", to)
            .output()
            .expect("bash can be started");
        let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(output.status.success(), "{command}: {err}{out}");
        for text in prints {
            assert!(out.contains(&text), "{command}: {text} is not in {out}");
        }
    }
}
