//! What of the alerts is shown, and to whom.

use owl_measure::time::Timestamp;

use super::book::Alert;
use super::subject::Of;
use crate::access::Scope;
use crate::live::Table;

/// The alerts at this moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board {
    /// Those that go on, the gravest first.
    pub(crate) alerts: Vec<Alert>,
    /// When they were looked for last; `None` before the first time.
    pub(crate) at: Option<Timestamp>,
    /// How many receivers are told.
    pub(crate) receivers: usize,
}

/// An alert that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) alert: Alert,
    pub(crate) at: Timestamp,
}

/// An alert as somebody may be told it who sees `part`, the part of the network that this scope has: a place of which he
/// sees some paths falls apart into these.
pub(crate) fn told(alert: &Alert, scope: &Scope, part: &Table) -> Vec<Alert> {
    if scope.is_all() {
        return vec![alert.clone()];
    }
    if !alert.paths.is_empty() {
        let seen = alert.paths.iter();
        let seen = seen.filter(|member| part.path(&member.path).is_some());
        return seen.map(|member| alert.of_member(member)).collect();
    }
    let name = &alert.subject.name;
    let is_seen = match alert.subject.of {
        Of::Probe | Of::Pair => name.split('~').all(|probe| part.has_probe(probe)),
        _ => false,
    };
    let told = is_seen.then(|| {
        let mut told = alert.clone();
        // A finding may name others.
        let found = part
            .findings
            .iter()
            .any(|finding| finding.last.subject == *name);
        if !found && alert.kind.is_of_findings() {
            told.detail = Default::default();
        }
        told
    });
    told.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use owl_measure::time::Nanos;
    use owl_topology::Topology;

    use super::*;
    use crate::alert::book::{Member, Quiet};
    use crate::alert::condition::Words;
    use crate::alert::kind::Kind;
    use crate::alert::subject::Subject;
    use crate::live::Live;

    /// What of an alert is told to who sees ct only, as `KIND SUBJECT`.
    #[track_caller]
    fn check(kind: Kind, subject: Subject, paths: &[&str], expected: &[&str]) {
        let live = Live::new(&Topology::yancheng(), None);
        let member = |path: &&str| Member {
            path: (*path).to_owned(),
            since: Timestamp(5),
            window: Nanos::ZERO,
            returns: 0,
            detail: Words::of(|_| "of its own".to_owned()),
        };
        let alert = Alert {
            kind,
            subject,
            since: Timestamp(1),
            returns: 0,
            detail: Words::of(|_| "of all".to_owned()),
            paths: paths.iter().map(member).collect(),
            quiet: Some(Quiet::Explained {
                kind: Kind::NoData,
                subject: Subject::new(Of::Path, "secret~other"),
            }),
        };
        let table = live.read();
        let all = told(&alert, &Scope::All, &table);
        assert_eq!(all.first(), Some(&alert));
        let scope = Scope::of(["ct".to_owned()]);
        let part = table.part(&scope);
        let told = told(&alert, &scope, &part);
        let said: Vec<String> = told
            .iter()
            .map(|alert| format!("{} {}", alert.kind.code(), alert.subject))
            .collect();
        assert_eq!(said, expected);
        let of_paths = told.iter().filter(|alert| !alert.paths.is_empty());
        for alert in of_paths {
            assert_eq!((alert.since, &alert.quiet), (Timestamp(5), &None));
            assert_eq!(alert.detail.en, "of its own");
        }
    }

    #[test]
    fn who_sees_some_carriers_is_told_of_single_paths_and_of_nobody_else() {
        let (own, other) = ("yannan-ct~supercomputing-ct", "yannan-cm~binhaigang-cm");
        let site = Subject::new(Of::Site, "yc-yannan");
        check(
            Kind::NoData,
            site.clone(),
            &[own, other],
            &["no-data path/yannan-ct~supercomputing-ct"],
        );
        check(Kind::NoData, site, &[other], &[]);
        let probe = |name| Subject::new(Of::Probe, name);
        let lost = "reports-lost probe/yannan-ct";
        check(Kind::ReportsLost, probe("yannan-ct"), &[], &[lost]);
        check(Kind::ReportsLost, probe("yannan-cm"), &[], &[]);
        let pair = |name| Subject::new(Of::Pair, name);
        check(Kind::RouteChanged, pair("yannan-cm~yannan-ct"), &[], &[]);
        let collector = Subject::new(Of::Collector, "Yancheng");
        check(Kind::StoreFails, collector, &[], &[]);
    }
}
