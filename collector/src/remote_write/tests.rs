use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use owl_topology::Topology;

use super::*;
use crate::metrics::judged;
use crate::rulebook::Rulebook;
use crate::store::{Windowing, WriterThread};
use crate::tsdb::{Kind, Tsdb};

const PATH: &str = "yannan-ct~supercomputing-ct";
const OTHER: &str = "supercomputing-ct~yannan-ct";
const WINDOW: Nanos = Nanos::from_secs(60);

/// A collector that has nothing but verdicts, and writes to one receiver.
struct Bench {
    live: Arc<Live>,
    own: Arc<Own>,
    store: Store,
    book: Arc<Rulebook>,
    remote: RemoteWrite,
    _directory: tempfile::TempDir,
    _writer: WriterThread,
}

impl Bench {
    fn to(url: &str, more: &str) -> Self {
        let topology = Topology::yancheng();
        let live = Arc::new(Live::new(&topology, None));
        let own = Arc::new(Own::new());
        let windowing = Windowing::of(&live, Timestamp(0));
        let directory = tempfile::tempdir().unwrap();
        let (store, writer) = Store::open(directory.path(), windowing, &live, &own).unwrap();
        let book = Rulebook::of(&topology, live.read().paths.iter().map(|live| &live.path));
        let file: ReceiverFile = toml::from_str(&format!("url = \"{url}\"\n{more}")).unwrap();
        let receiver = file.read(Path::new("/")).unwrap();
        let remote = RemoteWrite::new(
            receiver,
            store.clone(),
            Arc::clone(&live),
            Arc::clone(&own),
            Nanos::ZERO,
        );
        Self {
            live,
            own,
            store,
            book: Arc::new(book),
            remote,
            _directory: directory,
            _writer: writer,
        }
    }

    /// A window, judged now.
    async fn judge(
        &self,
        path: &str,
        window_start: Timestamp,
        change: impl FnOnce(&mut Judgement),
    ) {
        let judgement = {
            let table = self.live.read();
            let mut judgement = judged(&table.path(path).unwrap().path, window_start, 7);
            judgement.judged_at = now();
            change(&mut judgement);
            judgement
        };
        let work = Work::Verdicts {
            judgements: vec![judgement],
            book: Arc::clone(&self.book),
            seen: None,
            audited: None,
        };
        self.store.write(work).await.unwrap();
    }

    async fn turn(&mut self) -> Result<(), Halt> {
        self.remote
            .turn(Instant::now() + Duration::from_secs(60))
            .await
    }

    fn refused(&self) -> u64 {
        let samples = &self.own.remote_samples;
        samples
            .with_label_values(&[self.remote.name.as_str(), "refused"])
            .get()
    }
}

fn seconds(at: Timestamp) -> f64 {
    (at - Timestamp(0)).as_secs_f64()
}

/// Windows of a minute that ended a few minutes ago.
fn minute(k: i64) -> Timestamp {
    let start = now().0 / WINDOW.0 * WINDOW.0 - 10 * WINDOW.0;
    Timestamp(start + k * WINDOW.0)
}

async fn kept_by(kind: Kind) {
    let Some(mut tsdb) = Tsdb::start(kind, "") else {
        return;
    };
    let mut bench = Bench::to(&tsdb.write_url(), "");
    // The first turn only says from where on.
    bench.turn().await.unwrap();
    let first = minute(0);
    let at = |k: i64| first + WINDOW.times(k);
    let end = |k: i64| seconds(at(k) + WINDOW);
    bench.judge(PATH, at(0), |_| {}).await;
    bench.turn().await.unwrap();
    let state = format!("owl_path_verdict{{path=\"{PATH}\",state=\"met\",job=\"owl\"}}");
    let delay = format!(
        "owl_path_one_way_delay_seconds{{path=\"{PATH}\",percentile=\"95\",bound=\"lower\"}}"
    );
    assert_eq!(tsdb.query(&state, end(0)), [1.0]);
    assert_eq!(tsdb.query(&delay, end(0)), [0.000_700_13]);
    let before: [f64; 0] = [];
    assert_eq!(
        tsdb.query(&state, end(0) - 1.0),
        before,
        "not before the window ended"
    );
    // VictoriaMetrics shows nothing that is younger than a second.
    let target = format!("owl_path_target_seconds{{path=\"{PATH}\"}}");
    let target = tsdb.until(|| tsdb.query(&target, seconds(now())).pop());
    assert_eq!(target, Some(0.001));

    tsdb.stop();
    bench.judge(PATH, at(1), |_| {}).await;
    let Halt(_) = bench.turn().await.unwrap_err();
    bench.judge(PATH, at(2), |_| {}).await;
    tsdb.start_again();
    bench.turn().await.unwrap();
    for k in 0..3 {
        let ended = format!("owl_path_window_end_timestamp_seconds{{path=\"{PATH}\"}}");
        assert_eq!(
            tsdb.query(&ended, end(k)),
            [end(k)],
            "window {k} has its own time"
        );
    }

    // Nothing was measured: the delay ends with that window, although the last value is a minute old.
    bench
        .judge(PATH, at(3), |judgement| judgement.percentiles.clear())
        .await;
    bench.turn().await.unwrap();
    assert_eq!(tsdb.query(&delay, end(3) - 1.0).len(), 1);
    assert_eq!(tsdb.query(&delay, end(3) + 1.0), before);
    assert_eq!(tsdb.query(&state, end(3) + 1.0), [1.0]);

    // A late window comes with the next one of another path; only Prometheus, which is told of no such window, refuses it.
    bench.judge(PATH, at(-1), |_| {}).await;
    bench.judge(OTHER, at(4), |_| {}).await;
    bench.turn().await.unwrap();
    let other = state.replace(PATH, OTHER);
    assert_eq!(tsdb.query(&other, end(4)), [1.0]);
    let late = tsdb.query(&state, end(-1));
    match kind {
        Kind::Prometheus => assert!(late.is_empty() && bench.refused() > 0),
        Kind::VictoriaMetrics => assert_eq!((late, bench.refused()), (vec![1.0], 0)),
    }
    let again = bench.refused();
    bench.turn().await.unwrap();
    assert_eq!(bench.refused(), again, "what was refused is not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_keeps_what_it_is_sent_also_over_a_restart() {
    kept_by(Kind::Prometheus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn victoria_metrics_keeps_what_it_is_sent_also_over_a_restart() {
    kept_by(Kind::VictoriaMetrics).await;
}

/// A receiver that answers as it is told, and then that it took everything.
struct Scripted {
    url: String,
    heads: Arc<Mutex<Vec<BTreeMap<String, String>>>>,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
}

impl Scripted {
    fn new(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/write", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        let (seen, script) = (Arc::clone(&heads), Arc::clone(&answers));
        // Ends with the process, which is the test's own.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut octet = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut octet).unwrap_or(0) == 1 {
                    head.push(octet[0]);
                }
                let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
                let fields = head.lines().filter_map(|line| line.split_once(": "));
                let fields: BTreeMap<String, String> = fields
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect();
                let Some(length) = fields.get("content-length") else {
                    continue;
                };
                let mut body = vec![0; length.parse().unwrap()];
                stream.read_exact(&mut body).unwrap();
                seen.lock().unwrap().push(fields);
                let answer = script.lock().unwrap().pop_front();
                let answer = answer.unwrap_or("204 No Content\r\n");
                let answer =
                    format!("HTTP/1.1 {answer}connection: close\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Self {
            url,
            heads,
            answers,
        }
    }

    fn requests(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

#[tokio::test]
async fn a_receiver_that_is_busy_is_asked_again_later_and_later_or_when_it_says() {
    let receiver = Scripted::new(&[
        "503 Service Unavailable\r\n",
        "500 Internal Server Error\r\n",
        "429 Too Many Requests\r\nretry-after: 7\r\n",
        "503 Service Unavailable\r\nretry-after: 100000\r\n",
    ]);
    let mut bench = Bench::to(&receiver.url, "");
    for wait_s in [1, 2, 7, 300] {
        let halted = bench.turn().await;
        assert_eq!(halted, Err(Halt(Duration::from_secs(wait_s))));
    }
    assert_eq!(bench.turn().await, Ok(()));
    assert_eq!(bench.refused(), 0);
    let heads = receiver.heads.lock().unwrap();
    let head = heads.last().unwrap();
    for (name, value) in [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
    ] {
        assert_eq!(head.get(name).map(String::as_str), Some(value));
    }
}

#[tokio::test]
async fn what_is_refused_for_good_is_counted_and_takes_nothing_else_with_it() {
    let receiver = Scripted::new(&[]);
    let mut bench = Bench::to(&receiver.url, "");
    bench.turn().await.unwrap();
    let a_turn = receiver.requests();
    for k in 0..4 {
        bench.judge(PATH, minute(k), |_| {}).await;
    }
    // The present is taken; then all four, the first two and the first are refused.
    let present = std::iter::repeat_n("204 No Content\r\n", a_turn);
    let refusals = ["400 Bad Request\r\n"; 3];
    receiver
        .answers
        .lock()
        .unwrap()
        .extend(present.chain(refusals));
    bench.turn().await.unwrap();
    // 4, 2, 1, 1, 2: five requests for four verdicts, of which one is refused.
    assert_eq!(receiver.requests(), 2 * a_turn + 5);
    let one = bench.refused();
    assert!((20..100).contains(&one), "one verdict has {one} series");

    // Another refusal concerns all of it.
    bench.judge(PATH, minute(4), |_| {}).await;
    let present = std::iter::repeat_n("204 No Content\r\n", a_turn);
    receiver
        .answers
        .lock()
        .unwrap()
        .extend(present.chain(["403 Forbidden\r\n"]));
    bench.turn().await.unwrap();
    assert_eq!(receiver.requests(), 3 * a_turn + 6);
    assert!(bench.refused() > one);
}

#[tokio::test]
async fn the_secret_is_read_for_each_request() {
    let receiver = Scripted::new(&[]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let login = format!("token_file = {file:?}");
    let mut bench = Bench::to(&receiver.url, &login);
    bench.turn().await.unwrap();
    std::fs::write(&file, "second\n").unwrap();
    bench.turn().await.unwrap();
    std::fs::remove_file(&file).unwrap();
    bench.turn().await.unwrap_err();
    let heads = receiver.heads.lock().unwrap();
    let logins: Vec<&str> = heads
        .iter()
        .map(|head| head["authorization"].as_str())
        .collect();
    assert_eq!(
        (logins[0], *logins.last().unwrap()),
        ("bearer first", "bearer second")
    );
}

#[tokio::test]
async fn counters_end_when_nobody_reports_any_more() {
    let receiver = Scripted::new(&[]);
    let bench = Bench::to(&receiver.url, "");
    let report = crate::testing::report(PATH, 0);
    let mut table = bench.live.write();
    let entry = table.path_mut(PATH).unwrap();
    let silence = entry.path.profile.interval.times(4);
    entry.totals.add(&report, entry.path.target);
    entry.reported_at = Some(Timestamp(0));
    let index = table
        .paths
        .iter()
        .position(|live| live.path.id == PATH)
        .unwrap();
    let first = index / PATHS_A_REQUEST * PATHS_A_REQUEST;
    let none = vec![Alive::default(); table.paths.len()];
    let tell =
        |alive: &[Alive], now| gather::paths(&table, Part::Whole, first, alive, (now, Nanos::ZERO));
    let (told, alive) = tell(&none, Timestamp(0));
    let mut all = none.clone();
    all[first..first + alive.len()].copy_from_slice(&alive);
    let (ended, alive) = tell(&all, Timestamp(0) + silence);
    let ends = |series: &[TimeSeries]| series.iter().filter(|series| series.is_end()).count();
    assert_eq!(ends(&told), 0);
    assert!(
        ends(&ended) > 50,
        "all counters and buckets: {}",
        ends(&ended)
    );
    all[first..first + alive.len()].copy_from_slice(&alive);
    let (after, _) = tell(&all, Timestamp(0) + silence);
    assert_eq!(ends(&after), 0, "an end is told once");
}
