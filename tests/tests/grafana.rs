//! The dashboard and the rules against what a collector really tells.
//!
//! Grafana itself is not run: each panel's queries go to Prometheus as Grafana
//! would send them, with the variables filled in.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use owl_tests::{Daemon, get, installed, owl_binary, percent_encoded, repository};
use serde_json::Value;

/// What Grafana would put in for the variables that it knows itself; long enough for four scrapes.
const GRAFANAS_OWN: [(&str, &str); 1] = [("$__rate_interval", "8s")];

/// Each has its tests beside it, in a file that ends in `_test.yaml`.
const RULES: [&str; 6] = [
    "rules/recording.yaml",
    "rules/burn.yaml",
    "rules/alerting.yaml",
    "rules/access.yaml",
    "rules/certificates.yaml",
    "rules/reporting.yaml",
];

fn grafana(path: &str) -> PathBuf {
    repository().join("grafana").join(path)
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

fn dashboard() -> Value {
    serde_json::from_str(&read(grafana("dashboards/overview.json"))).expect("the dashboard is JSON")
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_default()
}

/// One query of one panel.
struct Query {
    panel: String,
    expression: String,
}

fn queries(dashboard: &Value) -> Vec<Query> {
    let of_panel = |panel| {
        list(panel, "targets").iter().map(|target| Query {
            panel: text(panel, "title").to_owned(),
            expression: text(target, "expr").to_owned(),
        })
    };
    list(dashboard, "panels")
        .iter()
        .flat_map(of_panel)
        .collect()
}

/// Every name of ours in a text of PromQL, as metrics and as recorded series (which have a colon).
fn names(promql: &str) -> BTreeSet<&str> {
    promql
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|word| word.starts_with("owl_") || word.contains(":owl_"))
        .collect()
}

/// The names after `- record: ` in our own rules.
fn recorded() -> BTreeSet<String> {
    let rules = RULES.map(|file| read(grafana(file))).concat();
    rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "))
        .map(str::to_owned)
        .collect()
}

/// The names in the first column of the tables of the collector's metrics and of a probe's.
fn documented() -> BTreeSet<String> {
    let pages = ["docs/metrics.md", "docs/probe-metrics.md"];
    let pages = pages.map(|page| read(repository().join(page)));
    pages
        .iter()
        .flat_map(|page| page.lines())
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_metric_of_the_dashboard_and_the_rules_is_documented() {
    let (documented, recorded) = (documented(), recorded());
    assert!(documented.len() > 10, "the pages list {documented:?}");
    let (dashboard, rules) = (dashboard(), RULES.map(|file| read(grafana(file))).concat());
    let queries = queries(&dashboard);
    let variables = list(&dashboard["templating"], "list")
        .iter()
        .map(|variable| text(variable, "definition"));
    let all = queries
        .iter()
        .map(|query| query.expression.as_str())
        .chain(variables)
        .chain([rules.as_str()]);
    let unknown: BTreeSet<&str> = all
        .flat_map(names)
        .filter(|name| !documented.contains(*name) && !recorded.contains(*name))
        .collect();
    assert!(
        unknown.is_empty(),
        "neither documented nor recorded: {unknown:?}"
    );
}

#[test]
fn every_panel_explains_itself_and_says_its_unit() {
    let dashboard = dashboard();
    assert_eq!(dashboard["schemaVersion"], 42);
    let mut ids = BTreeSet::new();
    for panel in list(&dashboard, "panels") {
        let title = text(panel, "title");
        assert!(
            !title.is_empty() && !text(panel, "description").is_empty(),
            "a panel without a title or a description: {panel}"
        );
        assert!(
            ids.insert(panel["id"].as_u64()),
            "{title}: its id is used twice"
        );
        if text(panel, "type") == "text" {
            continue;
        }
        assert!(
            !text(&panel["fieldConfig"]["defaults"], "unit").is_empty(),
            "{title} has no unit"
        );
        assert!(!list(panel, "targets").is_empty(), "{title} asks nothing");
        for of in list(panel, "targets").iter().chain([panel]) {
            assert_eq!(
                text(&of["datasource"], "uid"),
                "${datasource}",
                "{title} is tied to one data source"
            );
        }
    }
    for Query { panel, expression } in queries(&dashboard) {
        let counts = names(&expression)
            .iter()
            .any(|name| name.ends_with("_total"));
        let rates = expression.contains("rate(") && expression.contains("[$__rate_interval]");
        assert_eq!(
            counts, rates,
            "{panel}: a counter is shown as a rate over $__rate_interval, and only a counter: {expression}"
        );
    }
}

#[test]
fn amtool_takes_the_example_of_alertmanager_and_sends_what_is_critical_to_who_is_on_call() {
    if !installed("amtool") {
        return;
    }
    let file = grafana("alertmanager/alertmanager.yml")
        .display()
        .to_string();
    let amtool = |arguments: &[&str]| {
        let output = Command::new("amtool").args(arguments).output();
        let output = output.expect("amtool was started a moment ago");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "amtool {arguments:?}: {said}");
        said
    };
    amtool(&["check-config", &file]);
    let routes = format!("--config.file={file}");
    for (severity, receiver) in [
        ("critical", "on-call"),
        ("warning", "operators"),
        ("info", "operators"),
    ] {
        let severity = format!("severity={severity}");
        let said = amtool(&["config", "routes", "test", &routes, &severity]);
        assert_eq!(said.trim(), receiver, "{severity}");
    }
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool")
        .current_dir(grafana("."))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("promtool was started a moment ago");
    let said = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

#[test]
fn promtool_takes_the_rules_and_their_tests_and_the_example_configuration() {
    if !installed("promtool") {
        return;
    }
    for file in RULES {
        promtool(&["check", "rules", file]);
        promtool(&["test", "rules", &file.replace(".yaml", "_test.yaml")]);
    }
    promtool(&["check", "config", "prometheus/prometheus.yml"]);
    promtool(&["check", "config", "prometheus/sharded.yml"]);
}

/// The query as Grafana sends it when nothing is selected.
fn filled_in(expression: &str, dashboard: &Value) -> String {
    let mut filled = expression.to_owned();
    for (name, value) in GRAFANAS_OWN {
        filled = filled.replace(name, value);
    }
    for variable in list(&dashboard["templating"], "list") {
        filled = filled.replace(
            &format!("${}", text(variable, "name")),
            text(variable, "allValue"),
        );
    }
    assert!(
        !filled.contains('$'),
        "a variable that nobody fills in: {filled}"
    );
    filled
}

/// Whether the query has one number at least in the last half minute.
///
/// # Errors
/// What Prometheus says of it when it is no query, or when there is nothing.
fn ask(prometheus: &str, query: &str) -> Result<(), String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is later than 1970")
        .as_secs();
    let path = format!(
        "/api/v1/query_range?query={}&start={}&end={now}&step=2",
        percent_encoded(query),
        now - 30
    );
    let (status, body) = get(prometheus, &path).map_err(|error| error.to_string())?;
    if status != 200 {
        return Err(format!("{status}: {body}"));
    }
    let answer: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
    let mut values = list(&answer["data"], "result")
        .iter()
        .flat_map(|series| list(series, "values"));
    let is_number = |value: &Value| value[1].as_str().is_some_and(|text| text != "NaN");
    if values.any(is_number) {
        Ok(())
    } else {
        Err("no data".into())
    }
}

/// Nobody else listens there now; between this and Prometheus' own start somebody could.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

#[test]
fn every_panel_shows_something_of_a_running_lab() {
    if !installed("prometheus") {
        return;
    }
    let lab =
        Daemon::start(Command::new(owl_binary()).args(["lab", "--duration", "60s", "--json"]));
    let http = lab.line(Duration::from_secs(30), |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line["lab"]["http"].as_str().map(str::to_owned)
    });
    let collector = http.trim_start_matches("http://").trim_end_matches('/');

    let folder = tempfile::tempdir().unwrap();
    let configuration = folder.path().join("prometheus.yml");
    let rules = grafana("rules/recording.yaml");
    let settings = format!(
        "global: {{ scrape_interval: 2s, evaluation_interval: 2s }}\n\
         rule_files: [ {rules:?} ]\n\
         scrape_configs:\n  - job_name: owl\n    static_configs: [ {{ targets: [ {collector:?} ] }} ]\n"
    );
    fs::write(&configuration, settings).unwrap();
    let prometheus = format!("127.0.0.1:{}", free_port());
    let _running = Daemon::start(
        Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={prometheus}"))
            .arg("--log.level=warn"),
    );

    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(
        queries.len() > 10,
        "the dashboard asks only {} questions",
        queries.len()
    );
    // The first verdicts come with the first judged window; a lab of a minute has told everything well before it ends.
    let deadline = Instant::now() + Duration::from_secs(55);
    loop {
        let silent: Vec<String> = queries
            .iter()
            .filter_map(|Query { panel, expression }| {
                let why = ask(&prometheus, &filled_in(expression, &dashboard)).err()?;
                Some(format!("{panel}: {expression}: {why}"))
            })
            .collect();
        if silent.is_empty() {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "panels that show nothing:\n{}",
            silent.join("\n")
        );
        thread::sleep(Duration::from_secs(1));
    }
}
