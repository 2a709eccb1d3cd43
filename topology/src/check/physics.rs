//! Targets against the speed of light.
//!
//! A target below light in vacuum is an error for every pair of sites in the
//! scope: no network could meet it. Light in the declared fibre is a warning
//! for the pairs that are judged: the declared route cannot meet it.

use std::collections::{BTreeMap, BTreeSet};

use owl_measure::time::Nanos;

use crate::diagnostic::{Code, Diagnostic, text};
use crate::geodesy;
use crate::model::{Link, LinkRole, PathClass, RouteSource, Topology};
use crate::route::{Route, Tree};

/// Pairs of one class that are named as impossible; the first ones tell what is wrong with the target.
const IMPOSSIBLE_MAX: usize = 20;

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    for class in &topology.classes {
        vacuum(topology, class, found);
    }
    let mut judged = BTreeSet::new();
    let mut told = BTreeSet::new();
    let mut trees = BTreeMap::new();
    for claim in topology.claims() {
        let ((from, _), (to, _)) = (claim.from, claim.to);
        let pair = (&from.site).min(&to.site)..=(&from.site).max(&to.site);
        let new = judged.insert((&claim.class.id, &from.carrier, *pair.start(), *pair.end()));
        if from.carrier != to.carrier || !new {
            continue;
        }
        let tree = trees
            .entry((&from.site, &from.carrier))
            .or_insert_with(|| Tree::grow(topology, &from.site, &from.carrier));
        let Some(route) = tree.route(&to.site) else {
            continue;
        };
        let judged = Judged {
            topology,
            class: claim.class,
            route,
        };
        judged.fibre(found);
        judged.protection(&mut told, found);
        judged.guesses(&mut told, found);
    }
}

fn vacuum(topology: &Topology, class: &PathClass, found: &mut Vec<Diagnostic>) {
    let impossible = class
        .pairs(topology)
        .map(|(a, b)| (a, b, geodesy::proof_floor(a.point(), b.point())))
        .filter(|&(_, _, floor)| floor >= class.target);
    for (a, b, floor) in impossible.take(IMPOSSIBLE_MAX) {
        let (id, a, b, target) = (&class.id, &a.id, &b.id, class.target);
        found.push(Diagnostic {
                code: Code::E122,
                place: class.places.key("target_owd").clone(),
                message: text!(
                    "path_class \"{id}\": {a}–{b} takes light {floor} at the least, and the target is {target}",
                    "路径类“{id}”：{a}–{b} 光速下限为 {floor}，目标为 {target}",
                ),
                hint: text!("no network can meet it: change the scope or the target", "任何网络都无法达到：请修改范围或目标"),
            });
    }
}

/// A route that a class judges.
struct Judged<'t> {
    topology: &'t Topology,
    class: &'t PathClass,
    route: Route<'t>,
}

impl<'t> Judged<'t> {
    fn fibre(&self, found: &mut Vec<Diagnostic>) {
        let (class, target, light, km) = (
            &self.class.id,
            self.class.target,
            self.route.light,
            self.route.route_km,
        );
        // The longest link is where a change would help most.
        let Some(longest) = self
            .route
            .links
            .iter()
            .max_by(|a, b| a.route_km.total_cmp(&b.route_km))
        else {
            return;
        };
        let place = longest.places.key("route_km").clone();
        let ways = self
            .route
            .links
            .iter()
            .map(|link| link.id.as_str())
            .collect::<Vec<_>>()
            .join(" + ");
        if light >= target {
            found.push(Diagnostic {
                code: Code::W122,
                place,
                message: text!(
                    "{ways}: light takes {light} for {km:.0} km of declared route, and \"{class}\" allows {target}",
                    "{ways}：声明的 {km:.0} km 路由光传播需 {light}，而“{class}”目标为 {target}",
                ),
                hint: text!("only a shorter route can meet the target", "只有更短的路由才能达到目标"),
            });
        } else if light.0 > target.0 / 5 * 4 {
            let left = target - light;
            found.push(Diagnostic {
                code: Code::W123,
                place,
                message: text!(
                    "{ways}: light takes {light} of the {target} of \"{class}\"; {left} are left for equipment and queues",
                    "{ways}：光传播占去“{class}”目标 {target} 中的 {light}，仅余 {left} 供设备与排队",
                ),
                hint: text!("a fifth of the target or more should be left", "应至少留出目标的五分之一"),
            });
        }
    }

    fn protection(&self, told: &mut BTreeSet<(&'t str, &'t str)>, found: &mut Vec<Diagnostic>) {
        let (light, target) = (self.route.light, self.class.target);
        if light >= target {
            return;
        }
        let standby = self
            .topology
            .links
            .iter()
            .filter(|link| link.role == LinkRole::Protect);
        for protect in standby {
            let Some(working) = self
                .route
                .links
                .iter()
                .find(|link| protect.protects.as_ref() == Some(&link.id))
            else {
                continue;
            };
            let switched =
                light - self.topology.light_in(working) + self.topology.light_in(protect);
            if switched >= target && told.insert((self.class.id.as_str(), protect.id.as_str())) {
                found.push(self.breaks(protect, working, switched));
            }
        }
    }

    fn breaks(&self, protect: &Link, working: &Link, switched: Nanos) -> Diagnostic {
        let (class, target, protect_id, working) =
            (&self.class.id, self.class.target, &protect.id, &working.id);
        Diagnostic {
            code: Code::W124,
            place: protect.places.key("route_km").clone(),
            message: text!(
                "link \"{protect_id}\": when it takes over from \"{working}\", light alone takes {switched}, and \"{class}\" allows {target}",
                "链路“{protect_id}”：倒换接替“{working}”后仅光传播即需 {switched}，而“{class}”目标为 {target}",
            ),
            hint: text!(
                "expect the target to be missed for as long as protection is in use",
                "保护路由启用期间目标将无法达到"
            ),
        }
    }

    fn guesses(&self, told: &mut BTreeSet<(&'t str, &'t str)>, found: &mut Vec<Diagnostic>) {
        for link in self
            .route
            .links
            .iter()
            .filter(|link| link.route_km_source == RouteSource::Estimate)
        {
            let id = &link.id;
            if told.insert(("", id.as_str())) {
                found.push(Diagnostic {
                    code: Code::W121,
                    place: link.places.key("route_km_source").clone(),
                    message: text!(
                        "link \"{id}\": a judged path runs over it, and its length is an estimate",
                        "链路“{id}”：有被考核的路径经过，但其长度只是估计值",
                    ),
                    hint: text!(
                        "take the length from the design or from an OTDR",
                        "请采用设计长度或 OTDR 实测长度"
                    ),
                });
            }
        }
    }
}
