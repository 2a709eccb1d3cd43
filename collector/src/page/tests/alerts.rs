use super::findings::with_frame;
use super::*;
use crate::alert::{Alert, Ended, Kind, Of, Quiet, Subject};
use crate::maintenance::{Affected, Maintenance};

const PATH: &str = "yannan-ct~supercomputing-ct";

fn alert(kind: Kind, quiet: Option<Quiet>) -> Alert {
    let site = matches!(kind, Kind::NoData | Kind::TargetMissed);
    Alert {
        kind,
        subject: match site {
            true => Subject::new(Of::Site, "yc-yannan"),
            false => Subject::new(Of::Probe, "yannan-ct"),
        },
        since: NOW,
        returns: 1,
        detail: Default::default(),
        paths: Vec::new(),
        quiet,
    }
}

fn works() -> Maintenance {
    Maintenance {
        id: "mw-1".to_owned(),
        affected: Affected::Path(PATH.to_owned()),
        start: NOW - Nanos::from_secs(60),
        end: NOW + Nanos::from_secs(60),
        declared_at: NOW,
        by: "console anna".to_owned(),
        reason: "<b>".to_owned(),
        ended_at: None,
    }
}

#[test]
fn the_page_of_alerts_says_what_to_do_who_is_told_and_what_is_announced() {
    for (lang, said) in [
        (
            Lang::En,
            [
                "Nothing at this moment",
                "Alerts are shown here only",
                "muted: maintenance until",
                "probe yannan-ct, clock wrong, explains it",
                "after it had begun, so it excuses nothing",
                "Over within the last day",
            ],
        ),
        (
            Lang::Zh,
            [
                "目前没有告警",
                "告警仅在此处显示",
                "静默：维护至",
                "由“探针 yannan-ct：时钟有误”引起",
                "在开始之后申报，不予剔除",
                "最近一天内已结束",
            ],
        ),
    ] {
        with_frame(lang, |frame, live| {
            let map = &live.map();
            let nothing = AlertsPast {
                ended: Vec::new(),
                works: Vec::new(),
            };
            let empty = alerts(frame, &live.read(), map, &nothing).into_string();
            assert!(said[..2].iter().all(|said| empty.contains(said)), "{empty}");
            let mut all: Vec<Alert> = Kind::ALL
                .into_iter()
                .map(|kind| alert(kind, None))
                .collect();
            all[0].quiet = Some(Quiet::Maintenance { until: NOW });
            all[1].quiet = Some(Quiet::Explained {
                kind: Kind::ClockWrong,
                subject: Subject::new(Of::Probe, "yannan-ct"),
            });
            live.write().board.alerts = all.clone();
            live.write().board.receivers = 2;
            let past = AlertsPast {
                ended: vec![Ended {
                    alert: all[2].clone(),
                    at: NOW,
                }],
                works: vec![works()],
            };
            let table = live.read();
            let page = alerts(frame, &table, map, &past).into_string();
            assert!(said[2..].iter().all(|said| page.contains(said)), "{page}");
            for kind in Kind::ALL {
                let escaped = maud::html! { (kind.action(lang)) }.into_string();
                assert!(
                    page.contains(kind.word(lang)) && page.contains(&escaped),
                    "{kind:?}"
                );
            }
            let count = format!("{} ({})", lang.pick("Alerts", "告警"), Kind::ALL.len() - 2);
            assert!(
                page.contains(&count) && page.contains("&lt;b&gt;"),
                "{page}"
            );
            assert!(!page.contains(said[1]));
            let chinese = texts(&page)
                .into_iter()
                .any(|text| text != "中文" && text.contains(is_chinese));
            assert_eq!(chinese, lang == Lang::Zh);
        });
    }
}

#[test]
fn a_path_in_maintenance_says_so_while_it_is() {
    with_frame(Lang::En, |frame, live| {
        let said = "In announced maintenance until";
        let page = |live: &Live| {
            let table = live.read();
            let entry = table.path(PATH).unwrap();
            path(frame, &table, entry, &Past::default()).into_string()
        };
        assert!(!page(live).contains(said));
        live.write().announce(vec![works()]);
        assert!(page(live).contains(said));
        live.write().announce(Vec::new());
        assert!(!page(live).contains(said));
    });
}
