//! Which maintenance touches which path.
//!
//! A path between probes of one carrier takes the carrier's declared working
//! route; maintenance of one of its links touches it. Where carriers meet is not
//! declared, so no maintenance excuses a path between two of them.

use crate::model::{Maintenance, Topology};
use crate::path::Path;

impl Topology {
    /// The declared maintenance of the links of a path's route, in the order of the files.
    pub fn maintenance_of(&self, path: &Path) -> Vec<&Maintenance> {
        if self.maintenances.is_empty() || path.from_carrier != path.to_carrier {
            return Vec::new();
        }
        let Some(route) = self.route(&path.from_site, &path.to_site, &path.from_carrier) else {
            return Vec::new();
        };
        self.maintenances
            .iter()
            .filter(|maintenance| {
                route
                    .links
                    .iter()
                    .any(|link| maintenance.links.contains(&link.id))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintenance_touches_the_paths_whose_route_takes_the_link_in_both_directions() {
        let topology = Topology::yancheng();
        let touched: Vec<String> = topology
            .paths()
            .iter()
            .filter(|path| !topology.maintenance_of(path).is_empty())
            .map(|path| path.id.clone())
            .collect();
        for path in ["yannan-ct~binhaigang-ct", "binhaigang-ct~yannan-ct"] {
            assert!(touched.iter().any(|id| id == path), "{touched:?}");
        }
        // Another carrier's fibre is not cut over.
        let others = |id: &String| id.contains("-cm") || id.contains("-cu");
        assert!(!touched.iter().any(others), "{touched:?}");
    }
}
