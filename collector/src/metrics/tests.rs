mod native;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use owl_measure::implied::ImpliedRoute;
use owl_measure::verdict::period::{
    BUSY_HOURS, Calendar, Period, PeriodProfile, PeriodWindow, judge_period,
};
use owl_measure::verdict::{Profile, Quantile, Verdict};
use owl_topology::Topology;

use super::table::Metric;
use super::*;
use crate::compliance::{Running, RunningCompliance};
use crate::finding::{self, Finding, Symptom};
use crate::flow::{FlowDirection, FlowResult};
use crate::judgement::{Judgement, NoDataWhy, Percentile, Span};
use crate::live::{Caller, Live};
use crate::testing::{SECOND, disturbed, report};
use crate::way::{Variation, Way, WayName};

const PATH: &str = "yannan-ct~supercomputing-ct";
const NOW: Timestamp = Timestamp(20 * SECOND);

/// A day of one minute in the busy hours, and all other of it not measured.
fn running(paths: usize) -> Running {
    let nine = Timestamp(33_000 * SECOND);
    let window = PeriodWindow {
        start: nine,
        target: Nanos::from_millis(1),
        planned: 600,
        sent: 600,
        received: 600,
        lost: 0,
        sufficient: true,
        p95: None,
        p99: None,
        mean: None,
        min: None,
        within: 0,
        beyond: 0,
    };
    let period = Period {
        start: nine,
        end: nine + Nanos::from_secs(60),
        length: Nanos::from_secs(60),
        origin: Timestamp(0),
        windows: &[window],
        calendar: &Calendar::fixed(Nanos::ZERO),
        busy_hours: &BUSY_HOURS,
        works: &[],
    };
    let day = judge_period(&period, PeriodProfile::default_profile());
    let one = RunningCompliance {
        month: day.clone(),
        day,
    };
    Running {
        paths: vec![one; paths],
        at: Some(nine),
    }
}

/// One path with everything, all others with their running periods at the most.
fn live() -> Live {
    let live = Live::new(&Topology::yancheng(), Some(&Profile::lab()));
    let mut table = live.write();
    table.running = running(table.paths.len());
    table.certificate_until = Some(NOW);
    let entry = table.path_mut(PATH).unwrap();
    let (target, report) = (entry.path.target, report(PATH, 0));
    entry.totals.add(&report, target);
    entry.totals.add(&disturbed(PATH, 1), target);
    entry.reported_at = Some(NOW);
    let found = |kind, subject: &str| Finding {
        since: Timestamp(0),
        seen_until: NOW,
        open: true,
        windows: 2,
        last: Symptom {
            kind,
            subject: subject.into(),
            size: Some(Nanos(3_000_000)),
            within: Some((Nanos(2_500_000), Nanos(3_500_000))),
            evidence: vec![],
            alternatives: vec![],
        },
    };
    table.findings = vec![
        found(finding::Kind::ClockWrong, "yannan-ct"),
        found(finding::Kind::RouteChange, "supercomputing-ct~yannan-ct"),
    ];
    let entry = table.path_mut(PATH).unwrap();
    let span = Span {
        lo: Nanos(1),
        hi: Nanos(2),
    };
    let one_way = owl_measure::delay::OneWayDelay {
        lo: Nanos(1),
        hi: Nanos::MAX,
        basis: owl_measure::delay::Basis::Proved,
    };
    let way = FlowDirection {
        excess_min: Some(Nanos(1_200_000)),
        excess_median: Some(span),
        elsewhere: true,
        hops: None,
    };
    entry.latest = Some(Judgement {
        path: PATH.into(),
        profile: "lab".into(),
        quantile: Quantile::P95,
        window_start: Timestamp(0),
        window: Nanos::from_secs(10),
        judged_at: NOW,
        verdict: Verdict::no_data(target, 100),
        why: Some(NoDataWhy::NoReplies { sent: 100 }),
        percentiles: vec![Percentile {
            quantile: Quantile::P95,
            one_way: Some(one_way),
            round_trip: span,
            raw: span,
        }],
        clock_error_bound: Some(Nanos(20_000)),
        clock_random: None,
        implied: Some(ImpliedRoute::of(one_way, entry.path.declared())),
        seat: None,
        lost: 0,
        lost_unknown: 0,
        own_loss: 0,
        rule: None,
        inputs: None,
        statistics: None,
        ways: vec![Way {
            direction: WayName::Forward,
            variations: vec![Variation {
                quantile: Quantile::P95,
                pdv: Some(span),
                ipdv: Some(span),
            }],
            loss_periods: 2,
            longest_loss_period: 3,
            reordered: 1,
            largest_extent: 5,
            late_offset_max: Nanos(300_000),
            three_reordered: 1,
            duplicated: 0,
            hops: Some((3, 4)),
            remarked: 0,
            congestion: 0,
        }],
        flows: vec![FlowResult {
            flow: 3,
            sent: 50,
            received: 49,
            lost: 1,
            late: 0,
            forward: way.clone(),
            backward: way,
        }],
        late: 0,
    });
    let probe = table.probes.get_mut("yannan-ct").unwrap();
    probe.caller = Some(Caller {
        epoch: 1,
        software: "owl \"0\\1\"\n".into(),
        simulated: true,
        called_at: NOW,
    });
    probe.connections = 1;
    probe.reported_at = Some(NOW);
    probe.clock = Some((report.clock, NOW));
    probe.certificate_until = Some(NOW);
    probe.spool_filled_ppm = Some(250_000);
    (probe.plan.reports, probe.wanted) = (7, 8);
    drop(table);
    live
}

fn part_of(live: Live, part: Part, now: Timestamp) -> String {
    let (live, own) = (Arc::new(live), Arc::new(Own::new()));
    let receiver = "http://127.0.0.1:9090/api/v1/write";
    own.alerts_told
        .with_label_values(&[receiver, "taken"])
        .inc();
    own.remote_samples
        .with_label_values(&[receiver, "taken"])
        .inc();
    own.remote_sent_at.with_label_values(&[receiver]).set(20.5);
    let pieces = Scrape::new(live, own, part, Form::Text, (now, Nanos::from_secs(3)));
    String::from_utf8(pieces.flatten().collect()).unwrap()
}

fn text(now: Timestamp) -> String {
    part_of(live(), Part::Whole, now)
}

/// The names of a metric's series.
fn parts(metric: &Metric) -> impl Iterator<Item = String> {
    let parts: &[&str] = match metric.kind {
        table::Kind::Histogram => &["_bucket", "_sum", "_count"],
        table::Kind::Counter | table::Kind::Gauge => &[""],
    };
    let name = metric.name;
    parts.iter().map(move |part| format!("{name}{part}"))
}

#[test]
fn lengths_are_cumulative_histograms_and_only_where_there_are_any() {
    let text = text(NOW);
    let value = |series: &str| {
        let line = text.lines().find(|line| line.starts_with(series));
        line.unwrap_or_else(|| panic!("no {series} in {text}"))
            .rsplit_once(' ')
            .unwrap()
            .1
            .to_owned()
    };
    let labels = format!("path=\"{PATH}\",class=\"intra-city\",direction=\"forward\"");
    for (le, count) in [
        ("1", "1"),
        ("2", "1"),
        ("4", "2"),
        ("1024", "2"),
        ("+Inf", "2"),
    ] {
        let series = format!("owl_path_loss_period_packets_bucket{{{labels},le=\"{le}\"}}");
        assert_eq!(value(&series), count, "{series}");
    }
    assert_eq!(
        value(&format!("owl_path_loss_period_packets_sum{{{labels}}}")),
        "4"
    );
    assert_eq!(
        value(&format!("owl_path_loss_period_packets_count{{{labels}}}")),
        "2"
    );
    for (le, count) in [("0.0001", "0"), ("0.0004", "1"), ("+Inf", "1")] {
        let name = "owl_path_reordering_late_offset_seconds";
        let series = format!("{name}_bucket{{{labels},le=\"{le}\"}}");
        assert_eq!(value(&series), count, "{series}");
    }
    for (n, count) in [("1", "1"), ("2", "1"), ("3", "1"), ("5", "0")] {
        let series = format!("owl_path_packets_n_reordered_total{{{labels},n=\"{n}\"}}");
        assert_eq!(value(&series), count, "{series}");
    }
    let backward = labels.replace("forward", "backward");
    assert!(!text.contains(&format!("owl_path_loss_period_packets_count{{{backward}}}")));
}

#[test]
fn every_metric_of_the_table_is_written_and_none_else_with_its_labels() {
    let text = text(NOW);
    let mut written = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let metric = table::ALL
            .iter()
            .find(|metric| parts(metric).any(|part| part == name))
            .unwrap_or_else(|| panic!("{name} is not in the table"));
        let labels = line.strip_prefix(name).unwrap();
        metric
            .labels
            .iter()
            .for_each(|label| assert!(labels.contains(&format!("{label}=\"")), "{line}"));
        written.insert(name.to_owned());
    }
    let known: BTreeSet<String> = table::ALL.iter().flat_map(parts).collect();
    assert_eq!(written, known);
}

#[test]
fn a_series_is_there_only_while_it_is_true() {
    let now = text(NOW);
    let series = |text: &str, name: &str| {
        text.lines()
            .filter(|line| line.starts_with(&format!("{name}{{")))
            .count()
    };
    assert_eq!(
        series(&now, "owl_path_one_way_delay_seconds"),
        2,
        "only the path that has a window"
    );
    assert_eq!(series(&now, "owl_path_packets_sent_total"), 1);
    assert!(series(&now, "owl_path_target_seconds") > 10);
    assert!(
        now.contains("bound=\"upper\"} +Inf"),
        "a lost packet has no upper bound"
    );
    assert!(now.contains("software=\"owl \\\"0\\\\1\\\"\\n\""), "{now}");
    let later = text(NOW + Nanos::from_secs(60));
    assert_eq!(
        series(&later, "owl_path_verdict"),
        0,
        "an old verdict is not the present one"
    );
    assert_eq!(
        series(&later, "owl_path_packets_sent_total"),
        0,
        "what nobody reports on any more counts nothing"
    );
    assert_eq!(
        series(&later, "owl_path_last_report_timestamp_seconds"),
        1,
        "when that was stays told"
    );
}

#[test]
fn a_round_trip_faster_than_light_leaves_no_one_way_series() {
    let live = live();
    let mut table = live.write();
    let latest = table.path_mut(PATH).unwrap().latest.as_mut().unwrap();
    latest.percentiles[0].one_way = None;
    drop(table);
    let text = part_of(live, Part::Whole, NOW);
    assert!(!text.contains("owl_path_one_way_delay_seconds"), "{text}");
    assert!(
        text.contains("owl_path_round_trip_delay_seconds{"),
        "{text}"
    );
}

#[test]
fn the_page_on_metrics_tells_of_each_one_and_of_no_other() {
    let told: BTreeSet<[String; 4]> = include_str!("../../../docs/metrics.md")
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line
                .strip_prefix("| `")?
                .split('|')
                .map(str::trim)
                .collect();
            assert_eq!(
                cells.len(),
                8,
                "name, kind, labels, unit, source, what, error: {line}"
            );
            assert!(cells[4..7].iter().all(|cell| !cell.is_empty()), "{line}");
            let labels = if cells[2] == "–" { "" } else { cells[2] };
            Some([cells[0].trim_end_matches('`'), cells[1], labels, cells[3]].map(str::to_owned))
        })
        .collect();
    let known = table::ALL.iter().map(|metric| {
        [
            metric.name.to_owned(),
            metric.kind.code().to_owned(),
            metric.labels.join(", "),
            metric.unit.to_owned(),
        ]
    });
    assert_eq!(told, known.collect());
}

#[test]
fn delays_are_counted_up_to_each_edge_and_exactly_up_to_the_target() {
    let text = text(NOW);
    let line = |series: &str| {
        let line = text.lines().find(|line| line.starts_with(series));
        line.unwrap_or_else(|| panic!("no {series} in {text}"))
            .rsplit_once(' ')
            .unwrap()
            .1
            .to_owned()
    };
    let labels = format!("path=\"{PATH}\",class=\"intra-city\"");
    let of = |part: &str, direction: &str, le: &str| {
        let le = if le.is_empty() {
            String::new()
        } else {
            format!(",le=\"{le}\"")
        };
        line(&format!(
            "owl_path_packet_delay_seconds_{part}{{{labels},direction=\"{direction}\"{le}}}"
        ))
    };
    // Of twenty packets sent sixteen came back, 0.7 ms there and 0.8 ms back.
    for (direction, le, count) in [
        ("forward", "0.0005", "0"),
        ("forward", "0.001", "16"),
        ("round_trip", "0.001", "0"),
        ("round_trip", "0.002", "16"),
        ("round_trip", "+Inf", "16"),
    ] {
        assert_eq!(of("bucket", direction, le), count, "{direction} {le}");
    }
    assert_eq!(of("count", "backward", ""), "16");
    assert_eq!(of("sum", "round_trip", ""), "0.024");
}

#[test]
fn the_shards_of_all_paths_are_all_paths_and_the_rest_is_told_apart() {
    let lines = |part| {
        let text = part_of(live(), part, NOW);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let whole = lines(Part::Whole);
    let mut together = lines(Part::Rest);
    for shard in ["1/3", "2/3", "3/3"] {
        let shard = lines(shard.parse().unwrap());
        let paths = |line: &String| line.starts_with("owl_path_");
        assert!(!shard.is_empty() && shard.iter().all(paths), "{shard:?}");
        for line in shard {
            assert!(together.insert(line.clone()), "twice: {line}");
        }
    }
    assert_eq!(together, whole);
    for refused in ["", "1", "0/2", "3/2", "1/65", "1/0", "-1/2", "1/2/3"] {
        assert!(refused.parse::<Part>().is_err(), "{refused}");
    }
}

#[test]
fn a_large_answer_comes_in_pieces_of_bounded_size_and_says_the_same() {
    let rehearsal = Rehearsal::new(300);
    let page = rehearsal.page();
    let heads = page.lines().filter(|line| line.starts_with("# TYPE"));
    let heads: Vec<&str> = heads.collect();
    assert_eq!(
        heads.len(),
        heads.iter().collect::<BTreeSet<_>>().len(),
        "each head once"
    );
    let (octets, largest) = rehearsal.sizes();
    assert_eq!(octets, page.len());
    assert!(largest <= 40_960, "a piece has {largest} octets");
    let packed = rehearsal.unpacked();
    assert_eq!(packed, page, "gzip");
}

/// What promtool says against a text; nothing when it takes it.
fn promtool(text: &str) -> Option<String> {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Some(format!(
        "{}{said}",
        if output.status.success() {
            ""
        } else {
            "refused: "
        }
    ))
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    for part in [Part::Whole, Part::Rest, Part::Shard { which: 0, of: 2 }] {
        let Some(said) = promtool(&part_of(live(), part, NOW)) else {
            return skip("promtool is not installed");
        };
        assert_eq!(said, "", "{part:?}");
    }
}

#[expect(clippy::print_stderr, reason = "the convention of a skipped test")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}
