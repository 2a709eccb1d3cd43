//! Load: measuring must not be felt.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Place, text};
use crate::model::{LinkRole, Topology};
use crate::path::Claim;
use crate::quantity::Rate;
use crate::route::Tree;

/// One thousandth of what is lit is the most that measuring may take.
const SHARE: u64 = 1_000;
/// What a UDP payload is wrapped in at the most: UDP 8, IPv6 40, Ethernet with preamble and gap 38.
const WRAPPING_OCTETS: u32 = 86;

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let mut on_link = BTreeMap::new();
    let mut of_probe = BTreeMap::new();
    let mut trees = BTreeMap::new();
    for claim in topology.claims() {
        let ((from, _), (to, _)) = (claim.from, claim.to);
        // The reflector answers with packets of the same size (RFC 8762, section 4.3), so each direction of the way
        // carries the full rate, and both probes send it.
        let load = rate_bps(&claim);
        for probe in [from, to] {
            *of_probe.entry(&probe.id).or_insert(0.0) += load;
        }
        if from.carrier != to.carrier {
            continue;
        }
        let tree = trees
            .entry((&from.site, &from.carrier))
            .or_insert_with(|| Tree::grow(topology, &from.site, &from.carrier));
        for link in tree
            .route(&to.site)
            .into_iter()
            .flat_map(|route| route.links)
        {
            *on_link.entry(&link.id).or_insert(0.0) += load;
        }
    }
    for link in &topology.links {
        let load = on_link.get(&link.id).copied().unwrap_or(0.0);
        let what = format!("link \"{}\"", link.id);
        found.extend(too_much(&what, load, link.lit, link.places.key("lit")));
    }
    for probe in &topology.probes {
        let load = of_probe.get(&probe.id).copied().unwrap_or(0.0);
        let lit: u64 = topology
            .links
            .iter()
            .filter(|link| {
                link.role == LinkRole::Work
                    && link.carrier == probe.carrier
                    && link.ends.contains(&probe.site)
            })
            .fold(0, |sum, link| link.lit.0.saturating_add(sum));
        if lit > 0 {
            let what = format!("probe \"{}\"", probe.id);
            found.extend(too_much(&what, load, Rate(lit), probe.places.head()));
        }
    }
}

fn rate_bps(claim: &Claim<'_>) -> f64 {
    let octets = claim
        .measure
        .sizes
        .iter()
        .max()
        .copied()
        .unwrap_or_default()
        + WRAPPING_OCTETS;
    claim.measure.rate_pps * f64::from(octets) * 8.0
}

fn too_much(what: &str, load_bps: f64, lit: Rate, place: &Place) -> Option<Diagnostic> {
    let most = Rate(lit.0 / SHARE);
    (load_bps > most.0 as f64).then(|| {
        let load = Rate(load_bps.round() as u64);
        Diagnostic {
            code: Code::E160,
            place: place.clone(),
            message: text!(
                "{what}: measuring takes {load} each way, and 0.1 % of the {lit} lit is {most}",
                "{what}：测量每方向占用 {load}，而已点亮 {lit} 的 0.1 % 为 {most}",
            ),
            hint: text!(
                "lower rate_pps or sizes, or thin out the mesh",
                "请降低 rate_pps 或 sizes，或减少网格中的探针"
            ),
        }
    })
}
