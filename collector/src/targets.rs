//! Targets that physics does not allow, said when the collector starts: before anything is measured.

use owl_topology::{Path, Topology};
use tracing::warn;

/// Paths that are named; the first ones tell what is wrong with the target.
const NAMED_MAX: usize = 20;

/// Logs every such path, the first ones by name.
pub(crate) fn warn_of_impossible(topology: &Topology) {
    let impossible = impossible(&topology.paths());
    for said in impossible.iter().take(NAMED_MAX) {
        warn!("{said}");
    }
    if impossible.len() > NAMED_MAX {
        let others = impossible.len() - NAMED_MAX;
        warn!(
            "{others} more paths have a target that light cannot meet; `owl topology show` lists all"
        );
    }
}

fn impossible(paths: &[Path]) -> Vec<String> {
    paths
        .iter()
        .filter_map(|path| {
            let why = path.impossible()?.sentence(owl_measure::words::Lang::En);
            Some(format!(
                "path {}: the target is {}, and {why}",
                path.id, path.target
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::time::Nanos;

    #[test]
    fn a_target_below_light_is_named_with_its_path_and_others_are_not() {
        let mut paths = Topology::yancheng().paths();
        assert_eq!(impossible(&paths), Vec::<String>::new());
        let one = paths.iter_mut().find(|path| path.route_km == Some(148.0));
        let one = one.expect("the port has a direct link");
        one.target = Nanos::from_micros(700);
        let id = one.id.clone();
        let said = impossible(&paths);
        assert_eq!(
            said,
            [format!(
                "path {id}: the target is 700.000 µs, and light takes as long as the target for the declared route: only a shorter one can meet it"
            )]
        );
    }
}
