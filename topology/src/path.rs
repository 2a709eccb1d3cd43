//! The ordered pairs of probes that are judged.
//!
//! A measurement names a mesh of probes and a path class. Every ordered pair
//! of the mesh whose two sites have the roles of the class, in either
//! orientation, is a path; so the promise "to Shanghai" is judged there and
//! back, and the worse direction counts. Probes of one site make no path, and
//! none begins at a router that only reflects.

use std::collections::BTreeMap;

use owl_measure::implied::Declared;
use owl_measure::time::Nanos;
use owl_measure::verdict::Profile;
use serde::Serialize;

use crate::geodesy;
use crate::id::{CarrierId, ClassId, ProbeId, SiteId};
use crate::model::{Measure, PathClass, Probe, Site, Topology};
use crate::plan::ReflectorKind;
use crate::route::Tree;

/// One direction between two probes, and what is promised for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Path {
    /// `FROM~TO`, the ids of its probes.
    pub id: String,
    /// The probe that sends.
    pub from: ProbeId,
    /// The probe that receives.
    pub to: ProbeId,
    /// The class that judges it.
    pub class: ClassId,
    /// The most that its one-way delay may be.
    #[serde(rename = "target_ns")]
    pub target: Nanos,
    /// How it is judged.
    pub profile: Profile,
    /// The least delay from → to that physics allows, for proofs ([`geodesy::proof_floor`]).
    #[serde(rename = "floor_forward_ns")]
    pub floor_forward: Nanos,
    /// The least delay to → from that physics allows.
    #[serde(rename = "floor_backward_ns")]
    pub floor_backward: Nanos,
    /// The great circle between the two sites' points, in kilometres.
    pub great_circle_km: f64,
    /// The declared length of the carrier's shortest working route; `None` between carriers, or when there is none.
    pub route_km: Option<f64>,
    /// What light needs for that route in the declared media: an estimate, not a proof.
    #[serde(rename = "light_ns")]
    pub light: Option<Nanos>,
    /// What the declared equipment of that route takes, one way; zero without any.
    #[serde(rename = "equipment_ns")]
    pub equipment: Nanos,
    /// What light takes for a kilometre of that route, or of the topology's fibre where there is none, in microseconds.
    pub us_per_km: f64,
    /// The site of the sending probe.
    pub from_site: SiteId,
    /// The site of the receiving probe.
    pub to_site: SiteId,
    /// The carrier of the sending probe.
    pub from_carrier: CarrierId,
    /// The carrier of the receiving probe.
    pub to_carrier: CarrierId,
}

impl Path {
    /// What is declared of its route, to hold its fastest packets against.
    pub fn declared(&self) -> Declared {
        Declared {
            great_circle_km: self.great_circle_km,
            route_km: self.route_km,
            equipment: self.equipment,
            us_per_km: self.us_per_km,
        }
    }

    /// Route length over great circle; `None` without a route, or between points that coincide.
    pub fn stretch(&self) -> Option<f64> {
        self.route_km
            .filter(|_| self.great_circle_km > 0.0)
            .map(|km| km / self.great_circle_km)
    }
}

/// A pair of probes that a measurement asks for: its two ends, with the rule.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'t> {
    pub(crate) from: (&'t Probe, &'t Site),
    pub(crate) to: (&'t Probe, &'t Site),
    pub(crate) class: &'t PathClass,
    pub(crate) measure: &'t Measure,
    /// Where the receiving probe stands in the mesh.
    pub(crate) index: usize,
}

impl Claim<'_> {
    pub(crate) fn path_id(&self) -> String {
        format!("{}~{}", self.from.0.id, self.to.0.id)
    }
}

impl PathClass {
    /// Whether the class is about these two sites, in either orientation.
    pub(crate) fn covers(&self, a: &Site, b: &Site) -> bool {
        let oriented =
            |a: &Site, b: &Site| self.from_role.contains(&a.role) && self.to_role.contains(&b.role);
        a.id != b.id && (oriented(a, b) || oriented(b, a))
    }

    /// The pairs of sites that the class is about, each once, in the order of the files. Roles are compared once for each
    /// site, not for each pair.
    pub(crate) fn pairs<'t>(
        &self,
        topology: &'t Topology,
    ) -> impl Iterator<Item = (&'t Site, &'t Site)> {
        let ends: Vec<_> = topology
            .sites
            .iter()
            .map(|site| {
                let (from, to) = (
                    self.from_role.contains(&site.role),
                    self.to_role.contains(&site.role),
                );
                (site, from, to)
            })
            .filter(|&(_, from, to)| from || to)
            .collect();
        (0..ends.len())
            .flat_map({
                let count = ends.len();
                move |first| (first + 1..count).map(move |second| (first, second))
            })
            .filter_map(move |(first, second)| {
                let ((a, a_from, a_to), (b, b_from, b_to)) = (ends[first], ends[second]);
                ((a_from && b_to) || (b_from && a_to)).then_some((a, b))
            })
    }
}

impl Topology {
    /// Every path that is judged, in the order of the measurements and of their meshes.
    pub fn paths(&self) -> Vec<Path> {
        let mut trees = BTreeMap::new();
        self.claims()
            .into_iter()
            .map(|claim| {
                let ((from, from_site), (to, to_site)) = (claim.from, claim.to);
                let route = (from.carrier == to.carrier)
                    .then(|| {
                        trees
                            .entry((&from.site, &from.carrier))
                            .or_insert_with(|| Tree::grow(self, &from.site, &from.carrier))
                            .route(&to.site)
                    })
                    .flatten();
                let floor = geodesy::proof_floor(from_site.point(), to_site.point());
                Path {
                    id: claim.path_id(),
                    from: from.id.clone(),
                    to: to.id.clone(),
                    class: claim.class.id.clone(),
                    target: claim.class.target,
                    profile: self
                        .profile(&claim.class.stat)
                        .map_or_else(Profile::plan_2026, |profile| profile.profile.clone()),
                    floor_forward: floor,
                    floor_backward: floor,
                    great_circle_km: geodesy::great_circle_km(from_site.point(), to_site.point()),
                    route_km: route.as_ref().map(|route| route.route_km),
                    light: route.as_ref().map(|route| route.light),
                    equipment: route.as_ref().map_or(Nanos::ZERO, |route| route.equipment),
                    us_per_km: route
                        .as_ref()
                        .filter(|route| route.route_km > 0.0)
                        .map_or(self.fibre_us_per_km, |route| {
                            route.light.0 as f64 / 1e3 / route.route_km
                        }),
                    from_site: from.site.clone(),
                    to_site: to.site.clone(),
                    from_carrier: from.carrier.clone(),
                    to_carrier: to.carrier.clone(),
                }
            })
            .collect()
    }

    /// The pairs that the measurements ask for. The check refuses a pair that is asked for twice.
    pub(crate) fn claims(&self) -> Vec<Claim<'_>> {
        self.claims_from(|_| true)
    }

    /// The pairs whose sending probe is wanted; one that only reflects sends nothing.
    pub(crate) fn claims_from(&self, wanted: impl Fn(&Probe) -> bool) -> Vec<Claim<'_>> {
        let sites: BTreeMap<_, _> = self.sites.iter().map(|site| (&site.id, site)).collect();
        let probes: BTreeMap<_, _> = self
            .probes
            .iter()
            .filter_map(|probe| Some((&probe.id, (probe, *sites.get(&probe.site)?))))
            .collect();
        let mut claims = Vec::new();
        for measure in &self.measures {
            let Some(class) = self.class(&measure.class) else {
                continue;
            };
            let mesh: Vec<_> = measure
                .mesh
                .iter()
                .enumerate()
                .filter_map(|(i, id)| Some((i, *probes.get(id)?)))
                .collect();
            let sends = |probe: &Probe| probe.reflector == ReflectorKind::Owl && wanted(probe);
            for &(_, from) in mesh.iter().filter(|(_, from)| sends(from.0)) {
                for &(index, to) in &mesh {
                    let together = class.cross_carrier || from.0.carrier == to.0.carrier;
                    if together && class.covers(from.1, to.1) {
                        claims.push(Claim {
                            from,
                            to,
                            class,
                            measure,
                            index,
                        });
                    }
                }
            }
        }
        claims
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Source;

    #[test]
    fn yancheng_has_38_paths_in_three_classes_each_there_and_back() {
        let paths = Topology::yancheng().paths();
        let count = |class: &str| {
            paths
                .iter()
                .filter(|path| path.class.as_str() == class)
                .count()
        };
        assert_eq!(
            (
                count("intra-city"),
                count("to-shanghai-core"),
                count("to-yrd-key-city")
            ),
            (10, 18, 10)
        );
        let ids: BTreeSet<_> = paths.iter().map(|path| path.id.as_str()).collect();
        assert_eq!(ids.len(), paths.len());
        for path in &paths {
            assert!(
                ids.contains(format!("{}~{}", path.to, path.from).as_str()),
                "{} has no way back",
                path.id
            );
        }
    }

    #[test]
    fn every_measured_route_of_yancheng_leaves_a_fifth_of_its_target() {
        for path in Topology::yancheng().paths() {
            let light = path.light.unwrap();
            assert!(
                path.floor_forward <= light && light.0 <= path.target.0 / 5 * 4,
                "{}: {light}",
                path.id
            );
            // Inside the town the straight line is shorter than the streets.
            let stretch = path.stretch().unwrap();
            assert!(
                path.great_circle_km < 10.0 || (1.3..=1.6).contains(&stretch),
                "{}: {stretch}",
                path.id
            );
        }
    }

    #[test]
    fn a_path_stays_inside_its_carrier_unless_the_class_says_otherwise() {
        let crossing = crate::YANCHENG.replacen(
            "target_owd = \"1ms\"",
            "target_owd = \"1ms\"\ncross_carrier = true",
            1,
        );
        let paths = Topology::parse(&[Source {
            name: "t.toml",
            text: &crossing,
        }])
        .unwrap()
        .topology
        .paths();
        assert!(
            Topology::yancheng()
                .paths()
                .iter()
                .all(|path| path.from_carrier == path.to_carrier)
        );
        let across: Vec<_> = paths
            .iter()
            .filter(|path| path.from_carrier != path.to_carrier)
            .collect();
        assert_eq!(
            across.len(),
            20,
            "of the 7 probes at 3 sites, 30 ordered pairs at different sites, 10 inside a carrier"
        );
        assert!(
            across
                .iter()
                .all(|path| path.route_km.is_none() && path.from_site != path.to_site)
        );
    }

    #[test]
    fn a_path_is_judged_by_the_profile_of_its_class() {
        let lab = crate::YANCHENG.replacen("stat = \"plan-2026\"", "stat = \"lab\"", 1);
        let paths = Topology::parse(&[Source {
            name: "t.toml",
            text: &lab,
        }])
        .unwrap()
        .topology
        .paths();
        for path in paths {
            let lab = path.class.as_str() == "intra-city";
            assert_eq!(
                path.profile,
                if lab {
                    Profile::lab()
                } else {
                    Profile::plan_2026()
                },
                "{}",
                path.id
            );
        }
    }
}
