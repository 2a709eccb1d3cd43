//! The same reports, once in peace and once through kills, starvation and another order: the verdicts are the same.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use owl_lab::feeder::{Feed, Measured, Queues, spool};
use owl_tests::network::{Dice, Network, WINDOW_NS, topology, until};
use owl_tests::{Daemon, say};
use serde_json::Value;

const SECOND_NS: i64 = 1_000_000_000;
/// By turns in the north and in the south; each measures to those of the other site.
const PROBES: usize = 6;
const PATHS: u64 = PROBES as u64 / 2;
/// Windows of ten seconds; in each, a report a second and path.
const WINDOWS: i64 = 24;
const REPORTS: u64 = WINDOWS as u64 * 10 * PATHS;
/// 2026-01-05T12:00:00+08:00.
const FROM_NS: i64 = 1_767_585_600 * SECOND_NS;
/// The clock of this probe lies from the middle on, by 1 ms, which is against light: the mesh finds it.
const LIAR: usize = 2;
const LIE_NS: i64 = 1_000_000;

/// Ways in which the same reports come.
const SCHEDULES: u64 = 6;

fn name(probe: usize) -> String {
    format!("p{probe}")
}

/// What a probe reports.
fn feed(probe: usize) -> Feed {
    let others = (0..PROBES).filter(|&other| other % 2 != probe % 2);
    let paths = others.map(|other| Measured {
        path: format!("p{probe}~p{other}"),
        ahead_ns: match (probe == LIAR, other == LIAR) {
            (true, _) => -LIE_NS,
            (_, true) => LIE_NS,
            _ => 0,
        },
        ahead_from: WINDOWS as u64 * 5,
    });
    Feed {
        from_ns: FROM_NS,
        length_ns: SECOND_NS,
        packets: 10,
        queues: Queues::Steady,
        step_ns: SECOND_NS,
        paths: paths.collect(),
    }
}

fn network() -> Network {
    let network = Network::new(
        &topology(PROBES, |probe| probe % 2 == 1, [(0..PROBES).collect()]),
        // What is reported here is long ago.
        "keep = \"7300d\"\ngrace = \"0s\"\n",
    );
    for probe in 0..PROBES {
        network.probe(&name(probe));
    }
    network
}

fn feeder(network: &Network, probe: usize) -> Daemon {
    let mut command = Command::new(env!("CARGO_BIN_EXE_owl-feeder"));
    command
        .arg(network.file(&format!("feed-{probe}.toml")))
        .stderr(Stdio::null());
    Daemon::start(&mut command)
}

/// Everything that is a fact of the reports, sorted; not when it was found out.
fn export(http: &str, explained: Value) -> String {
    let mut all = BTreeMap::new();
    for question in [
        "/api/v1/verdicts?since=0&limit=10000",
        "/api/v1/findings?limit=10000",
        "/api/v1/compliance?period=2026-01-05",
    ] {
        let mut answer = Network::json(http, question);
        strip(&mut answer);
        // Of the present there is nothing to judge, in some runs for longer than in others.
        if let Some(verdicts) = answer["verdicts"].as_array_mut() {
            let end_ns = FROM_NS + WINDOWS * WINDOW_NS;
            verdicts.retain(|verdict| verdict["window_start_ns"].as_i64() < Some(end_ns));
        }
        all.insert(question, answer);
    }
    all.insert("the verdicts of p0~p1 as they are stored", explained);
    serde_json::to_string_pretty(&all).expect("JSON can be written")
}

/// Takes out the instants of the export and of the judgement.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for of_the_moment in ["generated_at_ns", "judged_at_ns"] {
                fields.remove(of_the_moment);
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Waits until all reports are stored and no window waits for the judge; the verdicts of one path with the digests of their
/// reports.
fn all_judged(http: &str) -> Value {
    until("all reports are stored", || {
        (0..PROBES).all(|probe| Network::stored(http, &name(probe)).up_to == REPORTS)
    });
    let explained = (0..WINDOWS).map(|window| {
        let at = FROM_NS + window * WINDOW_NS;
        let question = format!("/api/v1/verdicts/explain?path=p0~p1&at={at}");
        until("the window is judged from all that came", || {
            owl_tests::get(http, &question)
                .is_ok_and(|(status, told)| status == 200 && told.contains("\"pending\":false"))
        });
        let mut verdict = Network::json(http, &question)["verdict"].take();
        strip(&mut verdict);
        verdict
    });
    explained.collect()
}

/// Copies the spools with which every run begins, so that all have the same epochs.
fn begin(network: &Network, from: &Network) {
    for probe in (0..PROBES).map(name) {
        // Who opens and closes it folds its log back.
        spool(&from.file(&probe)).expect("a spool that can be opened");
        fs::create_dir_all(network.file(&probe)).expect("a folder of the test's own");
        let file = format!("{probe}/spool.sqlite");
        fs::copy(from.file(&file), network.file(&file)).expect("the spool was closed");
    }
}

/// Starts and ends what a seed says, until every probe has made its last report; then in peace until all is judged.
fn through_trouble(network: &Network, seed: u64) -> (String, [u32; 4]) {
    let mut dice = Dice(seed);
    for probe in 0..PROBES {
        let (batch, pause) = (1 + dice.below(40), Duration::from_millis(dice.below(30)));
        let script = format!("feed-{probe}.toml");
        network.script(
            &script,
            batch,
            pause,
            &[(&name(probe), REPORTS, feed(probe))],
        );
    }
    let mut feeders: Vec<Option<Daemon>> = (0..PROBES).map(|_| None).collect();
    let mut collector = None;
    let mut done = [0; 4];
    for _ in 0..40 {
        let (what, probe) = (dice.below(6), dice.below(PROBES as u64) as usize);
        match what {
            // The collector dies, or comes.
            0 if collector.is_some() => {
                collector = None;
                done[0] += 1;
            }
            0 | 1 => collector = Some(collector.unwrap_or_else(|| network.collector().0)),
            // A probe dies, or comes: so the others are far ahead of it.
            2 | 3 if feeders[probe].is_some() => {
                feeders[probe] = None;
                done[1] += 1;
            }
            2 | 3 => feeders[probe] = Some(feeder(network, probe)),
            // The collector gets no processor.
            4 => {
                if let Some(running) = &collector {
                    signal(running, "STOP");
                    thread::sleep(Duration::from_millis(dice.below(300)));
                    signal(running, "CONT");
                    done[2] += 1;
                }
            }
            _ => {
                done[3] += 1;
                thread::sleep(Duration::from_millis(dice.below(200)));
            }
        }
    }
    drop(collector);
    drop(feeders);
    (in_peace(network), done)
}

fn in_peace(network: &Network) -> String {
    let (_collector, http) = network.collector();
    let _feeders: Vec<Daemon> = (0..PROBES).map(|probe| feeder(network, probe)).collect();
    let explained = all_judged(&http);
    export(&http, explained)
}

fn signal(daemon: &Daemon, which: &str) {
    let status = Command::new("kill")
        .args([format!("-{which}"), daemon.id().to_string()])
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}

#[test]
fn a_stream_of_reports_gives_the_same_verdicts_through_kills_starvation_and_in_another_order() {
    // The spools of all runs begin as copies of these, so that their epochs are the same.
    let first = network();
    for probe in 0..PROBES {
        let script = format!("feed-{probe}.toml");
        let of = (&*name(probe), 1, feed(probe));
        network_script(&first, &script, of);
        let feeder = feeder(&first, probe);
        feeder.line(Duration::from_secs(30), |line| {
            (line == "made").then_some(())
        });
    }
    let undisturbed = network();
    begin(&undisturbed, &first);
    for probe in 0..PROBES {
        let script = format!("feed-{probe}.toml");
        network_script(&undisturbed, &script, (&name(probe), REPORTS, feed(probe)));
    }
    let expected = in_peace(&undisturbed);
    let verdicts = expected.matches("\"current\"").count() as u64;
    assert_eq!(verdicts, WINDOWS as u64 * PROBES as u64 * PATHS);
    assert!(
        expected.contains("clock-wrong"),
        "the liar is found:\n{expected}"
    );
    let mut told = Vec::new();
    for seed in 1..=SCHEDULES {
        let disturbed = network();
        begin(&disturbed, &first);
        let (got, done) = through_trouble(&disturbed, seed * 0x9E37_79B9);
        assert!(
            got == expected,
            "seed {seed}: {}",
            difference(&expected, &got)
        );
        told.push(done);
    }
    say(format_args!(
        "{SCHEDULES} schedules (deaths of the collector, of probes, starvations, pauses: {told:?}): {verdicts} verdicts of \
         {} reports, findings and hours, octet for octet those of an undisturbed run",
        REPORTS * PROBES as u64
    ));
}

fn network_script(network: &Network, script: &str, of: (&str, u64, Feed)) {
    network.script(script, 40, Duration::from_millis(1), &[of]);
}

/// The first lines that differ.
fn difference(expected: &str, got: &str) -> String {
    let differing = expected.lines().zip(got.lines()).enumerate();
    let differing = differing.filter(|(_, (a, b))| a != b).take(8);
    differing
        .map(|(line, (a, b))| format!("\n{line}: {a} is now {b}"))
        .collect()
}
