//! Where the paths of a topology begin and end: what alerts are put together by.

use std::collections::{BTreeMap, BTreeSet};

use owl_topology::{Path, Topology};

use super::condition::Words;
use super::subject::{Of, Subject};

/// The two ends of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) class: String,
    /// The probes.
    pub(crate) probes: [String; 2],
    /// Their sites.
    pub(crate) sites: [String; 2],
    /// Their carriers.
    pub(crate) carriers: [String; 2],
}

/// All paths, and what their places are called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Map {
    /// The topology's name.
    pub(crate) network: String,
    pub(crate) places: Vec<Place>,
    by_path: BTreeMap<String, usize>,
    /// Places that a whole site, probe or network is told of, with their paths; those of two paths or more.
    pub(super) wholes: Vec<(Subject, Vec<usize>)>,
    /// Names of sites.
    sites: BTreeMap<String, Words>,
    /// Site and carrier of each probe.
    pub(super) probes: BTreeMap<String, [String; 2]>,
}

impl Map {
    pub(crate) fn of<'a>(topology: &Topology, paths: impl Iterator<Item = &'a Path>) -> Self {
        let place = |path: &Path| Place {
            path: path.id.clone(),
            class: path.class.to_string(),
            probes: [path.from.to_string(), path.to.to_string()],
            sites: [path.from_site.to_string(), path.to_site.to_string()],
            carriers: [path.from_carrier.to_string(), path.to_carrier.to_string()],
        };
        let mut map = Self::with(&topology.name, paths.map(place).collect());
        map.sites = topology
            .sites
            .iter()
            .map(|site| {
                (
                    site.id.to_string(),
                    Words::of(|lang| site.name.pick(lang).to_owned()),
                )
            })
            .collect();
        map.probes = topology
            .probes
            .iter()
            .map(|probe| {
                let at = [probe.site.to_string(), probe.carrier.to_string()];
                (probe.id.to_string(), at)
            })
            .collect();
        map
    }

    pub(super) fn with(network: &str, places: Vec<Place>) -> Self {
        let mut whole: BTreeMap<Subject, BTreeSet<usize>> = BTreeMap::new();
        for (k, place) in places.iter().enumerate() {
            let [from, to] = &place.sites;
            let [sender, receiver] = &place.probes;
            for (of, name) in [
                (Of::Network, network),
                (Of::Site, from),
                (Of::Site, to),
                (Of::Probe, sender),
                (Of::Probe, receiver),
                (Of::FromSite, from),
                (Of::ToSite, to),
            ] {
                whole.entry(Subject::new(of, name)).or_default().insert(k);
            }
        }
        let wholes = whole.into_iter().filter(|(_, paths)| paths.len() > 1);
        Self {
            network: network.to_owned(),
            by_path: (0..)
                .zip(&places)
                .map(|(k, place)| (place.path.clone(), k))
                .collect(),
            wholes: wholes
                .map(|(subject, paths)| (subject, paths.into_iter().collect()))
                .collect(),
            places,
            ..Self::default()
        }
    }

    pub(super) fn index(&self, path: &str) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    pub(crate) fn place(&self, path: &str) -> Option<&Place> {
        self.index(path).map(|k| &self.places[k])
    }

    /// What a site is called; its id where the topology does not know it any more.
    pub(super) fn site(&self, id: &str) -> Words {
        let named = self.sites.get(id).cloned();
        named.unwrap_or_else(|| Words::of(|_| id.to_owned()))
    }

    /// What tells an alert on this subject from others, besides its name: labels and their values. They follow from the
    /// topology alone, so the end of an alert has those of its beginning.
    pub(crate) fn labels(&self, subject: &Subject) -> Vec<(&'static str, String)> {
        let name = subject.name.clone();
        match subject.of {
            Of::Network | Of::Collector => Vec::new(),
            Of::Site => vec![("site", name)],
            Of::FromSite => vec![("site", name), ("direction", "from".to_owned())],
            Of::ToSite => vec![("site", name), ("direction", "to".to_owned())],
            Of::Pair => vec![("pair", name)],
            Of::Probe => {
                let mut labels = vec![("probe", name.clone())];
                if let Some([site, carrier]) = self.probes.get(&name) {
                    labels.extend([("site", site.clone()), ("carrier", carrier.clone())]);
                }
                labels
            }
            Of::Path => {
                let mut labels = vec![("path", name.clone())];
                if let Some(place) = self.place(&name) {
                    let [from_site, to_site] = place.sites.clone();
                    let [from_carrier, to_carrier] = place.carriers.clone();
                    labels.extend([
                        ("class", place.class.clone()),
                        ("from_site", from_site),
                        ("to_site", to_site),
                        ("from_carrier", from_carrier),
                        ("to_carrier", to_carrier),
                    ]);
                }
                labels
            }
        }
    }
}
