//! Who may see the pages: users, tokens and the audit log, with the commands, the daemon and the browser of a user.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use owl_tests::{Browser, Daemon, installed, owl_binary};
use serde_json::Value;
use tempfile::TempDir;

/// For what takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse battery";

/// A collector that judges the built-in topology, in a folder of its own.
struct Collector {
    folder: TempDir,
}

impl Collector {
    fn new(pages: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text =
            format!("state = \"state\"\nintake = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n{pages}");
        fs::write(folder.path().join("collector.toml"), text).expect("the test's own folder");
        Self { folder }
    }

    fn owl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(owl_binary());
        command
            .current_dir(self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .env("SUDO_USER", "tester")
            .arg("collector")
            .args(arguments)
            .args(["--config", "collector.toml"]);
        command
    }

    /// Runs a command that is told something on its standard input.
    fn tell(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .owl(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("owl can be started");
        let mut to = child.stdin.take().expect("it was asked for");
        // Who does not want to hear it may have ended.
        let _ = to.write_all(input.as_bytes());
        drop(to);
        child.wait_with_output().expect("it can be waited for")
    }

    #[track_caller]
    fn done(&self, arguments: &[&str], input: &str) -> String {
        let output = self.tell(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("owl writes UTF-8")
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.done(&[arguments, &["--json"]].concat(), "");
        serde_json::from_str(&text).expect("owl writes JSON")
    }

    fn user(&self, name: &str, role: &[&str]) {
        let add = ["user", "add", name, "--password-file", "-", "--role"];
        self.done(&[&add, role].concat(), &format!("{PASSWORD}\n"));
    }

    /// Starts it: the address of its pages.
    fn start(&self) -> (Daemon, String) {
        let log = File::create(self.folder.path().join("log")).expect("the test's own folder");
        let collector = Daemon::start(self.owl(&[]).stderr(log));
        let address = collector.line(PATIENCE, |line| {
            let address = line.strip_prefix("owl collector: ")?;
            Some(address.split(' ').next()?.to_owned())
        });
        (collector, address)
    }
}

/// The status of an address as curl sees it, and what it says.
fn curl(arguments: &[&str]) -> (String, String) {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "30",
            "--write-out",
            "\n%{http_code}",
        ])
        .args(arguments)
        .output()
        .expect("curl can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    (status.to_owned(), body.to_owned())
}

#[test]
fn users_tokens_and_the_audit_log_are_made_listed_and_checked_with_commands() {
    let collector = Collector::new("");
    collector.user("anna", &["admin"]);
    collector.user("reg", &["regulator", "--carrier", "ct"]);
    let users = collector.json(&["user", "list"]);
    assert_eq!(users["users"][1]["name"], "reg");
    assert_eq!(users["users"][1]["carriers"][0], "ct");
    for (arguments, input, said) in [
        (
            &[
                "user",
                "add",
                "anna",
                "--role",
                "admin",
                "--password-file",
                "-",
            ][..],
            PASSWORD,
            "already",
        ),
        (
            &[
                "user",
                "add",
                "b",
                "--role",
                "admin",
                "--password-file",
                "-",
            ],
            "short",
            "15 characters",
        ),
        (
            &[
                "user",
                "add",
                "b",
                "--role",
                "regulator",
                "--password-file",
                "-",
            ],
            PASSWORD,
            "carriers",
        ),
        (
            &[
                "user",
                "add",
                "b",
                "--role",
                "regulator",
                "--carrier",
                "x",
                "--password-file",
                "-",
            ],
            PASSWORD,
            "no carrier x",
        ),
        (
            &["user", "add", "b", "--role", "admin"],
            PASSWORD,
            "--password-file",
        ),
        (&["user", "remove", "anna"], "", "last admin"),
        (
            &["user", "passwd", "nobody", "--password-file", "-"],
            PASSWORD,
            "no user nobody",
        ),
        (&["token", "revoke", "nothing"], "", "no token nothing"),
    ] {
        let output = collector.tell(arguments, input);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
    let token = collector.json(&["token", "add", "grafana"]);
    assert!(
        token["token"]
            .as_str()
            .is_some_and(|value| value.starts_with("owl_"))
    );
    collector.done(
        &["enroll", "yannan-ct", "--reached-at", "192.0.2.1:4455"],
        "",
    );
    collector.done(&["token", "revoke", "grafana"], "");
    let told = collector.done(&["audit"], "");
    for deed in [
        "user-added",
        "token-added",
        "probe-enrolled",
        "token-revoked",
    ] {
        assert!(told.contains(deed), "{told}");
    }
    assert!(told.contains("console tester"), "{told}");
    let export = collector.done(&["audit", "--json"], "");
    let verify = |export: &str, more: &[&str]| {
        let output = collector.tell(&[&["audit", "verify", "-"], more].concat(), export);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), told)
    };
    let (code, told) = verify(&export, &[]);
    assert_eq!(code, Some(0), "{told}");
    let end = told
        .rsplit(' ')
        .next()
        .expect("the hash of the last record")
        .trim();
    let changed = export.replacen("grafana", "grafanb", 1);
    let (code, told) = verify(&changed, &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("line 3: record 3 was changed"), "{told}");
    let mut lines: Vec<&str> = export.lines().collect();
    lines.remove(1);
    let (code, told) = verify(&lines.join("\n"), &[]);
    assert!(
        code == Some(1) && told.contains("record 2 is missing"),
        "{told}"
    );
    let mut lines: Vec<&str> = export.lines().collect();
    lines.pop();
    assert_eq!(verify(&lines.join("\n"), &[]).0, Some(0));
    assert_eq!(verify(&lines.join("\n"), &["--end", end]).0, Some(1));
}

#[test]
fn a_running_collector_is_open_until_the_first_user_and_takes_changes_over() {
    if !installed("curl") {
        return;
    }
    let collector = Collector::new("");
    let (_daemon, address) = collector.start();
    let verdicts = format!("{address}/api/v1/verdicts");
    assert_eq!(curl(&[&verdicts]).0, "200");
    collector.user("anna", &["admin"]);
    let token = collector.json(&["token", "add", "t"]);
    let header = format!(
        "Authorization: Bearer {}",
        token["token"].as_str().unwrap_or_default()
    );
    until(|| curl(&[&verdicts]).0 == "401");
    assert_eq!(curl(&["--header", &header, &verdicts]).0, "200");
    assert_eq!(curl(&[&format!("{address}/metrics")]).0, "200");
    collector.done(&["token", "revoke", "t"], "");
    until(|| curl(&["--header", &header, &verdicts]).0 == "401");
}

/// Waits for what comes within seconds.
#[track_caller]
fn until(so: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !so() {
        assert!(std::time::Instant::now() < deadline, "it does not come");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn pages_over_tls_are_believed_by_who_knows_the_authority_and_by_nobody_else() {
    if !installed("curl") {
        return;
    }
    let collector = Collector::new("[pages]\nnames = [\"localhost\"]\n");
    let (_daemon, address) = collector.start();
    let port = address.rsplit(':').next().expect("an address has a port");
    let (https, http) = (
        format!("https://localhost:{port}/healthz"),
        format!("http://localhost:{port}/healthz"),
    );
    let authority = collector.folder.path().join("authority.pem");
    fs::write(&authority, collector.done(&["authority"], "")).expect("the test's own folder");
    let authority = authority.to_string_lossy().into_owned();
    assert_eq!(curl(&[&https]).0, "000", "nobody else believes it");
    assert_eq!(curl(&["--cacert", &authority, &https]).0, "200");
    assert_eq!(
        curl(&["--cacert", &authority, "--tls-max", "1.2", &https]).0,
        "000"
    );
    let (status, told) = curl(&[&http]);
    assert!(
        status == "400" && told.contains("https://"),
        "{status} {told}"
    );
    let token = collector.json(&["token", "add", "t"]);
    let file = collector.folder.path().join("token");
    fs::write(&file, token["token"].as_str().unwrap_or_default()).expect("the test's own folder");
    collector.user("anna", &["admin"]);
    let ask = |more: &[&str]| {
        let mut command = Command::new(owl_binary());
        command
            .args([
                "verdict",
                "compliance",
                "--json",
                "--period",
                "now-1h",
                "--collector",
            ])
            .arg(format!("https://localhost:{port}"))
            .arg("--ca")
            .arg(&authority)
            .args(more);
        let output = command.output().expect("owl can be started");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    until(|| ask(&[]).contains("log in or show a token"));
    let told = ask(&["--token-file", &file.to_string_lossy()]);
    assert!(told.contains("\"paths\""), "{told}");
}

#[test]
fn a_browser_without_script_logs_in_is_refused_is_locked_out_and_a_regulator_sees_its_carrier() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let collector = Collector::new("[pages]\nnames = [\"localhost\"]\n");
    collector.user("anna", &["admin"]);
    collector.user("reg", &["regulator", "--carrier", "cm"]);
    let (_daemon, address) = collector.start();
    let port = address.rsplit(':').next().expect("an address has a port");
    let at = |path: &str| format!("https://localhost:{port}{path}");
    let log_in = |browser: &mut Browser, name: &str, password: &str| {
        browser.open(&at("/login?lang=en"));
        browser.type_into("#name", name);
        browser.type_into("#password", password);
        browser.enter("#password");
        browser.html()
    };
    browser.open(&at("/paths/yannan-ct~supercomputing-ct?lang=en"));
    let form = browser.html();
    assert!(
        form.contains("<h1>Log in</h1>") && !form.contains("yannan-ct</"),
        "{form}"
    );
    browser.type_into("#name", "anna");
    browser.type_into("#password", PASSWORD);
    browser.enter("#password");
    let page = browser.html();
    assert!(
        page.contains("<span>anna</span>") && page.contains("yannan-ct~supercomputing-ct"),
        "{page}"
    );
    browser.enter(".leave button");
    browser.open(&at("/?lang=zh-CN"));
    assert!(browser.html().contains("<h1>登录</h1>"));
    let page = log_in(&mut browser, "reg", PASSWORD);
    assert!(
        page.contains("<span>reg</span>") && page.contains("-cm"),
        "{page}"
    );
    assert!(!page.contains("-ct"), "a regulator of cm sees ct: {page}");
    browser.open(&at("/paths/yannan-ct~supercomputing-ct?lang=en"));
    assert!(
        browser
            .html()
            .contains("the topology has nothing of this name")
    );
    browser.open(&at("/?lang=en"));
    browser.enter(".leave button");
    let wrong = log_in(&mut browser, "anna", "wrong");
    assert!(
        wrong.contains("The name or the password is wrong."),
        "{wrong}"
    );
    let mut locked = String::new();
    // Each wait is twice the one before, so however slow this machine is, one is long enough to be met.
    for _ in 0..16 {
        locked = log_in(&mut browser, "anna", "wrong");
        if locked.contains("Too many attempts") {
            break;
        }
    }
    assert!(locked.contains("Too many attempts were wrong."), "{locked}");
    // What was refused is told by its status; a policy that forbids something of ours would be told here, too.
    let policy =
        |text: &&String| text.contains("Content Security Policy") || text.contains("blocked");
    let forbidden: Vec<&String> = browser.complaints().iter().filter(policy).collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
}
