//! Which part of the network somebody sees.
//!
//! A path belongs to the carrier of its one end and to the carrier of its
//! other; who sees some carriers sees a path when both are among them. So a
//! path between two carriers is shown only to who sees both, and no sum, share
//! or worst case is made from anything else.

use std::collections::BTreeSet;

use owl_topology::Path;
use sha2::{Digest as _, Sha256};

use crate::finding::{Evidence, Finding};
use crate::live::{LiveProbe, Table};

/// Carriers that one user or token can be limited to.
pub(crate) const CARRIERS_MAX: usize = 64;

/// Which carriers somebody sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of them, also those that a later topology brings.
    All,
    /// These, by their ids in the topology.
    Carriers(BTreeSet<String>),
}

impl Scope {
    pub(crate) fn of(carriers: impl IntoIterator<Item = String>) -> Self {
        Self::Carriers(carriers.into_iter().collect())
    }

    pub(crate) fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Nothing for all of them; otherwise what tells these carriers from others, as a piece of an entity tag.
    pub(crate) fn tag(&self) -> String {
        match self {
            Self::All => String::new(),
            Self::Carriers(carriers) => {
                let carriers: Vec<&str> = carriers.iter().map(String::as_str).collect();
                let digest = Sha256::digest(carriers.join(" "));
                format!("-{}", data_encoding::HEXLOWER.encode(&digest[..8]))
            }
        }
    }

    pub(crate) fn sees_carrier(&self, carrier: &str) -> bool {
        match self {
            Self::All => true,
            Self::Carriers(carriers) => carriers.contains(carrier),
        }
    }

    pub(crate) fn sees_path(&self, path: &Path) -> bool {
        self.sees_carrier(path.from_carrier.as_str()) && self.sees_carrier(path.to_carrier.as_str())
    }

    pub(crate) fn sees_probe(&self, probe: &LiveProbe) -> bool {
        self.sees_carrier(&probe.carrier)
    }

    /// A finding as it may be told: `None` when it is about somebody else; without the evidence and the alternatives
    /// that name somebody else. Those who may be named are in `table`.
    pub(crate) fn tell(&self, finding: &Finding, table: &Table) -> Option<Finding> {
        if self.is_all() {
            return Some(finding.clone());
        }
        let seen = |probe: &str| table.has_probe(probe);
        if !finding.last.subject.split('~').all(seen) {
            return None;
        }
        let mut told = finding.clone();
        told.last.evidence.retain(|evidence| match evidence {
            Evidence::Conflict(conflict) => seen(&conflict.a) && seen(&conflict.b),
            Evidence::RoundTrip { a, b, .. } => seen(a) && seen(b),
            Evidence::Floor { .. } => true,
        });
        told.last.alternatives.retain(|probe| seen(probe));
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use owl_measure::clock::live::ClockConflict;
    use owl_measure::time::{Nanos, Timestamp};
    use owl_topology::Topology;

    use super::*;
    use crate::finding::{Kind, Symptom};
    use crate::live::Live;

    fn ct() -> Scope {
        Scope::of(["ct".to_owned()])
    }

    #[test]
    fn a_path_is_seen_by_who_sees_both_of_its_carriers() {
        let both = Scope::of(["ct", "cm"].map(str::to_owned));
        let mut path = Topology::yancheng().paths().swap_remove(0);
        for (from, to, by_ct, by_both) in [
            ("ct", "ct", true, true),
            ("ct", "cm", false, true),
            ("cm", "ct", false, true),
            ("cm", "cm", false, true),
            ("cu", "ct", false, false),
        ] {
            (path.from_carrier, path.to_carrier) = (from.into(), to.into());
            assert!(Scope::All.sees_path(&path));
            assert_eq!(ct().sees_path(&path), by_ct, "{from} to {to}");
            assert_eq!(both.sees_path(&path), by_both, "{from} to {to}");
        }
    }

    #[test]
    fn a_part_of_the_table_names_no_probe_and_no_path_of_another_carrier() {
        let live = Live::new(&Topology::yancheng(), None);
        let table = live.read();
        let part = table.part(&ct());
        assert!(!part.paths.is_empty() && part.paths.len() < table.paths.len());
        assert!(part.paths.iter().all(|live| ct().sees_path(&live.path)));
        assert!(part.probes.values().all(|probe| probe.carrier == "ct"));
        for live in &table.paths {
            let seen = part.path(&live.path.id).map(|found| &found.path.id);
            assert_eq!(seen.is_some(), ct().sees_path(&live.path));
            assert!(seen.is_none_or(|id| *id == live.path.id));
        }
    }

    #[test]
    fn a_finding_is_told_without_those_who_are_not_seen() {
        let live = Live::new(&Topology::yancheng(), None);
        let table = live.read();
        let of = |carrier: &str| -> Vec<String> {
            let probes = table.probes.values();
            let of = probes.filter(|probe| probe.carrier == carrier);
            of.map(|probe| probe.id.clone()).collect()
        };
        let (own, other) = (of("ct"), of("cm"));
        let conflict = |a: &str, b: &str| {
            Evidence::Conflict(ClockConflict {
                a: a.into(),
                b: b.into(),
                apart: Nanos(3),
                claimed: Nanos(1),
            })
        };
        let finding = |subject: String| Finding {
            since: Timestamp(1),
            seen_until: Timestamp(2),
            open: true,
            windows: 1,
            last: Symptom {
                kind: Kind::ClockWrong,
                subject,
                size: None,
                within: None,
                evidence: vec![conflict(&own[0], &own[1]), conflict(&own[0], &other[0])],
                alternatives: vec![own[1].clone(), other[1].clone()],
            },
        };
        let part = table.part(&ct());
        let told = ct().tell(&finding(own[0].clone()), &part).unwrap();
        assert_eq!(told.last.evidence, [conflict(&own[0], &own[1])]);
        assert_eq!(told.last.alternatives, [own[1].clone()]);
        assert!(ct().tell(&finding(other[0].clone()), &part).is_none());
        let pair = format!("{}~{}", own[0], other[0]);
        assert!(ct().tell(&finding(pair.clone()), &part).is_none());
        let whole = Scope::All.tell(&finding(pair), &table).unwrap();
        assert_eq!(whole.last.evidence.len(), 2);
    }
}
