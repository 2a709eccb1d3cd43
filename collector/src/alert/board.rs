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
