use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use owl_measure::time::Nanos;
use owl_topology::Topology;
use serde_json::Value;

use super::*;
use crate::alert::Quiet;
use crate::alert::book::Member;
use crate::alert::condition::Words;
use crate::alert::subject::{Of, Subject};
use crate::store::{Windowing, WriterThread};

const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);

/// The head of a request in lower case, and its body.
type Request = (String, Vec<u8>);

/// A receiver that remembers each request, and takes it unless it was told to answer something else.
struct Hook {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
}

impl Hook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requests, answers) = (Arc::default(), Arc::default());
        let hook = Self {
            address,
            requests: Arc::clone(&requests),
            answers: Arc::clone(&answers),
        };
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut octets = Vec::new();
                let mut head = None;
                loop {
                    let mut some = [0; 4_096];
                    let count = connection.read(&mut some).unwrap();
                    octets.extend_from_slice(&some[..count]);
                    if head.is_none() {
                        let end = octets.windows(4).position(|four| four == b"\r\n\r\n");
                        head = end.map(|end| {
                            let head = String::from_utf8(octets[..end].to_vec()).unwrap();
                            (head.to_ascii_lowercase(), end + 4)
                        });
                    }
                    let Some((head, end)) = &head else { continue };
                    let length = head.split("content-length: ").nth(1).unwrap();
                    let length: usize = length.lines().next().unwrap().parse().unwrap();
                    if octets.len() >= end + length || count == 0 {
                        break;
                    }
                }
                let (head, end) = head.unwrap();
                requests
                    .lock()
                    .unwrap()
                    .push((head, octets[end..].to_vec()));
                let answer = answers.lock().unwrap().pop_front();
                let answer = answer.unwrap_or("200 OK");
                let text =
                    format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                connection.write_all(text.as_bytes()).unwrap();
            }
        });
        hook
    }

    /// What came since the last time.
    fn took(&self) -> Vec<(String, Value)> {
        let came = std::mem::take(&mut *self.requests.lock().unwrap());
        came.into_iter()
            .map(|(head, body)| (head, serde_json::from_slice(&body).unwrap()))
            .collect()
    }

    /// The same as lines: status and labels that matter.
    fn said(&self) -> Vec<String> {
        let lines = |message: Value| -> Vec<String> {
            let alerts = match &message {
                Value::Array(alerts) => alerts.clone(),
                message => message["alerts"].as_array().unwrap().clone(),
            };
            alerts
                .iter()
                .map(|alert| {
                    let status = match alert.get("status") {
                        Some(status) => status.as_str().unwrap().to_owned(),
                        None => format!("ends {}", alert["endsAt"].as_str().unwrap()),
                    };
                    let labels = &alert["labels"];
                    let name = ["path", "probe", "site"]
                        .iter()
                        .find_map(|of| labels[of].as_str());
                    let alertname = labels["alertname"].as_str().unwrap();
                    format!("{status} {alertname} {}", name.unwrap_or("-"))
                })
                .collect()
        };
        self.took()
            .into_iter()
            .flat_map(|(_, message)| lines(message))
            .collect()
    }
}

/// A collector that has nothing but a board of alerts.
struct Bench {
    live: Arc<Live>,
    own: Arc<Own>,
    store: Store,
    _directory: tempfile::TempDir,
    _writer: WriterThread,
}

impl Bench {
    fn new() -> Self {
        let live = Arc::new(Live::new(&Topology::yancheng(), None));
        let own = Arc::new(Own::new());
        let windowing = Windowing::of(&live, Timestamp(0));
        let directory = tempfile::tempdir().unwrap();
        let (store, writer) = Store::open(directory.path(), windowing, &live, &own).unwrap();
        Self {
            live,
            own,
            store,
            _directory: directory,
            _writer: writer,
        }
    }

    fn to(&self, receiver: AlertReceiver) -> Delivery {
        let pages = PagesAt("http://owl.example:8080".to_owned());
        let (live, own) = (Arc::clone(&self.live), Arc::clone(&self.own));
        Delivery::new(receiver, pages, self.store.clone(), live, own)
    }

    fn to_hook(&self, hook: &Hook, more: &str) -> Delivery {
        let text = format!("url = \"http://{}/owl\"\n{more}", hook.address);
        let file: WebhookFile = toml::from_str(&text).unwrap();
        self.to(file.read(Path::new("/")).unwrap())
    }

    fn to_alertmanager(&self, hook: &Hook) -> Delivery {
        let text = format!("url = \"http://{}\"", hook.address);
        let file: AlertmanagerFile = toml::from_str(&text).unwrap();
        self.to(file.read(Path::new("/")).unwrap())
    }

    fn show(&self, alerts: &[Alert]) {
        let mut table = self.live.write();
        table.board.at = Some(NOW);
        table.board.alerts = alerts.to_vec();
    }
}

fn alert(kind: Kind, of: Of, name: &str, minute: i64) -> Alert {
    let since = NOW + Nanos::from_secs(minute * 60);
    let member = |path: &str| Member {
        path: path.to_owned(),
        since,
        window: Nanos::from_secs(60),
        returns: 0,
        detail: Words::default(),
    };
    Alert {
        kind,
        subject: Subject::new(of, name),
        since,
        returns: 0,
        detail: Words::default(),
        paths: match of {
            Of::Path => vec![member(name)],
            Of::Site => (0..40).map(|k| member(&format!("a~b{k}"))).collect(),
            _ => Vec::new(),
        },
        quiet: None,
    }
}

fn site() -> Alert {
    alert(Kind::NoData, Of::Site, "yannan", 0)
}

fn clock(probe: &str) -> Alert {
    alert(Kind::ClockWrong, Of::Probe, probe, 1)
}

#[tokio::test]
async fn a_webhook_is_told_once_that_it_began_and_once_that_it_is_over_kind_by_kind() {
    let (bench, hook) = (Bench::new(), Hook::start());
    let mut delivery = bench.to_hook(&hook, "");
    assert_eq!(delivery.turn(NOW).await, Ok(()));
    assert!(hook.took().is_empty(), "nothing is known yet");
    bench.show(&[site(), clock("yannan-ct"), clock("yannan-cm")]);
    delivery.turn(NOW).await.unwrap();
    let took = hook.took();
    assert_eq!(took.len(), 2);
    let (site, clocks) = (&took[0].1, &took[1].1);
    assert_eq!(
        (
            &site["version"],
            &site["status"],
            &site["groupLabels"]["alertname"]
        ),
        (&"4".into(), &"firing".into(), &"OwlNoData".into())
    );
    let first = &site["alerts"][0];
    let summary = first["annotations"]["summary"].as_str().unwrap();
    assert!(
        summary.ends_with(": nothing is measured (40 paths)"),
        "{summary}"
    );
    assert_eq!(first["startsAt"], "2027-01-15T08:00:00Z");
    assert_eq!(first["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(first["generatorURL"], "http://owl.example:8080/alerts");
    assert_eq!(clocks["alerts"].as_array().unwrap().len(), 2);
    assert_eq!(clocks["commonLabels"]["site"], "yc-yannan");
    assert!(clocks["commonLabels"].get("probe").is_none());
    delivery.turn(NOW).await.unwrap();
    assert!(hook.took().is_empty(), "told already");

    // The collector is killed, and another one goes on; one clock is right again.
    let mut delivery = bench.to_hook(&hook, "");
    bench.show(&[self::site(), clock("yannan-ct")]);
    delivery.turn(NOW + Nanos::from_secs(600)).await.unwrap();
    let took = hook.took();
    assert_eq!(took.len(), 1);
    let over = &took[0].1["alerts"][0];
    assert_eq!(
        (&took[0].1["status"], &over["status"]),
        (&"resolved".into(), &"resolved".into())
    );
    assert_eq!(over["fingerprint"], clocks["alerts"][0]["fingerprint"]);
    assert_eq!(
        (&over["startsAt"], &over["endsAt"]),
        (
            &"2027-01-15T08:01:00Z".into(),
            &"2027-01-15T08:10:00Z".into()
        )
    );
}

#[tokio::test]
async fn a_receiver_that_was_dead_is_told_what_is_so_when_it_is_back() {
    let (bench, hook) = (Bench::new(), Hook::start());
    let mut delivery = bench.to_hook(&hook, "");
    bench.show(&[site()]);
    delivery.turn(NOW).await.unwrap();
    assert_eq!(hook.said(), ["firing OwlNoData yannan"]);
    let down = [
        "503 Service Unavailable",
        "500 Oops",
        "503 Service Unavailable",
    ];
    hook.answers.lock().unwrap().extend(down);
    bench.show(&[site(), clock("yannan-ct"), clock("yannan-cm")]);
    for seconds in [1, 2, 4] {
        let halt = Halt(Duration::from_secs(seconds));
        assert_eq!(delivery.turn(NOW).await, Err(halt));
    }
    hook.took();
    // Meanwhile one alert has come and gone, and one that was told is over.
    bench.show(&[clock("yannan-ct")]);
    delivery.turn(NOW).await.unwrap();
    assert_eq!(
        hook.said(),
        [
            "resolved OwlNoData yannan",
            "firing OwlClockWrong yannan-ct"
        ]
    );
    let told = |result| {
        let receiver = format!("http://{}/owl", hook.address);
        bench
            .own
            .alerts_told
            .with_label_values(&[receiver.as_str(), result])
            .get()
    };
    assert_eq!((told("taken"), told("failed")), (3, 3));
}

#[tokio::test]
async fn what_is_only_shown_is_not_told_and_what_was_told_before_goes_on() {
    let (bench, hook) = (Bench::new(), Hook::start());
    let (mut webhook, mut alertmanager) = (bench.to_hook(&hook, ""), bench.to_alertmanager(&hook));
    let muted = |alert: Alert| Alert {
        quiet: Some(Quiet::Maintenance { until: NOW }),
        ..alert
    };
    bench.show(&[muted(site()), clock("yannan-ct")]);
    webhook.turn(NOW).await.unwrap();
    assert_eq!(hook.said(), ["firing OwlClockWrong yannan-ct"]);
    alertmanager.turn(NOW).await.unwrap();
    let lasts = "ends 2027-01-15T08:05:00Z";
    assert_eq!(hook.said(), [format!("{lasts} OwlClockWrong yannan-ct")]);
    bench.show(&[site(), muted(clock("yannan-ct"))]);
    webhook.turn(NOW).await.unwrap();
    assert_eq!(hook.said(), ["firing OwlNoData yannan"]);
    alertmanager.turn(NOW).await.unwrap();
    let again = [
        format!("{lasts} OwlNoData yannan"),
        format!("{lasts} OwlClockWrong yannan-ct"),
    ];
    assert_eq!(hook.said(), again, "each minute anew");
    bench.show(&[]);
    alertmanager.turn(NOW).await.unwrap();
    let over = "ends 2027-01-15T08:00:00Z";
    let ends = [
        format!("{over} OwlNoData yannan"),
        format!("{over} OwlClockWrong yannan-ct"),
    ];
    assert_eq!(hook.said(), ends);
    alertmanager.turn(NOW).await.unwrap();
    assert!(hook.took().is_empty());
}

#[tokio::test]
async fn a_body_is_signed_with_the_key_of_the_file_as_it_is_now() {
    let (bench, hook) = (Bench::new(), Hook::start());
    let key = tempfile::NamedTempFile::new().unwrap();
    let more = format!("key_file = \"{}\"", key.path().display());
    let mut delivery = bench.to_hook(&hook, &more);
    for (secret, minute) in [("Jefe", 0), ("another", 1)] {
        std::fs::write(key.path(), format!("{secret}\n")).unwrap();
        bench.show(&[alert(Kind::NoData, Of::Path, "a~b", minute)]);
        delivery.turn(NOW).await.unwrap();
        let (head, body) = hook.requests.lock().unwrap().pop().unwrap();
        let expected = webhook::signed(secret, &body);
        let line = format!("x-owl-signature-256: {}", expected.to_str().unwrap());
        assert!(head.contains(&line), "{head}");
    }
    std::fs::remove_file(key.path()).unwrap();
    bench.show(&[]);
    assert!(
        delivery.turn(NOW).await.is_err(),
        "nothing is sent unsigned"
    );
    assert!(hook.took().is_empty());
}

#[tokio::test]
async fn many_alerts_go_in_requests_of_two_hundred() {
    let (bench, hook) = (Bench::new(), Hook::start());
    let many: Vec<Alert> = (0..450)
        .map(|k| alert(Kind::NoData, Of::Path, &format!("a~b{k:03}"), 0))
        .collect();
    bench.show(&many);
    bench.to_hook(&hook, "").turn(NOW).await.unwrap();
    let sizes: Vec<usize> = hook
        .took()
        .iter()
        .map(|(_, message)| message["alerts"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [200, 200, 50]);
}
