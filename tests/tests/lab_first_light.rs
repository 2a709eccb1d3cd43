//! The lab as a user meets it: every verdict against the truth, also when the collector or a probe is killed.

use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use owl_tests::{Daemon, get, installed, owl_binary, skip};
use serde_json::Value;

/// From the start of the lab to the end of its first window's judgement, on a slow machine.
const FIRST_VERDICT: Duration = Duration::from_secs(40);

struct Lab {
    daemon: Daemon,
    /// What it said of itself first.
    said: Value,
}

impl Lab {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(owl_binary());
        command.args(["lab", "--json"]).args(arguments);
        let daemon = Daemon::start(&mut command);
        let said = daemon.line(Duration::from_secs(30), |line| event(line, "lab"));
        Self { daemon, said }
    }

    /// What `pick` makes of the first verdict that it takes.
    fn verdict<T>(&self, within: Duration, mut pick: impl FnMut(&Value) -> Option<T>) -> T {
        self.daemon
            .line(within, |line| pick(&event(line, "verdict")?))
    }

    fn restarted(&self, name: &str) {
        self.daemon.line(Duration::from_secs(60), |line| {
            (event(line, "restarted")?["name"] == name).then_some(())
        });
    }

    /// The last line, and how the process ended.
    fn summary(mut self, within: Duration) -> (Value, ExitStatus) {
        let summary = self.daemon.line(within, |line| event(line, "summary"));
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.daemon.ended() {
                return (summary, status);
            }
            assert!(
                Instant::now() < deadline,
                "the lab did not end after its summary"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn event(line: &str, kind: &str) -> Option<Value> {
    let mut event: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}"));
    event.get_mut(kind).map(Value::take)
}

fn kill_9(pid: &Value) {
    let status = Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .expect("every system has kill");
    assert!(status.success(), "cannot kill {pid}");
}

#[track_caller]
fn judged_rightly(summary: &Value, status: ExitStatus) {
    assert_eq!(summary["false_verdicts"], 0, "{summary}");
    for trouble in ["detour_missed", "near_undecided", "lie_never_believed"] {
        assert_eq!(summary[trouble], true, "{trouble}: {summary}");
    }
    assert!(status.success(), "{status}: {summary}");
}

/// The mesh finds the clock that was made to lie, by itself, and calls no other one wrong.
#[track_caller]
fn the_liar_is_found(troubles: &Value, summary: &Value) {
    let all = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let lies = |trouble: &Value| trouble["kind"] == "lie";
    let planted: Vec<Value> = all(troubles).into_iter().filter(lies).collect();
    let wrong = |found: &Value| found["kind"] == "clock-wrong";
    let found: Vec<Value> = all(&summary["audit"]).into_iter().filter(wrong).collect();
    assert_eq!((planted.len(), found.len()), (1, 1), "{summary}");
    assert_eq!(planted[0]["probe"], found[0]["subject"], "{summary}");
}

/// Each report that a probe made is stored, once, or still waits on that probe's disk for the next start.
#[track_caller]
fn every_report_once(summary: &Value) {
    let count = |key: &str| {
        summary[key]
            .as_u64()
            .unwrap_or_else(|| panic!("no {key}: {summary}"))
    };
    assert!(count("reports_stored") > 0, "{summary}");
    assert_eq!(
        count("reports_made"),
        count("reports_stored") + count("reports_waiting"),
        "{summary}"
    );
    assert_eq!(
        (count("reports_missing"), count("reports_doubled")),
        (0, 0),
        "{summary}"
    );
}

#[test]
fn a_lab_ends_by_itself_without_a_false_verdict_and_finds_the_three_troubles() {
    let lab = Lab::start(&["--duration", "35s"]);
    assert_eq!(lab.said["simulated"], true);
    assert!(
        lab.said["probes"]
            .as_object()
            .is_some_and(|probes| probes.len() >= 12),
        "{}",
        lab.said
    );
    lab.verdict(FIRST_VERDICT, |_| Some(()));
    let http = lab.said["http"]
        .as_str()
        .expect("the lab tells its page")
        .trim_start_matches("http://")
        .to_owned();
    let (status, page) = get(&http, "/").expect("the page is served");
    assert_eq!(status, 200);
    assert!(
        page.contains("simulated"),
        "the page does not say that all is simulated"
    );
    let (_, metrics) = get(&http, "/metrics").expect("the metrics are served");
    assert!(
        metrics.contains("\nowl_simulated 1"),
        "the metrics do not say that all is simulated"
    );
    let troubles = lab.said["troubles"].clone();
    let (summary, status) = lab.summary(Duration::from_secs(60));
    assert!(
        summary["verdicts"].as_u64() >= summary["paths"].as_u64(),
        "{summary}"
    );
    every_report_once(&summary);
    judged_rightly(&summary, status);
    the_liar_is_found(&troubles, &summary);
}

#[test]
fn a_collector_that_is_killed_loses_no_report_and_doubles_none() {
    let lab = Lab::start(&["--duration", "45s"]);
    lab.verdict(FIRST_VERDICT, |_| Some(()));
    kill_9(&lab.said["collector_pid"]);
    lab.restarted("collector");
    let (summary, status) = lab.summary(Duration::from_secs(80));
    assert_eq!(summary["restarts"], 1, "{summary}");
    every_report_once(&summary);
    // No probe died, so each packet of each judged window is in a report.
    assert_eq!(
        (&summary["packets_unreported"], &summary["packets_doubled"]),
        (&0.into(), &0.into()),
        "{summary}"
    );
    judged_rightly(&summary, status);
}

#[test]
fn a_probe_that_is_killed_leaves_its_paths_not_measured_with_the_reason_until_it_is_back() {
    // Its paths are proved without any clock, and no trouble is planted on them.
    const PROBE: &str = "nantong-cm";
    let own = |verdict: &Value| {
        verdict["path"]
            .as_str()
            .is_some_and(|path| path.starts_with(PROBE))
    };
    let lab = Lab::start(&["--duration", "70s"]);
    lab.verdict(FIRST_VERDICT, |verdict| {
        (own(verdict) && verdict["state"] == "met").then_some(())
    });
    kill_9(&lab.said["probes"][PROBE]);
    let reason = lab.verdict(Duration::from_secs(60), |verdict| {
        (own(verdict) && verdict["reason"] == "no-data")
            .then(|| verdict["detail"].as_str().unwrap_or_default().to_owned())
    });
    assert!(
        !reason.is_empty(),
        "a path is not measured and nobody says why"
    );
    lab.verdict(Duration::from_secs(60), |verdict| {
        (own(verdict) && verdict["state"] == "met").then_some(())
    });
    let (summary, status) = lab.summary(Duration::from_secs(90));
    assert_eq!(
        (&summary["restarts"], &summary["reports_missing"]),
        (&1.into(), &0.into()),
        "{summary}"
    );
    judged_rightly(&summary, status);
}

#[test]
fn the_same_holds_between_namespaces_and_none_of_them_stays() {
    let output = |program: &str, argument: &str| {
        let output = Command::new(program)
            .args(argument.split(' '))
            .output()
            .expect("it is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    if !installed("ip") {
        return;
    }
    if output("id", "-u").trim() != "0" {
        return skip("network namespaces need root");
    }
    if !Command::new("ip")
        .args(["link", "add", "owl-test-veth", "type", "veth"])
        .status()
        .is_ok_and(|s| s.success())
    {
        return skip("this kernel or container makes no veth");
    }
    output("ip", "link del owl-test-veth");
    let lab = Lab::start(&["--netns", "--duration", "35s"]);
    let own = format!("owl-lab-{}-", lab.said["pid"]);
    assert!(
        output("ip", "netns list").contains(&own),
        "no namespace is called {own}…"
    );
    let (summary, status) = lab.summary(Duration::from_secs(80));
    assert!(
        summary["verdicts"].as_u64() >= summary["paths"].as_u64(),
        "{summary}"
    );
    every_report_once(&summary);
    judged_rightly(&summary, status);
    assert!(
        !output("ip", "netns list").contains(&own),
        "namespaces stayed"
    );
}
