//! Two looks at the table, and what lies between them.

use std::collections::{BTreeMap, BTreeSet};

use owl_measure::time::{Nanos, Timestamp};

use super::Event;
use crate::finding::Kind;
use crate::live::{LivePath, LiveProbe, Table};
use crate::reading::{Reading, Standing, Wanted};

/// What the last look saw. Its size is the table's.
#[derive(Debug)]
pub(super) struct Known {
    /// In the order of the table, which never changes.
    paths: Vec<(Standing, Option<&'static str>)>,
    findings: BTreeSet<(Kind, String, Timestamp)>,
    /// Whether each probe is connected, and how many of its reports are lost.
    probes: BTreeMap<String, (bool, u64)>,
    store_fails: bool,
}

fn of_probe(probe: &LiveProbe) -> (bool, u64) {
    (probe.connections > 0, probe.lost)
}

fn reading(live: &LivePath, now: Timestamp, grace: Nanos) -> Reading<'_> {
    let wanted = Wanted {
        stat: None,
        max_age: None,
        grace,
        now,
    };
    Reading::of(live, wanted)
}

fn standing(reading: &Reading<'_>) -> (Standing, Option<&'static str>) {
    let reason = reading
        .judgement()
        .and_then(|judgement| judgement.verdict.reason);
    (reading.standing, reason.map(|reason| reason.code()))
}

impl Known {
    /// The first look, which tells nothing.
    pub(super) fn of(table: &Table, now: Timestamp, grace: Nanos) -> Self {
        let paths = table.paths.iter();
        Self {
            paths: paths
                .map(|live| standing(&reading(live, now, grace)))
                .collect(),
            findings: table.findings.iter().map(|finding| finding.key()).collect(),
            probes: table
                .probes
                .iter()
                .map(|(id, probe)| (id.clone(), of_probe(probe)))
                .collect(),
            store_fails: table.store_failure.is_some(),
        }
    }

    /// One more look: what has changed since the one before.
    pub(super) fn look(&mut self, table: &Table, now: Timestamp, grace: Nanos) -> Vec<Event> {
        let mut events = Vec::new();
        for (live, known) in table.paths.iter().zip(&mut self.paths) {
            let reading = reading(live, now, grace);
            let standing = standing(&reading);
            if standing != *known {
                let before = std::mem::replace(known, standing).0.code();
                events.push(Event::Verdict {
                    path: live.path.id.clone(),
                    state: standing.0.code(),
                    reason: standing.1,
                    before,
                    window_start_ns: live.latest.as_ref().map(|latest| latest.window_start),
                });
            }
        }
        for (id, probe) in &table.probes {
            let is = of_probe(probe);
            let was = self.probes.insert(id.clone(), is).unwrap_or_default();
            let probe = || id.clone();
            match (was.0, is.0) {
                (false, true) => events.push(Event::ProbeConnected { probe: probe() }),
                (true, false) => events.push(Event::ProbeDisconnected { probe: probe() }),
                _ => {}
            }
            if is.1 > was.1 {
                events.push(Event::Gap {
                    probe: probe(),
                    lost: is.1 - was.1,
                });
            }
        }
        let fails = table.store_failure.is_some();
        match (std::mem::replace(&mut self.store_fails, fails), fails) {
            (false, true) => events.push(Event::StoreFails),
            (true, false) => events.push(Event::StoreWorks),
            _ => {}
        }
        let open: BTreeSet<_> = table.findings.iter().map(|finding| finding.key()).collect();
        let named = |(kind, subject, since): &(Kind, String, Timestamp)| {
            (kind.code(), subject.clone(), *since)
        };
        events.extend(open.difference(&self.findings).map(|key| {
            let (kind, subject, since_ns) = named(key);
            Event::FindingOpened {
                kind,
                subject,
                since_ns,
            }
        }));
        events.extend(self.findings.difference(&open).map(|key| {
            let (kind, subject, since_ns) = named(key);
            Event::FindingClosed {
                kind,
                subject,
                since_ns,
            }
        }));
        self.findings = open;
        events
    }
}

#[cfg(test)]
mod tests {
    use owl_measure::verdict::Profile;
    use owl_topology::Topology;

    use super::*;
    use crate::finding::{Finding, Symptom};
    use crate::judgement::Judgement;
    use crate::live::Live;

    const GRACE: Nanos = Nanos::from_secs(3);

    fn judgement(state: &str) -> Judgement {
        let text = format!(
            r#"{{"path":"a~b","profile":"lab","quantile":0.95,"window_start_ns":0,"window_ns":10000000000,
            "judged_at_ns":13000000000,{state},"target_ns":1000000,"sent":100,"received":100,"percentiles":[],"lost":0,"late":0}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(0) + Nanos::from_secs(seconds)
    }

    #[test]
    fn a_path_is_told_of_when_its_state_or_its_reason_changes_and_when_it_grows_stale() {
        let live = Live::new(&Topology::yancheng(), Some(&Profile::lab()));
        let mut known = Known::of(&live.read(), at(0), GRACE);
        let mut check = |latest: Option<&str>, seconds, expected: Option<(&str, &str)>| {
            if let Some(latest) = latest {
                live.write().paths[0].latest = Some(judgement(latest));
            }
            let told: Vec<_> = known.look(&live.read(), at(seconds), GRACE);
            let told: Vec<_> = told
                .iter()
                .map(|event| match event {
                    Event::Verdict { before, state, .. } => (*before, *state),
                    event => panic!("{event:?}"),
                })
                .collect();
            assert_eq!(told, Vec::from_iter(expected), "{latest:?} at {seconds}");
        };
        check(None, 12, None);
        check(
            Some(r#""state":"met","class":"B""#),
            13,
            Some(("no-data", "met")),
        );
        check(Some(r#""state":"met","class":"C""#), 13, None);
        let clock = r#""state":"undecided","reason":"clock""#;
        check(Some(clock), 13, Some(("met", "undecided")));
        let samples = r#""state":"undecided","reason":"samples""#;
        check(Some(samples), 13, Some(("undecided", "undecided")));
        check(None, 43, None);
        check(None, 44, Some(("undecided", "stale")));
        check(None, 45, None);
    }

    #[test]
    fn probes_come_and_go_and_findings_open_and_close() {
        let live = Live::new(&Topology::yancheng(), Some(&Profile::lab()));
        let mut known = Known::of(&live.read(), at(0), GRACE);
        let probe = live.read().probes.keys().next().unwrap().clone();
        let finding = Finding {
            since: at(1),
            seen_until: at(2),
            open: true,
            windows: 1,
            last: Symptom {
                kind: Kind::Step,
                subject: probe.clone(),
                size: None,
                within: None,
                evidence: Vec::new(),
                alternatives: Vec::new(),
            },
        };
        let mut names = |connections, findings: &[Finding]| -> Vec<&'static str> {
            let mut table = live.write();
            table.probes.get_mut(&probe).unwrap().connections = connections;
            table.findings = findings.to_vec();
            let events = known.look(&table, at(3), GRACE);
            events.iter().map(Event::name).collect()
        };
        assert!(names(0, &[]).is_empty());
        let seen_again = Finding {
            windows: 2,
            ..finding.clone()
        };
        assert_eq!(names(1, &[finding]), ["probe-connected", "finding-opened"]);
        assert!(names(2, &[seen_again]).is_empty());
        assert_eq!(names(0, &[]), ["probe-disconnected", "finding-closed"]);
    }

    #[test]
    fn lost_reports_and_a_store_that_refuses_are_told_once() {
        let live = Live::new(&Topology::yancheng(), Some(&Profile::lab()));
        let mut known = Known::of(&live.read(), at(0), GRACE);
        let mut look = |lost, failure: Option<&str>| {
            let mut table = live.write();
            table.probes.values_mut().next().unwrap().lost = lost;
            table.store_failure = failure.map(str::to_owned);
            known.look(&table, at(3), GRACE)
        };
        assert_eq!(look(0, None), []);
        let events = look(3, Some("full"));
        assert!(
            matches!(&events[..], [Event::Gap { lost: 3, .. }, Event::StoreFails]),
            "{events:?}"
        );
        assert_eq!(look(3, Some("still full")), []);
        let events = look(5, None);
        assert!(
            matches!(&events[..], [Event::Gap { lost: 2, .. }, Event::StoreWorks]),
            "{events:?}"
        );
    }
}
