//! Another topology is released while the judge is at work.

use super::*;
use crate::rulebook::Rulebook;

/// The topology with other targets.
fn other() -> Arc<Topology> {
    let mut topology = Topology::yancheng();
    for class in &mut topology.classes {
        class.target = Nanos::from_millis(2);
    }
    topology.into()
}

/// The rulebook that its windows are judged by.
fn book(court: &Court, topology: &Topology) -> Option<String> {
    let paths = court.live.judged_paths(topology);
    Some(Rulebook::of(topology, &paths).hash)
}

impl Court {
    #[track_caller]
    fn is_judged_by(&self, start_s: i64, topology: &Topology) {
        let latest = self.latest(OUT).expect("a verdict");
        assert_eq!(latest.window_start, Timestamp(start_s * SECOND));
        assert_eq!(
            latest.rule,
            book(self, topology),
            "the window at {start_s} s"
        );
    }
}

#[test]
fn a_window_is_judged_by_the_rules_that_it_began_with_also_when_it_is_judged_again() {
    let (before, after) = (Topology::yancheng(), other());
    let mut court = court(0);
    court.receive(OUT, 0, QUIET, 11);
    court.round(13);
    court.is_judged_by(0, &before);
    let new = court.live.follow(&after, Timestamp(15 * SECOND));
    assert!(new.is_empty(), "the paths are the same");
    court.receive(OUT, 10, QUIET, 21);
    court.round(23);
    court.stands(OUT, 10, State::Met, None);
    court.is_judged_by(10, &before);
    court.receive(OUT, 20, QUIET, 31);
    court.round(33);
    court.is_judged_by(20, &after);
    // Late reports on a path of that time: by its own rules still.
    let chapter = |start_s: i64| {
        court
            .judge
            .chapter(Timestamp(start_s * SECOND))
            .book
            .hash
            .clone()
    };
    let told = [chapter(0), chapter(10), chapter(20)].map(Some);
    let [old, new] = [book(&court, &before), book(&court, &after)];
    assert_eq!(told, [old.clone(), old, new]);
}

#[test]
fn a_path_that_is_released_is_judged_from_then_on_and_one_that_is_gone_no_more() {
    let mut without = Topology::yancheng();
    let probe = OUT.split('~').next().unwrap();
    for measure in &mut without.measures {
        measure.mesh.retain(|id| id.as_str() != probe);
    }
    let mut court = court(0);
    court.round(13);
    court.stands(OUT, 0, State::Undecided, Some(Reason::NoData));
    court.live.follow(&without.into(), Timestamp(20 * SECOND));
    court.round(33);
    let gone = court.live.read().path(OUT).is_none();
    assert!(gone, "the table has no such path");
    let new = court
        .live
        .follow(&Topology::yancheng().into(), Timestamp(40 * SECOND));
    assert!(new.contains(OUT));
    court.receive(OUT, 40, QUIET, 51);
    court.round(53);
    court.stands(OUT, 40, State::Met, None);
}
