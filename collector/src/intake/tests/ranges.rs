//! With probes that know of ranges of numbers.

use owl_measure::report::{Loss, Numbers};

use super::*;

fn numbers(first: u64, count: u64) -> Numbers {
    Numbers {
        epoch: 7,
        first,
        count,
    }
}

impl Call {
    /// Lets a probe that knows of ranges greet, and be greeted and told the highest number that came of it.
    async fn ranges(running: &Running, highest: u64) -> Self {
        let caller = running.authority.caller(PROBE, &running.authority);
        let mut call = running.call(caller).await.unwrap();
        let FromProbe::Hello(hello) = hello(PROBE) else {
            panic!("a hello")
        };
        call.say(&FromProbe::Hello(Hello {
            abilities: Abilities::OURS,
            ..hello
        }))
        .await;
        let welcome = FromCollector::Welcome(Abilities::OURS);
        assert_eq!(call.hear().await, Some(welcome));
        assert!(matches!(call.hear().await, Some(FromCollector::Order(_))));
        call.hears(FromCollector::Highest(highest)).await;
        call
    }

    async fn hears(&mut self, expected: FromCollector) {
        assert_eq!(self.hear().await, Some(expected));
    }
}

#[tokio::test]
async fn what_did_not_come_is_asked_for_once_a_call_until_it_comes_or_is_said_to_be_gone() {
    let running = Running::start();
    let mut call = Call::ranges(&running, 0).await;
    call.say(&batch(5, PATH, 4..6)).await;
    call.hears(FromCollector::Taken(numbers(5, 2))).await;
    call.hears(FromCollector::Again(numbers(1, 4))).await;
    call.say(&batch(1, PATH, 0..1)).await;
    call.hears(FromCollector::Taken(numbers(1, 1))).await;
    // Nothing more is asked: the rest of it may be on its way.
    call.say(&batch(7, PATH, 6..7)).await;
    call.hears(FromCollector::Taken(numbers(7, 1))).await;
    drop(call);

    let running = running.restart();
    let mut call = Call::ranges(&running, 7).await;
    call.hears(FromCollector::Again(numbers(2, 3))).await;
    call.say(&FromProbe::Gone(numbers(3, 2), Loss::Full)).await;
    call.say(&batch(2, PATH, 1..2)).await;
    call.hears(FromCollector::Taken(numbers(2, 1))).await;
    let metrics = running.get("/metrics").await;
    for expected in [
        "owl_collector_reports_missing_total{loss=\"full\"} 2",
        "owl_collector_sequence_gaps_total 1",
        "owl_probe_reports_awaited{probe=\"yannan-ct\"} 0",
    ] {
        running.counted(&metrics, expected);
    }
    let gaps = running.get("/api/v1/gaps").await;
    assert!(
        gaps.contains("\"first\":3,\"last\":4,\"loss\":\"full\""),
        "{gaps}"
    );
}

#[tokio::test]
async fn a_refused_report_is_kept_aside_and_taken_when_the_reason_is_gone() {
    let running = Running::start();
    let mut call = Call::ranges(&running, 0).await;
    let nobody = report("yannan-ct~nowhere", now().0 / 1_000_000_000);
    call.say(&FromProbe::Batch(ReportBatch {
        epoch: 7,
        first_sequence: 1,
        reports: vec![nobody.encode(), b"junk".to_vec()],
        spool_filled_ppm: None,
    }))
    .await;
    call.hears(FromCollector::Taken(numbers(1, 2))).await;
    let store = &running.config.store;
    let reasons = || {
        let kept = crate::aside::list(store).unwrap();
        let kept = kept.iter().map(|kept| (kept.sequence, kept.reason.clone()));
        kept.collect::<Vec<_>>()
    };
    let refused = |second: &str| vec![(1, "unknown_path".to_owned()), (2, second.to_owned())];
    assert_eq!(reasons(), refused("unreadable"));
    assert_eq!(crate::aside::ask(store).unwrap(), 2);
    let running = running.restart();
    // The one whose path is still unknown stays; that both were looked at shows that none is asked for any more.
    let asked = || {
        let reader = crate::store::Reader::beside(&running.config.store).unwrap();
        reader.asked().unwrap().len()
    };
    let looked = async {
        while asked() > 0 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), looked).await.unwrap();
    let metrics = running.get("/metrics").await;
    running.counted(&metrics, "owl_collector_reports_aside 2");
}
