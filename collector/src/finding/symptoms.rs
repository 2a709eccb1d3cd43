//! What the audit of one window says, as symptoms.

use std::collections::{BTreeMap, BTreeSet};

use owl_measure::clock::live::{ClockFinding, MeshFindings};
use owl_measure::clock::suspicion::{ProbeKind, ProbeVerdict};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::window::SessionOf;
use serde::{Deserialize, Serialize};

use super::{ALTERNATIVES_MAX, EVIDENCE_MAX, Evidence, Kind, Symptom, pair_of};

/// Symptoms that one window keeps; a mesh that shows more of them is wrong as a whole, and the first ones say so.
const SYMPTOMS_MAX: usize = 512;

/// One window, audited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuditedWindow {
    /// When it began.
    #[serde(rename = "start_ns")]
    pub(crate) start: Timestamp,
    /// How long it is.
    #[serde(rename = "length_ns")]
    pub(crate) length: Nanos,
    /// The probes of which packets came back: of the others it says nothing.
    pub(crate) seen: BTreeSet<String>,
    /// What it shows.
    pub(crate) symptoms: Vec<Symptom>,
}

impl AuditedWindow {
    /// Whether the window says something of a probe or a pair.
    pub(crate) fn saw(&self, subject: &str) -> bool {
        subject.split('~').all(|probe| self.seen.contains(probe))
    }

    pub(crate) fn end(&self) -> Timestamp {
        self.start + self.length
    }
}

/// What the audit of a window shows of clocks and coordinates; routes are told by [`super::route`].
pub(crate) fn symptoms(findings: &MeshFindings, sessions: &[SessionOf<'_>]) -> Vec<Symptom> {
    let mut symptoms: Vec<Symptom> = findings
        .probes
        .values()
        .filter_map(|found| {
            let kind = kind(found)?;
            let mut evidence: Vec<_> = findings
                .conflicts
                .iter()
                .filter(|conflict| conflict.a == found.probe || conflict.b == found.probe)
                .cloned()
                .collect();
            evidence.sort_by_key(|conflict| std::cmp::Reverse(conflict.apart - conflict.claimed));
            evidence.truncate(EVIDENCE_MAX);
            let mut alternatives = found.alternatives.clone();
            alternatives.truncate(ALTERNATIVES_MAX);
            Some(Symptom {
                kind,
                subject: found.probe.clone(),
                size: found.offset,
                within: found.error,
                evidence: evidence.into_iter().map(Evidence::Conflict).collect(),
                alternatives,
            })
        })
        .collect();
    symptoms.extend(misplaced(findings, sessions));
    symptoms.truncate(SYMPTOMS_MAX);
    symptoms
}

fn kind(found: &ClockFinding) -> Option<Kind> {
    if found.verdict == ProbeVerdict::Ok {
        return None;
    }
    Some(match found.kind? {
        ProbeKind::Offset => Kind::ClockWrong,
        ProbeKind::Timescale => Kind::WholeSeconds,
        ProbeKind::Step => Kind::Step,
        ProbeKind::Drift => Kind::Drift,
        ProbeKind::Contradiction => Kind::BelowLight,
        ProbeKind::ClockOrAccessAsymmetry => Kind::ClockOrAccess,
        // Told with the round trips that show it.
        ProbeKind::Coordinates => return None,
    })
}

fn misplaced(findings: &MeshFindings, sessions: &[SessionOf<'_>]) -> Vec<Symptom> {
    let mut pairs: BTreeMap<String, Evidence> = BTreeMap::new();
    for session in sessions {
        let light = session.floors.forward + session.floors.backward;
        if let Some(round_trip) = session
            .window
            .round_trip()
            .min()
            .filter(|&least| least < light)
        {
            pairs.insert(
                pair_of(session.from, session.to),
                Evidence::RoundTrip {
                    a: session.from.min(session.to).to_owned(),
                    b: session.from.max(session.to).to_owned(),
                    round_trip,
                    light,
                },
            );
        }
    }
    let of = |probe: &String| Symptom {
        kind: Kind::Coordinates,
        subject: probe.clone(),
        size: None,
        within: None,
        evidence: pairs
            .iter()
            .filter(|(pair, _)| pair.split('~').any(|end| end == probe))
            .map(|(_, evidence)| evidence.clone())
            .take(EVIDENCE_MAX)
            .collect(),
        alternatives: Vec::new(),
    };
    findings.misplaced.iter().map(of).collect()
}
