//! Multi-homing: carriers that are there, and that do not fail as one.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic, text};
use crate::id::CarrierId;
use crate::model::{Disjoint, Link, LinkRole, Multihome, Topology};

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    for home in &topology.multihomes {
        let (id, site) = (&home.id, &home.site);
        for (index, carrier) in home.carriers.iter().enumerate() {
            if links_of(topology, home, carrier).next().is_none() {
                found.push(Diagnostic {
                    code: Code::E171,
                    place: home.places.item("carriers", index).clone(),
                    message: text!(
                        "multihome \"{id}\": carrier \"{carrier}\" has no working link at \"{site}\"",
                        "多归属“{id}”：运营商“{carrier}”在“{site}”没有工作链路",
                    ),
                    hint: text!("declare its link, or take the carrier out", "请声明其链路，或去掉该运营商"),
                });
            }
            let required: BTreeSet<_> = home.require_disjoint.iter().collect();
            for required in required {
                for other in &home.carriers[..index] {
                    found.extend(shared(topology, home, *required, (other, carrier)));
                }
                if *required == Disjoint::BuildingEntry {
                    found.extend(
                        links_of(topology, home, carrier)
                            .filter_map(|link| unknown_entry(home, link)),
                    );
                }
            }
        }
    }
}

fn links_of<'t>(
    topology: &'t Topology,
    home: &Multihome,
    carrier: &CarrierId,
) -> impl Iterator<Item = &'t Link> {
    topology.links.iter().filter(move |link| {
        link.role == LinkRole::Work && link.carrier == *carrier && link.ends.contains(&home.site)
    })
}

fn risks<'t>(
    topology: &'t Topology,
    home: &Multihome,
    required: Disjoint,
    carrier: &CarrierId,
) -> BTreeSet<&'t str> {
    let links = links_of(topology, home, carrier);
    match required {
        Disjoint::Srlg => links
            .flat_map(|link| link.srlg.iter().map(String::as_str))
            .collect(),
        Disjoint::BuildingEntry => links
            .filter_map(|link| link.entries.get(&home.site).map(String::as_str))
            .collect(),
    }
}

fn shared(
    topology: &Topology,
    home: &Multihome,
    required: Disjoint,
    (one, other): (&CarrierId, &CarrierId),
) -> Option<Diagnostic> {
    let of_one = risks(topology, home, required, one);
    let of_other = risks(topology, home, required, other);
    let both = of_one
        .intersection(&of_other)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if both.is_empty() {
        return None;
    }
    let (id, index) = (
        &home.id,
        home.require_disjoint
            .iter()
            .position(|it| *it == required)
            .unwrap_or_default(),
    );
    Some(Diagnostic {
        code: Code::E170,
        place: home.places.item("require_disjoint", index).clone(),
        message: text!(
            "multihome \"{id}\": \"{one}\" and \"{other}\" share the {required} {both}",
            "多归属“{id}”：“{one}”与“{other}”共用 {required} {both}",
        ),
        hint: text!(
            "one failure would take both: move one of them",
            "一处故障将同时中断两家：请为其中一家另选路由"
        ),
    })
}

fn unknown_entry(home: &Multihome, link: &Link) -> Option<Diagnostic> {
    if link.entries.contains_key(&home.site) {
        return None;
    }
    let (id, link_id, site) = (&home.id, &link.id, &home.site);
    Some(Diagnostic {
        code: Code::W172,
        place: link.places.head().clone(),
        message: text!(
            "multihome \"{id}\" wants disjoint building entries, and link \"{link_id}\" declares none at \"{site}\"",
            "多归属“{id}”要求楼宇入口分离，而链路“{link_id}”未声明其在“{site}”的入口",
        ),
        hint: text!(
            "write entries = {{ {site} = \"…\" }}",
            "请写 entries = {{ {site} = \"…\" }}"
        ),
    })
}
