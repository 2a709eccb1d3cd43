//! Coverage: which pairs a class is about, and which of them are measured, once each.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Code, Diagnostic, text};
use crate::id;
use crate::model::{PathClass, Topology};

/// How many pairs that nothing measures are named.
const NAMED: usize = 3;

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let mut measured: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for claim in topology.claims() {
        let (a, b) = (&claim.from.1.id, &claim.to.1.id);
        measured
            .entry(&claim.class.id)
            .or_default()
            .insert((a.min(b), a.max(b)));
    }
    let none = BTreeSet::new();
    for class in &topology.classes {
        let measured = measured.get(&class.id).unwrap_or(&none);
        let (id, all, done) = (&class.id, class.pairs(topology).count(), measured.len());
        if all == 0 {
            found.push(no_pair(topology, class));
            continue;
        }
        if done == all {
            continue;
        }
        let percent = 100 * done / all;
        let mut names = class
            .pairs(topology)
            .map(|(a, b)| ((&a.id).min(&b.id), (&a.id).max(&b.id)))
            .filter(|pair| !measured.contains(pair))
            .take(NAMED)
            .map(|(a, b)| format!("{a}–{b}"))
            .collect::<Vec<_>>()
            .join(", ");
        if all - done > NAMED {
            names.push_str(", …");
        }
        found.push(Diagnostic {
            code: Code::W181,
            place: class.places.head().clone(),
            message: text!(
                "path_class \"{id}\": {done} of {all} pairs of sites are measured ({percent} %)",
                "路径类“{id}”：{all} 对站点中有 {done} 对被测量（{percent} %）",
            ),
            hint: text!("not measured: {names}", "未测量：{names}"),
        });
    }
    claimed_twice(topology, found);
}

fn no_pair(topology: &Topology, class: &PathClass) -> Diagnostic {
    let id = &class.id;
    let roles: BTreeSet<_> = topology
        .sites
        .iter()
        .map(|site| site.role.as_str())
        .collect();
    let unknown = class
        .from_role
        .iter()
        .chain(&class.to_role)
        .find(|role| !roles.contains(role.as_str()));
    let near = unknown.and_then(|role| id::nearest(role, roles.iter().copied()));
    let hint = match (unknown, near) {
        (Some(role), Some(near)) => {
            text!(
                "no site has the role \"{role}\"; did you mean \"{near}\"?",
                "没有站点的角色是“{role}”；是否想写“{near}”？"
            )
        }
        (Some(role), None) => text!(
            "no site has the role \"{role}\"",
            "没有站点的角色是“{role}”"
        ),
        (None, _) => text!("it takes two different sites", "需要两个不同的站点"),
    };
    Diagnostic {
        code: Code::E180,
        place: class.places.key("scope").clone(),
        message: text!(
            "path_class \"{id}\": the scope matches no pair of sites",
            "路径类“{id}”：范围不匹配任何站点对"
        ),
        hint,
    }
}

fn claimed_twice(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let mut first = BTreeMap::new();
    let mut told = BTreeSet::new();
    for claim in topology.claims() {
        let (from, to) = (&claim.from.0.id, &claim.to.0.id);
        let Some(before) = first.get(&(from, to)).copied() else {
            first.insert((from, to), &claim.measure.id);
            continue;
        };
        let (measure, path) = (&claim.measure.id, claim.path_id());
        if told.insert((from.min(to), from.max(to), measure)) {
            found.push(Diagnostic {
                code: Code::E182,
                place: claim.measure.places.item("mesh", claim.index).clone(),
                message: text!(
                    "measure \"{measure}\": path {path} is already claimed by measure \"{before}\"",
                    "测量“{measure}”：路径 {path} 已由测量“{before}”占用",
                ),
                hint: text!(
                    "a path has one class and one rule: take the pair out of one mesh",
                    "一条路径只属于一个类：请从其中一个网格中去掉"
                ),
            });
        }
    }
}
