//! A Prometheus or a VictoriaMetrics of the host, for tests: on a free port, with a directory of its own, ended with the test.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A busy machine may take long to start one.
const READY: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Prometheus,
    VictoriaMetrics,
}

pub(crate) struct Tsdb {
    kind: Kind,
    pub(crate) address: String,
    directory: tempfile::TempDir,
    child: Child,
}

impl Tsdb {
    /// `scrape` is the `scrape_configs` of a Prometheus. Says that the test is skipped when it is not installed.
    pub(crate) fn start(kind: Kind, scrape: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let configuration = format!("global: {{ scrape_interval: 1s }}\nscrape_configs:\n{scrape}");
        fs::write(directory.path().join("prometheus.yml"), configuration).unwrap();
        // Nobody else listens there now; between this and its own start somebody could.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let child = match Self::spawn(kind, &address, &directory) {
            Ok(child) => child,
            Err(error) => {
                skip(&format!("{kind:?}: {error}"));
                return None;
            }
        };
        let tsdb = Self {
            kind,
            address,
            directory,
            child,
        };
        tsdb.wait_until_ready();
        Some(tsdb)
    }

    fn spawn(kind: Kind, address: &str, directory: &tempfile::TempDir) -> std::io::Result<Child> {
        let data = directory.path().join("data").display().to_string();
        let mut command = match kind {
            Kind::Prometheus => {
                let mut command = Command::new("prometheus");
                let configuration = directory.path().join("prometheus.yml");
                command
                    .arg(format!("--config.file={}", configuration.display()))
                    .arg(format!("--storage.tsdb.path={data}"))
                    .arg(format!("--web.listen-address={address}"))
                    .arg("--web.enable-remote-write-receiver")
                    .arg("--enable-feature=native-histograms");
                command
            }
            Kind::VictoriaMetrics => {
                let mut command = Command::new("victoria-metrics");
                command
                    .arg(format!("-storageDataPath={data}"))
                    .arg(format!("-httpListenAddr={address}"))
                    .arg("-search.latencyOffset=0s")
                    .arg("-search.disableCache");
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    }

    fn wait_until_ready(&self) {
        let path = match self.kind {
            Kind::Prometheus => "/-/ready",
            Kind::VictoriaMetrics => "/health",
        };
        let ready = self.until(|| self.get(path).filter(|(status, _)| *status == 200));
        assert!(ready.is_some(), "{:?} did not start", self.kind);
    }

    /// Asks again and again, for as long as a busy machine may need.
    pub(crate) fn until<T>(&self, ask: impl Fn() -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + READY;
        loop {
            let answer = ask();
            if answer.is_some() || Instant::now() > deadline {
                return answer;
            }
            sleep(LOOK);
        }
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Again, with what it had on its disk.
    pub(crate) fn start_again(&mut self) {
        self.child = Self::spawn(self.kind, &self.address, &self.directory).unwrap();
        self.wait_until_ready();
    }

    /// Where it takes remote write.
    pub(crate) fn write_url(&self) -> String {
        format!("http://{}/api/v1/write", self.address)
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n",
            self.address
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// The values of an instant query at `at_s` seconds since 1970.
    pub(crate) fn query(&self, promql: &str, at_s: f64) -> Vec<f64> {
        if self.kind == Kind::VictoriaMetrics {
            // What was taken is shown at once.
            self.get("/internal/force_flush");
        }
        let encoded: String = promql
            .bytes()
            .map(|octet| format!("%{octet:02x}"))
            .collect();
        let path = format!("/api/v1/query?query={encoded}&time={at_s}");
        let (status, body) = self.get(&path).unwrap();
        assert_eq!(status, 200, "{promql}: {body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        let result = answer["data"]["result"].as_array().unwrap();
        let value = |series: &Value| series["value"][1].as_str().unwrap().parse().unwrap();
        result.iter().map(value).collect()
    }
}

impl Drop for Tsdb {
    fn drop(&mut self) {
        self.stop();
    }
}

#[expect(clippy::print_stderr, reason = "the convention of a skipped test")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}
