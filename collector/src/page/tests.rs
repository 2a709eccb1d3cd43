use owl_measure::delay::{Basis, OneWayDelay};
use owl_measure::hindrance::Hindrance;
use owl_measure::verdict::{EvidenceClass, Profile, Quantile, Reason, State, Verdict};

use super::*;
mod alerts;
mod findings;

use crate::judgement::{Judgement, NoDataWhy, Percentile, Seat, Span};
use crate::live::{Caller, Live};
use crate::testing::{SECOND, report};

const NOW: Timestamp = Timestamp(1_795_000_000 * SECOND);

fn judgement(path: &str, age: i64, verdict: Verdict, why: Option<NoDataWhy>) -> Judgement {
    let span = Span {
        lo: Nanos(1_400_000),
        hi: Nanos(1_500_000),
    };
    let percentile = |quantile| Percentile {
        quantile,
        one_way: verdict.delay,
        round_trip: span,
        raw: span,
    };
    let percentiles = if verdict.delay.is_some() {
        [Quantile::P50, Quantile::P95, Quantile::P99]
            .map(percentile)
            .to_vec()
    } else {
        vec![]
    };
    Judgement {
        path: path.into(),
        profile: "lab".into(),
        quantile: Quantile::P95,
        window_start: NOW - Nanos::from_secs(13 + 10 * age),
        window: Nanos::from_secs(10),
        judged_at: NOW,
        why,
        percentiles,
        clock_error_bound: Some(Nanos(20_000)),
        clock_random: None,
        implied: None,
        seat: verdict.delay.map(|_| Seat::Opposite),
        lost: 0,
        lost_unknown: 0,
        own_loss: 0,
        rule: None,
        inputs: None,
        statistics: None,
        ways: Vec::new(),
        flows: Vec::new(),
        late: 0,
        verdict,
    }
}

/// A verdict of every kind that there is.
fn verdicts() -> Vec<(Verdict, Option<NoDataWhy>)> {
    let target = Nanos::from_millis(1);
    let delay = |lo, hi, basis| {
        Some(OneWayDelay {
            lo: Nanos(lo),
            hi: Nanos(hi),
            basis,
        })
    };
    let blank = Verdict::no_data(target, 100);
    let undecided = |reason, delay| Verdict {
        reason: Some(reason),
        delay,
        ..blank.clone()
    };
    let decided = |state, class, delay| Verdict {
        state,
        reason: None,
        class: Some(class),
        delay,
        ..blank.clone()
    };
    let probe = || "yannan-ct".to_owned();
    let mut all = vec![
        (
            decided(
                State::Met,
                EvidenceClass::A,
                delay(700_000, 800_000, Basis::Claimed),
            ),
            None,
        ),
        (
            decided(
                State::Met,
                EvidenceClass::B,
                delay(300_000, 900_000, Basis::Proved),
            ),
            None,
        ),
        (
            decided(
                State::Missed,
                EvidenceClass::C,
                delay(1_100_000, 1_200_000, Basis::Claimed),
            ),
            None,
        ),
        (
            decided(
                State::Missed,
                EvidenceClass::B,
                delay(i64::MAX, i64::MAX, Basis::Proved),
            ),
            None,
        ),
        (
            undecided(Reason::Clock, delay(300_000, i64::MAX, Basis::Proved)),
            None,
        ),
        (
            undecided(Reason::Samples, delay(300_000, 1_200_000, Basis::Proved)),
            None,
        ),
        (
            undecided(Reason::Coverage, delay(300_000, 1_200_000, Basis::Proved)),
            None,
        ),
        (undecided(Reason::Contradiction, None), None),
    ];
    let why = [
        NoDataWhy::NotStarted { probe: probe() },
        NoDataWhy::ProbeSilent {
            probe: probe(),
            since: NOW,
        },
        NoDataWhy::NotReported { probe: probe() },
        NoDataWhy::Straddling { probe: probe() },
        NoDataWhy::NothingSent { probe: probe() },
        NoDataWhy::Hindered {
            probe: probe(),
            server: "router".into(),
            hindrance: Hindrance::Refused { accept: 3 },
        },
        NoDataWhy::NoReplies { sent: 100 },
    ];
    all.extend(why.map(|why| (blank.clone(), Some(why))));
    all
}

/// A network in which every kind of verdict, probe and clock occurs.
fn live(topology: &Topology) -> Live {
    let live = Live::new(topology, Some(&Profile::lab()));
    let mut table = live.write();
    for (live, (verdict, why)) in table.paths.iter_mut().zip(verdicts()) {
        let id = live.path.id.clone();
        live.latest = Some(judgement(&id, 0, verdict, why));
    }
    let mut clock = report("a~b", 0).clock;
    for (k, probe) in table.probes.values_mut().enumerate() {
        probe.caller = (k % 3 > 0).then(|| Caller {
            epoch: 1,
            software: "x".into(),
            simulated: true,
            called_at: NOW,
        });
        probe.connections = k % 3 / 2;
        clock.bound = clock.bound.filter(|_| k % 4 > 0);
        probe.clock = (k % 3 > 0).then_some((clock, NOW));
        probe.reported_at = (k % 3 > 0).then_some(NOW);
    }
    table.store_failure = Some("x".into());
    drop(table);
    live
}

/// All pages of that network in one language.
fn pages(lang: Lang) -> Vec<String> {
    let topology = Topology::yancheng();
    let live = live(&topology);
    let zone = Zone::named("Asia/Shanghai");
    let frame = Frame {
        user: None,
        lang,
        topology: Arc::new(topology.clone()),
        zone: &zone,
        now: NOW,
        grace: Nanos::from_secs(3),
        started_at: NOW,
    };
    let table = live.read();
    let mut pages = vec![overview(&frame, &table).into_string()];
    for entry in &table.paths {
        let past = verdicts()
            .into_iter()
            .zip(0..)
            .map(|((verdict, why), age)| judgement(&entry.path.id, age * 2, verdict, why));
        pages.push(path(&frame, &table, entry, &of_windows(past.collect())).into_string());
        pages.push(path(&frame, &table, entry, &Past::default()).into_string());
    }
    let (all, one) = crate::compliance::tests::answers();
    for answer in all.iter().chain(&one) {
        let of_one = one.iter().any(|one| one == answer);
        let view = ComplianceView {
            answer,
            path: answer
                .paths
                .first()
                .filter(|_| of_one)
                .map(|path| path.path.as_str()),
            periods: vec!["2026-11".into(), "2026-11-23".into()],
        };
        pages.push(compliance(&frame, &table, &view).into_string());
    }
    pages
}

#[test]
fn what_was_not_measured_is_grey_and_never_red_under_any_rule() {
    let topology = Topology::yancheng();
    let live = Live::new(&topology, None);
    let zone = Zone::named("Asia/Shanghai");
    for lang in [Lang::En, Lang::Zh] {
        let frame = Frame {
            user: None,
            lang,
            topology: Arc::new(topology.clone()),
            zone: &zone,
            now: NOW,
            grace: Nanos::from_secs(3),
            started_at: NOW,
        };
        for answer in crate::compliance::tests::unmeasured() {
            let view = ComplianceView {
                answer: &answer,
                path: None,
                periods: Vec::new(),
            };
            let page = compliance(&frame, &live.read(), &view).into_string();
            assert!(page.contains("chip unmeasured"));
            assert!(!page.contains("chip missed") && !page.contains("chip met"));
            // A page to be read and printed does not ask for itself again.
            assert!(!page.contains("http-equiv"));
        }
    }
}

/// The overview's sentences and one path's page when all paths have this verdict.
fn of_windows(windows: Vec<Judgement>) -> Past {
    Past {
        windows,
        ..Past::default()
    }
}

fn page_of(lang: Lang, verdict: &Verdict, lost_unknown: u64) -> [String; 2] {
    let lost = Lost {
        somewhere: lost_unknown,
        own: 0,
    };
    page_with(lang, verdict, lost)
}

/// Packets that never came back, not known to be lost this way.
#[derive(Clone, Copy)]
struct Lost {
    somewhere: u64,
    own: u64,
}

fn page_with(lang: Lang, verdict: &Verdict, lost: Lost) -> [String; 2] {
    let topology = Topology::yancheng();
    let live = Live::new(&topology, Some(&Profile::lab()));
    let mut table = live.write();
    for live in &mut table.paths {
        let judgement = judgement(&live.path.id, 0, verdict.clone(), None);
        live.latest = Some(Judgement {
            lost_unknown: lost.somewhere,
            own_loss: lost.own,
            ..judgement
        });
    }
    drop(table);
    let zone = Zone::named("Asia/Shanghai");
    let frame = Frame {
        user: None,
        lang,
        topology: Arc::new(topology.clone()),
        zone: &zone,
        now: NOW,
        grace: Nanos::from_secs(3),
        started_at: NOW,
    };
    let table = live.read();
    let entry = &table.paths[0];
    let past = vec![entry.latest.clone().unwrap()];
    [
        overview(&frame, &table).into_string(),
        path(&frame, &table, entry, &of_windows(past)).into_string(),
    ]
}

#[test]
fn for_certain_is_said_of_proofs_and_not_of_what_rests_on_clocks() {
    #[track_caller]
    fn check(state: State, class: EvidenceClass, english: &str, chinese: &str) {
        let (verdict, _) = verdicts()
            .into_iter()
            .find(|(verdict, _)| (verdict.state, verdict.class) == (state, Some(class)))
            .unwrap();
        for (lang, words) in [(Lang::En, english), (Lang::Zh, chinese)] {
            let [overview, _] = page_of(lang, &verdict, 0);
            assert!(overview.contains(words), "{overview}");
        }
    }
    use EvidenceClass::{A, B, C};
    use State::{Met, Missed};
    check(Met, B, "keeps the target, for certain.", "所有路径确定达标");
    check(
        Met,
        A,
        "keeps the target, as far as the clocks' own bounds hold.",
        "前提是时钟自身的误差界成立",
    );
    check(
        Missed,
        B,
        "miss the target, for certain.",
        "部分路径确定未达标",
    );
    check(
        Missed,
        C,
        "miss the target, as far as the clocks' own bounds hold.",
        "前提是时钟自身的误差界成立",
    );
}

#[test]
fn a_band_without_an_upper_bound_has_no_edge_and_a_lost_packet_has_no_band() {
    #[track_caller]
    fn check(verdict: &Verdict, bands: usize, edges: usize) {
        let [_, page] = page_of(Lang::En, verdict, 0);
        let plot = page.split("<figcaption>").next().unwrap();
        let got = [
            plot.matches("<rect class=\"band").count(),
            plot.matches("<line class=\"edge").count(),
        ];
        assert_eq!(got, [bands, edges], "{verdict:?}");
    }
    let with = |lo, hi| Verdict {
        delay: Some(OneWayDelay {
            lo: Nanos(lo),
            hi: Nanos(hi),
            basis: Basis::Proved,
        }),
        ..Verdict::no_data(Nanos::from_millis(1), 100)
    };
    check(&with(300_000, 900_000), 3, 3);
    check(&with(300_000, i64::MAX), 3, 0);
    check(&with(i64::MAX, i64::MAX), 0, 0);
}

#[test]
fn a_contradiction_names_what_is_wrong_and_not_that_nothing_was_measured() {
    let faster_than_light = Verdict {
        reason: Some(Reason::Contradiction),
        received: 100,
        ..Verdict::no_data(Nanos::from_millis(1), 100)
    };
    let clocks = Verdict {
        delay: Some(OneWayDelay {
            lo: Nanos(300_000),
            hi: Nanos(1_200_000),
            basis: Basis::Proved,
        }),
        ..faster_than_light.clone()
    };
    for (verdict, lang, said) in [
        (
            &faster_than_light,
            Lang::En,
            "so the coordinates of a site are wrong",
        ),
        (&faster_than_light, Lang::Zh, "站点坐标有误"),
        (&clocks, Lang::En, "contradicts that"),
        (&clocks, Lang::Zh, "的测量与之矛盾"),
    ] {
        let [_, page] = page_of(lang, verdict, 0);
        assert!(page.contains(said), "{page}");
        assert!(!page.contains(lang.pick("Nothing was measured", "没有测量数据")));
    }
}

#[test]
fn packets_lost_nobody_knows_where_are_told() {
    let dead = Verdict::no_data(Nanos::from_millis(1), 100);
    for (lang, said) in [
        (Lang::En, "0 lost this way, 100 lost somewhere"),
        (Lang::Zh, "本方向丢失 0，方向不明丢失 100"),
    ] {
        let [_, page] = page_of(lang, &dead, 100);
        assert!(page.contains(said), "{page}");
    }
}

#[test]
fn what_the_measuring_host_dropped_itself_is_told_and_only_then() {
    let verdict = Verdict::no_data(Nanos::from_millis(1), 100);
    for (lang, own, said) in [
        (Lang::En, 7, "7 of the lost packets at most"),
        (Lang::Zh, 7, "丢失报文中至多 7 个"),
        (Lang::En, 0, ""),
        (Lang::Zh, 0, ""),
    ] {
        let lost = Lost { somewhere: 9, own };
        let [_, page] = page_with(lang, &verdict, lost);
        let label = lang.pick("Own loss", "自身丢弃");
        assert_eq!(page.contains(label), own > 0, "{page}");
        assert!(page.contains(said), "{page}");
    }
}

/// Every text and every label of a page that a person reads or hears.
fn texts(page: &str) -> Vec<&str> {
    let bodies = page.split('>').filter_map(|part| part.split('<').next());
    let labels = ["title=\"", "aria-label=\""]
        .into_iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .filter_map(|part| part.split('"').next());
    bodies
        .chain(labels)
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect()
}

fn is_chinese(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

#[test]
fn an_english_page_is_english() {
    for page in pages(Lang::En) {
        assert!(page.contains("<html lang=\"en\">"));
        for text in texts(&page).into_iter().filter(|text| *text != "中文") {
            assert!(!text.contains(is_chinese), "{text}");
        }
    }
}

#[test]
fn a_chinese_page_is_chinese() {
    let word = |word: &str| word.len() > 2 && word.chars().all(|c| c.is_ascii_alphabetic());
    for page in pages(Lang::Zh) {
        assert!(page.contains("<html lang=\"zh-CN\">"));
        for text in texts(&page) {
            let words: Vec<&str> = text.split([' ', ',', '.']).collect();
            assert!(
                !words.windows(2).any(|pair| word(pair[0]) && word(pair[1])),
                "{text}"
            );
        }
    }
}

#[test]
fn a_state_is_told_by_a_sign_and_a_word_not_by_colour_alone() {
    for lang in [Lang::En, Lang::Zh] {
        let overview = pages(lang).swap_remove(0);
        let matrix = overview.split("<table class=\"matrix\">").nth(1).unwrap();
        for standing in say::Standing::ALL {
            assert!(
                overview.contains(&format!(
                    "<b>{}</b> {}",
                    standing.sign(),
                    standing.word(lang)
                )),
                "{standing:?}"
            );
        }
        for chip in matrix.split("<a class=\"chip").skip(1) {
            let label = chip.split("aria-label=\"").nth(1).unwrap();
            assert!(
                say::Standing::ALL
                    .iter()
                    .any(|standing| label.contains(standing.word(lang))),
                "{label}"
            );
        }
    }
}

#[test]
fn a_page_needs_no_script_no_style_attribute_and_no_other_host() {
    for page in pages(Lang::En) {
        for forbidden in [
            "<script",
            " style=",
            "http://",
            "https://",
            "javascript:",
            "NaN",
        ] {
            assert!(!page.contains(forbidden), "{forbidden} in {page}");
        }
    }
}

#[test]
fn what_is_simulated_and_what_fails_stands_on_every_page() {
    for page in pages(Lang::En) {
        assert!(
            page.contains("Delays and clocks are simulated") && page.contains("The store refuses")
        );
    }
}
