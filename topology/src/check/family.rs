//! Address families: probes that have what their class and measurement need.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic, text};
use crate::model::{Family, Topology};

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let mut told = BTreeSet::new();
    for claim in topology.claims() {
        let needed: BTreeSet<_> = claim
            .class
            .families
            .iter()
            .chain(&claim.measure.families)
            .collect();
        for (probe, _) in [claim.from, claim.to] {
            for family in &needed {
                let has = probe
                    .addr
                    .iter()
                    .any(|address| Family::of(address) == **family);
                if has || !told.insert((&probe.id, **family)) {
                    continue;
                }
                let (id, class) = (&probe.id, &claim.class.id);
                found.push(Diagnostic {
                    code: Code::W200,
                    place: probe.places.key("addr").clone(),
                    message: text!(
                        "probe \"{id}\" has no {family} address, which \"{class}\" needs",
                        "探针“{id}”没有“{class}”所需的 {family} 地址",
                    ),
                    hint: text!(
                        "add one to addr, or take {family} out of families",
                        "请在 addr 中补充，或从 families 中去掉 {family}"
                    ),
                });
            }
        }
    }
}
