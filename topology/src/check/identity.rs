//! Ids: each once in its kind, over all files.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::diagnostic::{Code, Diagnostic, Places, text};
use crate::model::Topology;

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let t = topology;
    once(
        "carrier",
        t.carriers.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    once(
        "site",
        t.sites.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    once(
        "link",
        t.links.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    once(
        "path_class",
        t.classes.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    once(
        "stat_profile",
        t.profiles
            .iter()
            .map(|it| (it.profile.id.as_str(), &it.places)),
        found,
    );
    once(
        "probe",
        t.probes.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    once(
        "measure",
        t.measures.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    once(
        "multihome",
        t.multihomes.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    once(
        "maintenance",
        t.maintenances.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    once(
        "pon",
        t.pons.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    once(
        "indicator",
        t.indicators.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    once(
        "device",
        t.devices.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    once(
        "port",
        t.ports.iter().map(|it| (it.id.as_str(), &it.places)),
        found,
    );
    endpoints(t, found);
}

/// Two probes that answer at one address and port: one of them would be measured under the other's name.
fn endpoints(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let mut seen = BTreeMap::new();
    for (number, probe) in topology.probes.iter().enumerate() {
        for (index, address) in probe.addr.iter().enumerate() {
            let endpoint = SocketAddr::new(address.to_canonical(), probe.port);
            let place = probe.places.item("addr", index);
            let &mut (first, other, other_place) =
                seen.entry(endpoint).or_insert((number, &probe.id, place));
            if first == number {
                continue;
            }
            let id = &probe.id;
            found.push(Diagnostic {
                code: Code::E103,
                place: place.clone(),
                message: text!(
                    "probe \"{id}\": {endpoint} is already that of probe \"{other}\" at {other_place}",
                    "探针“{id}”：{endpoint} 已属于 {other_place} 处的探针“{other}”",
                ),
                hint: text!(
                    "give one of the two another address or port",
                    "请为其中之一改用其他地址或端口"
                ),
            });
        }
    }
}

fn once<'t>(
    kind: &str,
    ids: impl Iterator<Item = (&'t str, &'t Places)>,
    found: &mut Vec<Diagnostic>,
) {
    let mut seen = BTreeMap::new();
    for (id, places) in ids {
        let Some(first) = seen.insert(id, places) else {
            continue;
        };
        let first = first.key("id");
        found.push(Diagnostic {
            code: Code::E101,
            place: places.key("id").clone(),
            message: text!(
                "{kind} \"{id}\" is already defined at {first}",
                "{kind}“{id}”已在 {first} 定义"
            ),
            hint: text!("give one of the two another id", "请为其中之一另取标识"),
        });
    }
}
