//! The way that traffic takes inside one carrier's network, as it is declared.
//!
//! Shortest by kilometres of route over the working links, so a direct link
//! wins by being the shortest. Between carriers nothing is routed: where they
//! meet is not declared.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use owl_measure::time::Nanos;

use crate::id::{CarrierId, SiteId};
use crate::model::{Link, LinkRole, Topology};

/// A way over the working links of one carrier.
#[derive(Debug, Clone, PartialEq)]
pub struct Route<'t> {
    /// The links, in their order from the first site.
    pub links: Vec<&'t Link>,
    /// The sites between the two ends, in the same order.
    pub via: Vec<&'t SiteId>,
    /// The declared length in kilometres.
    pub route_km: f64,
    /// Regenerators on the way.
    pub regens: u32,
    /// What light needs for it in the declared media: an estimate, not a proof.
    pub light: Nanos,
    /// What the declared equipment of its links takes, one way.
    pub equipment: Nanos,
}

impl Topology {
    /// The shortest way of `carrier` from one site to another; `None` when its working links make none.
    pub fn route(&self, from: &SiteId, to: &SiteId, carrier: &CarrierId) -> Option<Route<'_>> {
        Tree::grow(self, from, carrier).route(to)
    }
}

/// The shortest ways from one site to every other, over one carrier's working links.
pub(crate) struct Tree<'t> {
    topology: &'t Topology,
    root: SiteId,
    /// For every site reached: the link by which, and the site before it.
    reached_by: BTreeMap<&'t SiteId, (&'t Link, &'t SiteId)>,
}

impl<'t> Tree<'t> {
    /// Dijkstra's algorithm; of ways of one length the earlier link in the files wins.
    pub(crate) fn grow(topology: &'t Topology, root: &SiteId, carrier: &CarrierId) -> Self {
        let mut leaving: BTreeMap<&SiteId, Vec<&Link>> = BTreeMap::new();
        for link in topology
            .links
            .iter()
            .filter(|link| link.role == LinkRole::Work && link.carrier == *carrier)
        {
            for end in &link.ends {
                leaving.entry(end).or_default().push(link);
            }
        }
        let mut tree = Self {
            topology,
            root: root.clone(),
            reached_by: BTreeMap::new(),
        };
        let Some((&start, _)) = leaving.get_key_value(root) else {
            return tree;
        };
        let mut best = BTreeMap::from([(start, 0.0)]);
        let mut queue = BinaryHeap::from([(Reverse(Km(0.0)), Reverse(start))]);
        while let Some((Reverse(Km(km)), Reverse(here))) = queue.pop() {
            if best.get(here).is_some_and(|&known| km > known) {
                continue;
            }
            for link in leaving.get(here).into_iter().flatten() {
                let Some(next) = link.far_end(here) else {
                    continue;
                };
                let length = km + link.route_km;
                if best.get(next).is_none_or(|&known| length < known) {
                    best.insert(next, length);
                    tree.reached_by.insert(next, (*link, here));
                    queue.push((Reverse(Km(length)), Reverse(next)));
                }
            }
        }
        tree
    }

    /// The way to one site.
    pub(crate) fn route(&self, to: &SiteId) -> Option<Route<'t>> {
        let (mut links, mut via, mut here) = (Vec::new(), Vec::new(), to);
        while *here != self.root {
            let (link, before) = *self.reached_by.get(here)?;
            links.push(link);
            if *before != self.root {
                via.push(before);
            }
            here = before;
        }
        links.reverse();
        via.reverse();
        Some(Route {
            route_km: links.iter().map(|link| link.route_km).sum(),
            regens: links
                .iter()
                .fold(0, |sum, link| link.regens.saturating_add(sum)),
            light: links.iter().map(|link| self.topology.light_in(link)).sum(),
            equipment: links.iter().map(|link| link.equipment).sum(),
            links,
            via,
        })
    }
}

/// A length that can be ordered; lengths are checked to be finite when they are read.
#[derive(PartialEq)]
struct Km(f64);

impl Eq for Km {}

impl PartialOrd for Km {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Km {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::Topology;

    #[track_caller]
    fn goes(carrier: &str, from: &str, to: &str, links: &[&str], via: &[&str], route_km: f64) {
        let topology = Topology::yancheng();
        let route = topology
            .route(&from.into(), &to.into(), &carrier.into())
            .unwrap();
        assert_eq!(
            route
                .links
                .iter()
                .map(|link| link.id.as_str())
                .collect::<Vec<_>>(),
            links
        );
        assert_eq!(
            route
                .via
                .iter()
                .map(|site| site.as_str())
                .collect::<Vec<_>>(),
            via
        );
        assert!(
            (route.route_km - route_km).abs() < 1e-9,
            "{}",
            route.route_km
        );
    }

    #[test]
    fn the_shortest_working_way_is_taken() {
        goes(
            "ct",
            "yc-yannan",
            "yc-binhaigang",
            &["ct-yannan-binhaigang-w"],
            &[],
            148.0,
        );
        goes(
            "ct",
            "yc-yannan",
            "sh-core",
            &["ct-yannan-shanghai"],
            &[],
            351.0,
        );
        goes(
            "ct",
            "yc-urban",
            "sh-core",
            &["ct-urban-shanghai"],
            &[],
            353.0,
        );
        goes(
            "cm",
            "yc-binhaigang",
            "sh-core",
            &["cm-binhaigang-shanghai"],
            &[],
            468.0,
        );
        goes(
            "cm",
            "yc-yannan",
            "sh-core",
            &["cm-yannan-urban", "cm-urban-shanghai"],
            &["yc-urban"],
            382.6,
        );
        goes(
            "cm",
            "yrd-hefei",
            "yc-urban",
            &["cm-nanjing-hefei", "cm-urban-nanjing"],
            &["yrd-nanjing"],
            473.0,
        );
        goes(
            "cu",
            "yc-urban",
            "yrd-wenzhou",
            &["cu-urban-hangzhou", "cu-hangzhou-wenzhou"],
            &["yrd-hangzhou"],
            849.0,
        );
    }

    #[test]
    fn a_site_reaches_itself_over_nothing() {
        goes("ct", "yc-urban", "yc-urban", &[], &[], 0.0);
    }

    #[test]
    fn there_is_no_way_over_another_carrier_or_to_a_stranger() {
        let topology = Topology::yancheng();
        for (carrier, from, to) in [
            ("ct", "yc-urban", "yrd-wenzhou"),
            ("cm", "yc-dongtai", "sh-core"),
            ("ct", "nowhere", "sh-core"),
            ("xx", "yc-urban", "sh-core"),
        ] {
            assert_eq!(
                topology.route(&from.into(), &to.into(), &carrier.into()),
                None,
                "{carrier} {from} {to}"
            );
        }
    }

    #[test]
    fn light_takes_its_time_by_the_medium() {
        let hollow =
            crate::YANCHENG.replacen("medium = \"otn-400g\"", "medium = \"hollow-core\"", 1);
        for (text, ns) in [(crate::YANCHENG, 725_200), (hollow.as_str(), 503_200)] {
            let topology = Topology::parse(&[crate::Source {
                name: "t.toml",
                text,
            }])
            .unwrap()
            .topology;
            let route = topology
                .route(&"yc-yannan".into(), &"yc-binhaigang".into(), &"ct".into())
                .unwrap();
            assert!((route.light.0 - ns).abs() <= 1, "{}", route.light);
        }
    }
}
