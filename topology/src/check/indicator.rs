//! Indicators: sums that reach their target, with every link counted once.

use crate::diagnostic::{Code, Diagnostic, text};
use crate::model::{Link, LinkRole, Topology};

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    for indicator in &topology.indicators {
        let declared = topology.declared(indicator);
        if declared < indicator.target {
            let (id, target, declared) = (
                &indicator.id,
                indicator.amount(indicator.target),
                indicator.amount(declared),
            );
            found.push(Diagnostic {
                code: Code::W190,
                place: indicator.places.key("target").clone(),
                message: text!(
                    "indicator \"{id}\": {declared} of {target} declared",
                    "指标“{id}”：目标 {target}，已声明 {declared}"
                ),
                hint: text!(
                    "declare what is missing, or report the gap as it is",
                    "请补充声明，或如实报告差距"
                ),
            });
        }
    }
    let counted: Vec<_> = topology
        .links
        .iter()
        .filter(|link| !link.counts_toward.is_empty())
        .collect();
    for (index, link) in counted.iter().enumerate() {
        // The first one is enough to mend it, and bounds what is told.
        found.extend(counted[..index].iter().find_map(|other| twice(link, other)));
    }
}

fn twice(link: &Link, other: &Link) -> Option<Diagnostic> {
    let protection = |standby: &Link, working: &Link| {
        standby.role == LinkRole::Protect && standby.protects.as_ref() == Some(&working.id)
    };
    let same_fibre = link.carrier == other.carrier
        && link.ends[0] == other.ends[1]
        && link.ends[1] == other.ends[0]
        && link.route_km.total_cmp(&other.route_km).is_eq()
        && link.capacity == other.capacity;
    if !(same_fibre || protection(link, other) || protection(other, link)) {
        return None;
    }
    let index = link
        .counts_toward
        .iter()
        .position(|tag| other.counts_toward.contains(tag))?;
    let (id, other_id, tag) = (&link.id, &other.id, &link.counts_toward[index]);
    Some(Diagnostic {
        code: Code::E191,
        place: link.places.item("counts_toward", index).clone(),
        message: text!(
            "link \"{id}\" counts toward \"{tag}\" beside \"{other_id}\", which is the same capacity",
            "链路“{id}”与“{other_id}”是同一容量，却都计入“{tag}”",
        ),
        hint: if same_fibre {
            text!(
                "it looks like one link declared from both ends: keep one",
                "似乎是同一链路在两端各声明一次：请只保留一个"
            )
        } else {
            text!("count the working link only", "只计入工作链路")
        },
    })
}
