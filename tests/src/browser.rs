//! Chromium without a window, told what to do over a pipe: the DevTools protocol, one JSON message after another.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// For what takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages that wait for the test; a browser that says more waits.
const MESSAGES_MAX: usize = 4_096;

/// One page, in which no script runs; killed when dropped.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    orders: File,
    messages: Receiver<Value>,
    session: Option<String>,
    number: u64,
    /// What the browser said about the page without being asked.
    complaints: Vec<String>,
    _folder: TempDir,
}

impl Browser {
    /// Starts it, with script switched off. `None`, and said to be skipped, where there is no Chromium.
    ///
    /// # Panics
    /// When it does not do what Chromium does.
    pub fn start() -> Option<Self> {
        if !crate::installed("chromium") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pipe = |name: &str| {
            let file = folder.path().join(name);
            let made = Command::new("mkfifo").arg(&file).status();
            assert!(
                made.is_ok_and(|status| status.success()),
                "no pipe can be made"
            );
            // For both directions, so that opening waits for nobody.
            let opened = File::options().read(true).write(true).open(&file);
            (file, opened.expect("a pipe that was just made"))
        };
        let ((orders_file, orders), (answers_file, answers)) = (pipe("orders"), pipe("answers"));
        // The protocol's pipes are the descriptors 3 and 4.
        let script = "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
                      --ignore-certificate-errors --lang=en --remote-debugging-pipe --user-data-dir=\"$3\" 3<\"$1\" 4>\"$2\"";
        let child = Command::new("sh")
            .args(["-c", script, "sh"])
            .args([&orders_file, &answers_file, folder.path()])
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        let (sender, messages) = mpsc::sync_channel(MESSAGES_MAX);
        thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else {
                    continue;
                };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            child,
            orders,
            messages,
            session: None,
            number: 0,
            complaints: Vec::new(),
            _folder: folder,
        };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "DOM", "Log"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        let off = json!({ "value": true });
        browser.ask("Emulation.setScriptExecutionDisabled", off);
        Some(browser)
    }

    /// Asks for something, and has what comes of it.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let number = self.number;
        let mut order = json!({ "id": number, "method": method, "params": params });
        if let Some(session) = &self.session {
            order["sessionId"] = session.as_str().into();
        }
        let octets = format!("{order}\0");
        self.orders
            .write_all(octets.as_bytes())
            .expect("the browser listens");
        let answer = self.until(method, |message| message["id"] == number);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The next message that is wanted.
    fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self
                .messages
                .recv_timeout(left)
                .unwrap_or_else(|error| panic!("no answer to {what}: {error}"));
            if message["method"] == "Log.entryAdded" {
                let entry = &message["params"]["entry"];
                self.complaints.push(entry["text"].to_string());
            }
            if wanted(&message) {
                return message;
            }
        }
    }

    fn loaded(&mut self) {
        self.until("a page", |message| {
            message["method"] == "Page.loadEventFired"
        });
    }

    /// Goes to an address, and waits for the page.
    ///
    /// # Panics
    /// When none comes.
    pub fn open(&mut self, address: &str) {
        self.ask("Page.navigate", json!({ "url": address }));
        self.loaded();
    }

    fn node(&mut self, selector: &str) -> Value {
        let document = self.ask("DOM.getDocument", json!({ "depth": 1 }));
        let query = json!({ "nodeId": document["root"]["nodeId"], "selector": selector });
        let found = self.ask("DOM.querySelector", query)["nodeId"].clone();
        assert_ne!(found, 0, "the page has no {selector}");
        found
    }

    /// The page as it is: its HTML.
    ///
    /// # Panics
    /// When the browser does not tell.
    pub fn html(&mut self) -> String {
        let node = self.node("html");
        let told = self.ask("DOM.getOuterHTML", json!({ "nodeId": node }));
        told["outerHTML"].as_str().unwrap_or_default().to_owned()
    }

    /// Types into a field.
    ///
    /// # Panics
    /// When the page has no such field.
    pub fn type_into(&mut self, selector: &str, text: &str) {
        let node = self.node(selector);
        self.ask("DOM.focus", json!({ "nodeId": node }));
        self.ask("Input.insertText", json!({ "text": text }));
    }

    /// Presses Enter in a field or on a button, and waits for the page that comes of it.
    ///
    /// # Panics
    /// When the page has no such thing, or none comes.
    pub fn enter(&mut self, selector: &str) {
        let node = self.node(selector);
        self.ask("DOM.focus", json!({ "nodeId": node }));
        for kind in ["keyDown", "keyUp"] {
            let key = json!({
                "type": kind, "key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13,
            });
            self.ask("Input.dispatchKeyEvent", key);
        }
        self.loaded();
    }

    /// What the browser held against the pages so far: what a policy forbade, what was not there.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
