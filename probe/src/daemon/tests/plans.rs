//! What another plan does to sessions that are running.

use super::*;

const INTERVAL: Nanos = Nanos::from_millis(200);

impl Ends {
    fn session(&self, path: &str) -> PlannedSession {
        PlannedSession {
            path: path.into(),
            ..self.plan.sessions[0].clone()
        }
    }

    fn plan(&mut self, generation: &str, sessions: Vec<PlannedSession>) {
        let plan = Plan {
            generation: generation.into(),
            probe: "a".into(),
            sessions,
            ..Plan::default()
        };
        self.senders.follow(plan).unwrap();
    }

    /// Reports as they come, until one of this path and generation has.
    #[track_caller]
    fn reported(&self, path: &str, generation: &str) -> Vec<Report> {
        let mut reports = Vec::new();
        loop {
            let report = self.reports.recv_timeout(PATIENCE).unwrap();
            let last = report.path == path && report.generation == generation;
            reports.push(report);
            if last {
                return reports;
            }
        }
    }
}

/// Of one path: the intervals follow each other, and in each of them something was sent.
#[track_caller]
fn has_no_hole(reports: &[Report], path: &str) {
    let of_path: Vec<_> = reports.iter().filter(|of| of.path == path).collect();
    assert!(of_path.len() >= 3, "{}", of_path.len());
    for pair in of_path.windows(2) {
        let [before, after] = [&pair[0].summary, &pair[1].summary];
        assert_eq!(after.start, before.start + INTERVAL, "{path}");
        assert_eq!(after.length, INTERVAL);
        assert!(after.sent + after.skipped > 30, "{path}: {}", after.sent);
    }
}

#[test]
fn a_session_that_the_new_plan_has_too_goes_on_without_a_hole_and_reports_the_new_generation() {
    let mut ends = Ends::start(&[1], &[1], "whole");
    ends.senders.stop();
    let (b, c, d) = (
        ends.session("a~b"),
        ends.session("a~c"),
        ends.session("a~d"),
    );
    ends.plan("1", vec![b.clone(), c.clone()]);
    let mut reports = ends.reported("a~c", "1");
    reports.extend(ends.reported("a~b", "1"));
    // One stays, one goes, one comes; and then one is changed.
    ends.plan("2", vec![b.clone(), d.clone()]);
    reports.extend(ends.reported("a~d", "2"));
    reports.extend(ends.reported("a~b", "2"));
    let other = PlannedSession {
        packet_octets: 128,
        ..d.clone()
    };
    ends.plan("3", vec![b.clone(), other]);
    reports.extend(ends.reported("a~d", "3"));
    reports.extend(ends.reported("a~b", "3"));
    has_no_hole(&reports, "a~b");
    let generations = |path: &str| {
        let of_path = reports.iter().filter(|of| of.path == path);
        let mut generations: Vec<_> = of_path.map(|of| of.generation.clone()).collect();
        generations.dedup();
        generations
    };
    assert_eq!(generations("a~b"), ["1", "2", "3"]);
    assert_eq!(
        generations("a~c"),
        ["1"],
        "it left under the plan that had it"
    );
    assert_eq!(generations("a~d"), ["2", "3"]);
    let running = ends.senders.running.as_ref().unwrap();
    assert_eq!(running.slots.iter().filter(|slot| slot.runs).count(), 2);
    assert_eq!(running.slots.len(), 4, "places of those that left stay");
}

#[test]
fn nothing_begins_anew_when_only_the_generation_changes() {
    let mut ends = Ends::start(&[1], &[1], "whole");
    let b = ends.session("a~b");
    ends.plan("1", vec![b.clone()]);
    let mut reports = ends.reported("a~b", "1");
    ends.plan("2", vec![b]);
    reports.extend(ends.reported("a~b", "2"));
    reports.extend(ends.reported("a~b", "2"));
    reports.extend(ends.reported("a~b", "2"));
    reports.remove(0);
    has_no_hole(&reports, "a~b");
}

#[test]
fn a_plan_of_which_nothing_can_be_opened_says_why() {
    let mut ends = Ends::start(&[1], &[1], "whole");
    let plan = Plan {
        probe: "a".into(),
        generation: "2".into(),
        sessions: vec![ends.session("a~b")],
        sends_from: "192.0.2.77".into(),
        ..Plan::default()
    };
    let why = ends.senders.follow(plan).unwrap_err();
    assert!(why.contains("192.0.2.77"), "{why}");
    let before = ends.plan.clone();
    ends.senders.follow(before).unwrap();
    ends.looked = Clock::honest().now();
    ends.until_all_come_back();
}
