use std::collections::BTreeMap;

use super::*;
use crate::alert::testing::mesh;

const WINDOW_S: i64 = 10;

/// What is seen of paths in ten-second windows, one line a pattern of paths (`s1~*`): `m` missed, `u` undecided, `n` no
/// data, `?` unknown, `.` well, `w` no data in maintenance. `clock S` in front of a line is a finding on that probe (`x`).
struct Film {
    map: Map,
    lines: Vec<(&'static str, &'static str)>,
}

impl Film {
    fn new(lines: &[(&'static str, &'static str)]) -> Self {
        Self {
            map: mesh(4),
            lines: lines.to_vec(),
        }
    }

    fn sight(&self, k: usize) -> Sight {
        let now = at(k);
        let mut sight = Sight::default();
        for (pattern, windows) in &self.lines {
            let shown = windows.as_bytes().get(k).copied().unwrap_or(b'.');
            if let Some(probe) = pattern.strip_prefix("clock ") {
                if shown == b'x' {
                    let subject = Subject::new(Of::Probe, probe);
                    sight
                        .conditions
                        .push(Condition::plain(Kind::ClockWrong, subject, now));
                }
                continue;
            }
            let (from, to) = pattern.split_once('~').unwrap();
            let fits = |pattern: &str, site: &str| pattern == "*" || pattern == site;
            for place in &self.map.places {
                if !fits(from, &place.sites[0]) || !fits(to, &place.sites[1]) {
                    continue;
                }
                let kind = match shown {
                    b'm' => Kind::TargetMissed,
                    b'u' => Kind::Undecided,
                    b'n' | b'w' => Kind::NoData,
                    b'?' => {
                        sight.unknown.insert(place.path.clone());
                        continue;
                    }
                    _ => continue,
                };
                if shown == b'w' {
                    sight.maintenance.insert(place.path.clone(), at(1_000));
                }
                sight.conditions.push(Condition {
                    window: Nanos::from_secs(WINDOW_S),
                    ..Condition::plain(kind, Subject::new(Of::Path, &place.path), now)
                });
            }
        }
        sight
    }
}

fn at(k: usize) -> Timestamp {
    Timestamp(0) + Nanos::from_secs(k as i64 * WINDOW_S)
}

fn said(alerts: &[Alert]) -> Vec<String> {
    let quiet = |alert: &Alert| match &alert.quiet {
        None => "",
        Some(Quiet::Maintenance { .. }) => ", muted",
        Some(Quiet::Explained { .. }) => ", explained",
    };
    alerts
        .iter()
        .map(|alert| format!("{} {}{}", alert.kind.code(), alert.subject, quiet(alert)))
        .collect()
}

/// Runs all windows; what is told changes at the windows that are named, and at no others.
#[track_caller]
fn check(lines: &[(&'static str, &'static str)], expected: &[(usize, &[&str])]) -> Vec<Alert> {
    let film = Film::new(lines);
    let length = lines
        .iter()
        .map(|(_, windows)| windows.len())
        .max()
        .unwrap();
    let (mut book, mut alerts) = (Book::default(), Vec::new());
    let mut before: Vec<String> = Vec::new();
    let mut got: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for k in 0..length {
        alerts = book.step(&film.map, &film.sight(k), at(k));
        let said = said(&alerts);
        if said != before {
            got.insert(k, said.clone());
            before = said;
        }
    }
    let expected: BTreeMap<usize, Vec<String>> = expected
        .iter()
        .map(|(k, said)| (*k, said.iter().map(|said| (*said).to_owned()).collect()))
        .collect();
    assert_eq!(got, expected);
    alerts
}

#[test]
fn a_target_that_is_missed_for_three_windows_is_told_and_over_after_three_that_meet_it() {
    check(
        &[("s0~s1", "mm.mmm.m...")],
        &[(5, &["target-missed path/s0~s1"]), (10, &[])],
    );
}

#[test]
fn a_site_that_falls_silent_is_told_once_and_over_once() {
    let alerts = check(
        &[("s1~*", "..nnnnnn......"), ("*~s1", "..nnnnnn......")],
        &[(4, &["no-data site/s1"]), (10, &[])],
    );
    assert!(alerts.is_empty());
}

#[test]
fn paths_that_recover_one_by_one_do_not_make_a_site_fall_apart() {
    check(
        &[
            ("s1~s0", "nnn........."),
            ("s1~s2", "nnnn........"),
            ("s1~s3", "nnnnnn......"),
            ("*~s1", "nnnnnn......"),
        ],
        &[(2, &["no-data site/s1"]), (8, &[])],
    );
}

#[test]
fn what_is_not_known_neither_begins_nor_ends_anything() {
    check(
        &[("s0~s1", "mmm????????...")],
        &[(2, &["target-missed path/s0~s1"]), (13, &[])],
    );
    check(&[("*~*", "??????")], &[]);
}

#[test]
fn who_has_no_data_is_not_told_to_miss_the_target_besides() {
    check(
        &[("s0~s1", "mmmmnnnnnn..."), ("s1~s0", ".............")],
        &[
            (2, &["target-missed path/s0~s1"]),
            // Both, while the one ends and the other has begun.
            (6, &["no-data path/s0~s1"]),
            (12, &[]),
        ],
    );
}

#[test]
fn a_clock_that_lies_explains_why_its_paths_are_undecided() {
    let undecided = "u".repeat(31).leak();
    let clock = "x".repeat(31).leak();
    check(
        &[
            ("clock s1", clock),
            ("s1~*", undecided),
            ("s2~s3", undecided),
        ],
        &[
            (0, &["clock-wrong probe/s1"]),
            (
                29,
                &[
                    "clock-wrong probe/s1",
                    "undecided from-site/s1, explained",
                    "undecided path/s2~s3",
                ],
            ),
        ],
    );
}

#[test]
fn maintenance_mutes_and_shows_and_what_goes_on_after_it_is_told() {
    check(
        &[("s1~s0", "wwwwwnnn")],
        &[
            (2, &["no-data path/s1~s0, muted"]),
            (5, &["no-data path/s1~s0"]),
        ],
    );
    // One path that no work was announced for is told with the site.
    check(
        &[
            ("s1~*", "www"),
            ("s0~s1", "nnn"),
            ("s2~s1", "www"),
            ("s3~s1", "www"),
        ],
        &[(2, &["no-data site/s1"])],
    );
}

#[test]
fn a_flapping_path_is_told_once_and_ends_late() {
    let flaps = "nnn...nnn...nnn...nnn...........................".to_owned();
    check(
        &[("s0~s1", flaps.leak())],
        &[
            (2, &["no-data path/s0~s1"]),
            (5, &[]),
            (8, &["no-data path/s0~s1"]),
            // Two minutes after it was seen last, and not thirty seconds.
            (33, &[]),
        ],
    );
}

#[test]
fn what_was_told_before_a_restart_goes_on_and_ends_as_if_there_had_been_none() {
    let film = Film::new(&[
        ("s1~*", "nnnnnnn....."),
        ("*~s1", "nnnnnnn....."),
        ("s2~s3", "mmmmmmmmmmmm"),
    ]);
    let mut book = Book::default();
    let mut alerts = Vec::new();
    for k in 0..12 {
        // A collector that is killed after each window leaves what is in its store.
        let kept: Vec<Alert> =
            serde_json::from_str(&serde_json::to_string(&alerts).unwrap()).unwrap();
        if k > 4 {
            book = Book::restored(&kept);
        }
        alerts = book.step(&film.map, &film.sight(k), at(k));
        let expected: &[&str] = match k {
            0..2 => &[],
            // At each restart it is forgotten for how long it has been gone.
            _ => &["no-data site/s1", "target-missed path/s2~s3"],
        };
        assert_eq!(said(&alerts), expected, "window {k}");
        if let Some(site) = alerts.first() {
            assert_eq!((site.since, site.paths.len()), (at(0), 6), "window {k}");
        }
    }
    for k in 12..15 {
        alerts = book.step(&film.map, &film.sight(k), at(k));
    }
    assert_eq!(said(&alerts), Vec::<String>::new());
}
