//! What audits find over several windows, and what late reports change.

use super::*;
use crate::finding::{Evidence, Finding, Kind};
use crate::revision::{Said, Why};
use crate::store::FindingsQuery;

const LIAR: &str = "supercomputing-ct";
const BETWEEN_HONEST: &str = "yannan-ct~binhaigang-ct";
const OTHER_TO_LIAR: &str = "binhaigang-ct~supercomputing-ct";

/// As long there as back, so that nothing seems to be a clock's doing.
const EVEN: Link = Link {
    forward: 750_000,
    backward: 750_000,
    ahead: 0,
};
/// Three milliseconds ahead, as seen over a path to it.
const AHEAD: Link = Link {
    ahead: 3_000_000,
    ..EVEN
};

impl Court {
    /// Ten seconds of three probes of which one lies, or does not, heard and judged.
    fn hear(&mut self, start_s: i64, liar: Link) {
        self.receive(BETWEEN_HONEST, start_s, EVEN, start_s + 11);
        self.receive(OUT, start_s, liar, start_s + 11);
        self.receive(OTHER_TO_LIAR, start_s, liar, start_s + 11);
        self.round(start_s + 13);
    }

    fn open(&self) -> Vec<Finding> {
        self.live.read().findings.clone()
    }

    fn stored(&self) -> Vec<Finding> {
        let all = FindingsQuery {
            open: None,
            since: Timestamp(i64::MIN),
            limit: 100,
        };
        self.judge.reader.findings(all).unwrap()
    }
}

#[test]
fn the_clock_that_all_others_contradict_is_found_and_its_paths_alone_lose_certainty() {
    let mut court = court(0);
    court.hear(0, AHEAD);
    court.stands(BETWEEN_HONEST, 0, State::Met, None);
    court.stands(OUT, 0, State::Undecided, Some(Reason::Contradiction));
    let open = court.open();
    assert_eq!(open, court.stored());
    let [found] = &open[..] else {
        panic!("{open:?}");
    };
    assert_eq!(
        (found.last.kind, found.last.subject.as_str()),
        (Kind::ClockWrong, LIAR)
    );
    assert_eq!(found.since, Timestamp(0));
    let (least, most) = found.last.within.unwrap();
    let truth = Nanos(3_000_000);
    assert!(least <= truth && truth <= most, "{least} … {most}");
    assert_eq!(found.last.evidence.len(), 2);
    assert!(
        matches!(&found.last.evidence[0], Evidence::Conflict(conflict) if conflict.apart > conflict.claimed)
    );
}

#[test]
fn a_finding_goes_on_closes_when_it_is_over_and_outlives_the_collector() {
    let mut court = court(0);
    for window in 0..3 {
        court.hear(window * 10, AHEAD);
    }
    let before = court.open();
    assert_eq!((before.len(), before[0].windows), (1, 3));
    court.restart();
    assert_eq!(court.open(), before);
    for window in 3..7 {
        court.hear(window * 10, EVEN);
    }
    assert_eq!(
        court.open().len(),
        1,
        "four windows without it are not enough"
    );
    court.hear(70, EVEN);
    assert_eq!(court.open(), []);
    let stored = court.stored();
    assert_eq!(stored.len(), 1);
    assert_eq!(
        (stored[0].open, stored[0].seen_until),
        (false, Timestamp(30 * SECOND))
    );
}

#[test]
fn late_reports_judge_every_path_of_the_mesh_anew_and_leave_a_record() {
    let mut court = court(0);
    // The clock of yannan is 400 µs ahead, which light does not exclude on the long path.
    let long = Link {
        ahead: -400_000,
        ..EVEN
    };
    court.receive(BETWEEN_HONEST, 0, long, 11);
    court.round(13);
    court.stands(BETWEEN_HONEST, 0, State::Met, None);
    assert_eq!(court.open(), []);
    // On the short one it does.
    let short = Link {
        forward: 20_000,
        backward: 20_000,
        ahead: -400_000,
    };
    court.receive(OUT, 0, short, 20);
    court.round(21);
    let open = court.open();
    let suspects: Vec<_> = open
        .iter()
        .map(|found| (found.last.kind, found.last.subject.as_str()))
        .collect();
    assert_eq!(suspects, [(Kind::BelowLight, "yannan-ct")]);
    let revisions = |path| {
        let reader = &court.judge.reader;
        reader.revisions(Some(path), Timestamp(0), 10).unwrap()
    };
    let [revision] = &revisions(BETWEEN_HONEST)[..] else {
        panic!("{:?}", revisions(BETWEEN_HONEST));
    };
    let judged = (revision.before.judged_at, revision.after.judged_at);
    assert_eq!(judged, (Timestamp(13 * SECOND), Timestamp(21 * SECOND)));
    assert_eq!(revision.why, Why::Mesh);
    let truth = Nanos(750_000);
    let holds = |said: Said| {
        said.delay
            .is_some_and(|delay| delay.lo <= truth && truth <= delay.hi)
    };
    assert!(
        !holds(revision.before) && holds(revision.after),
        "{revision:?}"
    );
    let [of_late] = &revisions(OUT)[..] else {
        panic!("{:?}", revisions(OUT));
    };
    let why = (of_late.why, of_late.before.reason);
    assert_eq!(why, (Why::LateReports, Some(Reason::NoData)));
    assert_eq!(revisions(OTHER_TO_LIAR), []);
    let untouched = court.latest(OTHER_TO_LIAR).unwrap();
    assert_eq!(
        untouched.judged_at,
        Timestamp(13 * SECOND),
        "it stays as it was given"
    );
}

#[test]
fn a_longer_route_is_found_by_its_round_trip_and_blamed_on_no_clock() {
    let mut court = court(0);
    for window in 0..7 {
        let backward = if window < 4 { 800_000 } else { 1_290_000 };
        court.receive(
            BETWEEN_HONEST,
            window * 10,
            Link { backward, ..QUIET },
            window * 10 + 11,
        );
        court.round(window * 10 + 13);
    }
    let open = court.open();
    let changes: Vec<_> = open
        .iter()
        .filter(|found| found.last.kind == Kind::RouteChange)
        .collect();
    let [found] = changes[..] else {
        panic!("{open:?}");
    };
    assert_eq!(found.last.subject, "binhaigang-ct~yannan-ct");
    assert_eq!(found.last.size, Some(Nanos(490_000)));
    assert_eq!(found.since, Timestamp(60 * SECOND));
    assert!(open.iter().all(|found| found.last.kind != Kind::ClockWrong));
}
