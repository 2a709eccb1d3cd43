use super::*;
use crate::finding::{Finding, Kind, Symptom};
use crate::revision::Revision;

fn found(kind: Kind, subject: &str, open: bool) -> Finding {
    Finding {
        since: NOW - Nanos::from_secs(120),
        seen_until: NOW,
        open,
        windows: 2,
        last: Symptom {
            kind,
            subject: subject.into(),
            size: Some(Nanos(3_000_000)),
            within: Some((Nanos(2_500_000), Nanos(3_500_000))),
            evidence: vec![],
            alternatives: vec![],
        },
    }
}

pub(super) fn with_frame<T>(lang: Lang, then: impl FnOnce(&Frame<'_>, &Live) -> T) -> T {
    let topology = Topology::yancheng();
    let zone = Zone::named(&topology.timezone);
    let frame = Frame {
        user: None,
        lang,
        topology: Arc::new(topology.clone()),
        zone: &zone,
        now: NOW,
        grace: Nanos::from_secs(3),
        started_at: NOW,
    };
    then(&frame, &live(&topology))
}

#[test]
fn the_page_of_findings_says_each_one_in_a_sentence_and_that_there_is_none() {
    for (lang, none, over) in [
        (Lang::En, "Nothing was found so far", "over"),
        (Lang::Zh, "目前没有发现问题", "已结束"),
    ] {
        with_frame(lang, |frame, live| {
            let table = live.read();
            let empty = findings(frame, &table, &[]).into_string();
            assert!(empty.contains(none), "{empty}");
            let all: Vec<Finding> = Kind::ALL
                .into_iter()
                .map(|kind| found(kind, "a~b", kind == Kind::Step))
                .collect();
            let page = findings(frame, &table, &all).into_string();
            for kind in Kind::ALL {
                assert!(page.contains(kind.word(lang)), "{kind:?}: {page}");
            }
            assert_eq!(
                page.matches("<td class=\"words\">").count(),
                Kind::ALL.len()
            );
            assert!(page.contains(over) && page.contains("3.000 ms"), "{page}");
        });
    }
}

#[test]
fn the_overview_and_the_pages_of_the_paths_concerned_lead_to_an_open_finding() {
    with_frame(Lang::En, |frame, live| {
        let wrong = found(Kind::ClockWrong, "supercomputing-ct", true);
        live.write().findings = vec![wrong];
        let table = live.read();
        let link = "/findings?lang=en";
        assert!(overview(frame, &table).into_string().contains(link));
        for (id, concerned) in [
            ("yannan-ct~supercomputing-ct", true),
            ("yannan-ct~binhaigang-ct", false),
        ] {
            let entry = table.path(id).unwrap();
            let page = path(frame, &table, entry, &Past::default()).into_string();
            assert_eq!(page.contains(link), concerned, "{id}");
        }
    });
}

#[test]
fn a_verdict_given_anew_stands_on_the_page_of_its_path_with_what_it_was() {
    with_frame(Lang::En, |frame, live| {
        let table = live.read();
        let entry = table.path("yannan-ct~binhaigang-ct").unwrap();
        let target = Nanos::from_millis(1);
        let of = |sent| judgement(&entry.path.id, 0, Verdict::no_data(target, sent), None);
        let revision = Revision::between(&of(0), &of(100)).expect("they differ");
        assert_eq!(Revision::between(&of(7), &of(7)), None);
        let past = Past {
            revisions: vec![revision],
            ..Past::default()
        };
        let page = path(frame, &table, entry, &past).into_string();
        assert!(
            page.contains("Verdicts given anew") && page.contains("came after it had been judged"),
            "{page}"
        );
    });
}
